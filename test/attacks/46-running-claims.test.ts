/**
 * A reaper that frees a claim whose stream is still running: a claim is held for as long as its holder lives, and not for longer.
 */
import { describe, expect, test } from 'vitest';
import { useKeyOf } from '../../src/server/Verifier.ts';
import type * as FixedClock from '../../src/testing/FixedClock.ts';
import { type Bought, type Shop, timeoutMs } from '../conformance/shop/shop.ts';
import { buyThing, calls, enterCounted, expectEnded, fewThings, spendRest } from './counted.ts';
import { isFar, kindsAt, opening, type StoreKind } from './stores.ts';
import { auth, codeOf, enter, expectServed, mintWith, names, path, refusalOf, standing } from './thief.ts';

const doing = (what: string) => `${path}&do=${what}`;
const leaseSeconds = 3;

/** Lets time go by in steps in which everybody does what is due, and sweeps the store after each. */
async function wait(shop: Shop, steps: number, secondsEach = 1): Promise<void> {
  for (let step = 0; step < steps; step++) {
    shop.clock.advance(secondsEach * 1000);
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    // What others have asked of a server is done when what is asked behind it is.
    for (let turn = 0; turn < (isFar ? 3 : 0); turn++) await shop.store.count({ key: 'step', by: 1, ceiling: 1_000_000, expiresAt: 4_000_000_000 });
    await shop.store.prune();
  }
}

/** A store that hears of no renewal: as if the process slept that should send them. */
function asleep(kind: StoreKind) {
  const unheard = () => new Promise<boolean>(() => {});
  return async (clock: FixedClock.FixedClock) => ({ ...(await opening(kind)(clock)), heartbeat: unheard, extend: unheard });
}

/** Finds the claim taken, for the same request and for another one. */
async function expectTaken(shop: Shop, bought: Pick<Bought, 'authorization'>, same: string, other: string): Promise<void> {
  const before = await standing(shop);
  expect(await refusalOf(shop, same, auth(bought.authorization))).toBe('CREDENTIAL_IN_USE');
  expect(await refusalOf(shop, `${same}&again=1`, auth(bought.authorization))).toBe(other);
  expect(await standing(shop)).toMatchObject({ forwarded: before.forwarded, charged: before.charged });
}

