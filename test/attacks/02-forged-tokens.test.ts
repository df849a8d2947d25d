/**
 * A token made without the root key; one with a corrupted signature, identifier, caveat or length; a token of a megabyte.
 */
import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import * as Identifier from '../../src/core/Identifier.ts';
import { concat, fromUtf8, toBase64, toBase64Url, toHex } from '../../src/core/internal/bytes.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import * as Preimage from '../../src/core/Preimage.ts';
import { fingerprintOf } from '../../src/server/RootKeys.ts';
import { type Bought, masterKey, type Shop } from '../conformance/shop/shop.ts';
import { askRaw, auth, changed, codeOf, enter, expectRefused, expectServed, path, standing, wires } from './thief.ts';

const keyless: readonly (readonly [string, Uint8Array])[] = [
  ['zeros', new Uint8Array(32)],
  ['nothing', new Uint8Array(0)],
  ['the label of the chain', fromUtf8('macaroons-key-generator')],
  ['the fingerprint, which is public', fromUtf8(fingerprintOf(masterKey))],
  ['another master', new Uint8Array(32).fill(8)],
];

const send = (bought: Pick<Bought, 'preimage'>, token: string) => `L402 ${token}:${bought.preimage}`;

/** Where each part of a token begins and ends, in its bytes. */
function partsOf(
  bytes: Uint8Array,
): readonly { readonly name: 'version' | 'location' | 'tag' | 'length' | 'identifier' | 'caveat' | 'end' | 'signature'; readonly at: number }[] {
  const parts: ReturnType<typeof partsOf>[number][] = [{ name: 'version', at: 0 }];
  let caveats = false;
  for (let at = 1; at < bytes.length; ) {
    const tag = bytes[at] as number;
    parts.push({ name: tag === 0 ? 'end' : 'tag', at });
    if (tag === 0) {
      caveats = true;
      at += 1;
      continue;
    }
    const long = (bytes[at + 1] as number) >= 0x80;
    const length = long ? ((bytes[at + 1] as number) & 0x7f) | ((bytes[at + 2] as number) << 7) : (bytes[at + 1] as number);
    const start = at + (long ? 3 : 2);
    for (let i = at + 1; i < start; i++) parts.push({ name: 'length', at: i });
    const name = tag === 1 ? 'location' : tag === 6 ? 'signature' : caveats ? 'caveat' : 'identifier';
    for (let i = start; i < start + length; i++) parts.push({ name, at: i });
    at = start + length;
  }
  return parts;
}

