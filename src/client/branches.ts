/**
 * `farebox/client/branches`: shares of a budget for helpers, that can be pulled. An orchestrator puts a branch into the store, its helper pays under
 * it, in this process or another, and whoever pulls it stops that helper and all of its own.
 *
 *     research ── 500 sat, until 18:00
 *       ├─ reader ── 100 sat
 *       │    └─ reader-2 ── 20 sat
 *       └─ checker ── 100 sat
 *
 * A payment under a branch counts to it and to everything that it lies within, whole, and all of them have to allow it. That is decided by the store, in
 * the step that sets the money aside and again in the one that lets the wallet be called.
 *
 * @see docs/guide/agents.md, "Helpers"; docs/decisions/0061-branches.md
 */

import type { Msat } from '../core/Amount.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Budget from './Budget.ts';
import { stoppedWith, watchBranch } from './branches/stopping.ts';
import { type Branch, type BudgetOptions, hasEnded, type NamedBudget, readBudget } from './budget/Limit.ts';
import { type LimitState, leftMsatOf } from './budget/LimitState.ts';
import type { ClientStore } from './ClientStore.ts';
import { clientOf, type PayingClient, payingOf } from './createClient.ts';
import * as Journal from './Journal.ts';

export type { Branch } from './budget/Limit.ts';

/** A branch, as it is written. */
export type BranchOptions = BudgetOptions & {
  /** The branch that it is a share of. Default: none. */
  readonly within?: string | undefined;
  /** Unix seconds: nothing is paid under it from then on. */
  readonly endsAt?: number | undefined;
};

/** A branch with what it has spent, and the branches within it. */
export type BranchNode = {
  readonly name: string;
  /** `ended`: its time, or that of one around it, is over. `pulled`: so was it, or one around it. */
  readonly state: 'open' | 'ended' | 'pulled';
  /** Unix seconds, of itself or of the first around it that ends; undefined: none does. */
  readonly endsAt: number | undefined;
  /** Why it was pulled, in whoever's words; escape it. */
  readonly note: string | undefined;
  /** Fees included, with all that is within it. */
  readonly spentMsat: Msat;
  readonly heldMsat: Msat;
  /** Payments, with those that are within it. */
  readonly payments: number;
  /** Its own limits. */
  readonly limits: readonly LimitState[];
  readonly branches: readonly BranchNode[];
};

/** How deep branches may lie within one another. */
const maxDepth = 16;

/**
 * Puts a branch into the store, or gives one that is there other limits, hosts and another end. One that was pulled stays pulled.
 * @throws RangeError – the branch that it is to be within is not there, or lies too deep
 * @throws JOURNAL_CONFLICT – there is one of this name within another, or a standing budget of this name
 * @throws as `Budget.create`, for limits and hosts; STORE_UNAVAILABLE
 */
export async function putBranch(store: Pick<ClientStore, 'budgets'>, { within, endsAt, ...options }: BranchOptions): Promise<void> {
  const budget = readBudget(options);
  const { name } = budget;
  if (endsAt !== undefined && !Number.isSafeInteger(endsAt)) throw new TypeError('endsAt is a time in Unix seconds');
  if (within === name) throw new RangeError(`a branch cannot lie within itself ("${name}")`);
  if (within !== undefined && (await pathTo(store, within)).length >= maxDepth) throw new RangeError(`branches lie up to ${maxDepth} deep`);
  let fault: string | undefined;
  await store.budgets.change(name, (before) => {
    fault = before && before.branch?.within !== within ? `the branch "${name}" lies within ${before.branch?.within ?? 'no other'}` : undefined;
    if (before && !before.branch) fault = `a budget "${name}" stands for all payments`;
    return fault === undefined ? { ...budget, branch: { within, endsAt, pulled: before?.branch?.pulled } } : undefined;
  });
  if (fault !== undefined) throw new FareboxError('JOURNAL_CONFLICT', `In this client store ${fault}. Take another name.`, { details: { budget: name } });
}

/**
 * A client that pays under a branch. Its calls that are under way are aborted within a second when the branch, or one around it, is pulled or ends; a
 * payment that has been begun goes on and is written down. `close` lets go of the branch and closes nothing else.
 *
 * @throws RangeError – there is no such branch
 * @throws TypeError – `paying` was not made by `createClient`; STORE_UNAVAILABLE
 * @example
 * await putBranch(store, { name: 'reader', within: 'research', limits: [{ per: 'total', max: '100 sat' }], endsAt: inTenMinutes });
 * const tools = createAgentTools({ client: await openBranch(client, 'reader') });
 */
