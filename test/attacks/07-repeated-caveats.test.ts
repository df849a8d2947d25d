/**
 * First-wins or last-wins on repeated caveats; a wider caveat after a narrower one. All must hold, and a later one may only narrow.
 */
import { describe, expect, test } from 'vitest';
import type { Shop } from '../conformance/shop/shop.ts';
import { calls, enterCounted, spendRest, things } from './counted.ts';
import { auth, enter, expectRefused, mintWith, names, narrowed } from './thief.ts';

const refused = { status: 403, code: 'CREDENTIAL_NARROWED' } as const;
const now = 1_800_000_000;

/** What a holder writes first, and what is then written to get more: each pair at `/library/a`, where the second alone would be served. */
const widened: readonly (readonly [string, string, string])[] = [
  ['another path', 'path_prefix=/library/b', 'path_prefix=/library/a'],
  ['a wider path', 'path_prefix=/library/b', 'path_prefix=/library'],
  ['every path', 'path_prefix=/library/b', 'path_prefix=/'],
  ['a path that begins alike', 'path_prefix=/library/ab', 'path_prefix=/library/a'],
  ['a scope', 'scope=/library/b', 'scope=/library/a'],
  ['a scope in quotes', 'scope = "/library/b"', 'scope = "/library"'],
  ['a method', 'method=POST', 'method=GET'],
  ['a method more', 'method=POST', 'method=POST,GET'],
  ['a later time', `valid_until=${now - 1}`, `valid_until=${now + 1000}`],
  ['a later time, in words', `valid_until=${now - 1}`, 'valid_until=2090-01-01T00:00:00Z'],
  ['a later expiry', `expires=${now - 1}`, `expires=${now + 1000}`],
  ['a later expiry, otherwise spelled', `expires = "${new Date((now - 1) * 1000).toISOString()}"`, 'expires=2090-01-01T00:00:00Z'],
  ['a time as the seller writes it', `library_valid_until=${now - 1}`, `library_valid_until=${now + 1000}`],
  ['a path as the seller writes it', 'library_path=/library/b', 'library_path=/library/*'],
];

/** Of each pair both hold, so that only the order is wrong. */
const harmless: readonly (readonly [string, string, string])[] = [
  ['a path', 'path_prefix=/library/a', 'path_prefix=/library'],
  ['a scope', 'scope=/library/a', 'scope=/library'],
  ['a method', 'method=GET', 'method=GET,POST'],
  ['a time', `valid_until=${now + 10}`, `valid_until=${now + 11}`],
  ['an expiry', `expires=${now + 10}`, 'expires=2090-01-01T00:00:00Z'],
  ['a path as the seller writes it', 'library_path=/library/a', 'library_path=/library/*'],
  ['a method as the seller writes it', 'library_method=GET', 'library_method=GET,POST'],
  ['a time as the seller writes it', `library_valid_until=${now + 10}`, `library_valid_until=${now + 11}`],
  ['a price', 'library_price=100 sat', 'library_price=99 sat'],
  ['terms', 'library_terms=pass', 'library_terms=per-request'],
  ['capabilities', 'library_capabilities=', 'library_capabilities=admin'],
  ['a tier', 'services=library:0', 'services=library:9'],
  ['a service more', 'services=library:0', 'services=library:0,vault:0'],
  ['more uses', 'n_uses=1', 'n_uses=2'],
  ['more uses, otherwise spelled', ' n_uses = "1"', 'n_uses=02'],
  ['more satoshis', 'max_sats=100', 'max_sats=101'],
];

const at = (shop: Shop, authorization: string) => () => shop.get('/library/a', auth(authorization));

