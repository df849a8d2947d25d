/**
 * The table of operations: everything that an operator can do stands here. See `../Operation.ts` for how to add one.
 */
import type { Operation } from '../Operation.ts';
import { revokeAccess, showAccess } from './access.ts';
import { creditAccount, listAccounts, showAccount } from './accounts.ts';
import { listAudit, verifyAudit } from './audit.ts';
import { dropChanges, listChanges } from './changes.ts';
import { showConfig } from './config.ts';
import { showHealth } from './health.ts';
import { changeRoute, createRoute, listRoutes, removeRoute } from './routes.ts';
import { changeService, createService, listServices, removeService } from './services.ts';
import { inspectToken, listRevoked, revokeToken, treeOfToken } from './tokens.ts';

/** Every operation, in the order in which help shows them. */
export const operations: readonly Operation[] = [
  showHealth,
  showConfig,
  ...[listServices, createService, changeService, removeService],
  ...[listRoutes, createRoute, changeRoute, removeRoute],
  ...[listChanges, dropChanges],
  ...[inspectToken, treeOfToken, revokeToken, listRevoked],
  ...[listAccounts, showAccount, creditAccount],
  ...[listAudit, verifyAudit],
  ...[showAccess, revokeAccess],
];

/** By name. */
export const operationsByName: ReadonlyMap<string, Operation> = new Map(operations.map((operation) => [operation.name, operation]));

if (operationsByName.size !== operations.length) throw new TypeError('two operations have one name');
