/**
 * A sub-agent that learns its parent's signature from a counter key, a log or a tree view; equal limits in two parts that share one counter.
 * A part is named by a digest of the signature at its limit, which hangs on all that stands before it, and every part of a token is counted.
 */
import { describe, expect, test } from 'vitest';
import * as Identifier from '../../src/core/Identifier.ts';
import { fromHex } from '../../src/core/internal/bytes.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import { read } from '../../src/server/DelegationTree.ts';
import { useKeyOf } from '../../src/server/Verifier.ts';
import type { Bought, Shop } from '../conformance/shop/shop.ts';
import { calls, enterCounted, expectEnded, spendRest } from './counted.ts';
import { leaks, type Secret, type Trace, traceOf } from './secrets.ts';
import { soon } from './soon.ts';
import { kindsAt, opening } from './stores.ts';
import { askUntilFree, auth, changed, codeOf, expectRefused, expectServed, names, narrowed } from './thief.ts';

const purse = { path: '/purse/a' };
/** A helper's part, of which another helper has a part. */
const helper = ['part=helper', 'max_sats=500'];
const below = ['part=below', 'n_uses=3'];

/** The token's signature as each of its holders had it: whoever has one has the token as it was then. */
function signaturesOf({ macaroon }: Pick<Bought, 'macaroon'>, caveats: readonly string[]): readonly Secret[] {
  return [0, ...caveats.keys()].map((_, count) => {
    const { signature } = Macaroon.attenuate(macaroon, caveats.slice(0, count));
    return { name: `the signature before ${caveats[count]}`, bytes: signature };
  });
}

/** Everything that a store keeps and shows, an account's name and its sources among it. */
async function tracesOf({ store }: Shop): Promise<readonly Trace[]> {
  const traces = [traceOf('the ledger', await store.ledger({ after: 0, limit: 1000 }))];
  for await (const standing of store.audit()) traces.push(traceOf(`the books: ${standing.kind}`, standing));
  return traces;
}

/** What an operator is shown of all that was handed on. */
function treeOf({ store }: Shop, { macaroon }: Pick<Bought, 'macaroon'>) {
  const { tokenId } = Identifier.decode(macaroon.identifier);
  return read(store, { kind: 'token', account: useKeyOf(macaroon.identifier), tokenId, given: undefined });
}

