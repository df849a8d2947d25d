/**
 * A Node request as the paywall reads it: every header line from the raw headers (Node's joined `headers` keeps only the first
 * `Authorization`), and a body that can be looked at and still be read afterwards.
 */
import type { IncomingMessage } from 'node:http';
import { FareboxError } from '../core/Errors.ts';
import type { RequestView } from './RequestView.ts';

/**
 * A view of a Node request. Nothing is read until it is asked for.
 * @param target - the request target as received, where a framework has changed `request.url`
 */
export function viewOf(request: IncomingMessage, clientAddress: string, target: string = request.url ?? '/'): RequestView {
  return {
    method: request.method ?? 'GET',
    target,
    clientAddress,
    header: (name) => firstOf(request.headers[name]),
    headerLines: (name) => linesOf(request.rawHeaders, name),
    readBody: (limit) => readBody(request, limit),
  };
}

/**
 * Every line of a header.
 * @param rawHeaders - names and values in turn, as Node received them
 * @param name - in lower case
 */
export function linesOf(rawHeaders: readonly string[], name: string): readonly string[] {
  let lines: string[] | undefined;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const raw = rawHeaders[index] as string;
    if (raw.length !== name.length || (raw !== name && raw.toLowerCase() !== name)) continue;
    const value = rawHeaders[index + 1] as string;
    if (lines === undefined) lines = [value];
    else lines.push(value);
  }
  return lines ?? none;
}

const none: readonly string[] = [];

/** Whether a request announces a body. */
export function hasBody(request: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  return encoding !== undefined || (length !== undefined && Number(length) > 0);
}

/**
 * The whole body, at most `limit` bytes (undefined where it is longer), put back in front of the stream so that it is read again.
 * @throws ADAPTER_BODY_UNREADABLE – somebody has read it already, and left nothing of it
 */
export async function readBody(request: IncomingMessage, limit: number): Promise<Uint8Array | undefined> {
  if (!hasBody(request)) return new Uint8Array(0);
  const known = bodies.get(request);
  if (known) return known.length > limit ? undefined : known;
  if (request.readableDidRead || request.readableEnded) return parsedBody(request);
  const chunks: Buffer[] = [];
  let size = 0;
  for (;;) {
    for (let chunk: unknown = request.read(); chunk !== null; chunk = request.read()) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
    }
    if (request.complete || size > limit) break;
    if (request.destroyed) return undefined;
    await nextChunk(request);
  }
  // Put back before anything else runs: a stream that was read to its end says so in the next tick.
  const body = Buffer.concat(chunks);
  if (size > 0) request.unshift(body);
  if (size > limit) return undefined;
  bodies.set(request, body);
  return body;
}

/** Bodies that were looked at whole, by their request. */
const bodies = new WeakMap<IncomingMessage, Uint8Array>();

/** Shows every chunk of the body to `see` as it comes in, without starting to read it. */
export function tapBody(request: IncomingMessage, see: (chunk: Uint8Array) => void): void {
  if (!hasBody(request)) return;
  const known = bodies.get(request) ?? (request.readableDidRead || request.readableEnded ? parsedBody(request) : undefined);
  if (known) return see(known);
  const waiting: unknown = request.read();
  if (waiting instanceof Uint8Array) {
    see(waiting);
    request.unshift(waiting);
  }
  const push = request.push;
  request.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk instanceof Uint8Array) see(chunk);
    return push.call(request, chunk, encoding);
  };
}

function nextChunk(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      request.off('readable', done).off('close', done).off('error', done);
      resolve();
    };
    request.on('readable', done).on('close', done).on('error', done);
  });
}

/** What a body parser left: the raw body, or what it read as JSON text, which is the same for the same body. */
function parsedBody(request: IncomingMessage): Uint8Array {
  const { rawBody, body } = request as { rawBody?: unknown; body?: unknown };
  if (rawBody instanceof Uint8Array) return rawBody;
  if (body instanceof Uint8Array) return body;
  if (body !== undefined) return Buffer.from(JSON.stringify(body));
  throw new FareboxError('ADAPTER_BODY_UNREADABLE', 'Something read the request body before the paywall. Put the paywall before it.');
}

function firstOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'object' ? value[0] : value;
}
