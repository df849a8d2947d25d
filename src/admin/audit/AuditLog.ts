/**
 * The audit log: every change that an operator makes leaves a record, chained to the one before it by its digest.
 */
import type { Caller, Difference } from '../Operation.ts';

/** What is written down of a change. */
export type Changed = {
  readonly caller: Caller;
  readonly operation: string;
  readonly target: string;
  /** Without what is secret. */
  readonly input: object;
  readonly differences: readonly Difference[];
};

/** See the head of this file. */
export type AuditLog = {
  /** Writes a change down, does it, and writes down what came of it. @throws what the change throws */
  readonly record: (changed: Changed, apply: () => Promise<void>) => Promise<void>;
};
