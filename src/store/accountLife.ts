/**
 * The life of accounts and reservations as steps over what a store keeps: each is one atomic step of the store, and the same in all of them.
 *
 * For every account, always: units = available + reserved + spent. What is reserved is never kept as a number: it is the sum over the
 * reservations whose lease runs, so that units come back by themselves when a process dies.
 *
 * An account is made of lots, one for each credit, spent in the order in which they came. A lot that was paid for earns its payment as it is
 * spent: each spending the share of what is still to be earned that it takes of the units still there, so that the last unit earns what is left
 * and nothing is lost in rounding, whatever was given back in between.
 */
import type { Msat } from '../core/Amount.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import { leaseEnd } from './claimLife.ts';
import * as Closings from './closings.ts';
import type { AccountStanding, Closing } from './Standing.ts';
import type {
  AccountBalance,
  CancelRequest,
  CreditOutcome,
  CreditRequest,
  Debit,
  LedgerEntry,
  ReserveOutcome,
  ReserveRequest,
  SettleRequest,
  Spending,
} from './Store.ts';

/** What is kept of an account. */
export type AccountLife = {
  /** All that was credited. */
  readonly units: bigint;
  readonly spent: bigint;
  /** Of what was spent, by reservations that are gone. */
  readonly forgotten: bigint;
  /** How often something was given back for a reason that is limited. */
  readonly givenBack: Readonly<Record<string, number>>;
  /** How many accounts were opened by debits behind one of its own. */
  readonly opened: number;
  /** Unix seconds. */
  readonly expiresAt: number;
};

/** One credit of an account, and what became of it. */
export type Lot = {
  readonly source: string;
  readonly units: bigint;
  readonly spent: bigint;
  /** What was paid for it; nothing where it was no payment. */
  readonly paidMsat: bigint;
  readonly earnedMsat: bigint;
  readonly paymentHash: string | undefined;
  /** Unix seconds. */
  readonly expiresAt: number;
};

/** What a settled debit took of a lot. */
export type Taken = { readonly source: string; readonly units: bigint; readonly msat: bigint };

/** One account's part of a reservation. */
export type DebitLife = {
  readonly account: string;
  readonly units: bigint;
  /** Once it is settled; nothing again once that was reversed. */
  readonly spent: bigint;
  readonly taken: readonly Taken[];
};

/** What is kept of a reservation. `reversed`: it was settled, and given back. */
export type ReservationLife = {
  readonly state: 'held' | 'settled' | 'cancelled' | 'reversed';
  /** Unix seconds. */
  readonly leaseEndsAt: number;
  readonly debits: readonly DebitLife[];
};

/** What a store keeps, as the steps read and write it. A store that reads from afar loads what a request names, and writes what was changed. */
export type Kept = {
  /** Unix seconds, with their fraction. */
  readonly now: () => number;
  readonly account: (name: string) => AccountLife | undefined;
  readonly setAccount: (name: string, account: AccountLife) => void;
  /** In the order in which they were credited. */
  readonly lots: (account: string) => readonly Lot[];
  readonly hasLot: (source: string) => boolean;
  /** How a payment ended whose account has been forgotten. */
  readonly closing: (paymentHash: string) => Closing | undefined;
  /** Puts a lot in the place of the one of its source, or behind all others. */
  readonly setLot: (account: string, lot: Lot) => void;
  /** What reservations that are held, but for this one, hold on an account now. */
  readonly reserved: (account: string, but?: string) => bigint;
  readonly reservation: (name: string) => ReservationLife | undefined;
  readonly setReservation: (name: string, life: ReservationLife) => void;
  readonly append: (entries: readonly LedgerEntry[]) => void;
};

