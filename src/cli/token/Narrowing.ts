/**
 * Which new caveats of a token make sense.
 */
import * as Caveat from '../../core/Caveat.ts';
import { FareboxError } from '../../core/Errors.ts';
import { describe } from '../../server/CaveatWords.ts';
import type * as Caveats from '../../server/policies/Caveats.ts';
import { judge, type Moment } from '../../server/policies/Judgement.ts';
import { formatAt } from '../Time.ts';

/**
 * Checks that each new caveat narrows the token and leaves something of it.
 * @param caveats - of the token as it is, which `judge` lets through
 * @throws CONFIG_INVALID – a caveat that would be refused, or would leave nothing; the message says which and why
 */
export function assertNarrows(caveats: readonly string[], added: readonly string[], moment: Moment, validUntil: number): void {
  for (const [index, text] of added.entries()) {
    const caveat = Caveat.parse(text);
    const endsAt = isEnd(caveat.condition) ? Caveat.parseTime(caveat.value) : undefined;
    if (endsAt !== undefined && endsAt > validUntil) {
      throw refused(
        text,
        `the token itself ends at ${formatAt(validUntil)}. A holder can only make it end sooner; a later end would be refused or without effect`,
      );
    }
    if (endsAt !== undefined && endsAt < moment.nowAt) throw refused(text, `${formatAt(endsAt)} is in the past`);
    const verdict = judge([...caveats, ...added.slice(0, index + 1)], moment, true);
    if (verdict.kind === 'holds') continue;
    if (verdict.failure === 'elsewhere') throw refused(text, `this leaves nothing of the token, which is good ${reachOf(caveats, moment.nowAt)}`);
    throw refused(text, `this caveat ${reasons[verdict.failure]}. A gateway would refuse the token`);
  }
}

/** What a failure means, behind "the caveat …". */
export const reasons: { readonly [failure in Caveats.CaveatFailure['failure']]: string } = {
  elsewhere: 'leaves nothing: no request keeps it and the other caveats',
  expired: 'has expired',
  unknown: 'is not known to a gateway of Farebox',
  unreadable: 'cannot be read',
  widened: 'allows more than an earlier one of its kind',
};

function refused(caveat: string, why: string): FareboxError {
  // Some clients write the proof of payment into a caveat: an error never repeats it.
  return new FareboxError('CONFIG_INVALID', `${/^\s*preimage\s*=/i.test(caveat) ? 'preimage' : caveat}: ${why}.`);
}

/** Methods and paths that a token is good for, in words. */
function reachOf(caveats: readonly string[], nowAt: number): string {
  const means = describe(caveats, { nowAt, paymentHash: undefined }).map((caveat) => caveat.means);
  return means.filter((words) => /^(with|on) /.test(words)).join(' and ');
}

function isEnd(condition: string): boolean {
  return condition === 'expires' || condition === 'valid_until' || condition.endsWith('_valid_until');
}
