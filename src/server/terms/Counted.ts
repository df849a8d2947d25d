/**
 * Calls that are counted: on the account that a bucket or a credit opened, and on every part that a holder has limited. A call's units are set aside
 * on all of them in one step, spent when its answer's head is there, and given back when there is none. What becomes of it stands in
 * `ClaimedSale.ts`.
 *
 * The account is named by its token's identifier, a part by the signature at its limit; both are opened by the first call, from what the token says.
 *
 * @see docs/wire.md, "The token" and "The life of a claim"
 */
import * as Amount from '../../core/Amount.ts';
import { nowAt, type Random } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { toHex } from '../../core/internal/bytes.ts';
import type * as Path from '../../http/Path.ts';
import type { RequestView } from '../../http/RequestView.ts';
import type { ClaimRef, Debit, Spending, Store, StoredAnswer } from '../../store/Store.ts';
import { asideOf, mayComeBack, reservationOf } from '../Carvings.ts';
import { entryOf } from '../Ledger.ts';
import type { Part, Principal } from '../Offer.ts';
import { maxPartsBelow } from '../policies/limits.ts';
import { createClaimedSale, type Use } from './ClaimedSale.ts';
import * as Delegation from './Delegation.ts';
import { lowAccount } from './lowAccount.ts';
import { askFor, type ClaimContext, digest, refusalOf, repeat } from './PerRequest.ts';
import { beginSale } from './SpentSale.ts';
import type { Consume, Sale } from './Terms.ts';

/** What counting needs of the paywall. */
export type CountedContext = ClaimContext & { readonly random: Random };

/** A call that is counted. */
export type Call = {
  readonly request: RequestView;
  readonly target: Path.Target;
  readonly route: string;
  /** Digest of the inputs that its price depends on, or ''. */
  readonly priced: string;
  /** The name of what was handed on to whoever asks; undefined where nothing was. */
  readonly holder: string | undefined;
  /** What the route asks for it. */
  readonly priceMsat: Amount.Msat;
  /** What it takes off what was sold. */
  readonly takes: bigint;
  /** When that is spent. */
  readonly consume: Consume;
};

/** A call whose units are set aside, or why they were not. `isRepeat`: it was paid for before; `kept`: its answer, sent instead of asking the upstream. */
export type Counted =
  | { readonly kind: 'counted'; readonly sale: Sale; readonly isRepeat: boolean; readonly kept: StoredAnswer | undefined }
  | { readonly kind: 'refused'; readonly error: FareboxError };

/** Whether calls with this credential are counted, call by call. */
export function isCounted({ terms, parts }: Principal): boolean {
  return terms === 'bucket' || terms === 'credit' || (terms === 'pass' && parts.some(({ unit }) => unit === 'uses'));
}

/**
 * Why what a holder allows leaves no room for something that is used as a whole, such as a pass or a single request: it costs more than he allows, or he
 * allows no use of it. Undefined: there is room.
 */
export function refusedByParts({ parts, amountMsat }: Principal): FareboxError | undefined {
  const isTooLittle = parts.some(({ unit, most }) => (unit === 'msat' ? most < amountMsat : most === 0n));
  return isTooLittle ? narrowed() : undefined;
}

/**
 * Sets a call's units aside, on all accounts or on none. A call that its client has given a name of its own (`Idempotency-Key`) is claimed under it as
 * well, so that the same call is paid for once, and answered again while its answer is owed.
 * @throws STORE_UNAVAILABLE – not known whether they are: nothing may be forwarded
 */
export async function count(context: CountedContext, principal: Principal, call: Call): Promise<Counted> {
  const { store } = context;
  const set = await setUnitsAside(context, principal, call);
  const name = nameOf(principal, call);
  if (name === undefined) return set.kind === 'refused' ? set : counted(context, principal, call, set);
  const key = digest(`farebox/call/1/${name}`);
  // Of a call that nothing is left for nothing is written down, however many names its client thinks of.
  if (set.kind === 'refused' && (await store.claimState(key)) === 'open') return set;
  try {
    return await claimed(context, principal, call, key, set);
  } catch (error) {
    await giveBack(context, set);
    throw error;
  }
}