/** Credits an account, once a source. */
export function credit(kept: Kept, { account, source, units, expiresAt, entry, onlyOpen }: CreditRequest): CreditOutcome {
  if (kept.hasLot(source) || hasEarned(kept, entry)) return 'already';
  if (onlyOpen && kept.account(account) === undefined) return 'absent';
  const before = kept.account(account) ?? { units: 0n, spent: 0n, forgotten: 0n, givenBack: {}, opened: 0, expiresAt: 0 };
  kept.setAccount(account, { ...before, units: before.units + units, expiresAt: Math.max(before.expiresAt, expiresAt) });
  kept.setLot(account, { source, units, spent: 0n, paidMsat: entry?.amountMsat ?? 0n, earnedMsat: 0n, paymentHash: entry?.paymentHash, expiresAt });
  if (entry) kept.append([entry]);
  return 'credited';
}

/** An account's standing. */
export function balance(kept: Kept, account: string): AccountBalance | undefined {
  const found = kept.account(account);
  return found && standing(found, kept.reserved(account));
}

/**
 * Reserves on every account or on none; one that was cancelled or whose lease ended may be asked for afresh.
 * @throws RangeError – the name was settled, or is held over other debits: each reservation takes a name of its own
 */
export function reserve(kept: Kept, { reservation, debits, leaseSeconds }: ReserveRequest): ReserveOutcome {
  const now = kept.now();
  const life = kept.reservation(reservation);
  if (life?.state === 'settled' || life?.state === 'reversed') throw new RangeError(`reservation: "${reservation}" was settled before`);
  const isOurs = life !== undefined && isHeld(life, now);
  if (isOurs && !isSame(life.debits, debits)) throw new RangeError(`reservation: "${reservation}" is held over other debits`);
  const available: bigint[] = [];
  for (const debit of debits) {
    const before = availableFor(kept, debit, reservation);
    if (before === undefined) return { kind: 'absent', account: debit.account };
    if (before < debit.units) return { kind: 'insufficient', account: debit.account, available: before };
    available.push(before - debit.units);
  }
  if (isOurs) return { kind: 'reserved', available };
  const crowded = open(kept, debits);
  if (crowded !== undefined) return { kind: 'crowded', account: crowded };
  const begun = debits.map(({ account, units }): DebitLife => ({ account, units, spent: 0n, taken: [] }));
  kept.setReservation(reservation, { state: 'held', leaseEndsAt: leaseEnd(now, leaseSeconds), debits: begun });
  return { kind: 'reserved', available };
}

/**
 * Holds it for longer, also where its lease has ended and its units are there still. False: it is not held any more. What was settled is remembered
 * for longer, since an answer that goes on may still break off.
 */
export function extend(kept: Kept, { reservation, leaseSeconds }: { readonly reservation: string; readonly leaseSeconds: number }): boolean {
  const life = kept.reservation(reservation);
  const held = life?.state === 'held' && life.debits.every((debit) => isThere(kept, reservation, life, debit.account, debit.units));
  if (!held && life?.state !== 'settled') return false;
  const leaseEndsAt = leaseEnd(kept.now(), leaseSeconds);
  if (leaseEndsAt > life.leaseEndsAt) kept.setReservation(reservation, { ...life, leaseEndsAt });
  return held;
}

/** Spends so much of every debit, or all of each, unless somebody else has spent it meanwhile. Settling twice alike is settling once. */
export function settle(kept: Kept, request: SettleRequest): 'settled' | 'lost' {
  const { reservation, units, entry } = request;
  const life = kept.reservation(reservation);
  if (life === undefined) return 'lost';
  const wanted = (debit: DebitLife) => (units === undefined || units > debit.units ? debit.units : units);
  if (life.state === 'settled') return life.debits.every((debit) => debit.spent === wanted(debit)) ? 'settled' : 'lost';
  if (life.state !== 'held' || !life.debits.every((debit) => isThere(kept, reservation, life, debit.account, wanted(debit)))) return 'lost';
  const debits = life.debits.map((debit) => spend(kept, debit, wanted(debit)));
  kept.setReservation(reservation, { ...life, state: 'settled', debits });
  if (entry) kept.append(entriesOf(kept, debits, 'earned', entry));
  return 'settled';
}

/**
 * Gives back what is held, or what was settled; where the limit is reached, what is held is settled. What a lease that ended gave back is given
 * back. Cancelling twice is cancelling once.
 */
