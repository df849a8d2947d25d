/**
 * Headers that dearer routes are chosen by, held back from routes that share paths with them. A header can be written in ways that we do not
 * read as the condition and an upstream does (`large;q=1`, quotes left open): whatever it would make of it, that is not what was sold.
 */
import type { RouteConfig } from '../Config.ts';
import * as Pattern from './Pattern.ts';

/** What is looked at. */
export type Asking = Pick<RouteConfig, 'host' | 'pattern' | 'headers' | 'service' | 'sale'>;

/**
 * Names of headers, in lower case, that do not go on from a route. Routes of one service that headers tell apart are sold alike, and hold
 * nothing back from each other, unless one of them is free.
 * @param conditional - the routes that ask for headers
 */
export function headersOfOthers(route: Asking, conditional: readonly Asking[]): readonly string[] {
  const own = new Set(route.headers?.map(([name]) => name));
  const dearer = conditional.filter(
    (other) =>
      other.sale !== undefined &&
      (route.sale === undefined || route.service !== other.service) &&
      haveCommonHost(route.host, other.host) &&
      Pattern.overlap(route.pattern, other.pattern),
  );
  return [...new Set(dearer.flatMap(({ headers = [] }) => headers.map(([name]) => name)))].filter((name) => !own.has(name));
}

function haveCommonHost(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined || one === other) return true;
  const isWithin = (inner: string, outer: string) => outer.startsWith('*.') && inner.endsWith(outer.slice(1));
  return isWithin(one, other) || isWithin(other, one);
}
