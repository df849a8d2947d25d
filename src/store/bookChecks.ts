/**
 * One piece of a store's books looked at by itself: where a payment's money is, and what cannot be.
 */
import * as Amount from '../core/Amount.ts';
import { graceSeconds } from './claimLife.ts';
import type { LedgerSums } from './ledgerSums.ts';
import type { AccountStanding, BookStanding, ClaimStanding, Closing, CreditStanding, PaymentStanding, ReservationStanding } from './Standing.ts';
import type { LedgerRow } from './Store.ts';

/** What can be wrong, by name. */
export type DiscrepancyKind =
  /** The ledger earned, or something holds, what it never received. */
  | 'unreceived'
  | 'received-twice'
  /** It was received, and nothing says what became of it. */
  | 'unaccounted'
  /** Several claims or accounts hold one payment's money. */
  | 'held-twice'
  | 'amount-differs'
  | 'service-differs'
  /** The ledger earned what was not used. */
  | 'earned-unused'
  /** It was used, and the ledger did not earn it. */
  | 'used-unearned'
  | 'earned-twice'
  | 'reversed-unearned'
  | 'repeated-unearned'
  | 'negative'
  | 'claim-broken'
  | 'account-unbalanced'
  | 'reservation-unbalanced'
  /** The sums beside the ledger are not those of its entries. */
  | 'totals-differ'
  | 'unreadable'
  /** The node did not settle what the ledger received. */
  | 'unsettled'
  /** The node's own books do not balance. */
  | 'node-unbalanced';

/** One thing that is wrong, in a sentence. */
export type Discrepancy = { readonly kind: DiscrepancyKind; readonly sentence: string; readonly paymentHash?: string };

/** Where a payment's money is. */
export type Terms = { readonly earnedMsat: bigint; readonly unspentMsat: bigint; readonly heldMsat: bigint; readonly expiredMsat: bigint };

/** A payment, looked at. */
export type PaymentFindings = {
  readonly receivedMsat: bigint;
  readonly terms: Terms;
  /** Counted by the ledger alone, since its claim may be of a version that did not write down whose it was. */
  readonly isUntied: boolean;
  readonly discrepancies: readonly Discrepancy[];
};

/** Looks at one payment. */
export function checkPayment(payment: PaymentStanding, book: BookStanding): PaymentFindings {
  const ledger = readLedger(payment);
  const holders = holdersOf(payment, book.at);
  const alone = holders.length === 0 ? aloneInLedger(ledger, book) : undefined;
  const terms = [...holders, ...(alone ? [alone] : [])].reduce((sum, { terms: more }) => plus(sum, more), nothing);
  const wrong = ledger.received.length === 0 ? checkUnreceived(ledger, holders) : [...checkEntries(ledger, payment), ...checkHolders(ledger, holders, alone)];
  const found = [...wrong, ...payment.claims.flatMap(checkClaim)];
  const discrepancies = found.map(({ kind, says }): Discrepancy => {
    return { kind, sentence: `Payment ${payment.paymentHash}: ${says}`, paymentHash: payment.paymentHash };
  });
  return { receivedMsat: ledger.receivedMsat, terms, isUntied: alone?.what === 'untied', discrepancies };
}

/** Looks at one account: units = available + reserved + spent, and both ends as its lots and debits have them. */
export function checkAccount({ account, balance, lots, lotsExpireAt, brokenLots, debited }: AccountStanding, at: number): readonly Discrepancy[] {
  const wrong = (says: string): Discrepancy => ({ kind: 'account-unbalanced', sentence: `Account "${account}": ${says}` });
  if (!balance) {
    const isForgotten = lotsExpireAt + graceSeconds <= at;
    return isForgotten ? [] : [wrong(`${lots.units} units were credited to it that have not expired, and it is gone.`)];
  }
  const { units, spent, reserved } = balance;
  const taken = spent + reserved;
  return [
    ...(units === lots.units ? [] : [wrong(`it says ${units} units credited, and its lots are ${lots.units}.`)]),
    ...(spent === lots.spent ? [] : [wrong(`it says ${spent} units spent, and of its lots ${lots.spent} are.`)]),
    ...(spent === debited ? [] : [wrong(`it says ${spent} units spent, and its debits have spent ${debited}.`)]),
    ...(taken <= units ? [] : [wrong(`${units} units were credited, and ${taken} are spent or reserved.`)]),
    ...(spent >= 0n && reserved >= 0n ? [] : [wrong(`${spent} units spent and ${reserved} reserved: less than nothing.`)]),
    ...brokenLots.map((source) => wrong(`its lot "${source}" has earned or spent what it cannot have.`)),
  ];
}

