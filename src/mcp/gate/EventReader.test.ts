import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEventReader, type StreamEvent } from './EventReader.ts';

function read(chunks: readonly (string | Buffer)[], maxLength = 1000): readonly StreamEvent[] {
  const events: StreamEvent[] = [];
  const reader = createEventReader(maxLength, (event) => events.push(event));
  for (const chunk of chunks) reader.take(Buffer.from(chunk));
  return events;
}

const stream =
  '\uFEFFid: 1\r\nevent: message\r\ndata: {"a":\r\ndata: "é"}\r\n\r\n: still here\n\ndata:two\n\nid:3\rdata\r\revent: other\ndata:  x\nretry: 5\n\n';
const expected: readonly StreamEvent[] = [
  { id: '1', event: 'message', data: '{"a":\n"é"}' },
  { id: undefined, event: undefined, data: 'two' },
  { id: '3', event: undefined, data: '' },
  { id: undefined, event: 'other', data: ' x' },
];

describe('a stream of events', () => {
  it('is read by the three ends of line, with comments and unknown fields left out', () => {
    expect(read([stream])).toEqual(expected);
  });

  it('is the same however it is cut', () => {
    const bytes = Buffer.from(stream);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        expect(read(at.slice(1).map((end, index) => bytes.subarray(at[index], end)))).toEqual(expected);
      }),
    );
    expect(read([...bytes].map((byte) => Buffer.from([byte])))).toEqual(expected);
  });

  it('that does not end its event gives none', () => {
    expect(read(['data: x\n'])).toEqual([]);
  });

  it('holds no event that is longer than it may be', () => {
    const long = ['data: ', 'x'.repeat(600), 'x'.repeat(600)];
    expect(() => read(long)).toThrow('an event is longer than 1000 characters');
    expect(() => read(Array.from({ length: 300 }, () => 'data:\n'))).toThrow('an event is longer');
    expect(() => read(Array.from({ length: 30 }, () => `data: ${'x'.repeat(50)}\n`))).toThrow('an event is longer');
  });
});
