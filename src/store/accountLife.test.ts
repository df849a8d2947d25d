/**
 * Accounts where a clock is set back, which the contract's clock is not: on each store that keeps them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import * as FixedClock from '../testing/FixedClock.ts';
import { createMemoryStore } from './memory.ts';
import { createSqliteStore } from './sqlite.ts';

const folder = mkdtempSync(join(tmpdir(), 'farebox-accounts-'));
afterAll(() => rmSync(folder, { recursive: true }));

const leaseSeconds = 30;
const stores = [
  ['memory', async (clock: FixedClock.FixedClock) => createMemoryStore({ clock })],
  ['sqlite', (clock: FixedClock.FixedClock) => createSqliteStore({ path: join(folder, 'farebox.db'), clock })],
] as const;

test.each(stores)('on %s, a lease that had ended and runs again spends nothing that others have spent', async (_, open) => {
  const clock = FixedClock.create();
  let behindMs = 0;
  const store = await open({ ...clock, nowMs: () => clock.nowMs() - behindMs });
  const reserve = (reservation: string, units: bigint) => store.reserve({ reservation, leaseSeconds, debits: [{ account: 'a', units }] });
  await store.credit({ account: 'a', units: 10n, source: 'one', expiresAt: 4_000_000_000 });
  await reserve('slept', 6n);
  clock.advance(leaseSeconds * 1000);
  expect((await reserve('awake', 8n)).kind).toBe('reserved');
  behindMs = 10_000;
  expect(await store.settle({ reservation: 'awake' })).toBe('settled');
  expect(await store.settle({ reservation: 'slept' })).toBe('lost');
  expect(await store.settle({ reservation: 'slept', units: 2n })).toBe('settled');
  expect(await store.balance('a')).toEqual({ units: 10n, available: 0n, reserved: 0n, spent: 10n });
  await store.close();
});
