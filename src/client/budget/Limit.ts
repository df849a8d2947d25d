/**
 * What may be spent: limits, and budgets that hold some of them together.
 *
 * A payment counts to a budget when it was made under it; to the budget `''`, everything. Budgets may stand within one another: all that bind a
 * payment have to allow it, and each counts it whole. A limit that names a host or a tag counts, of its budget's payments, those to such hosts or
 * with that tag, all together. Fees are inside every limit.
 */
import type { Msat } from '../../core/Amount.ts';
import * as Amount from '../../core/Amount.ts';
import * as Hosts from './Hosts.ts';
import { type Period, periods } from './windows.ts';

/** An amount: msat, or text with a unit such as `"50 sat"`. */
export type AmountOption = Msat | string;

/** One limit, as it is written. */
export type LimitOptions = {
  /** A calendar window in UTC, one request, or everything. */
  readonly per: Period;
  /** The most that may be spent and held in it, fees included. */
  readonly max: AmountOption;
  /** Counts payments to these hosts alone: `api.example.com`, `*.example.com`, either with a port. */
  readonly host?: string | undefined;
  /** Counts payments with this tag alone. */
  readonly tag?: string | undefined;
};

/** A budget, as it is written. */
export type BudgetOptions = {
  /** What it counts under, in every process on the same store: up to 64 letters, digits and `._-`. */
  readonly name: string;
  readonly limits?: readonly LimitOptions[] | undefined;
  /** Pays these hosts and no others. Default: any. */
  readonly allow?: readonly string[] | undefined;
  /** Never pays these hosts, also where `allow` has them. */
  readonly deny?: readonly string[] | undefined;
  /** Nothing that costs more, its fee included, is paid before somebody has been asked. */
  readonly consent?: { readonly above: AmountOption } | undefined;
};

/** A limit. */
export type Limit = {
  readonly per: Period;
  readonly maxMsat: Msat;
  readonly host: Hosts.HostPattern | undefined;
  readonly tag: string | undefined;
  /** The option that set it, where it has a name of its own. */
  readonly option?: 'maxPerRequest' | 'maxTotal';
};

/** A budget. */
export type NamedBudget = {
  readonly name: string;
  readonly limits: readonly Limit[];
  readonly allow: readonly Hosts.HostPattern[] | undefined;
  readonly deny: readonly Hosts.HostPattern[];
  readonly consentAboveMsat: Msat | undefined;
  /** Of one that stands in the store for those payments alone that are made under its name; see `branches.ts`. */
  readonly branch?: Branch | undefined;
};

/** What makes a standing budget a branch: somebody's share, which can be pulled. */
export type Branch = {
  /** The branch that it is a share of; undefined: of none. */
  readonly within: string | undefined;
  /** Unix seconds: nothing is paid under it from then on. Undefined: it has no end. */
  readonly endsAt: number | undefined;
  /** Why it was pulled; undefined: it was not. */
  readonly pulled: string | undefined;
};

/** What decides whether a limit counts a payment. */
export type Scope = { readonly origin: string; readonly tags: readonly string[] };

/**
 * Checks a budget.
 * @throws AMOUNT_MALFORMED – an amount without a unit, or none
 * @throws RangeError – a limit of zero
 * @throws TypeError – a name, period, host or tag that is none
 */
export function readBudget(options: BudgetOptions): NamedBudget {
  const { name, limits = [], allow, deny = [], consent } = options;
  if (!isName(name)) throw new TypeError(`name: a budget is named by up to 64 letters, digits and "._-", not "${String(name).slice(0, 100)}"`);
  return {
    name,
    limits: limits.map(readLimit),
    allow: allow?.map(Hosts.parse),
    deny: deny.map(Hosts.parse),
    consentAboveMsat: consent && readAmount(consent.above),
  };
}

/**
 * Checks a budget that is to stand in a store; its name is '' where it counts everything.
 * @throws as {@link readBudget}
 */
export function readStanding(options: BudgetOptions): NamedBudget {
  const { name } = options;
  return name === '' ? { ...readBudget({ ...options, name: 'all' }), name } : readBudget(options);
}

/**
 * Checks tags.
 * @throws TypeError – not a tag
 */
export function readTags(tags: readonly string[]): readonly string[] {
  const wrong = tags.find((tag) => !isName(tag));
  if (wrong !== undefined) throw new TypeError(`tags: a tag is up to 64 letters, digits and "._-", not "${String(wrong).slice(0, 100)}"`);
  return [...new Set(tags)];
}

/** Reads a limit's amount, which is more than nothing. */
export function readMax(name: string, value: AmountOption): Msat {
  const max = readAmount(value);
  if (max === 0n) throw new RangeError(`${name} is more than 0 sat: leave the client out where nothing may be paid`);
  return max;
}

/** Reads an amount. */
export function readAmount(value: AmountOption): Msat {
  return typeof value === 'string' ? Amount.parse(value) : Amount.fromMsat(value);
}

/** Whether it counts such payments of its budget. */
export function covers(limit: Pick<Limit, 'host' | 'tag'>, { origin, tags }: Scope): boolean {
  return (limit.host === undefined || Hosts.matches(limit.host, origin)) && (limit.tag === undefined || tags.includes(limit.tag));
}

/** Whether a budget pays this host at all. */
export function allowsHost({ allow, deny }: NamedBudget, origin: string): boolean {
  const isMeant = (pattern: Hosts.HostPattern) => Hosts.matches(pattern, origin);
  return !deny.some(isMeant) && (allow?.some(isMeant) ?? true);
}

/** Of the budgets that stand in a store, those that bind a payment that is made under these names. */
export function bindingFor(names: readonly string[], standing: readonly NamedBudget[]): readonly NamedBudget[] {
  return standing.filter(({ name, branch }) => !branch || names.includes(name));
}

/** Whether nothing is paid under it any more. */
export function hasEnded({ endsAt, pulled }: Branch, at: number): boolean {
  return pulled !== undefined || (endsAt !== undefined && at >= endsAt);
}

/** The least of all limits for one request that bind such a payment, and whose it is. */
export function leastPerRequest(budgets: readonly NamedBudget[], scope: Scope): { readonly budget: NamedBudget; readonly limit: Limit } | undefined {
  const all = budgets.flatMap((budget) => budget.limits.map((limit) => ({ budget, limit })));
  return all
    .filter(({ limit }) => limit.per === 'request' && covers(limit, scope))
    .reduce<(typeof all)[number] | undefined>((least, next) => (least && least.limit.maxMsat <= next.limit.maxMsat ? least : next), undefined);
}

function readLimit({ per, max, host, tag }: LimitOptions): Limit {
  if (!periods.includes(per)) throw new TypeError(`per: expected one of ${periods.join(', ')}, not "${String(per).slice(0, 100)}"`);
  if (tag !== undefined) readTags([tag]);
  return { per, maxMsat: readMax('max', max), host: host === undefined ? undefined : Hosts.parse(host), tag };
}

function isName(text: string): boolean {
  return typeof text === 'string' && /^[\w.-]{1,64}$/.test(text);
}
