/**
 * Garbage credentials that each cost a call to the node or the store: a thousand of many shapes, and none costs either.
 */
import { once } from 'node:events';
import { Agent, type IncomingMessage, request as send } from 'node:http';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import * as Identifier from '../../src/core/Identifier.ts';
import { fromUtf8, toBase64, toBase64Url, toHex } from '../../src/core/internal/bytes.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import * as Preimage from '../../src/core/Preimage.ts';
import type { Receiver } from '../../src/lightning/Lightning.ts';
import type { PaywallOptions } from '../../src/server/PaywallOptions.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { type Bought, masterKey, type Shop, type ShopName } from '../conformance/shop/shop.ts';
import { type Closing, closeAll } from '../gateway/harness.ts';
import { testGarbageCalls } from './calls.ts';
import { testGarbageOnEveryWire } from './everyWireRows.ts';
import { enter, path, wires } from './thief.ts';

const ours = createRootKeys({ masters: [masterKey], network: 'sandbox', realm: 'test' });

type Headers = { readonly [name: string]: string | string[] };

/** A shop that writes down every call to its store and its node. */
async function openWatched(name: ShopName, overrides: Partial<PaywallOptions> = {}): Promise<{ shop: Shop; calls: () => readonly string[] }> {
  const node: string[] = [];
  const watch = (own: Receiver): Receiver => {
    const methods = Object.entries(own).map(([method, value]: [string, unknown]) => {
      if (typeof value !== 'function') return [method, value];
      const call = (...given: unknown[]): unknown => {
        node.push(method);
        return value(...given);
      };
      return [method, call];
    });
    return Object.fromEntries(methods) as Receiver;
  };
  const shop = await enter(name, overrides, { receiver: watch });
  return { shop, calls: () => [...shop.asked(), ...node] };
}

/** Sends many requests over a few connections. */
async function sendAll(shop: Shop, all: readonly Headers[]): Promise<readonly { status: number; lines: readonly string[]; body: string }[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const answers = await Promise.all(
    all.map(async (headers) => {
      const request = send(shop.url + path, { agent, headers });
      request.end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      let body = '';
      for await (const chunk of response) body += String(chunk);
      return { status: response.statusCode ?? 0, lines: response.headersDistinct['www-authenticate'] ?? [], body };
    }),
  );
  agent.destroy();
  return answers;
}

/** Credentials that are none, made from an unpaid challenge and a spent one. */
function garbage(unpaid: string, spent: Bought): fc.Arbitrary<Headers> {
  const hex = (bytes: number) => fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((some) => toHex(some));
  const preimage = hex(32);
  const scheme = fc.constantFrom('L402', 'LSAT', 'l402', 'L402  ');
  const name = fc.constantFrom('authorization', 'l402-authorization');
  const text = fc.string({ unit: fc.constantFrom(...'abcXYZ019+/=-_.,:;"\'{}[]%!'), minLength: 1, maxLength: 200 });
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 600 });
  const as = (token: fc.Arbitrary<string>, proof: fc.Arbitrary<string> = preimage): fc.Arbitrary<Headers> =>
    fc.tuple(name, scheme, token, proof).map(([header, word, first, last]) => ({ [header]: `${word} ${first}:${last}` }));
  const real = Macaroon.parse(unpaid);
  const forge = (macaroon: Partial<Macaroon.Macaroon>) => toBase64(Macaroon.encode({ ...real, ...macaroon }));
  /** A thief's own payment: the preimage fits, the fingerprint is ours and public, and only the signature can tell. */
  const selfMade = fc
    .tuple(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.uint8Array({ minLength: 24, maxLength: 24 }), bytes)
    .map(([secret, random, key]) => {
      const mine = Preimage.fromBytes(secret);
      const identifier = Identifier.encode(Identifier.create(Preimage.hash(mine), ours.mintingAt(0), 1_800_000_000, random));
      return `${toBase64(Macaroon.encode(Macaroon.mint(key, identifier, real.caveats)))}:${mine}`;
    });
  const changed = (of: Macaroon.Macaroon) =>
    fc.tuple(fc.nat(of.signature.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, by]) => {
      const signature = of.signature.map((byte, index) => (index === at ? byte ^ by : byte));
      return toBase64(Macaroon.encode({ ...of, signature }));
    });
  return fc.oneof(
    as(text),
    as(bytes.map((some) => toBase64(some))),
    as(bytes.map((some) => toBase64Url(Uint8Array.of(2, ...some)))),
    as(fc.constant(unpaid)),
    as(fc.constant(spent.token)),
    as(fc.constant(unpaid), text),
    as(fc.constant(unpaid), fc.constant(spent.preimage)),
    as(fc.nat(unpaid.length - 1).map((length) => unpaid.slice(0, length))),
    as(changed(real)),
    as(changed(spent.macaroon), fc.constant(spent.preimage)),
    as(
      fc
        .constantFrom('services=api:0', 'api_valid_until=9999999999', 'services=', 'x', `preimage=${spent.preimage}`)
        .map((caveat) => forge({ caveats: [caveat] })),
      fc.constant(spent.preimage),
    ),
    as(fc.constant(toBase64(Macaroon.encode(Macaroon.attenuate(real, ['services=api:0', `preimage=${spent.preimage}`]))))),
    as(fc.nat(200).map((length) => forge({ identifier: new Uint8Array(length === Identifier.length ? length + 1 : length) }))),
    as(fc.integer({ min: 1, max: 255 }).map((version) => forge({ identifier: real.identifier.with(1, version) }))),
    fc.tuple(scheme, selfMade).map(([word, made]) => ({ authorization: `${word} ${made}` })),
    selfMade.map((made) => ({ authorization: [`L402 ${made}`, 'Bearer x', `LSAT ${unpaid}:${spent.preimage}`] })),
    fc.array(selfMade, { minLength: 2, maxLength: 12 }).map((many) => ({ authorization: many.map((made) => `L402 ${made}`).join(', ') })),
    fc.constantFrom('', ' ', ' :', ' ,,,', ' a', ` ${unpaid}`, ` ${unpaid}:`, ` :${spent.preimage}`).map((rest) => ({ authorization: `L402${rest}` })),
    fc.constant({ authorization: `L402 ${Array(5).fill(unpaid).join(',')}:${spent.preimage}` }),
    fc.integer({ min: 4097, max: 6000 }).map((length) => ({ authorization: `L402 ${toBase64(new Uint8Array(length))}:${spent.preimage}` })),
    fc
      .tuple(fc.constantFrom('macaroon', 'grpc-metadata-macaroon'), fc.oneof(text, bytes.map(toHex), fc.constant(toHex(Macaroon.encode(real)))))
      .map(([header, value]) => ({
        [header]: value,
      })),
    hex(32).map((proof) => ({ macaroon: toHex(Macaroon.encode(Macaroon.attenuate(real, [`preimage=${proof}`]))) })),
    fc
      .constantFrom('{"v":2,"i":"x"}', toBase64(fromUtf8('0018location lsat\n0012identifier x\n')))
      .map((v1) => ({ authorization: `L402 ${v1}:${spent.preimage}` })),
  );
}