describe.each(wires)('%s', (name) => {
  test.each(keyless)('made under %s: nothing', async (_, key) => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const { identifier, caveats } = bought.macaroon;
    const got = await expectRefused(shop, () => shop.get(path, auth(send(bought, Macaroon.format(Macaroon.mint(key, identifier, caveats))))), {
      status: 401,
      code: 'CREDENTIAL_TAMPERED',
    });
    expect(got.body).not.toContain(bought.preimage);
  });

  test('made from scratch over a payment of one’s own, under every key that can be guessed: nothing', async () => {
    const shop = await enter(name);
    const { caveats } = (await shop.buy(path)).macaroon;
    const preimage = Preimage.parse('11'.repeat(32));
    for (const fingerprint of [fingerprintOf(masterKey), '00000000', 'ffffffff']) {
      const identifier = Identifier.encode(Identifier.create(Preimage.hash(preimage), fingerprint, 1_800_000_000, new Uint8Array(24)));
      for (const [what, key] of keyless) {
        const expected =
          fingerprint === fingerprintOf(masterKey)
            ? ({ status: 401, code: 'CREDENTIAL_TAMPERED' } as const)
            : ({ status: 402, code: 'CREDENTIAL_UNKNOWN_KEY' } as const);
        const token = Macaroon.format(Macaroon.mint(key, identifier, caveats));
        await expectRefused(shop, () => shop.get(path, auth(`L402 ${token}:${preimage}`)), expected, `${what}, ${fingerprint}`);
      }
    }
  });

  test('one bit changed, wherever in the token: refused, but for its location, which says nothing', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const bytes = Macaroon.encode(bought.macaroon);
    const before = await standing(shop);
    const answers = await Promise.all(
      partsOf(bytes).map(async ({ name: part, at }) => {
        const flipped = Uint8Array.from(bytes);
        flipped[at] = (flipped[at] as number) ^ (1 << (at % 8));
        if (part === 'location') return undefined;
        const got = await shop.get(path, auth(send(bought, toBase64(flipped))));
        // The fingerprint names the key: with another one the token is somebody else's.
        return [401, 402].includes(got.status) && (got.status === 401 || codeOf(got) === 'CREDENTIAL_UNKNOWN_KEY') ? undefined : `${part} ${at}: ${got.status}`;
      }),
    );
    expect(answers.filter((one) => one !== undefined)).toEqual([]);
    const after = await standing(shop);
    expect([after.forwarded, after.charged, after.asked]).toEqual([before.forwarded, before.charged, before.asked]);
    await expectServed(shop, () => shop.get(path, auth(bought.authorization)));
  });

  test.each<readonly [string, (bytes: Uint8Array, bought: Bought) => Uint8Array]>([
    ['cut by a byte', (bytes) => bytes.subarray(0, -1)],
    ['cut behind its caveats', (bytes) => bytes.subarray(0, -35)],
    ['cut to half', (bytes) => bytes.subarray(0, bytes.length / 2)],
    ['a byte behind its end', (bytes) => concat(bytes, Uint8Array.of(0))],
    ['a second signature behind its end', (bytes) => concat(bytes, bytes.subarray(-34))],
    ['itself behind its end', (bytes) => concat(bytes, bytes)],
    ['of version 1', (bytes) => concat(Uint8Array.of(1), bytes.subarray(1))],
    [
      'as JSON',
      (_, { macaroon }) => fromUtf8(JSON.stringify({ v: 2, l: 'lsat', i64: toBase64Url(macaroon.identifier), c: [], s64: toBase64Url(macaroon.signature) })),
    ],
    ['a length written with a byte too many', (bytes) => concat(bytes.subarray(0, -33), Uint8Array.of(0xa0, 0), bytes.subarray(-32))],
    ['a length without end', (bytes) => concat(bytes.subarray(0, -33), Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f), bytes.subarray(-32))],
    ['a signature of 31 bytes', (bytes) => concat(bytes.subarray(0, -33), Uint8Array.of(31), bytes.subarray(-31))],
    ['a third-party caveat', (bytes) => concat(bytes.subarray(0, -35), Uint8Array.of(2, 1, 0x61, 4, 1, 0x61, 0, 0), bytes.subarray(-34))],
    ['a caveat that is no text', (bytes) => concat(bytes.subarray(0, -35), Uint8Array.of(2, 2, 0xff, 0xfe, 0, 0), bytes.subarray(-34))],
    ['an identifier a byte longer', (_, { macaroon }) => Macaroon.encode({ ...macaroon, identifier: concat(macaroon.identifier, Uint8Array.of(0)) })],
    [
      'an identifier of another version',
      (_, { macaroon }) => Macaroon.encode({ ...macaroon, identifier: concat(Uint8Array.of(0, 1), macaroon.identifier.subarray(2)) }),
    ],
    [
      'its caveats in another order',
      (_, { macaroon }) => Macaroon.encode({ ...macaroon, caveats: [...macaroon.caveats.slice(0, 1), ...macaroon.caveats.slice(1).reverse()] }),
    ],
    ['its last caveat gone', (_, { macaroon }) => Macaroon.encode({ ...macaroon, caveats: macaroon.caveats.slice(0, -1) })],
    ['no caveat at all', (_, { macaroon }) => Macaroon.encode({ ...macaroon, caveats: [] })],
    ['a caveat more, the signature as it was', (_, { macaroon }) => Macaroon.encode({ ...macaroon, caveats: [...macaroon.caveats, 'a=b'] })],
  ])('%s: 401, and the store never hears of it', async (_, forge) => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const got = await shop.get(path, auth(send(bought, toBase64(forge(Macaroon.encode(bought.macaroon), bought)))));
    const code = codeOf(got);
    expect(['MACAROON_MALFORMED', 'IDENTIFIER_MALFORMED', 'CREDENTIAL_TAMPERED']).toContain(code);
    await expectRefused(shop, () => shop.get(path, auth(send(bought, toBase64(forge(Macaroon.encode(bought.macaroon), bought))))), { status: 401, code });
    await expectServed(shop, () => shop.get(path, auth(bought.authorization)));
  });

  test.each<readonly [string, (bought: Bought, shop: Shop) => string]>([
    ['a byte over 4 KB', (bought) => send(bought, toBase64(stretched(bought, 4097)))],
    ['65 caveats', (bought) => send(bought, toBase64(withCaveats(bought, 65)))],
    ['a thousand caveats of nothing', (bought) => send(bought, toBase64(withCaveats(bought, 1000, '')))],
  ])('over the limits, and with a signature that holds: %s: 401', async (_, forge) => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const got = await shop.get(path, auth(forge(bought, shop)));
    expect(['MACAROON_MALFORMED', 'CREDENTIAL_MALFORMED']).toContain(codeOf(got));
    await expectRefused(shop, () => shop.get(path, auth(forge(bought, shop))), { status: 401, code: codeOf(got) });
  });

  test('a token of a megabyte is not read to its end', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const before = await standing(shop);
    const huge = toBase64(stretched(bought, 1_048_576));
    const got = await askRaw(shop, path, [`Authorization: L402 ${huge}:${bought.preimage}`]);
    expect([431, 400, 0]).toContain(got.status);
    expect(await standing(shop)).toEqual(before);
    const hex = await askRaw(shop, path, [`Macaroon: ${toHex(stretched(bought, 6000))}`]);
    expect([401, 'CREDENTIAL_MALFORMED']).toEqual([hex.status, codeOf(hex)]);
    await expectServed(shop, () => shop.get(path, auth(bought.authorization)));
  });

  test('a token that is remembered lends nothing to another that ends like it', async () => {
    const shop = await enter(name);
    const bought = await shop.buy('/library/a');
    for (let i = 0; i < 4; i++) expect((await shop.get('/library/a', auth(bought.authorization))).status).toBe(200);
    const { caveats, identifier } = bought.macaroon;
    const later = caveats.map((caveat) => caveat.replace(/_valid_until=\d+/, '_valid_until=1999999999'));
    const forgeries = [{ caveats: later }, { caveats: caveats.slice(0, -1) }, { caveats: [] }, { identifier: Uint8Array.from(identifier).fill(9, 60) }];
    for (const forged of forgeries) {
      const code = 'CREDENTIAL_TAMPERED';
      await expectRefused(shop, () => shop.get('/library/a', auth(changed(bought, forged))), { status: 401, code }, JSON.stringify(forged));
    }
    shop.clock.advance(4_201_000);
    await expectRefused(shop, () => shop.get('/library/a', auth(changed(bought, { caveats: later }))), { status: 401, code: 'CREDENTIAL_TAMPERED' });
  });

  test('five tokens, or a hundred credentials, in one request: 401 and no more work than for one', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const forged = changed(bought, { signature: new Uint8Array(32) });
    const five = `L402 ${Array(5).fill(bought.token).join(',')}:${bought.preimage}`;
    await expectRefused(shop, () => shop.get(path, auth(five)), { status: 401, code: 'CREDENTIAL_MALFORMED' });
    const nine = [...Array<string>(8).fill(forged), bought.authorization];
    await expectRefused(shop, () => shop.get(path, auth(nine)), { status: 401, code: 'CREDENTIAL_MALFORMED' });
  });
});

