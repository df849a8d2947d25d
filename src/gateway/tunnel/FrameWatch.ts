/**
 * Watches one direction of a WebSocket go by: where frames begin, and whether its side has said that it closes. Nothing is held back or
 * changed, and no frame is refused: that is for those who speak to each other.
 *
 *     opcode · length (7 bits, or 16, or 64 more) · mask (4 bytes, from clients) · payload
 *
 * @see RFC 6455, sections 5.2 and 5.5.1
 */
export class FrameWatch {
  #hasClosed = false;
  /** Bytes of the frame's head that have come. */
  #at = 0;
  #isClose = false;
  #lengthBytes = 0;
  #maskBytes = 0;
  #length = 0;
  /** Bytes of mask and payload that are still to come. */
  #left = 0;

  /** Whether a frame that closes has begun. */
  get hasClosed(): boolean {
    return this.#hasClosed;
  }

  /** Whether the next byte begins a frame. */
  get isBetweenFrames(): boolean {
    return this.#at === 0 && this.#left === 0;
  }

  /** These bytes go by. */
  see(bytes: Uint8Array): void {
    let index = 0;
    while (index < bytes.length) {
      if (this.#left > 0) {
        const passed = Math.min(this.#left, bytes.length - index);
        this.#left -= passed;
        index += passed;
      } else this.#takeHead(bytes[index++] as number);
    }
  }

  #takeHead(byte: number): void {
    const at = this.#at++;
    if (at === 0) {
      this.#isClose = (byte & 0x0f) === 8;
      return;
    }
    if (at === 1) {
      const short = byte & 0x7f;
      this.#maskBytes = (byte & 0x80) === 0 ? 0 : 4;
      this.#lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
      this.#length = this.#lengthBytes === 0 ? short : 0;
    } else this.#length = this.#length * 256 + byte;
    if (this.#at < 2 + this.#lengthBytes) return;
    this.#at = 0;
    this.#left = this.#maskBytes + this.#length;
    if (this.#isClose) this.#hasClosed = true;
  }
}

/** Why a gateway closes. @see RFC 6455, section 7.4.1 */
export type CloseCode = 1001 | 1008;

/** A frame that closes. `isMasked`: as clients must, here with a mask that changes nothing. */
export function closeFrame(code: CloseCode, isMasked: boolean): Buffer {
  const payload = [code >> 8, code & 0xff];
  return Buffer.from(isMasked ? [0x88, 0x82, 0, 0, 0, 0, ...payload] : [0x88, 0x02, ...payload]);
}
