import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bech32, bech32m } from '@scure/base';
import { describe, expect, it } from 'vitest';
import vectors from '../../test/vectors/bolt11.json' with { type: 'json' };
import { fromMsat } from './Amount.ts';
import * as Bolt11 from './Bolt11.ts';
import { FareboxError } from './Errors.ts';
import { glance } from './internal/bolt11Glance.ts';
import { sign, signingHash } from './internal/bolt11Signature.ts';
import { tagOf } from './internal/bolt11Tags.ts';
import { readText } from './internal/bolt11Text.ts';
import { toWords } from './internal/bolt11Words.ts';
import { fromHex, fromUtf8 } from './internal/bytes.ts';
import type { PaymentHash } from './Preimage.ts';

/** The key that signed every example of BOLT 11. */
const privateKey = bytes('e126f68f7eafcc8b74f54d269fe206be715000f94dac067d1c04a8ca3b2db734');
const payee = '03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad';
const paymentHash = '0001020304050607080900010203040506070809000102030405060708090102' as PaymentHash;
const paymentSecret = '11'.repeat(32);
const createdAt = 1496314658;
const draft = { chain: 'bitcoin', paymentHash, paymentSecret, createdAt, description: '1 cup coffee' } as const satisfies Bolt11.InvoiceDraft;
const chainOf = { lnbc: 'bitcoin', lntb: 'testnet' } as const;

const listed = {
  P2PKH: { kind: 'pubkey-hash', hash: '04b61f7dc1ea0dc99424464cc4064dc564d91e89' },
  P2SH: { kind: 'script-hash', hash: '8f55563b9a19f321c211e9b9f38cdf686ea07845' },
  P2WPKH: { kind: 'witness', version: 0, program: '751e76e8199196d454941c45d1b3a323f1433bd6' },
} as const;
const hops = [
  {
    nodeId: '029e03a901b85534ff1e92c43c74431f7ce72046060fcf7a95c37e148f78c77255',
    shortChannelId: '66051x263430x1800',
    feeBaseMsat: fromMsat(1n),
    feeProportionalMillionths: 20,
    cltvExpiryDelta: 3,
  },
  {
    nodeId: '039e03a901b85534ff1e92c43c74431f7ce72046060fcf7a95c37e148f78c77255',
    shortChannelId: '197637x395016x2314',
    feeBaseMsat: fromMsat(2n),
    feeProportionalMillionths: 30,
    cltvExpiryDelta: 4,
  },
] as const;

