/**
 * A policy is one kind of caveat: what it demands of a request, and when a later one of its kind narrows an earlier one. The file of
 * each policy holds both ends, the caveat it writes and the check it makes.
 */

/** What the caveats of a token are held against. */
export type PolicyContext = {
  readonly service: string;
  readonly tier: number;
  /** Upper case; `HEAD` counts as `GET`. */
  readonly method: string;
  /** Normalised. */
  readonly path: string;
  /** The route's own pattern, where it is known. */
  readonly pattern: string | undefined;
  /** Digest of the inputs that the price depended on, '' where there are none. */
  readonly priced: string;
  /** Unix seconds. */
  readonly nowAt: number;
  /** The capabilities that the route demands. */
  readonly capabilities: readonly string[];
  /** 64 lower-case hex digits, as presented. */
  readonly preimage: string;
};

/**
 * Reads a text again only where it differs from the one before it: one token's caveats are looked at more than once, and what a service
 * mints says mostly the same.
 * @param read - without effects, and without anything but the text to go by
 */
export function rememberLast<Result>(read: (text: string) => Result): (text: string) => Result {
  let last: { readonly text: string; readonly result: Result } | undefined;
  return (text) => {
    if (last?.text !== text) last = { text, result: read(text) };
    return last.result;
  };
}

/** Why a caveat does not hold. `unreadable` refuses as well: what cannot be read cannot be kept. */
export type Failure = 'expired' | 'elsewhere' | 'unreadable';

/** Who wrote a caveat: the seller's mint, or somebody who held the token. */
export type Author = 'minted' | 'holder';

/** One kind of caveat. */
export type Policy = {
  /** Undefined: the caveat holds. */
  readonly check: (value: string, context: PolicyContext, by: Author) => Failure | undefined;
  /** Whether `later` allows nothing that `earlier` does not. Left out: any value may follow any other, since all must hold. */
  readonly narrows?: (earlier: string, later: string) => boolean;
};