describe.each(wires)('behind %s', (name) => {
  test('a thousand garbage credentials: 401, and no call to store or node', async () => {
    const { shop, calls } = await openWatched(name);
    const spent = await shop.buy(path);
    expect((await shop.get(path, { headers: { authorization: spent.authorization } })).status).toBe(200);
    await shop.ended('delivered');
    // The watch is awake: an honest purchase shows in it.
    expect(calls()).toEqual(expect.arrayContaining(['createInvoice', 'claim', 'commit']));
    const unpaid = (JSON.parse((await shop.get(path)).body) as { macaroon: string }).macaroon;
    const [before, served] = [calls(), shop.upstream.seen.length];
    const all = fc.sample(garbage(unpaid, spent), { numRuns: 1000, seed: 22 });
    const answers = await sendAll(shop, all);
    const odd = answers.flatMap(({ status, body }, index) => (status === 401 ? [] : [`${status} ${JSON.stringify(all[index])} ${body}`]));
    expect(odd).toEqual([]);
    expect(calls()).toEqual(before);
    expect(shop.upstream.seen.length).toBe(served);
    for (const { lines, body } of answers) {
      expect(lines).toEqual([`L402 error="${(JSON.parse(body) as { code: string }).code}"`]);
      expect(body).not.toMatch(/"invoice"|lnbc/);
    }
  }, 30_000);

  test('a token under a key that is not ours costs what no token costs, under the same limit, and never the store', async () => {
    const { shop, calls } = await openWatched(name, { mintLimits: { perClientPerMinute: 4 } });
    const foreign = (index: number): Headers => {
      const mine = Preimage.fromBytes(new Uint8Array(32).fill(index));
      const identifier = Identifier.encode(Identifier.create(Preimage.hash(mine), '00c0ffee', 1_800_000_000, new Uint8Array(24).fill(index)));
      return { authorization: `L402 ${toBase64(Macaroon.encode(Macaroon.mint(Uint8Array.of(index), identifier, ['services=api:0'])))}:${mine}` };
    };
    const statuses: number[] = [];
    for (let index = 0; index < 12; index++) statuses.push((await shop.get(path, { headers: index % 3 === 0 ? {} : foreign(index) })).status);
    expect(statuses).toEqual([402, 402, 402, 402, ...Array(8).fill(429)]);
    expect(calls()).toEqual(Array(4).fill('createInvoice'));
    expect(shop.upstream.seen).toEqual([]);
  });

  test('where garbage is answered by 402, as the reference proxy does, its invoices count like any stranger’s', async () => {
    const { shop, calls } = await openWatched(name, { compat: { invalidCredential: 402 }, mintLimits: { perClientPerMinute: 3 } });
    const answers = await sendAll(shop, Array(20).fill({ authorization: 'L402 AAAA:00' }));
    expect(answers.filter(({ status }) => status === 402).length).toBe(3);
    expect(answers.filter(({ status }) => status === 429).length).toBe(17);
    expect(calls()).toEqual(Array(3).fill('createInvoice'));
  });
});

describe('calls of gRPC', () => {
  const closing: Closing = [];
  afterEach(() => closeAll(closing));
  testGarbageCalls(closing);
});

describe('on every protocol', testGarbageOnEveryWire);
