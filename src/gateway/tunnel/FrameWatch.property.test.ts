/**
 * Frames of a WebSocket that go by, in whatever pieces: where one begins is known, and whether one has closed; nothing that goes by throws.
 *
 * @see RFC 6455, section 5.2
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { closeFrame, FrameWatch } from './FrameWatch.ts';

/** A frame as a sender writes it. */
function frame({ opcode, isMasked, length }: { opcode: number; isMasked: boolean; length: number }): Buffer {
  const mask = isMasked ? 0x80 : 0;
  const size = Buffer.alloc(length < 126 ? 0 : length < 65_536 ? 2 : 8);
  if (size.length === 2) size.writeUInt16BE(length);
  if (size.length === 8) size.writeBigUInt64BE(BigInt(length));
  const short = size.length === 0 ? length : size.length === 2 ? 126 : 127;
  // A payload full of what would close, were it read as a head.
  return Buffer.concat([Buffer.from([0x80 | opcode, mask | short]), size, Buffer.alloc(isMasked ? 4 : 0, 0x88), Buffer.alloc(length, 0x88)]);
}

const frames = fc.array(
  fc.record({
    opcode: fc.constantFrom(0, 1, 2, 8, 9, 10),
    isMasked: fc.boolean(),
    length: fc.oneof(fc.integer({ min: 0, max: 130 }), fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000)),
  }),
  { maxLength: 8 },
);

/** Cuts bytes where the numbers say. */
function pieces(bytes: Buffer, cuts: readonly number[]): readonly Buffer[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((one, other) => one - other), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

test('whole frames end between frames, and close where one of them does', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat(200_000), { maxLength: 12 }), (all, cuts) => {
      const watch = new FrameWatch();
      for (const piece of pieces(Buffer.concat(all.map(frame)), cuts)) watch.see(piece);
      expect([watch.isBetweenFrames, watch.hasClosed]).toEqual([true, all.some(({ opcode }) => opcode === 8)]);
    }),
    { numRuns: 300 },
  );
});

test('a frame that is not whole is none to speak between', () => {
  fc.assert(
    fc.property(fc.constantFrom(0, 5, 126, 70_000), fc.boolean(), fc.nat(100_000), (length, isMasked, cut) => {
      const bytes = frame({ opcode: 2, isMasked, length });
      const watch = new FrameWatch();
      watch.see(bytes.subarray(0, 1 + (cut % (bytes.length - 1))));
      expect(watch.isBetweenFrames).toBe(false);
    }),
    { numRuns: 200 },
  );
});

test('whatever goes by, nothing is thrown, and pieces make no difference', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), fc.array(fc.nat(500), { maxLength: 8 }), (bytes, cuts) => {
      const [whole, cut] = [new FrameWatch(), new FrameWatch()];
      whole.see(bytes);
      for (const piece of pieces(Buffer.from(bytes), cuts)) cut.see(piece);
      expect([cut.hasClosed, cut.isBetweenFrames]).toEqual([whole.hasClosed, whole.isBetweenFrames]);
    }),
    { numRuns: 500 },
  );
});

test('the frames that a gateway closes with are whole, and say so', () => {
  for (const isMasked of [false, true]) {
    const watch = new FrameWatch();
    watch.see(closeFrame(1008, isMasked));
    expect([watch.isBetweenFrames, watch.hasClosed]).toEqual([true, true]);
  }
});
