/**
 * What is changed of a request on its way to the upstream, and of the answer on its way back.
 *
 * The path that was priced and bound is the client's, in normal form; what goes on is that one with a prefix taken off and another put on,
 * and nothing else. Where an answer points into the upstream (`Location`, `Content-Location`), it points to the same thing here: as a path,
 * since what this gateway is called stands in no request.
 *
 * @see RFC 9110, sections 8.7 and 10.2.2
 */
import { applyRules, type HeaderRules } from './HeaderRules.ts';

/** See the head of this file. */
export type Rewrite = {
  /** Taken off: '' or `/api`. */
  readonly strip: string;
  /** Put on, the upstream's own path included: '' or `/v2`. */
  readonly prefix: string;
  /** Where the route's upstreams are, such as `http://localhost:3000`. */
  readonly origins: readonly string[];
  readonly request: HeaderRules | undefined;
  readonly response: HeaderRules | undefined;
};

/** The path that goes on. @param path - the client's, in normal form, below what is taken off */
export function onwardPath({ strip, prefix }: Rewrite, path: string): string {
  if (strip === '') return prefix + path;
  return prefix + (path.length === strip.length ? '/' : path.slice(strip.length));
}

/** Whether an answer of this status has anything to change. */
export function changesAnswer({ strip, prefix, response }: Rewrite, status: number): boolean {
  return (status >= 300 && status < 400) || status === 201 || response !== undefined || strip !== '' || prefix !== '';
}

/** The headers of an answer as they go back. @param headers - names and values in turn */
export function returningHeaders(rewrite: Rewrite, headers: string[]): string[] {
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string;
    if ((name.length === 8 && /^location$/i.test(name)) || (name.length === 16 && /^content-location$/i.test(name)))
      headers[index + 1] = returningLocation(rewrite, headers[index + 1] as string);
  }
  return rewrite.response === undefined ? headers : applyRules(headers, rewrite.response);
}

/** A reference as the client can follow it; what does not point into the upstream stays as it is. */
export function returningLocation({ strip, prefix, origins }: Rewrite, location: string): string {
  const local = localPart(location, origins);
  if (local === undefined) return location;
  const isPath = location.startsWith('/');
  if (isPath && strip === '' && prefix === '') return location;
  const end = local.search(/[?#]/);
  const path = end < 0 ? local : local.slice(0, end);
  if (prefix !== '' && path !== prefix && !path.startsWith(`${prefix}/`)) return location;
  const rest = path.slice(prefix.length);
  const here = (rest === '' && strip === '' ? '/' : strip + rest) + (end < 0 ? '' : local.slice(end));
  // What begins with two slashes names a host: it would lead wherever the upstream was talked into saying.
  return /^\/[/\\]/.test(here) ? location : here;
}

/** Path, query and fragment of what points to one of these origins, or is a path alone. */
function localPart(location: string, origins: readonly string[]): string | undefined {
  if (location.startsWith('/')) return /^\/[/\\]/.test(location) ? undefined : location;
  if (!/^https?:\/\//i.test(location) || !URL.canParse(location)) return undefined;
  const { origin, username, password, pathname, search, hash } = new URL(location);
  return origins.includes(origin) && username === '' && password === '' ? pathname + search + hash : undefined;
}
