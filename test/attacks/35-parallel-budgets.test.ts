/**
 * Calls in parallel that overshoot a budget together, in one client, in several, and in several processes: money is set aside before a wallet
 * is called, and what is set aside is counted by all.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ClientStore, type CreateFetchOptions, createFetch, createMemoryClientStore, type LimitOptions } from '../../src/client/index.ts';
import { createSqliteClientStore } from '../../src/client/sqlite.ts';
import * as Amount from '../../src/core/Amount.ts';
import { type Shop, sellOnce } from '../../src/testing/Shop.ts';
import { outcomeOf, sendBuyer } from './buyer.ts';
import type { Order, Told } from './buyingProcess.ts';
import { soon } from './soon.ts';

let folder: string;
let stores: ClientStore[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'farebox-budget-'));
  stores = [];
});
afterEach(async () => {
  for (const store of stores) await store.close();
  rmSync(folder, { recursive: true });
});

/** Room for three calls at 60 sat, fee included, and not for the least part of a fourth. */
const maxTotal = '220 sat';

const kinds = { memory: createMemoryClientStore, sqlite: () => createSqliteClientStore({ path: join(folder, 'client.db') }) };
function openStore(kind: keyof typeof kinds): ClientStore {
  const store = kinds[kind]();
  stores.push(store);
  return store;
}

/** A seller, and as many clients as asked for on one store; each call goes to an address of its own. */
async function clients(count: number, stores: readonly ClientStore[], more: Partial<CreateFetchOptions> = {}) {
  const shop = await sendBuyer();
  const { payer, clock, server } = shop;
  const fetches = Array.from({ length: count }, (_, index) =>
    createFetch({ payer, clock, store: stores[index % stores.length] as ClientStore, maxPerRequest: '60 sat', maxTotal, ...more }),
  );
  let calls = 0;
  const callAll = (each: number) => fetches.flatMap((fetch) => Array.from({ length: each }, () => outcomeOf(fetch(`${server.origin}/v1/${++calls}`))));
  return { ...shop, callAll };
}

/** Resolves when so many of the promises have ended. */
function ended(promises: readonly Promise<unknown>[], count: number): Promise<'ended'> {
  let left = count;
  return new Promise((resolve) => {
    for (const promise of promises) void promise.then(() => --left === 0 && resolve('ended'));
  });
}

const exceeded = (count: number) => Array<string>(count).fill('BUDGET_EXCEEDED');
const sorted = async (outcomes: readonly Promise<number | string>[]) => (await Promise.all(outcomes)).sort();

