/**
 * How much may be spent: limits for each request, for stretches of time and for everything together, fees included in all of them.
 *
 * Money is set aside before a wallet is called, spent or given back when the end is known, and held for as long as it is not. Checks
 * against limits that count are made by the store, in the same atomic step that sets the money aside ({@link reserve}).
 *
 * @see docs/wire.md, "The client"
 */
import type { Msat } from '../core/Amount.ts';
import * as Amount from '../core/Amount.ts';
import type { FareboxError } from '../core/Errors.ts';
import type { Payer } from '../lightning/Lightning.ts';
import type { AskConsent } from './budget/Consent.ts';
import * as Hosts from './budget/Hosts.ts';
import * as Limit from './budget/Limit.ts';
import { type Binding, type LimitState, leftMsatOf } from './budget/LimitState.ts';
import * as refusals from './budget/refusals.ts';
import type { DispatchOutcome, ReserveOutcome, ReserveRequest, Stopped } from './ClientStore.ts';
import type { Lease, Payment, Spending } from './Journal.ts';
import * as Journal from './Journal.ts';

export type { AskConsent, ConsentQuestion } from './budget/Consent.ts';
export type { AmountOption, BudgetOptions, LimitOptions, NamedBudget } from './budget/Limit.ts';

/** What a client may spend, and on whom. */
export type Budget = {
  /** Outermost first; all of them have to allow a payment. The first is the client's own, without a name. */
  readonly chain: readonly Limit.NamedBudget[];
  /** What its payments are tagged with. */
  readonly tags: readonly string[];
  /** What a wallet that takes no fee limit is taken to charge at most; undefined where the wallet keeps to a limit. */
  readonly assumedMaxFeeMsat: Msat | undefined;
  /** Who is asked where something costs more than may be paid without; undefined: nobody, and the answer is no. */
  readonly ask: AskConsent | undefined;
};

/** The options of a client that say what it may spend. */
export type SpendingOptions = {
  /** The most that one call may cost, fee included. */
  readonly maxPerRequest: Limit.AmountOption;
  /** The most that everything in the store may ever come to, fees included. Default: no such limit. */
  readonly maxTotal?: Limit.AmountOption | undefined;
  /** The fee that a wallet without a fee limit is taken to charge at most. Such a wallet is refused without it. */
  readonly assumedMaxFee?: Limit.AmountOption | undefined;
  /** Budgets that each payment counts to, outermost first, such as an owner's, an agent's, a task's. All of them have to allow it. */
  readonly budgets?: readonly Limit.BudgetOptions[] | undefined;
  /** What payments are tagged with, for limits that count by tag. */
  readonly tags?: readonly string[] | undefined;
  /** Pays these hosts and no others: `api.example.com`, `*.example.com`, either with a port. Default: any. */
  readonly allow?: readonly string[] | undefined;
  /** Never pays these hosts, also where `allow` has them. */
  readonly deny?: readonly string[] | undefined;
  /** Asks before anything is paid that costs more than `above`, its fee included. Without `above`, `ask` is for the budgets that have one. */
  readonly consent?: { readonly above?: Limit.AmountOption | undefined; readonly ask?: AskConsent | undefined } | undefined;
};

/** Room for the fee of one payment. */
export type FeeRoom = { readonly minFeeMsat: Msat; readonly maxFeeMsat: Msat };

/**
 * Checks the limits.
 * @throws AMOUNT_MALFORMED – a text without a unit, or no amount
 * @throws RangeError – a limit of zero
 * @throws TypeError – no `maxPerRequest`; a wallet that takes no fee limit, and no `assumedMaxFee`; a name, host, tag or period that is none
 */
