/**
 * A use that is spent when its request is let through, before the upstream is asked: for what costs its seller as much when it fails. The upstream is asked
 * once for it, and whatever becomes of that, nothing is given back and nothing is asked again; only an answer that was kept for a client that had left is
 * sent to it when it comes back.
 *
 * @see docs/wire.md, "The life of a claim"
 */
import { FareboxError } from '../../core/Errors.ts';
import { receiptHeader } from '../receipt.ts';
import { createBody, createClaimedSale, createTurns, type SaleContext, startHeartbeat, type Use } from './ClaimedSale.ts';
import type { Consume, Sale } from './Terms.ts';

/**
 * The sale of a use that was set aside for a request; spent by now, where that is when it is let through.
 * @throws STORE_UNAVAILABLE – not known whether it is spent: nothing may be forwarded, and what was is given back
 */
export function beginSale(context: SaleContext, use: Use, consume: Consume): Sale | Promise<Sale | FareboxError> {
  // What is answered again was spent before.
  return consume === 'on-success' || use.isRepeat ? createClaimedSale(context, use) : createSpentSale(context, use);
}

async function createSpentSale(context: SaleContext, use: Use): Promise<Sale | FareboxError> {
  const { clock, onNews } = context;
  if ((await spend(context, use)) === 'lost') {
    return new FareboxError('CREDENTIAL_IN_USE', 'Another request with this credential is under way. Ask again in a moment; do not pay again.');
  }
  onNews({ kind: 'charged', ...use.facts });
  const inTurn = createTurns();
  const body = createBody();
  // It is this request's while it is under way: whoever asks meanwhile is told to wait, and not to pay again.
  const stopHeartbeat = startHeartbeat(context, use);
  let state: 'spent' | 'headed' | 'over' = 'spent';
  /** Over, and never to be answered again. */
  const end = async (how?: 'delivered' | 'client-left' | 'upstream' | 'upstream-broke') => {
    if (state === 'over') return;
    state = 'over';
    stopHeartbeat();
    await use.deliver();
    if (how === 'delivered') onNews({ kind: 'delivered', ...use.facts });
    if (how === 'client-left') onNews({ kind: 'left', ...use.facts });
  };
  return {
    idempotencyKey: use.idempotencyKey,
    consume: 'on-request',
    onBody: body.add,
    head: (status) =>
      inTurn(async () => {
        if (state !== 'spent') return { kind: 'lost' };
        state = 'headed';
        const receipt = status < 400 ? [receiptHeader(use.principal, clock)] : [];
        return { kind: 'charged', headers: [['L402-Payment', 'charged'], ...use.headers, ...receipt] };
      }),
    end: (how) => inTurn(async () => (state === 'headed' ? end(how) : undefined)),
    unanswered: (why) => inTurn(async () => (state === 'spent' ? end(why) : undefined)),
    absent: (status, answer) =>
      inTurn(async () => {
        if (state !== 'spent') return;
        if (answer === undefined || status >= 400) return end('client-left');
        state = 'over';
        stopHeartbeat();
        await use.commit({ note: `${status} for a client that left`, bodyDigest: body.digest(), answer });
        await use.leave();
        onNews({ kind: 'left', ...use.facts });
      }),
  };
}

/** Spends it, durably; where nobody knows whether it is, it is given back, now or as soon as the store can be asked. */
async function spend({ owe }: SaleContext, use: Use): Promise<'committed' | 'lost'> {
  try {
    return await use.commit({ note: 'let through' });
  } catch (error) {
    const giveBack = () => use.release({ note: 'not-forwarded' });
    await giveBack().catch(() => owe(giveBack));
    throw error;
  }
}