/** The same token, lengthened by a caveat to so many bytes, with a signature that holds: anybody can make it. */
function stretched({ macaroon }: Bought, length: number): Uint8Array {
  const filled = (size: number) => appended(macaroon, [`token_id=${'x'.repeat(size)}`]);
  const missing = length - filled(0).length;
  // A longer length takes a byte or two of its own.
  return [missing, missing - 1, missing - 2].map(filled).find((bytes) => bytes.length === length) ?? filled(missing);
}

function withCaveats({ macaroon }: Bought, count: number, text = 'token_id=a'): Uint8Array {
  return appended(macaroon, Array<string>(count - macaroon.caveats.length).fill(text));
}

/** Caveats appended as anybody can append them, without the limits that our own code keeps. */
function appended(macaroon: Macaroon.Macaroon, caveats: readonly string[]): Uint8Array {
  let signature = Buffer.from(macaroon.signature);
  for (const caveat of caveats) signature = createHmac('sha256', signature).update(caveat).digest();
  const body = Macaroon.encode(macaroon).subarray(0, -35);
  const fields = caveats.map((caveat) => concat(Uint8Array.of(2), varint(Buffer.byteLength(caveat)), fromUtf8(caveat), Uint8Array.of(0)));
  return concat(body, ...fields, Uint8Array.of(0, 6, 32), signature);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest & 0x7f) | 0x80);
  return Uint8Array.from([...bytes, rest]);
}
