/**
 * Who handed what on to whom, as it is written down with each part: the source of its units names the part and what it is a part of.
 *
 *     uses <part> of <above>      msat <part> of <above>
 *
 * All names are digests, of an identifier or of a signature: nobody uses a token by them, or comes by its signature.
 */
import type { Part, Principal } from '../Offer.ts';

/** Where a part belongs. */
export type Place = {
  /** What it is counted in. */
  readonly unit: Part['unit'];
  /** Its account. */
  readonly part: string;
  /** The part that it was handed on of, or the whole: the account of a balance, the id of a token that has none. */
  readonly above: string;
};

/** What the units of a part come from, for each of a token's parts in their order. Above it is the last before it that is counted: money is not, of a pass. */
export function sourcesOf({ parts, useKey, tokenId, terms }: Pick<Principal, 'parts' | 'useKey' | 'tokenId' | 'terms'>): readonly string[] {
  // What is kept under the use key of a pass counts its parts, and is no balance.
  let above = terms === 'pass' ? tokenId : (useKey ?? tokenId);
  return parts.map(({ key, unit }) => {
    const source = `${unit} ${key} of ${above}`;
    if (unit === 'uses' || terms !== 'pass') above = key;
    return source;
  });
}

/** Reads one; undefined where it is the source of something else. */
export function read(source: string): Place | undefined {
  const [, unit, part, above] = /^(uses|msat) ([0-9a-f]{64}) of ([0-9a-f]{64})$/.exec(source) ?? [];
  return unit === undefined || part === undefined || above === undefined ? undefined : { unit: unit as Place['unit'], part, above };
}
