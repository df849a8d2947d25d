/**
 * One request to an upstream over HTTP/2. What of its body has gone out is kept for as long as it is little and no answer has begun: an upstream
 * that says that it did nothing with a request gets it once more.
 *
 * @see RFC 9113, section 8.7
 */
import { Call } from '../Call.ts';

/** See the head of this file. */
export class Http2Call extends Call {
  /** How often an upstream has said that it did nothing with it. */
  refusals = 0;
  /** Whether the last byte of its body has been taken from the client. */
  isBodyWhole = this.request.body === null;
  #kept: Buffer[] | undefined = [];
  #keptBytes = 0;

  /** What went out already, to be sent again before the rest. */
  get kept(): readonly Buffer[] {
    return this.#kept ?? [];
  }

  /** Whether it can go out once more, from its first byte. */
  get isWholeStill(): boolean {
    return this.#kept !== undefined && this.refusals < mostRefusals;
  }

  /** Keeps a chunk that goes out. */
  keep(chunk: Buffer): void {
    this.#keptBytes += chunk.length;
    if (this.#keptBytes > keptBytes) this.forget();
    else this.#kept?.push(chunk);
  }

  /** It will not go out again. */
  forget(): void {
    this.#kept = undefined;
  }
}

const keptBytes = 65_536;
const mostRefusals = 3;
