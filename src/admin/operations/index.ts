/**
 * The table of operations: everything that an operator can do stands here. See `../Operation.ts` for how to add one.
 */
import type { Operation } from '../Operation.ts';
import { revokeAccess, showAccess } from './access.ts';
import { creditAccount, listAccounts, showAccount } from './accounts.ts';
import { listAudit, verifyAudit } from './audit.ts';
import { dropChanges, listChanges } from './changes.ts';
import { showConfig } from './config.ts';
import { followEvents } from './events.ts';
import { showHealth } from './health.ts';
import { exportLedger } from './ledger.ts';
import { showLightning } from './lightning.ts';
import { showMeasures } from './measures.ts';
import { listPayments, showPayment } from './payments.ts';
import { changeRoute, createRoute, listRoutes, removeRoute } from './routes.ts';
import { changeService, createService, listServices, removeService } from './services.ts';
import { showStatistics } from './statistics.ts';
import { inspectToken, listRevoked, revokeToken, treeOfToken } from './tokens.ts';
import { buyTry } from './tries.ts';

/** Every operation, in the order in which help shows them. */
export const operations: readonly Operation[] = [
  showHealth,
  showConfig,
  ...[listServices, createService, changeService, removeService],
  ...[listRoutes, createRoute, changeRoute, removeRoute],
  ...[listChanges, dropChanges],
  ...[inspectToken, treeOfToken, revokeToken, listRevoked],
  ...[listAccounts, showAccount, creditAccount],
  ...[listPayments, showPayment, exportLedger],
  ...[showStatistics, showMeasures, showLightning],
  ...[followEvents, buyTry],
  ...[listAudit, verifyAudit],
  ...[showAccess, revokeAccess],
];

/** By name. */
export const operationsByName: ReadonlyMap<string, Operation> = new Map(operations.map((operation) => [operation.name, operation]));

if (operationsByName.size !== operations.length) throw new TypeError('two operations have one name');
