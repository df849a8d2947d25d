import { afterEach, describe, expect, it } from 'vitest';
import { openShop, sellOnce } from '../../testing/Shop.ts';
import type { ClientEvent } from '../Client.ts';
import { type BudgetAlert, type BudgetWatch, type WatchBudgetsOptions, watchBudgets } from './watchBudgets.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A buyer whose budgets are watched; everything costs 50 sat. */
async function setup(options: Partial<WatchBudgetsOptions> = {}) {
  let watch: BudgetWatch | undefined;
  const shop = await openShop({ onEvent: (event: ClientEvent) => watch?.onEvent(event) });
  closing.push(shop.close);
  sellOnce(shop.server);
  const alerts: BudgetAlert[] = [];
  const begin = async () => {
    watch = watchBudgets({ store: shop.store, clock: shop.clock, onAlert: (alert) => alerts.push(alert), ...options });
    await watch.settled();
  };
  const buy = async (times: number, client = shop.client) => {
    for (let bought = 0; bought < times; bought++) expect((await client.fetch(shop.url)).status).toBe(200);
    await watch?.settled();
    return alerts.splice(0).map(({ percent, state }) => [state.budget, state.limit.per, percent]);
  };
  return { ...shop, begin, buy, alerts };
}

describe('watchBudgets', () => {
  it('tells of each part of a limit that stands, once', async () => {
    const { store, begin, buy } = await setup();
    await store.budgets.put({ name: '', limits: [{ per: 'total', max: '500 sat' }] });
    await begin();
    expect(await buy(7)).toEqual([]);
    expect(await buy(1)).toEqual([['', 'total', 80]]);
    expect(await buy(1)).toEqual([['', 'total', 90]]);
    expect(await buy(1)).toEqual([['', 'total', 100]]);
  });

  it('tells the largest part alone, and begins anew with the next stretch of time', async () => {
    const { store, clock, begin, buy } = await setup();
    await store.budgets.put({
      name: '',
      limits: [
        { per: 'hour', max: '100 sat' },
        { per: 'request', max: '60 sat' },
      ],
    });
    await begin();
    expect(await buy(2)).toEqual([['', 'hour', 100]]);
    clock.advance(3_600_000);
    expect(await buy(1)).toEqual([]);
    expect(await buy(1)).toEqual([['', 'hour', 100]]);
  });

  it('tells nothing of what was used up before, and all of it where the limit is changed', async () => {
    const { store, begin, buy } = await setup();
    await store.budgets.put({ name: '', limits: [{ per: 'total', max: '500 sat' }] });
    await buy(8);
    await begin();
    expect(await buy(0)).toEqual([]);
    await store.budgets.put({ name: '', limits: [{ per: 'total', max: '600 sat' }] });
    expect(await buy(1)).toEqual([]);
    expect(await buy(1)).toEqual([['', 'total', 80]]);
  });

  it('watches the budgets of a client as well, by name, in words for people', async () => {
    const told: string[] = [];
    const budgets = [{ name: 'agent', limits: [{ per: 'day', max: '100 sat', host: '127.0.0.1' }] }] as const;
    const { client, begin, buy } = await setup({ budgets, onAlert: ({ words }) => told.push(words) });
    await begin();
    await buy(3);
    await buy(2, client.within({ name: 'agent' }));
    expect(told).toEqual([
      expect.stringMatching(
        /^100 % of the budget "agent" is used up: 100 sat spent, 100 sat allowed a day to 127\.0\.0\.1, fees included, until \d{4}-\d\d-\d\d 00:00:00 UTC\.$/,
      ),
    ]);
  });

  it('disturbs nothing: neither where it is not heard, nor where the store does not say', async () => {
    let isAway = false;
    const { store, client, url, begin, buy } = await setup({
      onAlert: () => {
        throw new Error('heard badly');
      },
    });
    await store.budgets.put({ name: '', limits: [{ per: 'total', max: '100 sat' }] });
    await begin();
    const told: BudgetAlert[] = [];
    const report: typeof store.report = (query) => (isAway ? Promise.reject(new Error('away')) : store.report(query));
    const watch = watchBudgets({ store: { report }, onAlert: (alert) => told.push(alert) });
    await watch.settled();
    await buy(1);
    isAway = true;
    watch.onEvent({ kind: 'paid' } as ClientEvent);
    await watch.settled();
    expect((await client.fetch(url)).status).toBe(200);
    isAway = false;
    watch.onEvent({ kind: 'paid' } as ClientEvent);
    await watch.settled();
    expect(told.map(({ percent }) => percent)).toEqual([100]);
  });
});
