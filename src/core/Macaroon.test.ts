import { describe, expect, test } from 'vitest';
import vectors from '../../test/vectors/macaroon.json' with { type: 'json' };
import * as Caveat from './Caveat.ts';
import { FareboxError } from './Errors.ts';
import * as Identifier from './Identifier.ts';
import { fromHex, fromUtf8, toBase64Url, toHex } from './internal/bytes.ts';
import * as Macaroon from './Macaroon.ts';
import * as Preimage from './Preimage.ts';

const hex = (text: string) => fromHex(text) as Uint8Array;

describe('vectors', () => {
  test.each(vectors.minted.map((vector) => [vector.name, vector] as const))('%s', (_, vector) => {
    const macaroon = Macaroon.mint(hex(vector.rootKeyHex), hex(vector.identifierHex), vector.caveats, vector.location);
    expect(toHex(macaroon.signature)).toBe(vector.signatureHex);
    expect(Macaroon.format(macaroon)).toBe(vector.v2Base64);
    expect(toBase64Url(Macaroon.encode(macaroon))).toBe(vector.v2Base64Url);
    for (const text of [vector.v2Base64, vector.v2Base64Url]) {
      const read = Macaroon.parse(text);
      expect(read).toEqual(macaroon);
      expect(Macaroon.verify(read, hex(vector.rootKeyHex))).toBe(true);
      expect(Macaroon.verify(read, fromUtf8('another key'))).toBe(false);
    }
  });

  test('without the key derivation step the signature would be another one', () => {
    const [wrong] = vectors.wrong;
    expect(vectors.minted.some(({ signatureHex }) => signatureHex === wrong?.signatureHex)).toBe(false);
  });

  test.each(vectors.real.map((vector) => [vector.name, vector] as const))('%s', (_, vector) => {
    const macaroon = Macaroon.parse(vector.macaroonBase64);
    expect(macaroon.location).toBe(vector.location);
    expect(macaroon.caveats).toEqual(vector.caveats);
    expect(toHex(macaroon.identifier)).toBe(vector.identifierHex);
    expect(Macaroon.format(macaroon)).toBe(vector.macaroonBase64);
    const identifier = Identifier.decode(macaroon.identifier);
    expect(identifier).toEqual({ version: vector.version, paymentHash: vector.paymentHash, tokenId: vector.tokenId });
    expect(toHex(Identifier.encode(identifier))).toBe(vector.identifierHex);
    expect(Preimage.proves(Preimage.parse(vector.preimage), identifier.paymentHash)).toBe(vector.preimageMatches);
  });

  test('services', () => {
    for (const value of vectors.services.valid) expect(Caveat.formatServices(Caveat.parseServices(value))).toBe(value);
    for (const value of vectors.services.invalid) expect(() => Caveat.parseServices(value)).toThrow(expect.objectContaining({ code: 'CAVEAT_MALFORMED' }));
  });

  test('caveats', () => {
    for (const vector of vectors.caveats) {
      if (vector.error) expect(() => Caveat.parse(vector.text)).toThrow(expect.objectContaining({ code: 'CAVEAT_MALFORMED' }));
      else expect(Caveat.parse(vector.text)).toEqual({ condition: vector.condition, value: vector.value });
    }
  });
});

describe('limits', () => {
  const minted = Macaroon.mint(fromUtf8('key'), new Uint8Array(66), ['services=a:0']);

  test('a token over 4 KB or 64 caveats is neither made nor read', () => {
    expect(() => Macaroon.attenuate(minted, ['x='.padEnd(4096, 'x')])).toThrow(RangeError);
    expect(() => Macaroon.attenuate(minted, Array(64).fill('a=b'))).toThrow(RangeError);
    expect(() => Macaroon.decode(new Uint8Array(4097))).toThrow(expect.objectContaining({ code: 'MACAROON_MALFORMED' }));
    expect(() => Macaroon.parse('A'.repeat(1_000_000))).toThrow(expect.objectContaining({ code: 'MACAROON_MALFORMED' }));
  });

  test.each([
    ['version 1', 'MDAx', 'not of version 2'],
    ['nothing', '', 'not of version 2'],
    ['no identifier', 'AgAABiA=', 'no identifier'],
    ['not base64', '!!!', 'not base64'],
  ])('%s is refused', (_, text, message) => {
    expect(() => Macaroon.parse(text)).toThrow(expect.objectContaining({ code: 'MACAROON_MALFORMED', message: expect.stringContaining(message) }));
  });

  test('bytes behind the end, a third-party caveat and a padded length are refused', () => {
    const bytes = Macaroon.encode(minted);
    const refused = (changed: Uint8Array) => expect(() => Macaroon.decode(changed)).toThrow(FareboxError);
    refused(Uint8Array.from([...bytes, 0]));
    const thirdParty = [...bytes.subarray(0, bytes.length - 36), 4, 1, 9, ...bytes.subarray(bytes.length - 36)];
    refused(Uint8Array.from(thirdParty));
    const at = bytes.indexOf(66, 6);
    refused(Uint8Array.from([...bytes.subarray(0, at), 66 | 0x80, 0, ...bytes.subarray(at + 1)]));
  });
});

