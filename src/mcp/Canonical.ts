/**
 * The one way to write a JSON value: what a credential for a tool's arguments is bound to. Values that JSON cannot tell apart are written alike; all others differ.
 *
 *     { "b": 1.0, "a": "é" }   →   {"a":"é","b":1}
 *
 * Takes what `JSON.parse` gives. Written here and not taken from a library: those at hand write a lone surrogate as if it were text, call `toJSON`, or leave
 * out what is undefined, and each of these makes two arguments one.
 *
 * @see RFC 8785 (JSON Canonicalization Scheme)
 */
import { FareboxError } from '../core/Errors.ts';

/** Deeper than any tool's arguments, and far from the end of the stack. */
const maxDepth = 200;

/**
 * A value in canonical form.
 * @throws REQUEST_MALFORMED – text that is no Unicode, a number beyond a double, more than 200 levels, or what is no JSON
 * @example format({ b: 1.0, a: [] }) // '{"a":[],"b":1}'
 */
export function format(value: unknown, depth = 0): string {
  if (depth > maxDepth) throw malformed(`are nested more than ${maxDepth} levels deep`);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return formatText(value);
  if (typeof value === 'number') return formatNumber(value);
  if (Array.isArray(value)) return `[${Array.from(value, (item) => format(item, depth + 1)).join(',')}]`;
  if (typeof value !== 'object') throw malformed(`hold a ${typeof value}, which is no JSON`);
  const object = value as { readonly [name: string]: unknown };
  // By UTF-16 code units, which is how JavaScript sorts. `Object.keys` names a key `__proto__` as well, as JSON.parse makes it.
  const members = Object.keys(object)
    .sort()
    .map((name) => `${formatText(name)}:${format(object[name], depth + 1)}`);
  return `{${members.join(',')}}`;
}

/** `-0` is 0, as RFC 8785 has it. */
function formatNumber(value: number): string {
  if (!Number.isFinite(value)) throw malformed('hold a number that is too large');
  return String(value === 0 ? 0 : value);
}

/** ECMAScript escapes as RFC 8785 does, but for halves of characters, which it takes. */
function formatText(value: string): string {
  if (!value.isWellFormed()) throw malformed('hold text that is no Unicode (half a surrogate pair)');
  return JSON.stringify(value);
}

function malformed(what: string): FareboxError {
  return new FareboxError('REQUEST_MALFORMED', `The arguments of this call ${what}. Nothing was charged.`);
}
