/**
 * The body of an incoming request: a stream that the upstream is fed from, at the pace at which it takes it. A look into it beforehand
 * keeps what was read and leaves it to be forwarded.
 *
 * It stands between the request and whoever forwards it, because a request that is destroyed takes the connection with it, and the answer
 * that was to be sent on it.
 */
import { Readable } from 'node:stream';
import { FareboxError } from '../core/Errors.ts';

/** See the head of this file. */
export class RequestBody extends Readable {
  /** Told of every chunk as it passes on to the upstream. */
  onChunk: ((chunk: Uint8Array) => void) | undefined;
  readonly #source: Readable;
  readonly #limit: number;
  readonly #kept: Buffer[] = [];
  #sendContinue: (() => void) | undefined;
  #collecting: ((chunk: Buffer | undefined) => void) | undefined;
  #opened = false;
  #ended = false;
  #received = 0;

  /**
   * @param limit - in bytes; a longer body ends in the error `REQUEST_BODY_TOO_LARGE`
   * @param sendContinue - called before the first byte is asked for, where the client waits to be asked
   */
  constructor(source: Readable, limit: number, sendContinue: (() => void) | undefined) {
    super({ highWaterMark: 65_536 });
    this.#source = source;
    this.#limit = limit;
    this.#sendContinue = sendContinue;
    // Whoever forwards the body takes its listeners off at the end; an error after that concerns nobody.
    this.on('error', ignore);
  }

  /** Whether the last byte has come from the client. */
  get whole(): boolean {
    return this.#ended;
  }

  /** Whether the client still waits to be asked for the body: then nothing of it is on the way. */
  get unasked(): boolean {
    return this.#sendContinue !== undefined;
  }

  /** Whether bytes are wanted and none are there: the client is the one to wait for. */
  get starved(): boolean {
    return this.#opened && !this.#ended && !this.#source.isPaused();
  }

  /** The whole body, or undefined where it is longer than `limit` or does not come whole; either way it can be forwarded afterwards. */
  async collect(limit: number): Promise<Uint8Array | undefined> {
    let length = this.#kept.reduce((sum, chunk) => sum + chunk.length, 0);
    while (!this.#ended && length <= limit && !this.destroyed) {
      const chunk = await new Promise<Buffer | undefined>((resolve) => {
        this.#collecting = resolve;
        this.#open();
        this.#source.resume();
      });
      if (chunk === undefined) break;
      length += chunk.length;
    }
    return this.#ended && length <= limit ? Buffer.concat(this.#kept) : undefined;
  }

  override _read(): void {
    for (let chunk = this.#kept.shift(); chunk !== undefined; chunk = this.#kept.shift()) if (!this.#pass(chunk)) return;
    if (this.#ended) {
      this.push(null);
      return;
    }
    this.#open();
    this.#source.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // Whoever has told of its end tells nothing more.
    if (!this.#ended) {
      this.#source.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
      this.#source.pause();
    }
    this.onChunk = undefined;
    this.#settle(undefined);
    done(error);
  }

  #open(): void {
    if (this.#opened) return;
    this.#opened = true;
    this.#sendContinue?.();
    this.#sendContinue = undefined;
    if (this.#source.destroyed) this.#onClose();
    else this.#source.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#received += chunk.length;
    if (this.#received > this.#limit) {
      this.destroy(bodyTooLarge(this.#limit));
      return;
    }
    if (this.#collecting) {
      this.#kept.push(chunk);
      this.#source.pause();
      this.#settle(chunk);
    } else if (!this.#pass(chunk)) this.#source.pause();
  };

  readonly #onEnd = (): void => {
    this.#ended = true;
    if (this.#collecting) this.#settle(undefined);
    // What was collected goes first; whoever reads it comes to the end behind it. The end may be here before `collect` has gone on.
    else if (this.#kept.length === 0) this.push(null);
  };

  readonly #onClose = (): void => {
    if (!this.#ended) this.destroy(new Error('the client left before its body had come'));
  };

  #pass(chunk: Buffer): boolean {
    this.onChunk?.(chunk);
    return this.push(chunk);
  }

  #settle(chunk: Buffer | undefined): void {
    const settle = this.#collecting;
    this.#collecting = undefined;
    settle?.(chunk);
  }
}

const ignore = () => {};

/** A body beyond the limit. */
export function bodyTooLarge(limit: number): FareboxError {
  return new FareboxError('REQUEST_BODY_TOO_LARGE', `The body of a request may have ${limit} bytes here.`, { details: { limit } });
}