describe('the examples of BOLT 11', () => {
  it.each(vectors.valid)('$title', (vector) => {
    const invoice = Bolt11.decode(vector.invoice);
    expect(invoice.text).toBe(vector.invoice.toLowerCase());
    expect(invoice.chain).toBe(chainOf[vector.prefix as 'lnbc' | 'lntb']);
    expect(invoice.amountMsat).toBe(vector.amountMsat === null ? undefined : BigInt(vector.amountMsat));
    expect(invoice.createdAt).toBe(vector.timestamp);
    expect(invoice.expirySeconds).toBe(vector.expirySeconds ?? 3600);
    expect(invoice.expiresAt).toBe(vector.timestamp + (vector.expirySeconds ?? 3600));
    expect(invoice.payee).toBe(vector.payee);
    for (const name of ['paymentHash', 'paymentSecret', 'description', 'descriptionHash', 'signature', 'recoveryFlag'] as const) {
      if (vector[name] !== undefined) expect(invoice[name], name).toBe(vector[name]);
    }
    expect(invoice).toEqual({ ...Bolt11.peek(vector.invoice), payee: vector.payee });
    expect(glance(vector.invoice)).toEqual({ amountMsat: invoice.amountMsat, paymentHash: invoice.paymentHash });
    if (vector.signingHash !== undefined) {
      const { prefix, words } = readText(vector.invoice);
      expect(signingHash(prefix, words.subarray(0, -104))).toEqual(bytes(vector.signingHash));
    }
  });

  it.each(vectors.invalid)('refuses: $title', ({ invoice }) => {
    expect(reason(() => Bolt11.decode(invoice))).toBeTruthy();
  });

  it('names the feature that is required and not known', () => {
    const error = thrown(() => Bolt11.peek(vectors.invalid[0]?.invoice ?? ''));
    expect((error as FareboxError).details).toEqual({ featureBit: 100 });
  });

  it('reads route hints, fallbacks, features, metadata and the last CLTV expiry', () => {
    const [, , , , testnet, routed, scriptHash, witness, longWitness, taproot, store, beans, , ignored, metadata] = vectors.valid.map(({ invoice }) =>
      Bolt11.decode(invoice),
    );
    expect(testnet?.fallbacks).toEqual([{ kind: 'pubkey-hash', hash: '3172b5654f6683c8fb146959d347ce303cae4ca7' }]);
    expect(routed?.routeHints).toEqual([hops]);
    expect(routed?.fallbacks).toEqual([listed.P2PKH]);
    expect(scriptHash?.fallbacks).toEqual([listed.P2SH]);
    expect(witness?.fallbacks).toEqual([listed.P2WPKH]);
    expect(longWitness?.fallbacks).toMatchObject([{ version: 0, program: expect.stringMatching(/^[0-9a-f]{64}$/) }]);
    expect(taproot?.fallbacks).toMatchObject([{ version: 1, program: expect.stringMatching(/^[0-9a-f]{64}$/) }]);
    expect(store?.minFinalCltvExpiry).toBe(10);
    expect(store?.routeHints).toEqual([
      [
        {
          nodeId: '03d06758583bb5154774a6eb221b1276c9e82d65bbaceca806d90e20c108f4b1c7',
          shortChannelId: '589390x3312x1',
          feeBaseMsat: 1000n,
          feeProportionalMillionths: 2500,
          cltvExpiryDelta: 40,
        },
      ],
    ]);
    expect(routed?.minFinalCltvExpiry).toBe(18);
    expect(beans?.features).toEqual([8, 14, 99]);
    expect(ignored?.fallbacks).toEqual([]);
    expect(metadata?.metadata).toBe('01fafaf0');
    expect(metadata?.features).toEqual([8, 14, 48]);
  });
});

