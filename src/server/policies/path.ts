/**
 * Which paths a token may be used on: `<service>_path=/api/v1/translate`, `…=/api/*` or `…=/users/{}/orders`, minted; `scope` and
 * `path_prefix` from holders, a path that holds itself and everything below it. Paths are compared in normal form, escapes and all, never decoded again.
 *
 * A path over 128 characters is written as `sha256:<hex>`, so that the head of a 402, which holds the token three times, stays small.
 */

import * as Caveat from '../../core/Caveat.ts';
import { fromUtf8, toHex } from '../../core/internal/bytes.ts';
import { sha256 } from '../../core/internal/sha256.ts';
import * as Path from '../../http/Path.ts';
import type { Policy } from './Policy.ts';

/** The condition as minted. */
export function condition(service: string): string {
  return `${service}_path`;
}

/** The caveat as minted, from a pattern in normal form. */
export function write(service: string, pattern: string): string {
  return Caveat.format({ condition: condition(service), value: pattern.length > maxLength && !Path.coversMany(pattern) ? digest(pattern) : pattern });
}

/** Longest path that a token holds as it is. */
export const maxLength = 128;

/**
 * The minted caveat: an exact path, or everything that the route covers. A prefix or a template opens the very route that it was sold for,
 * never a dearer one that it covers too.
 */
export const path: Policy = {
  check: (value, context, by) => {
    if (by === 'minted' && Path.coversMany(value) && value !== context.pattern) return 'elsewhere';
    return Path.covers(value, context.path) || (value.startsWith(digestPrefix) && value === digest(context.path)) ? undefined : 'elsewhere';
  },
  narrows: (earlier, later) => Path.coversPattern(earlier, later),
};

/** A holder's caveat: a path and everything below it. What does not normalise to itself is refused. */
export const prefix: Policy = {
  check: (value, context) => {
    const base = normalized(value);
    if (base === undefined) return 'unreadable';
    return Path.isBelow(base, context.path) ? undefined : 'elsewhere';
  },
  narrows: (earlier, later) => {
    const [outer, inner] = [normalized(earlier), normalized(later)];
    return outer !== undefined && inner !== undefined && Path.isBelow(outer, inner);
  },
};

const digestPrefix = 'sha256:';

function digest(path: string): string {
  return `${digestPrefix}${toHex(sha256(fromUtf8(path)))}`;
}

function normalized(value: string): string | undefined {
  try {
    const written = value.endsWith('/*') ? value.slice(0, -1) : value;
    const { path: read } = Path.normalize(written);
    return read === written ? read : undefined;
  } catch {
    return undefined;
  }
}
