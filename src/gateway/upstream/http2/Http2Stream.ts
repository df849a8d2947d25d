/**
 * One stream of a session: a request with its body going out, its answer coming in, each at the pace of whoever takes it.
 *
 *     head ─ (1xx)* ─ head of the answer ─ chunk* ─ trailers ─ end        reset, at any moment
 *                          └─ 2xx to a WebSocket: a tunnel, of which no more is known here than when it is over
 *
 * @see RFC 9113, sections 5.1, 8.1 and 8.2; RFC 8441, section 5
 */
import type { ClientHttp2Stream } from 'node:http2';
import { addAbortSignal } from 'node:stream';
import { followStream, type StreamFollower } from '../../StreamEvents.ts';
import * as Wire from '../../tunnel/Wire.ts';
import type { OnwardRequest } from '../../Upstream.ts';
import type { Carrier } from '../Call.ts';
import { assertField, assertTarget } from '../RequestWriter.ts';
import { asSwitch, ofHandshake } from './ExtendedConnect.ts';
import type { Http2Call } from './Http2Call.ts';

/** Told of a stream's end, once. */
export type StreamOwner = {
  /** `left`: its request, and what went wrong, where no answer has begun and nobody has been told; undefined where its end has been told. */
  readonly onStreamEnded: (stream: Http2Stream, left: { readonly call: Http2Call; readonly error: Error } | undefined) => void;
};

/**
 * The head of a request: names and values in turn.
 * @throws TypeError – something in it would end a line, or is more than a byte
 */
export function headOf({ method, path, headers, upstream, isUpgrade = false }: OnwardRequest, authority: string): string[] {
  assertTarget(method, path);
  let host = authority;
  const fields: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = (headers[index] as string).toLowerCase();
    const value = headers[index + 1] as string;
    assertField(name, value);
    if (name === 'host') host = value;
    else if (!ofHttp1.has(name) && (name !== 'te' || value === 'trailers') && !(isUpgrade && ofHandshake.has(name))) fields.push(name, value);
  }
  const scheme = upstream.origin.startsWith('https:') ? 'https' : 'http';
  const asked = isUpgrade ? [':method', 'CONNECT', ':protocol', 'websocket'] : [':method', method];
  return [...asked, ':scheme', scheme, ':authority', host, ':path', path, ...fields];
}

/** See the head of this file. */
export class Http2Stream implements Carrier, StreamFollower {
  readonly #stream: ClientHttp2Stream;
  readonly #owner: StreamOwner;
  #call: Http2Call | undefined;
  #trailers: readonly string[] = [];
  #hasHead = false;
  /** Whether the upstream has said that nothing follows; a reset alone ends what can be read as well. */
  #isWhole = false;
  #isOver = false;
  /** It is a tunnel's, whose end is not an answer's. */
  #isHandedOver = false;