export function create(options: SpendingOptions, payer: Pick<Payer, 'name' | 'capabilities'>): Budget {
  const { maxPerRequest, maxTotal, assumedMaxFee, budgets = [], tags = [], allow, deny = [], consent } = options;
  if (maxPerRequest === undefined) throw new TypeError('maxPerRequest is required: the most that one request may cost, fee included, such as "50 sat"');
  if (!payer.capabilities.feeLimit && assumedMaxFee === undefined) {
    throw new TypeError(`assumedMaxFee is required: the wallet ${payer.name} takes no fee limit. Name the most that it charges, such as "10 sat"`);
  }
  const limitOf = (per: 'request' | 'total', option: 'maxPerRequest' | 'maxTotal', value: Limit.AmountOption): Limit.Limit => {
    return { per, maxMsat: Limit.readMax(option, value), host: undefined, tag: undefined, option };
  };
  const own: Limit.NamedBudget = {
    name: '',
    limits: [limitOf('request', 'maxPerRequest', maxPerRequest), ...(maxTotal === undefined ? [] : [limitOf('total', 'maxTotal', maxTotal)])],
    allow: allow?.map(Hosts.parse),
    deny: deny.map(Hosts.parse),
    consentAboveMsat: consent?.above === undefined ? undefined : Limit.readAmount(consent.above),
  };
  return {
    chain: [own, ...budgets.map(Limit.readBudget)],
    tags: Limit.readTags(tags),
    assumedMaxFeeMsat: payer.capabilities.feeLimit || assumedMaxFee === undefined ? undefined : Limit.readAmount(assumedMaxFee),
    ask: consent?.ask,
  };
}

/**
 * The same, and a budget within it: what it allows, all around it have to allow too. Nothing in it can widen them.
 * @throws as {@link create}
 */
export function within(budget: Budget, options: Limit.BudgetOptions & { readonly tags?: readonly string[] | undefined }): Budget {
  return { ...budget, chain: [...budget.chain, Limit.readBudget(options)], tags: [...new Set([...budget.tags, ...Limit.readTags(options.tags ?? [])])] };
}

/**
 * What is left for the fee of one request at this price.
 * @param origin - of the seller; its host is named in messages
 * @throws BUDGET_EXCEEDED – the price, or the price and the assumed fee, is over the limit for one request
 * @throws BUDGET_HOST_DENIED – a budget does not pay this host
 */
export function feeRoom(budget: Budget, amountMsat: Msat, origin: string): FeeRoom {
  const { chain, tags, assumedMaxFeeMsat } = budget;
  const { host } = new URL(origin);
  const denying = chain.find((one) => !Limit.allowsHost(one, origin));
  if (denying) throw refusals.hostDenied(denying.name, host);
  const least = Limit.leastPerRequest(chain, { origin, tags });
  // Every client has one of its own.
  const maxMsat = least?.limit.maxMsat ?? Amount.zero;
  const room = maxMsat - amountMsat;
  const minFeeMsat = assumedMaxFeeMsat ?? Amount.zero;
  if (room < minFeeMsat) throw refusals.exceeded(requestState(budget, origin), { amountMsat, minFeeMsat, host });
  return { minFeeMsat, maxFeeMsat: assumedMaxFeeMsat ?? (room as Msat) };
}

/** The wallet could not pay within what was set aside. `by`: what left less for the fee than the limit for one request does, where something did. */
export function feeExceeded(payment: Payment, budget: Budget, by: refusals.Bound | undefined): FareboxError {
  return refusals.feeExceeded(payment, by ?? { kind: 'limit', state: requestState(budget, payment.origin) }, new URL(payment.origin).host);
}

/**
 * Decides on a reservation; the store writes what comes of it.
 * @param known - the row of the same payment hash
 * @param open - rows of the same resource whose wallet was called and whose end is not known
 * @param standing - the budgets that stand in the store and bind it
 * @param states - every limit that counts this payment, as it stands now
 */
