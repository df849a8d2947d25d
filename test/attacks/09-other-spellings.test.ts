/**
 * A fresh counter by appending a caveat, re-encoding the token, or changing base64 alphabet or padding: use is counted on what was paid for,
 * and no spelling of it is another one.
 */
import { describe, expect, test } from 'vitest';
import { toBase64, toBase64Url, toHex } from '../../src/core/internal/bytes.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import type { Ask, Bought } from '../conformance/shop/shop.ts';
import { buyThing, calls, enterCounted, spendRest, things } from './counted.ts';
import { askUntilFree, auth, changed, codeOf, enter, expectServed, names, narrowed, path } from './thief.ts';

const bytesOf = ({ macaroon }: Bought) => Macaroon.encode(macaroon);
const as = (bought: Bought, token: string): Ask => auth(`L402 ${token}:${bought.preimage}`);
const hexWith = ({ macaroon }: Bought, ...caveats: readonly string[]) => toHex(Macaroon.encode(Macaroon.attenuate(macaroon, caveats)));

/** The same credential, spelled otherwise: each is accepted where it comes first. */
const spellings: readonly (readonly [string, (bought: Bought) => Ask])[] = [
  ['as received', (b) => auth(b.authorization)],
  ['the older scheme', (b) => auth(b.authorization.replace('L402', 'LSAT'))],
  ['a scheme in small letters, and spaces', (b) => auth(b.authorization.replace('L402 ', 'l402   '))],
  ['base64 for URLs', (b) => as(b, toBase64Url(bytesOf(b)))],
  ['base64 for URLs, padded', (b) => as(b, toBase64(bytesOf(b)).replaceAll('+', '-').replaceAll('/', '_'))],
  ['base64 without padding', (b) => as(b, toBase64(bytesOf(b)).replace(/=+$/, ''))],
  ['both alphabets at once', (b) => as(b, toBase64(bytesOf(b)).replace('+', '-'))],
  ['an upper-case preimage', (b) => auth(`L402 ${b.token}:${b.preimage.toUpperCase()}`)],
  ['a caveat that says nothing', (b) => auth(narrowed(b, 'token_id=1'))],
  ['another caveat that says nothing', (b) => auth(narrowed(b, 'token_id=2', 'budget_id=2'))],
  ['narrowed to an earlier end', (b) => auth(narrowed(b, 'valid_until=1800000100'))],
  ['narrowed to its own path', (b) => auth(narrowed(b, 'path_prefix=/api/v1/translate'))],
  ['narrowed to its own method', (b) => auth(narrowed(b, 'method=GET'))],
  ['narrowed to its own service', (b) => auth(narrowed(b, 'services=api:0'))],
  ['re-serialised with its preimage', (b) => auth(narrowed(b, `preimage=${b.preimage}`))],
  ['hex in a header of its own', (b) => ({ headers: { macaroon: hexWith(b, `preimage=${b.preimage}`) } })],
  ['hex in capitals', (b) => ({ headers: { 'grpc-metadata-macaroon': hexWith(b, `preimage=${b.preimage}`).toUpperCase() } })],
  ['in the other header', (b) => ({ headers: { 'l402-authorization': b.authorization } })],
  ['another location', (b) => auth(changed(b, { location: 'https://elsewhere.test' }))],
  ['no location', (b) => auth(changed(b, { location: '' }))],
  ['twice in one credential', (b) => auth(`L402 ${b.token},${toBase64Url(bytesOf(b))}:${b.preimage}`)],
  ['twice in one request', (b) => auth([b.authorization, narrowed(b, 'token_id=3')])],
  ['behind another one', (b) => auth(['Bearer x', b.authorization])],
];

/** Those that hang on no route. */
const anywhere = spellings.filter(([what]) => !/narrowed to its own (path|service)/.test(what));

/** Spellings that some decoder takes, and ours does not: refused before anything is counted. */
const refusedSpellings: readonly (readonly [string, (bought: Bought) => Ask])[] = [
  ['padding that is not needed', (b) => as(b, `${toBase64(bytesOf(b))}====`)],
  ['base64 with its last bits set', (b) => as(b, lastBitsSet(b))],
  ['base64 with a line break', (b) => as(b, `${b.token.slice(0, 76)}\t${b.token.slice(76)}`)],
  ['base64 of base64', (b) => as(b, Buffer.from(b.token).toString('base64'))],
  ['hex where base64 belongs', (b) => as(b, toHex(bytesOf(b)))],
  ['percent-encoded', (b) => as(b, encodeURIComponent(b.token).replace(/^/, '%41'))],
];