describe('decode', () => {
  const coffee = Bolt11.encode({ ...draft, amountMsat: fromMsat(250_000_000n) }, privateKey);

  it('reads upper case as lower case', () => {
    expect(Bolt11.decode(coffee.toUpperCase())).toEqual(Bolt11.decode(coffee));
  });

  it.each([
    ['nothing', '', 'not bech32'],
    ['no separator', 'lnbcpvjluez', 'not bech32'],
    ['no checksum', 'lnbc1pvjl', 'not bech32'],
    ['no human-readable part', coffee.slice(coffee.lastIndexOf('1')), 'not bech32'],
    ['a URI', `lightning:${coffee}`, 'checksum'],
    ['a space behind', `${coffee} `, 'not bech32'],
    ['a line end in front', `\n${coffee}`, 'checksum'],
    ['a letter in the other case', `${coffee.slice(0, -1)}${coffee.slice(-1).toUpperCase()}`, 'mixes'],
    ['a prefix in the other case', coffee.replace('lnbc', 'LNBC'), 'mixes'],
    ['a letter that lower case makes ASCII', coffee.toUpperCase().replace('K', '\u212a'), 'not bech32'],
    ['another checksum constant (bech32m)', bech32mOf(coffee), 'checksum'],
    ['one word too few for a timestamp and a signature', bech32.encode('lnbc', words(110), false), 'too short'],
    ['hardly a word', bech32.encode('lnbc', words(1), false), 'too short'],
    ['a timestamp and a signature alone', bech32.encode('lnbc', words(111), false), 'no payment hash'],
    ['a megabyte', coffee + 'q'.repeat(1_000_000), 'more than 7089'],
    ['a megabyte in front', `lnbc${'1'.repeat(1_000_000)}${coffee}`, 'more than 7089'],
  ])('refuses %s', (_, text, why) => {
    expect(reason(() => Bolt11.decode(text))).toContain(why);
    expect(reason(() => Bolt11.peek(text))).toContain(why);
  });

  it('refuses every other character in every place', () => {
    const characters = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l1bio';
    for (let at = 0; at < coffee.length; at++) {
      for (const character of characters) {
        if (character === coffee[at]) continue;
        const text = coffee.slice(0, at) + character + coffee.slice(at + 1);
        expect([reason(() => Bolt11.peek(text)), reason(() => glance(text))]).toEqual([expect.any(String), expect.any(String)]);
      }
    }
  });

  it.each([
    ['lnbc', 'bitcoin'],
    ['lntb', 'testnet'],
    ['lntbs', 'signet'],
    ['lnbcrt', 'regtest'],
    ['lntbs20m', 'signet'],
    ['lnbcrt20m', 'regtest'],
  ])('knows %s', (prefix, chain) => {
    expect(Bolt11.decode(forge(fields(), { prefix })).chain).toBe(chain);
  });

  it.each(['lnsb', 'ln', 'lnb', 'bc', 'lnbcr', 'lnbcrts', 'lntbst', 'lnlnbc', 'lno', 'constructor', '__proto__', 'lnbcm'])(
    'refuses the prefix %s',
    (prefix) => {
      expect(reason(() => Bolt11.decode(forge(fields(), { prefix })))).toMatch(/network/);
    },
  );

  it.each([
    ['1', 100_000_000_000n],
    ['2', 200_000_000_000n],
    ['21000000', 2_100_000_000_000_000_000n],
    ['1m', 100_000_000n],
    ['2500u', 250_000_000n],
    ['1n', 100n],
    ['10p', 1n],
    ['9678785340p', 967_878_534n],
    ['25000000000p', 2_500_000_000n],
    ['21000000000000000000p', 2_100_000_000_000_000_000n],
    ['1000u', 100_000_000n],
  ])('reads the amount %s', (amount, amountMsat) => {
    expect(Bolt11.decode(forge(fields(), { prefix: `lnbc${amount}` })).amountMsat).toBe(amountMsat);
  });

  it.each([
    ['0', 'begins with 0'],
    ['0m', 'begins with 0'],
    ['00', 'begins with 0'],
    ['01', 'begins with 0'],
    ['010p', 'begins with 0'],
    ['1p', 'finer'],
    ['15p', 'finer'],
    ['21000001', 'more than all'],
    ['21000000001m', 'more than all'],
    ['21000000000000000010p', 'more than all'],
    ['99999999999999999999', 'more than all'],
    [`${'9'.repeat(2000)}`, 'more than all'],
    ['1mm', 'multiplier'],
    ['1k', 'multiplier'],
    ['1m1', 'multiplier'],
    ['-1', 'network'],
    ['1.5m', 'multiplier'],
    ['1e3', 'multiplier'],
  ])('refuses the amount %s', (amount, why) => {
    expect(reason(() => Bolt11.decode(forge(fields(), { prefix: `lnbc${amount}` })))).toContain(why);
  });

  it.each([
    ['no payment hash', fields({ p: [] }), 'no payment hash'],
    ['a payment hash of another length alone', fields({ p: [tag('p', words(51))] }), 'no payment hash'],
    ['two payment hashes', fields({ p: [hash('p', '22'), hash('p', '33')] }), '"p" stands twice'],
    ['one payment hash twice', fields({ p: [hash('p', '22'), hash('p', '22')] }), '"p" stands twice'],
    ['no payment secret', fields({ s: [] }), 'no payment secret'],
    ['two payment secrets', fields({ s: [hash('s', '22'), hash('s', '33')] }), '"s" stands twice'],
    ['no description', fields({ d: [] }), 'no description'],
    ['a description hash of another length alone', fields({ d: [tag('h', words(53))] }), 'no description'],
    ['two descriptions', fields({ d: [text('a'), text('b')] }), '"d" stands twice'],
    ['a description and its hash', fields({ d: [text('a'), hash('h', '22')] }), 'two descriptions'],
    ['a description that is not UTF-8', fields({ d: [tag('d', toWords(Uint8Array.of(0xff, 0xfe)))] }), 'UTF-8'],
    ['half a surrogate pair', fields({ d: [tag('d', toWords(Uint8Array.of(0xed, 0xa0, 0x80)))] }), 'UTF-8'],
    ['padding that is not zero in a hash', fields({ p: [tag('p', [...words(51), 1])] }), 'padded'],
    ['padding that is not zero in a text', fields({ d: [tag('d', [12, 5])] }), 'padded'],
    ['padding of a whole word', fields({ d: [tag('d', [12, 4, 0])] }), 'padded'],
    ['a text of one word', fields({ d: [tag('d', [0])] }), 'padded'],
    ['two expiries', fields({ more: [tag('x', [1]), tag('x', [2])] }), '"x" stands twice'],
    ['an expiry with a zero in front', fields({ more: [tag('x', [0, 1])] }), '"x" begins with a zero'],
    ['an expiry without end', fields({ more: [tag('x', words(1023, 31))] }), 'expiry is too large'],
    ['an expiry past every whole number', fields({ more: [tag('x', [7, ...words(10, 31)])] }), 'expiry is too large'],
    ['an expiry past every date', fields({ more: [tag('x', [8, ...words(8)])] }), 'expiry is too large'],
    ['two CLTV expiries', fields({ more: [tag('c', [1]), tag('c', [2])] }), '"c" stands twice'],
    ['a CLTV expiry with a zero in front', fields({ more: [tag('c', [0, 1])] }), '"c" begins with a zero'],
    ['a CLTV expiry past every block', fields({ more: [tag('c', [4, 0, 0, 0, 0, 0, 0])] }), 'CLTV expiry is too large'],
    ['features twice', fields({ more: [tag('features', [2]), tag('features', [2])] }), '"9" stands twice'],
    ['features with a zero in front', fields({ more: [tag('features', [0, 2])] }), '"9" begins with a zero'],
    ['a required feature that is not known', fields({ more: [tag('features', [1, 0, 0])] }), 'feature bit 10 is required'],
    ['basic_mpp without payment_secret', fields({ more: [tag('features', [4, 0, 0, 0])] }), 'depends on'],
    ['metadata twice', fields({ more: [tag('m', toWords(Uint8Array.of(1))), tag('m', toWords(Uint8Array.of(1)))] }), '"m" stands twice'],
    ['an empty fallback', fields({ more: [tag('f', [])] }), 'empty'],
    ['a fallback of 19 bytes', fields({ more: [tag('f', [17, ...toWords(new Uint8Array(19))])] }), '19 bytes'],
    ['a script hash of 32 bytes', fields({ more: [tag('f', [18, ...toWords(new Uint8Array(32))])] }), '32 bytes'],
    ['a witness program of version 0 and 21 bytes', fields({ more: [tag('f', [0, ...toWords(new Uint8Array(21))])] }), '21 bytes'],
    ['a witness program of 41 bytes', fields({ more: [tag('f', [16, ...toWords(new Uint8Array(41))])] }), '41 bytes'],
    ['an empty route hint', fields({ more: [tag('r', [])] }), 'whole hops'],
    ['half a hop', fields({ more: [tag('r', toWords(new Uint8Array(50)))] }), 'whole hops'],
    ['a hop from a key that is none', fields({ more: [tag('r', toWords(new Uint8Array(51)))] }), '02 or 03'],
    ['a payee that is no key', fields({ more: [tag('n', words(53))] }), '02 or 03'],
    ['two payees', fields({ more: [tag('n', toWords(bytes(payee))), tag('n', toWords(bytes(payee)))] }), '"n" stands twice'],
    ['a field that ends behind the end', [...fields(), [tagOf.m, 0, 1]], 'cut off'],
    ['a field without its length', [...fields(), [tagOf.m, 0]], 'cut off'],
    ['a type alone', [...fields(), [tagOf.m]], 'cut off'],
  ])('refuses %s', (_, tags, why) => {
    const invoice = forge(tags);
    expect(reason(() => Bolt11.decode(invoice))).toContain(why);
    expect(reason(() => Bolt11.peek(invoice))).toContain(why);
  });

  it('at a glance sees the amount and the one payment hash, and none of what else is wrong', () => {
    const noSecret = forge(fields({ s: [] }));
    expect(glance(noSecret).paymentHash).toBe(paymentHash);
    expect(reason(() => Bolt11.peek(noSecret))).toContain('payment secret');
    const p = tag('p', toWords(bytes(paymentHash)));
    expect(reason(() => glance(forge(fields({ p: [p, p] }))))).toContain('"p" stands twice');
    expect(reason(() => glance(forge(fields({ p: [] }))))).toContain('no payment hash');
    expect(reason(() => glance(forge([...fields(), [tagOf.m, 0, 1]])))).toContain('cut off');
  });

  it('skips what it does not know, and fields of another length', () => {
    const known = Bolt11.decode(forge(fields()));
    const ignored = [
      tag('p', words(53)),
      tag('s', []),
      tag('h', words(1023, 31)),
      tag('n', words(52)),
      tag('f', [19, 1]),
      tag('f', [31]),
      [2, 0, 3, 31, 31, 31],
      [0, 0, 0],
    ];
    const { text: _, signature: __, recoveryFlag: ___, ...invoice } = Bolt11.decode(forge([...ignored, ...fields(), ...ignored]));
    expect(known).toMatchObject(invoice);
  });

  it('takes the defaults where the invoice is silent, and zero where it says so', () => {
    expect(Bolt11.decode(forge(fields()))).toMatchObject({
      expirySeconds: 3600,
      minFinalCltvExpiry: 18,
      features: [],
      amountMsat: undefined,
      metadata: undefined,
    });
    const zero = Bolt11.decode(forge(fields({ d: [text('')], more: [tag('x', []), tag('c', []), tag('features', []), tag('m', [])] })));
    expect(zero).toMatchObject({ description: '', expirySeconds: 0, expiresAt: createdAt, minFinalCltvExpiry: 0, features: [], metadata: '' });
  });

  it('keeps a byte order mark and everything else that a description holds', () => {
    const description = '\ufeff\0<script>"\n\u202e😀é';
    expect(Bolt11.decode(forge(fields({ d: [text(description)] }))).description).toBe(description);
  });

  it('refuses a route hint over a node that is not on the curve; peek does not look', () => {
    const invoice = forge(fields({ more: [tag('r', toWords(bytes(`02${'ff'.repeat(50)}`)))] }));
    expect(reason(() => Bolt11.decode(invoice))).toContain('point of the curve');
    expect(Bolt11.peek(invoice).routeHints).toHaveLength(1);
  });
});

