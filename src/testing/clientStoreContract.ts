/**
 * What every client store has to do, as a list of cases that need no test runner: each gets a new, empty store.
 *
 * @see src/client/ClientStore.ts
 */
import { branches } from './clientStoreContract/branches.ts';
import { budgets } from './clientStoreContract/budgets.ts';
import type { ClientStoreCase } from './clientStoreContract/ClientStoreCase.ts';
import { credentials } from './clientStoreContract/credentials.ts';
import { payments } from './clientStoreContract/payments.ts';
import { standing } from './clientStoreContract/standing.ts';

export { type ClientStoreCase, purchaseOf, requestOf, totalOf } from './clientStoreContract/ClientStoreCase.ts';

/** The suite. A case fails by throwing. */
export const clientStoreContract: readonly ClientStoreCase[] = [...payments, ...credentials, ...budgets, ...standing, ...branches];