export function cancel(kept: Kept, { reservation, reason, limit, entry }: CancelRequest): 'cancelled' | 'settled' | 'lost' {
  const life = kept.reservation(reservation);
  if (life?.state === 'cancelled' || life?.state === 'reversed') return 'cancelled';
  if (life === undefined) return 'lost';
  if (limit !== undefined && !countGivenBack(kept, life, reason, limit)) {
    return life.state === 'settled' ? 'settled' : settle(kept, { reservation, ...(entry && { entry }) });
  }
  if (life.state === 'held') kept.setReservation(reservation, { ...life, state: 'cancelled' });
  else {
    if (entry) kept.append(entriesOf(kept, life.debits, 'reversed', entry));
    kept.setReservation(reservation, { ...life, state: 'reversed', debits: life.debits.map((debit) => unspend(kept, debit)) });
  }
  return 'cancelled';
}

/** Whether its units are off the accounts: neither ended nor lapsed. */
export function isHeld(life: Pick<ReservationLife, 'state' | 'leaseEndsAt'>, now: number): boolean {
  return life.state === 'held' && now < life.leaseEndsAt;
}

/** What units that were reserved on an account would earn of each of its lots, if they were spent now; for the books. */
export function heldMsat(lots: readonly Lot[], reserved: bigint): ReadonlyMap<string, bigint> {
  return new Map(take(lots, reserved).map(({ source, msat }) => [source, msat]));
}

/** The sums of an account's lots, what they come from, and those that cannot be as they are; for the books. */
export function checkLots(lots: readonly Lot[]): Pick<AccountStanding, 'lots' | 'sources' | 'brokenLots'> {
  const sum = (of: 'units' | 'spent') => lots.reduce((all, lot) => all + lot[of], 0n);
  const isBroken = ({ units, spent, paidMsat, earnedMsat, paymentHash }: Lot) => {
    if (units < 0n || spent < 0n || spent > units || earnedMsat < 0n || earnedMsat > paidMsat) return true;
    // All of it earns all of it, nothing earns nothing, and what was no payment earns nothing.
    return (spent === units && units > 0n && earnedMsat !== paidMsat) || (spent === 0n && earnedMsat !== 0n) || (paymentHash === undefined && paidMsat !== 0n);
  };
  return {
    lots: { units: sum('units'), spent: sum('spent') },
    sources: lots.map(({ source }) => source),
    brokenLots: lots.filter(isBroken).map(({ source }) => source),
  };
}

function standing({ units, spent }: AccountLife, reserved: bigint): AccountBalance {
  return { units, available: units - spent - reserved, reserved, spent };
}

/**
 * What an account has for a debit, with what opens it where it is not there. A source that has credited before opens nothing, and neither does a
 * payment that has bought something.
 */
function availableFor(kept: Kept, { account, opens }: Debit, reservation: string): bigint | undefined {
  const found = kept.account(account);
  if (found) return standing(found, kept.reserved(account, reservation)).available;
  return opens && !kept.hasLot(opens.source) && !hasEarned(kept, opens.entry) ? opens.units : undefined;
}

/** Opens the accounts that are not there yet, and counts them on every account before them; none of them where that would be too many on one, which is named. */
function open(kept: Kept, debits: readonly Debit[]): string | undefined {
  const isNew = debits.map(({ account }) => kept.account(account) === undefined);
  const behind = debits.map((_, place) => isNew.filter((one, other) => one && other > place).length);
  const crowded = debits.find(({ account, mostBehind }, place) => {
    const more = behind[place] ?? 0;
    return more > 0 && mostBehind !== undefined && (kept.account(account)?.opened ?? 0) + more > mostBehind;
  });
  if (crowded) return crowded.account;
  for (const [place, { account, opens }] of debits.entries()) {
    if (isNew[place] && opens) credit(kept, { account, ...opens });
    const found = kept.account(account);
    if (found && behind[place]) kept.setAccount(account, { ...found, opened: found.opened + behind[place] });
  }
  return undefined;
}

/** Whether a payment was earned off an account that has been forgotten: a clock was ahead, and has been set back. */
function hasEarned(kept: Kept, entry: LedgerEntry | undefined): boolean {
  return entry !== undefined && Closings.isEarnedByAccount(kept.closing(entry.paymentHash));
}

