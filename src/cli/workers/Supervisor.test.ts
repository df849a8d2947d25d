import { describe, expect, test } from 'vitest';
import { createRates } from '../../server/Rates.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { createSupervisor, type Hooks, StartFailed, type WorkerNews } from './Supervisor.ts';

type Started = {
  readonly slot: number;
  readonly pid: number;
  readonly hooks: Hooks;
  readonly text: string;
  readonly heard: ToWorker['kind'][];
  isKilled: boolean;
  last?: ToWorker;
};

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A supervisor of so many processes that a test plays. */
function open(count: number) {
  const clock = FixedClock.create();
  const rates = createRates({ perClientPerMinute: 2 }, clock);
  const all: Started[] = [];
  const news: WorkerNews[] = [];
  const supervisor = createSupervisor({
    count,
    clock,
    text: 'first',
    rates: () => rates,
    tell: (one) => news.push(one),
    start: (slot, hooks, text) => {
      const started: Started = { slot, pid: 100 + all.length, hooks, text, heard: [], isKilled: false };
      all.push(started);
      return {
        pid: started.pid,
        send: (message) => {
          started.heard.push(message.kind);
          started.last = message;
        },
        kill: () => {
          started.isKilled = true;
        },
      };
    },
  });
  const at = (index: number) => all[index] as Started;
  const says = async (index: number, message: FromWorker) => {
    at(index).hooks.onMessage(message);
    await turn();
  };
  const isReady = (index: number) => says(index, { kind: 'ready', url: `http://127.0.0.1:${index}` });
  const dies = async (index: number, code: number | null = null) => {
    at(index).hooks.onExit(code);
    await turn();
  };
  return { clock, supervisor, all, news, at, says, isReady, dies };
}

/** All of them at work. */
async function start(count: number) {
  const scene = open(count);
  const starting = scene.supervisor.start();
  await scene.isReady(0);
  for (let index = 1; index < count; index++) await scene.isReady(index);
  await starting;
  return scene;
}

test('the first is started alone, then the others; one follows', async () => {
  const { supervisor, all, at, isReady } = open(3);
  const starting = supervisor.start();
  expect(all.length).toBe(1);
  await isReady(0);
  expect(all.map(({ slot }) => slot)).toEqual([1, 2, 3]);
  await isReady(2);
  await isReady(1);
  expect(await starting).toMatchObject({ url: 'http://127.0.0.1:0' });
  expect([0, 1, 2].map((index) => at(index).heard)).toEqual([['follow'], [], []]);
});

test('one that ends before it is ready ends the start, with its exit code, and no other is started for it', async () => {
  const { clock, supervisor, all, dies } = open(2);
  const starting = supervisor.start().catch((error: unknown) => error);
  await dies(0, 2);
  const error = await starting;
  expect(error).toBeInstanceOf(StartFailed);
  expect((error as StartFailed).code).toBe(2);
  expect([all.length, clock.timers()]).toEqual([1, 0]);
});

test('another is started where one has died, later each time, and soon again when one has lived', async () => {
  const { clock, all, news, isReady, dies } = await start(1);
  const pauses: number[] = [];
  for (let death = 0; death < 11; death++) {
    await dies(all.length - 1);
    const { againMs = 0 } = news.at(-1) as WorkerNews;
    pauses.push(againMs);
    clock.advance(againMs - 1);
    expect(all.length).toBe(death + 1);
    clock.advance(1);
    expect(all.length).toBe(death + 2);
  }
  expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
  await isReady(all.length - 1);
  clock.advance(60_000);
  await dies(all.length - 1);
  expect(news.at(-1)?.againMs).toBe(100);
});

test('where the one that follows dies another follows, and the new one does not', async () => {
  const { clock, at, all, isReady, dies } = await start(2);
  await dies(0);
  expect(at(1).heard).toEqual(['follow']);
  clock.advance(100);
  expect(all.length).toBe(3);
  await isReady(2);
  expect(at(2).heard).toEqual([]);
});

test('replaced one after the other: a new one is ready before an old one leaves, and follows only when that does no more', async () => {
  const { supervisor, at, all, isReady, says, dies } = await start(2);
  const restarting = supervisor.restart('second');
  expect(supervisor.restart('second')).toBe(restarting);
  await turn();
  expect([all.length, at(0).heard]).toEqual([3, ['follow']]);
  await isReady(2);
  expect(at(0).heard).toEqual(['follow', 'leave']);
  expect([at(1).heard, at(2).heard]).toEqual([[], []]);
  await says(0, { kind: 'unfollowed' });
  expect(all.filter(({ heard }) => heard.includes('follow')).length, 'one, and then another').toBe(2);
  await isReady(3);
  expect(await restarting).toBe(true);
  expect(at(1).heard.at(-1)).toBe('leave');
  await says(1, { kind: 'unfollowed' });
  await dies(0, 0);
  await dies(1, 0);
  expect(all.length, 'who leaves is not started anew').toBe(4);
});

test('one that cannot start replaces nobody, and those that are there go on', async () => {
  const { clock, supervisor, all, at, dies } = await start(2);
  const restarting = supervisor.restart('second');
  await turn();
  await dies(2, 2);
  expect(await restarting).toBe(false);
  expect([at(0).heard, at(1).heard]).toEqual([['follow'], []]);
  expect([all.length, clock.timers()]).toEqual([3, 0]);
});

