/**
 * The end of a call that is both claimed and counted, as one atomic step: its claim is committed with the units that it spends, or given back with
 * them. So what was answered under a claim was paid for with its units, whenever a process dies.
 */
import * as AccountLife from './accountLife.ts';
import * as ClaimLife from './claimLife.ts';
import type { CommitRequest, ReleaseRequest } from './Store.ts';

/** Ends a claim as used, and settles what comes with it; `lost` where either is, and then nothing is written. */
export function commit(life: ClaimLife.ClaimLife | undefined, request: CommitRequest, kept: AccountLife.Kept): ClaimLife.Step<'committed' | 'lost'> {
  const step = ClaimLife.commit(life, request, kept.now());
  if (step.outcome === 'lost' || request.settles === undefined) return step;
  return AccountLife.settle(kept, request.settles) === 'lost' ? { outcome: 'lost' } : step;
}

/**
 * Gives a claim back, and cancels what comes with it: how that ends, the claim ends too. Somebody else's claim by now is left alone, and the units
 * go back all the same.
 */
export function release(
  life: ClaimLife.ClaimLife | undefined,
  request: ReleaseRequest,
  kept: AccountLife.Kept,
): ClaimLife.Step<'released' | 'committed' | 'lost'> {
  if (request.cancels === undefined) return ClaimLife.release(life, request, kept.now());
  // What was paid for is another's by now, who has it answered again: it stays paid for.
  if (life !== undefined && life.fence !== request.fence && kept.reservation(request.cancels.reservation)?.state === 'settled') return { outcome: 'lost' };
  const ended = AccountLife.cancel(kept, request.cancels);
  const step = ClaimLife.release(life, ended === 'settled' ? { ...request, limit: 0 } : request, kept.now());
  return { ...step, outcome: ended === 'cancelled' ? 'released' : ended === 'settled' ? 'committed' : 'lost' };
}
