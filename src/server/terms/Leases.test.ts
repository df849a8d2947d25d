/**
 * Units that are counted ahead: what the store sees of them, what a buyer gets, and what is lost where a process or the store goes away.
 */
import { afterEach, describe, expect, test } from 'vitest';
import * as Amount from '../../core/Amount.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Books from '../../store/Books.ts';
import { createMemoryStore } from '../../store/memory.ts';
import type { LedgerEntry, Store } from '../../store/Store.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import { asideOf } from '../Carvings.ts';
import type { LeasedUnits } from './LeaseBlock.ts';
import { createLeases, type LeaseRequest } from './Leases.ts';

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const account = 'a'.repeat(64);
const paymentHash = 'b'.repeat(64) as LedgerEntry['paymentHash'];
const leaseSeconds = 30;

/** A store, and as many processes on it as are asked for; `units` were paid for, with a satoshi each. */
function openDesk(units: bigint, calls = 10) {
  const clock = FixedClock.create();
  const store = createMemoryStore({ clock });
  closing.push(store.close);
  const troubles: unknown[] = [];
  const asked = { reserve: 0, settle: 0 };
  let isAway = false;
  /** Of reservations, that are made. */
  let losesAnswers = false;
  const reached = <Name extends keyof Store>(name: Name): Store[Name] =>
    ((...args: unknown[]) => {
      if (name in asked) asked[name as keyof typeof asked] += 1;
      if (isAway) return Promise.reject(new FareboxError('STORE_UNAVAILABLE', 'away'));
      const done = (store[name] as (...all: unknown[]) => Promise<unknown>)(...args);
      if (losesAnswers && name === 'reserve') return done.then(() => Promise.reject(new FareboxError('STORE_UNAVAILABLE', 'the answer was lost')));
      return between === undefined || (name !== 'settle' && name !== 'cancel') ? done : done.then(async (outcome) => between?.().then(() => outcome));
    }) as Store[Name];
  /** Whatever stands beside the seam between two steps of a block, and acts there. */
  let between: (() => Promise<void>) | undefined;
  const counted = {
    reserve: reached('reserve'),
    extend: reached('extend'),
    settle: reached('settle'),
    cancel: reached('cancel'),
    balance: reached('balance'),
  };
  let drawn = 0;
  const random = (length: number) => new Uint8Array(length).fill(++drawn);
  const at = Math.floor(clock.nowMs() / 1000);
  const received = {
    kind: 'received',
    paymentHash,
    nonce: '',
    amountMsat: Amount.fromSat(Number(units)),
    service: 'api',
    route: 'GET /x',
    at,
    note: '',
  } as const;
  const opens = { source: account, units, expiresAt: at + 86_400, entry: received };
  const request = (takes = 1n, route = 'GET /x'): LeaseRequest => ({ account, opens: () => opens, takes, calls, service: 'api', route });
  const start = () => createLeases({ store: counted, clock, random, leaseSeconds, onTrouble: (error) => troubles.push(error) });
  const leases = start();
  const take = async (of = leases, takes = 1n, route = 'GET /x'): Promise<LeasedUnits> => {
    const outcome = await of.take(request(takes, route));
    if (outcome.kind !== 'taken') throw new Error(outcome.isUnderWay ? 'under way' : 'used up');
    return outcome.units;
  };
  /** A call that is answered. */
  const call = async (of = leases, takes = 1n, route = 'GET /x'): Promise<void> => {
    const taken = await take(of, takes, route);
    if (taken.commit() === 'lost') throw new Error('lost');
    taken.end();
  };
  const books = async () => {
    const { columns, discrepancies } = await Books.verify(store.audit());
    expect(discrepancies).toEqual([]);
    return columns;
  };
  const pass = async (ms: number) => {
    clock.advance(ms);
    await settled();
  };
  const setAway = (away: boolean) => {
    isAway = away;
  };
  const actBetween = (act: () => Promise<void>) => {
    between = act;
  };
  const loseAnswers = (loses: boolean) => {
    losesAnswers = loses;
  };
  return { loseAnswers, actBetween, clock, store, leases, start, take, call, request, books, pass, troubles, asked, setAway };
}

