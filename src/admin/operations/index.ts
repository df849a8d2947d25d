/**
 * The table of operations: everything that an operator can do stands here. See `../Operation.ts` for how to add one.
 */
import type { Operation } from '../Operation.ts';
import { showHealth } from './health.ts';
import { listRoutes } from './routes.ts';

/** Every operation, in the order in which help shows them. */
export const operations: readonly Operation[] = [showHealth, listRoutes];

/** By name. */
export const operationsByName: ReadonlyMap<string, Operation> = new Map(operations.map((operation) => [operation.name, operation]));

if (operationsByName.size !== operations.length) throw new TypeError('two operations have one name');