/** A call that has a name: the first under it, or the same again. */
async function claimed(context: CountedContext, principal: Principal, call: Call, key: string, set: Aside): Promise<Counted> {
  const { store, clock } = context;
  const wanted = { key, expiresAt: nowAt(clock) + repeat.withinSeconds, also: `${call.route} ${call.priced}`, consume: call.consume };
  const asked = await askFor(context, wanted, call.request, call.target);
  if (asked.kind === 'refused') {
    await giveBack(context, set);
    return { kind: 'refused', error: asked.code === 'CREDENTIAL_USED' ? answered() : refusalOf(asked.code) };
  }
  const { claim, answer } = asked;
  if (asked.repeat > 0) {
    await giveBack(context, set);
    return { kind: 'counted', sale: createClaimedSale(context, repeatedUse(context, principal, call, claim)), isRepeat: true, kept: answer };
  }
  if (set.kind === 'set') return await counted(context, principal, call, { ...set, claim });
  // Where this fails the claim ends with its lease.
  await store.release({ ...claim, reason: 'not-counted' }).catch(() => {});
  return set;
}

async function counted(context: CountedContext, principal: Principal, call: Call, set: SetAside): Promise<Counted> {
  const sale = await beginSale(context, countedUse(context, principal, call, set), call.consume);
  return sale instanceof FareboxError ? { kind: 'refused', error: sale } : { kind: 'counted', sale, isRepeat: false, kept: undefined };
}

/** Where this fails they come back with their lease. */
async function giveBack({ store }: CountedContext, set: Aside): Promise<void> {
  if (set.kind === 'set') await store.cancel({ reservation: set.reservation, reason: 'not-needed', ...set.to }).catch(() => {});
}

/** Units that are set aside for a call, or why they are not. */
type Aside = ({ readonly kind: 'set' } & SetAside) | (Counted & { readonly kind: 'refused' });

async function setUnitsAside(context: CountedContext, principal: Principal, call: Call): Promise<Aside> {
  const { store, leaseSeconds } = context;
  const { carved, units, useKey } = principal;
  const reservation = toHex(context.random(16));
  const debits = debitsOf(context, principal, call);
  const outcome = await store.reserve({ reservation, debits, leaseSeconds });
  if (outcome.kind === 'reserved') {
    // Of a pass nothing is left or used up: its account counts parts alone. Of the whole nothing is said to whoever has what was carved out of it.
    const isWhole = units !== undefined && carved === undefined;
    const low = isWhole && lowAccount(principal, call.takes, outcome.available[0] ?? 0n);
    if (low) context.onNews(low);
    const left = remaining(principal, isWhole ? outcome.available : outcome.available.slice(1));
    return { kind: 'set', reservation, left, to: carved === undefined ? {} : { to: reservationOf(carved.key) }, claim: undefined };
  }
  if (outcome.kind === 'crowded') return { kind: 'refused', error: crowded() };
  if (carved !== undefined && outcome.account === reservationOf(carved.key)) return { kind: 'refused', error: notSetAside() };
  const isUnderWay = outcome.kind === 'insufficient' && (await mayComeBack(store, outcome.account, unitsOf(debits, outcome.account)));
  const isUsed = outcome.account === useKey && carved === undefined;
  return { kind: 'refused', error: isUnderWay ? setAside() : isUsed ? used() : narrowed() };
}

/** What is left of something that is counted, and why a call would not be served with it; undefined where it would. */
export type Left = { readonly text: string | undefined; readonly error: FareboxError | undefined; readonly isInUse: boolean };

/**
 * Looks at what is left, and takes nothing off.
 * @param call - what a call takes; left out: the least that one can
 * @throws STORE_UNAVAILABLE – it could not be found out
 */
export async function look(store: Pick<Store, 'balance'>, principal: Principal, call?: Pick<Call, 'priceMsat' | 'takes'>): Promise<Left> {
  const { useKey, units, parts, terms, carved } = principal;
  const takes = call?.takes ?? 1n;
  const costMsat = call === undefined ? 1n : terms === 'bucket' ? worthOf(principal, takes, true) : call.priceMsat;
  const own = carved ?? { key: useKey, units };
  const root = own.key === undefined || own.units === undefined ? [] : [{ account: own.key, most: own.units, takes }];
  const counted = parts.filter(({ unit }) => unit === 'uses' || terms !== 'pass');
  const accounts = [...root, ...counted.map(({ key, unit, most }) => ({ account: key, most, takes: unit === 'uses' ? 1n : costMsat }))];
  // What nothing has been taken off yet has not been opened.
  const balances = await Promise.all(accounts.map(async ({ account, most }) => (await store.balance(account)) ?? { available: most, reserved: 0n }));
  const lacking = accounts.findIndex((account, index) => (balances[index]?.available ?? 0n) < account.takes);
  const text = remaining(
    principal,
    balances.map(({ available }) => available),
  );
  if (lacking < 0) return { text, error: undefined, isInUse: false };
  const { available = 0n, reserved = 0n } = balances[lacking] ?? {};
  // What others have set aside may come back; what was carved out does not, in a moment.
  const aside = lacking < root.length && useKey !== undefined && carved === undefined ? ((await store.balance(asideOf(useKey)))?.reserved ?? 0n) : 0n;
  if (available + reserved - aside >= (accounts[lacking]?.takes ?? 0n)) return { text, error: undefined, isInUse: true };
  return { text, error: lacking < root.length && carved === undefined ? used() : narrowed(), isInUse: false };
}

