/**
 * The one server that is audited, over connections of their own: targets go out as they are written, headers may repeat, nothing is
 * followed, and everything has an end: how many requests, how long each takes, how much of a body is read.
 */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type Clock, wait } from '../../core/Clock.ts';

export type Lines = readonly (readonly [name: string, value: string])[];

/** A request; what is left out is as in the audited one. */
export type Ask = {
  readonly method?: string;
  /** The request target, as it is written. */
  readonly target?: string;
  /** Behind the audited request's own. */
  readonly headers?: Lines;
};

/** An answer. */
export type Reply = {
  readonly status: number;
  /** Header lines as they came. */
  readonly lines: Lines;
  /** The first 256 KB. */
  readonly body: Buffer;
};

/** No answer came. The message says why, and continues "no answer: …". */
export class Silence extends Error {}

/** See the head of this file. */
export type Wire = {
  /** @throws Silence – no answer */
  readonly ask: (ask?: Ask) => Promise<Reply>;
  /** How many requests were sent. */
  readonly asked: () => number;
};

export type WireOptions = {
  readonly url: URL;
  readonly method: string;
  readonly headers: Lines;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Told of every answer. */
  readonly onReply: (ask: Ask, reply: Reply) => void;
};

/** Most requests of one audit. */
export const maxRequests = 120;

/** How long an answer may take, its body with it. */
export const timeoutMs = 10_000;

/** Bytes of a body that are read. */
const maxBody = 262_144;

/** So many requests in a row without an answer, and no more are sent. */
const patience = 5;

/** How often, and how long, a server that is asked too much is waited for. */
const maxWaits = 5;
const maxWaitMs = 5_000;

export function createWire(options: WireOptions): Wire {
  const { clock, signal, onReply } = options;
  let asked = 0;
  let waits = 0;
  let silent = 0;
  const once = async (ask: Ask): Promise<Reply> => {
    signal.throwIfAborted();
    if (silent >= patience) throw new Silence(`the server has not answered the last ${patience} requests`);
    if (asked >= maxRequests) throw new Silence(`an audit sends ${maxRequests} requests at most`);
    asked++;
    try {
      const reply = await send(options, ask);
      silent = 0;
      return reply;
    } catch (error) {
      signal.throwIfAborted();
      silent++;
      throw error instanceof Silence ? error : new Silence(reasonOf(error));
    }
  };
  return {
    asked: () => asked,
    ask: async (ask = {}) => {
      let reply = await once(ask);
      const waitMs = Number(headerOf(reply, 'retry-after')) * 1000;
      if ((reply.status === 429 || reply.status === 503) && waitMs <= maxWaitMs && waits < maxWaits) {
        waits++;
        await wait(clock, waitMs, signal, true);
        reply = await once(ask);
      }
      onReply(ask, reply);
      return reply;
    },
  };
}

/** The values of a header, in the order of its lines. */
export function headerLines({ lines }: Pick<Reply, 'lines'>, name: string): readonly string[] {
  return lines.flatMap(([key, value]) => (key.toLowerCase() === name ? [value] : []));
}

/** All values of a header, joined as HTTP joins them; undefined where there is none. */
export function headerOf(reply: Pick<Reply, 'lines'>, name: string): string | undefined {
  const values = headerLines(reply, name);
  return values.length === 0 ? undefined : values.join(', ');
}

function send({ url, method, headers, clock, signal }: WireOptions, ask: Ask): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const given = [['Host', url.host] as const, ...headers, ...(ask.headers ?? [])];
    const sent: ClientRequest = (url.protocol === 'https:' ? httpsRequest : httpRequest)({
      // An IPv6 address stands in brackets in a URL, and without them everywhere else.
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port),
      path: ask.target ?? url.pathname + url.search,
      method: ask.method ?? method,
      headers: given.flat(),
      setHost: false,
      agent: false,
      maxHeaderSize: 65_536,
      signal,
    });
    const cancel = clock.after(timeoutMs, () => sent.destroy(new Silence(`it took longer than ${timeoutMs / 1000} s`)), true);
    const end = (then: () => void) => {
      cancel();
      then();
      sent.destroy();
    };
    sent.on('error', (error) => end(() => reject(error)));
    sent.on('upgrade', (response) => end(() => resolve(toReply(response, []))));
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      const whole = () => end(() => resolve(toReply(response, chunks)));
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk.subarray(0, maxBody - length));
        length += chunk.length;
        if (length >= maxBody) whole();
      });
      response.on('end', whole);
      response.on('error', (error) => end(() => reject(error)));
    });
    sent.end();
  });
}

function toReply(response: IncomingMessage, chunks: readonly Buffer[]): Reply {
  const { rawHeaders } = response;
  const lines = rawHeaders.flatMap((name, index) => (index % 2 === 0 ? [[name, rawHeaders[index + 1] ?? ''] as const] : []));
  return { status: response.statusCode ?? 0, lines, body: Buffer.concat(chunks) };
}

/** Never the error's own text alone: it may hold what was sent. */
function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const known = reasons.get(code);
  if (known !== undefined) return known;
  return code === '' ? 'the connection failed' : `the connection failed (${code.slice(0, 64)})`;
}

const reasons: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'nothing listens there'],
  ['ECONNRESET', 'the server closed the connection'],
  ['EPIPE', 'the server closed the connection'],
  ['ENOTFOUND', 'there is no such host'],
  ['EAI_AGAIN', 'the name of the host could not be looked up'],
  ['ETIMEDOUT', 'the server could not be reached in time'],
  ['HPE_HEADER_OVERFLOW', 'the head of its answer is longer than 64 KB'],
]);
