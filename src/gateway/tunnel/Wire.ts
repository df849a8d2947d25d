/**
 * One end of a tunnel: bytes both ways on a connection, or on a stream of one, once both sides have agreed to go on in another protocol.
 *
 *     follow ─ (onBytes · write)* ─ onEnd · end ─ onClose
 */
import type { Http2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** Told what comes. */
export type WireFollower = {
  /** Bytes, which are the follower's from now on. */
  readonly onBytes: (bytes: Buffer) => void;
  /** The other side sends no more; it may still take some. */
  readonly onEnd: () => void;
  /** Bytes are taken again. */
  readonly onDrain: () => void;
  /** It is gone, both ways; told once, and nothing after it. `error`: not in order. */
  readonly onClose: (error: Error | undefined) => void;
};

/** See the head of this file. */
export type Wire = {
  /** Tells of what comes from now on, and of what has come; one follower. */
  readonly follow: (follower: WireFollower) => void;
  /** False: no more is taken for now. */
  readonly write: (bytes: Buffer) => boolean;
  /** Nothing more will be written. */
  readonly end: () => void;
  readonly pause: () => void;
  readonly resume: () => void;
  /** Ends it at once, in such a way that the other side sees that this is no end in order. */
  readonly reset: () => void;
};

/**
 * A wire over a duplex stream that nobody reads.
 * @param reset - ends it at once; default: as a socket is ended
 * @param isWhole - whether an end of what can be read was said by the other side, and is not how the stream ends when it is taken back; default: it was
 */
export function over(stream: Duplex, reset?: () => void, isWhole: () => boolean = () => true): Wire {
  return new DuplexWire(stream, reset, isWhole);
}

class DuplexWire implements Wire {
  readonly #stream: Duplex;
  readonly #reset: (() => void) | undefined;
  readonly #isWhole: () => boolean;
  #error: Error | undefined;

  constructor(stream: Duplex, reset: (() => void) | undefined, isWhole: () => boolean) {
    this.#stream = stream;
    this.#reset = reset;
    this.#isWhole = isWhole;
    stream.on('error', (error) => {
      this.#error ??= error;
    });
  }

  follow(follower: WireFollower): void {
    const stream = this.#stream;
    // Nothing is told before whoever follows has returned.
    if (stream.closed || stream.destroyed) return void setImmediate(() => follower.onClose(this.#error ?? new Error('the connection was closed')));
    stream.on('data', (bytes: Buffer) => follower.onBytes(bytes));
    stream.on('end', () => {
      if (this.#isWhole()) follower.onEnd();
    });
    stream.on('drain', () => follower.onDrain());
    stream.on('close', () => follower.onClose(this.#error ?? this.#broken()));
    stream.resume();
  }

  /** A stream of HTTP/2 that its other end took back: Node makes no error of that. */
  #broken(): Error | undefined {
    const { rstCode = 0 } = this.#stream as Partial<Http2Stream>;
    return this.#isWhole() && rstCode === 0 ? undefined : new Error('the stream was taken back');
  }

  write(bytes: Buffer): boolean {
    return this.#stream.writable ? this.#stream.write(bytes) : true;
  }

  end(): void {
    this.#stream.end();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  reset(): void {
    const stream = this.#stream as Socket;
    if (stream.destroyed) return;
    if (this.#reset) return this.#reset();
    // Over TLS there is no reset to be had.
    if ('resetAndDestroy' in stream && !('encrypted' in stream)) stream.resetAndDestroy();
    else stream.destroy();
  }
}
