/**
 * What has been revoked, in memory, so that no request waits for a store to be asked.
 *
 * A few times a second the store is asked what was revoked since, and how far it is. Its answer brings what is new, and shows that the list
 * is whole: "nothing new" and "nobody answers" are never the same. The store's feed only makes it faster. Where the store does not answer,
 * the last list is good for a stated time; after that, and before there has been one, what was revoked is not known, and nothing is served.
 */
import { atMost, type Clock, wait } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import type { Denial, Store } from '../store/Store.ts';
import type { Principal } from './Offer.ts';

/** What a list is held against. */
export type Deniable = Pick<Principal, 'paymentHash' | 'tokenId' | 'fingerprint' | 'mintedAt'>;

/**
 * What is served while the store does not answer. `refuse`: nothing that is sold. `passes-only`: passes, by the last list, for as long as that is good.
 */
export type Outage = 'refuse' | 'passes-only';

/** The list as it stands. */
export type Denials = {
  /**
   * Whether a token was revoked. `unknown`: there is no list yet, or it is too old to say; or the store is away, and `outage` is `refuse`.
   * @param branches - the names of what was handed on on the way to its bearer
   */
  readonly judge: (token: Deniable, branches: readonly string[], outage?: Outage) => 'good' | 'denied' | 'unknown';
  readonly close: () => Promise<void>;
};

/** What following a list needs. */
export type DenialsOptions = {
  readonly store: Store;
  readonly clock: Clock;
  /** How long the last list is good for while the store does not answer. */
  readonly staleMs: number;
  /** Told once when the store stops answering, again every minute while it does not, and when the last list has become too old. */
  readonly onTrouble: (error: unknown) => void;
};

/** For good: the last second of the year 9999, in Unix seconds. */
export const never = 253_402_300_799;

/** A list that denies nothing: for a paywall without a store. */
export const noDenials: Denials = { judge: () => 'good', close: async () => {} };

/** How long after an answer the store is asked again. */
const beatMs = 400;

/** How long an answer is waited for before the next question; a late one counts all the same. */
const patienceMs = 500;

/** Most questions without an answer. */
const maxAsking = 4;

/** How long a question may be without an answer before the store counts as away. */
const awayMs = 2000;

/** How often the store's absence is told. */
const tellMs = 60_000;

/** Follows the list from now on. Resolves once it is there, or the store has shown that it cannot be asked yet. */
export async function followDenials(options: DenialsOptions): Promise<Denials> {
  const { store, clock } = options;
  const stop = new AbortController();
  const { signal } = stop;
  const list = createList();
  const { ask, isKnown, isAway, end } = createQuestions(options, list.add, signal);

  const beat = async () => {
    for (;;) {
      await wait(clock, beatMs, signal);
      if (signal.aborted) return;
      await atMost(clock, patienceMs, ask(), signal);
    }
  };
  const hear = async () => {
    while (!signal.aborted) {
      try {
        for await (const change of store.changes({ kind: 'denial', signal })) if (change.kind === 'denial') list.add(change.denial);
      } catch {
        // The next answer brings what the feed did not, or shows that there is trouble.
      }
      // Also where the feed ended without a word: nobody may ask again without a pause.
      await wait(clock, beatMs, signal);
    }
  };

  const hearing = hear();
  await atMost(clock, patienceMs, ask(), signal);
  const beating = beat();
  return {
    judge: (token, branches, outage = 'passes-only') => {
      if (!isKnown() || (outage === 'refuse' && isAway())) return 'unknown';
      return list.has(token, branches) ? 'denied' : 'good';
    },
    close: async () => {
      stop.abort();
      end();
      await Promise.all([beating, hearing]);
    },
  };
}

