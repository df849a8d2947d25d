/**
 * A token that is served on after it was revoked: by a process that does not hear of it, by what a process remembers, under a key that has
 * gone, or because its revocation ended first. And the other way round: good ones refused, or sold for nothing, because keys are exchanged.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { registerRevoke } from '../../src/cli/revoke.ts';
import * as Identifier from '../../src/core/Identifier.ts';
import { toHex } from '../../src/core/internal/bytes.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import { followKeyFile } from '../../src/gateway/KeyFile.ts';
import * as KeyText from '../../src/gateway/KeyText.ts';
import { createRootKeys, fingerprintOf } from '../../src/server/RootKeys.ts';
import { partKeyOf } from '../../src/server/Verifier.ts';
import type { Denial } from '../../src/store/Store.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import type * as FixedClock from '../../src/testing/FixedClock.ts';
import { createFake } from '../cli/fakeContext.ts';
import { type Bought, masterKey, type Shop } from '../conformance/shop/shop.ts';
import { type Closing, closeAll } from '../gateway/harness.ts';
import { countedRoutes } from './countedRoutes.ts';
import { soon } from './soon.ts';
import { auth, codeOf, enter, expectRefused, names, narrowed, path, standing } from './thief.ts';
import { ends, enterLive, livePass, statusOf } from './webSockets.ts';

const now = 1_800_000_000;
const nextKey = new Uint8Array(32).fill(8);
const closing: Closing = [];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'farebox-thief-'));
});
afterEach(async () => {
  await closeAll(closing);
  rmSync(folder, { recursive: true });
});

const turns = async () => {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
};

async function wait(clocks: readonly FixedClock.FixedClock[], ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 100) {
    for (const clock of clocks) clock.advance(Math.min(100, left));
    await turns();
  }
}

/** Every way to revoke a token. */
function denialsOf({ macaroon }: Pick<Bought, 'macaroon'>): readonly Denial[] {
  const { paymentHash, tokenId } = Identifier.decode(macaroon.identifier);
  const { fingerprint, mintedAt } = Identifier.readTokenId(tokenId);
  const expiresAt = 4_000_000_000;
  return [
    { kind: 'token', value: tokenId, expiresAt },
    { kind: 'payment', value: paymentHash, expiresAt },
    { kind: 'key', value: fingerprint, expiresAt },
    { kind: 'minted-before', value: String(mintedAt + 1), expiresAt },
  ];
}

const kinds = ['token', 'payment', 'key', 'minted-before'] as const;

/** A ring that sells under another key from the second second on, so that the first one can be revoked. */
const ring = () => createRootKeys({ masters: [{ key: nextKey, mintsFromAt: now + 1 }, { key: masterKey }], network: 'sandbox', realm: 'test' });

describe.each(names)('%s', (name) => {
  test.each(kinds)('a pass that it let through and remembers, revoked by its %s', async (kind) => {
    const shop = await enter(name, { keys: ring() });
    const bought = await shop.buy('/pass');
    for (let times = 0; times < 3; times++) expect((await shop.get('/pass', auth(bought.authorization))).status).toBe(200);
    shop.clock.advance(2000);
    await shop.store.deny(denialsOf(bought).find((denial) => denial.kind === kind) as Denial);
    await turns();
    await expectRefused(shop, () => shop.get('/pass', auth(bought.authorization)), { status: 402, code: 'CREDENTIAL_REVOKED' });
    // What is bought instead is good.
    expect((await shop.get('/pass', auth((await shop.buy('/pass')).authorization))).status).toBe(200);
  });

  test('nothing is sold under a key that is revoked: it would be paid for, and worth nothing', async () => {
    const shop = await enter(name);
    const bought = await shop.buy('/pass');
    await shop.store.deny(denialsOf(bought)[2] as Denial);
    await turns();
    const before = await standing(shop);
    for (const target of ['/pass', path]) {
      const got = await shop.get(target);
      expect([got.status, codeOf(got), got.lines]).toEqual([503, 'KEYS_REVOKED', []]);
    }
    expect((await standing(shop)).invoices).toBe(before.invoices);
  });

  test('a pass under a key that has left the ring, remembered or not', async () => {
    const keys = ring();
    const shop = await enter(name, { keys });
    const [remembered, fresh] = [await shop.buy('/pass'), await shop.buy('/pass')];
    for (let times = 0; times < 3; times++) expect((await shop.get('/pass', auth(remembered.authorization))).status).toBe(200);
    shop.clock.advance(2000);
    keys.replace([nextKey]);
    for (const { authorization } of [remembered, fresh]) {
      await expectRefused(shop, () => shop.get('/pass', auth(authorization)), { status: 402, code: 'CREDENTIAL_UNKNOWN_KEY' });
    }
  });
});

