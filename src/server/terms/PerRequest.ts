/**
 * Terms `per-request`: one payment, one request. A use is claimed before the work, committed when the upstream's head says that the work
 * has succeeded, and given back when it has not. What becomes of a claim stands in `ClaimedSale.ts`.
 *
 * @see docs/wire.md, "The life of a claim"
 */
import { createHash } from 'node:crypto';
import { wait } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { fromUtf8, toHex } from '../../core/internal/bytes.ts';
import { sha256 } from '../../core/internal/sha256.ts';
import type * as Path from '../../http/Path.ts';
import type { RequestView } from '../../http/RequestView.ts';
import type { ClaimOutcome, ClaimRef, ClaimRequest, LedgerEntry, Store, StoredAnswer } from '../../store/Store.ts';
import { entryOf } from '../Ledger.ts';
import type { Principal } from '../Offer.ts';
import type { SaleContext, Use } from './ClaimedSale.ts';
import { beginSale } from './SpentSale.ts';
import type { Consume, Sale, Terms } from './Terms.ts';

/** One payment, one request. A token that is never used expires a day after its invoice. */
export function perRequest(): Terms {
  return {
    kind: 'per-request',
    caveat: 'per-request',
    units: '1 request',
    lastsSeconds: 86_400,
    binds: 'path',
    describe: () => ({ terms: 'per-request', requests: 1 }),
  };
}

/** What claiming needs of the paywall. */
export type ClaimContext = SaleContext & {
  readonly store: Store;
  /** How long a second request waits for the outcome of the first. */
  readonly inUseWaitMs: number;
};

/** A use that was claimed, or why it was not. `kept`: the answer of the first time is sent instead of asking the upstream. */
export type Claimed =
  | { readonly kind: 'claimed'; readonly sale: Sale; readonly kept: StoredAnswer | undefined }
  | { readonly kind: 'refused'; readonly error: FareboxError };

/** A request with a longer body is not recognised when it is sent again: that body would have to be held in memory whole. */
const maxRepeatedBodyBytes = 16 * 1024 * 1024;

/** An answer that did not arrive whole is given again to the same request: that often, and that long. */
export const repeat = { limit: 2, withinSeconds: 600 } as const;

/** What is asked for under a name, and when it may be forgotten. */
export type Wanted = Pick<ClaimRequest, 'key' | 'expiresAt' | 'entry'> & {
  /** What makes a request another one beside method, target and body, such as the inputs that its price depends on. */
  readonly also?: string;
  /** When what is asked for is spent: where that was before anybody answered, only an answer that was kept is given again. */
  readonly consume: Consume;
};

/** A claim for one request, or why there is none. `repeat`: how often its answer is given again by now. `answer`: the one of the first time. */
export type Asked =
  | { readonly kind: 'granted'; readonly claim: ClaimRef; readonly repeat: number; readonly answer: StoredAnswer | undefined }
  | { readonly kind: 'refused'; readonly code: 'CREDENTIAL_IN_USE' | 'CREDENTIAL_USED' | 'IDEMPOTENCY_CONFLICT' };

/** A request that is to be claimed for, and where. */
export type ClaimingRequest = { readonly request: RequestView; readonly target: Path.Target; readonly route: string; readonly consume: Consume };

/**
 * Claims the one use of a credential for this request.
 * @throws STORE_UNAVAILABLE – not known whether it was claimed: nothing may be forwarded
 */
export async function claim(context: ClaimContext, principal: Principal, { request, target, route, consume }: ClaimingRequest): Promise<Claimed> {
  if (principal.useKey === undefined) throw new TypeError(`what was sold as "${principal.terms}" is not counted`);
  const wanted: Wanted = {
    key: principal.useKey,
    expiresAt: principal.mintedUntil,
    entry: entryOf('received', principal, route, context.clock, '', 'per-request'),
    consume,
  };
  const asked = await askFor(context, wanted, request, target);
  if (asked.kind === 'refused') return { kind: 'refused', error: refusalOf(asked.code) };
  const sale = await beginSale(context, claimedUse(context, asked.claim, principal, route, asked.repeat > 0), consume);
  return sale instanceof FareboxError ? { kind: 'refused', error: sale } : { kind: 'claimed', sale, kept: asked.answer };
}

/**
 * Asks for a claim on behalf of a request: the first one has it, and the same one again while its answer is owed.
 * @throws STORE_UNAVAILABLE – not known whether it was claimed
 */
