/**
 * What came of all ways together, for whoever tries a client on them.
 */
import type { Seen } from './Seen.ts';
import type { Way } from './Way.ts';

/** What came of one way. */
export type Verdict = Pick<Way, 'name' | 'liar' | 'demand'> & {
  /** `untried`: nobody came. `unharmed`: as far as can be seen from here. */
  readonly verdict: 'untried' | 'unharmed' | 'robbed';
  /** What has left the client's wallet; where that is a wallet of its own, what has arrived. */
  readonly spentMsat: bigint;
  /** Everything that an honest client would not have done, in words. */
  readonly robbed: readonly string[];
};

/** What came of all of them. */
export type Check = {
  /** Whether the client has bought an answer where nobody lies: one that buys nothing is robbed of nothing. */
  readonly bought: boolean;
  readonly verdicts: readonly Verdict[];
};

/** The way in which nobody lies. */
export const control = 'no-lie';

/** Sums up what the ways have seen. */
export function check(ways: readonly Way[], seenOf: (name: string) => Seen, hasSold: boolean): Check {
  const verdicts = ways
    .filter(({ name }) => name !== control)
    .map(({ name, liar, demand }): Verdict => {
      const { requests, spentMsat, robbed } = seenOf(name);
      const verdict = robbed.length > 0 ? 'robbed' : requests.length === 0 ? 'untried' : 'unharmed';
      return { name, liar, demand, verdict, spentMsat, robbed };
    });
  return { bought: hasSold, verdicts };
}

/** Whether that is a client to be trusted with money: it has bought, was tried in every way, and robbed in none. */
export function isPassed({ bought, verdicts }: Check): boolean {
  return bought && verdicts.every(({ verdict }) => verdict === 'unharmed');
}
