/**
 * How much may be spent: a limit for each request and one for everything together, fees included in both.
 *
 * Money is set aside before a wallet is called, spent or given back when the end is known, and held for as long as it is not. Checks
 * against the total are made by the store, in the same atomic step that sets the money aside ({@link reserve}).
 *
 * @see docs/wire.md, "The client"
 */
import type { Msat } from '../core/Amount.ts';
import * as Amount from '../core/Amount.ts';
import { FareboxError } from '../core/Errors.ts';
import type { Payer } from '../lightning/Lightning.ts';
import type { DispatchOutcome, ReserveOutcome, ReserveRequest } from './ClientStore.ts';
import type { Lease, Payment, Spending } from './Journal.ts';
import * as Journal from './Journal.ts';

/** The limits of a client. */
export type Budget = {
  /** The most that one request may cost. */
  readonly maxPerRequestMsat: Msat;
  /** The most that the journal may ever have spent and hold; undefined for no such limit. */
  readonly maxTotalMsat: Msat | undefined;
  /** What a wallet that takes no fee limit is taken to charge at most; undefined where the wallet keeps to a limit. */
  readonly assumedMaxFeeMsat: Msat | undefined;
};

/** An amount: msat, or text with a unit such as `"50 sat"`. */
export type AmountOption = Msat | string;

/** What a budget is made from. */
export type BudgetOptions = {
  readonly maxPerRequest: AmountOption;
  readonly maxTotal?: AmountOption | undefined;
  readonly assumedMaxFee?: AmountOption | undefined;
};

/** Room for the fee of one payment. */
export type FeeRoom = { readonly minFeeMsat: Msat; readonly maxFeeMsat: Msat };

/**
 * Checks the limits.
 * @throws AMOUNT_MALFORMED – a text without a unit, or no amount
 * @throws RangeError – a limit of zero
 * @throws TypeError – no `maxPerRequest`; a wallet that takes no fee limit, and no `assumedMaxFee`
 */
export function create(options: BudgetOptions, payer: Pick<Payer, 'name' | 'capabilities'>): Budget {
  if (options.maxPerRequest === undefined) throw new TypeError('maxPerRequest is required: the most that one request may cost, fee included, such as "50 sat"');
  if (!payer.capabilities.feeLimit && options.assumedMaxFee === undefined) {
    throw new TypeError(`assumedMaxFee is required: the wallet ${payer.name} takes no fee limit. Name the most that it charges, such as "10 sat"`);
  }
  return {
    maxPerRequestMsat: readLimit('maxPerRequest', options.maxPerRequest),
    maxTotalMsat: options.maxTotal === undefined ? undefined : readLimit('maxTotal', options.maxTotal),
    assumedMaxFeeMsat: payer.capabilities.feeLimit || options.assumedMaxFee === undefined ? undefined : read(options.assumedMaxFee),
  };
}

/**
 * What is left for the fee of one request at this price.
 * @param host - named in the message
 * @throws BUDGET_EXCEEDED – the price, or the price and the assumed fee, is over the limit for one request
 */
export function feeRoom(budget: Budget, amountMsat: Msat, host: string): FeeRoom {
  const { maxPerRequestMsat, assumedMaxFeeMsat } = budget;
  const room = maxPerRequestMsat - amountMsat;
  const details = { limit: 'maxPerRequest', max: Amount.format(maxPerRequestMsat), price: Amount.format(amountMsat), host };
  if (room < 0n) {
    const message = `The invoice asks ${details.price}; the limit for one request to ${host} is ${details.max}, fee included. Raise maxPerRequest to buy it.`;
    throw new FareboxError('BUDGET_EXCEEDED', message, { details });
  }
  if (assumedMaxFeeMsat === undefined) return { minFeeMsat: Amount.zero, maxFeeMsat: room as Msat };
  if (assumedMaxFeeMsat <= room) return { minFeeMsat: assumedMaxFeeMsat, maxFeeMsat: assumedMaxFeeMsat };
  const fee = Amount.format(assumedMaxFeeMsat);
  const message =
    `The invoice asks ${details.price} and the wallet may charge a fee of ${fee}; the limit for one request to ${host} is ${details.max}, fee included. ` +
    `Raise maxPerRequest to at least ${Amount.format((amountMsat + assumedMaxFeeMsat) as Msat)}.`;
  throw new FareboxError('BUDGET_EXCEEDED', message, { details: { ...details, fee } });
}