test('stopping asks all, waits for them, and starts nobody any more', async () => {
  const { clock, supervisor, all, at, dies } = await start(2);
  await dies(1);
  expect(clock.timers()).toBe(1);
  let isStopped = false;
  const stopping = supervisor.stop().then(() => {
    isStopped = true;
  });
  expect(at(0).heard.at(-1)).toBe('stop');
  await turn();
  expect([isStopped, clock.timers()]).toEqual([false, 0]);
  await dies(0, 0);
  await stopping;
  expect(all.length).toBe(2);
});

test('what is asked for is counted over all of them', async () => {
  const { at, says } = await start(2);
  const answers: unknown[] = [];
  for (const [index, id] of [
    [0, 1],
    [1, 2],
    [0, 3],
  ] as const) {
    await says(index, { kind: 'mint', id, client: '192.0.2.1' });
    answers.push(at(index).last);
  }
  expect(answers).toEqual([
    { kind: 'rate', id: 1, value: 0 },
    { kind: 'rate', id: 2, value: 0 },
    { kind: 'rate', id: 3, value: 30 },
  ]);
  const rate = { requests: 1, perMs: 1000 };
  await says(0, { kind: 'take', id: 6, scope: 'token', key: 'a', rate });
  expect(at(0).last).toEqual({ kind: 'rate', id: 6, value: 0 });
  await says(1, { kind: 'take', id: 7, scope: 'token', key: 'a', rate });
  expect(at(1).last).toEqual({ kind: 'rate', id: 7, value: 1 });
  const quota = { requests: 1, seconds: 60 };
  await says(0, { kind: 'give', id: 4, name: 'a', quota, client: '192.0.2.1' });
  expect(at(0).last).toEqual({ kind: 'rate', id: 4, value: 0 });
  await says(1, { kind: 'give', id: 5, name: 'a', quota, client: '192.0.2.1' });
  expect(at(1).last).toEqual({ kind: 'rate', id: 5, value: null });
});

describe('another configuration', () => {
  const asked = ({ last }: Started) => last as ToWorker & { readonly kind: 'prepare' };

  test('is made ready by all, then taken by all; whoever is started afterwards begins with it', async () => {
    const { clock, supervisor, all, at, says, dies } = await start(2);
    const exchanging = supervisor.exchange('second');
    await turn();
    expect([asked(at(0)), asked(at(1))]).toEqual([
      { kind: 'prepare', id: 1, text: 'second' },
      { kind: 'prepare', id: 1, text: 'second' },
    ]);
    await says(0, { kind: 'prepared', id: 1 });
    expect(at(0).heard.at(-1), 'the other is not ready').toBe('prepare');
    await says(1, { kind: 'prepared', id: 1 });
    await exchanging;
    expect([at(0).heard.at(-1), at(1).heard.at(-1)]).toEqual(['apply', 'apply']);
    await dies(1);
    clock.advance(100);
    expect(all.map(({ text }) => text)).toEqual(['first', 'first', 'second']);
  });

  test('is taken by nobody where one cannot, or says nothing', async () => {
    const { clock, supervisor, all, at, says, dies } = await start(2);
    const refused = supervisor.exchange('second').catch((error: unknown) => error);
    await turn();
    await says(0, { kind: 'prepared', id: 1 });
    await says(1, { kind: 'prepared', id: 1, refused: { code: 'CONFIG_FIXED', message: '"store" cannot change' } });
    expect(await refused).toMatchObject({ code: 'CONFIG_FIXED', message: '"store" cannot change' });
    expect([at(0).heard.at(-1), at(1).heard.at(-1)]).toEqual(['forget', 'forget']);

    const silent = supervisor.exchange('third').catch((error: unknown) => error);
    await turn();
    await says(0, { kind: 'prepared', id: 1 });
    await says(0, { kind: 'prepared', id: 2 });
    clock.advance(15_000);
    expect(await silent).toMatchObject({ message: expect.stringMatching(/did not say within 15 s/) as unknown });
    expect([at(0).heard.at(-1), at(1).heard.at(-1)]).toEqual(['forget', 'forget']);
    await dies(1);
    clock.advance(100);
    expect(all.at(-1)?.text, 'who comes after begins with what holds').toBe('first');
  });

  test('does not wait for one that has died, and reaches one that was started meanwhile', async () => {
    const { clock, supervisor, all, at, says, isReady, dies } = await start(2);
    const exchanging = supervisor.exchange('second');
    await turn();
    await dies(1);
    clock.advance(100);
    await isReady(2);
    expect(at(2).text).toBe('first');
    await says(0, { kind: 'prepared', id: 1 });
    await exchanging;
    expect([at(0).heard.at(-1), at(2).isKilled]).toEqual(['apply', true]);
    await dies(2);
    clock.advance(200);
    expect(all.at(-1)?.text).toBe('second');
  });

  test('comes with those that replace others, and stays where they cannot', async () => {
    const { supervisor, all, dies, isReady } = await start(1);
    const failing = supervisor.restart('second');
    await turn();
    expect(all.at(-1)?.text).toBe('second');
    await dies(1, 2);
    expect(await failing).toBe(false);
    const restarting = supervisor.restart('third');
    await turn();
    await isReady(2);
    expect([await restarting, all.at(-1)?.text]).toEqual([true, 'third']);
  });
});
