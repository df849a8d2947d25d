/**
 * Rates that are counted by the supervisor, as a worker asks for them.
 */
import type { Clock } from '../../core/Clock.ts';
import type { Rates } from '../../server/Rates.ts';
import type { FromWorker, ToWorker } from './messages.ts';

/** How long an answer is waited for, in milliseconds; then it is no. */
const patienceMs = 2000;

/** Where it could not be found out, it is asked for again after so long. */
const againSeconds = 1;

/** Asks through `send`; what comes back is handed to `hear`. */
export function createAskedRates(send: (message: FromWorker) => void, clock: Clock) {
  const waiting = new Map<number, (value: number | undefined) => void>();
  let last = 0;

  function ask(message: (id: number) => FromWorker): Promise<number | null | undefined> {
    last += 1;
    const id = last;
    return new Promise((resolve) => {
      const cancel = clock.after(patienceMs, () => {
        waiting.delete(id);
        resolve(undefined);
      });
      waiting.set(id, (value) => {
        cancel();
        waiting.delete(id);
        resolve(value);
      });
      send(message(id));
    });
  }

  const rates: Rates = {
    mint: async (client) => (await ask((id) => ({ kind: 'mint', id, client }))) ?? againSeconds,
    give: async (name, quota, client, trial) =>
      (await ask((id) => ({ kind: 'give', id, name, quota, client, ...(trial !== undefined && { trial }) }))) ?? undefined,
    take: async (scope, key, rate) => (await ask((id) => ({ kind: 'take', id, scope, key, rate }))) ?? againSeconds,
  };
  return { rates, hear: ({ id, value }: ToWorker & { readonly kind: 'rate' }): void => waiting.get(id)?.(value ?? undefined) };
}
