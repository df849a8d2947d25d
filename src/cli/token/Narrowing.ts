/**
 * What a gateway would make of a token's caveats, asked of the gateway's own check, and which new ones make sense.
 */

import * as Caveat from '../../core/Caveat.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Path from '../../http/Path.ts';
import * as Caveats from '../../server/policies/Caveats.ts';
import { formatAt } from '../Time.ts';
import { describe, servicesOf, withoutProof } from './CaveatWords.ts';

/** The gateway's answer to the request that suits a token best. */
export type Verdict = Caveats.CaveatFacts | Caveats.CaveatFailure;

/** What the answer hangs on besides the caveats. */
export type Moment = { readonly nowAt: number; readonly preimage: string | undefined };

/**
 * Whether there is a request that a gateway would let through with these caveats. Candidates come from the caveats themselves: every
 * service, method and path that one of them names.
 * @param skipUnknown - pass over conditions that are not known here
 */
export function judge(caveats: readonly string[], moment: Moment, skipUnknown = false): Verdict {
  const read = caveats.map(parse).filter((caveat) => caveat !== undefined);
  const values = (suffix: RegExp) => read.filter(({ condition }) => suffix.test(condition)).map(({ value }) => value);
  const methods = new Set(['GET', ...values(/(^|_)method$/).flatMap((value) => value.split(',').map((one) => one.trim()))]);
  const paths = new Set(['/', ...values(/(_path|^scope|^path_prefix)$/).flatMap(pathsIn)]);
  const preimage = (moment.preimage ?? values(/^preimage$/)[0] ?? '').toLowerCase();
  const priced = values(/_priced$/)[0] ?? '';
  const pattern = values(/_path$/)[0];
  // Of a long path the token holds a digest alone: which path that is cannot be found out here.
  const checked = caveats.filter((text) => !/_path=sha256:/.test(text));
  let worst: Caveats.CaveatFailure = { kind: 'fails', failure: 'elsewhere', by: 'minted', condition: 'services' };
  for (const request of candidates(servicesOf(caveats), paths, methods)) {
    const context = { ...request, tier: 0, pattern, priced, nowAt: moment.nowAt, capabilities: [], preimage };
    const outcome = Caveats.check(checked, context, skipUnknown);
    if (outcome.kind === 'holds') return outcome;
    if (weightOf(outcome) > weightOf(worst)) worst = outcome;
  }
  return { ...worst, condition: withoutProof(worst.condition) };
}

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

/** Most requests that are tried. A token of ours names one service and a few paths and methods; four kilobytes can name a million requests. */
const maxRequests = 1000;

type Candidate = { readonly service: string; readonly path: string; readonly method: string };

function* candidates(services: Iterable<string>, paths: Iterable<string>, methods: Iterable<string>): Generator<Candidate, void> {
  let left = maxRequests;
  for (const service of services) {
    for (const path of paths) {
      for (const method of methods) {
        if (left-- === 0) return;
        yield { service, path, method };
      }
    }
  }
}

/** Of several failures the one that holds for every request is the one to tell. */
const rank: { readonly [failure in Caveats.CaveatFailure['failure']]: number } = { elsewhere: 0, expired: 1, unknown: 2, unreadable: 3, widened: 4 };

/** Next to that, the one that came last: what was minted held. */
function weightOf({ failure, by }: Caveats.CaveatFailure): number {
  return 2 * rank[failure] + (by === 'holder' ? 1 : 0);
}

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

/** Paths that a pattern or a prefix covers, in normal form. */
function pathsIn(value: string): readonly string[] {
  try {
    return [Path.normalize(value.endsWith('/*') ? value.slice(0, -1) : value).path];
  } catch {
    return [];
  }
}

function parse(text: string): Caveat.Caveat | undefined {
  try {
    return Caveat.parse(text);
  } catch {
    return undefined;
  }
}