/** Whatever was begun without being waited for has come as far as it can. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

describe('units that are counted ahead', () => {
  test('ask the store once a block, and are earned once a block, for what was used of it', async () => {
    const { call, asked, pass, store, books } = openDesk(100n);
    for (let i = 0; i < 25; i++) await call();
    expect(asked).toEqual({ reserve: 3, settle: 2 });
    await pass(2000);
    expect(asked).toEqual({ reserve: 3, settle: 3 });
    expect(await store.balance(account)).toEqual({ units: 100n, available: 75n, reserved: 0n, spent: 25n });
    const rows = await store.ledger({ after: 0, limit: 10 });
    expect(rows.map(({ kind, amountMsat }) => `${kind} ${amountMsat}`)).toEqual(['received 100000', 'earned 10000', 'earned 10000', 'earned 5000']);
    expect((await books()).earned.amountMsat).toBe(25_000n);
  });

  test('are never more than there are, however many ask at once in however many processes', async () => {
    const { leases, start, call, books, pass, store } = openDesk(47n, 8);
    const others = [leases, start(), start()];
    let served = 0;
    const work = async (of: (typeof others)[number]) => {
      for (let i = 0; i < 30; i++) {
        try {
          await call(of);
          served += 1;
        } catch {
          // Used up, or reserved by another.
        }
      }
    };
    await Promise.all(others.flatMap((of) => [work(of), work(of), work(of)]));
    await pass(2000);
    for (let i = 0; i < 47; i++)
      await call().then(
        () => served++,
        () => {},
      );
    await pass(2000);
    expect(served).toBe(47);
    expect(await store.balance(account)).toEqual({ units: 47n, available: 0n, reserved: 0n, spent: 47n });
    expect((await books()).earned.amountMsat).toBe(47_000n);
  });

  test('that are given back are there for the next call of the block', async () => {
    const { take, call, pass, store } = openDesk(3n, 3);
    for (let i = 0; i < 20; i++) expect(await (await take()).giveBack('upstream')).toBe('released');
    for (let i = 0; i < 3; i++) await call();
    await pass(2000);
    expect((await store.balance(account))?.spent).toBe(3n);
  });

  test('are given back after their commit too, where the answer broke off', async () => {
    const { take, pass, store } = openDesk(10n);
    const taken = await take();
    expect(taken.commit()).toBe('committed');
    expect(await taken.giveBack('upstream-broke', 3)).toBe('released');
    taken.end();
    await pass(2000);
    expect(await store.balance(account)).toMatchObject({ spent: 0n, available: 10n });
  });

  test('are given back for what a buyer can bring about three times a token, in all processes together', async () => {
    const { leases, start, take, pass, store } = openDesk(100n);
    const outcomes: string[] = [];
    for (const of of [leases, start(), leases, start(), leases]) outcomes.push(await (await take(of)).giveBack('client-left', 3));
    expect(outcomes).toEqual(['released', 'released', 'released', 'committed', 'committed']);
    await pass(2000);
    expect(await store.balance(account)).toMatchObject({ spent: 2n, reserved: 0n });
  });

  test('of which others have reserved what is left are under way, and used up when those are settled', async () => {
    const { leases, start, call, take, pass } = openDesk(10n, 10);
    await call(leases);
    const other = start();
    await expect(take(other)).rejects.toThrow('under way');
    for (let i = 0; i < 9; i++) await call(leases);
    await pass(2000);
    await expect(take(other)).rejects.toThrow('used up');
  });

  test('that this process has reserved for one route are there for another one', async () => {
    const { leases, call, pass, store } = openDesk(10n, 10);
    await call(leases, 1n, 'GET /x');
    await call(leases, 3n, 'GET /y');
    await pass(2000);
    expect(await store.balance(account)).toMatchObject({ spent: 4n, available: 6n });
  });

  test('of calls that go on for long are held by themselves, and what is left of their block goes back', async () => {
    const { take, call, pass, store, books } = openDesk(100n);
    const long = await take();
    expect(long.commit()).toBe('committed');
    await call();
    await pass(2000);
    await pass(2000);
    expect(await store.balance(account)).toEqual({ units: 100n, available: 98n, reserved: 1n, spent: 1n });
    for (let minute = 0; minute < 6; minute++) await pass(10_000);
    expect(await store.balance(account)).toMatchObject({ reserved: 1n });
    long.end();
    await settled();
    expect(await store.balance(account)).toEqual({ units: 100n, available: 98n, reserved: 0n, spent: 2n });
    expect((await books()).earned.amountMsat).toBe(2000n);
  });

  test('of calls that go on are nobody else’s while they are moved', async () => {
    const { take, pass, store, actBetween, books, troubles } = openDesk(5n, 5);
    const slow = await take();
    let stolen = 0;
    actBetween(async () => {
      const thief = await store.reserve({ reservation: `thief ${stolen}`, debits: [{ account, units: 5n }], leaseSeconds });
      if (thief.kind === 'reserved') stolen += 1;
    });
    await pass(2000);
    await pass(2000);
    expect(await store.balance(account)).toMatchObject({ available: 4n, reserved: 1n });
    expect(slow.commit()).toBe('committed');
    slow.end();
    await settled();
    expect([stolen, troubles]).toEqual([0, []]);
    expect((await store.balance(account))?.spent).toBe(1n);
    expect((await books()).earned.amountMsat).toBe(1000n);
  });

  test('of calls that go on are spent, though it was not heard that they were reserved', async () => {
    const { take, pass, store, loseAnswers, troubles } = openDesk(5n, 5);
    const slow = await take();
    expect(slow.commit()).toBe('committed');
    loseAnswers(true);
    await pass(2000);
    await pass(2000);
    loseAnswers(false);
    slow.end();
    await settled();
    expect(await store.balance(account)).toMatchObject({ spent: 1n, reserved: 0n, available: 4n });
    expect(troubles).toEqual([]);
  });

  test('are refused to none who asks for less than another who is refused', async () => {
    const { leases, request } = openDesk(5n, 1);
    const [dear, cheap] = await Promise.all([leases.take(request(10n)), leases.take(request(1n))]);
    expect([dear.kind, cheap.kind]).toEqual(['insufficient', 'taken']);
  });

  test('that were carved out do not come back in a moment', async () => {
    const { leases, request, store, call } = openDesk(5n, 1);
    await call();
    const aside = asideOf(account);
    const opens = { source: aside, units: 100n, expiresAt: 1_900_000_000 };
    const debits = [
      { account, units: 4n },
      { account: aside, units: 4n, opens },
    ];
    await store.reserve({ reservation: 'carved', debits, leaseSeconds: 3600 });
    expect(await leases.take(request(1n))).toEqual({ kind: 'insufficient', isUnderWay: false });
  });

  test('keep nobody from closing while the store is away, who is told what could not be written down', async () => {
    const { leases, call, pass, setAway, troubles } = openDesk(5n);
    await call();
    setAway(true);
    const closed = leases.close();
    for (let second = 0; second < 5; second++) await pass(1000);
    await closed;
    expect(troubles.map((error) => (error as FareboxError).code)).toEqual(['STORE_UNAVAILABLE', 'STORE_UNAVAILABLE']);
  });

  test('of a process that dies go back unspent when the lease has ended: what it served is given away, and no more', async () => {
    const { start, call, pass, setAway, store, books } = openDesk(10n, 4);
    const dead = start();
    for (let i = 0; i < 3; i++) await call(dead);
    expect(await store.balance(account)).toMatchObject({ available: 6n, reserved: 4n, spent: 0n });
    // What dies does not reach the store again.
    setAway(true);
    for (let second = 0; second < 60; second++) await pass(1000);
    setAway(false);
    expect(await store.balance(account)).toMatchObject({ available: 10n, reserved: 0n, spent: 0n });
    const other = start();
    for (let i = 0; i < 10; i++) await call(other);
    await pass(2000);
    expect((await books()).earned.amountMsat).toBe(10_000n);
  });

  test('are served while the store is away for as long as they are held, and written down when it is back', async () => {
    const { call, take, pass, setAway, store, troubles } = openDesk(100n);
    await call();
    setAway(true);
    await call();
    await pass(2000);
    await expect(take()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    setAway(false);
    await pass(1000);
    expect(await store.balance(account)).toMatchObject({ spent: 2n, reserved: 0n });
    expect(troubles).toEqual([]);
  });

  test('are written down after their lease has ended too, where nobody else has taken them', async () => {
    const { call, pass, setAway, troubles, store, books } = openDesk(100n);
    await call();
    setAway(true);
    await pass(2000);
    for (let second = 0; second < 40; second++) await pass(1000);
    setAway(false);
    await pass(1000);
    expect(troubles).toEqual([]);
    expect(await store.balance(account)).toMatchObject({ spent: 1n, available: 99n });
    expect((await books()).earned.amountMsat).toBe(1000n);
  });

  test('are told of where others have spent them meanwhile', async () => {
    const { call, pass, setAway, troubles, store, books } = openDesk(100n);
    await call();
    setAway(true);
    await pass(2000);
    for (let second = 0; second < 40; second++) await pass(1000);
    await store.reserve({ reservation: 'other', debits: [{ account, units: 100n }], leaseSeconds });
    await store.settle({ reservation: 'other', entry: { nonce: 'other', service: 'api', route: 'GET /x', at: 1_800_000_000, note: '' } });
    setAway(false);
    await pass(1000);
    expect(troubles).toEqual([expect.objectContaining({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining('1 units were served on GET /x') })]);
    expect((await books()).earned.amountMsat).toBe(100_000n);
  });

  test('are not served any more when their lease may have ended', async () => {
    const { take, pass, setAway } = openDesk(100n);
    const held = await take();
    setAway(true);
    await pass(30_000);
    expect(held.commit()).toBe('lost');
  });

  test('are settled when everything closes, and no timer is left', async () => {
    const { leases, take, call, clock, store } = openDesk(100n);
    const open = await take();
    open.commit();
    await call();
    await leases.close();
    expect(await store.balance(account)).toMatchObject({ spent: 2n, reserved: 0n });
    expect(clock.timers()).toBe(0);
    open.end();
    expect(await store.balance(account)).toMatchObject({ spent: 2n });
  });
});
