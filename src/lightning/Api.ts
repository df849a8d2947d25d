/**
 * Calls to a product's HTTP API: JSON there and back, a bounded wait, a bounded answer, and errors that say what is known.
 *
 * `LIGHTNING_UNAVAILABLE`: no answer, with `details.sent === false` where nothing can have been sent. `LIGHTNING_UNAUTHORIZED`: 401 or 403.
 * Every other answer is handed to the driver, which knows what it means. What lets one in stands in headers alone and is never told.
 */
import { type Clock, systemClock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { concat, toUtf8 } from '../core/internal/bytes.ts';

/** One request, whole. */
export type Exchange = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** Whether it does no harm to send it again where a connection that had been idle broke. */
  readonly isRepeatable: boolean;
};

/** What came back: a head, and a body as it arrives. */
export type Answer = { readonly status: number; readonly body: AsyncIterable<Uint8Array> };

/** Sends one request, once, or again where it is repeatable. Rejects with {@link NotSent} where nothing can have been sent, and follows no redirect. */
export type Send = (exchange: Exchange, signal: AbortSignal) => Promise<Answer>;

/** Where an API is, and how it is spoken to. */
export type ApiOptions = {
  /** For messages, such as `lnd`. */
  readonly product: string;
  /** Such as `https://127.0.0.1:8080`; a path in it stands before every call's. */
  readonly url: string;
  /** Sent with every call: what lets one in. */
  readonly headers: Readonly<Record<string, string>>;
  readonly clock?: Clock | undefined;
  /** How long a call may take; default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** Default: the runtime's `fetch`. */
  readonly send?: Send | undefined;
};

/** One call. */
export type Call = {
  readonly method?: Exchange['method'];
  /** From the first slash on, with its query. */
  readonly path: string;
  /** Becomes JSON; a bigint in it, decimal text. */
  readonly body?: unknown;
  /** Or fields of a form, as `application/x-www-form-urlencoded`. */
  readonly form?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Whether it does no harm to be done twice. Default: for GET alone. */
  readonly isRepeatable?: boolean;
  /** Instead of the API's; `Infinity` where the signal alone ends it. */
  readonly timeoutMs?: number;
};

/** The answer of a call; `body` is undefined where it is no JSON. */
export type Reply = { readonly status: number; readonly body: unknown };

/** See the head of this file. */
export type Api = {
  readonly call: (call: Call) => Promise<Reply>;
  /**
   * An answer that comes line by line, each a JSON value. The wait for the head is bounded, what follows is not. `lines` is read to its end
   * or returned from, or the connection stays open.
   */
  readonly stream: (call: Call) => Promise<Reply & { readonly lines: AsyncGenerator<unknown, void> }>;
};

/** Thrown by a {@link Send}: no connection, so nothing can have been sent. */
export class NotSent extends Error {
  override readonly name = 'NotSent';
}

/**
 * Calls to this API. Nothing is sent before the first one.
 * @throws RangeError – a url that is not http or https; plain http to a host on the internet, where everybody on the way reads what lets one in
 */
export function createApi(options: ApiOptions): Api {
  const { product, headers, clock = systemClock, timeoutMs = 10_000, send = sendByFetch } = options;
  const base = baseOf(options.url);
  // A product that tells what it was sent, in an error, tells nobody else.
  const hidden = Object.values(headers).flatMap((value) => value.split(' ').filter((word) => word.length > 5));
  const read = (status: number, text: string) => parse(status < 300 ? text : hidden.reduce((all, secret) => all.replaceAll(secret, '…'), text));
  const begin = async (call: Call, stop: AbortController): Promise<Answer> => {
    const { method = 'GET', path, signal, isRepeatable = method === 'GET' } = call;
    const ends = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
    const { text, typed } = written(call);
    try {
      const heads = { accept: 'application/json', ...typed, ...headers, ...call.headers };
      return await send({ method, url: base + path, headers: heads, body: text, isRepeatable }, ends);
    } catch (error) {
      signal?.throwIfAborted();
      throw unavailable(product, stop.signal.aborted ? 'it did not answer in time' : reasonOf(error), error instanceof NotSent ? { sent: false } : {}, error);
    }
  };
  /** Runs work that ends with the time-out. */
  const bounded = async <T>(ms: number, stop: AbortController, work: () => Promise<T>): Promise<T> => {
    const cancel = ms === Number.POSITIVE_INFINITY ? () => {} : clock.after(ms, () => stop.abort(), true);
    try {
      return await work();
    } finally {
      cancel();
    }
  };
  return {
    call: (call) => {
      const stop = new AbortController();
      return bounded(call.timeoutMs ?? timeoutMs, stop, async () => {
        const { status, body } = await begin(call, stop);
        const text = await textOf(body).catch((error: unknown) => {
          call.signal?.throwIfAborted();
          throw unavailable(product, stop.signal.aborted ? 'it did not answer in time' : 'its answer broke off', {}, error);
        });
        const reply = { status, body: read(status, text) };
        if (status === 401 || status === 403) throw refusal(product, reply);
        return reply;
      });
    },
    stream: async (call) => {
      const stop = new AbortController();
      const { status, body } = await bounded(call.timeoutMs ?? timeoutMs, stop, () => begin(call, stop));
      const failed = (error: unknown) => {
        call.signal?.throwIfAborted();
        throw FareboxError.is(error) ? error : unavailable(product, 'its answer broke off', {}, error);
      };
      if (status !== 200) return { status, body: read(status, await textOf(body).catch(failed)), lines: empty() };
      async function* lines(): AsyncGenerator<unknown, void> {
        try {
          for await (const line of linesOf(body)) yield parseLine(product, line);
        } catch (error) {
          failed(error);
        } finally {
          stop.abort();
        }
      }
      return { status, body: undefined, lines: lines() };
    },
  };
}