describe.each(['memory', 'sqlite'] as const)('with the store %s', (kind) => {
  test.each([1, 2, 5])('%i clients at once: what one has set aside, no other spends', async (count) => {
    const store = openStore(kind);
    const { payer, callAll } = await clients(count, [store]);
    const open = payer.slow();
    const outcomes = callAll(20 / count);
    // The wallet has answered nobody yet: what is refused is refused for what is set aside.
    expect(await soon(ended(outcomes, 17))).toBe('ended');
    expect(payer.paid.length).toBe(3);
    expect(await store.spending()).toEqual({ heldMsat: 180_000n, spentMsat: 0n, stoppedBy: undefined });
    open();
    expect(await sorted(outcomes)).toEqual([200, 200, 200, ...exceeded(17)]);
    expect(payer.spentMsat()).toBe(150_000n);
  });

  test('whatever the fees come to, all of it stays within the limit', async () => {
    const store = openStore(kind);
    const { payer, callAll } = await clients(2, [store]);
    for (const feeMsat of [10_000n, 7_500n, 1n, 10_000n]) {
      payer.script({ kind: 'settle', feeMsat: Amount.fromMsat(feeMsat), refuse: true });
      await Promise.all(callAll(4));
    }
    const { spentMsat, heldMsat } = await store.spending();
    expect(heldMsat).toBe(0n);
    expect(spentMsat).toBe(payer.spentMsat());
    expect(spentMsat).toBeLessThanOrEqual(220_000n);
    expect(payer.paid.every(({ maxFeeMsat }) => maxFeeMsat <= 10_000n)).toBe(true);
  });

  test('the last of it may leave less for a fee, and the wallet is told so', async () => {
    const { payer, callAll } = await clients(1, [openStore(kind)], { maxTotal: '115 sat' });
    expect(await sorted(callAll(1))).toEqual([200]);
    payer.script({ kind: 'settle', feeMsat: Amount.fromSat(6), refuse: true });
    const open = payer.slow();
    const calls = callAll(2);
    // 65 sat are left: 50 and 10 for one, nothing for another.
    expect(await soon(ended(calls, 1))).toBe('ended');
    open();
    expect(await sorted(calls)).toEqual([200, 'BUDGET_EXCEEDED']);
    expect(payer.paid.map(({ maxFeeMsat }) => maxFeeMsat)).toEqual([10_000n, 10_000n]);
    expect(await sorted(callAll(1))).toEqual(exceeded(1));
  });

  test('calls for one and the same thing count one by one', async () => {
    const shop = await sendBuyer({ store: openStore(kind), maxTotal });
    sellOnce(shop.server);
    const open = shop.payer.slow();
    const outcomes = Array.from({ length: 10 }, () => outcomeOf(shop.fetch(shop.url)));
    expect(await soon(ended(outcomes, 7))).toBe('ended');
    expect(shop.payer.paid.length).toBe(3);
    open();
    expect(await sorted(outcomes)).toEqual([200, 200, 200, ...exceeded(7)]);
  });

  test('payments whose end is not known are spent until it is', async () => {
    const { payer, callAll } = await clients(2, [openStore(kind)]);
    payer.script({ kind: 'unknown', became: 'pending' });
    expect(await sorted(callAll(5))).toEqual([...exceeded(7), 'PAYMENT_UNKNOWN', 'PAYMENT_UNKNOWN', 'PAYMENT_UNKNOWN']);
    payer.script({ kind: 'settle' });
    expect(await sorted(callAll(5))).toEqual(exceeded(10));
    expect(payer.paid.length).toBe(3);
  });

  test('payments that failed for certain are not', async () => {
    const { payer, callAll } = await clients(2, [openStore(kind)]);
    payer.script({ kind: 'fail', reason: 'no-route' });
    for (let round = 0; round < 3; round++) expect(new Set(await sorted(callAll(1)))).toEqual(new Set(['PAYMENT_UNROUTABLE']));
    payer.script({ kind: 'settle' });
    expect((await sorted(callAll(5))).filter((outcome) => outcome === 200).length).toBeGreaterThanOrEqual(3);
    expect(payer.spentMsat()).toBeLessThanOrEqual(220_000n);
  });

  test('one that costs more than it might stops all the others, those that have only set money aside too', async () => {
    const store = openStore(kind);
    const { payer, callAll } = await clients(2, [store], { maxTotal: '2000 sat' });
    payer.script({ kind: 'settle', feeMsat: Amount.fromSat(11) });
    expect(await sorted(callAll(1))).toContain(200);
    const paid = payer.paid.length;
    expect(paid).toBeLessThanOrEqual(2);
    expect(await sorted(callAll(5))).toEqual(exceeded(10));
    expect(payer.paid.length).toBe(paid);
    expect((await store.spending()).stoppedBy).toBeDefined();
  });

  test('a client with less counts what the others have spent', async () => {
    const store = openStore(kind);
    const rich = await clients(1, [store], { maxTotal: '2000 sat' });
    expect(await sorted(rich.callAll(4))).toEqual([200, 200, 200, 200]);
    const { payer, clock, server } = rich;
    const poor = createFetch({ payer, clock, store, maxPerRequest: '60 sat', maxTotal });
    expect(await outcomeOf(poor(`${server.origin}/poor`))).toBe('BUDGET_EXCEEDED');
    expect(payer.paid.length).toBe(4);
  });
});

test('two stores on one file are one budget', async () => {
  const { payer, callAll } = await clients(2, [openStore('sqlite'), openStore('sqlite')]);
  const open = payer.slow();
  const outcomes = callAll(10);
  expect(await soon(ended(outcomes, 17))).toBe('ended');
  expect(payer.paid.length).toBe(3);
  open();
  expect(await sorted(outcomes)).toEqual([200, 200, 200, ...exceeded(17)]);
});

describe('every kind of limit, by two stores on one file', () => {
  const max = '110 sat';
  const agent = (...limits: readonly LimitOptions[]) => ({ name: 'agent', limits });
  const wide = { name: 'wide', limits: [{ per: 'total', max: '1 BTC' }] } as const;
  const limits: Readonly<Record<string, Partial<CreateFetchOptions>>> = {
    'a minute': { budgets: [agent({ per: 'minute', max })] },
    'an hour': { budgets: [agent({ per: 'hour', max })] },
    'a day': { budgets: [agent({ per: 'day', max })] },
    'a week': { budgets: [agent({ per: 'week', max })] },
    'a month': { budgets: [agent({ per: 'month', max })] },
    'everything of a budget': { budgets: [agent({ per: 'total', max })] },
    'a host': { budgets: [agent({ per: 'day', max, host: '127.0.0.1' })] },
    'a tag': { budgets: [agent({ per: 'day', max, tag: 'job' })], tags: ['job'] },
    'the outer of two budgets': { budgets: [agent({ per: 'day', max }), wide] },
    'the inner of two budgets': { budgets: [wide, agent({ per: 'day', max })] },
  };

  /** Room for one call at 60 sat, and one more whose fee may be nothing. */
  async function overshoot(options: Partial<CreateFetchOptions>, stores = [openStore('sqlite'), openStore('sqlite')]) {
    const { payer, callAll } = await clients(2, stores, { maxTotal: '2000 sat', ...options });
    const open = payer.slow();
    const outcomes = callAll(4);
    expect(await soon(ended(outcomes, 6), 6000)).toBe('ended');
    expect(payer.paid.length).toBe(2);
    open();
    expect(await sorted(outcomes)).toEqual([200, 200, ...exceeded(6)]);
  }

  test.each(Object.entries(limits))('for %s', async (_, options) => overshoot(options));

  test.each(['', 'house'])('that stands in the store as "%s", where no client knows of it', async (name) => {
    const stores = [openStore('sqlite'), openStore('sqlite')];
    await stores[0]?.budgets.put({ name, limits: [{ per: 'day', max }] });
    await overshoot({}, stores);
  });

  test('that is new, where its budget has spent before', async () => {
    const stores = [openStore('sqlite'), openStore('sqlite')];
    const before = await clients(1, stores, { maxTotal: '2000 sat', budgets: [agent()] });
    expect(await sorted(before.callAll(2))).toEqual([200, 200]);
    const { payer, callAll } = await clients(2, stores, { maxTotal: '2000 sat', budgets: [agent({ per: 'day', max })] });
    expect(await sorted(callAll(2))).toEqual(exceeded(4));
    expect(payer.paid.length).toBe(0);
  });

  test('for one request, for hosts, and for what nobody has consented to: nothing is paid at all', async () => {
    const cases = [
      [{ budgets: [agent({ per: 'request', max: '49 sat' })] }, 'BUDGET_EXCEEDED'],
      [{ budgets: [{ name: 'agent', allow: ['example.com'] }] }, 'BUDGET_HOST_DENIED'],
      [{ budgets: [{ name: 'agent', consent: { above: '49 sat' } }] }, 'CONSENT_REFUSED'],
    ] as const;
    for (const [options, code] of cases) {
      const { payer, callAll } = await clients(2, [openStore('sqlite'), openStore('sqlite')], { maxTotal: '2000 sat', ...options });
      expect(await sorted(callAll(2))).toEqual([code, code, code, code]);
      expect(payer.paid.length).toBe(0);
    }
  });
});

