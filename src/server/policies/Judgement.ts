/**
 * What a gateway would make of a token's caveats, asked of its own check, where no request is there to hold them against.
 */
import * as Caveat from '../../core/Caveat.ts';
import * as Path from '../../http/Path.ts';
import { servicesOf, withoutProof } from '../CaveatWords.ts';
import * as Caveats from './Caveats.ts';
import type { PolicyContext } from './Policy.ts';

/** The gateway's answer to the request that suits a token best. */
export type Verdict = Caveats.CaveatFacts | Caveats.CaveatFailure;

/** What the answer hangs on besides the caveats. */
export type Moment = { readonly nowAt: number; readonly preimage: string | undefined };

/** A request that a gateway would let through, and the caveats as they are held against it. */
export type Suiting = { readonly kind: 'suits'; readonly request: PolicyContext; readonly caveats: readonly string[]; readonly facts: Caveats.CaveatFacts };

/**
 * Whether there is a request that a gateway would let through with these caveats. Candidates come from the caveats themselves: every
 * service, method and path that one of them names.
 * @param skipUnknown - pass over conditions that are not known here
 */
export function judge(caveats: readonly string[], moment: Moment, skipUnknown = false): Verdict {
  const found = findRequest(caveats, moment, skipUnknown);
  return found.kind === 'suits' ? found.facts : found;
}

/** The same, with the request. */
export function findRequest(caveats: readonly string[], moment: Moment, skipUnknown = false): Suiting | Caveats.CaveatFailure {
  // Of a long path the token holds a digest alone: which path that is cannot be found out here, and any will do.
  const checked = caveats.map((text) => text.replace(/^(.*_path=)sha256:.*$/s, '$1/*'));
  const read = checked.map(parse).filter((caveat) => caveat !== undefined);
  const values = (suffix: RegExp) => read.filter(({ condition }) => suffix.test(condition)).map(({ value }) => value);
  const methods = new Set(['GET', ...values(/(^|_)method$/).flatMap((value) => value.split(',').map((one) => one.trim()))]);
  const paths = new Set(['/', ...values(/(_path|^scope|^path_prefix)$/).flatMap(pathsIn)]);
  const preimage = (moment.preimage ?? values(/^preimage$/)[0] ?? '').toLowerCase();
  const priced = values(/_priced$/)[0] ?? '';
  const pattern = values(/_path$/)[0];
  let worst: Caveats.CaveatFailure = { kind: 'fails', failure: 'elsewhere', by: 'minted', condition: 'services' };
  for (const one of candidates(servicesOf(caveats), paths, methods)) {
    const request = { ...one, tier: 0, pattern, priced, nowAt: moment.nowAt, capabilities: [], preimage };
    const outcome = Caveats.check(checked, request, skipUnknown);
    if (outcome.kind === 'holds') return { kind: 'suits', request, caveats: checked, facts: outcome };
    if (weightOf(outcome) > weightOf(worst)) worst = outcome;
  }
  return { ...worst, condition: withoutProof(worst.condition) };
}

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
