/**
 * One configuration for all processes, or for none: each makes it ready, and when all have, all are told to take it.
 */
import type { Clock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { FromWorker } from './messages.ts';
import type { Process } from './Supervisor.ts';

/** How long one may take to make it ready, in milliseconds; then nobody takes it. */
const patienceMs = 15_000;

/** What one of them says; undefined: it is ready, or it has ended, and who comes after it has the new one. */
type Answer = FareboxError | undefined;

/** Asks nobody yet. */
export function createExchanging(clock: Clock) {
  let id = 0;
  const waiting = new Map<Process, (answer: Answer) => void>();

  const answerOf = (process: Process): Promise<Answer> =>
    new Promise((resolve) => {
      const answer = (what: Answer) => {
        cancel();
        waiting.delete(process);
        resolve(what);
      };
      const late = new FareboxError(
        'CONFIG_INVALID',
        `A process of the gateway (${process.pid}) did not say within ${patienceMs / 1000} s that it can take it.`,
      );
      const cancel = clock.after(patienceMs, () => answer(late));
      waiting.set(process, answer);
    });

  return {
    /** Asks all of them. The answer tells them to take it. @throws FareboxError – why one of them cannot; all have been told to forget it */
    ask: async (processes: readonly Process[], text: string): Promise<() => void> => {
      const number = ++id;
      const answers = processes.map(answerOf);
      for (const { send } of processes) send({ kind: 'prepare', id: number, text });
      const refused = (await Promise.all(answers)).find((answer) => answer !== undefined);
      const tell = (kind: 'apply' | 'forget') => {
        for (const { send } of processes) send({ kind, id: number });
      };
      if (refused === undefined) return () => tell('apply');
      tell('forget');
      throw refused;
    },
    hear: (process: Process, { id: number, refused }: FromWorker & { readonly kind: 'prepared' }): void => {
      if (number === id) waiting.get(process)?.(refused && new FareboxError(refused.code, refused.message));
    },
    gone: (process: Process): void => waiting.get(process)?.(undefined),
  };
}
