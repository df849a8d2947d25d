/**
 * Where a limit stands: what its window has spent and holds, what is left of it, and until when.
 */
import type { Msat } from '../../core/Amount.ts';
import * as Amount from '../../core/Amount.ts';
import { type Counter, emptyOf } from './Counter.ts';
import { covers, type Limit, type NamedBudget, type Scope } from './Limit.ts';

/** A limit at one moment. */
export type LimitState = {
  /** The name of its budget; '' for the one that counts everything. */
  readonly budget: string;
  readonly limit: Limit;
  /** Whether it stands in the store, for every process that uses it. */
  readonly isStanding: boolean;
  readonly spentMsat: Msat;
  readonly heldMsat: Msat;
  /** Unix seconds at which it begins anew; undefined: it does not. */
  readonly endAt: number | undefined;
};

/** Budgets that bind a payment: those it is made under, outermost first, and those that stand in the store. */
export type Binding = { readonly named: readonly NamedBudget[]; readonly standing: readonly NamedBudget[] };

/** What may still be set aside within a limit. */
export function leftMsatOf({ limit, spentMsat, heldMsat }: LimitState): Msat {
  const left = limit.maxMsat - spentMsat - heldMsat;
  return (left > 0n ? left : 0n) as Msat;
}

/** Every limit, or those that count such a payment, at a time. `counted` finds what a counter stands at. */
export function statesOf(binding: Binding, at: number, counted: (empty: Counter) => Counter, scope?: Scope): readonly LimitState[] {
  const all = [...binding.named.map((budget) => ({ budget, isStanding: false })), ...binding.standing.map((budget) => ({ budget, isStanding: true }))];
  return all.flatMap(({ budget: { name, limits }, isStanding }) =>
    limits
      .filter((limit) => scope === undefined || covers(limit, scope))
      .map((limit) => {
        const empty = emptyOf(name, limit, at);
        const { spentMsat, heldMsat, endAt } = empty ? counted(empty) : { spentMsat: Amount.zero, heldMsat: Amount.zero, endAt: undefined };
        return { budget: name, limit, isStanding, spentMsat, heldMsat, endAt };
      }),
  );
}

/** The counters that these limits stand at, with nothing in them. */
export function countersOf(binding: Binding, at: number, scope?: Scope): readonly Counter[] {
  const found = new Map<string, Counter>();
  statesOf(
    binding,
    at,
    (empty) => {
      found.set(empty.key, empty);
      return empty;
    },
    scope,
  );
  return [...found.values()];
}
