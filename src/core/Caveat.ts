/**
 * A caveat: one condition that a token carries, `condition=value`, split at the first `=`.
 *
 * When reading, spaces around either side and one pair of quotes around the value are dropped (`scope = "/api/v1/translate"` reads as
 * `scope` and `/api/v1/translate`); they are never written.
 *
 * @see L402 macaroon-spec, Caveats; docs/wire.md, "The token"
 */
import { FareboxError } from './Errors.ts';

/** One condition. */
export type Caveat = {
  /** Such as `api_valid_until`. */
  readonly condition: string;
  /** Everything behind the first `=`. */
  readonly value: string;
};

/** A service that a token is good for, as the caveat `services` lists it. */
export type Service = {
  readonly name: string;
  /** 0 is the base tier. */
  readonly tier: number;
};

/**
 * Reads a caveat.
 * @throws CAVEAT_MALFORMED – no `=`, or nothing before it
 * @example Caveat.parse('expires = "2026-04-02T15:00:00Z"') // { condition: 'expires', value: '2026-04-02T15:00:00Z' }
 */
export function parse(text: string): Caveat {
  const at = text.indexOf('=');
  const condition = at < 0 ? '' : text.slice(0, at).trim();
  if (condition === '') throw new FareboxError('CAVEAT_MALFORMED', 'A caveat is written condition=value.');
  const value = text.slice(at + 1).trim();
  const first = value[0];
  const quoted = value.length >= 2 && (first === '"' || first === "'") && value.endsWith(first);
  return { condition, value: quoted ? value.slice(1, -1) : value };
}

/**
 * Writes a caveat.
 * @throws RangeError – a condition that `parse` would read otherwise, or a control character in either side
 */
export function format(caveat: Caveat): string {
  const { condition, value } = caveat;
  if (!isName(condition)) throw new RangeError(`"${condition.slice(0, 40)}" cannot be a caveat's condition: use letters, digits, "_", "-" and "."`);
  if (hasControl(value) || value !== value.trim() || /^(["']).*\1$/s.test(value))
    throw new RangeError('a caveat value has no control characters, no space at its ends and no quotes around it');
  return `${condition}=${value}`;
}

/** Whether a name may stand in a caveat: a service, a capability, a condition. Nothing that separates anything is in it. */
export function isName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(text);
}

/**
 * Reads the value of `services`: `name:tier,name:tier`.
 * @throws CAVEAT_MALFORMED – empty, a missing name or tier, a tier that is no number
 */
export function parseServices(value: string): readonly Service[] {
  return value.split(',').map((part) => {
    const match = /^\s*([^\s:,=]+):(\d{1,3})\s*$/.exec(part);
    if (!match) throw new FareboxError('CAVEAT_MALFORMED', 'The caveat services is a list of name:tier.');
    return { name: match[1] as string, tier: Number(match[2]) };
  });
}

/**
 * Writes the value of `services`.
 * @throws RangeError – a name that could be read otherwise, or a tier outside 0 to 255
 */
export function formatServices(services: readonly Service[]): string {
  if (services.length === 0) throw new RangeError('services is never empty');
  return services
    .map(({ name, tier }) => {
      if (!isName(name)) throw new RangeError(`"${name.slice(0, 64)}" cannot be a service's name: use letters, digits, "_", "-" and "."`);
      if (!Number.isInteger(tier) || tier < 0 || tier > 255) throw new RangeError(`a tier lies between 0 and 255, not ${tier}`);
      return `${name}:${tier}`;
    })
    .join(',');
}

/**
 * Reads a point in time: Unix seconds, or ISO 8601 with a zone. The answer is Unix seconds, or undefined where it is anything else:
 * milliseconds, a duration, a negative number, a date without a zone. What cannot be read refuses the token.
 */
export function parseTime(value: string): number | undefined {
  if (/^\d{1,11}$/.test(value)) {
    const seconds = Number(value);
    return seconds <= latestAt ? seconds : undefined;
  }
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/.test(value)) return undefined;
  const ms = Date.parse(value);
  return Number.isNaN(ms) || ms < 0 ? undefined : Math.floor(ms / 1000);
}

/** The last time that 32 bits of seconds can name; a larger number is in another unit. */
const latestAt = 0xffffffff;

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 32 || text.charCodeAt(i) === 127) return true;
  return false;
}
