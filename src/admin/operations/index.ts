/**
 * The table of operations: everything that an operator can do stands here. See `../Operation.ts` for how to add one.
 */
import type { Operation } from '../Operation.ts';
import { followEvents } from './events.ts';
import { showHealth } from './health.ts';
import { exportLedger } from './ledger.ts';
import { showLightning } from './lightning.ts';
import { showMeasures } from './measures.ts';
import { listPayments, showPayment } from './payments.ts';
import { listRoutes } from './routes.ts';
import { showStatistics } from './statistics.ts';
import { buyTry } from './tries.ts';

/** Every operation, in the order in which help shows them. */
export const operations: readonly Operation[] = [
  showHealth,
  listRoutes,
  listPayments,
  showPayment,
  showStatistics,
  showMeasures,
  showLightning,
  followEvents,
  exportLedger,
  buyTry,
];

/** By name. */
export const operationsByName: ReadonlyMap<string, Operation> = new Map(operations.map((operation) => [operation.name, operation]));

if (operationsByName.size !== operations.length) throw new TypeError('two operations have one name');
