/**
 * Processes with a store open, that do what they are told and can be killed.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Place } from './Place.ts';
import type { Order } from './worker.ts';

/** A process. */
export type Worker = {
  readonly ask: <T>(order: Order) => Promise<T>;
  /** Ends at once, without a chance to say so. */
  readonly kill: () => Promise<void>;
  readonly process: ChildProcess;
};

/** What a process says: an answer, or what went wrong. */
export type Answer = { readonly answer?: unknown; readonly error?: string };

/** The processes of a test. */
export type Workers = {
  /** A process that is up, with the store still closed. */
  readonly start: (place: Place, clockAt: number) => Promise<Worker>;
  /** Kills all that are left. */
  readonly end: () => Promise<void>;
};

const script = fileURLToPath(new URL('worker.ts', import.meta.url));

/** None yet. */
export function createWorkers(): Workers {
  const workers: Worker[] = [];
  return {
    start: async (place, clockAt) => {
      const child = fork(script, [JSON.stringify(place), `${clockAt}`], { execPath: process.execPath, execArgv: [], serialization: 'advanced' });
      const worker: Worker = {
        process: child,
        ask: async (order) => {
          const answered = nextAnswer(child);
          child.send(order);
          return (await answered) as never;
        },
        kill: async () => {
          if (child.exitCode !== null || child.signalCode !== null) return;
          const gone = once(child, 'exit');
          child.kill('SIGKILL');
          await gone;
        },
      };
      workers.push(worker);
      await nextAnswer(child);
      return worker;
    },
    end: async () => {
      await Promise.all(workers.map((worker) => worker.kill()));
    },
  };
}

function nextAnswer(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Error('the worker has ended'));
    child.once('exit', gone);
    child.once('message', ({ answer, error }: Answer) => {
      child.off('exit', gone);
      if (error === undefined) resolve(answer);
      else reject(new Error(error));
    });
  });
}