/**
 * Whether so many units are there for a reservation to hold or spend. Of one whose lease runs: not spent yet, since a lease that had ended runs again
 * where a clock is set back, and its units may have gone to others. Of one whose lease has ended: available.
 */
function isThere(kept: Kept, reservation: string, life: ReservationLife, account: string, units: bigint): boolean {
  const found = kept.account(account);
  if (isHeld(life, kept.now())) return found === undefined || found.spent + units <= found.units;
  return found !== undefined && standing(found, kept.reserved(account, reservation)).available >= units;
}

/** Spends so much of a debit, lot after lot. */
function spend(kept: Kept, debit: DebitLife, units: bigint): DebitLife {
  const account = kept.account(debit.account);
  if (account === undefined) return { ...debit, spent: units };
  const lots = kept.lots(debit.account);
  const taken = take(lots, units);
  for (const { source, units: of, msat } of taken) changeLot(kept, debit.account, lots, source, of, msat);
  kept.setAccount(debit.account, { ...account, spent: account.spent + units });
  return { ...debit, spent: units, taken };
}

/** Puts back what a debit took. */
function unspend(kept: Kept, debit: DebitLife): DebitLife {
  const account = kept.account(debit.account);
  if (account === undefined) return { ...debit, spent: 0n, taken: [] };
  const lots = kept.lots(debit.account);
  for (const { source, units, msat } of debit.taken) changeLot(kept, debit.account, lots, source, -units, -msat);
  kept.setAccount(debit.account, { ...account, spent: account.spent - debit.spent });
  return { ...debit, spent: 0n, taken: [] };
}

/** What is taken of each lot for so many units, and what that earns. */
function take(lots: readonly Lot[], units: bigint): readonly Taken[] {
  const taken: Taken[] = [];
  let left = units;
  for (const lot of lots) {
    const there = lot.units - lot.spent;
    if (left <= 0n || there <= 0n) continue;
    const of = left < there ? left : there;
    taken.push({ source: lot.source, units: of, msat: ((lot.paidMsat - lot.earnedMsat) * of) / there });
    left -= of;
  }
  return taken;
}

function changeLot(kept: Kept, account: string, lots: readonly Lot[], source: string, units: bigint, msat: bigint): void {
  const lot = lots.find((one) => one.source === source);
  if (lot) kept.setLot(account, { ...lot, spent: lot.spent + units, earnedMsat: lot.earnedMsat + msat });
}

/** The ledger's words for what debits took: an entry for each payment. */
function entriesOf(kept: Kept, debits: readonly DebitLife[], kind: 'earned' | 'reversed', spending: Spending): readonly LedgerEntry[] {
  const amounts = new Map<string, bigint>();
  for (const { account, taken } of debits) {
    if (taken.length === 0) continue;
    const payments = new Map(kept.lots(account).map(({ source, paymentHash }) => [source, paymentHash]));
    for (const { source, msat } of taken) {
      const paymentHash = payments.get(source);
      if (paymentHash !== undefined) amounts.set(paymentHash, (amounts.get(paymentHash) ?? 0n) + msat);
    }
  }
  return [...amounts].map(([paymentHash, msat]) => ({ ...spending, kind, paymentHash: paymentHash as PaymentHash, amountMsat: msat as Msat }));
}

/** Counts one more that is given back for this reason, unless that would be too many. */
function countGivenBack(kept: Kept, { debits }: ReservationLife, reason: string, limit: number): boolean {
  const [first] = debits;
  const account = first && kept.account(first.account);
  if (first === undefined || account === undefined) return true;
  const count = account.givenBack[reason] ?? 0;
  if (count >= limit) return false;
  kept.setAccount(first.account, { ...account, givenBack: { ...account.givenBack, [reason]: count + 1 } });
  return true;
}

function isSame(held: readonly DebitLife[], asked: readonly Debit[]): boolean {
  const units = new Map(held.map((debit) => [debit.account, debit.units]));
  return held.length === asked.length && asked.every((debit) => units.get(debit.account) === debit.units);
}
