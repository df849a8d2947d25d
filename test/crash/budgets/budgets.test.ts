/**
 * Budgets, while everything goes wrong: `npm run crash:budgets` does the same for longer, and on PostgreSQL and Redis.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createSpares } from '../Spares.ts';
import { agree } from './agree.ts';
import { openHouse } from './House.ts';
import { recover, spend } from './spend.ts';

test('32 tasks in 4 processes never exceed a limit, and afterwards journal, wallet and ledger agree', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-budgets-'));
  const spares = createSpares(folder, 1);
  const house = await openHouse(spares, { kind: 'sqlite', path: join(folder, 'client.db') }, folder);
  try {
    const { ends, deaths } = await spend(house, 'of a house', 3);
    await recover(house, 'of a house');
    const { findings, payments } = await agree(house);
    expect([...house.findings, ...findings]).toEqual([]);
    // It was a day like others: much was bought, much refused, and somebody died.
    expect(payments).toBeGreaterThan(10);
    expect(ends.get('200')).toBeGreaterThan(10);
    expect(ends.get('BUDGET_EXCEEDED')).toBeGreaterThan(0);
    expect(deaths.length).toBeGreaterThan(0);
    expect(house.looks().held).toBeGreaterThan(0);
  } finally {
    await house.close();
    await spares.close();
    rmSync(folder, { recursive: true, force: true });
  }
}, 240_000);
