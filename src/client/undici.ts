/**
 * `farebox/client/undici`: an interceptor of undici's that buys, and a `fetch` over undici that can tell connecting from waiting.
 *
 * A request that is free, or that a kept pass opens, goes straight through: only an answer that asks for money, or refuses what was shown, is
 * taken out of the caller's sight and given to the engine that `createClient` pays with.
 *
 * @see docs/guide/buying.md, "In other clients"
 */
import type { Dispatcher } from 'undici';
import * as undici from 'undici';
import { nowAt } from '../core/Clock.ts';
import type { Client } from './Client.ts';
import { clientOf, type PayingClient } from './createClient.ts';
import { exchange } from './exchange.ts';
import * as Outgoing from './Outgoing.ts';
import type { LimitedFetch } from './Timeouts.ts';
import * as Tokens from './Tokens.ts';
import { fetchOver, toHeaders } from './transport/dispatching.ts';
import { Relay } from './transport/Relay.ts';

/**
 * Makes an interceptor that buys with the client's wallet, limits, journal and credentials. Redirects are left to whoever comes after: compose it
 * first. Bodies that are streams are kept in memory, up to the client's `maxBodyBytes`. Errors are the client's.
 *
 * @param origin - where the requests go, where a dispatcher for one origin (`Client`, `Pool`) does not say so
 * @throws TypeError – `paying` was not made by `createClient`
 * @example
 * const dispatcher = new Agent().compose(createUndiciInterceptor(createClient({ payer, maxPerRequest: '60 sat' })));
 * const { body } = await request('https://api.example.com/v1/translate', { dispatcher });
 */
export function createUndiciInterceptor(paying: PayingClient, { origin }: { readonly origin?: string } = {}): Dispatcher.DispatcherComposeInterceptor {
  const client = clientOf(paying);
  return (dispatch) => (options, handler) => {
    if (options.upgrade || options.method === 'CONNECT') return dispatch(options, handler);
    const place = options.origin ?? origin;
    if (place === undefined) throw new TypeError('createUndiciInterceptor: name the origin, which this dispatcher does not say');
    void serve(client, dispatch, { ...options, origin: place }, handler);
    return true;
  };
}

/**
 * Makes a `fetch` over undici for `createClient({ fetch, timeouts: { connectMs } })`.
 * @param options - of undici's `Agent`, such as `connections` or `pipelining`
 */
export function createUndiciFetch(options: undici.Agent.Options = {}): LimitedFetch {
  const dispatcher = new undici.Agent(options);
  const fetch: LimitedFetch = (url, init) => undici.fetch(url, { ...(init as object), dispatcher }) as unknown as Promise<Response>;
  const connect = typeof options.connect === 'function' ? {} : options.connect;
  return Object.assign(fetch, { withConnectLimit: (timeout: number) => createUndiciFetch({ ...options, connect: { ...connect, timeout } }) });
}

async function serve(client: Client, dispatch: Dispatcher.Dispatch, options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): Promise<void> {
  let authorization: string | undefined;
  const relay: Relay = new Relay(handler, (status) => {
    const isRefusal = status === 402 || (authorization !== undefined && (status === 401 || status === 409 || status === 503));
    return isRefusal ? (response) => void byEngine({ authorization, response }) : undefined;
  });
  const byEngine = async (first?: First) => {
    try {
      const outgoing = await outgoingOf(options, relay.signal, client.maxBodyBytes);
      const over = fetchOver(dispatch, options, (controller, context) => relay.use(controller, context));
      await relay.deliver(await exchange({ ...client, fetch: beginningWith(first, over) }, outgoing, client.newCall()));
    } catch (error) {
      relay.fail(error as Error);
    }
  };
  try {
    const shown = isPlain(client, options) ? await shownAtOnce(client, options) : undefined;
    if (shown === undefined) return await byEngine();
    authorization = shown === '' ? undefined : shown;
    dispatch(authorization === undefined ? options : { ...options, headers: { ...(options.headers as object), authorization } }, relay);
  } catch (error) {
    relay.fail(error as Error);
  }
}

