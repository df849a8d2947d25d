import { describe, expect, it } from 'vitest';
import vectors from '../../test/vectors/headers.json' with { type: 'json' };
import * as Credential from './Credential.ts';
import * as Identifier from './Identifier.ts';
import { fromBase64, toBase64, toHex } from './internal/bytes.ts';
import * as Macaroon from './Macaroon.ts';
import * as Preimage from './Preimage.ts';

type CredentialVector = {
  readonly name: string;
  readonly header: string;
  readonly tokens?: readonly string[];
  readonly preimage?: string;
  readonly error?: string;
  readonly none?: boolean;
};

const credentialVectors: readonly CredentialVector[] = vectors.credentials;
const token = vectors.verify[0]?.token ?? '';
const proof = vectors.verify[0]?.preimage ?? '';
const other = 'AQID';
const good = `${token}:${proof}`;

/** Every credential in short: scheme and tokens in base64; a fault as its code. */
function short(...lines: readonly string[]): unknown {
  const { credentials, malformed } = Credential.parseAuthorization(lines);
  for (const { preimage } of credentials) expect(preimage).toBe(proof);
  return [...credentials.map(({ scheme, tokens }) => [scheme, ...tokens.map(toBase64)]), ...(malformed ? [malformed.code] : [])];
}

describe('vectors', () => {
  it.each(credentialVectors.map((vector) => [vector.name, vector] as const))('%s', (_, vector) => {
    const { credentials, malformed } = Credential.parseAuthorization([vector.header]);
    expect(malformed?.code).toBe(vector.error);
    if (vector.tokens === undefined) {
      expect(credentials).toEqual([]);
      return;
    }
    expect(credentials.length).toBeGreaterThan(0);
    for (const credential of credentials) {
      expect(credential.tokens).toEqual(vector.tokens.map((text) => fromBase64(text)));
      expect(credential.preimage).toBe(vector.preimage);
    }
  });

  it.each(vectors.verify.map((vector) => [vector.name, vector] as const))('%s', (_, { token: text, preimage, paymentHashMatches }) => {
    const header = Credential.format({ scheme: 'L402', token: text, preimage: Preimage.parse(preimage) });
    const credential = Credential.parseAuthorization([header]).credentials[0];
    const { paymentHash } = Identifier.decode(Macaroon.decode(credential?.tokens[0] as Uint8Array).identifier);
    expect(Preimage.proves(credential?.preimage as Preimage.Preimage, paymentHash)).toBe(paymentHashMatches);
  });
});