export async function askFor(context: ClaimContext, wanted: Wanted, request: RequestView, target: Path.Target): Promise<Asked> {
  const { store } = context;
  const key = request.header('idempotency-key');
  const { also = '', consume, ...claimed } = wanted;
  const asked: ClaimRequest = {
    ...claimed,
    request: digest(`${request.method} ${target.path}${target.query}${also === '' ? '' : ` ${also}`}`),
    ...(key === undefined ? {} : { idempotencyKey: digest(key) }),
    leaseSeconds: context.leaseSeconds,
    repeat,
  };
  const outcome = await claimWithin(context, asked);
  if (outcome.kind !== 'granted') {
    if (await isConflict(asked, outcome.record, request)) return { kind: 'refused', code: 'IDEMPOTENCY_CONFLICT' };
    return { kind: 'refused', code: outcome.kind === 'busy' ? 'CREDENTIAL_IN_USE' : 'CREDENTIAL_USED' };
  }
  const { fence, record } = outcome;
  const isSameBody = async () => {
    try {
      return (await sameBody(record?.bodyDigest, request)) === true;
    } catch (error) {
      // Whoever broke off in the middle is not to keep the next one waiting.
      await store.release({ key: asked.key, fence, reason: 'unreadable' });
      throw error;
    }
  };
  if (outcome.repeat > 0 && !(await isSameBody())) {
    await store.release({ key: asked.key, fence, reason: 'another-request' });
    const isSameKey = asked.idempotencyKey !== undefined && asked.idempotencyKey === record?.idempotencyKey;
    return { kind: 'refused', code: isSameKey ? 'IDEMPOTENCY_CONFLICT' : 'CREDENTIAL_USED' };
  }
  if (outcome.repeat > 0 && consume === 'on-request' && outcome.answer === undefined) {
    await store.release({ key: asked.key, fence, reason: 'not-kept' });
    return { kind: 'refused', code: 'CREDENTIAL_USED' };
  }
  return { kind: 'granted', claim: { key: asked.key, fence }, repeat: outcome.repeat, answer: outcome.answer };
}

/** Why a request has no claim, in words. */
export function refusalOf(code: keyof typeof reasons): FareboxError {
  return new FareboxError(code, reasons[code]);
}

/**
 * A claim as a use.
 * @param isRepeat - it was committed before, and its answer is given once more
 */
export function claimedUse({ store, clock, leaseSeconds }: ClaimContext, claim: ClaimRef, principal: Principal, route: string, isRepeat: boolean): Use {
  const { paymentHash, service, amountMsat } = principal;
  const entry = (kind: LedgerEntry['kind'], note: string) => entryOf(kind, principal, route, clock, String(claim.fence), note);
  return {
    idempotencyKey: digest(`farebox/idempotency/1/${claim.key}`).slice(0, 32),
    principal,
    facts: { paymentHash, service, route, amountMsat },
    isRepeat,
    headers: [],
    hold: () => store.heartbeat({ ...claim, leaseSeconds }),
    commit: ({ note, ...end }) => store.commit({ ...claim, ...end, entry: entry(isRepeat ? 'repeated' : 'earned', note) }),
    release: ({ note, ...end }) => {
      const entries = isRepeat ? {} : { entryIfCommitted: entry('earned', note), entryIfReleased: entry('reversed', note) };
      return store.release({ ...claim, ...end, reason: note, ...entries });
    },
    deliver: () => store.deliver(claim),
    leave: () => store.undelivered(claim),
  };
}

/** Asks, and asks again for a moment while another request holds the claim: its outcome decides what this one gets. */
async function claimWithin(context: ClaimContext, asked: ClaimRequest): Promise<ClaimOutcome> {
  const { store, clock, inUseWaitMs } = context;
  const endMs = clock.nowMs() + inUseWaitMs;
  // By its own pauses as well: the time of day may be set back meanwhile.
  let leftMs = inUseWaitMs;
  for (let pauseMs = 10; ; pauseMs = Math.min(200, pauseMs * 2)) {
    const outcome = await store.claim(asked);
    if (outcome.kind !== 'busy' || leftMs <= 0 || isOther(asked, outcome.record)) return outcome;
    const ms = Math.min(pauseMs, leftMs);
    await wait(clock, ms);
    leftMs = Math.min(leftMs - ms, endMs - clock.nowMs());
  }
}

/** Under one idempotency key the method or the target differ: no outcome of the first request can be this one's. */
function isOther(asked: ClaimRequest, record: ClaimOutcome['record'] & {}): boolean {
  return asked.idempotencyKey !== undefined && asked.idempotencyKey === record.idempotencyKey && asked.request !== record.request;
}

/** Whether another request was sent under the idempotency key of the one that holds or used the claim. */
async function isConflict(asked: ClaimRequest, record: ClaimOutcome['record'] & {}, request: RequestView): Promise<boolean> {
  if (asked.idempotencyKey === undefined || asked.idempotencyKey !== record.idempotencyKey) return false;
  return asked.request !== record.request || (await sameBody(record.bodyDigest, request)) === false;
}

/** Whether the request's body has this digest; undefined where either cannot be known. */
async function sameBody(bodyDigest: string | undefined, request: RequestView): Promise<boolean | undefined> {
  if (bodyDigest === undefined) return undefined;
  const body = await request.readBody(maxRepeatedBodyBytes);
  return body === undefined ? undefined : createHash('sha256').update(body).digest('hex') === bodyDigest;
}

/** SHA-256 of a text, in hex. */
export function digest(text: string): string {
  return toHex(sha256(fromUtf8(text)));
}

const reasons = {
  CREDENTIAL_IN_USE: 'The first request with this credential is still under way. Ask again in a moment; do not pay again.',
  CREDENTIAL_USED: 'This token paid for one request, and was used for it. Buy a new one.',
  IDEMPOTENCY_CONFLICT: 'Another request was sent with this credential and this Idempotency-Key. Use a new key, or send the same request.',
} as const;