  constructor(stream: ClientHttp2Stream, call: Http2Call, owner: StreamOwner) {
    this.#stream = stream;
    this.#call = call;
    this.#owner = owner;
    const push = stream.push.bind(stream);
    stream.push = (chunk, encoding) => {
      if (chunk === null && !stream.closed) this.#isWhole = true;
      return push(chunk, encoding);
    };
    followStream(stream, this);
    // Without a listener of its own for them, a stream would keep bytes for a tick before it hands them on.
    stream.on('data', this.#onChunk);
    call.ride(this);
    this.#sendBody(call);
  }

  onEvent(event: string | symbol, first: unknown, _flags: unknown, raw: unknown): boolean {
    if (event === 'response') this.#onHead(statusOf(first), raw as string[]);
    else if (event === 'headers') this.#call?.onInformational(statusOf(first), fieldsOf(raw as string[]));
    else if (event === 'trailers') this.#trailers = fieldsOf(raw as string[]);
    else if (event === 'end' && !this.#isHandedOver) this.#onEnd();
    else if (event === 'error') this.#onBroken(first as Error);
    else if (event === 'close') this.#onBroken(undefined);
    else if (event === 'drain') this.#onDrain();
    else return false;
    return true;
  }

  /** Undefined until it has gone out. */
  get id(): number | undefined {
    return this.#stream.id;
  }

  /** As the upstream said it. */
  get resetCode(): number {
    return this.#stream.rstCode ?? 0;
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** What comes here is nobody else's. */
  lend(): undefined {
    return undefined;
  }

  /** Nobody waits for the answer any more, and the upstream is told. */
  drop(): void {
    this.#take();
    this.#reset();
  }

  /** Its connection ends. Who waits for the answer is told by what comes of that. */
  cancel(): void {
    this.#reset();
  }

  #onHead(status: number, raw: string[]): void {
    this.#hasHead = true;
    this.#call?.forget();
    if (this.#call?.request.isUpgrade === true && status >= 200 && status < 300) this.#handOver(this.#call, fieldsOf(raw));
    else this.#call?.onHead(status, fieldsOf(raw));
  }

  /** From here on it is a tunnel's, and counts to its session until it is over. */
  #handOver(call: Http2Call, fields: readonly string[]): void {
    this.#take();
    const stream = this.#stream.pause();
    stream.off('data', this.#onChunk);
    this.#isHandedOver = true;
    const wire = Wire.over(
      stream,
      () => this.#reset(),
      () => this.#isWhole,
    );
    call.switchTo(asSwitch(fields, call.request.headers), wire);
  }

  readonly #onChunk = (chunk: Buffer): void => this.#call?.pass(chunk);

  #onEnd(): void {
    if (!this.#isWhole || !this.#hasHead) return this.#onBroken(undefined);
    const call = this.#take();
    // What is left of the request is not wanted any more.
    if (!this.#stream.writableEnded) this.#reset();
    this.#tellEnd(undefined);
    call?.onEnd(this.#trailers);
  }

  /** Every stream closes, and an error costs something to make: none is made for those that are over. */
  #onBroken(cause: Error | undefined): void {
    if (this.#isOver) return;
    const call = this.#take();
    const error = cause ?? new Error('the upstream ended its stream before the answer was whole');
    this.#tellEnd(call && !this.#hasHead ? { call, error } : undefined);
    if (this.#hasHead) call?.fail(error);
  }

  #tellEnd(left: { readonly call: Http2Call; readonly error: Error } | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#owner.onStreamEnded(this, left);
  }

  /** Says that the stream is cancelled. Not by `close`, which ends a body that was cut off as if it were whole before it resets. */
  #reset(): void {
    addAbortSignal(cancelled, this.#stream);
  }

  /** From now on nothing that happens here is told to the request. */
  #take(): Http2Call | undefined {
    this.#stopBody();
    const call = this.#call;
    this.#call = undefined;
    call?.ride(undefined);
    return call;
  }

  #sendBody(call: Http2Call): void {
    const { body } = call.request;
    if (body === null) return;
    for (const chunk of call.kept) this.#stream.write(chunk);
    if (call.isBodyWhole) this.#stream.end();
    else if (body.destroyed) this.#onBodyFailed(body.errored ?? new Error('the body was not there any more'));
    else {
      body.on('data', this.#onData).on('end', this.#onBodyEnd).on('error', this.#onBodyFailed).on('close', this.#onBodyClosed);
      if (this.#stream.writableNeedDrain) body.pause();
      else body.resume();
    }
  }

  #stopBody(): void {
    const body = this.#call?.request.body;
    // Whoever has told of its end tells nothing more.
    if (!body || this.#call?.isBodyWhole === true) return;
    body.off('data', this.#onData).off('end', this.#onBodyEnd).off('error', this.#onBodyFailed).off('close', this.#onBodyClosed);
    body.pause();
  }

  #onDrain(): void {
    if (this.#call?.isBodyWhole === false) this.#call.request.body?.resume();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#call?.keep(chunk);
    if (!this.#stream.write(chunk)) this.#call?.request.body?.pause();
  };

  readonly #onBodyEnd = (): void => {
    if (this.#call) this.#call.isBodyWhole = true;
    this.#stream.end();
  };

  readonly #onBodyFailed = (error: Error): void => {
    const call = this.#take();
    this.#reset();
    call?.fail(error);
  };

  readonly #onBodyClosed = (): void => {
    if (this.#call?.isBodyWhole === false) this.#onBodyFailed(new Error('the body ended before it was whole'));
  };
}

function statusOf(head: unknown): number {
  return Number((head as { readonly ':status'?: unknown })[':status']);
}

/** Without what begins with a colon, which stands in front. */
function fieldsOf(raw: readonly string[]): readonly string[] {
  let from = 0;
  while (raw[from]?.startsWith(':')) from += 2;
  return from === 0 ? raw : raw.slice(from);
}

/** Node resets what is aborted with CANCEL, and what is destroyed otherwise with INTERNAL_ERROR. */
const cancelled = AbortSignal.abort();

/** Of a connection of HTTP/1.1. */
const ofHttp1: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings']);
