/**
 * A claimed use on its way: keeps the lease alive while the upstream works, and ends the claim as the answer turns out.
 *
 * @see docs/wire.md, "The life of a claim"
 */
import { createHash } from 'node:crypto';
import { fromUtf8, toHex } from '../../core/internal/bytes.ts';
import { sha256 } from '../../core/internal/sha256.ts';
import type { ClaimRef, StoredAnswer } from '../../store/Store.ts';
import { entryOf } from '../Ledger.ts';
import type { Principal } from '../Offer.ts';
import { receiptHeader } from '../receipt.ts';
import type { ClaimContext } from './PerRequest.ts';
import type { HeadOutcome, Sale } from './Terms.ts';

/** What an upstream's status means for the claim. */
type Verdict = { readonly kind: 'commit' } | { readonly kind: 'release'; readonly reason: string; readonly limit?: number };

/** Releases that a buyer can provoke are capped at this many a token and reason. */
const provokedLimit = 3;

/**
 * A sale of one claimed use.
 * @param isRepeat - the use was committed before, and its answer is given once more
 */
export function createClaimedSale(context: ClaimContext, claim: ClaimRef, principal: Principal, route: string, isRepeat: boolean): Sale {
  const { store, clock } = context;
  const body = createHash('sha256');
  let state: 'claimed' | 'headed' | 'ended' = 'claimed';
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <Result>(step: () => Promise<Result>): Promise<Result> => {
    const turn = last.then(step, step);
    last = turn.catch(() => {});
    return turn;
  };
  const facts = { paymentHash: principal.paymentHash, service: principal.service, route, amountMsat: principal.amountMsat };
  const earned = (note: string) => entryOf(isRepeat ? 'repeated' : 'earned', principal, route, clock, String(claim.fence), note);
  const stopHeartbeat = startHeartbeat(context, claim);
  const finish = () => {
    state = 'ended';
    stopHeartbeat();
  };

  const commit = async (note: string, answer?: StoredAnswer): Promise<'charged' | 'lost'> => {
    const bodyDigest = body.copy().digest('hex');
    const outcome = await store.commit({ ...claim, entry: earned(note), bodyDigest, ...(answer && { answer }) });
    if (outcome === 'lost') return 'lost';
    context.onNews({ kind: isRepeat ? 'repeated' : 'charged', ...facts });
    return 'charged';
  };
  const release = async (reason: string, limit?: number): Promise<'charged' | 'not-charged' | 'lost'> => {
    const outcome = await store.release({
      ...claim,
      reason,
      bodyDigest: body.copy().digest('hex'),
      ...(limit === undefined ? {} : { limit }),
      ...(isRepeat ? {} : { entryIfCommitted: earned(reason), entryIfReleased: entryOf('reversed', principal, route, clock, String(claim.fence), reason) }),
    });
    if (outcome === 'lost') return 'lost';
    if (outcome === 'released') context.onNews({ kind: 'released', reason, ...facts });
    else context.onNews({ kind: 'charged', ...facts });
    return outcome === 'released' ? 'not-charged' : 'charged';
  };
  const leave = async () => {
    await store.undelivered(claim);
    context.onNews({ kind: 'left', ...facts });
  };

  return {
    idempotencyKey: idempotencyKeyOf(principal),
    onBody: (chunk) => body.update(chunk),
    head: (status) =>
      inTurn(async (): Promise<HeadOutcome> => {
        if (state !== 'claimed') return { kind: 'lost' };
        const verdict = verdictOf(status);
        const kind = await (verdict.kind === 'commit' ? commit(String(status)) : release(verdict.reason, verdict.limit)).catch(async (error: unknown) => {
          finish();
          // Nothing of the answer will be sent; what was committed all the same, or can still be given back, is given back.
          await release('upstream').catch(() => {});
          throw error;
        });
        if (verdict.kind === 'commit' && kind === 'charged') state = 'headed';
        else finish();
        if (kind === 'lost') return { kind };
        const receipt = kind === 'charged' && verdict.kind === 'commit' ? [receiptHeader(principal, clock)] : [];
        return { kind, headers: [['L402-Payment', kind], ...receipt] };
      }),
    end: (how) =>
      inTurn(async () => {
        if (state !== 'headed') return;
        finish();
        if (how === 'upstream-broke') return void (await release('upstream-broke', provokedLimit));
        if (how === 'client-left') return leave();
        await store.deliver(claim);
        context.onNews({ kind: 'delivered', ...facts });
      }),
    unanswered: (why) =>
      inTurn(async () => {
        if (state !== 'claimed') return;
        finish();
        await (why === 'upstream' ? release('upstream') : release('client-left', provokedLimit));
      }),
    absent: (status, answer) =>
      inTurn(async () => {
        if (state !== 'claimed') return;
        finish();
        const verdict = verdictOf(status);
        if (verdict.kind === 'release') return void (await release(verdict.reason, verdict.limit));
        if ((await commit(`${status} for a client that left`, answer)) === 'charged') await leave();
      }),
  };
}

/** What the upstream's status means, line by line as wire.md has it. */
function verdictOf(status: number): Verdict {
  if (status >= 200 && status < 400) return { kind: 'commit' };
  if (status === 408 || status === 429 || status >= 500) return { kind: 'release', reason: 'upstream' };
  if (status === 401 || status === 403 || status === 404 || status === 405) return { kind: 'release', reason: 'seller' };
  return { kind: 'release', reason: 'client-error', limit: provokedLimit };
}

/** Renews the lease three times in its length until stopped. A renewal that fails is left to the commit, which finds out for certain. */
function startHeartbeat(context: ClaimContext, claim: ClaimRef): () => void {
  const { store, clock, leaseSeconds } = context;
  let cancel = () => {};
  let stopped = false;
  const beat = () => {
    cancel = clock.after((leaseSeconds * 1000) / 3, () => {
      store.heartbeat({ ...claim, leaseSeconds }).then(
        () => stopped || beat(),
        () => stopped || beat(),
      );
    });
  };
  beat();
  return () => {
    stopped = true;
    cancel();
  };
}

/** The same for every attempt with one token, and no part of any secret. */
function idempotencyKeyOf(principal: Principal): string {
  return toHex(sha256(fromUtf8(`farebox/idempotency/1/${principal.useKey}`)).subarray(0, 16));
}
