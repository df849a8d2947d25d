/**
 * A request that can be sent more than once: its body is held in memory, and redirects are left to us, since a credential must not follow
 * one to another origin.
 *
 * What most callers give, an address and perhaps a text, is taken as it is: `fetch` makes a `Request` of it anyway, and a second one would
 * cost as much as all else that this client does. Anything richer goes through a `Request` of our own.
 *
 * @see Fetch Standard, HTTP-redirect fetch; docs/wire.md, "The client"
 */
import { FareboxError } from '../core/Errors.ts';
import { fromUtf8, toHex } from '../core/internal/bytes.ts';
import { sha256 } from '../core/internal/sha256.ts';

/** A request as it goes out, any number of times. */
export type Outgoing = {
  /** Without its fragment; read from the text when it is first asked for. */
  readonly url: URL;
  /** Scheme, host and port, as `URL` writes them; or, where several sellers share a host, what tells this one from the others: see {@link make}. */
  readonly origin: string;
  /** See {@link isSafe}. */
  readonly isSafe: boolean;
  /** As `URL` writes it; where the origin has a path of its own, what follows it. */
  readonly pathname: string;
  /** The address as it goes to `fetch`. */
  readonly href: string;
  readonly method: string;
  /** The caller's own, a copy. */
  readonly headers: Headers | PlainHeaders;
  readonly body: Uint8Array<ArrayBuffer> | string | undefined;
  /** Never aborts where the caller gave none. */
  readonly signal: AbortSignal;
  /** What the caller wants done with a redirect. */
  readonly redirect: 'follow' | 'manual' | 'error';
  /** SHA-256 hex of method, URL and body, computed when it is first asked for; see `Journal.ts`. */
  readonly resource: string;
  /** Whatever else the caller gave, such as `cache`, or `dispatcher` of Node's own `fetch`. */
  readonly rest: RequestInit | undefined;
};

/** Headers as most callers write them. */
export type PlainHeaders = { readonly [name: string]: string };

/** The runtime's `fetch`, or one like it. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Most redirects that are followed, as in the Fetch Standard. */
export const maxRedirects = 20;

/**
 * Takes what a caller gives to `fetch`, and reads its body to the end.
 * @returns the request at once where it can; nothing is thrown at once
 * @throws REQUEST_UNREPEATABLE – the body is longer than `maxBodyBytes`; nothing has been sent
 * @throws TypeError – what `fetch` throws for a request that it cannot make
 */