/**
 * The account first, since what is given back is counted there; then each part, the first that was limited first. Each says how many parts may be
 * opened below it: anybody can write new ones, and asking with them costs nothing where the answer is a failure.
 */
function debitsOf(context: CountedContext, principal: Principal, call: Call): readonly Debit[] {
  const { useKey, units, parts, mintedUntil: expiresAt, terms, carved } = principal;
  const costMsat = terms === 'bucket' ? worthOf(principal, call.takes, true) : call.priceMsat;
  const sources = Delegation.sourcesOf(principal);
  const limited: Debit[] = [];
  const above = carved === undefined ? 1 : 2;
  for (const [index, { key, unit, most }] of parts.entries()) {
    // A pass costs nothing more with each call.
    if (unit === 'msat' && terms === 'pass') continue;
    const opens = { source: sources[index] ?? key, units: most, expiresAt };
    limited.push({ account: key, units: unit === 'uses' ? 1n : costMsat, opens, mostBehind: maxPartsBelow(limited.length + above) });
  }
  if (useKey === undefined) return limited;
  const root = { account: useKey, mostBehind: maxPartsBelow(0) };
  if (units === undefined) return [{ ...root, units: 0n, opens: { source: useKey, units: 0n, expiresAt } }, ...limited];
  const entry = entryOf('received', principal, call.route, context.clock, '', terms);
  const whole: Debit = { ...root, units: call.takes, opens: { source: useKey, units, expiresAt, entry } };
  if (carved === undefined) return [whole, ...limited];
  const own = { source: Delegation.sourceOfCarved(principal), units: carved.units, expiresAt };
  return [{ ...whole, from: reservationOf(carved.key) }, { account: carved.key, units: call.takes, opens: own, mostBehind: maxPartsBelow(1) }, ...limited];
}

/** What so many units were bought for. */
export function worthOf({ amountMsat, units }: Principal, takes: bigint, roundsUp = false): Amount.Msat {
  if (units === undefined || units === 0n) return amountMsat;
  return Amount.fromMsat((amountMsat * takes + (roundsUp ? units - 1n : 0n)) / units);
}

/** What its client calls it; undefined where that has no name for it. One holder's name is no other's: they would be given each other's answers. */
function nameOf({ useKey, tokenId }: Principal, { request, holder }: Call): string | undefined {
  const key = request.header('idempotency-key');
  return key === undefined ? undefined : `${holder ?? useKey ?? tokenId}/${key}`;
}

/** What is the same of every use of a call. */
function factsOf(principal: Principal, call: Call, name: string): Pick<Use, 'idempotencyKey' | 'principal' | 'facts'> {
  const { paymentHash, service } = principal;
  return {
    idempotencyKey: digest(`farebox/idempotency/1/${name}`).slice(0, 32),
    principal,
    facts: { paymentHash, service, route: call.route, amountMsat: principal.terms === 'pass' ? Amount.zero : worthOf(principal, call.takes) },
  };
}

/** A call's units as a use. @param claim - what it is claimed under, where its client has named it: both end in one step */
function countedUse(context: CountedContext, principal: Principal, call: Call, { reservation, left, to, claim }: SetAside): Use {
  const { store, clock, leaseSeconds } = context;
  const facts = factsOf(principal, call, nameOf(principal, call) ?? reservation);
  const spending = (note: string): Spending => ({ nonce: reservation, service: principal.service, route: call.route, at: nowAt(clock), note });
  const settles = (note: string) => ({ reservation, entry: spending(note) });
  const cancels = ({ note, limit }: { readonly note: string; readonly limit?: number }) => {
    return { reservation, reason: note, entry: spending(note), ...to, ...(limit === undefined ? {} : { limit }) };
  };
  const common = { ...facts, isRepeat: false, headers: left === undefined ? [] : [['L402-Remaining', left] as const] };
  if (claim === undefined) {
    return {
      ...common,
      hold: () => store.extend({ reservation, leaseSeconds }),
      commit: async ({ note }) => ((await store.settle(settles(note))) === 'settled' ? 'committed' : 'lost'),
      release: async (end) => (({ cancelled: 'released', settled: 'committed', lost: 'lost' }) as const)[await store.cancel(cancels(end))],
      deliver: async () => {},
      leave: async () => {},
    };
  }
  return {
    ...common,
    ...claimOnly(context, claim),
    hold: () => Promise.all([store.heartbeat({ ...claim, leaseSeconds }), store.extend({ reservation, leaseSeconds })]),
    commit: ({ note, ...end }) => store.commit({ ...claim, ...end, settles: settles(note) }),
    release: ({ note, limit, ...end }) => store.release({ ...claim, ...end, reason: note, cancels: cancels({ note, ...(limit !== undefined && { limit }) }) }),
  };
}

