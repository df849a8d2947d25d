import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sell } from '../../../test/cli/soldToken.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Macaroon from '../../core/Macaroon.ts';
import { judge } from '../../server/policies/Judgement.ts';
import { createTerminal } from '../Terminal.ts';
import { narrow } from './attenuate.ts';
import { print } from './inspect.ts';
import * as Presented from './Presented.ts';
import { read } from './Reading.ts';

const now = 1_800_000_000;
const { token, preimage } = sell(new Uint8Array(32).fill(1), { mintedAt: now - 60, pattern: '/api/*' });
const forms = [token, `L402 ${token}:${preimage}`, `LSAT macaroon="${token}", invoice="lnbcrt1x"`, JSON.stringify({ macaroon: token })];
const ring = { file: 'keys', network: 'sandbox', realm: 'main', keys: undefined } as const;

/** Text that begins as something good and goes wrong somewhere. */
const mutated = fc
  .record({ form: fc.constantFrom(...forms), at: fc.nat(), length: fc.nat(20), put: fc.string({ unit: 'binary', maxLength: 20 }) })
  .map(({ form, at, length, put }) => form.slice(0, at % form.length) + put + form.slice((at % form.length) + length));

test('whatever is given, it is read, or refused with a code that does not repeat it', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), mutated), (text) => {
      try {
        Presented.parse(text);
      } catch (error) {
        expect(FareboxError.is(error)).toBe(true);
        expect((error as Error).message).not.toContain(preimage);
      }
    }),
    { numRuns: 300 },
  );
});

test('format reads back, in the spelling that it came in', () => {
  for (const form of forms.slice(0, 2)) {
    const presented = Presented.parse(form);
    expect(Presented.format(presented, presented.macaroon)).toBe(form);
  }
});

test('whatever a token carries, what is printed has no control character and no proof in it', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 40 }), { maxLength: 5 }), fc.nat(5), fc.boolean(), (caveats, at, isJson) => {
      const all = [...caveats.slice(0, at), `preimage=${preimage}`, ...caveats.slice(at)];
      const macaroon = Macaroon.attenuate(
        Macaroon.parse(token),
        all.map((text) => text.toWellFormed()),
      );
      const presented = { ...Presented.parse(token), macaroon };
      const out = capture(isJson, (terminal) => print(terminal, presented, read(presented, ring, now), ring, now));
      expect(out).not.toContain(preimage);
      expect([...out.replaceAll('\n', '')].filter(isControl)).toEqual([]);
    }),
    { numRuns: 200 },
  );
});

test('a line that begins with very many spaces is read like any other', () => {
  const spaces = ' '.repeat(150_000);
  expect(Presented.parse(`${spaces}Authorization: L402 ${token}:${preimage}`).preimage).toBe(preimage);
  expect(Presented.parse(`${spaces}L402 ${token}:${preimage}`).preimage).toBe(preimage);
});

test('a token that names a million requests is judged by some of them', () => {
  const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
  const methods = letters.flatMap((first) => letters.map((second) => first + second)).slice(0, 600);
  const paths = Array.from({ length: 50 }, (_, at) => `path_prefix=/${at}`);
  const many = ['services=a:0,b:0,c:0,d:0,e:0,f:0,g:0,h:0', `method=${methods.join(',')}`, ...paths];
  expect(judge(many, { nowAt: now, preimage })).toMatchObject({ kind: 'fails' });
});

/** Parts that make sense, and some that do not. */
const wishes = fc.record(
  {
    path: fc.constantFrom('/', '/api', '/api/v1', '/api/v1/x', '/premium', '/api/*'),
    method: fc.constantFrom('GET', 'POST', 'GET,POST'),
    expires: fc.constantFrom('1s', '10m', '1h', '1d', '2d'),
  },
  { requiredKeys: [] },
);

test('what is narrowed is never good for more, and never for nothing', () => {
  fc.assert(
    fc.property(fc.array(wishes, { minLength: 1, maxLength: 4 }), (steps) => {
      let presented = Presented.parse(token);
      for (const step of steps) {
        const before = judge(presented.macaroon.caveats, { nowAt: now, preimage });
        try {
          const { macaroon, added } = narrow(presented, { ...step, caveat: [] }, now);
          expect(macaroon.caveats).toEqual([...presented.macaroon.caveats, ...added]);
          presented = { ...presented, macaroon };
        } catch (error) {
          expect(FareboxError.is(error, 'CONFIG_INVALID')).toBe(true);
          continue;
        }
        const after = judge(presented.macaroon.caveats, { nowAt: now, preimage });
        if (before.kind !== 'holds' || after.kind !== 'holds') throw new Error('nothing is left');
        expect(after.validUntil).toBeLessThanOrEqual(before.validUntil);
      }
    }),
    { numRuns: 300 },
  );
});

function isControl(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e);
}

function capture(isJson: boolean, use: (terminal: ReturnType<typeof createTerminal>) => void): string {
  const stream = new PassThrough({ encoding: 'utf8' });
  const stdout = stream as unknown as NodeJS.WriteStream;
  use(createTerminal({ stdout, stderr: stdout }, isJson));
  return (stream.read() as string | null) ?? '';
}