describe('the signature', () => {
  const named = fields({ more: [tag('n', toWords(bytes(payee)))] });
  const stranger = new Uint8Array(32).fill(7);

  it('names the payee that field n names', () => {
    expect(Bolt11.decode(forge(named)).payee).toBe(payee);
  });

  it('is refused when another key made it than field n names; peek does not look', () => {
    const invoice = forge(named, { key: stranger });
    expect(reason(() => Bolt11.decode(invoice))).toContain('not by that payee');
    expect(Bolt11.peek(invoice).paymentHash).toBe(paymentHash);
  });

  it('may have a high S where the payee is recovered, never where field n names it', () => {
    expect(Bolt11.decode(forge(fields(), { sign: highS })).payee).toBe(payee);
    expect(reason(() => Bolt11.decode(forge(named, { sign: highS })))).toContain('not by that payee');
  });

  it.each([
    ['a recovery flag of 4', (signature: Uint8Array) => signature.with(64, 4), 'recovery flag'],
    ['a recovery flag of 255', (signature: Uint8Array) => signature.with(64, 255), 'recovery flag'],
    ['a recovery flag of 2, which needs a tiny r', (signature: Uint8Array) => signature.with(64, 2), 'no key'],
    ['r = 0', (signature: Uint8Array) => signature.fill(0, 0, 32), 'no key'],
    ['s = 0', (signature: Uint8Array) => signature.fill(0, 32, 64), 'no key'],
    ['r and s past the order', (signature: Uint8Array) => signature.fill(255, 0, 64), 'no key'],
  ])('is refused with %s', (_, change, why) => {
    expect(reason(() => Bolt11.decode(forge(fields(), { sign: (hash, key) => change(sign(hash, key)) })))).toContain(why);
  });

  it('covers the human-readable part and every field', () => {
    const { words: signed } = bech32.decode(forge(fields()), false);
    const dearer = bech32.encode('lnbc1', signed, false);
    expect(Bolt11.decode(dearer).payee).not.toBe(payee);
  });
});

