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
import { fromUtf8, toHex } from '../../core/internal/bytes.ts';
import { sha256 } from '../../core/internal/sha256.ts';
import type { RequestView } from '../../http/RequestView.ts';
import type { Debit, Spending, Store } from '../../store/Store.ts';
import { asideOf, reservationOf } from '../Carvings.ts';
import { entryOf } from '../Ledger.ts';
import type { Part, Principal } from '../Offer.ts';
import { createClaimedSale, type SaleContext, type Use } from './ClaimedSale.ts';
import * as Delegation from './Delegation.ts';
import type { Sale } from './Terms.ts';

/** What counting needs of the paywall. */
export type CountedContext = SaleContext & { readonly store: Store; readonly random: Random };

/** A call that is counted. */
export type Call = {
  readonly request: RequestView;
  readonly route: string;
  /** What the route asks for it. */
  readonly priceMsat: Amount.Msat;
  /** What it takes off what was sold. */
  readonly takes: bigint;
};

/** A call whose units are set aside, or why they were not. */
export type Counted = { readonly kind: 'counted'; readonly sale: Sale } | { readonly kind: 'refused'; readonly error: FareboxError };

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
 * Sets a call's units aside, on all accounts or on none.
 * @throws STORE_UNAVAILABLE – not known whether they are: nothing may be forwarded
 */
export async function count(context: CountedContext, principal: Principal, call: Call): Promise<Counted> {
  const { store, leaseSeconds } = context;
  const reservation = toHex(context.random(16));
  const debits = debitsOf(context, principal, call);
  const outcome = await store.reserve({ reservation, debits, leaseSeconds });
  if (outcome.kind === 'reserved') {
    // Of the whole nothing is said to whoever has a part that was carved out of it.
    const left = remaining(principal, principal.carved === undefined ? outcome.available : outcome.available.slice(1));
    const use = countedUse(context, principal, call, reservation, left);
    return { kind: 'counted', sale: createClaimedSale(context, use) };
  }
  if (principal.carved !== undefined && outcome.account === reservationOf(principal.carved.key)) return { kind: 'refused', error: notSetAside() };
  const isUnderWay = outcome.kind === 'insufficient' && (await mayComeBack(store, debits, outcome.account, principal));
  const isUsed = outcome.account === principal.useKey && principal.carved === undefined;
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

/** The account first, since what is given back is counted there; then each part, the first that was limited first. */
function debitsOf(context: CountedContext, principal: Principal, call: Call): readonly Debit[] {
  const { useKey, units, parts, mintedUntil: expiresAt, terms, carved } = principal;
  const costMsat = terms === 'bucket' ? worthOf(principal, call.takes, true) : call.priceMsat;
  const sources = Delegation.sourcesOf(principal);
  const limited = parts.flatMap(({ key, unit, most }, index): Debit[] => {
    // A pass costs nothing more with each call.
    if (unit === 'msat' && terms === 'pass') return [];
    return [{ account: key, units: unit === 'uses' ? 1n : costMsat, opens: { source: sources[index] ?? key, units: most, expiresAt } }];
  });
  if (useKey === undefined || units === undefined) return limited;
  const entry = entryOf('received', principal, call.route, context.clock, '', terms);
  const whole: Debit = { account: useKey, units: call.takes, opens: { source: useKey, units, expiresAt, entry } };
  if (carved === undefined) return [whole, ...limited];
  const own = { source: Delegation.sourceOfCarved(principal), units: carved.units, expiresAt };
  return [{ ...whole, from: reservationOf(carved.key) }, { account: carved.key, units: call.takes, opens: own }, ...limited];
}

/** What so many units were bought for. */
function worthOf({ amountMsat, units }: Principal, takes: bigint, roundsUp = false): Amount.Msat {
  if (units === undefined || units === 0n) return amountMsat;
  return Amount.fromMsat((amountMsat * takes + (roundsUp ? units - 1n : 0n)) / units);
}

function countedUse(context: CountedContext, principal: Principal, call: Call, reservation: string, left: string | undefined): Use {
  const { store, clock, leaseSeconds } = context;
  const { paymentHash, service, carved } = principal;
  const { route, request } = call;
  const to = carved === undefined ? {} : { to: reservationOf(carved.key) };
  const spending = (note: string): Spending => ({ nonce: reservation, service, route, at: nowAt(clock), note });
  const clientKey = request.header('idempotency-key');
  // One holder's key is no other's: they would be given each other's answers.
  const name = clientKey === undefined ? reservation : `${principal.parts.at(-1)?.key ?? principal.useKey}/${clientKey}`;
  return {
    idempotencyKey: toHex(sha256(fromUtf8(`farebox/idempotency/1/${name}`)).subarray(0, 16)),
    principal,
    facts: { paymentHash, service, route, amountMsat: principal.terms === 'pass' ? Amount.zero : worthOf(principal, call.takes) },
    isRepeat: false,
    headers: left === undefined ? [] : [['L402-Remaining', left]],
    hold: () => store.extend({ reservation, leaseSeconds }),
    commit: async ({ note }) => ((await store.settle({ reservation, entry: spending(note) })) === 'settled' ? 'committed' : 'lost'),
    release: async ({ note, limit }) => {
      const outcome = await store.cancel({ reservation, reason: note, entry: spending(note), ...to, ...(limit === undefined ? {} : { limit }) });
      return { cancelled: 'released', settled: 'committed', lost: 'lost' }[outcome] as 'released' | 'committed' | 'lost';
    },
    deliver: async () => {},
    leave: async () => {},
  };
}

/** What is left after this call: of the account, or, where there are parts, the least of those that are counted as the last one is. */
function remaining({ terms, parts, useKey }: Principal, available: readonly bigint[]): string | undefined {
  const counted: readonly Pick<Part, 'unit'>[] = parts.filter(({ unit }) => unit === 'uses' || terms !== 'pass');
  const root = useKey === undefined ? [] : [{ unit: terms === 'credit' ? 'msat' : 'uses' } as const];
  const all = [...root, ...counted];
  const unit = all.at(-1)?.unit;
  const left = available.filter((_, index) => all[index]?.unit === unit);
  const [first] = left;
  if (first === undefined) return undefined;
  const least = left.reduce((one, other) => (other < one ? other : one), first);
  return unit === 'msat' ? Amount.format(Amount.fromMsat(least)) : `${least}`;
}

/** Whether what requests under way have set aside on an account would be enough: it may come back. What was carved out of it does not, in a moment. */
async function mayComeBack(store: Store, debits: readonly Debit[], account: string, { useKey }: Principal): Promise<boolean> {
  const balance = await store.balance(account);
  const units = debits.find((debit) => debit.account === account)?.units;
  if (balance === undefined || units === undefined || balance.available + balance.reserved < units) return false;
  const carved = account === useKey ? ((await store.balance(asideOf(account)))?.reserved ?? 0n) : 0n;
  return balance.available + balance.reserved - carved >= units;
}

function setAside(): FareboxError {
  return new FareboxError('CREDENTIAL_IN_USE', 'What is left of this token is set aside for requests under way. Ask again in a moment; do not pay again.');
}

function used(): FareboxError {
  return new FareboxError('CREDENTIAL_USED', 'Less is left of this token than this request takes. Buy a new one.');
}

function notSetAside(): FareboxError {
  return new FareboxError('CREDENTIAL_NARROWED', 'Nothing is set aside for this token: it has not been asked for (L402-Carve: open), or was given back.');
}

function narrowed(): FareboxError {
  return new FareboxError('CREDENTIAL_NARROWED', 'A holder narrowed this token: what he allows has been used up, or is less than this request takes.');
}