describe.each(names)('%s', (name) => {
  // What a store keeps is the store's own; one stand shows that of the second.
  describe.each(kindsAt(name))('%s', (kind) => {
    test('nothing that a seller keeps, tells, logs, forwards or answers holds the signature of anybody before', async () => {
      const told: Trace[] = [];
      const shop = await enterCounted(name, {}, { store: opening(kind), log: (outcome) => told.push(traceOf('the log', outcome)) });
      shop.paywall.events.on((event) => told.push(traceOf(`the event ${event.kind}`, event)));
      const bought = await shop.buy(purse.path);
      const caveats = [...helper, ...below];
      const shown = narrowed(bought, ...caveats);
      for (const [ask, status] of [
        [purse.path, 200],
        [`${purse.path}?do=status-500`, 500],
        [`${purse.path}?do=status-422`, 422],
      ] as const) {
        const got = await shop.get(ask, auth(shown, { 'idempotency-key': ask }));
        expect(got.status).toBe(status);
        told.push(traceOf('an answer', got));
      }
      told.push(traceOf('what is said when it is used up', [await spendRest(shop, purse, { authorization: shown }), await shop.get(purse.path, auth(shown))]));
      told.push(traceOf('the upstream', shop.upstream.seen), ...(await tracesOf(shop)), traceOf('the tree', await treeOf(shop, bought)));
      expect(leaks(told, signaturesOf(bought, caveats))).toEqual([]);
      // The search would find one.
      expect(leaks([...told, traceOf('planted', { key: bought.macaroon.signature })], signaturesOf(bought, caveats))).toHaveLength(1);
    });

    test('no name of a counter is a signature: put under the token of anybody before, it signs nothing', async () => {
      const shop = await enterCounted(name, {}, { store: opening(kind) });
      const bought = await shop.buy(purse.path);
      const caveats = [...helper, ...below];
      expect((await shop.get(purse.path, auth(narrowed(bought, ...caveats)))).status).toBe(200);
      const names = new Set((await tracesOf(shop)).flatMap(({ text }) => text.match(/\b[0-9a-f]{64}\b/g) ?? []));
      expect(names.size).toBeGreaterThan(0);
      const asks = shop.asked().length;
      for (const hex of names) {
        const signature = fromHex(hex) as Uint8Array;
        for (let count = 0; count <= caveats.length; count++) {
          const stolen = changed(bought, { caveats: [...bought.macaroon.caveats, ...caveats.slice(0, count)], signature });
          const got = await shop.get(purse.path, auth(stolen));
          expect([got.status, codeOf(got)], `${hex} under ${count} caveats`).toEqual([401, 'CREDENTIAL_TAMPERED']);
        }
      }
      expect(shop.asked().length).toBe(asks);
    });

    test('parts are made without end, with failures that cost nothing: they are counted so far and no further, and no helper takes what is the others’', async () => {
      const shop = await enterCounted(name, {}, { store: opening(kind) });
      const bought = await shop.buy(purse.path);
      let words = 0;
      const fresh = (count: number, uses = 1) => Array.from({ length: count }, () => [`part=${words++}`, `n_uses=${uses}`]).flat();
      /** As many new parts as a token holds, again and again, until that is refused. */
      const flood = async (...before: readonly string[]): Promise<string> => {
        for (let asks = 0; asks < 100; asks++) {
          const got = await askUntilFree(shop, `${purse.path}?do=status-404`, auth(narrowed(bought, ...before, ...fresh(15))));
          if (got.status !== 404) return `${got.status} ${codeOf(got)}`;
        }
        return 'without end';
      };
      const accounts = async () => (await tracesOf(shop)).filter(({ where }) => where === 'the books: account').length;
      expect(await flood(...helper)).toBe('403 CREDENTIAL_NARROWED');
      expect(await accounts()).toBeLessThanOrEqual(2 + 256);
      const other = narrowed(bought, 'part=other', 'n_uses=3', ...fresh(10, 3));
      await expectServed(shop, () => shop.get(purse.path, auth(other)));
      expect(await flood()).toBe('403 CREDENTIAL_NARROWED');
      expect(await accounts()).toBeLessThanOrEqual(1 + 1024);
      // What was counted before is good as ever, and what never was is served to nobody.
      for (const authorization of [other, narrowed(bought, ...helper), bought.authorization]) {
        await expectServed(shop, () => shop.get(purse.path, auth(authorization)));
      }
      const one = narrowed(bought, ...fresh(15));
      await expectRefused(shop, () => shop.get(purse.path, auth(one)), { status: 403, code: 'CREDENTIAL_NARROWED', asks: ['reserve'] });
      // A server hears of every part of each of these calls.
    }, 30_000);

    test('no holder is given the answer of another, whose name for a call he has guessed', async () => {
      const shop = await enterCounted(name, {}, { store: opening(kind) });
      const bought = await shop.buy(purse.path, { method: 'POST', body: 'one' });
      const asking = (authorization: string) => ({ method: 'POST', body: 'one', ...auth(authorization, { 'idempotency-key': 'mine' }) });
      const target = `${purse.path}?do=hold`;
      await shop.leave(target, asking(narrowed(bought, ...helper)), 'seen');
      shop.upstream.release();
      await expectEnded(shop, 'left');
      for (const [index, other] of [narrowed(bought, 'part=other', 'max_sats=500'), narrowed(bought, ...helper, ...below), bought.authorization].entries()) {
        const asked = shop.get(target, asking(other));
        expect(await soon(shop.upstream.sees(index + 2)), 'a call of its own').toBeUndefined();
        shop.upstream.release();
        expect((await asked).headers['l402-payment']).toBe('charged');
      }
      const got = await shop.get(target, asking(narrowed(bought, ...helper)));
      expect([got.status, shop.upstream.seen.length]).toEqual([200, 4]);
    });

    test('equal limits under two words are two parts, under one word one, and in other hands others', async () => {
      const shop = await enterCounted(name, {}, { store: opening(kind) });
      const [bought, another] = [await shop.buy(purse.path), await shop.buy(purse.path)];
      const rest = (of: Bought, ...caveats: readonly string[]) => spendRest(shop, purse, { authorization: narrowed(of, ...caveats) });
      const used = [calls, 'CREDENTIAL_NARROWED'];
      const none = [0, 'CREDENTIAL_NARROWED'];
      expect(await rest(bought, 'part=one', 'n_uses=3')).toEqual(used);
      expect(await rest(bought, 'part=one', 'n_uses=3')).toEqual(none);
      expect(await rest(bought, 'part=two', 'n_uses=3')).toEqual(used);
      // The same words below two parts, and of two tokens.
      expect(await rest(bought, 'part=a', 'n_uses=9', 'part=x', 'n_uses=3')).toEqual(used);
      expect(await rest(bought, 'part=b', 'n_uses=9', 'part=x', 'n_uses=3')).toEqual(used);
      expect(await rest(another, 'part=one', 'n_uses=3')).toEqual(used);
      // Of satoshis and uses alike, and of two limits in one token each by itself.
      expect(await rest(another, 'part=m', 'max_sats=150')).toEqual(used);
      expect(await rest(another, 'part=n', 'max_sats=150')).toEqual(used);
      expect(await rest(another, 'n_uses=3', 'n_uses=3')).toEqual(used);
      expect(await rest(another, 'n_uses=3', 'part=anything', 'n_uses=3')).toEqual(none);
    });
  });

  test('nobody exceeds anybody before him, and all together not the first: however many parts, of however many parts', async () => {
    const shop = await enterCounted(name);
    const bought = await shop.buy(purse.path);
    const first = ['part=first', 'max_sats=300'];
    const rest = (...caveats: readonly string[]) => spendRest(shop, purse, { authorization: narrowed(bought, ...first, ...caveats) });
    const served: number[] = [];
    for (const word of ['a', 'b', 'c']) {
      for (const below of ['x', 'y']) served.push((await rest(`part=${word}`, 'n_uses=2', `part=${below}`, 'max_sats=100'))[0]);
    }
    expect(served).toEqual([2, 0, 2, 0, 2, 0]);
    expect((await rest())[0]).toBe(0);
    expect((await rest('part=fresh', 'n_uses=9', 'max_sats=300'))[0]).toBe(0);
    // What is left is the whole's, and its own 14 calls.
    expect(await spendRest(shop, purse, bought)).toEqual([14, 'CREDENTIAL_USED']);
  });

  test('a limit of money is counted in money, of a bucket too: its units are worth what was paid for them', async () => {
    const shop = await enterCounted(name);
    const bought = await shop.buy('/units/a');
    // Two of six units that cost 100 sat are worth 33,334 msat.
    const part = { authorization: narrowed(bought, 'max_sats=67') };
    expect(await spendRest(shop, { path: '/units/dear' }, part)).toEqual([0, 'CREDENTIAL_NARROWED']);
    expect(await spendRest(shop, { path: '/units/a' }, part)).toEqual([2, 'CREDENTIAL_NARROWED']);
    await expectServed(shop, () => shop.get('/units/a', auth(bought.authorization)));
  });

  test('no path or method that a holder writes makes a dear route cheap, or another route good', async () => {
    const shop = await enterCounted(name);
    const bought = await shop.buy('/units/a');
    await expectServed(shop, () => shop.get('/units/a', auth(bought.authorization)));
    const used = { status: 402, code: 'CREDENTIAL_USED', asks: ['reserve', 'balance'] } as const;
    for (const caveat of ['units_path=/units/dear', 'units_path=/units/*', 'units_method=GET', 'path_prefix=/units/dear', 'units_terms=bucket:6'])
      await expectRefused(shop, () => shop.get('/units/dear', auth(narrowed(bought, caveat))), used, caveat);
    expect(await spendRest(shop, { path: '/units/a' }, { authorization: narrowed(bought, 'units_path=/units/a') })).toEqual([2, 'CREDENTIAL_USED']);
    const credit = await shop.buy('/credit/a');
    await expectServed(shop, () => shop.get('/credit/a', auth(credit.authorization)));
    await expectRefused(shop, () => shop.get('/credit/dear', auth(narrowed(credit, 'credit_path=/credit/dear'))), used);
  });

  describe('what is carved out', () => {
    const open = { 'l402-carve': 'open' };
    const close = { 'l402-carve': 'close' };
    const child = ['valid_until=1800043200', 'part=child', 'carved=200'];
    const carve = (shop: Shop, authorization: string, header: { readonly [name: string]: string }) => shop.get(purse.path, auth(authorization, header));
    const spend = (shop: Shop, authorization: string) => spendRest(shop, purse, { authorization });
    const refused = { status: 403, code: 'CARVE_REFUSED' } as const;

    test('is its holder’s alone, and no more than that; what is left is the whole’s again when it is closed, for good', async () => {
      const shop = await enterCounted(name);
      const bought = await shop.buy(purse.path);
      const token = narrowed(bought, ...child);
      await expectRefused(shop, () => shop.get(purse.path, auth(token)), { status: 403, code: 'CREDENTIAL_NARROWED', asks: ['reserve'] });
      expect(await carve(shop, token, open)).toMatchObject({ status: 200, headers: { 'l402-carve': 'opened' } });
      expect(await carve(shop, token, open)).toMatchObject({ status: 200, headers: { 'l402-carve': 'opened' } });
      expect(shop.upstream.seen.length).toBe(0);
      // 1000 sat, of which 200 are set aside: sixteen calls, and no word that the others might come back in a moment.
      expect(await spend(shop, bought.authorization)).toEqual([16, 'CREDENTIAL_USED']);
      const served = await shop.get(purse.path, auth(token));
      expect([served.status, served.headers['l402-remaining']]).toEqual([200, '150 sat']);
      expect(await spend(shop, narrowed(bought, ...child, 'n_uses=1'))).toEqual([1, 'CREDENTIAL_NARROWED']);
      expect(await carve(shop, token, close)).toMatchObject({ status: 200, headers: { 'l402-carve': 'closed' } });
      await expectRefused(shop, () => shop.get(purse.path, auth(token)), { status: 403, code: 'CREDENTIAL_NARROWED', asks: ['reserve'] });
      await expectRefused(shop, () => carve(shop, token, open), { ...refused, asks: ['extend', 'reserve', 'reserve'] });
      expect(await spend(shop, bought.authorization)).toEqual([2, 'CREDENTIAL_USED']);
    });

    test('comes back by itself when its time is over, or its call fails; a call that broke off goes back to it', async () => {
      const shop = await enterCounted(name);
      const bought = await shop.buy(purse.path);
      const token = narrowed(bought, ...child);
      await carve(shop, token, open);
      for (let time = 0; time < 3; time++) expect((await shop.get(`${purse.path}?do=status-500`, auth(token))).status).toBe(500);
      expect(await spend(shop, bought.authorization)).toEqual([16, 'CREDENTIAL_USED']);
      expect(await spend(shop, token)).toEqual([4, 'CREDENTIAL_NARROWED']);
      const another = narrowed(await shop.buy(purse.path), ...child);
      await carve(shop, another, open);
      shop.clock.advance(43_201_000);
      await expectRefused(shop, () => shop.get(purse.path, auth(another)), { status: 403, code: 'CREDENTIAL_NARROWED' });
      await expectRefused(shop, () => carve(shop, another, open), { status: 403, code: 'CREDENTIAL_NARROWED' });
    });

    test('is set aside and given back by nobody who has less than it, more of it, or something else', async () => {
      const shop = await enterCounted(name);
      const [bought, club] = [await shop.buy(purse.path), await shop.buy('/club/a')];
      const token = narrowed(bought, ...child);
      await carve(shop, token, open);
      for (const header of [open, close]) {
        await expectRefused(shop, () => carve(shop, narrowed(bought, ...child, 'method=GET'), header), refused);
        await expectRefused(shop, () => carve(shop, bought.authorization, header), refused);
        await expectRefused(shop, () => shop.get(purse.path, { headers: header }), refused);
      }
      await expectRefused(shop, () => carve(shop, narrowed(bought, 'part=other', 'carved=200'), close), { ...refused, asks: ['settle'] });
      await expectRefused(shop, () => carve(shop, narrowed(bought, 'carved=801'), open), {
        ...refused,
        asks: ['extend', 'reserve', 'reserve', 'balance', 'balance'],
      });
      await expectRefused(shop, () => carve(shop, token, { 'l402-carve': 'all' }), { status: 400, code: 'REQUEST_MALFORMED' });
      const narrow = { status: 403, code: 'CREDENTIAL_NARROWED' } as const;
      for (const wrong of [[...child, 'carved=100'], ['n_uses=5', 'carved=100'], ['max_sats=50', 'carved=100'], ['carved=0'], ['carved=1.5'], ['carved=-1']])
        await expectRefused(shop, () => carve(shop, narrowed(bought, ...wrong), open), narrow, wrong.join());
      await expectRefused(shop, () => shop.get('/club/a', auth(narrowed(club, 'carved=1'))), narrow);
      expect(await spend(shop, token)).toEqual([4, 'CREDENTIAL_NARROWED']);
    });

    test.for([name].filter((one) => one === 'gateway'))('is written down so often and no more, whatever a holder writes without end: %s', async () => {
      const shop = await enterCounted(name);
      const bought = await shop.buy(purse.path);
      let words = 0;
      let said = '';
      const accounts = async () => (await tracesOf(shop)).filter(({ where }) => where === 'the books: account').length;
      while (!said.includes('as may be counted') && words < 1100) said = (await carve(shop, narrowed(bought, `part=${words++}`, 'carved=1001'), open)).body;
      expect(said).toContain('as may be counted');
      expect(await accounts()).toBeLessThanOrEqual(1 + 1024);
      await expectServed(shop, () => shop.get(purse.path, auth(bought.authorization)));
    });

    test('of a bucket is counted in its units, and all that is carved out is no more than the whole', async () => {
      const shop = await enterCounted(name);
      const bought = await shop.buy('/units/a');
      const tokens = ['a', 'b'].map((word) => narrowed(bought, `part=${word}`, 'carved=4'));
      const opened = await Promise.all(tokens.map((token) => shop.get('/units/a', auth(token, open))));
      expect(opened.map(({ status }) => status).sort()).toEqual([200, 403]);
      const [first] = tokens.filter((_, index) => opened[index]?.status === 200);
      expect(await spendRest(shop, { path: '/units/dear' }, { authorization: first ?? '' })).toEqual([0, 'CREDENTIAL_NARROWED']);
      expect(await spendRest(shop, { path: '/units/a' }, { authorization: first ?? '' })).toEqual([2, 'CREDENTIAL_NARROWED']);
      expect(await spendRest(shop, { path: '/units/a' }, bought)).toEqual([1, 'CREDENTIAL_USED']);
    });
  });

  test('a limit is taken off, raised or moved by nobody who has only the part', async () => {
    const shop = await enterCounted(name);
    const bought = await shop.buy(purse.path);
    const macaroon = Macaroon.attenuate(bought.macaroon, helper);
    const part = { ...bought, macaroon };
    const others = macaroon.caveats.slice(0, -helper.length);
    for (const caveats of [
      others,
      [...others, 'part=helper'],
      [...others, 'max_sats=500'],
      [...others, 'part=helper', 'max_sats=501'],
      [...others, 'part=another', 'max_sats=500'],
      [...others, 'max_sats=500', 'part=helper'],
    ])
      await expectRefused(shop, () => shop.get(purse.path, auth(changed(part, { caveats }))), { status: 401, code: 'CREDENTIAL_TAMPERED' }, caveats.join());
    await expectRefused(shop, () => shop.get(purse.path, auth(narrowed(part, 'max_sats=501'))), { status: 403, code: 'CREDENTIAL_NARROWED' });
    await expectServed(shop, () => shop.get(purse.path, auth(narrowed(part))));
  });
});
