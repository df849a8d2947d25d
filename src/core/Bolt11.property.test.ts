import { sha256 } from '@noble/hashes/sha2.js';
import { bech32 } from '@scure/base';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import vectors from '../../test/vectors/bolt11.json' with { type: 'json' };
import { type Msat, maxMsat } from './Amount.ts';
import * as Bolt11 from './Bolt11.ts';
import { FareboxError } from './Errors.ts';
import { glance } from './internal/bolt11Glance.ts';
import { publicKeyOf, signingHash } from './internal/bolt11Signature.ts';
import { tagOf } from './internal/bolt11Tags.ts';
import { readText } from './internal/bolt11Text.ts';
import type { PaymentHash } from './Preimage.ts';

const privateKey = new Uint8Array(32).fill(0x42);
const payee = publicKeyOf(privateKey) as string;
const letters = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const good = vectors.valid.map(({ invoice }) => invoice);

const hex = (minLength: number, maxLength = minLength) =>
  fc.uint8Array({ minLength, maxLength }).map((bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(''));
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

const hop: fc.Arbitrary<Bolt11.RouteHop> = fc.record({
  nodeId: fc.constantFrom(payee, '029e03a901b85534ff1e92c43c74431f7ce72046060fcf7a95c37e148f78c77255'),
  shortChannelId: fc.tuple(fc.nat(0xffffff), fc.nat(0xffffff), fc.nat(0xffff)).map((parts) => parts.join('x')),
  feeBaseMsat: u32.map((fee) => BigInt(fee) as Msat),
  feeProportionalMillionths: u32,
  cltvExpiryDelta: fc.nat(0xffff),
});

const fallback: fc.Arbitrary<Bolt11.Fallback> = fc.oneof(
  fc.record({ kind: fc.constant('pubkey-hash'), hash: hex(20) }),
  fc.record({ kind: fc.constant('script-hash'), hash: hex(20) }),
  fc.record({ kind: fc.constant('witness'), version: fc.constant(0), program: fc.oneof(hex(20), hex(32)) }),
  fc.record({ kind: fc.constant('witness'), version: fc.integer({ min: 1, max: 16 }), program: hex(2, 40) }),
);

/** Odd bits of any kind, and the even ones that are known with what they depend on. */
const features = fc
  .tuple(fc.subarray([8, 14, 16, 24, 48]), fc.uniqueArray(fc.nat(400), { maxLength: 5 }))
  .map(([even, odd]) => [...new Set([14, ...even, ...odd.map((bit) => 2 * bit + 1)])].sort((a, b) => a - b));

const draft: fc.Arbitrary<Bolt11.InvoiceDraft> = fc
  .record({
    chain: fc.constantFrom<Bolt11.Chain>('bitcoin', 'testnet', 'signet', 'regtest'),
    amountMsat: optional(
      fc.oneof(
        fc.bigInt(1n, maxMsat),
        fc.bigInt(1n, 21_000_000n).map((n) => n * 100_000_000n),
      ) as fc.Arbitrary<Msat>,
    ),
    paymentHash: hex(32) as fc.Arbitrary<PaymentHash>,
    paymentSecret: hex(32),
    createdAt: fc.nat(2 ** 31 - 1).map((half) => half * 16),
    expirySeconds: optional(fc.nat()),
    minFinalCltvExpiry: optional(u32),
    features: optional(fc.oneof(features, fc.constant([]))),
    metadata: optional(hex(0, 100)),
    payee: optional(fc.constant(payee)),
    routeHints: fc.array(fc.array(hop, { minLength: 1, maxLength: 4 }), { maxLength: 3 }),
    fallbacks: fc.array(fallback, { maxLength: 3 }),
  })
  .chain((rest) =>
    fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 100 }).map((description) => ({ ...rest, description })),
      hex(32).map((descriptionHash) => ({ ...rest, descriptionHash })),
    ),
  );

it('reads what it writes', () => {
  fc.assert(
    fc.property(draft, (given) => {
      const text = Bolt11.encode(given, privateKey);
      expect(Bolt11.encode(given, privateKey)).toBe(text);
      const invoice = Bolt11.decode(text);
      const expirySeconds = given.expirySeconds ?? 3600;
      expect(invoice).toEqual({
        description: undefined,
        descriptionHash: undefined,
        ...given,
        text,
        payee,
        expirySeconds,
        expiresAt: given.createdAt + expirySeconds,
        minFinalCltvExpiry: given.minFinalCltvExpiry ?? 18,
        features: given.features ?? [8, 14],
        signature: expect.stringMatching(/^[0-9a-f]{128}$/),
        recoveryFlag: expect.any(Number),
      });
      expect({ ...Bolt11.peek(text.toUpperCase()), payee }).toEqual(invoice);
    }),
    { numRuns: 150 },
  );
});

it('refuses any text with its one code, or reads it', () => {
  const anything = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.string({ unit: fc.constantFrom(...letters, '1', 'b', 'L', 'N'), maxLength: 400 }).map((rest) => `lnbc${rest}`),
    fc.tuple(fc.constantFrom(...good), fc.string({ maxLength: 20 }), fc.nat()).map(([text, extra, at]) => splice(text, at % text.length, 0, extra)),
  );
  fc.assert(fc.property(anything, readsOrRefuses), { numRuns: 300 });
});

