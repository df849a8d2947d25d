/**
 * What connections to upstreams read into. Short answers: one piece of memory that all plain connections share, for each is done with it before
 * another begins, and what it keeps it copies. Long ones: pieces that are handed on as they are, and come back when their bytes have been sent.
 *
 * A piece that does not come back (an answer that broke off) is left to be collected.
 */

/** Shared by all plain connections; never handed on. */
export const shared = Buffer.allocUnsafeSlow(65_536);

/** A piece that is read into and handed on, by one connection at a time. */
export class Piece {
  readonly bytes: Buffer;
  #lent = 0;
  #isLeft = false;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get isLent(): boolean {
    return this.#lent > 0;
  }

  /** Hands on a part of it. The answer is to be called once, when nobody looks at the part any more. */
  lend(): () => void {
    this.#lent++;
    return () => {
      if (--this.#lent === 0 && this.#isLeft) giveBack(this.bytes);
    };
  }

  /** Nobody reads into it any more. */
  leave(): void {
    this.#isLeft = true;
    if (this.#lent === 0) giveBack(this.bytes);
  }
}

/** A piece that nobody has. */
export function takePiece(): Piece {
  return new Piece(kept.pop() ?? Buffer.allocUnsafeSlow(pieceBytes));
}

function giveBack(bytes: Buffer): void {
  if (kept.length < keptPieces) kept.push(bytes);
}

const kept: Buffer[] = [];

const pieceBytes = 131_072;
const keptPieces = 64;
