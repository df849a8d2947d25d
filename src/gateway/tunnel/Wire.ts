/**
 * One end of a tunnel: bytes both ways on a connection, or on a stream of one, once both sides have agreed to go on in another protocol.
 *
 *     follow ─ (onBytes · write)* ─ onEnd · end ─ onClose
 */
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
 */
export function over(stream: Duplex, reset?: () => void): Wire {
  return new DuplexWire(stream, reset);
}

class DuplexWire implements Wire {
  readonly #stream: Duplex;
  readonly #reset: (() => void) | undefined;
  #error: Error | undefined;

  constructor(stream: Duplex, reset: (() => void) | undefined) {
    this.#stream = stream;
    this.#reset = reset;
    stream.on('error', (error) => {
      this.#error ??= error;
    });
  }

  follow(follower: WireFollower): void {
    const stream = this.#stream;
    // Nothing is told before whoever follows has returned.
    if (stream.closed || stream.destroyed) return void setImmediate(() => follower.onClose(this.#error ?? new Error('the connection was closed')));
    stream.on('data', (bytes: Buffer) => follower.onBytes(bytes));
    stream.on('end', () => follower.onEnd());
    stream.on('drain', () => follower.onDrain());
    stream.on('close', () => follower.onClose(this.#error));
    stream.resume();
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