describe.each(names)('%s: a part that was handed on', (name) => {
  /** What one holder hands on to a helper, and he to others; beside it another helper's. */
  const branches = (bought: Bought) => {
    const on = (...caveats: readonly string[]): Bought => ({ ...bought, macaroon: Macaroon.attenuate(bought.macaroon, caveats) });
    return {
      helper: on('part=helper', 'n_uses=50'),
      below: [
        on('part=helper', 'n_uses=50'),
        on('part=helper', 'n_uses=50', 'path_prefix=/'),
        on('part=helper', 'n_uses=50', 'part=below', 'n_uses=9', 'max_sats=900'),
        on('part=helper', 'n_uses=50', 'valid_until=1800003600', 'method=GET', 'token_id=mine'),
      ],
      others: [bought, on('part=other', 'n_uses=50'), on('n_uses=50'), on('part=helper', 'n_uses=49'), on('path_prefix=/')],
    };
  };
  const nameOf = ({ macaroon }: Bought) => partKeyOf(macaroon.signature);

  test.each(['/pass', '/purse/a'])('revoked, with all that was handed on of it, and nothing beside it: %s', async (target) => {
    const shop = await enter(name, {}, target === '/pass' ? {} : { routes: countedRoutes });
    const { helper, below, others } = branches(await shop.buy(target));
    const ask =
      (held: Bought, ...more: readonly string[]) =>
      () =>
        shop.get(target, auth(narrowed(held, ...more)));
    // A pass is remembered from its second use on.
    const uses = target === '/pass' ? 3 : 1;
    for (const held of [...below, ...others]) for (let times = 0; times < uses; times++) expect((await ask(held)()).status).toBe(200);
    await shop.store.deny({ kind: 'part', value: nameOf(helper), expiresAt: 4_000_000_000 });
    await turns();
    for (const held of below) {
      await expectRefused(shop, ask(held), { status: 402, code: 'CREDENTIAL_REVOKED' });
      await expectRefused(shop, ask(held, 'part=fresh', 'n_uses=1'), { status: 402, code: 'CREDENTIAL_REVOKED' });
      await expectRefused(shop, ask(held, `preimage=${held.preimage}`), { status: 402, code: 'CREDENTIAL_REVOKED' });
    }
    for (const held of others) expect((await ask(held)()).status).toBe(200);
  });

  test('that nobody counts, such as one directory: by what its holder has', async () => {
    const shop = await enter(name);
    const bought = await shop.buy('/library/a');
    const reader: Bought = { ...bought, macaroon: Macaroon.attenuate(bought.macaroon, ['path_prefix=/library/public']) };
    const target = '/library/public/x';
    expect((await shop.get(target, auth(narrowed(reader)))).status).toBe(200);
    await shop.store.deny({ kind: 'part', value: nameOf(reader), expiresAt: 4_000_000_000 });
    await turns();
    await expectRefused(shop, () => shop.get(target, auth(narrowed(reader))), { status: 402, code: 'CREDENTIAL_REVOKED' });
    await expectRefused(shop, () => shop.get(target, auth(narrowed(reader, 'method=GET'))), { status: 402, code: 'CREDENTIAL_REVOKED' });
    expect((await shop.get(target, auth(bought.authorization))).status).toBe(200);
    expect(await shop.paywall.introspect(narrowed(reader))).toMatchObject({ isRevoked: true });
    expect(await shop.paywall.introspect(bought.authorization)).toMatchObject({ isRevoked: false });
  });
});

