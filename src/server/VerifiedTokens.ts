/**
 * Credentials that were verified, so that the next request with one costs a look-up instead of thirty-five hashes. Only what verified enters:
 * a flood of forged credentials takes no memory and pushes nothing out.
 *
 *     credential line as presented → what its token is, and the demand that it last held against
 *
 * What is kept of a token (made under our key, paid for) never changes. What depends on the request is held against each request: a hit
 * for another service, tier, method, path, priced input or capability than the last one checks every caveat again, and the clock is
 * looked at every time. What was revoked is looked up for every request, hit or not, by whoever asks for the principal.
 *
 * What is looked up are credentials in clear, and every one of them is a secret: they stay in this file's memory and are never logged. It
 * belongs to one verifier, and so to one ring of keys: another ring has another, empty one, and where a key leaves the ring, it is emptied.
 *
 * @see docs/decisions/0012-verified-credentials.md
 */
import type { Principal } from './Offer.ts';
import type { PolicyContext } from './policies/Policy.ts';

/** What a token is held against, beyond what the credential itself says. */
export type Demand = Omit<PolicyContext, 'preimage'>;

/** Who presented a credential that holds. */
export type VerifiedPrincipal = {
  readonly kind: 'verified';
  readonly principal: Principal;
  /** What was handed on on the way to him: a name for each caveat that a holder added, the first holder's first. Nothing of it is told to anybody. */
  readonly branches: readonly string[];
  /** Set by whoever has told the ledger, so that a pass that is remembered is looked up there once. */
  isTold: boolean;
  /** The end of its receipts, once one was written. */
  receiptEnd?: string;
};

/** Holds the caveats of a token that is ours and paid for against a demand; undefined where one does not hold. */
export type Recheck<Token> = (token: Token, demand: Demand) => VerifiedPrincipal | undefined;

/** A number from 0 to 2³² − 1 that tells a token from others by chance alone: nobody who holds one may have chosen it. */
export type MarkOf<Token> = (token: Token) => number;

/** See the head of this file. */
export type VerifiedTokens<Token> = {
  /** Who stands behind a credential that was verified before, where it holds for this demand as well; undefined where that is to be found out. */
  readonly find: (credential: string, demand: Demand) => VerifiedPrincipal | undefined;
  /**
   * Keeps a credential that has just been verified, where its token was verified once before: keeping what never comes back would cost
   * as much again as a third of its verification.
   * @param token - what of it was found out and holds for every demand
   * @param tokenBytes - of memory that this takes, about
   */
  readonly add: (credential: string, demand: Demand, verified: VerifiedPrincipal, token: Token, tokenBytes: number) => void;
  /** Forgets everything. */
  readonly clear: () => void;
  /** How much is kept now. */
  readonly size: () => { readonly count: number; readonly bytes: number };
};

/** How a cache knows its tokens. */
export type VerifiedTokensOptions<Token> = VerifiedTokensLimits & { readonly recheck: Recheck<Token>; readonly markOf: MarkOf<Token> };

/** How much is kept at most. */
export type VerifiedTokensLimits = {
  /** Credentials; default 16,384. */
  readonly count?: number;
  /** Of memory, about; default 32 MiB. */
  readonly bytes?: number;
};

/**
 * An empty cache. Two generations: what is used moves to the young one, and when that holds half of the limit, the old one goes as a whole;
 * so nothing is ever searched for something to throw out.
 */
export function createVerifiedTokens<Token>(options: VerifiedTokensOptions<Token>): VerifiedTokens<Token> {
  const { count = 16_384, bytes = 32 * 1024 * 1024, recheck, markOf } = options;
  const seen = new Uint32Array(markCount);
  let young = createGeneration<Token>();
  let old = createGeneration<Token>();
  const put = (key: string, entry: Entry<Token>) => {
    // Longer than a whole generation: not worth what it would push out.
    if (entry.bytes > bytes / 2) return;
    if (young.entries.size >= count / 2 || young.bytes + entry.bytes > bytes / 2) {
      old = young;
      young = createGeneration<Token>();
    }
    young.entries.set(key, entry);
    young.bytes += entry.bytes;
  };
  const remove = (generation: Generation<Token>, key: string, entry: Entry<Token>) => {
    if (generation.entries.delete(key)) generation.bytes -= entry.bytes;
  };
  return {
    find: (credential, demand) => {
      const key = keyOf(credential);
      const recent = young.entries.get(key);
      const entry = recent ?? old.entries.get(key);
      if (entry?.credential !== credential) return undefined;
      const isOver = demand.nowAt > entry.verified.principal.validUntil;
      if (recent === undefined || isOver) remove(recent === undefined ? old : young, key, entry);
      if (isOver) return undefined;
      if (recent === undefined) put(key, entry);
      if (isSame(entry.demand, demand)) return entry.verified;
      const verified = recheck(entry.token, demand);
      if (verified === undefined) return undefined;
      entry.demand = demand;
      entry.verified = verified;
      return verified;
    },
    add: (credential, demand, verified, token, tokenBytes) => {
      const mark = markOf(token);
      if (seen[mark % markCount] !== mark) {
        seen[mark % markCount] = mark;
        return;
      }
      const key = keyOf(credential);
      const earlier = young.entries.get(key);
      if (earlier !== undefined) remove(young, key, earlier);
      put(key, { credential, demand, verified, token, bytes: credential.length + tokenBytes + entryBytes });
    },
    clear: () => {
      young = createGeneration<Token>();
      old = createGeneration<Token>();
    },
    size: () => ({ count: young.entries.size + old.entries.size, bytes: young.bytes + old.bytes }),
  };
}

/** Tokens that were verified once are told apart by their marks, each in the one place that is its own; another one there pushes it out. */
const markCount = 65_536;

/**
 * What stands before the colon and the preimage: the end of the token, which is most of its signature. A credential is looked up by this,
 * because a text is hashed anew with every request, and then compared whole. Two spellings of one token may push each other out.
 */
function keyOf(credential: string): string {
  return credential.slice(-97, -65);
}

type Entry<Token> = { readonly credential: string; demand: Demand; verified: VerifiedPrincipal; readonly token: Token; readonly bytes: number };

type Generation<Token> = { readonly entries: Map<string, Entry<Token>>; bytes: number };

/** What an entry takes beside the credential's text and what its token keeps: principal, demand, place in the table. */
const entryBytes = 1024;

function createGeneration<Token>(): Generation<Token> {
  return { entries: new Map(), bytes: 0 };
}

/** Whether two demands differ in the time alone. */
function isSame(one: Demand, other: Demand): boolean {
  return (
    one.path === other.path &&
    one.method === other.method &&
    one.service === other.service &&
    one.tier === other.tier &&
    one.pattern === other.pattern &&
    one.priced === other.priced &&
    (one.capabilities === other.capabilities || isSameList(one.capabilities, other.capabilities))
  );
}

function isSameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, index) => name === other[index]);
}