describe('processes on one file', () => {
  const script = fileURLToPath(new URL('buyingProcess.ts', import.meta.url));
  /** Two processes write by turns, each to the disk. */
  const patienceMs = 15_000;
  const running = new Set<ChildProcess>();
  afterEach(async () => {
    for (const child of running) await end(child);
  });

  type Buyer = { readonly child: ChildProcess; readonly say: (order: Order) => void; readonly outcomes: (number | string)[] };

  /** Starts a process that asks the shop's wallet for its payments; `heard` is called whenever one of its calls has ended. */
  async function start({ payer, clock }: Shop, heard: () => void): Promise<Buyer> {
    const args = [join(folder, 'client.db'), `${clock.nowMs() / 1000}`, maxTotal];
    const child = fork(script, args, { execPath: process.execPath, execArgv: ['--disable-warning=ExperimentalWarning'], serialization: 'advanced' });
    running.add(child);
    const outcomes: (number | string)[] = [];
    const say = (order: Order) => void (child.connected && child.send(order));
    const ready = new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error('the process has ended')));
      child.on('message', (told: Told) => {
        if (told.kind === 'ready') resolve();
        else if (told.kind === 'pay') void payer.pay(told.request).then((outcome) => say({ kind: 'paid', id: told.id, outcome }));
        else {
          outcomes.push(told.outcome);
          heard();
        }
      });
    });
    await ready;
    return { child, say, outcomes };
  }

  async function end(child: ChildProcess): Promise<void> {
    running.delete(child);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** Resolves when so many calls have ended in all; called anew whenever one has. */
  function counter(): { readonly heard: () => void; readonly reaches: (count: number) => Promise<'ended'> } {
    let count = 0;
    const watchers = new Set<() => void>();
    return {
      heard: () => {
        count++;
        for (const watch of watchers) watch();
      },
      reaches: (wanted) =>
        new Promise((resolve) => {
          const watch = () => count >= wanted && resolve('ended');
          watchers.add(watch);
          watch();
        }),
    };
  }

  test('spend no more together than one alone, and what a killed one had under way stays spent', async () => {
    const shop = await sendBuyer();
    const { payer, server } = shop;
    const { heard, reaches } = counter();
    const [first, second] = await Promise.all([start(shop, heard), start(shop, heard)]);
    const open = payer.slow();
    const urls = (name: string) => Array.from({ length: 12 }, (_, index) => `${server.origin}/${name}/${index}`);
    first.say({ kind: 'buy', urls: urls('first') });
    second.say({ kind: 'buy', urls: urls('second') });
    expect(await soon(reaches(21), patienceMs)).toBe('ended');
    expect([...first.outcomes, ...second.outcomes]).toEqual(exceeded(21));
    expect(payer.paid.length).toBe(3);
    await end(first.child);
    const third = await start(shop, heard);
    third.say({ kind: 'buy', urls: urls('third') });
    expect(await soon(reaches(33), patienceMs)).toBe('ended');
    expect(third.outcomes).toEqual(exceeded(12));
    open();
    const kept = openStore('sqlite');
    const finished = 12 - second.outcomes.length;
    expect(await soon(reaches(33 + finished), patienceMs)).toBe('ended');
    expect(second.outcomes.filter((outcome) => outcome === 200).length).toBe(finished);
    const { heldMsat, spentMsat } = await kept.spending();
    expect([payer.paid.length, heldMsat / 60_000n + spentMsat / 50_000n]).toEqual([3, 3n]);
    for (const { say } of [second, third]) say({ kind: 'close' });
  });
});