/** Looks at one reservation: its debits are what was asked for, spent only where it was settled, and held only while it is. */
export function checkReservation({ reservation, life, debits }: ReservationStanding): readonly Discrepancy[] {
  const wrong = (says: string): Discrepancy => ({ kind: 'reservation-unbalanced', sentence: `Reservation "${reservation}": ${says}` });
  if (!life) return [wrong('there are debits of it, and it is gone.')];
  const sum = debits.reduce((all, { units }) => all + units, 0n);
  const overspent = debits.filter(({ units, spent }) => spent < 0n || spent > (life.state === 'settled' ? units : 0n));
  const heldUntil = life.state === 'held' ? life.leaseEndsAt : undefined;
  return [
    ...(debits.length > 0 && sum === life.units ? [] : [wrong(`it is over ${life.units} units, and its debits are ${sum}.`)]),
    ...(debits.every(({ units }) => units >= 0n) ? [] : [wrong('a debit of it is less than nothing.')]),
    ...overspent.map(({ units, spent, account }) => wrong(`it is ${life.state}, and ${spent} of ${units} units are spent of account "${account}".`)),
    ...(debits.every((debit) => debit.heldUntil === heldUntil) ? [] : [wrong('a debit of it is held for another time than it is.')]),
  ];
}

/** Compares the sums beside the ledger with those of its entries. */
export function checkTotals({ sums, seq }: BookStanding, counted: LedgerSums, newestSeq: number): readonly Discrepancy[] {
  const names = Object.keys(sums) as (keyof LedgerSums)[];
  const told = (sum: bigint | number) => (typeof sum === 'bigint' ? money(sum) : String(sum));
  return [
    ...names
      .filter((name) => sums[name] !== counted[name])
      .map((name): Discrepancy => {
        const word = typeof sums[name] === 'bigint' ? 'in all' : 'entries in all';
        const kind = name.replace(/Msat$/, '');
        return { kind: 'totals-differ', sentence: `The totals say "${kind}" ${told(sums[name])} ${word}; the ledger's entries say ${told(counted[name])}.` };
      }),
    ...(seq >= newestSeq ? [] : [{ kind: 'totals-differ' as const, sentence: `The totals go up to entry ${seq}; the ledger up to ${newestSeq}.` }]),
  ];
}

/** An amount, also where it is less than nothing. */
export function money(msat: bigint): string {
  return Amount.format(msat as Amount.Msat);
}

type Wrong = { readonly kind: DiscrepancyKind; readonly says: string };

/** What the ledger says of a payment. */
type Ledger = {
  /** But for what wallets said, which holds nothing. */
  readonly entries: readonly LedgerRow[];
  /** What its wallet said has arrived; undefined where none did. */
  readonly settledMsat: bigint | undefined;
  readonly received: readonly LedgerRow[];
  readonly receivedMsat: bigint;
  /** Earned less reversed: the money, and how often. */
  readonly earnedMsat: bigint;
  readonly earned: number;
};

/** What holds a payment's money, in words, and where it has it. */
type Holder = { readonly what: 'claim' | 'account' | 'forgotten claim' | 'forgotten account'; readonly terms: Terms };

/** Where money is that nothing but the ledger tells of. */
type Alone = { readonly what: 'pass' | 'untied'; readonly terms: Terms };

const nothing: Terms = { earnedMsat: 0n, unspentMsat: 0n, heldMsat: 0n, expiredMsat: 0n };

