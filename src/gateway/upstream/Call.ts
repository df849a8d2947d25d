/**
 * One request and what is heard of its answer, from the moment it is sent until it is over, on whatever connection.
 */

import type { Timer, TimerTarget } from '../../core/TimerWheel.ts';
import type { Wire } from '../tunnel/Wire.ts';
import type { AnswerHandler, Chunk, OnwardRequest, Reach, Sending } from '../Upstream.ts';
import type { AnswerSink } from './ResponseParser.ts';

/** What a call asks of the connection that it is on. */
export type Carrier = {
  readonly pause: () => void;
  readonly resume: () => void;
  /** Ends the connection, for its answer is wanted no more. */
  readonly drop: () => void;
  /** Hands on what it has just read instead of a copy; the answer is to be called when nobody looks at it any more. Undefined: a copy has to be made. */
  readonly lend: (bytes: Buffer) => (() => void) | undefined;
};

/** What a call asks of the pool while it has no connection. */
export type Queue = {
  readonly leave: (call: Call) => void;
  /** It has waited for as long as it may. */
  readonly onWaited: (call: Call) => void;
};

/** See the head of this file. */
export class Call implements Sending, AnswerSink, TimerTarget {
  readonly request: OnwardRequest;
  readonly #handler: AnswerHandler;
  readonly #queue: Queue;
  #carrier: Carrier | undefined;
  #isOver = false;
  /** Runs while it waits for a connection. */
  timer: Timer | undefined;
  /** Whether it has been sent a second time. */
  isRepeated = false;

  constructor(request: OnwardRequest, handler: AnswerHandler, queue: Queue) {
    this.request = request;
    this.#handler = handler;
    this.#queue = queue;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether it may be sent again, where nobody knows whether the upstream saw it: it changes nothing, or the same once or twice, and takes no body along. */
  get isRepeatable(): boolean {
    return !this.isRepeated && this.request.body === null && isIdempotent(this.request.method);
  }

  /** On this connection from now on, or on none. */
  ride(carrier: Carrier | undefined): void {
    this.#carrier = carrier;
  }

  pause(): void {
    this.#carrier?.pause();
  }

  resume(): void {
    this.#carrier?.resume();
  }

  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#carrier) this.#carrier.drop();
    else this.#queue.leave(this);
  }

  fail(error: Error, reach?: Reach): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#carrier = undefined;
    this.#handler.onError(error, reach);
  }

  onTimer(): void {
    this.#queue.onWaited(this);
  }

  onInformational(status: number, headers: readonly string[]): void {
    if (!this.#isOver) this.#handler.onInformational(status, headers);
  }

  onHead(status: number, headers: readonly string[]): void {
    if (!this.#isOver) this.#handler.onHead(status, headers);
  }

  /** Its connection is the handler's from now on. */
  switchTo(headers: readonly string[], wire: Wire): void {
    if (this.#isOver) return wire.reset();
    this.#isOver = true;
    this.#carrier = undefined;
    this.#handler.onSwitch(headers, wire);
  }

  onChunk(bytes: Buffer, start: number, end: number): void {
    if (this.#isOver) return;
    if (end - start <= textBytes) return this.#handler.onChunk(bytes.toString('latin1', start, end));
    const release = this.#carrier?.lend(bytes);
    if (release !== undefined) return this.#handler.onChunk(bytes.subarray(start, end), release);
    const copy = Buffer.allocUnsafe(end - start);
    bytes.copy(copy, 0, start, end);
    this.#handler.onChunk(copy);
  }

  /** A chunk that nobody else will touch. */
  pass(chunk: Chunk, release?: () => void): void {
    if (!this.#isOver) this.#handler.onChunk(chunk, release);
  }

  onEnd(trailers: readonly string[]): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#carrier = undefined;
    this.#handler.onEnd(trailers);
  }
}

/** Whether a request may be made twice where it was meant once. @see RFC 9110, section 9.2.2 */
export function isIdempotent(method: string): boolean {
  return idempotent.has(method);
}

const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** Up to here, text costs less to copy and to write than a buffer. */
export const textBytes = 16_384;
