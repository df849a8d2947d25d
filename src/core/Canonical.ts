/**
 * The one way to write a JSON value: what a credential for a tool's arguments is bound to, and what a receipt's signature is over. Values that JSON cannot
 * tell apart are written alike; all others differ.
 *
 *     { "b": 1.0, "a": "é" }   →   {"a":"é","b":1}
 *
 * Takes what `JSON.parse` gives. Written here and not taken from a library: those at hand write a lone surrogate as if it were text, call `toJSON`, or leave
 * out what is undefined, and each of these makes two arguments one.
 *
 * @see RFC 8785 (JSON Canonicalization Scheme)
 */
import { FareboxError } from './Errors.ts';

/** Deeper than any tool's arguments, and far from the end of the stack. */
const maxDepth = 200;

/** Makes the error of a value that has no such form. `why`: what there is in it, such as `a number that is too large`. */
export type Refusal = (why: string) => FareboxError;

/**
 * A value in canonical form.
 * @param refusal - default: REQUEST_MALFORMED
 * @throws what `refusal` makes – text that is no Unicode, a number beyond a double, more than 200 levels, or what is no JSON
 * @example format({ b: 1.0, a: [] }) // '{"a":[],"b":1}'
 */
export function format(value: unknown, refusal: Refusal = malformed): string {
  return write(value, 0, refusal);
}

function write(value: unknown, depth: number, refusal: Refusal): string {
  if (depth > maxDepth) throw refusal(`what is nested more than ${maxDepth} levels deep`);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return formatText(value, refusal);
  if (typeof value === 'number') return formatNumber(value, refusal);
  if (Array.isArray(value)) return `[${Array.from(value, (item) => write(item, depth + 1, refusal)).join(',')}]`;
  if (typeof value !== 'object') throw refusal(`a ${typeof value}, which is no JSON`);
  const object = value as { readonly [name: string]: unknown };
  // By UTF-16 code units, which is how JavaScript sorts. `Object.keys` names a key `__proto__` as well, as JSON.parse makes it.
  const members = Object.keys(object)
    .sort()
    .map((name) => `${formatText(name, refusal)}:${write(object[name], depth + 1, refusal)}`);
  return `{${members.join(',')}}`;
}

/** `-0` is 0, as RFC 8785 has it. */
function formatNumber(value: number, refusal: Refusal): string {
  if (!Number.isFinite(value)) throw refusal('a number that is too large');
  return String(value === 0 ? 0 : value);
}

/** ECMAScript escapes as RFC 8785 does, but for halves of characters, which it takes. */
function formatText(value: string, refusal: Refusal): string {
  if (!value.isWellFormed()) throw refusal('text that is no Unicode (half a surrogate pair)');
  return JSON.stringify(value);
}

function malformed(why: string): FareboxError {
  return new FareboxError('REQUEST_MALFORMED', `This value cannot be written in one way: it holds ${why}.`);
}