describe('what is read has bounds', () => {
  const field = (type: number, content: Uint8Array) => [
    type,
    ...(content.length < 128 ? [content.length] : [(content.length & 127) | 128, content.length >> 7]),
    ...content,
  ];
  /** A macaroon as nobody mints it, byte by byte. */
  const made = (caveats: readonly string[]) =>
    Uint8Array.from([
      2,
      ...field(2, new Uint8Array(66)),
      0,
      ...caveats.flatMap((caveat) => [...field(2, fromUtf8(caveat)), 0]),
      0,
      ...field(6, new Uint8Array(32)),
    ]);

  test.each([0, 31, 33, 64])('a signature of %i bytes is refused, and is nobody’s', (length) => {
    const signed = (signature: Uint8Array) => Uint8Array.from([2, ...field(2, new Uint8Array(66)), 0, 0, ...field(6, signature)]);
    const { signature, ...rest } = Macaroon.mint(fromUtf8('key'), new Uint8Array(66), []);
    const other = Uint8Array.from({ length }, (_, i) => signature[i] ?? 0);
    expect(Macaroon.decode(signed(signature)).signature).toEqual(signature);
    expect(() => Macaroon.decode(signed(other))).toThrow(expect.objectContaining({ code: 'MACAROON_MALFORMED' }));
    expect(Macaroon.verify({ ...rest, signature: other }, fromUtf8('key'))).toBe(false);
  });

  test('a place of several bytes a character counts by its bytes', () => {
    const mint = (place: string) => Macaroon.mint(fromUtf8('key'), new Uint8Array(66), [], place);
    expect(Macaroon.encode(mint('€'.repeat(1200))).length).toBeLessThanOrEqual(Macaroon.maxLength);
    expect(() => mint('€'.repeat(1350))).toThrow(RangeError);
  });

  test('what was encoded stays as it is when something else is, however long', () => {
    const one = Macaroon.encode(Macaroon.decode(made(['a=b'])));
    const many = { ...Macaroon.decode(made([])), caveats: Array<string>(5).fill('x'.repeat(4000)) };
    expect(Buffer.from(Macaroon.encode(many)).equals(made(many.caveats))).toBe(true);
    Macaroon.encode(Macaroon.decode(made(['c=d', 'e=f'])));
    expect(Buffer.from(one).equals(made(['a=b']))).toBe(true);
  });

  test('64 caveats are read, 65 are not', () => {
    expect(Macaroon.decode(made(Array(64).fill('a=b'))).caveats.length).toBe(64);
    expect(() => Macaroon.decode(made(Array(65).fill('a=b')))).toThrow(expect.objectContaining({ code: 'MACAROON_MALFORMED' }));
  });

  test('4096 bytes are read, 4097 are not', () => {
    const longest = 'x'.repeat(4096 - made(['']).length - 1);
    expect(made([longest]).length).toBe(4096);
    expect(Macaroon.decode(made([longest])).caveats).toEqual([longest]);
    expect(() => Macaroon.decode(made([`${longest}x`]))).toThrow(expect.objectContaining({ code: 'MACAROON_MALFORMED' }));
  });

  test('a text that is not UTF-8 is refused, wherever it stands', () => {
    const bad = [0x61, 0x3d, 0xff];
    const whole = (location: readonly number[], ...texts: readonly (readonly number[])[]) =>
      Uint8Array.from([
        2,
        ...field(1, Uint8Array.from(location)),
        ...field(2, new Uint8Array(66)),
        0,
        ...texts.flatMap((text) => [...field(2, Uint8Array.from(text)), 0]),
        0,
        ...field(6, new Uint8Array(32)),
      ]);
    const good = [0x61, 0x3d, 0x62];
    expect(Macaroon.decode(whole(good, good, good))).toMatchObject({ location: 'a=b', caveats: ['a=b', 'a=b'] });
    for (const bytes of [whole(bad, good), whole(good, bad), whole(good, bad, good), whole(good, good, bad), whole(good, good, [0xc3], [0xa9])]) {
      expect(() => Macaroon.decode(bytes)).toThrow(expect.objectContaining({ code: 'MACAROON_MALFORMED', message: expect.stringContaining('not UTF-8') }));
    }
  });

  test('what passes the limits can be encoded and verified, and is neither made nor read', () => {
    const key = fromUtf8('key');
    const long = ['é'.repeat(2000), 'x'.repeat(4000)];
    for (const caveats of [long, ['€'.repeat(1350)]]) expect(() => Macaroon.mint(key, new Uint8Array(66), caveats)).toThrow(RangeError);
    const signature = Macaroon.attenuate(Macaroon.mint(key, new Uint8Array(66), []), ['a=b']).signature;
    const made = { location: '', identifier: new Uint8Array(66), caveats: long, signature };
    expect(Macaroon.verify(made, key)).toBe(false);
    expect(Macaroon.encode(made).length).toBe(8000 + 1 + 68 + 1 + 2 * 4 + 1 + 34);
    expect(() => Macaroon.decode(Macaroon.encode(made))).toThrow(expect.objectContaining({ code: 'MACAROON_MALFORMED' }));
    expect(Macaroon.encode({ ...made, caveats: Array(6).fill('€'.repeat(1350)) }).length).toBe(6 * 4050 + 1 + 68 + 1 + 6 * 4 + 1 + 34);
    expect(() => Macaroon.encode({ ...made, caveats: ['x'.repeat(4097)] })).toThrow(RangeError);
  });
});