describe('isExpired', () => {
  it('holds from the second of expiry on', () => {
    const invoice = Bolt11.decode(Bolt11.encode({ ...draft, expirySeconds: 60 }, privateKey));
    expect(Bolt11.isExpired(invoice, createdAt)).toBe(false);
    expect(Bolt11.isExpired(invoice, createdAt + 59)).toBe(false);
    expect(Bolt11.isExpired(invoice, createdAt + 60)).toBe(true);
  });
});

it('takes nothing but text', () => {
  expect(() => Bolt11.decode(undefined as unknown as string)).toThrow(TypeError);
  expect(() => Bolt11.peek(7 as unknown as string)).toThrow(TypeError);
});

type Part = 'p' | 's' | 'd' | 'more';

/** The fields of a good invoice; a part that is given replaces the usual one. */
function fields(parts: Partial<Record<Part, number[][]>> = {}): number[][] {
  const { p = [tag('p', toWords(bytes(paymentHash)))], s = [hash('s', '11')], d = [text('1 cup coffee')], more = [] } = parts;
  return [...p, ...s, ...d, ...more];
}

/** An invoice of whatever fields, with a good checksum and, unless told otherwise, a good signature. */
function forge(tags: readonly (readonly number[])[], options: { prefix?: string; key?: Uint8Array; sign?: typeof sign } = {}): string {
  const { prefix = 'lnbc', key = privateKey } = options;
  const timestamp = Array.from({ length: 7 }, (_, i) => Math.floor(createdAt / 32 ** (6 - i)) % 32);
  const signed = [...timestamp, ...tags.flat()];
  const signature = (options.sign ?? sign)(signingHash(prefix, Uint8Array.from(signed)), key);
  return bech32.encode(prefix, [...signed, ...toWords(signature)], false);
}