/** What is denied. Nothing is ever taken off: a clock that was ahead and is set back frees nobody. */
function createList(): { readonly add: (denial: Denial) => void; readonly has: (token: Deniable, branches: readonly string[]) => boolean } {
  const denied = { token: new Set<string>(), part: new Set<string>(), payment: new Set<string>(), key: new Set<string>() };
  let mintedBefore = 0;
  return {
    add: ({ kind, value }) => {
      // A time that cannot be read frees nobody.
      if (kind === 'minted-before') mintedBefore = Math.max(mintedBefore, /^\d+$/.test(value) ? Number(value) : Number.POSITIVE_INFINITY);
      else denied[kind].add(value);
    },
    has: ({ paymentHash, tokenId, fingerprint, mintedAt }, branches) =>
      mintedAt < mintedBefore ||
      denied.key.has(fingerprint) ||
      denied.payment.has(paymentHash) ||
      denied.token.has(tokenId) ||
      // Whoever has a part has what was handed on to him, and cannot take it off what he hands on.
      branches.some((branch) => denied.part.has(branch)),
  };
}

/** A question to the store; what its answer shows is shown until the question is too old. */
type Question = { readonly number: number; isOld: boolean; readonly forget: () => void };

/** Questions to the store, and how long ago the last one was asked that got an answer. */
function createQuestions({ store, clock, staleMs, onTrouble }: DenialsOptions, add: (denial: Denial) => void, signal: AbortSignal) {
  const asking = new Set<Question>();
  let after: number | undefined;
  let answered: Question | undefined;
  let number = 0;
  /** Since that question nothing but failures, or silence, has come. */
  let isAway = false;
  let toldAtMs = Number.NEGATIVE_INFINITY;

  const tell = (error: unknown) => {
    if (signal.aborted || clock.nowMs() - toldAtMs < tellMs) return;
    toldAtMs = clock.nowMs();
    onTrouble(error);
  };
  /** By a timer as well: a silent store is away too. The answer calls it off. */
  const watches = new Set<() => void>();
  const watch = (question: Question) => {
    const cancel = clock.after(awayMs, () => {
      if (question.number > (answered?.number ?? 0)) isAway = true;
    });
    watches.add(cancel);
    return () => {
      cancel();
      watches.delete(cancel);
    };
  };
  const begin = (): Question => {
    // By a timer, which no setting of the clock makes longer.
    const forget = clock.after(staleMs, () => {
      question.isOld = true;
      if (question !== answered) return;
      toldAtMs = Number.NEGATIVE_INFINITY;
      tell(new FareboxError('STORE_UNAVAILABLE', `What was revoked could not be read for ${staleMs / 1000} s: nothing is served until it is.`));
    });
    const question: Question = { number: ++number, isOld: false, forget };
    asking.add(question);
    return question;
  };
  /** Takes an answer in. False: it does not show that the list is whole. */
  const take = (behind: number | undefined, { denials, seq }: Awaited<ReturnType<Store['denials']>>): boolean => {
    for (const denial of denials) add(denial);
    // A store that has gone back was put back from a copy: it is read again from its beginning.
    const hasGoneBack = behind !== undefined && seq < behind;
    after = hasGoneBack ? undefined : seq;
    return !hasGoneBack;
  };
  const ask = async (): Promise<void> => {
    if (asking.size >= maxAsking) return tell(new FareboxError('STORE_UNAVAILABLE', 'The store does not answer.'));
    const question = begin();
    const behind = after;
    const unwatch = watch(question);
    let isLate = false;
    try {
      const isWhole = take(behind, await store.denials(behind));
      isLate = question.isOld;
      if (isWhole && !isLate && question.number > (answered?.number ?? 0)) {
        answered?.forget();
        answered = question;
        isAway = false;
        toldAtMs = Number.NEGATIVE_INFINITY;
      }
    } catch (error) {
      if (question.number > (answered?.number ?? 0)) isAway = true;
      tell(error);
    }
    unwatch();
    asking.delete(question);
    if (question !== answered || signal.aborted) question.forget();
    // The store is there, or this process stood still meanwhile: it need not be waited for any longer.
    if (isLate && !signal.aborted) await ask();
  };

  return {
    ask,
    isKnown: () => answered !== undefined && !answered.isOld,
    end: () => {
      answered?.forget();
      for (const { forget } of asking) forget();
      for (const cancel of watches) cancel();
    },
    isAway: () => isAway,
  };
}