it('refuses any fields with its one code, or reads them', () => {
  const word = fc.nat(31);
  const field = fc.tuple(
    fc.oneof(word, fc.constantFrom(...Object.values(tagOf))),
    fc.oneof(fc.constantFrom(0, 52, 53, 82), fc.nat(60)),
    fc.infiniteStream(word),
  );
  const data = fc.array(field, { maxLength: 12 }).map((all) => all.flatMap(([tag, length, stream]) => [tag, length >> 5, length & 31, ...stream.take(length)]));
  const invoice = fc
    .tuple(fc.constantFrom('lnbc', 'lnbcrt20u', 'lntb1'), data, fc.array(word, { minLength: 111, maxLength: 111 }), fc.boolean())
    .map(([prefix, tags, rest, complete]) => bech32.encode(prefix, [...rest.slice(0, 7), ...(complete ? required : []), ...tags, ...rest.slice(7)], false));
  fc.assert(fc.property(invoice, readsOrRefuses), { numRuns: 300 });
});

it('refuses a good invoice with one change, whatever it is', () => {
  const change = fc.tuple(
    fc.constantFrom(...good),
    fc.nat(),
    fc.constantFrom(...letters, '1', 'b', 'i', 'o', 'Q', ' ', '\n', '\0', 'é'),
    fc.constantFrom('flip', 'insert', 'delete', 'swap'),
  );
  fc.assert(
    fc.property(change, ([text, position, character, kind]) => {
      const at = position % text.length;
      const changed = {
        flip: splice(text, at, 1, character),
        insert: splice(text, at, 0, character),
        delete: splice(text, at, 1, ''),
        swap: splice(text, at, 2, [...text.slice(at, at + 2)].reverse().join('')),
      }[kind];
      if (changed !== text) expect(outcome(() => Bolt11.decode(changed))).toBe('refused');
    }),
    { numRuns: 300 },
  );
});

it('refuses a good invoice whose checksum was made good again after a change, or names another payee', () => {
  const change = fc.tuple(fc.constantFrom(...good), fc.nat(), fc.integer({ min: 1, max: 31 }));
  fc.assert(
    fc.property(change, ([text, position, difference]) => {
      const before = Bolt11.decode(text);
      const { prefix, words } = bech32.decode(text as `${string}1${string}`, false);
      const at = position % words.length;
      words[at] = (words[at] as number) ^ difference;
      const changed = bech32.encode(prefix, words, false);
      const after = outcome(() => Bolt11.decode(changed));
      if (after !== 'refused') expect(after.payee).not.toBe(before.payee);
    }),
    { numRuns: 200 },
  );
});

it('reads the bech32 that another implementation reads', () => {
  const prefix = fc.constantFrom('lnbc', 'lnbc20m', 'lntbs1', 'lnbcrt');
  const words = fc.array(fc.nat(31), { maxLength: 1200 });
  fc.assert(
    fc.property(prefix, words, (start, data) => {
      const text = bech32.encode(start, data, false);
      expect([...readText(text).words]).toEqual(data);
      expect([...readText(text.toUpperCase()).words]).toEqual(data);
    }),
    { numRuns: 100 },
  );
});

it('signs the words filled up with zero bits to whole bytes', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(31), { maxLength: 100 }), (words) => {
      const bits = words.map((word) => word.toString(2).padStart(5, '0')).join('');
      const bytes = (bits.padEnd(8 * Math.ceil(bits.length / 8), '0').match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2));
      const text = new TextEncoder().encode('lnbc20m');
      expect(signingHash('lnbc20m', Uint8Array.from(words))).toEqual(sha256(Uint8Array.from([...text, ...bytes])));
    }),
    { numRuns: 100 },
  );
});

it('takes milliseconds for the longest invoice, good or bad', () => {
  const hops = Array.from({ length: 12 }, () => ({
    nodeId: payee,
    shortChannelId: '1x2x3',
    feeBaseMsat: 1n as Msat,
    feeProportionalMillionths: 1,
    cltvExpiryDelta: 1,
  }));
  const hash = '00'.repeat(32) as PaymentHash;
  const routeHints = Array.from({ length: 6 }, () => hops);
  const longest = Bolt11.encode({ chain: 'regtest', paymentHash: hash, paymentSecret: hash, createdAt: 0, description: '', routeHints }, privateKey);
  expect(longest.length).toBeGreaterThan(6000);
  const startedAt = performance.now();
  expect(Bolt11.decode(longest).routeHints.flat()).toHaveLength(72);
  for (const megabyte of ['1', 'q', 'lnbc1', '\u0000', 'İ']) readsOrRefuses(longest + megabyte.repeat(1_000_000));
  expect(performance.now() - startedAt).toBeLessThan(2000);
});

/** Fields `s`, `p` and an empty `d`. */
const required = [tagOf.s, 1, 20, ...Array(52).fill(0), tagOf.p, 1, 20, ...Array(52).fill(0), tagOf.d, 0, 0];

function outcome<T>(run: () => T): T | 'refused' {
  try {
    return run();
  } catch (error) {
    if (FareboxError.is(error, 'INVOICE_MALFORMED')) return 'refused';
    throw error;
  }
}

function readsOrRefuses(text: string): void {
  const peeked = outcome(() => Bolt11.peek(text));
  const decoded = outcome(() => Bolt11.decode(text));
  if (peeked === 'refused') expect(decoded).toBe('refused');
  else if (decoded !== 'refused') expect(decoded).toEqual({ ...peeked, payee: decoded.payee });
  const glanced = outcome(() => glance(text));
  if (glanced === 'refused') expect(peeked).toBe('refused');
  else if (peeked !== 'refused') expect(glanced).toEqual({ amountMsat: peeked.amountMsat, paymentHash: peeked.paymentHash });
}

function splice(text: string, at: number, remove: number, insert: string): string {
  return text.slice(0, at) + insert + text.slice(at + remove);
}
