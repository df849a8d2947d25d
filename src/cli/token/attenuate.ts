/**
 * `farebox token attenuate`: the same token, good for less. Needs no key; cannot be undone.
 */
import * as Caveat from '../../core/Caveat.ts';
import { type Random, systemRandom } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { toHex } from '../../core/internal/bytes.ts';
import * as Macaroon from '../../core/Macaroon.ts';
import { readDurationSeconds, readMethods } from '../../gateway/ConfigFields.ts';
import * as Path from '../../http/Path.ts';
import { describe } from '../../server/CaveatWords.ts';
import { judge } from '../../server/policies/Judgement.ts';
import { formatAt } from '../Time.ts';
import { assertNarrows, reasons } from './Narrowing.ts';
import type { Presented } from './Presented.ts';
import { preimageOf } from './Reading.ts';

/** What to narrow to, as the command line has it. */
export type Wishes = {
  readonly path?: string;
  readonly method?: string;
  readonly expires?: string;
  readonly uses?: string;
  readonly maxSats?: string;
  readonly carve?: string;
  readonly caveat?: readonly string[];
};

/** A narrowed token. */
export type Narrowed = {
  readonly macaroon: Macaroon.Macaroon;
  /** What was added, in order. */
  readonly added: readonly string[];
  /** What a person should know before handing it on. */
  readonly warnings: readonly string[];
};

/**
 * Narrows a token.
 * @throws CONFIG_INVALID – nothing to narrow to, or a wish that would be refused or leave nothing; the message says why
 * @throws CREDENTIAL_EXPIRED, CREDENTIAL_NARROWED – the token is refused already
 */
export function narrow(presented: Presented, wishes: Wishes, nowAt: number, random: Random = systemRandom): Narrowed {
  const { macaroon } = presented;
  const added = caveatsOf(wishes, nowAt, random);
  if (added.length === 0)
    throw wrong('There is nothing to narrow to. Name one or more of --path, --method, --expires, --uses, --max-sats, --carve and --caveat.');
  const moment = { nowAt, preimage: preimageOf(presented) };
  const standing = judge(macaroon.caveats, moment, true);
  const isForeign = !describe(macaroon.caveats, { nowAt, paymentHash: undefined }).some(({ by }) => by === 'minted');
  if (standing.kind === 'fails' && !isForeign) {
    if (standing.failure === 'expired') throw new FareboxError('CREDENTIAL_EXPIRED', 'This token has expired; narrowing cannot make it good again.');
    throw new FareboxError('CREDENTIAL_NARROWED', `This token is refused already: its caveat ${standing.condition} ${reasons[standing.failure]}.`);
  }
  if (standing.kind === 'holds') assertNarrows(macaroon.caveats, added, moment, standing.validUntil);
  return { macaroon: attenuate(macaroon, added), added, warnings: warningsFor(macaroon, added, moment, isForeign) };
}

function attenuate(macaroon: Macaroon.Macaroon, added: readonly string[]): Macaroon.Macaroon {
  try {
    return Macaroon.attenuate(macaroon, added);
  } catch (error) {
    throw wrong(`This cannot be added: ${(error as Error).message}.`, error);
  }
}

function caveatsOf({ path, method, expires, uses, maxSats, carve, caveat = [] }: Wishes, nowAt: number, random: Random): readonly string[] {
  if (carve !== undefined && (uses ?? maxSats) !== undefined) throw wrong('--carve sets aside, and --uses and --max-sats limit: hand on with one of them.');
  return [
    ...(path === undefined ? [] : [write('path_prefix', readPath(path))]),
    ...(method === undefined ? [] : [write('method', readMethod(method))]),
    ...(expires === undefined ? [] : [write('valid_until', String(readEnd(expires, nowAt)))]),
    // Two parts with the same limit are two.
    ...(uses === undefined && maxSats === undefined ? [] : [write('part', toHex(random(8)))]),
    ...(uses === undefined ? [] : [write('n_uses', readCount('--uses', uses))]),
    ...(maxSats === undefined ? [] : [write('max_sats', readCount('--max-sats', maxSats))]),
    ...caveat.map(readCaveat),
    // Last: whoever has the token as it is then opens and closes it.
    ...(carve === undefined ? [] : [write('part', toHex(random(8))), write('carved', readCount('--carve', carve))]),
  ];
}

function write(condition: string, value: string): string {
  try {
    return Caveat.format({ condition, value });
  } catch (error) {
    throw wrong(`${condition}: ${(error as Error).message}.`, error);
  }
}

function readCount(flag: string, written: string): string {
  if (!/^[1-9]\d{0,14}$/.test(written.trim())) throw wrong(`${flag} is a whole number from 1, not "${written.slice(0, 64)}".`);
  return written.trim();
}

/** A path in normal form, as gateways compare it. */
function readPath(written: string): string {
  const asked = written.endsWith('/*') ? written.slice(0, -1) : written;
  let target: Path.Target;
  try {
    target = Path.normalize(asked);
  } catch (error) {
    throw wrong(`--path "${written.slice(0, 64)}": ${(error as Error).message} Write it like "/api/v1".`, error);
  }
  if (target.authority !== undefined || target.query !== '')
    throw wrong(`--path "${written.slice(0, 64)}" is a path alone, without host and query: write "${target.path}".`);
  if (target.path !== asked) throw wrong(`--path "${written.slice(0, 64)}" is not in normal form: write "${target.path}".`);
  return asked;
}

function readMethod(written: string): string {
  try {
    return readMethods(written.split(',').map((one) => one.trim())).join(',');
  } catch (error) {
    throw wrong(`--method: ${(error as Error).message}.`, error);
  }
}

/** Unix seconds, from a length of time or a time. */
function readEnd(written: string, nowAt: number): number {
  const isLength = /^\d+\s*[a-z]+$/.test(written.trim());
  const at = isLength ? nowAt + readLength(written) : Caveat.parseTime(written.trim());
  if (at === undefined) {
    throw wrong(
      `--expires "${written.slice(0, 64)}" is not a time: write a length such as 10m, 1h or 1d, or a time with its zone such as 2030-12-31T23:59:00Z.`,
    );
  }
  if (at <= nowAt) throw wrong(`--expires ${written}: ${formatAt(at)} is in the past.`);
  return at;
}

function readLength(written: string): number {
  try {
    return readDurationSeconds(written);
  } catch (error) {
    throw wrong(`--expires: ${(error as Error).message}.`, error);
  }
}

function readCaveat(written: string): string {
  try {
    return Caveat.format(Caveat.parse(written));
  } catch (error) {
    throw wrong(`--caveat: ${(error as Error).message.replace(/\.$/, '')}.`, error);
  }
}

function warningsFor(macaroon: Macaroon.Macaroon, added: readonly string[], moment: Parameters<typeof judge>[1], isForeign: boolean): readonly string[] {
  if (isForeign) return ['This is not a token of Farebox: what its server makes of these caveats is not known here.'];
  const verdict = judge([...macaroon.caveats, ...added], moment);
  if (verdict.kind === 'holds' || verdict.failure !== 'unknown') return [];
  return [`A gateway of Farebox does not know the caveat ${verdict.condition}, and refuses a token for it unless its configuration says to skip such caveats.`];
}

function wrong(message: string, cause?: unknown): FareboxError {
  return new FareboxError('CONFIG_INVALID', message, cause === undefined ? {} : { cause });
}