describe('parseAuthorization', () => {
  it('tells nothing at all from something malformed', () => {
    for (const line of [
      '',
      ' ',
      ',',
      'Bearer abc',
      'Basic YTpi, Digest username="x, L402 y:z", realm=a',
      'L4022 a:b',
      'L402a:b',
      'xL402 a:b',
      'l\u017fat a:b',
    ]) {
      expect(short(line)).toEqual([]);
    }
    expect(short()).toEqual([]);
    for (const line of ['L402', 'lsat', 'L402 ', 'L402 x', 'Bearer abc, L402']) expect(short(line)).toEqual(['CREDENTIAL_MALFORMED']);
  });

  it('reads several values, joined or on lines of their own, and skips other schemes', () => {
    const both = [
      ['LSAT', token],
      ['L402', token],
    ];
    expect(short(`LSAT ${good}, L402 ${good}`)).toEqual(both);
    expect(short(`LSAT ${good},L402 ${good}`)).toEqual(both);
    expect(short(`LSAT ${good}`, `L402 ${good}`)).toEqual(both);
    expect(short('Bearer abc', `LSAT ${good}, Digest a="b, c", d=e, L402 ${good} , Basic\tYTpi`)).toEqual(both);
  });

  it('tells commas between tokens from commas between credentials', () => {
    expect(short(`L402 ${other},${token}:${proof}, LSAT ${other} , ${other}:${proof}`)).toEqual([
      ['L402', other, token],
      ['LSAT', other, other],
    ]);
  });

  it('reports a malformed one and still reads the others', () => {
    expect(short(`L402 ${token}`, `L402 ${good}`)).toEqual([['L402', token], 'CREDENTIAL_MALFORMED']);
    expect(short(`L402 ${good}, LSAT !!!:${proof}`)).toEqual([['L402', token], 'CREDENTIAL_MALFORMED']);
  });

  it.each([
    ['two preimages', `${other}:${proof},${other}:${proof}`],
    ['a preimage behind a token in the middle', `${other},${other}:${proof},${other}:${proof}`],
    ['two preimages behind one another', `${good}:${proof}`],
    ['a preimage behind the first token only', `${other}:${proof},${other}`],
    ['an empty token in a list', `${other},=:${proof}`],
    ['white space inside', `${other} ${other}:${proof}`],
    ['padding where none belongs', `AQI:${proof}`.replace('AQI', 'AQID=')],
    ['bits left over', `AR==:${proof}`],
    ['a quote', `"${other}:${proof}"`],
    ['a letter that only folding makes hex', `${other}:${'\uff41'.repeat(64)}`],
  ])('refuses %s', (_, text) => {
    expect(short(`L402 ${text}`)).toEqual(['CREDENTIAL_MALFORMED']);
  });

  it('takes at most 4 tokens, each of at most 4 KB', () => {
    const tokens = (count: number) => `L402 ${Array(count).fill(other).join(',')}:${proof}`;
    expect(short(tokens(4))).toEqual([['L402', other, other, other, other]]);
    expect(short(tokens(5))).toEqual(['CREDENTIAL_MALFORMED']);
    const sized = (length: number) => `L402 ${toBase64(new Uint8Array(length))}:${proof}`;
    expect(short(sized(4096))).toEqual([['L402', toBase64(new Uint8Array(4096))]]);
    for (const length of [4097, 4098, 4099, 40_000]) expect(short(sized(length))).toEqual(['CREDENTIAL_MALFORMED']);
  });

  it('reads at most 8 credentials', () => {
    const many = (count: number) => short(Array(count).fill(`L402 ${good}`).join(', '));
    expect(many(8)).toEqual(Array(8).fill(['L402', token]));
    expect(many(9)).toEqual([...Array(8).fill(['L402', token]), 'CREDENTIAL_MALFORMED']);
    expect(short(...Array(20).fill('Bearer x'), `L402 ${good}`)).toEqual([['L402', token]]);
  });

  it('does not look into more than 64 KB', () => {
    const fill = `Bearer ${'x'.repeat(Credential.maxHeaderLength - good.length - 12)}`;
    expect(short(fill, `L402 ${good}`)).toEqual([['L402', token]]);
    expect(short(`${fill}x`, `L402 ${good}`)).toEqual(['CREDENTIAL_MALFORMED']);
    expect(short(`Bearer ${'x'.repeat(Credential.maxHeaderLength)}`)).toEqual(['CREDENTIAL_MALFORMED']);
    expect(short(`L402 ${'A'.repeat(Credential.maxHeaderLength)}:${proof}`)).toEqual(['CREDENTIAL_MALFORMED']);
  });

  it.each(['A', ',', ' ', 'L402 ', 'L402 a:b,', '"\\', 'a b,', `L402 ${other}:${proof},`])('refuses a megabyte of %j at once', (unit) => {
    const lines = [`L402 ${unit.repeat(1_000_000 / unit.length)}`];
    const nearly = `L402 ${unit.repeat(Math.floor(65_000 / unit.length))}`;
    const from = performance.now();
    expect(Credential.parseAuthorization(lines)).toMatchObject({ credentials: [], malformed: { code: 'CREDENTIAL_MALFORMED' } });
    for (let i = 0; i < 20; i++) Credential.parseAuthorization([nearly]);
    expect(performance.now() - from).toBeLessThan(5000);
  });

  it('keeps secrets out of what it says', () => {
    const { malformed } = Credential.parseAuthorization([`L402 ${token},!:${proof}`]);
    expect(malformed?.message).toBe('The L402 credential cannot be read: a token in it is not base64.');
    expect(malformed?.status).toBe(401);
    expect(malformed?.cause).toBeUndefined();
  });
});

describe('parseHexMacaroon', () => {
  const bytes = fromBase64(token) as Uint8Array;

  it('reads hex in either case, and leaves the preimage to the caveats', () => {
    const expected = { credentials: [{ scheme: 'header', tokens: [bytes], preimage: undefined }], malformed: undefined };
    expect(Credential.parseHexMacaroon(toHex(bytes))).toEqual(expected);
    expect(Credential.parseHexMacaroon(` ${toHex(bytes).toUpperCase()}\t`)).toEqual(expected);
  });

  it('tells nothing from something malformed', () => {
    expect(Credential.parseHexMacaroon(' ')).toEqual({ credentials: [], malformed: undefined });
    for (const value of ['0', 'zz', token, '00'.repeat(4097), '0'.repeat(1_000_000)]) {
      expect(Credential.parseHexMacaroon(value)).toMatchObject({ credentials: [], malformed: { code: 'CREDENTIAL_MALFORMED' } });
    }
    expect(Credential.parseHexMacaroon('00'.repeat(4096)).credentials).toHaveLength(1);
  });
});

describe('format', () => {
  const preimage = Preimage.parse(proof);

  it('sends the token exactly as received', () => {
    expect(Credential.format({ scheme: 'L402', token: 'eyJhIjoxfQ.3q2-7w.c2ln', preimage })).toBe(`L402 eyJhIjoxfQ.3q2-7w.c2ln:${proof}`);
    expect(Credential.format({ scheme: 'LSAT', token, preimage })).toBe(`LSAT ${good}`);
  });

  it('throws for what cannot stand in a header, without saying it', () => {
    for (const bad of ['', 'a b', 'a:b', 'a,b', 'a"', 'a\r\nX: y', 'a\n'])
      expect(() => Credential.format({ scheme: 'L402', token: bad, preimage })).toThrow(TypeError);
    for (const bad of ['', 'ab', proof.toUpperCase(), `${proof}\n`]) {
      expect(() => Credential.format({ scheme: 'L402', token, preimage: bad as Preimage.Preimage })).toThrow('preimage is 64 lower-case hex digits');
    }
    expect(() => Credential.format({ scheme: 'X\r\n' as 'L402', token, preimage })).toThrow(TypeError);
  });
});
