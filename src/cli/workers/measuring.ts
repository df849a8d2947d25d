/**
 * What all processes have counted together: each is asked when a scraper asks one of them. Of one that does not answer in time, what it said last holds; of one that
 * has ended, what it had counted by then stays, so that no counter goes back.
 */
import type { Clock } from '../../core/Clock.ts';
import { countedOnly, type Snapshot, sum } from '../../gateway/index.ts';
import type { FromWorker } from './messages.ts';
import type { Process } from './Supervisor.ts';

/** How long one is waited for, in milliseconds. */
const patienceMs = 1000;

/** Has asked nobody yet. */
export function createMeasuring(clock: Clock) {
  let id = 0;
  let past: Snapshot = {};
  const last = new Map<Process, Snapshot>();
  /** What one says that has ended is counted already. */
  const ended = new WeakSet<Process>();
  const waiting = new Map<Process, { readonly id: number; readonly done: () => void }[]>();

  const ask = (process: Process): Promise<void> =>
    new Promise((resolve) => {
      const number = ++id;
      const done = () => {
        cancel();
        const left = (waiting.get(process) ?? []).filter((one) => one.id !== number);
        if (left.length === 0) waiting.delete(process);
        else waiting.set(process, left);
        resolve();
      };
      const cancel = clock.after(patienceMs, done);
      waiting.set(process, [...(waiting.get(process) ?? []), { id: number, done }]);
      process.send({ kind: 'measure', id: number });
    });

  return {
    /** Never fails. */
    measure: async (processes: readonly Process[]): Promise<Snapshot> => {
      await Promise.all(processes.map(ask));
      return sum([past, ...last.values()]);
    },
    hear: (process: Process, message: FromWorker & { readonly kind: 'measured' }): void => {
      if (!ended.has(process)) last.set(process, message.snapshot);
      waiting
        .get(process)
        ?.find((one) => one.id === message.id)
        ?.done();
    },
    gone: (process: Process): void => {
      ended.add(process);
      past = sum([past, countedOnly(last.get(process) ?? {})]);
      last.delete(process);
      for (const { done } of waiting.get(process) ?? []) done();
    },
  };
}

/** A worker's question to its supervisor; where that does not answer in time, what this one counted by itself. */
export function createAskedMeasures(send: (message: FromWorker) => void, clock: Clock) {
  let last = 0;
  const waiting = new Map<number, (snapshot: Snapshot | undefined) => void>();
  return {
    measured: (own: Snapshot): Promise<Snapshot> =>
      new Promise((resolve) => {
        const id = ++last;
        const answer = (snapshot: Snapshot | undefined) => {
          cancel();
          waiting.delete(id);
          resolve(snapshot ?? own);
        };
        const cancel = clock.after(2 * patienceMs, () => answer(undefined));
        waiting.set(id, answer);
        send({ kind: 'measure-all', id });
      }),
    hear: ({ id, snapshot }: { readonly id: number; readonly snapshot: Snapshot }): void => waiting.get(id)?.(snapshot),
  };
}