/** An answer that is no answer to the question, as an error. What the product said of it is for the operator, shortened, without digits that could be a secret. */
export function refusal(product: string, { status, body }: Reply): FareboxError {
  const said = saidIn(body);
  const why = said === undefined ? '' : `: ${said}`;
  if (status === 401 || status === 403) return new FareboxError('LIGHTNING_UNAUTHORIZED', `${product} does not let us do this (${status})${why}.`);
  return unavailable(product, `it answered ${status}${why}`);
}

/** What an error body says, in words that can be shown to an operator; undefined where it says nothing. */
export function saidIn(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const { message, detail, error } = body as { readonly [name: string]: unknown };
  if (typeof error === 'object') return saidIn(error);
  const said = [message, detail, error].find((one) => typeof one === 'string') as string | undefined;
  return said
    ?.slice(0, 200)
    .replace(/[^\x20-\x7e]+/g, ' ')
    .replace(/[\w+/=-]{24,}/g, (word) => `${word.slice(0, 8)}…`)
    .replace(/\.$/, '');
}

/** The runtime's `fetch` as a {@link Send}. */
export const sendByFetch: Send = async ({ method, url, headers, body }, signal) => {
  try {
    const init: RequestInit = { method, headers, signal, redirect: 'error', ...(body === undefined ? {} : { body }) };
    const response = await fetch(url, init);
    return { status: response.status, body: response.body ?? empty() };
  } catch (error) {
    throw isUnsent(error) ? new NotSent(reasonOf(error), { cause: error }) : error;
  }
};

/** Whether every attempt to connect failed, so that nothing can have been sent. */
function isUnsent(error: unknown): boolean {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.every(isUnsent);
  if (!(error instanceof Error)) return false;
  if ('code' in error && unsentCodes.has(String(error.code))) return true;
  return error.cause !== undefined && isUnsent(error.cause);
}

/** What ends an attempt to connect, before there is a connection to send over. */
const unsentCodes: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_HAS_EXPIRED',
]);

/** An answer that is longer is not read on; nor is a line of one. */
const maxAnswerBytes = 16 * 1024 * 1024;

function written({ body, form }: Call): { readonly text: string | undefined; readonly typed: Readonly<Record<string, string>> } {
  if (form) return { text: new URLSearchParams(form).toString(), typed: { 'content-type': 'application/x-www-form-urlencoded' } };
  if (body === undefined) return { text: undefined, typed: {} };
  const text = JSON.stringify(body, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  return { text, typed: { 'content-type': 'application/json' } };
}

function baseOf(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) throw new RangeError('url is the address of an HTTP API, such as https://127.0.0.1:8080');
  if (parsed.username !== '' || parsed.password !== '') throw new RangeError('url: what lets one in does not belong into an address');
  if (parsed.protocol === 'http:' && !isNear(parsed.hostname)) {
    throw new RangeError(`url: ${parsed.host} is spoken to in the clear, and everybody on the way would read what lets one in. Use https`);
  }
  return parsed.origin + parsed.pathname.replace(/\/$/, '');
}

/** Hosts of this machine, its neighbours and its containers, and onion services: what is sent there in the clear crosses no internet. */
export function isNear(host: string): boolean {
  if (!host.includes('.') && !host.startsWith('[')) return true;
  return /^(?:127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.)|^\[(?:::1\]|f[cd]|fe80)|\.(?:local|internal|lan|onion|localhost)$/.test(host);
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.length;
    if (length > maxAnswerBytes) throw new RangeError('the answer is too long');
    parts.push(part);
  }
  return toUtf8(concat(...parts)) ?? '';
}

async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const part of body) {
    rest += decoder.decode(part, { stream: true });
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const line = rest.slice(0, end).trim();
      rest = rest.slice(end + 1);
      if (line !== '') yield line;
    }
    if (rest.length > maxAnswerBytes) throw new RangeError('a line of the answer is too long');
  }
  if (rest.trim() !== '') yield rest.trim();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parseLine(product: string, line: string): unknown {
  const value = parse(line);
  if (value === undefined) throw unavailable(product, 'it answered a line that is no JSON');
  return value;
}

function unavailable(product: string, why: string, details: { readonly sent?: false } = {}, cause?: unknown): FareboxError {
  return new FareboxError('LIGHTNING_UNAVAILABLE', `${product} cannot be asked: ${why}.`, { details, cause });
}

/** The innermost reason, which is the one that says something: `fetch failed` has a cause. What we say ourselves of not having sent says it all. */
function reasonOf(error: unknown): string {
  if (error instanceof NotSent) return error.message;
  if (!(error instanceof Error)) return 'the connection failed';
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (error.cause instanceof Error) return reasonOf(error.cause);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message.slice(0, 200);
}

async function* empty(): AsyncGenerator<never, void> {}
