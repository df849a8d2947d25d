import { writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { countedRoutes } from '../../../test/attacks/countedRoutes.ts';
import { createFake, type FakeOptions } from '../../../test/cli/fakeContext.ts';
import { type Bought, openShop } from '../../../test/conformance/shop/shop.ts';
import * as Identifier from '../../core/Identifier.ts';
import { toHex } from '../../core/internal/bytes.ts';
import * as Macaroon from '../../core/Macaroon.ts';
import { partKeyOf, useKeyOf } from '../../server/Verifier.ts';
import { createSqliteStore } from '../../store/sqlite.ts';
import { registerToken } from '../token.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A gateway on the store of a home, and commands of that home. */
async function open() {
  const home = createFake(registerToken);
  closing.push(home.remove);
  const shop = await openShop('gateway', {}, { routes: countedRoutes, store: (clock) => createSqliteStore({ path: home.home.gatewayStore, clock }) });
  closing.push(shop.close);
  const run = async (args: readonly string[], options: FakeOptions = {}) => {
    const fake = createFake(registerToken, { ...options, environment: { FAREBOX_HOME: home.home.folder } });
    closing.push(fake.remove);
    await fake.run('token', 'tree', ...args);
    return fake;
  };
  const use = async (path: string, { preimage }: Bought, macaroon: Macaroon.Macaroon, times = 1) => {
    const authorization = `L402 ${Macaroon.format(macaroon)}:${preimage}`;
    for (let time = 0; time < times; time++) expect((await shop.get(path, { headers: { authorization } })).status).toBe(200);
  };
  return { shop, run, use, path: home.path };
}

const path = '/purse/a';

/** A credit of 1000 sat, of which a helper and a helper of his have a part each, and another helper one; each call costs 50 sat. */
async function handOn({ shop, use }: Awaited<ReturnType<typeof open>>) {
  const bought = await shop.buy(path);
  const helper = Macaroon.attenuate(bought.macaroon, ['part=helper', 'max_sats=400']);
  const below = Macaroon.attenuate(helper, ['path_prefix=/purse', 'part=below', 'n_uses=3']);
  const other = Macaroon.attenuate(bought.macaroon, ['part=other', 'n_uses=5']);
  await use(path, bought, bought.macaroon, 2);
  await use(path, bought, helper, 1);
  await use(path, bought, below, 2);
  await use(path, bought, other, 1);
  await use(path, bought, Macaroon.attenuate(bought.macaroon, ['path_prefix=/purse']));
  // Another holder's is no part of it.
  const another = await shop.buy(path);
  await use(path, another, Macaroon.attenuate(another.macaroon, ['n_uses=5']));
  const [root, name] = [useKeyOf(bought.macaroon.identifier), ({ signature }: Macaroon.Macaroon) => partKeyOf(signature)];
  return { bought, helper, below, other, root, name };
}

test('a tree shows each part below what it was handed on of, what it may spend, has spent, and has left', async () => {
  const opened = await open();
  const { bought, helper, below, other, root, name } = await handOn(opened);
  await opened.shop.store.deny({ kind: 'part', value: name(other), expiresAt: 4_000_000_000 });
  const piped = await opened.run([bought.token, '--json']);
  const whole = {
    kind: 'credit',
    name: root,
    above: null,
    unit: 'msat',
    of: '1000000',
    spent: '350000',
    underWay: '0',
    left: '650000',
    topUps: 0,
    revoked: false,
  };
  const part = (of: object) => ({ kind: 'part', topUps: 0, underWay: '0', revoked: false, ...of });
  const [first, ...parts] = piped.json();
  expect(first).toEqual(whole);
  expect(parts).toHaveLength(3);
  expect(parts).toEqual(
    expect.arrayContaining([
      part({ name: name(helper), above: root, unit: 'msat', of: '400000', spent: '150000', left: '250000' }),
      part({ name: name(below), above: name(helper), unit: 'uses', of: '3', spent: '2', left: '1' }),
      part({ name: name(other), above: root, unit: 'uses', of: '5', spent: '1', left: '4', revoked: true }),
    ]),
  );
  const lines = (await opened.run([`L402 ${Macaroon.format(below)}:${bought.preimage}`])).out().split('\n');
  expect(lines[1]).toMatch(/^a credit +1000 sat +350 sat +0 sat +650 sat$/);
  expect(lines.find((line) => line.includes(name(helper).slice(0, 12)))).toMatch(/^ {2}part [0-9a-f]{12} +400 sat +150 sat +0 sat +250 sat$/);
  expect(lines.find((line) => line.includes(name(below).slice(0, 12)))).toMatch(/^ {4}part [0-9a-f]{12} +3 +2 +0 +1 +← what was given$/);
  expect(lines.find((line) => line.includes(name(other).slice(0, 12)))).toMatch(/^ {2}part [0-9a-f]{12} +5 +1 +0 +4 +revoked$/);
  // Each stands behind what it is a part of.
  expect(lines.findIndex((line) => line.includes(name(below).slice(0, 12)))).toBe(lines.findIndex((line) => line.includes(name(helper).slice(0, 12))) + 1);
});

test('whichever of its tokens is given, or its payment, the tree is the same; and nothing in it can be used', async () => {
  const opened = await open();
  const { bought, helper, below, other } = await handOn(opened);
  const file = opened.path('token.txt');
  writeFileSync(file, Macaroon.format(other));
  const { paymentHash } = Identifier.decode(bought.macaroon.identifier);
  const shown = await Promise.all([
    opened.run([bought.token, '--json']),
    opened.run([Macaroon.format(below), '--json']),
    opened.run(['--json'], { input: bought.authorization }),
    opened.run(['--payment', paymentHash.toUpperCase(), '--json']),
  ]);
  for (const fake of shown) expect(fake.out()).toBe(shown[0]?.out());
  for (const { signature } of [bought.macaroon, helper, below, other])
    for (const fake of shown) expect(fake.out() + fake.notes()).not.toContain(toHex(signature));
});

test('a pass is counted by its parts alone; a bucket that was topped up and never handed on stands by itself', async () => {
  const { shop, run, use } = await open();
  const club = await shop.buy('/club/a');
  await use('/club/a', club, Macaroon.attenuate(club.macaroon, ['max_sats=100', 'n_uses=5']), 2);
  const [whole, part, ...more] = (await run([club.token, '--json'])).json();
  expect(whole).toEqual({ kind: 'pass', name: Identifier.decode(club.macaroon.identifier).tokenId, above: null, unit: 'uses', topUps: 0, revoked: false });
  expect([part?.above, part?.spent, part?.left, more]).toEqual([whole?.name, '2', '3', []]);
  const pail = await shop.buy('/pail/a');
  await shop.get('/pail/a', {
    headers: {
      authorization: (await shop.pay(await shop.get('/pail/a', { headers: { authorization: pail.authorization, 'l402-topup': 'ask' } }))).authorization,
    },
  });
  expect((await run([pail.token, '--json'])).json()).toMatchObject([{ kind: 'bucket', unit: 'uses', of: '6', spent: '0', topUps: 1 }]);
  expect((await run([pail.token])).out()).toContain('Nothing that was handed on of it has been used.');
});

test('what is no token or no payment is said so', async () => {
  const { run } = await open();
  await expect(run(['--payment', 'ab'])).rejects.toThrow('64 hex digits');
  await expect(run(['x', '--payment', 'ab'.repeat(32)])).rejects.toThrow('not both');
  await expect(run(['--payment', 'ab'.repeat(32)])).rejects.toThrow('has no balance here');
  await expect(run(['nonsense'])).rejects.toMatchObject({ code: 'MACAROON_MALFORMED' });
});