/** A token whose bytes leave bits over in the last letter, with those bits set. */
function lastBitsSet(bought: Bought): string {
  let { macaroon } = bought;
  while (Macaroon.encode(macaroon).length % 3 === 0) macaroon = Macaroon.attenuate(macaroon, ['token_id=abc'.slice(0, 9 + (macaroon.caveats.length % 3))]);
  const token = toBase64(Macaroon.encode(macaroon));
  const at = token.indexOf('=') - 1;
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  return `${token.slice(0, at)}${letters[letters.indexOf(token[at] as string) + 1]}${token.slice(at + 1)}`;
}

describe.each(names)('%s', (name) => {
  test.each(spellings)('first: %s; other spellings are then used up', async (what, first) => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    await expectServed(shop, () => shop.get(path, first(bought)));
    await shop.ended('delivered');
    const served: string[] = [];
    // Every other one behind the first, which is the plain one; the plain one and itself behind every other one.
    for (const [again, spell] of spellings) {
      if (what !== 'as received' && again !== 'as received' && again !== what) continue;
      const { status } = await shop.get(path, spell(bought));
      if (status !== 402) served.push(`${again}: ${status}`);
    }
    expect(served).toEqual([]);
    expect([shop.upstream.seen.length, (await shop.ledger()).filter((kind) => kind !== 'received')]).toEqual([1, ['earned']]);
  });

  test('all at the same instant: one of them is served', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const got = await Promise.all(spellings.map(([, spell]) => shop.get(path, spell(bought))));
    expect(got.filter(({ status }) => status === 200).length).toBe(1);
    expect(shop.upstream.seen.length).toBe(1);
  });

  test.each(refusedSpellings)('%s is no token', async (_, spell) => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const got = await shop.get(path, spell(bought));
    expect([got.status, shop.upstream.seen.length, shop.asked()]).toEqual([401, 0, []]);
    await expectServed(shop, () => shop.get(path, auth(bought.authorization)));
  });

  test('every attempt with it, however spelled, is one to the upstream too', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    for (const [, spell] of spellings) expect((await shop.get(`${path}&do=status-500`, spell(bought))).status).toBe(500);
    const keys = new Set(shop.upstream.seen.map(({ headers }) => headers['idempotency-key']));
    expect([shop.upstream.seen.length, keys.size]).toEqual([spellings.length, 1]);
  });

  test.each(things)('what is counted is counted once, however each call of it is spelled: $what', async (thing) => {
    const shop = await enterCounted(name);
    const held = await buyThing(shop, thing);
    const said: (string | number)[] = [];
    for (const [, spell] of anywhere) {
      const got = await askUntilFree(shop, thing.path, spell(held));
      said.push(got.status === 200 ? 200 : codeOf(got));
    }
    expect(said.slice(0, calls)).toEqual(Array(calls).fill(200));
    expect(new Set(said.slice(calls))).toEqual(new Set([thing.usedUp]));
    expect(shop.upstream.seen.length).toBe(calls);
  });

  test.each(things)('and at the same instant: $what', async (thing) => {
    const shop = await enterCounted(name);
    const held = await buyThing(shop, thing);
    const got = await Promise.all(anywhere.map(([, spell]) => shop.get(thing.path, spell(held))));
    expect(got.filter(({ status }) => status === 200).length).toBe(calls);
    expect(shop.upstream.seen.length).toBe(calls);
  });

  test('a limit that says the same in another spelling, behind a part, is one more limit and no fresh one', async () => {
    const shop = await enterCounted(name);
    const bought = await shop.buy('/purse/a');
    let served = 0;
    for (const again of ['', 'n_uses=3', ' n_uses=3', 'n_uses = 3', 'n_uses="3"', 'n_uses=03', 'part=fresh', 'max_sats=150']) {
      const authorization = narrowed(bought, 'part=a', 'n_uses=3', ...(again === '' ? [] : [again]));
      served += (await spendRest(shop, { path: '/purse/a' }, { authorization }))[0];
    }
    expect(served).toBe(calls);
  });
});
