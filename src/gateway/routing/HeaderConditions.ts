/**
 * Routes that headers tell apart, at one path. Those that ask for the same headers stand in one table under the values, so that a thousand
 * tenants cost what one does; those that ask for more headers go first.
 *
 * A header that another server may read otherwise (said twice, with a comma, in another letter case, with `_` for `-`, or taken off by
 * `Connection` on its way to the upstream) matches nothing, where a reading of it is what a route asks for: it would be sold as one thing
 * and served as another.
 */
import { connectionOptions } from '../../http/headers.ts';
import { linesOf } from '../../http/NodeRequest.ts';
import type { HeaderCondition } from './RouteKey.ts';

/** A request that could be of two routes. */
export const ambiguous: unique symbol = Symbol('ambiguous');

/** Routes that ask for the same headers. */
export class HeaderGroup<At> {
  readonly names: readonly string[];
  readonly #byValues = new Map<string, At>();
  /** For each name, every value that is asked for, in lower case. */
  readonly #known: readonly Set<string>[];
  readonly #exact: readonly Set<string>[];

  constructor(names: readonly string[]) {
    this.names = names;
    this.#known = names.map(() => new Set());
    this.#exact = names.map(() => new Set());
  }

  /** What stands under these values; made where nothing does. */
  at(conditions: readonly HeaderCondition[], make: () => At): At {
    const key = conditions.map(([, value]) => value).join('\n');
    const found = this.#byValues.get(key) ?? make();
    this.#byValues.set(key, found);
    for (const [index, [, value]] of conditions.entries()) {
      this.#known[index]?.add(value.toLowerCase());
      this.#exact[index]?.add(value);
    }
    return found;
  }

  /** @param rawHeaders - names and values in turn, as received */
  find(rawHeaders: readonly string[]): At | typeof ambiguous | undefined {
    let key = '';
    let isExact = true;
    for (const [index, name] of this.names.entries()) {
      const said = readHeader(rawHeaders, name);
      if (said === undefined) return undefined;
      const value = said.value;
      const known = this.#known[index] as Set<string>;
      if (value === undefined || !this.#exact[index]?.has(value)) {
        if (!said.readings.some((reading) => known.has(reading))) return undefined;
        isExact = false;
      }
      key += index === 0 ? value : `\n${value}`;
    }
    return isExact ? this.#byValues.get(key) : ambiguous;
  }
}

/** What a header says: its value where there can be but one, and all that it may be read as, in lower case. Undefined where it is not there. */
function readHeader(rawHeaders: readonly string[], name: string): { readonly value: string | undefined; readonly readings: readonly string[] } | undefined {
  let lines = 0;
  let value = '';
  let isPlain = true;
  const readings: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const raw = (rawHeaders[index] as string).toLowerCase();
    if (raw !== name && raw.replaceAll('_', '-') !== name) continue;
    lines++;
    isPlain &&= raw === name;
    value = (rawHeaders[index + 1] as string).trim();
    for (const part of [value, ...value.split(',')])
      readings.push(
        part
          .trim()
          .replace(/^"(.*)"$/, '$1')
          .toLowerCase(),
      );
  }
  if (lines === 0) return undefined;
  const isSafe = isPlain && lines === 1 && !connectionOptions(linesOf(rawHeaders, 'connection')).includes(name);
  return { value: isSafe ? value : undefined, readings };
}
