/**
 * Adds the journal up again, and compares: what a client store counts has to be what its rows say, at any moment.
 */
import * as Counter from '../client/budget/Counter.ts';
import type { ClientAudit, ClientStore } from '../client/ClientStore.ts';
import * as Journal from '../client/Journal.ts';

/** Every counter that is not what the rows add up to, as a sentence. */
export async function recounted(store: ClientStore): Promise<readonly string[]> {
  return recountedIn(await store.audit());
}

/** The same of what was read at one moment. */
export function recountedIn({ payments, counters, spending }: ClientAudit): readonly string[] {
  const wrong = counters.flatMap((counter) => {
    const { heldMsat, spentMsat } = Counter.recount(counter, payments);
    const isRight = heldMsat === counter.heldMsat && spentMsat === counter.spentMsat;
    return isRight ? [] : [`${counter.key} says ${counter.spentMsat} spent and ${counter.heldMsat} held; the rows say ${spentMsat} and ${heldMsat}`];
  });
  const sum = (of: (payment: Journal.Payment) => bigint) => payments.reduce((total, payment) => total + of(payment), 0n);
  const [held, spent] = [sum(Journal.heldMsatOf), sum(({ spentMsat }) => spentMsat)];
  if (held === spending.heldMsat && spent === spending.spentMsat) return wrong;
  return [...wrong, `all in all ${spending.spentMsat} spent and ${spending.heldMsat} held; the rows say ${spent} and ${held}`];
}