export function from(input: string | URL | Request, init: RequestInit | undefined, maxBodyBytes: number): Outgoing | Promise<Outgoing> {
  try {
    return fromText(input, init, maxBodyBytes) ?? fromRequest(input, init, maxBodyBytes);
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * A request put together by whoever sends it in another way than `fetch`; a body that is no text or bytes is read with {@link readBody} before.
 *
 * @param request - `place`, where the seller is not known by its host: what `href` begins with, and whether a credential is safe on the way there
 */
export function make(request: Pick<Outgoing, 'href' | 'method' | 'headers' | 'body' | 'signal'> & { readonly place?: Place }): Outgoing {
  const url = new URL(request.href);
  url.hash = '';
  return new Held({ ...at(url), ...request, href: url.href, redirect: 'manual', rest: undefined });
}

/** Sends it once. `credential` is the value of `Authorization`, for this origin alone. */
export function send(outgoing: Outgoing, fetch: Fetch, credential?: string): Promise<Response> {
  const { href, method, body, signal, rest } = outgoing;
  const headers = credential === undefined ? outgoing.headers : withHeader(outgoing.headers, 'Authorization', credential);
  const init: RequestInit = rest ? { ...rest, method, redirect: 'manual' } : { method, redirect: 'manual' };
  if (headers !== noHeaders) init.headers = headers;
  if (body !== undefined) init.body = body;
  else if (rest?.body) init.body = null;
  if (signal !== never) init.signal = signal;
  return fetch(href, init);
}

/** The same request, called off by another signal. */
export function withSignal(outgoing: Outgoing, signal: AbortSignal): Outgoing {
  const { rest } = outgoing;
  return new Held({ ...outgoing, place: outgoing, url: undefined, signal, rest: rest && { ...rest, signal } });
}

/** Whether the caller set this header; `name` in lower case. */
export function hasHeader({ headers }: Outgoing, name: string): boolean {
  if (headers === noHeaders) return false;
  if (headers instanceof Headers) return headers.has(name);
  return Object.keys(headers).some((key) => key.toLowerCase() === name);
}

/** Whether a credential may be sent there: over TLS, or to this machine. */
export function isSafe({ origin }: Pick<Outgoing, 'origin'>): boolean {
  return origin.startsWith('https://') || /^http:\/\/(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(:\d+)?$/.test(origin);
}

/**
 * The request that a redirect asks for, without any credential of ours; undefined where there is nothing to follow. To another origin
 * the caller's own credentials do not go either.
 * @throws TypeError – the redirect leads nowhere that can be fetched, or the caller wants none
 */
export function redirected(outgoing: Outgoing, response: Response): Outgoing | undefined {
  if (!redirects.includes(response.status) || outgoing.redirect === 'manual') return undefined;
  const location = response.headers.get('Location');
  if (location === null) return undefined;
  if (outgoing.redirect === 'error') throw new TypeError(`fetch failed: ${outgoing.origin} answered with a redirect, and redirect is 'error'`);
  const { origin } = outgoing;
  const url = URL.parse(location, outgoing.url.href);
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new TypeError(`fetch failed: ${origin} redirects to where no request can go`);
  }
  url.hash = '';
  const { status } = response;
  const becomesGet = (status <= 302 && outgoing.method === 'POST') || (status === 303 && outgoing.method !== 'GET' && outgoing.method !== 'HEAD');
  const headers = new Headers(outgoing.headers);
  if (becomesGet) for (const name of bodyHeaders) headers.delete(name);
  if (url.origin !== origin) for (const name of secretHeaders) headers.delete(name);
  return new Held({ ...outgoing, ...at(url), headers, ...(becomesGet && { method: 'GET', body: undefined }) });
}

const redirects: readonly number[] = [301, 302, 303, 307, 308];
const bodyHeaders = ['Content-Encoding', 'Content-Language', 'Content-Location', 'Content-Type', 'Content-Length'];
const secretHeaders = ['Authorization', 'Proxy-Authorization', 'Cookie', 'Host', 'L402-Authorization', 'Macaroon', 'Grpc-Metadata-Macaroon'];

const noHeaders: PlainHeaders = {};
const never = new AbortController().signal;

/** Methods that `fetch` writes in capitals, however they are given. */
const normalized: ReadonlySet<string> = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT']);

const redirectModes: ReadonlySet<string> = new Set(['follow', 'manual', 'error']);

/** The request, where nothing about it needs a `Request` to be understood. */
function fromText(input: string | URL | Request, init: RequestInit | undefined, maxBodyBytes: number): Outgoing | undefined {
  // What is more than a plain object may keep what it says where a copy does not find it, as a `Request` does.
  if (input instanceof Request || (init && !isPlain(init))) return undefined;
  const address = addressOf(typeof input === 'string' ? input : input.href);
  const { method: given = 'GET', headers = noHeaders, body, signal, redirect = 'follow' } = init ?? {};
  const method = normalized.has(given) ? given : given.toUpperCase();
  const hasText = typeof body === 'string' && method !== 'GET' && method !== 'HEAD';
  const own = plain(headers);
  if (address === undefined || own === undefined) return undefined;
  if (!normalized.has(method) || !(body === undefined || body === null || hasText)) return undefined;
  if (signal?.aborted || !redirectModes.has(redirect)) return undefined;
  if (hasText && fromUtf8(body).length > maxBodyBytes) throw tooLong(maxBodyBytes);
  // A copy: what the caller changes later is not what was asked for.
  const rest = init && { ...init };

  return new Held({ ...address, method, headers: own, body: hasText ? body : undefined, signal: signal ?? never, redirect, rest });
}

/** The request by way of the runtime's own reading of it. */
async function fromRequest(input: string | URL | Request, init: RequestInit | undefined, maxBodyBytes: number): Promise<Outgoing> {
  // `duplex` is demanded for streams; the body is read before anything is sent, so it says nothing here.
  const request = new Request(input, init && !isPlain(init) ? init : ({ ...init, duplex: 'half' } as RequestInit));
  const url = new URL(request.url);
  url.hash = '';
  const body = await readBody(request, maxBodyBytes);
  return new Held({
    ...at(url),
    method: request.method,
    headers: new Headers(request.headers),
    body,
    signal: request.signal,
    redirect: request.redirect,
    rest: { ...(input instanceof Request ? settingsOf(input) : {}), ...init },
  });
}

/** Headers in a plain object of texts, copied; undefined for any other form. */
function plain(headers: NonNullable<RequestInit['headers']>): PlainHeaders | undefined {
  if (headers === noHeaders) return noHeaders;
  if (Symbol.iterator in headers || !isPlain(headers)) return undefined;
  return Object.values(headers).every((value) => typeof value === 'string') ? { ...(headers as PlainHeaders) } : undefined;
}

function isPlain(value: object): boolean {
  return Object.getPrototypeOf(value) === Object.prototype;
}

function withHeader(headers: Headers | PlainHeaders, name: string, value: string): Headers | PlainHeaders {
  if (!(headers instanceof Headers)) return { ...headers, [name]: value };
  const copy = new Headers(headers);
  copy.set(name, value);
  return copy;
}

/** Where a request goes. */
type Address = { readonly href: string; readonly place: Place; readonly url: URL | undefined };

/** What is to be known of an origin. */
export type Place = Pick<Outgoing, 'origin' | 'isSafe'>;

/** Where a text leads, read no further than most requests need; undefined where it takes a `Request` to tell. */
function addressOf(text: string): Address | undefined {
  const end = text.includes('#') ? -1 : text.indexOf('/', 'https://'.length);
  const place = end < 0 ? undefined : places.get(text.slice(0, end));
  if (place !== undefined) return { href: text, place, url: undefined };
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '') return undefined;
  url.hash = '';
  const address = at(url);
  const { origin } = address.place;
  if (places.size >= maxPlaces) places.clear();
  // No name of a host is longer than 253 characters.
  if (origin.length < 300) places.set(origin, address.place);
  return address;
}

function at(url: URL): Address {
  const { href, origin } = url;
  return { href, place: { origin, isSafe: isSafe(url) }, url };
}

/** Origins that were asked before. A text that begins with one, as `URL` writes it, and a slash leads there, whatever follows. */
const places = new Map<string, Place>();
const maxPlaces = 1000;

/** A path that `URL` would write in the very same way: plain characters and escapes, and no part that leads elsewhere. */
const plainPath = /^(?:\/(?!\.|%2e)[\w.~%-]+)+(?=\?|$)/i;

type Parts = Omit<Outgoing, 'resource' | 'url' | 'origin' | 'isSafe' | 'pathname'> & Address;

/** A class for one reason: what most requests never need is made when somebody asks for it. */
class Held implements Outgoing {
  readonly href: Outgoing['href'];
  readonly origin: Outgoing['origin'];
  readonly isSafe: Outgoing['isSafe'];
  readonly method: Outgoing['method'];
  readonly headers: Outgoing['headers'];
  readonly body: Outgoing['body'];
  readonly signal: Outgoing['signal'];
  readonly redirect: Outgoing['redirect'];
  readonly rest: Outgoing['rest'];
  #url: URL | undefined;
  #pathname: string | undefined;
  #resource: string | undefined;

  constructor({ href, place, url, method, headers, body, signal, redirect, rest }: Parts) {
    this.href = href;
    this.origin = place.origin;
    this.isSafe = place.isSafe;
    this.#url = url;
    this.method = method;
    this.headers = headers;
    this.body = body;
    this.signal = signal;
    this.redirect = redirect;
    this.rest = rest;
  }

  get url(): URL {
    this.#url ??= new URL(this.href);
    return this.#url;
  }

  get pathname(): string {
    this.#pathname ??= plainPath.exec(this.href.slice(this.origin.length))?.[0] ?? this.url.pathname;
    return this.#pathname;
  }

  get resource(): string {
    this.#resource ??= resourceOf(this);
    return this.#resource;
  }
}

function resourceOf({ method, url, body = '' }: Outgoing): string {
  return toHex(sha256(fromUtf8(`${method}\n${url.href}\n`), typeof body === 'string' ? fromUtf8(body) : body));
}

/**
 * Reads a request's body to its end.
 * @throws REQUEST_UNREPEATABLE – it is longer than `maxBytes`
 */
export async function readBody(request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (request.body === null) return undefined;
  const reader = request.body.getReader();
  const stop = () => void reader.cancel(request.signal.reason).catch(() => {});
  request.signal.addEventListener('abort', stop);
  try {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      request.signal.throwIfAborted();
      const { done, value } = await reader.read();
      request.signal.throwIfAborted();
      if (done) return join(chunks, length);
      length += value.byteLength;
      if (length > maxBytes) {
        stop();
        throw tooLong(maxBytes);
      }
      chunks.push(value);
    }
  } finally {
    request.signal.removeEventListener('abort', stop);
  }
}

/** The body cannot be kept. */
export function tooLong(maxBytes: number): FareboxError {
  const message = `The request's body is longer than ${maxBytes} bytes, so it could not be sent again after paying. Nothing was sent and nothing was paid. Raise maxBodyBytes.`;
  return new FareboxError('REQUEST_UNREPEATABLE', message, { details: { maxBodyBytes: maxBytes } });
}

function join(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

function settingsOf(request: Request): RequestInit {
  const { cache, credentials, integrity, keepalive, mode, referrer, referrerPolicy } = request;
  return { cache, credentials, integrity, keepalive, mode, referrer, referrerPolicy } as RequestInit;
}