/** The wallet could not pay within what was set aside: the price fits, the fee does not. */
export function feeExceeded(payment: Payment, budget: Budget, host: string): FareboxError {
  const room = Amount.format((payment.reservedMsat - payment.amountMsat) as Msat);
  const byTotal = payment.reservedMsat < budget.maxPerRequestMsat && budget.assumedMaxFeeMsat === undefined;
  const limit = byTotal ? 'maxTotal' : 'maxPerRequest';
  const max = Amount.format((byTotal ? budget.maxTotalMsat : undefined) ?? budget.maxPerRequestMsat);
  const price = Amount.format(payment.amountMsat);
  const message = `The price is ${price} and the fee would be more than the ${room} that ${limit} (${max}, fees included) leaves for it. Nothing was paid. Raise ${limit} to make room for the fee.`;
  return new FareboxError('BUDGET_EXCEEDED', message, { details: { limit, max, price, feeRoom: room, host, paymentHash: payment.paymentHash } });
}

/** The total limit does not cover a payment. */
export function totalExceeded(budget: Budget, spending: Spending, amountMsat: Msat, host: string): FareboxError {
  const details = {
    limit: 'maxTotal',
    max: Amount.format(budget.maxTotalMsat ?? Amount.zero),
    price: Amount.format(amountMsat),
    spent: Amount.format(spending.spentMsat),
    held: Amount.format(spending.heldMsat),
    host,
  };
  const message =
    `The invoice asks ${details.price}; of the ${details.max} that may be spent altogether, fees included, ${details.spent} are spent and ${details.held} are held ` +
    'for payments whose end is not known yet. Raise maxTotal, or wait for those payments to end.';
  return new FareboxError('BUDGET_EXCEEDED', message, { details });
}

/** A payment cost more than was set aside for it, and nobody has looked yet. */
export function stopped(paymentHash: string): FareboxError {
  const message =
    `Spending has stopped: payment ${paymentHash} cost more than the limit that the wallet was given. Nothing was paid now. ` +
    'Look at the wallet, then allow spending again (allowSpending of the client store).';
  return new FareboxError('BUDGET_EXCEEDED', message, { details: { limit: 'overshoot', paymentHash } });
}

/**
 * Decides on a reservation; the store writes what comes of it.
 * @param known - the row of the same payment hash
 * @param open - rows of the same resource whose wallet was called and whose end is not known
 */
export function reserve(request: ReserveRequest, known: Payment | undefined, open: readonly Payment[], spending: Spending): ReserveOutcome {
  const { purchase, minFeeMsat, maxFeeMsat, maxTotalMsat, owner, leaseEndsAt, nowAt } = request;
  const blocking = open.find((payment) => Journal.blocks(payment, owner, nowAt));
  if (blocking) return { kind: 'blocked', payment: blocking };
  if (known && !(known.state === 'failed' && known.dispatchedAt === undefined)) return { kind: 'known', payment: known };
  if (spending.stoppedBy !== undefined) return { kind: 'stopped', by: spending.stoppedBy };
  let feeMsat = maxFeeMsat;
  if (maxTotalMsat !== undefined) {
    const left = maxTotalMsat - spending.spentMsat - spending.heldMsat - purchase.amountMsat;
    if (left < minFeeMsat) return { kind: 'exceeded', spending };
    if (left < feeMsat) feeMsat = left as Msat;
  }
  const reservedMsat = (purchase.amountMsat + feeMsat) as Msat;
  return { kind: 'reserved', payment: Journal.from(purchase, reservedMsat, { owner, leaseEndsAt }, nowAt) };
}

/**
 * Decides whether the wallet may be called; the store writes what comes of it.
 * @param open - as for {@link reserve}, without the payment itself
 */
export function dispatch(payment: Payment | undefined, open: readonly Payment[], spending: Spending, lease: Lease, nowAt: number): DispatchOutcome {
  const next = payment && Journal.dispatched(payment, lease, nowAt);
  if (!next) return { kind: 'lost' };
  if (spending.stoppedBy !== undefined) return { kind: 'stopped', by: spending.stoppedBy };
  const blocking = open.find((other) => Journal.blocks(other, lease.owner, nowAt));
  return blocking ? { kind: 'blocked', payment: blocking } : { kind: 'dispatched', payment: next };
}

function readLimit(name: string, value: AmountOption): Msat {
  const limit = read(value);
  if (limit === 0n) throw new RangeError(`${name} is more than 0 sat: leave the client out where nothing may be paid`);
  return limit;
}

function read(value: AmountOption): Msat {
  return typeof value === 'string' ? Amount.parse(value) : Amount.fromMsat(value);
}