function readLedger({ entries: all }: PaymentStanding): Ledger {
  const entries = all.filter(({ kind }) => kind !== 'settled');
  const settled = all.filter(({ kind }) => kind === 'settled');
  const of = (kind: LedgerRow['kind']) => entries.filter((entry) => entry.kind === kind);
  const sum = (rows: readonly LedgerRow[]) => rows.reduce((total, { amountMsat }) => total + amountMsat, 0n);
  const [received, earned, reversed] = [of('received'), of('earned'), of('reversed')];
  const settledMsat = settled.length === 0 ? undefined : sum(settled);
  return { entries, settledMsat, received, receivedMsat: sum(received), earnedMsat: sum(earned) - sum(reversed), earned: earned.length - reversed.length };
}

/** What was forgotten unused and then taken up once more (a clock was set back) is held by its claim or account alone. */
function holdersOf({ claims, credits, closing }: PaymentStanding, at: number): readonly Holder[] {
  const isTakenUp = closing?.earnedMsat === 0n && (claims.length > 0 || credits.some(({ balance }) => balance !== undefined));
  return [
    ...claims.map((claim): Holder => ({ what: 'claim', terms: termsOfClaim(claim, at) })),
    ...credits.flatMap(({ amountMsat, balance }): Holder[] => (balance ? [{ what: 'account', terms: termsOfCredit(amountMsat, balance, at) }] : [])),
    ...(closing && !isTakenUp ? [{ what: `forgotten ${closing.kind}`, terms: termsOfClosing(closing) } as const] : []),
  ];
}

function termsOfClaim({ state, amountMsat, leaseEndsAt, expiresAt }: ClaimStanding, at: number): Terms {
  if (state === 'committed' || state === 'used') return { ...nothing, earnedMsat: amountMsat };
  if (state === 'held' && leaseEndsAt !== undefined && at < leaseEndsAt) return { ...nothing, heldMsat: amountMsat };
  return left(amountMsat, at >= expiresAt);
}

function termsOfCredit(amountMsat: bigint, { earnedMsat, heldMsat, expiresAt }: NonNullable<CreditStanding['balance']>, at: number): Terms {
  return { ...left(amountMsat - earnedMsat - heldMsat, at >= expiresAt), earnedMsat, heldMsat };
}

function termsOfClosing({ amountMsat, earnedMsat }: Closing): Terms {
  return { ...nothing, earnedMsat, expiredMsat: amountMsat - earnedMsat };
}

/** A pass is earned in the same step as it is received, once, and has no claim. Before claims named payments, the ledger is all there is. */
function aloneInLedger(ledger: Ledger, book: BookStanding): Alone | undefined {
  const { entries, received, receivedMsat, earnedMsat } = ledger;
  const [first, ...more] = received;
  if (!first || more.length > 0) return undefined;
  if (entries.length === 2 && entries.some(({ kind, nonce }) => kind === 'earned' && nonce === '')) {
    return { what: 'pass', terms: { ...nothing, earnedMsat } };
  }
  if (first.seq > book.untiedSeq) return undefined;
  return { what: 'untied', terms: { ...left(receivedMsat - earnedMsat, book.at >= book.untiedUntil), earnedMsat } };
}

function left(amountMsat: bigint, isExpired: boolean): Terms {
  return isExpired ? { ...nothing, expiredMsat: amountMsat } : { ...nothing, unspentMsat: amountMsat };
}

function plus(one: Terms, other: Terms): Terms {
  return {
    earnedMsat: one.earnedMsat + other.earnedMsat,
    unspentMsat: one.unspentMsat + other.unspentMsat,
    heldMsat: one.heldMsat + other.heldMsat,
    expiredMsat: one.expiredMsat + other.expiredMsat,
  };
}

function totalOf({ earnedMsat, unspentMsat, heldMsat, expiredMsat }: Terms): bigint {
  return earnedMsat + unspentMsat + heldMsat + expiredMsat;
}

function checkUnreceived({ entries }: Ledger, holders: readonly Holder[]): readonly Wrong[] {
  const [entry] = entries;
  if (entry) return [{ kind: 'unreceived', says: `the ledger has "${entry.kind}" ${money(entry.amountMsat)}, and never received it.` }];
  return holders.map(({ what, terms }) => ({ kind: 'unreceived', says: `its ${what} holds ${money(totalOf(terms))}, and the ledger never received it.` }));
}