describe('several gateways on one store', () => {
  /** Two that have nothing but their store's file in common, each with a clock that a test moves. */
  async function openTwo(overrides: Parameters<typeof enter>[1] = {}): Promise<readonly [Shop, Shop]> {
    const open = () => enter('gateway', overrides, { store: (clock) => createSqliteStore({ path: join(folder, 'shared.db'), clock }) });
    return [await open(), await open()];
  }

  test.each(kinds)('what is revoked by its %s elsewhere is refused by each within a second, also where it is remembered', async (kind) => {
    const both = await openTwo({ keys: ring() });
    const bought = await both[0].buy('/pass');
    for (const shop of both) for (let times = 0; times < 3; times++) expect((await shop.get('/pass', auth(bought.authorization))).status).toBe(200);
    for (const { clock } of both) clock.advance(2000);
    await turns();
    const elsewhere = await createSqliteStore({ path: join(folder, 'shared.db'), clock: both[0].clock });
    closing.push(elsewhere.close);
    await elsewhere.deny(denialsOf(bought).find((denial) => denial.kind === kind) as Denial);
    await wait(
      both.map(({ clock }) => clock),
      1000,
    );
    for (const shop of both) {
      await expectRefused(shop, () => shop.get('/pass', auth(bought.authorization)), { status: 402, code: 'CREDENTIAL_REVOKED' });
      await expectRefused(shop, () => shop.get('/pass', auth(`${bought.authorization} `)), { status: 402, code: 'CREDENTIAL_REVOKED' });
    }
  });

  test('a part that is revoked elsewhere is refused by each within a second, and the whole by none', async () => {
    const both = await openTwo();
    const bought = await both[0].buy('/pass');
    const part = narrowed(bought, 'part=helper', 'path_prefix=/pass');
    const { signature } = Macaroon.attenuate(bought.macaroon, ['part=helper', 'path_prefix=/pass']);
    for (const shop of both) for (let times = 0; times < 3; times++) expect((await shop.get('/pass', auth(part))).status).toBe(200);
    const elsewhere = await createSqliteStore({ path: join(folder, 'shared.db'), clock: both[0].clock });
    closing.push(elsewhere.close);
    await elsewhere.deny({ kind: 'part', value: partKeyOf(signature), expiresAt: 4_000_000_000 });
    await wait(
      both.map(({ clock }) => clock),
      1000,
    );
    for (const shop of both) {
      await expectRefused(shop, () => shop.get('/pass', auth(part)), { status: 402, code: 'CREDENTIAL_REVOKED' });
      expect((await shop.get('/pass', auth(bought.authorization))).status).toBe(200);
    }
  });

  test('a key is exchanged while they read its file at different times: every token that either sells is good at both', async () => {
    const first = `${toHex(masterKey)}\n`;
    const files: readonly { text: string }[] = [{ text: first }, { text: first }];
    const rings = files.map(() => createRootKeys({ masters: [masterKey], network: 'sandbox', realm: 'test' }));
    const shops = await Promise.all(rings.map((keys) => enter('gateway', { keys })));
    const [own, copy] = files as [{ text: string }, { text: string }];
    for (const [index, shop] of shops.entries()) {
      const following = followKeyFile({
        path: 'the keys',
        passphrase: async () => undefined,
        keys: rings[index] as (typeof rings)[number],
        written: first,
        clock: shop.clock,
        read: async () => (index === 0 ? own : copy).text,
        onChange: () => {},
        onTrouble: () => {},
      });
      closing.push(following.close);
    }
    const pass = (ms: number) =>
      wait(
        shops.map(({ clock }) => clock),
        ms,
      );
    const used = new Set<string>();
    const rotated = KeyText.withKey(first, { key: nextKey, mintsFromAt: now + 60 });
    for (let second = 0; second < 75; second += 5) {
      if (second === 0) own.text = rotated;
      for (const seller of shops) {
        const bought = await seller.buy('/pass');
        used.add(Identifier.readTokenId(Identifier.decode(bought.macaroon.identifier).tokenId).fingerprint);
        for (const shop of shops) expect([second, (await shop.get('/pass', auth(bought.authorization))).status]).toEqual([second, 200]);
      }
      if (second !== 45) await pass(5000);
      else {
        // The copy is late, and comes in two parts: the new key first, and then the one that still mints.
        copy.text = rotated.slice(0, rotated.indexOf('\n') + 1);
        const bought = await shops[0]?.buy('/pass');
        await pass(1500);
        expect((await shops[1]?.get('/pass', auth(bought?.authorization ?? '')))?.status).toBe(200);
        copy.text = rotated;
        await pass(3500);
      }
    }
    expect([...used].sort()).toEqual([fingerprintOf(masterKey), fingerprintOf(nextKey)].sort());
  });
});

test('a token that is revoked by a copy of it which somebody shortened: the others stay revoked until their own end', async () => {
  const cli = createFake(registerRevoke);
  closing.push(cli.remove);
  writeFileSync(cli.home.keyFile, `${toHex(nextKey)} from=2027-01-15T08:00:01Z\n${toHex(masterKey)}\n`);
  const store = () => createSqliteStore({ path: cli.home.gatewayStore, clock: cli.clock });
  const first = await enter('gateway', {}, { store });
  const bought = await first.buy('/pass');
  const minted = `api_valid_until=${now + 4200}`;
  expect(bought.macaroon.caveats).toContain(minted);
  const shortened = { ...bought.macaroon, caveats: bought.macaroon.caveats.map((one) => (one === minted ? `api_valid_until=${now + 1}` : one)) };
  await cli.run('revoke', '--token', Macaroon.format(shortened), '--yes');
  // Past the end that the copy names, and past the hour for which it would still be known.
  for (const clock of [cli.clock, first.clock]) clock.advance(3700 * 1000);
  const kept = await store();
  closing.push(kept.close);
  await kept.prune();
  const later = await enter('gateway', {}, { store });
  later.clock.advance(3700 * 1000);
  await turns();
  await expectRefused(later, () => later.get('/pass', auth(bought.authorization)), { status: 402, code: 'CREDENTIAL_REVOKED' });
});

test.each(kinds)('a WebSocket that goes on after what bought it was revoked by its %s: it ends within two seconds', async (kind) => {
  const { shop, dial } = await enterLive(closing);
  const bought = await shop.buy(livePass);
  const client = await dial(livePass, bought.authorization);
  expect(await statusOf(client)).toBe(101);
  await shop.store.deny(denialsOf(bought).find((denial) => denial.kind === kind) as Denial);
  for (let tenth = 0; tenth < 20; tenth++) {
    shop.clock.advance(100);
    await turns();
  }
  expect(await soon(client.until(ends.withPolicy))).not.toBe('nothing happened');
});
