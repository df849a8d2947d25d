/**
 * What every store has to do, as a list of cases that need no test runner: each gets a new, empty store and the clock that it was made with.
 *
 * @see src/store/Store.ts
 */
import { accountCases } from './storeContract/accounts.ts';
import { auditCases } from './storeContract/audit.ts';
import { callCases } from './storeContract/calls.ts';
import { claimCases } from './storeContract/claims.ts';
import { counterCases } from './storeContract/counters.ts';
import { denialCases } from './storeContract/denials.ts';
import { feedCases } from './storeContract/feed.ts';
import { ledgerCases } from './storeContract/ledger.ts';
import { lifetimeCases } from './storeContract/lifetime.ts';
import { lotCases } from './storeContract/lots.ts';
import { movingCases } from './storeContract/moving.ts';
import { releaseCases } from './storeContract/releases.ts';
import { repetitionCases } from './storeContract/repetitions.ts';
import type { StoreCase } from './storeContract/StoreCase.ts';
import { topUpCases } from './storeContract/topUps.ts';

export type { StoreCase } from './storeContract/StoreCase.ts';

/**
 * The suite. A case fails by throwing.
 * @example for (const { name, run } of storeContract) { const clock = FixedClock.create(); await run(await open(clock), clock); }
 */
export const storeContract: readonly StoreCase[] = [
  ...claimCases,
  ...repetitionCases,
  ...releaseCases,
  ...counterCases,
  ...accountCases,
  ...lotCases,
  ...topUpCases,
  ...callCases,
  ...denialCases,
  ...ledgerCases,
  ...auditCases,
  ...feedCases,
  ...movingCases,
  ...lifetimeCases,
];