export function reserve(
  request: ReserveRequest,
  known: Payment | undefined,
  open: readonly Payment[],
  { spending, standing, states }: { readonly spending: Spending; readonly standing: Binding['standing']; readonly states: readonly LimitState[] },
): ReserveOutcome {
  const { purchase, budgets, owner, leaseEndsAt, nowAt } = request;
  const blocking = open.find((payment) => Journal.blocks(payment, owner, nowAt));
  if (blocking) return { kind: 'blocked', payment: blocking };
  if (known && !(known.state === 'failed' && known.dispatchedAt === undefined)) return { kind: 'known', payment: known };
  const stop = stopOf(spending, standing, nowAt);
  if (stop) return stop;
  const all = [...budgets, ...standing];
  const denying = all.find((budget) => !Limit.allowsHost(budget, purchase.origin));
  if (denying) return { kind: 'denied', budget: denying.name };
  const room = roomFor(request, all, states);
  if (room.kind !== 'room') return room;
  const names = [...new Set(all.map(({ name }) => name).filter((name) => name !== ''))];
  const set = { reservedMsat: (purchase.amountMsat + room.feeMsat) as Msat, budgets: names, tags: request.tags };
  return { kind: 'reserved', payment: Journal.from(purchase, set, { owner, leaseEndsAt }, nowAt), feeBoundBy: room.by };
}

/**
 * Decides whether the wallet may be called; the store writes what comes of it.
 * @param open - as for {@link reserve}, without the payment itself
 * @param standing - the budgets in the store that bind it
 */
export function dispatch(
  payment: Payment | undefined,
  open: readonly Payment[],
  { spending, standing }: { readonly spending: Spending; readonly standing: Binding['standing'] },
  lease: Lease,
  nowAt: number,
): DispatchOutcome {
  const next = payment && Journal.dispatched(payment, lease, nowAt);
  if (!next) return { kind: 'lost' };
  const stop = stopOf(spending, standing, nowAt);
  if (stop) return stop;
  const blocking = open.find((other) => Journal.blocks(other, lease.owner, nowAt));
  return blocking ? { kind: 'blocked', payment: blocking } : { kind: 'dispatched', payment: next };
}

type Room =
  | { readonly kind: 'room'; readonly feeMsat: Msat; readonly by: refusals.Bound | undefined }
  | Extract<ReserveOutcome, { kind: 'exceeded' | 'unconsented' }>;

/** What may be set aside for the fee: what the limits leave, and what may be paid without consent where there is none. */
function roomFor(request: ReserveRequest, budgets: readonly Limit.NamedBudget[], states: readonly LimitState[]): Room {
  const { minFeeMsat, maxFeeMsat, purchase } = request;
  let room: Room & { readonly kind: 'room' } = { kind: 'room', feeMsat: maxFeeMsat, by: undefined };
  for (const state of states) {
    const leftMsat = leftMsatOf(state) - purchase.amountMsat;
    if (leftMsat < minFeeMsat) return { kind: 'exceeded', by: state };
    if (leftMsat < room.feeMsat) room = { kind: 'room', feeMsat: leftMsat as Msat, by: { kind: 'limit', state } };
  }
  if (request.isConsented) return room;
  for (const { name, consentAboveMsat } of budgets) {
    if (consentAboveMsat === undefined) continue;
    const leftMsat = consentAboveMsat - purchase.amountMsat;
    if (leftMsat < minFeeMsat) return { kind: 'unconsented', budget: name, aboveMsat: consentAboveMsat, maxFeeMsat: room.feeMsat, limits: states };
    if (leftMsat < room.feeMsat) room = { kind: 'room', feeMsat: leftMsat as Msat, by: { kind: 'consent', budget: name, aboveMsat: consentAboveMsat } };
  }
  return room;
}

/** Why nothing is paid: all spending was stopped, or a branch has ended. */
function stopOf(spending: Spending, standing: Binding['standing'], at: number): ({ readonly kind: 'stopped' } & Stopped) | undefined {
  const kind = 'stopped';
  if (Journal.isStopped(spending)) return { kind, by: spending.stoppedBy, note: spending.stopNote };
  const ended = standing.find(({ branch }) => branch && Limit.hasEnded(branch, at));
  return ended && { kind, by: undefined, note: ended.branch?.pulled, budget: ended.name };
}

/** The least of the limits for one request, as a state. */
function requestState({ chain, tags }: Budget, origin: string): LimitState {
  const least = Limit.leastPerRequest(chain, { origin, tags });
  if (!least) throw new TypeError('budget: it has no limit for one request');
  return { budget: least.budget.name, limit: least.limit, isStanding: false, spentMsat: Amount.zero, heldMsat: Amount.zero, endAt: undefined };
}
