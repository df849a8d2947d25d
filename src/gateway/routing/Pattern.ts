/**
 * Which paths a route takes, as it is written and as it is kept.
 *
 *     /api/v1/translate            that path alone
 *     /api/*                       everything below `/api/`, and not `/api` itself
 *     /users/{id}/orders           any one segment where a name stands; kept as `/users/{}/orders`
 *     regex:/items/[0-9]+          what the expression holds, whole
 */
import * as Path from '../../http/Path.ts';
import * as Expression from './Expression.ts';

/** How a pattern that is an expression begins. */
export const expressionMark = 'regex:';

/**
 * A pattern as an operator writes it, checked.
 * @throws Error – what is wrong, and how it is written
 */
export function read(value: unknown): string {
  if (typeof value !== 'string') throw new Error(value === null ? 'there is no value here' : 'a path is text');
  const written = value.trim();
  if (written === '') throw new Error('there is no value here');
  if (written.startsWith(expressionMark)) {
    Expression.parse(written.slice(expressionMark.length), true);
    return written;
  }
  const quoted = `"${written.slice(0, 64)}"`;
  const isPrefix = written.endsWith('/*');
  const base = isPrefix ? written.slice(0, -1) : written;
  if (!written.startsWith('/')) throw new Error(`${quoted} does not begin with "/"`);
  if (base.includes('*')) throw new Error(`${quoted}: "*" stands at the end, behind a "/", and means everything below`);
  const plain = withoutParameters(base, quoted);
  const { path, query } = Path.normalize(plain);
  if (query !== '') throw new Error(`${quoted} has a query: a route is a path, and takes every query`);
  if (path !== plain) throw new Error(`${quoted} is not in normal form${base === plain ? `: write "${path}${isPrefix ? '*' : ''}"` : ''}`);
  return written;
}

/** A pattern as it is kept: two that take the same paths by the same words are one. */
export function canonical(written: string): string {
  return isExpression(written) ? written : written.replace(/\{[^{}/]*\}/g, Path.parameter);
}

/** Whether a pattern is an expression. */
export function isExpression(pattern: string): boolean {
  return pattern.startsWith(expressionMark);
}

/** The segments that every path of a pattern begins with: of `/users/{}/orders` it is `/users`. */
export function startOf(pattern: string): string {
  if (isExpression(pattern)) return Expression.parse(pattern.slice(expressionMark.length)).start;
  const at = pattern.indexOf(`/${Path.parameter}`);
  if (at >= 0) return pattern.slice(0, at);
  return pattern.endsWith('/*') ? pattern.slice(0, -2) : pattern;
}

/** Whether a path may be of both patterns. Of expressions, what cannot be told for sure is taken to be so. */
export function overlap(one: string, other: string): boolean {
  if (isExpression(one) || isExpression(other)) {
    const [plain, expression] = isExpression(one) ? [other, one] : [one, other];
    if (!isExpression(plain) && !Path.coversMany(plain)) return Expression.parse(expression.slice(expressionMark.length)).matches(plain);
    const [left, right] = [startOf(one), startOf(other)];
    return Path.isBelow(left, right) || Path.isBelow(right, left);
  }
  const [left, right] = [one.split('/'), other.split('/')];
  for (let index = 0; ; index++) {
    const [here, there] = [left[index], right[index]];
    if (here === undefined || there === undefined) return here === there;
    if (here === '*' || there === '*') return true;
    if (here !== there && !(isAny(here) && there !== '') && !(isAny(there) && here !== '')) return false;
  }
}

function isAny(segment: string): boolean {
  return segment === Path.parameter;
}

const maxParameters = 8;

/** With a plain segment where a parameter stands. */
function withoutParameters(base: string, quoted: string): string {
  if (!/[{}]/.test(base)) return base;
  const names: string[] = [];
  const segments = base.split('/').map((segment) => {
    if (!/[{}]/.test(segment)) return segment;
    const name = /^\{([A-Za-z_][A-Za-z0-9_]{0,63})\}$/.exec(segment)?.[1];
    if (name === undefined)
      throw new Error(`${quoted}: a parameter is a whole segment, such as "{id}"; a part of one takes an expression ("${expressionMark}/…")`);
    names.push(name);
    return 'x';
  });
  if (new Set(names).size < names.length) throw new Error(`${quoted} has two parameters of one name`);
  if (names.length > maxParameters) throw new Error(`${quoted} has more than ${maxParameters} parameters`);
  return segments.join('/');
}
