import { expect, test } from 'vitest';
import * as FixedClock from '../../testing/FixedClock.ts';
import { createAskedMeasures, createMeasuring } from './measuring.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import type { Process } from './Supervisor.ts';

/** A process that answers what it is told to. */
function openProcess(pid: number) {
  const asked: number[] = [];
  const process: Process = { pid, kill: () => {}, send: (message: ToWorker) => void (message.kind === 'measure' && asked.push(message.id)) };
  return { process, asked };
}

const counted = (calls: number) => ({ 'farebox_challenges_total{service="a",route="b"}': calls, farebox_processes: 1 });

test('all are asked, and what they say is added up', async () => {
  const measuring = createMeasuring(FixedClock.create());
  const [one, other] = [openProcess(1), openProcess(2)];
  const sum = measuring.measure([one.process, other.process]);
  measuring.hear(one.process, { kind: 'measured', id: one.asked[0] as number, snapshot: counted(2) });
  measuring.hear(other.process, { kind: 'measured', id: other.asked[0] as number, snapshot: counted(3) });
  expect(await sum).toEqual({ 'farebox_challenges_total{service="a",route="b"}': 5, farebox_processes: 2 });
});

test('of one that is silent, what it said last holds; of one that has ended, what it had counted', async () => {
  const clock = FixedClock.create();
  const measuring = createMeasuring(clock);
  const [one, other] = [openProcess(1), openProcess(2)];
  const answer = ({ process, asked }: typeof one, calls: number) =>
    measuring.hear(process, { kind: 'measured', id: asked.at(-1) as number, snapshot: counted(calls) });
  const first = measuring.measure([one.process, other.process]);
  answer(one, 2);
  answer(other, 3);
  await first;
  const second = measuring.measure([one.process, other.process]);
  answer(one, 4);
  clock.advance(1000);
  expect(await second).toMatchObject({ 'farebox_challenges_total{service="a",route="b"}': 7 });
  const third = measuring.measure([one.process, other.process]);
  measuring.gone(other.process);
  answer(one, 4);
  expect(await third).toEqual({ 'farebox_challenges_total{service="a",route="b"}': 7, farebox_processes: 1 });
  // Its last word may come after its end.
  answer(other, 3);
  const fourth = measuring.measure([one.process]);
  answer(one, 4);
  expect(await fourth).toEqual({ 'farebox_challenges_total{service="a",route="b"}': 7, farebox_processes: 1 });
});

test('several may ask at once', async () => {
  const measuring = createMeasuring(FixedClock.create());
  const one = openProcess(1);
  const sums = [measuring.measure([one.process]), measuring.measure([one.process])];
  for (const id of one.asked) measuring.hear(one.process, { kind: 'measured', id, snapshot: counted(1) });
  expect(await Promise.all(sums)).toEqual([counted(1), counted(1)]);
});

test('a process hears from its supervisor what all counted, and otherwise says its own', async () => {
  const clock = FixedClock.create();
  const sent: FromWorker[] = [];
  const asked = createAskedMeasures((message) => sent.push(message), clock);
  const heard = asked.measured(counted(1));
  asked.hear({ id: (sent[0] as { id: number }).id, snapshot: counted(9) });
  expect(await heard).toEqual(counted(9));
  const unheard = asked.measured(counted(1));
  clock.advance(2000);
  expect(await unheard).toEqual(counted(1));
});