export async function openBranch(paying: PayingClient, name: string): Promise<PayingClient> {
  const client = clientOf(paying);
  const { store, clock } = client;
  const path = await pathTo(store, name);
  const watch = watchBranch({
    clock,
    look: async () => {
      const standing = await standingOf(store);
      return path.map((one) => standing.get(one)?.branch);
    },
    reason: () =>
      new FareboxError('BUDGET_EXCEEDED', `The budget "${name}" has ended while a call was under way.`, { details: { limit: 'ended', budget: name } }),
  });
  const outer = client.stop;
  const stop = outer ? AbortSignal.any([outer, watch.signal]) : watch.signal;
  const fetch = stoppedWith(watch.signal, client.fetch);
  return payingOf(
    {
      ...client,
      stop,
      budget: path.reduce((budget, one) => Budget.within(budget, { name: one }), client.budget),
      newCall: () => {
        watch.begin();
        return client.newCall();
      },
      fetch: (url, init) => fetch(url, init),
    },
    async () => watch.end(),
  );
}

/**
 * Pulls a branch: nothing is paid under it, or under any within it, from the moment that this returns, in whatever process.
 * @param why - for whoever finds that nothing is paid
 * @returns false: there is no such branch
 */
export async function pullBranch(store: Pick<ClientStore, 'budgets'>, name: string, why: string): Promise<boolean> {
  const note = why.trim().slice(0, 300) || 'somebody has pulled it';
  const changed = await store.budgets.change(
    name,
    (before) => before?.branch && { ...before, branch: { ...before.branch, pulled: before.branch.pulled ?? note } },
  );
  return changed !== undefined;
}

/** All branches, as they stand at one moment, each below the one that it lies within; those by name. */
export async function readBranches(store: Pick<ClientStore, 'audit' | 'report'>, at: number): Promise<readonly BranchNode[]> {
  const { payments, standing } = await store.audit();
  const states = await store.report({ nowAt: at });
  const all = standing.filter((one): one is NamedBudget & { readonly branch: Branch } => one.branch !== undefined);
  const names = new Set(all.map(({ name }) => name));
  type Around = Pick<BranchNode, 'state' | 'endsAt' | 'note'>;
  const nodesWithin = (within: string | undefined, around: Around): readonly BranchNode[] =>
    all
      // What lies within one that was removed stands by itself.
      .filter(({ branch }) => (branch.within !== undefined && names.has(branch.within) ? branch.within : undefined) === within)
      .map(({ name, branch }) => {
        const counted = payments.filter(({ budgets }) => budgets.includes(name));
        const own: Around = inherit(around, branch, at);
        return {
          name,
          ...own,
          spentMsat: sum(counted.map(({ spentMsat }) => spentMsat)),
          heldMsat: sum(counted.map(Journal.heldMsatOf)),
          payments: counted.filter(({ preimage }) => preimage !== undefined).length,
          limits: states.filter((state) => state.isStanding && state.budget === name),
          branches: nodesWithin(name, own),
        };
      });
  return nodesWithin(undefined, { state: 'open', endsAt: undefined, note: undefined });
}

/** What may still be spent under a branch, by its own limits that count; undefined where it has none. */
export function leftOf({ limits }: Pick<BranchNode, 'limits'>): Msat | undefined {
  const lefts = limits.filter(({ limit }) => limit.per !== 'request').map(leftMsatOf);
  return lefts.length === 0 ? undefined : lefts.reduce((least, next) => (next < least ? next : least));
}

function inherit(around: Pick<BranchNode, 'state' | 'endsAt' | 'note'>, branch: Branch, at: number): Pick<BranchNode, 'state' | 'endsAt' | 'note'> {
  const endsAt = Math.min(around.endsAt ?? Number.POSITIVE_INFINITY, branch.endsAt ?? Number.POSITIVE_INFINITY);
  const end = Number.isFinite(endsAt) ? endsAt : undefined;
  if (around.state === 'pulled' || branch.pulled !== undefined) return { state: 'pulled', endsAt: end, note: around.note ?? branch.pulled };
  return { state: around.state === 'ended' || hasEnded(branch, at) ? 'ended' : 'open', endsAt: end, note: undefined };
}

/** The names from the outermost branch to this one. */
async function pathTo(store: Pick<ClientStore, 'budgets'>, name: string): Promise<readonly string[]> {
  const standing = await standingOf(store);
  const path: string[] = [];
  for (let at: string | undefined = name; at !== undefined; at = standing.get(at)?.branch?.within) {
    if (!standing.get(at)?.branch) throw new RangeError(`there is no branch "${at.slice(0, 64)}" in this client store`);
    if (path.includes(at) || path.length > maxDepth) throw new RangeError(`the branch "${name}" lies within itself`);
    path.unshift(at);
  }
  return path;
}

async function standingOf(store: Pick<ClientStore, 'budgets'>): Promise<ReadonlyMap<string, NamedBudget>> {
  return new Map((await store.budgets.list()).map((one) => [one.name, one]));
}

function sum(amounts: readonly Msat[]): Msat {
  return amounts.reduce<bigint>((total, next) => total + next, 0n) as Msat;
}