function tag(letter: keyof typeof tagOf, data: readonly number[]): number[] {
  return [tagOf[letter], data.length >> 5, data.length & 31, ...data];
}

function hash(letter: 'p' | 's' | 'h', byte: string): number[] {
  return tag(letter, toWords(bytes(byte.repeat(32))));
}

function text(description: string): number[] {
  return tag('d', toWords(fromUtf8(description)));
}

function words(length: number, value = 0): number[] {
  return Array<number>(length).fill(value);
}

function bytes(hex: string): Uint8Array {
  return fromHex(hex) as Uint8Array;
}

/** The same signature with s and the parity of R turned over. */
function highS(digest: Uint8Array, key: Uint8Array): Uint8Array {
  const signature = sign(digest, key);
  const order = secp256k1.Point.CURVE().n;
  const s = order - BigInt(`0x${Array.from(signature.subarray(32, 64), (byte) => byte.toString(16).padStart(2, '0')).join('')}`);
  signature.set(bytes(s.toString(16).padStart(64, '0')), 32);
  signature[64] = (signature[64] as number) ^ 1;
  return signature;
}

function bech32mOf(invoice: string): string {
  const { prefix, words: data } = bech32.decode(invoice as `${string}1${string}`, false);
  return bech32m.encode(prefix, data, false);
}

function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** Why it was refused; fails where it was not, or not with the one code. */
function reason(run: () => unknown): string {
  const error = thrown(run);
  expect(FareboxError.is(error, 'INVOICE_MALFORMED'), String(error)).toBe(true);
  return (error as FareboxError).message;
}
