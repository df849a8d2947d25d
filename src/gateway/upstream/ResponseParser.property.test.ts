import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyAnswer, cut, goodAnswer, readAnswer } from '../../../test/gateway/answers.ts';

const places = fc.array(fc.nat(20_000), { maxLength: 12 });

test('what is written in order is read as it was meant', () => {
  fc.assert(
    fc.property(goodAnswer, places, ({ bytes, method, ends, means }, at) => {
      expect(readAnswer(cut(bytes, at), { method, ends })).toEqual(means);
    }),
  );
});

test('in whatever pieces the bytes come, the same is read, or refused for the same reason', () => {
  fc.assert(
    fc.property(anyAnswer, places, ({ bytes, method, ends }, at) => {
      const whole = readAnswer([bytes], { method, ends });
      expect(readAnswer(cut(bytes, at), { method, ends })).toEqual(whole);
      const single = Array.from(bytes, (byte) => Buffer.of(byte));
      expect(readAnswer(single, { method, ends })).toEqual(whole);
    }),
    { numRuns: 300 },
  );
});

test('bytes without any order are refused or waited for, and never beyond measure', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 400 }),
      fc.constantFrom('', 'HTTP/1.1 200 OK\r\n', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'),
      (noise, before) => {
        const bytes = Buffer.concat([Buffer.from(before), noise]);
        const { end, body } = readAnswer([bytes], { ends: true });
        expect(end === 'whole' || end === 'short' || end.startsWith('refused: ')).toBe(true);
        expect(body.length).toBeLessThanOrEqual(noise.length);
      },
    ),
  );
});