/** A call that was paid for, once more: nothing is set aside, and nothing is given back of what was paid. */
function repeatedUse(context: CountedContext, principal: Principal, call: Call, claim: ClaimRef): Use {
  const { store, clock, leaseSeconds, random } = context;
  const facts = factsOf(principal, call, nameOf(principal, call) ?? claim.key);
  const nonce = toHex(random(16));
  // What was bought with a pass is no call, and no call is earned.
  const entries = (note: string) =>
    principal.terms === 'pass' ? {} : { entry: { ...entryOf('repeated', principal, call.route, clock, nonce, note), amountMsat: facts.facts.amountMsat } };
  return {
    ...facts,
    isRepeat: true,
    headers: [],
    ...claimOnly(context, claim),
    hold: () => store.heartbeat({ ...claim, leaseSeconds }),
    commit: ({ note, ...end }) => store.commit({ ...claim, ...end, ...entries(note) }),
    release: ({ note, ...end }) => store.release({ ...claim, ...end, reason: note }),
  };
}

function claimOnly({ store }: CountedContext, claim: ClaimRef): Pick<Use, 'deliver' | 'leave'> {
  return { deliver: () => store.deliver(claim), leave: () => store.undelivered(claim) };
}

/** Units that are set aside for a call. */
type SetAside = {
  readonly reservation: string;
  readonly left: string | undefined;
  /** Where they go back to, where they were drawn from what was carved out. */
  readonly to: { readonly to?: string };
  readonly claim: ClaimRef | undefined;
};

/** What is left after this call: of the account, or, where there are parts, the least of those that are counted as the last one is. */
function remaining({ terms, parts, units }: Principal, available: readonly bigint[]): string | undefined {
  const counted: readonly Pick<Part, 'unit'>[] = parts.filter(({ unit }) => unit === 'uses' || terms !== 'pass');
  const root = units === undefined ? [] : [{ unit: terms === 'credit' ? 'msat' : 'uses' } as const];
  const all = [...root, ...counted];
  const unit = all.at(-1)?.unit;
  const left = available.filter((_, index) => all[index]?.unit === unit);
  const [first] = left;
  if (first === undefined) return undefined;
  const least = left.reduce((one, other) => (other < one ? other : one), first);
  return unit === 'msat' ? Amount.format(Amount.fromMsat(least)) : `${least}`;
}

/** What is to be taken off an account. */
function unitsOf(debits: readonly Debit[], account: string): bigint {
  return debits.find((debit) => debit.account === account)?.units ?? 0n;
}

/** It is the same call, and it has had its answer. */
function answered(): FareboxError {
  return new FareboxError(
    'IDEMPOTENCY_CONFLICT',
    'This request was paid for under this Idempotency-Key, and its answer is not given again. Use a new key to ask once more.',
  );
}

/** Others have set aside what would be enough. */
export function setAside(): FareboxError {
  return new FareboxError('CREDENTIAL_IN_USE', 'What is left of this token is set aside for requests under way. Ask again in a moment; do not pay again.');
}

/** There is not so much left. */
export function used(): FareboxError {
  return new FareboxError('CREDENTIAL_USED', 'Less is left of this token than this request takes. Buy a new one.');
}

function crowded(): FareboxError {
  const message =
    'This token, or a part of it, was handed on in as many parts as may be counted. Use a part that has been used before, or what it is a part of.';
  return new FareboxError('CREDENTIAL_NARROWED', message);
}

function notSetAside(): FareboxError {
  return new FareboxError('CREDENTIAL_NARROWED', 'Nothing is set aside for this token: it has not been asked for (L402-Carve: open), or was given back.');
}

function narrowed(): FareboxError {
  return new FareboxError('CREDENTIAL_NARROWED', 'A holder narrowed this token: what he allows has been used up, or is less than this request takes.');
}
