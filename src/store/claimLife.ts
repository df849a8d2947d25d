/**
 * The life of a claim as a pure state machine: what is kept, what is asked and the hour go in; what to keep and what to answer come out.
 * Every store applies it inside one atomic step, so that all of them behave alike.
 *
 * open → held → committed → used. A release leads back to open; a lease that ended leaves a claim to whoever asks next.
 *
 * @see wire.md §4, The life of a claim
 */
import type { ClaimOutcome, ClaimRecord, ClaimRef, ClaimRequest, ClaimState, CommitRequest, LedgerEntry, ReleaseRequest } from './Store.ts';

/** What is kept under a key. */
export type ClaimLife = {
  /** `open`: given back. `held`: under way, not committed. `committed`: used, but the answer may be owed again. `used`: used for ever. */
  readonly state: 'open' | 'held' | 'committed' | 'used';
  /** Grows by one with every grant; whoever holds an older one has lost the claim. */
  readonly fence: number;
  /** The request that holds the claim, or that used it. */
  readonly record: ClaimRecord;
  /** Unix seconds; may be forgotten after it. */
  readonly expiresAt: number;
  /** Unix seconds; there from the grant until the holder says how it ended, also when it lies in the past. */
  readonly leaseEndsAt: number | undefined;
  /** What the holder last asked for; a commit is a sign of life and renews it. */
  readonly leaseSeconds: number;
  /** How long after a commit a kept answer is of use. */
  readonly repeatSeconds: number;
  /** Unix seconds of the first commit; 0 while there is none. */
  readonly committedAt: number;
  /** The fence that committed last, be it a first answer or a repetition; 0 while there is none. */
  readonly committedFence: number;
  /** Repetitions granted and not given back. */
  readonly repeats: number;
  /** Repetitions given back. */
  readonly givenBack: number;
  /** Committed answers whose lease ended without a word: each may have arrived whole. */
  readonly lapses: number;
  /** Releases by reason. */
  readonly releases: { readonly [reason: string]: number };
  /** Whose money it holds, as the entry of the first grant that brought one had it. */
  readonly payment?: ClaimedPayment;
};

/** The payment that a claim is the one use of. */
export type ClaimedPayment = { readonly paymentHash: string; readonly amountMsat: bigint };

/** What a step answers, and what has to be written with it. */
export type Step<Outcome> = {
  readonly outcome: Outcome;
  /** To be kept instead of what there was; absent where nothing changes. */
  readonly next?: ClaimLife;
  /** To be appended to the ledger. */
  readonly entry?: LedgerEntry;
  /** What becomes of the kept answer: the one in the request is kept, or the one that was kept goes. */
  readonly answer?: 'keep' | 'drop';
};

/** Repetitions that are given back, over all reasons: upstream errors that a buyer provokes must not make a claim repeatable for ever. */
export const givenBackLimit = 3;

/** Committed answers that may end without a word: after a kill one more complete answer is given, never two. */
export const lapseLimit = 1;

/** How long things are kept beyond their expiry: a token verified in its last moment must not find its marker gone, nor a clock set back. */
export const graceSeconds = 3600;

/**
 * Asks for the claim. `now` is Unix seconds, with its fraction, here and below.
 * @param isEarned - whether its payment was earned under a claim that has been forgotten: a clock was ahead and has been set back
 */
export function claim(life: ClaimLife | undefined, request: ClaimRequest, now: number, isEarned: boolean): Step<ClaimOutcome> {
  if (!life) return isEarned ? { outcome: { kind: 'used', record: fresh.record, committedAt: 0 } } : grant(fresh, request, now);
  const leaseEndsAt = life.leaseEndsAt !== undefined && now < life.leaseEndsAt ? life.leaseEndsAt : undefined;
  const used = { outcome: { kind: 'used', record: life.record, committedAt: life.committedAt } } as const;
  if (life.state === 'used') return used;
  if (life.state === 'committed' && life.record.request !== request.request) return used;
  if (leaseEndsAt !== undefined) return { outcome: { kind: 'busy', record: life.record, leaseEndsAt } };
  if (life.state !== 'committed') return grant(life, request, now);

  const lapses = life.lapses + (hasLapsed(life) ? 1 : 0);
  const inTime = now - life.committedAt <= request.repeat.withinSeconds;
  if (!inTime || life.repeats >= request.repeat.limit || lapses > lapseLimit) return used;
  return repeat({ ...life, lapses }, request, now);
}

