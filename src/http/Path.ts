/**
 * The one path of a request. It is normalised once, and that same text is routed, priced, bound into the token and forwarded.
 *
 * Normal form: unreserved characters decoded (`%41` → `A`), other escapes in upper case, dot segments resolved, runs of slashes made
 * one. Whatever two servers could read differently is refused instead: `%2F`, `%5C`, a backslash, control characters, escaped or not,
 * bytes beyond ASCII, an escape of an escape of any of those, of a letter or of what could end a path, and dots that climb above the root.
 *
 * @see RFC 3986, sections 3.3 and 6.2.2; RFC 9112, section 3.2
 */
import { FareboxError } from '../core/Errors.ts';

/** A request target, taken apart. */
export type Target = {
  /** Normalised, beginning with `/`. */
  readonly path: string;
  /** With its `?`, as received; '' where there is none. */
  readonly query: string;
  /** Of an absolute-form target, as received; it overrides the `Host` header. */
  readonly authority: string | undefined;
};

/**
 * Normalises a request target in origin form or absolute form.
 * @throws REQUEST_MALFORMED – another form, or a path that two servers could read differently
 * @example Path.normalize('/a/./b//c?x=1') // { path: '/a/b/c', query: '?x=1', authority: undefined }
 */
export function normalize(target: string): Target {
  if (target.length > maxTargetLength) throw malformed(`The request target is longer than ${maxTargetLength} characters.`);
  const absolute = target.startsWith('/') ? null : /^https?:\/\/([^/?#\\@\s]+)((?:[/?].*)?)$/i.exec(target);
  const local = absolute ? (absolute[2] as string) : target;
  const origin = absolute && !local.startsWith('/') ? `/${local}` : local;
  if (!origin.startsWith('/')) throw malformed('The request target is not a path.');
  const at = origin.indexOf('?');
  const query = at < 0 ? '' : origin.slice(at);
  if (query !== '' && !plainQuery.test(query)) throw malformed('The query has characters that must be percent-encoded.');
  const path = normalizePath(at < 0 ? origin : origin.slice(0, at));
  // An escape is longer than what it stands for, and what is forwarded is no longer than what is taken.
  if (path.length + query.length > maxTargetLength) throw malformed(`The request target is longer than ${maxTargetLength} characters in its normal form.`);
  return { path, query, authority: absolute?.[1] };
}

/**
 * Takes a request target that is in normal form already: for whoever stands behind a router that has read it by its text, and cannot
 * change what was read.
 * @throws REQUEST_MALFORMED – what `normalize` refuses, or another spelling of a path
 */
export function assertNormal(target: string): Target {
  const read = normalize(target);
  if (read.authority === undefined && read.path + read.query === target) return read;
  throw malformed(`This path has another spelling, which is the one that is sold: ${read.path}`);
}

/**
 * Whether a pattern covers a path: an exact path, a prefix that ends in `/*` (everything below it), or either with `{}` for segments, each
 * of which is one that is not empty. Both sides are in normal form; a literal `*`, `{` or `}` in a path is escaped.
 */
export function covers(pattern: string, path: string): boolean {
  const plain = withParameters(pattern, path);
  return pattern.endsWith('/*') ? plain.startsWith(pattern.slice(0, -1)) : plain === pattern;
}

/** Whether everything that `inner` covers is covered by `outer`. */
export function coversPattern(outer: string, inner: string): boolean {
  return (outer.endsWith('/*') || !inner.endsWith('/*')) && covers(outer, inner);
}

/** Whether a pattern may cover more than one path. */
export function coversMany(pattern: string): boolean {
  return pattern.endsWith('/*') || pattern.includes(parameter);
}

/** A segment of a pattern that stands for any. */
export const parameter = '{}';

/** A path or a pattern with `{}` where the outer one has it, and something stands. */
function withParameters(outer: string, inner: string): string {
  if (!outer.includes(parameter)) return inner;
  const segments = outer.split('/');
  let index = 0;
  // No segment of a normal path is empty, but for the last.
  return inner.replace(/[^/]+/g, (segment) => (segments[++index] === parameter ? parameter : segment));
}

/** Whether a path lies at or below a prefix, cut at a segment's end: `/api` holds `/api` and `/api/x`, not `/apix`. */
export function isBelow(prefix: string, path: string): boolean {
  const base = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
  return path === base || path.startsWith(`${base}/`);
}

const maxTargetLength = 8192;
const plainQuery = /^[\x21\x22\x24-\x7e]*$/;
const normal = /^(?:\/[A-Za-z0-9_~!$&'()+,;=:@-][A-Za-z0-9._~!$&'()+,;=:@-]*)+\/?$/;

/** `/`, `\` and control characters, escaped any number of times, and `/`, `\` and `.` in the overlong forms that old decoders take. */
const separators = /%(?:25)*(?:2F|5C|[01][0-9A-F]|7F)|%C0%A[EF]|%C1%9C|%E0%80%A[EF]|%E0%81%9C/i;
/** Escapes of escapes of what would read as itself, or would end the path: unreserved characters, `#`, `;` and `?`. */
const escapedEscapes = /%25(?:25)*(?:2[3DE]|3[0-9BF]|[46][1-9A-F]|[57][0-9A]|5F|7E)/i;

function normalizePath(path: string): string {
  if (path === '/' || normal.test(path)) return path;
  if (!/^[\x21-\x7e]*$/.test(path) || /[\\#"<>^`{|}]/.test(path)) throw malformed('The path has characters that must be percent-encoded.');
  if (/%(?![0-9A-Fa-f]{2})/.test(path)) throw malformed('The path has a percent sign that escapes nothing.');
  const decoded = path.replace(/%([0-9A-Fa-f]{2})/g, (escaped, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : escaped.toUpperCase();
  });
  // Looked at only now: an escape can be pieced together from others.
  if (separators.test(decoded)) throw malformed('The path escapes a separator or a control character.');
  if (escapedEscapes.test(decoded)) throw malformed('The path escapes an escape.');
  const segments: string[] = [];
  const parts = decoded.replaceAll('*', '%2A').split('/').slice(1);
  for (const [index, part] of parts.entries()) {
    const last = index === parts.length - 1;
    if (/^\.\.?(?:;|%(?:20|23|3B|3F))/.test(part)) throw malformed('The path hides dots before a parameter.');
    if (part === '..') {
      if (segments.length === 0) throw malformed('The path climbs above the root.');
      segments.pop();
    }
    if (part !== '' && part !== '.' && part !== '..') segments.push(part);
    else if (last) segments.push('');
  }
  return `/${segments.join('/')}`;
}

function malformed(message: string): FareboxError {
  return new FareboxError('REQUEST_MALFORMED', message);
}
