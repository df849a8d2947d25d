/**
 * What an operator sees of what was sold: statistics, payments, what happens, and the books.
 */
import { expect, test } from 'vitest';
import { createEvents } from '../../server/Events.ts';
import { createMemoryStore } from '../../store/memory.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import { digest, entryOf } from '../../testing/storeContract/StoreCase.ts';
import { createRecent } from '../books/Recent.ts';
import type { Call, Operation } from '../Operation.ts';
import { run } from '../run.ts';
import { operationsByName } from './index.ts';

const begun = 1_800_000_000;

function setup(config: object = {}) {
  const clock = FixedClock.create();
  const store = createMemoryStore({ clock });
  const events = createEvents();
  const stop = new AbortController();
  const caller = { id: 'a', label: 'test', kind: 'token', scope: 'admin', operations: undefined } as const;
  const call = { clock, store, events, caller, recent: createRecent(events), config: () => config, signal: stop.signal } as unknown as Call;
  const ask = async (name: string, input: object = {}) => {
    const outcome = await run(operationsByName.get(name) as Operation, input, call);
    // biome-ignore lint/suspicious/noExplicitAny: each test knows what it asked for
    return outcome as any;
  };
  return { store, events, stop, ask };
}

test('statistics by time, route and kind; a span is widened to whole steps', async () => {
  const { store, ask } = setup();
  await store.append([
    entryOf('received', 'a', { at: begun }),
    entryOf('earned', 'a', { at: begun }),
    entryOf('received', 'b', { at: begun + 7200, route: 'GET /b' }),
    entryOf('earned', 'b', { at: begun + 7200, route: 'GET /b' }),
    entryOf('reversed', 'b', { at: begun + 7201, route: 'GET /b' }),
  ]);
  const { value } = await ask('statistics.show', { fromAt: begun + 10, toAt: begun + 7300 });
  expect([value.fromAt, value.toAt, value.stepSeconds]).toEqual([begun, begun + 10_800, 3600]);
  expect(value.series.map((step: { earnedMsat: string; payments: number }) => [step.earnedMsat, step.payments])).toEqual([
    ['50000', 1],
    ['0', 0],
    ['0', 1],
  ]);
  expect(value.totals).toMatchObject({ earnedMsat: '50000', receivedMsat: '100000', payments: 2, sales: 1, reversals: 1 });
  expect(value.routes.map(({ route, earnedMsat }: { route: string; earnedMsat: string }) => [route, earnedMsat])).toEqual([
    ['GET /api/v1/translate', '50000'],
    ['GET /b', '0'],
  ]);
  const { value: one } = await ask('statistics.show', { fromAt: begun, toAt: begun + 7300, route: 'GET /b' });
  expect(one.totals.payments).toBe(1);
});

test('days begin where local time has it', async () => {
  const { store, ask } = setup();
  await store.append([entryOf('received', 'a', { at: begun })]);
  const { value } = await ask('statistics.show', { fromAt: begun, toAt: begun + 1, step: 'day', offsetMinutes: 330 });
  expect((value.fromAt + 330 * 60) % 86_400).toBe(0);
  expect(value.totals.payments).toBe(1);
});

test.each([
  [{ fromAt: begun, toAt: begun - 7200 }, 'not later'],
  [{ fromAt: 0, toAt: begun, step: 'minutes' }, 'more than 1000'],
  [{ step: 'week' }, 'step'],
])('statistics of %j are refused', async (input, why) => {
  const { ask } = setup();
  await expect(ask('statistics.show', input)).rejects.toMatchObject({ code: 'REQUEST_MALFORMED', message: expect.stringContaining(why) });
});

test('a payment’s story, with what this process saw beside the ledger', async () => {
  const { store, events, ask } = setup();
  const paymentHash = digest('a');
  const facts = { paymentHash, service: 'translate', route: 'GET /x', amountMsat: 50_000n as never };
  events.emit({ at: begun * 1000, kind: 'challenged', ...facts });
  await store.append([entryOf('received', 'a', { note: 'per-request' }), entryOf('earned', 'a', { note: '200' })]);
  events.emit({ at: (begun + 1) * 1000, kind: 'delivered', ...facts });
  await store.deny({ kind: 'payment', value: paymentHash, expiresAt: begun + 1000 });
  const { value } = await ask('payments.show', { paymentHash });
  expect(value.payment).toMatchObject({ state: 'earned', terms: 'per-request', isRevoked: true });
  expect(value.entries.map(({ sentence }: { sentence: string }) => sentence)).toEqual([
    'The payment was presented for the first time; it buys: per-request.',
    'It bought an answer (200).',
  ]);
  expect(value.seen.map(({ kind }: { kind: string }) => kind)).toEqual(['challenged', 'delivered']);
  await expect(ask('payments.show', { paymentHash: digest('b') })).rejects.toMatchObject({ code: 'ADMIN_TARGET_UNKNOWN' });
});

test('what happens is told as it happens, from the ledger and beside it, and ends with whoever listens', async () => {
  const { store, events, stop, ask } = setup();
  const { items } = await ask('events.follow');
  const heard: unknown[] = [];
  const listening = (async () => {
    for await (const { kind, amountMsat } of items) {
      heard.push([kind, amountMsat]);
      if (heard.length === 3) stop.abort();
    }
  })();
  events.emit({ at: begun * 1000, kind: 'charged', paymentHash: digest('a'), service: 's', route: 'r', amountMsat: 1n as never });
  events.emit({ at: begun * 1000, kind: 'refused', code: 'RATE_LIMITED', status: 429, route: 'GET /x' });
  await store.append([entryOf('received', 'a')]);
  await store.deny({ kind: 'payment', value: digest('a'), expiresAt: begun + 1000 });
  await listening;
  expect(heard).toEqual(
    expect.arrayContaining([
      ['refused', null],
      ['received', '50000'],
      ['denied', null],
    ]),
  );
});

test('the books go out oldest first, and only what was asked for', async () => {
  const { store, ask } = setup();
  await store.append([entryOf('received', 'a'), entryOf('earned', 'a'), entryOf('earned', 'b', { at: begun + 100 })]);
  const { items } = await ask('ledger.export', { kind: 'earned', toAt: begun + 100 });
  const rows: { time: string; amountMsat: string; fiatValue: string }[] = [];
  for await (const row of items) rows.push(row);
  expect(rows).toEqual([expect.objectContaining({ kind: 'earned', time: '2027-01-15T08:00:00Z', amountMsat: '50000', fiatValue: '', rateSource: '' })]);
});

test('the books say what an entry is worth where the configuration names a rate, and which', async () => {
  const { store, ask } = setup({ page: { rate: { currency: 'EUR', bitcoin: 95_000 } } });
  await store.append([entryOf('earned', 'a')]);
  const { items } = await ask('ledger.export', {});
  for await (const { fiatValue, fiatCurrency, rateSource } of items) {
    expect([fiatValue, fiatCurrency, rateSource]).toEqual(['0.047500', 'EUR', 'page.rate of the configuration: 95000 EUR a bitcoin']);
    return;
  }
  expect.unreachable('no row');
});