/** Holds a claim for longer, also when its lease has ended but nobody took it. */
export function heartbeat(life: ClaimLife | undefined, ref: ClaimRef, leaseSeconds: number, now: number): Step<boolean> {
  if (!isNewest(life, ref) || life.leaseEndsAt === undefined) return { outcome: false };
  return { outcome: true, next: { ...life, leaseSeconds, leaseEndsAt: Math.max(life.leaseEndsAt, leaseEnd(now, leaseSeconds)) } };
}

/** Ends a claim as used; the lease goes on while the answer is being sent. A second commit under one fence writes no second entry. */
export function commit(life: ClaimLife | undefined, request: CommitRequest, now: number): Step<'committed' | 'lost'> {
  if (!isNewest(life, request)) return { outcome: 'lost' };
  if (life.state === 'used') return { outcome: life.committedFence === request.fence ? 'committed' : 'lost' };
  const again = life.state === 'committed' && life.committedFence === request.fence;
  if (!again && life.leaseEndsAt === undefined) return { outcome: 'lost' };
  const next: ClaimLife = {
    ...life,
    state: 'committed',
    record: withBody(life.record, life.record.bodyDigest ?? request.bodyDigest),
    leaseEndsAt: life.leaseEndsAt === undefined ? undefined : Math.max(life.leaseEndsAt, leaseEnd(now, life.leaseSeconds)),
    committedAt: life.state === 'held' ? Math.floor(now) : life.committedAt,
    committedFence: request.fence,
  };
  return { outcome: 'committed', next, ...(request.answer && { answer: 'keep' as const }), ...(!again && request.entry && { entry: request.entry }) };
}

/** The answer arrived whole: used for ever. */
export function deliver(life: ClaimLife | undefined, ref: ClaimRef): Step<void> {
  if (!isNewest(life, ref) || life.state !== 'committed') return { outcome: undefined };
  return { outcome: undefined, next: { ...life, state: 'used', leaseEndsAt: undefined }, answer: 'drop' };
}

/** The answer did not arrive whole: it may be asked for again at once. */
export function undelivered(life: ClaimLife | undefined, ref: ClaimRef): Step<void> {
  if (!isNewest(life, ref) || life.state !== 'committed') return { outcome: undefined };
  return { outcome: undefined, next: { ...life, leaseEndsAt: undefined } };
}

/**
 * Gives a claim back. Over the limit a first answer is used for ever; a repetition counts as one, and the claim stays committed.
 * Asking again under the same fence changes nothing. An entry `reversed` is written only where a commit was taken back.
 */
export function release(life: ClaimLife | undefined, request: ReleaseRequest, now: number): Step<'released' | 'committed' | 'lost'> {
  if (!isNewest(life, request)) return { outcome: 'lost' };
  if (life.state === 'open') return { outcome: 'released' };
  if (life.state === 'used' || life.leaseEndsAt === undefined) return { outcome: 'committed' };
  const count = Object.hasOwn(life.releases, request.reason) ? (life.releases[request.reason] ?? 0) : 0;
  const overLimit = request.limit !== undefined && count >= request.limit;
  const releases = { ...life.releases, [request.reason]: count + 1 };
  if (life.state === 'committed' && life.repeats > 0) return releaseRepetition(life, request, releases, overLimit);
  return overLimit ? useUp(life, request, now) : reopen(life, request, releases);
}

/** What somebody who asks now can know of the claim. */
export function stateOf(life: ClaimLife | undefined, now: number): ClaimState {
  if (!life) return 'open';
  if (isEarned(life)) return 'used';
  return life.leaseEndsAt !== undefined && now < life.leaseEndsAt ? 'held' : 'open';
}

/** Whether nothing under the key is of use to anybody: it may be forgotten. */
export function isForgettable(life: ClaimLife, now: number): boolean {
  return life.expiresAt + graceSeconds <= now && (life.leaseEndsAt === undefined || life.leaseEndsAt <= now);
}

/** Whether its payment is earned, and not merely held. */
export function isEarned({ state }: Pick<ClaimLife, 'state'>): boolean {
  return state === 'committed' || state === 'used';
}

/** Whether what was granted is to be answered from what was committed. */
export function isRepetition(outcome: ClaimOutcome): outcome is ClaimOutcome & { readonly kind: 'granted' } {
  return outcome.kind === 'granted' && outcome.repeat > 0;
}

/** Unix seconds after which a kept answer is of use to nobody. */
export function answerExpiresAt(life: ClaimLife): number {
  return life.committedAt + life.repeatSeconds;
}

