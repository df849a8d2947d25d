/**
 * Whether a limit is exceeded, told from the rows of a journal alone. It knows what a limit is, and nothing of counters.
 */
import { covers } from '../../../src/client/budget/Limit.ts';
import { holds, windowOf } from '../../../src/client/budget/windows.ts';
import type { ClientAudit } from '../../../src/client/ClientStore.ts';
import type { NamedBudget, Period } from '../../../src/client/index.ts';
import * as Journal from '../../../src/client/Journal.ts';

/** Limits that are exceeded, of these budgets and of those that stand in the store, in any window that a row lies in. */
export function exceededIn({ payments, standing }: Pick<ClientAudit, 'payments' | 'standing'>, budgets: readonly NamedBudget[]): readonly string[] {
  const all = [...new Map(budgets.map((budget) => [budget.name, budget])).values(), ...standing];
  return all.flatMap(({ name, limits }) =>
    limits.flatMap((limit) => {
      const counted = payments.filter((payment) => (name === '' || payment.budgets.includes(name)) && covers(limit, payment));
      const cost = (payment: Journal.Payment) => Journal.heldMsatOf(payment) + payment.spentMsat;
      const windows = limit.per === 'request' ? [] : [...new Set(counted.map(({ createdAt }) => windowOf(limit.per as Exclude<Period, 'request'>, createdAt)))];
      const single = limit.per === 'request' ? counted.filter((payment) => cost(payment) > limit.maxMsat) : [];
      const sums = windows.map((window) => counted.filter(({ createdAt }) => holds(window, createdAt)).reduce((sum, payment) => sum + cost(payment), 0n));
      return [
        ...single.map((payment) => `${name}: one request cost ${cost(payment)}, above ${limit.maxMsat}`),
        ...sums.filter((sum) => sum > limit.maxMsat).map((sum) => `${name}: ${sum} spent and held per ${limit.per}, above ${limit.maxMsat}`),
      ];
    }),
  );
}
