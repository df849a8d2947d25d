/**
 * One case of RFC 9112: bytes of a client, and what everybody is to make of them. The files beside this one have those of a section each; they
 * are tried with upstreams in this process by `npm test`, and with servers that others wrote by `npm run e2e:proxy`.
 */

/** A request as the upstream is to have read it, whole. */
export type Understood = {
  readonly method: string;
  readonly url: string;
  readonly body: string;
  /** Lines that it has, by their names in lower case; null: has not. */
  readonly headers?: Readonly<Record<string, string | null>>;
};

/** See the head of this file. */
export type Case = {
  readonly what: string;
  /** Written on one connection, a byte a character; in so many pieces. */
  readonly bytes: string | readonly string[];
  /** Statuses in the order in which they come; a refusal is any of `400`, `408`, `413`, `414`, `417`, `431`, `501` and `505`. */
  readonly answers: readonly (200 | 'refused')[];
  /** Requests that the upstream reads, in the order in which they come; nothing else may come of the bytes. */
  readonly understood: readonly Understood[];
  /** The client ends its side behind the bytes. */
  readonly ends?: boolean;
};

/** What is refused, and reaches nobody whole. */
export function refused(what: string, bytes: string | readonly string[]): Case {
  return { what, bytes, answers: ['refused'], understood: [] };
}

/** What is read as one request. */
export function read(what: string, bytes: string | readonly string[], one: Partial<Understood> = {}): Case {
  return { what, bytes, answers: [200], understood: [{ method: 'GET', url: '/a', body: '', ...one }] };
}

/** What never becomes a whole request, because its client ends in the midst of it. */
export function unfinished(what: string, bytes: string | readonly string[]): Case {
  return { what, bytes, answers: [], understood: [], ends: true };
}

/** A request with these lines behind its first and its host. */
export function get(...lines: readonly string[]): string {
  return message('GET /a HTTP/1.1', ['Host: a', ...lines]);
}

/** The same with POST and a body. */
export function post(lines: readonly string[], body: string): string {
  return message('POST /a HTTP/1.1', ['Host: a', ...lines]) + body;
}

/** A head. */
export function message(first: string, lines: readonly string[]): string {
  return [first, ...lines, '', ''].join('\r\n');
}

/** A body in chunks behind a head that says so. */
export function chunked(body: string, ...lines: readonly string[]): string {
  return post(['Transfer-Encoding: chunked', ...lines], body);
}

/** Behind what a sloppy reader takes for the end of a request. */
export const hidden = 'GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n';
