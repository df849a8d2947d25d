import { readFileSync } from 'node:fs';
import { schnorr } from '@noble/curves/secp256k1.js';
import { expect, test } from 'vitest';
import { fromHex, toHex } from '../../core/internal/bytes.ts';
import { type Event, isGenuine, isPublicKey, publicKeyOf, read, sign, tagOf } from './Event.ts';

type Signature = { readonly publicKey: string; readonly message: string; readonly signature: string; readonly isValid: boolean } & Partial<
  Readonly<Record<'secret' | 'auxRand' | 'comment', string>>
>;

const vectors = JSON.parse(readFileSync(new URL('../../../test/vectors/nostr.json', import.meta.url), 'utf8')) as {
  readonly signatures: readonly Signature[];
  readonly event: Event;
};
const hex = (text: string) => fromHex(text) as Uint8Array;
const secret = hex('22'.repeat(32));
const draft = { created_at: 1_800_000_000, kind: 23194, tags: [['p', 'x']], content: 'Grüße ☂ "\\\n' };

test.each(vectors.signatures)('a signature of BIP-340, row $index', ({ secret: key, auxRand, publicKey, message, signature, isValid }) => {
  const verify = () => schnorr.verify(hex(signature), hex(message), hex(publicKey));
  if (isValid) expect(verify()).toBe(true);
  else expect(!isPublicKey(publicKey) || !verify()).toBe(true);
  if (key === undefined || auxRand === undefined) return;
  expect(publicKeyOf(hex(key))).toBe(publicKey);
  expect(toHex(schnorr.sign(hex(message), hex(key), hex(auxRand)))).toBe(signature);
});

test('an event that another implementation signed is genuine, and no change of it is', () => {
  const event = read(vectors.event) as Event;
  expect(isGenuine(event)).toBe(true);
  expect(tagOf(event, 'p')).toMatch(/^13adc511/);
  const flipped = (text: string) => `${text[0] === 'a' ? 'b' : 'a'}${text.slice(1)}`;
  const changes: Partial<Event>[] = [
    { content: `${event.content} ` },
    { kind: 5 },
    { created_at: event.created_at + 1 },
    { tags: [] },
    { pubkey: publicKeyOf(secret) },
    { id: flipped(event.id) },
    { sig: flipped(event.sig) },
  ];
  for (const change of changes) expect(isGenuine({ ...event, ...change }), JSON.stringify(change)).toBe(false);
  // An id that fits, and a signature by nobody.
  expect(isGenuine({ ...sign(draft, secret, new Uint8Array(32)), sig: event.sig })).toBe(false);
});

test('what is signed is genuine, on the wire and back', () => {
  const event = sign(draft, secret, new Uint8Array(32).fill(1));
  expect(read(JSON.parse(JSON.stringify(event)))).toEqual(event);
  expect(isGenuine(event)).toBe(true);
});

test('what has not the shape of an event is none', () => {
  const good = sign(draft, secret, new Uint8Array(32));
  const bad: unknown[] = [undefined, null, 1, 'x', [], {}, { ...good, id: good.id.toUpperCase() }, { ...good, id: good.id.slice(1) }];
  bad.push({ ...good, sig: `${good.sig}00` }, { ...good, kind: -1 }, { ...good, kind: 65_536 }, { ...good, created_at: 1.5 }, { ...good, created_at: '1' });
  bad.push({ ...good, tags: {} }, { ...good, tags: [['p', 1]] }, { ...good, tags: ['p'] }, { ...good, content: null }, { ...good, pubkey: 'g'.repeat(64) });
  for (const value of bad) expect(read(value), JSON.stringify(value)).toBeUndefined();
});

test('a key that is none is not read as one', () => {
  expect(isPublicKey(publicKeyOf(secret))).toBe(true);
  for (const key of ['', 'f'.repeat(64), '0'.repeat(64), publicKeyOf(secret).toUpperCase(), `${publicKeyOf(secret)}0`]) expect(isPublicKey(key)).toBe(false);
});