describe.each(names)('%s', (name) => {
  test.each([...widened, ...harmless])('wider after narrower is refused: %s', async (_, first, second) => {
    const shop = await enter(name);
    const pass = await shop.buy('/library/a');
    await expectRefused(shop, at(shop, narrowed(pass, first, second)), refused);
    await expectRefused(shop, at(shop, narrowed(pass, first, 'token_id=between', second)), refused);
    expect((await at(shop, pass.authorization)()).status).toBe(200);
  });

  test.each(widened)('and the narrower one holds wherever it stands: %s', async (_, narrow, wide) => {
    const shop = await enter(name);
    const pass = await shop.buy('/library/a');
    for (const caveats of [[narrow], [wide, narrow], [wide, narrow, wide], [narrow, wide, narrow]])
      await expectRefused(shop, at(shop, narrowed(pass, ...caveats)), refused, caveats.join(', '));
  });

  test('narrower after wider is served, and within both alone', async () => {
    const shop = await enter(name);
    const pass = await shop.buy('/library/a');
    const narrow = narrowed(
      pass,
      'path_prefix=/library',
      'path_prefix=/library/a',
      'method=GET,POST',
      'method=GET',
      `expires=${now + 20}`,
      `expires=${now + 10}`,
    );
    expect((await shop.get('/library/a', auth(narrow))).status).toBe(200);
    await expectRefused(shop, () => shop.get('/library/b', auth(narrow)), refused);
    shop.clock.advance(11_000);
    await expectRefused(shop, at(shop, narrow), refused);
  });

  test.each(things)('a limit counts wherever it stands, and every one of them: $what', async ({ path, part }) => {
    const shop = await enterCounted(name);
    const bought = await shop.buy(path);
    const used = [2, 'CREDENTIAL_NARROWED'];
    const rest = (...caveats: readonly string[]) => spendRest(shop, { path }, { authorization: narrowed(bought, ...part, ...caveats) });
    expect(await rest('part=other', 'n_uses=3', 'n_uses=2', 'n_uses=2')).toEqual(used);
    for (const [first, second] of [
      ['n_uses=2', 'n_uses=3'],
      ['n_uses = "2"', 'n_uses=000000000000003'],
      ['max_sats=500', 'max_sats=501'],
    ] as const)
      await expectRefused(shop, () => shop.get(path, auth(narrowed(bought, first, second))), refused, `${first} then ${second}`);
  });

  test.each([
    ['uses', 'n_uses=2', 'max_sats=900'],
    ['satoshis', 'max_sats=100', 'n_uses=900'],
  ])('of uses and satoshis neither lifts the other: %s', async (_, first, second) => {
    const shop = await enterCounted(name);
    const bought = await shop.buy('/purse/a');
    const rest = (...caveats: readonly string[]) => spendRest(shop, { path: '/purse/a' }, { authorization: narrowed(bought, ...caveats) });
    expect(await rest(first, second)).toEqual([2, 'CREDENTIAL_NARROWED']);
    expect(await rest(second, first)).toEqual([2, 'CREDENTIAL_NARROWED']);
  });

  test.each([
    'n_uses=',
    'n_uses=-1',
    'n_uses=1.5',
    'n_uses=1e3',
    'n_uses=0x9',
    'n_uses=many',
    'max_sats=10 sat',
    'max_sats=9999999999999999',
    'part=',
    'part=a b',
  ])('a limit that cannot be read is none that can be kept: %s', async (caveat) => {
    const shop = await enterCounted(name);
    const bought = await shop.buy('/purse/a');
    await expectRefused(shop, () => shop.get('/purse/a', auth(narrowed(bought, caveat))), refused);
    await expectRefused(shop, () => shop.get('/purse/a', auth(narrowed(bought, 'n_uses=5', caveat))), refused);
  });

  test('what was sold is made no larger by who holds it', async () => {
    const shop = await enterCounted(name);
    for (const [path, service, terms] of [
      ['/pail/a', 'pail', 'bucket:1000000'],
      ['/units/a', 'units', 'bucket:1000000'],
      ['/units/a', 'units', 'credit:1000000'],
      ['/credit/a', 'credit', 'credit:9000000'],
      ['/credit/a', 'credit', 'pass'],
    ] as const) {
      const bought = await shop.buy(path);
      await expectRefused(shop, () => shop.get(path, auth(narrowed(bought, `${service}_terms=${terms}`))), refused, terms);
      await expectRefused(shop, () => shop.get(path, auth(narrowed(bought, `${service}_price=1 msat`))), refused, terms);
      expect(await spendRest(shop, { path }, bought)).toEqual([calls, 'CREDENTIAL_USED']);
    }
  });

  test('one narrowing in two words: neither lifts the other', async () => {
    const shop = await enter(name);
    const pass = await shop.buy('/library/a');
    const pairs = [
      ['path_prefix=/library/b', 'scope=/library/a'],
      ['scope=/library/b', 'library_path=/library/a'],
      [`valid_until=${now - 1}`, `expires=${now + 1000}`],
      [`expires=${now - 1}`, `library_valid_until=${now + 1000}`],
      ['method=POST', 'library_method=GET'],
      ['Path_Prefix=/library/b', 'path_prefix=/library/a'],
      [' path_prefix = /library/b ', 'path_prefix=/library/a'],
    ];
    for (const pair of pairs) await expectRefused(shop, at(shop, narrowed(pass, ...pair)), refused, pair.join(' then '));
  });

  test('what the seller mints twice must hold twice too', async () => {
    const shop = await enter(name);
    const caveats = (extra: readonly string[]) => [
      'services=library:0',
      'library_method=GET',
      'library_path=/library/*',
      ...extra,
      `library_valid_until=${now + 1000}`,
      'library_price=100 sat',
      'library_terms=pass',
    ];
    const statusOf = async (...extra: string[]) => (await at(shop, mintWith(caveats(extra)).authorization)()).status;
    expect(await statusOf()).toBe(200);
    expect(await statusOf(`library_valid_until=${now - 1}`)).toBe(402);
    expect(await statusOf('library_method=POST')).toBe(402);
    expect(await statusOf('services=vault:0')).toBe(402);
  });
});