describe.each(names)('%s', (name) => {
  // Both stores keep the same claims; one stand shows that of the second.
  describe.each(kindsAt(name))('%s', (kind) => {
    const open = () => enter(name, { leaseSeconds }, { store: opening(kind) });

    test('an upstream that works for longer than a lease: nobody else gets in before its head', async () => {
      const shop = await enter(name, { leaseSeconds: 1 }, { store: opening(kind) });
      const bought = await shop.buy(path);
      const first = shop.get(doing('hold'), auth(bought.authorization));
      await shop.upstream.sees(1);
      for (let i = 0; i < 4; i++) {
        await wait(shop, 1);
        await expectTaken(shop, bought, doing('hold'), 'CREDENTIAL_IN_USE');
      }
      shop.upstream.release();
      expect((await first).status).toBe(200);
      await shop.ended('delivered');
      expect(codeOf(await shop.get(doing('hold'), auth(bought.authorization)))).toBe('CREDENTIAL_USED');
      expect(await standing(shop)).toMatchObject({ forwarded: 1, charged: 1 });
    });

    test('an answer that streams for longer than a lease: nobody is given it a second time meanwhile', async () => {
      const shop = await open();
      const bought = await shop.buy(path);
      const first = shop.get(doing('stall'), auth(bought.authorization));
      await shop.ended('charged');
      for (let i = 0; i < 3; i++) {
        await wait(shop, leaseSeconds + 1);
        await expectTaken(shop, bought, doing('stall'), 'CREDENTIAL_USED');
      }
      shop.upstream.release();
      expect([(await first).status, (await first).whole]).toEqual([200, true]);
      await shop.ended('delivered');
      expect(codeOf(await shop.get(doing('stall'), auth(bought.authorization)))).toBe('CREDENTIAL_USED');
      expect(await standing(shop)).toMatchObject({ forwarded: 1, charged: 1 });
    });

    test('an answer that comes hours after its token has expired finds its claim: it was swept from under nobody', async () => {
      // The gateway alone waits for as long as it is told to; the others stop at the handler's own limit.
      const upstream = name === 'gateway' ? '5h' : `${timeoutMs}ms`;
      const hours = name === 'gateway' ? 2 : 0;
      const shop = await enter(name, { leaseSeconds: 600 }, { store: opening(kind), gateway: { timeouts: { upstream, idle: '5h' } } });
      const caveats = [
        'services=library:0',
        'library_method=GET',
        'library_path=/library/a',
        'library_valid_until=1800000001',
        'library_price=1 sat',
        'library_terms=per-request',
      ];
      const { authorization } = mintWith(caveats);
      const first = shop.get('/library/a?do=hold', auth(authorization));
      await shop.upstream.sees(1);
      await wait(shop, 2);
      for (let minutes = 0; minutes < 60 * hours; minutes += 3) await wait(shop, 1, 180);
      expect(codeOf(await shop.get('/library/a?do=stall', auth(authorization)))).toBe('CREDENTIAL_EXPIRED');
      shop.upstream.release();
      expect([(await first).status, (await first).headers['l402-payment']]).toEqual([200, 'charged']);
      await shop.ended('delivered');
      expect((await shop.ledger()).filter((one) => one !== 'received')).toEqual(['earned']);
    });

    test('a holder that has lost its claim takes nothing from the one that has it: its failure sets nobody free', async () => {
      const shop = await enter(name, { leaseSeconds }, { store: asleep(kind) });
      const bought = await shop.buy(path);
      const first = shop.get(doing('hold'), auth(bought.authorization));
      await shop.upstream.sees(1);
      shop.clock.advance(timeoutMs - 1000);
      const second = shop.get(doing('hold'), auth(bought.authorization));
      await shop.upstream.sees(2);
      shop.clock.advance(1000);
      // A failure, or word that somebody else has the claim: no answer.
      expect([504, 409]).toContain((await first).status);
      await expectTaken(shop, bought, doing('hold'), 'CREDENTIAL_IN_USE');
      shop.upstream.release();
      expect((await second).status).toBe(200);
      await shop.ended('delivered');
      expect(await shop.ledger()).toEqual(['received', 'earned']);
    });

    test('a holder that sleeps through its lease loses it: another is served, and what the first brings late goes to nobody', async () => {
      const shop = await enter(name, { leaseSeconds }, { store: asleep(kind) });
      const bought = await shop.buy(path);
      const sleeper = shop.get(doing('hold'), auth(bought.authorization));
      await shop.upstream.sees(1);
      shop.clock.advance((leaseSeconds + 1) * 1000);
      await expectServed(shop, () => shop.get(path, auth(bought.authorization)));
      await shop.ended('delivered');
      shop.upstream.release();
      const late = await sleeper;
      expect([late.status, codeOf(late), late.body.includes('hola'), late.headers['payment-receipt']]).toEqual([409, 'CREDENTIAL_IN_USE', false, undefined]);
      expect(await shop.ledger()).toEqual(['received', 'earned']);
    });

    test('a holder that was killed is waited for until its lease ends, and for no longer', async () => {
      const shop = await open();
      const bought = await shop.buy(path);
      const key = useKeyOf(bought.macaroon.identifier);
      const repeat = { limit: 2, withinSeconds: 600 };
      const killed = await shop.store.claim({ key, request: 'ab'.repeat(32), leaseSeconds, expiresAt: 1_800_087_000, repeat });
      if (killed.kind !== 'granted') throw new Error(killed.kind);
      await wait(shop, leaseSeconds - 1);
      expect(codeOf(await shop.get(path, auth(bought.authorization)))).toBe('CREDENTIAL_IN_USE');
      await wait(shop, 1);
      await expectServed(shop, () => shop.get(path, auth(bought.authorization)));
      expect(await shop.store.commit({ key, fence: killed.fence })).toBe('lost');
      expect(await shop.store.heartbeat({ key, fence: killed.fence, leaseSeconds })).toBe(false);
    });

    test.each(fewThings)('the last units of what is counted are held for as long as their upstream works: $what', async (thing) => {
      const shop = await enterCounted(name, { leaseSeconds: 1 }, { store: opening(kind) });
      const held = await buyThing(shop, thing);
      for (let call = 1; call < calls; call++) expect((await shop.get(thing.path, auth(held.authorization))).status).toBe(200);
      const last = shop.get(`${thing.path}?do=hold`, auth(held.authorization));
      await shop.upstream.sees(calls);
      for (let i = 0; i < 4; i++) {
        await wait(shop, 4, 0.25);
        expect(await refusalOf(shop, thing.path, auth(held.authorization))).toBe('CREDENTIAL_IN_USE');
      }
      shop.upstream.release();
      expect((await last).status).toBe(200);
      expect(await spendRest(shop, thing, held)).toEqual([0, thing.usedUp]);
      expect(shop.upstream.seen.length).toBe(calls);
    });

    test.each(fewThings)('whoever sleeps through a lease has lost its units to whoever is served with them, and answers nobody late: $what', async (thing) => {
      const shop = await enterCounted(name, { leaseSeconds }, { store: asleep(kind) });
      const held = await buyThing(shop, thing);
      const sleeper = shop.get(`${thing.path}?do=hold`, auth(held.authorization));
      await shop.upstream.sees(1);
      shop.clock.advance((leaseSeconds + 1) * 1000);
      expect(await spendRest(shop, thing, held)).toEqual([calls, thing.usedUp]);
      shop.upstream.release();
      const late = await sleeper;
      expect([late.status, codeOf(late), late.body.includes('hola'), late.headers['payment-receipt']]).toEqual([409, 'CREDENTIAL_IN_USE', false, undefined]);
    });

    test('units set aside by whoever was killed are waited for until the lease ends, and for no longer', async () => {
      const shop = await enterCounted(name, { leaseSeconds }, { store: opening(kind) });
      const bought = await shop.buy('/credit/a');
      await expectServed(shop, () => shop.get('/credit/a', auth(bought.authorization)));
      const account = useKeyOf(bought.macaroon.identifier);
      const killed = await shop.store.reserve({ reservation: 'of the killed', debits: [{ account, units: 100_000n }], leaseSeconds });
      expect(killed.kind).toBe('reserved');
      await wait(shop, leaseSeconds - 1);
      expect(codeOf(await shop.get('/credit/a', auth(bought.authorization)))).toBe('CREDENTIAL_IN_USE');
      await wait(shop, 1);
      expect(await spendRest(shop, { path: '/credit/a' }, bought)).toEqual([2, 'CREDENTIAL_USED']);
      expect(await shop.store.settle({ reservation: 'of the killed' })).toBe('lost');
      expect(await shop.store.extend({ reservation: 'of the killed', leaseSeconds })).toBe(false);
    });

    test('an answer that comes when its token has expired finds its units, and is earned; one that breaks off later gives them back', async () => {
      // The gateway alone waits for as long as it is told to; the others stop at the handler's own limit.
      const upstream = name === 'gateway' ? '5h' : `${timeoutMs}ms`;
      const hours = name === 'gateway' ? 2 : 0;
      const shop = await enterCounted(name, { leaseSeconds: 600 }, { store: opening(kind), gateway: { timeouts: { upstream, idle: '5h' } } });
      const caveats = ['services=credit:0', 'credit_valid_until=1800000001', 'credit_price=90 sat', 'credit_terms=credit:150000'];
      const { authorization } = mintWith([...caveats, 'n_uses=5']);
      const answers = [shop.get('/credit/a?do=hold', auth(authorization)), shop.get('/credit/a?do=break', auth(authorization))];
      await shop.upstream.sees(2);
      await expectEnded(shop, 'charged');
      await wait(shop, 2);
      for (let minutes = 0; minutes < 60 * hours; minutes += 3) await wait(shop, 1, 180);
      expect(codeOf(await shop.get('/credit/a', auth(authorization)))).toBe('CREDENTIAL_EXPIRED');
      shop.upstream.release();
      const [late, broken] = await Promise.all(answers);
      expect([late?.status, late?.headers['l402-payment'], broken?.whole]).toEqual([200, 'charged', false]);
      await expectEnded(shop, 'released upstream-broke');
      expect([...(await shop.ledger())].sort()).toEqual(['earned', 'earned', 'received', 'reversed']);
    });
  });
});