/** The entries of one payment among themselves. What is metered is earned in parts. */
function checkEntries({ entries, settledMsat, received, receivedMsat, earned }: Ledger, { credits, closing }: PaymentStanding): readonly Wrong[] {
  const [first] = received;
  const isMetered = credits.length > 0 || closing?.kind === 'account';
  const otherAmount = isMetered ? undefined : entries.find(({ amountMsat }) => amountMsat !== first?.amountMsat);
  const otherService = entries.find(({ service }) => service !== first?.service);
  const negative = entries.find(({ amountMsat }) => amountMsat < 0n);
  const wrong: Wrong[] = [];
  if (settledMsat !== undefined && settledMsat < receivedMsat) {
    wrong.push({ kind: 'amount-differs', says: `its wallet said that ${money(settledMsat)} arrived, and ${money(receivedMsat)} were received.` });
  }
  if (received.length > 1) wrong.push({ kind: 'received-twice', says: `it was received ${received.length} times.` });
  if (first && otherAmount) {
    const says = `${money(first.amountMsat)} were received, and its "${otherAmount.kind}" is over ${money(otherAmount.amountMsat)}.`;
    wrong.push({ kind: 'amount-differs', says });
  }
  if (first && otherService) {
    wrong.push({ kind: 'service-differs', says: `it was received for "${first.service}", and its "${otherService.kind}" is for "${otherService.service}".` });
  }
  if (negative) wrong.push({ kind: 'negative', says: `its "${negative.kind}" is over ${money(negative.amountMsat)}: less than nothing.` });
  if (entries.some(({ kind }) => kind === 'repeated') && !entries.some(({ kind }) => kind === 'earned')) {
    wrong.push({ kind: 'repeated-unearned', says: 'its answer was repeated, and never earned.' });
  }
  if (earned < 0) wrong.push({ kind: 'reversed-unearned', says: 'more of it was reversed than earned.' });
  if (earned > 1 && !isMetered) wrong.push({ kind: 'earned-twice', says: `it bought one thing, and was earned ${earned} times.` });
  return wrong;
}

/** The ledger's side against the state's. */
function checkHolders({ receivedMsat, earnedMsat }: Ledger, holders: readonly Holder[], alone: Alone | undefined): readonly Wrong[] {
  const [holder, ...more] = holders;
  if (more.length > 0) {
    const places = holders.map(({ what, terms }) => `${what === 'account' ? 'an' : 'a'} ${what} over ${money(totalOf(terms))}`);
    return [{ kind: 'held-twice', says: `${money(receivedMsat)} were received once, and it has ${places.join(' and ')}.` }];
  }
  if (!holder) {
    if (alone) return [];
    return [{ kind: 'unaccounted', says: `${money(receivedMsat)} were received, and no claim, account or pass says what became of it.` }];
  }
  const { what, terms } = holder;
  const wrong: Wrong[] = [];
  if (totalOf(terms) !== receivedMsat) {
    wrong.push({ kind: 'amount-differs', says: `${money(receivedMsat)} were received, and its ${what} is over ${money(totalOf(terms))}.` });
  }
  const facts = `the ledger earned ${money(earnedMsat)} of it, and by its ${what} ${money(terms.earnedMsat)} were used.`;
  if (earnedMsat > terms.earnedMsat) wrong.push({ kind: 'earned-unused', says: facts });
  if (earnedMsat < terms.earnedMsat) wrong.push({ kind: 'used-unearned', says: facts });
  return wrong;
}

/** What no step of a claim's life leaves behind. */
function checkClaim({ state, leaseEndsAt, committedAt }: ClaimStanding): readonly Wrong[] {
  const isCommitted = state === 'committed' || state === 'used';
  const hasLease = state === 'committed' ? leaseEndsAt !== undefined : state === 'held';
  if (isCommitted === committedAt > 0 && hasLease === (leaseEndsAt !== undefined)) return [];
  const facts = [`"${state}"`, `committed ${committedAt > 0 ? 'before' : 'never'}`, `with ${leaseEndsAt === undefined ? 'no lease' : 'a lease'}`];
  return [{ kind: 'claim-broken', says: `its claim is ${facts.join(', ')}: no step leaves it so.` }];
}
