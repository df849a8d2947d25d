/**
 * A request that can be sent more than once: its body is held in memory, and redirects are left to us, since a credential must not follow
 * one to another origin.
 *
 * @see Fetch Standard, HTTP-redirect fetch; docs/wire.md, "The client"
 */
import { FareboxError } from '../core/Errors.ts';
import { fromUtf8, toHex } from '../core/internal/bytes.ts';
import { sha256 } from '../core/internal/sha256.ts';

/** A request as it goes out, any number of times. */
export type Outgoing = {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer> | undefined;
  readonly signal: AbortSignal;
  /** What the caller wants done with a redirect. */
  readonly redirect: 'follow' | 'manual' | 'error';
  /** SHA-256 hex of method, URL and body; see `Journal.ts`. */
  readonly resource: string;
  /** Whatever else the caller gave, such as `cache`, or `dispatcher` of Node's own `fetch`. */
  readonly rest: RequestInit;
};

/** The runtime's `fetch`, or one like it. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Most redirects that are followed, as in the Fetch Standard. */
export const maxRedirects = 20;

/**
 * Takes what a caller gives to `fetch`, and reads its body to the end.
 * @throws REQUEST_UNREPEATABLE – the body is longer than `maxBodyBytes`; nothing has been sent
 * @throws TypeError – what `fetch` throws for a request that it cannot make
 */
export async function from(input: string | URL | Request, init: RequestInit | undefined, maxBodyBytes: number): Promise<Outgoing> {
  // `duplex` is demanded for streams; the body is read before anything is sent, so it says nothing here.
  const request = new Request(input, { ...init, duplex: 'half' } as RequestInit);
  const url = new URL(request.url);
  url.hash = '';
  const body = await readBody(request, maxBodyBytes);
  return complete({
    url,
    method: request.method,
    headers: new Headers(request.headers),
    body,
    signal: request.signal,
    redirect: request.redirect,
    rest: { ...(input instanceof Request ? settingsOf(input) : {}), ...init },
  });
}

/** Sends it once. `credential` is the value of `Authorization`, for this origin alone. */
export function send(outgoing: Outgoing, fetch: Fetch, credential?: string): Promise<Response> {
  const { url, method, body, signal, rest } = outgoing;
  const headers = new Headers(outgoing.headers);
  if (credential !== undefined) headers.set('Authorization', credential);
  return fetch(url.href, { ...rest, method, headers, body: body ?? null, signal, redirect: 'manual' });
}

/**
 * The request that a redirect asks for, without any credential of ours; undefined where there is nothing to follow. To another origin
 * the caller's own credentials do not go either.
 * @throws TypeError – the redirect leads nowhere that can be fetched, or the caller wants none
 */
export function redirected(outgoing: Outgoing, response: Response): Outgoing | undefined {
  const location = response.headers.get('Location');
  if (!redirects.includes(response.status) || location === null || outgoing.redirect === 'manual') return undefined;
  if (outgoing.redirect === 'error') throw new TypeError(`fetch failed: ${outgoing.url.origin} answered with a redirect, and redirect is 'error'`);
  const url = URL.parse(location, outgoing.url.href);
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new TypeError(`fetch failed: ${outgoing.url.origin} redirects to where no request can go`);
  }
  url.hash = '';
  const { status } = response;
  const becomesGet = (status <= 302 && outgoing.method === 'POST') || (status === 303 && outgoing.method !== 'GET' && outgoing.method !== 'HEAD');
  const headers = new Headers(outgoing.headers);
  if (becomesGet) for (const name of bodyHeaders) headers.delete(name);
  if (url.origin !== outgoing.url.origin) for (const name of secretHeaders) headers.delete(name);
  return complete({ ...outgoing, url, headers, method: becomesGet ? 'GET' : outgoing.method, body: becomesGet ? undefined : outgoing.body });
}

/** Whether a credential may be sent there: over TLS, or to this machine. */
export function isSafe(url: URL): boolean {
  return url.protocol === 'https:' || /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/.test(url.hostname);
}

const redirects: readonly number[] = [301, 302, 303, 307, 308];
const bodyHeaders = ['Content-Encoding', 'Content-Language', 'Content-Location', 'Content-Type', 'Content-Length'];
const secretHeaders = ['Authorization', 'Proxy-Authorization', 'Cookie', 'Host', 'L402-Authorization', 'Macaroon'];

function complete(outgoing: Omit<Outgoing, 'resource'>): Outgoing {
  const { method, url, body } = outgoing;
  const resource = toHex(sha256(fromUtf8(`${method}\n${url.href}\n`), body ?? new Uint8Array()));
  return { ...outgoing, resource };
}

async function readBody(request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
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

function tooLong(maxBytes: number): FareboxError {
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