/** Unix seconds at which a lease from now on ends: never sooner than asked for. */
export function leaseEnd(now: number, leaseSeconds: number): number {
  return Math.ceil(now + leaseSeconds);
}

const fresh: ClaimLife = {
  state: 'open',
  fence: 0,
  record: { request: '' },
  expiresAt: 0,
  leaseEndsAt: undefined,
  leaseSeconds: 0,
  repeatSeconds: 0,
  committedAt: 0,
  committedFence: 0,
  repeats: 0,
  givenBack: 0,
  lapses: 0,
  releases: {},
};

function grant(life: ClaimLife, request: ClaimRequest, now: number): Step<ClaimOutcome> {
  const { idempotencyKey } = request;
  const record = { request: request.request, ...(idempotencyKey !== undefined && { idempotencyKey }) };
  const next: ClaimLife = { ...life, ...held(life, request, now), state: 'held', record };
  return { outcome: { kind: 'granted', fence: next.fence, repeat: 0 }, next, ...(request.entry && { entry: request.entry }) };
}

function repeat(life: ClaimLife, request: ClaimRequest, now: number): Step<ClaimOutcome> {
  const next: ClaimLife = { ...life, ...held(life, request, now), repeats: life.repeats + 1 };
  return { outcome: { kind: 'granted', fence: next.fence, repeat: next.repeats, record: next.record }, next, ...(request.entry && { entry: request.entry }) };
}

function held(life: ClaimLife, request: ClaimRequest, now: number) {
  return {
    fence: life.fence + 1,
    expiresAt: Math.max(life.expiresAt, request.expiresAt),
    leaseEndsAt: leaseEnd(now, request.leaseSeconds),
    leaseSeconds: request.leaseSeconds,
    repeatSeconds: request.repeat.withinSeconds,
    ...paymentOf(life, request),
  };
}

function paymentOf(life: ClaimLife, { entry }: ClaimRequest): { readonly payment?: ClaimedPayment } {
  if (life.payment) return { payment: life.payment };
  return entry ? { payment: { paymentHash: entry.paymentHash, amountMsat: entry.amountMsat } } : {};
}

/** A repetition that was never committed has sent nothing, so that its end without a word is no lapse. */
function hasLapsed(life: ClaimLife): boolean {
  return life.leaseEndsAt !== undefined && life.committedFence === life.fence;
}

function releaseRepetition(life: ClaimLife, request: ReleaseRequest, releases: ClaimLife['releases'], overLimit: boolean): Step<'released' | 'committed'> {
  if (overLimit || life.givenBack >= givenBackLimit) return { outcome: 'committed', next: { ...life, leaseEndsAt: undefined } };
  const next = { ...life, leaseEndsAt: undefined, repeats: life.repeats - 1, givenBack: life.givenBack + 1, releases };
  return { outcome: 'released', next, ...entryIfReleased(request, false) };
}

function reopen(life: ClaimLife, request: ReleaseRequest, releases: ClaimLife['releases']): Step<'released'> {
  const next: ClaimLife = { ...life, state: 'open', leaseEndsAt: undefined, committedAt: 0, committedFence: 0, releases };
  return { outcome: 'released', next, answer: 'drop', ...entryIfReleased(request, life.state === 'committed') };
}

function useUp(life: ClaimLife, request: ReleaseRequest, now: number): Step<'committed'> {
  const first = life.state === 'held';
  const next: ClaimLife = {
    ...life,
    state: 'used',
    record: withBody(life.record, life.record.bodyDigest ?? request.bodyDigest),
    leaseEndsAt: undefined,
    committedAt: first ? Math.floor(now) : life.committedAt,
    committedFence: request.fence,
  };
  return { outcome: 'committed', next, answer: 'drop', ...(first && request.entryIfCommitted && { entry: request.entryIfCommitted }) };
}

/** Money that was never earned is never reversed. */
function entryIfReleased({ entryIfReleased: entry }: ReleaseRequest, tookBack: boolean): { readonly entry?: LedgerEntry } {
  return entry && (tookBack || entry.kind !== 'reversed') ? { entry } : {};
}

function isNewest(life: ClaimLife | undefined, ref: ClaimRef): life is ClaimLife {
  return life?.fence === ref.fence;
}

function withBody(record: ClaimRecord, bodyDigest: string | undefined): ClaimRecord {
  return bodyDigest === undefined ? record : { ...record, bodyDigest };
}