/** An answer that is here already, and the credential that was shown for it. */
type First = { readonly authorization: string | undefined; readonly response: Response };

/** A `fetch` that gives an answer that is here already to whoever asks with the same credential. */
function beginningWith(first: First | undefined, fetch: Outgoing.Fetch): Outgoing.Fetch {
  let held = first;
  return (url, init) => {
    const now = held;
    held = undefined;
    if (now && (new Headers(init.headers).get('authorization') ?? undefined) === now.authorization) return Promise.resolve(now.response);
    void now?.response.body?.cancel().catch(() => undefined);
    return fetch(url, init);
  };
}

/** Whether a request can go straight out: nothing is to be told of it, and everything about it can be read at a glance. */
function isPlain(client: Client, { headers, body, query }: Dispatcher.DispatchOptions): boolean {
  if (client.isWatched || client.isLimited || client.unwritten.size > 0 || query) return false;
  if (body !== null && body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array)) return false;
  return headers === null || headers === undefined || (Object.getPrototypeOf(headers) === Object.prototype && !hasAuthorization(headers));
}

function hasAuthorization(headers: object): boolean {
  for (const name in headers) if (name.length === 13 && name.toLowerCase() === 'authorization') return true;
  return false;
}

/** The credential to show at once; '' for none, where nothing is kept; undefined where there is more to think about. */
async function shownAtOnce(client: Client, { origin, path, method, headers }: Dispatcher.DispatchOptions): Promise<string | undefined> {
  const { open, credentials } = await client.store.find({ origin: typeof origin === 'string' ? origin : (origin?.origin ?? '') });
  if (open.length > 0) return undefined;
  if (credentials.length === 0) return '';
  const outgoing = Outgoing.make({ href: `${origin}${path}`, method, headers: (headers ?? {}) as Outgoing.PlainHeaders, body: undefined, signal: never });
  // What was bought for this very request is found by its body too: the engine looks for it.
  if (credentials.some((kept) => Tokens.readingOf(kept).priced)) return undefined;
  const [best] = Tokens.candidates(credentials, outgoing, nowAt(client.clock));
  if (!best) return credentials.some((kept) => kept.path === outgoing.pathname) ? undefined : '';
  return outgoing.isSafe && best.state === 'redeemed' && !Tokens.isExclusive(best) ? Tokens.authorizationOf(best) : undefined;
}

const never = new AbortController().signal;

/** The request as the engine knows one, its body read to the end. */
async function outgoingOf({ origin, path, query, method, headers, body }: Dispatcher.DispatchOptions, signal: AbortSignal, maxBodyBytes: number) {
  const { origin: place } = new URL(String(origin));
  // Put together rather than resolved: a path that begins like `//host/` goes to the origin all the same, and what is kept for that host does not.
  const url = new URL(place + path);
  if (url.origin !== place) throw new TypeError('createUndiciInterceptor: the path leads to another origin');
  for (const [name, value] of Object.entries(query ?? {})) url.searchParams.append(name, String(value));
  const own = toHeaders(headers);
  const isHeld = typeof body === 'string' || body instanceof Uint8Array || body === null || body === undefined;
  if (isHeld) {
    const bytes = typeof body === 'string' || !body ? (body ?? undefined) : new Uint8Array(body);
    if (bytes !== undefined && Buffer.byteLength(bytes) > maxBodyBytes) throw Outgoing.tooLong(maxBodyBytes);
    return Outgoing.make({ href: url.href, method, headers: own, body: bytes, signal });
  }
  const request = new Request(url, { method, body: body as unknown, duplex: 'half', signal } as RequestInit);
  const type = request.headers.get('content-type');
  if (type !== null && !own.has('content-type')) own.set('content-type', type);
  own.delete('content-length');
  return Outgoing.make({ href: url.href, method, headers: own, body: await Outgoing.readBody(request, maxBodyBytes), signal });
}
