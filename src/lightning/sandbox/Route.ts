/**
 * Whether a payment finds its way payer → hub → payee, and what it costs. Pure.
 *
 * @see BOLT 7, section HTLC Fees: fee_base_msat + ( amount_to_forward * fee_proportional_millionths / 1000000 )
 */
import * as Amount from '../../core/Amount.ts';
import type { FailureReason } from '../Lightning.ts';

type Msat = Amount.Msat;

/** What the hub asks for passing a payment on. */
export type FeePolicy = {
  readonly baseMsat: Msat;
  /** Millionths of the amount. */
  readonly proportionalMillionths: bigint;
};

/** 1 sat and a millionth: what LND asks where nobody has set it otherwise. */
export const defaultFees: FeePolicy = { baseMsat: Amount.fromSat(1), proportionalMillionths: 1n };

/** What the way has to carry, and what its two channels have. */
export type RouteRequest = {
  readonly amountMsat: Msat;
  /** The most that it may cost. */
  readonly maxFeeMsat: Msat;
  readonly fees: FeePolicy;
  /** Takes more than the limit: the limit, and the usual fee on top. */
  readonly overcharges: boolean;
  /** The payer's own side of its channel. */
  readonly spendableMsat: Msat;
  /** The hub's side of the payee's channel. */
  readonly receivableMsat: Msat;
};

/** A way and its cost, or why there is none: for certain, since nothing has moved. */
export type Route =
  | { readonly kind: 'found'; readonly feeMsat: Msat }
  | { readonly kind: 'none'; readonly reason: Extract<FailureReason, 'balance' | 'fee-limit' | 'no-route'>; readonly message: string };

/** Finds the way. */
export function find(request: RouteRequest): Route {
  const { amountMsat, maxFeeMsat, spendableMsat, receivableMsat } = request;
  const usualMsat = feeOf(request.fees, amountMsat);
  if (!request.overcharges && usualMsat > maxFeeMsat) {
    return none('fee-limit', `The fee is ${Amount.format(usualMsat)}; the limit is ${Amount.format(maxFeeMsat)}`);
  }
  const feeMsat = request.overcharges ? Amount.fromMsat(maxFeeMsat + (usualMsat > 0n ? usualMsat : 1000n)) : usualMsat;
  if (amountMsat + feeMsat > spendableMsat) {
    return none('balance', `It takes ${Amount.format(amountMsat)} and a fee of ${Amount.format(feeMsat)}; the node can spend ${Amount.format(spendableMsat)}`);
  }
  if (amountMsat > receivableMsat)
    return none('no-route', `The payee's channel can take in ${Amount.format(receivableMsat)}, not ${Amount.format(amountMsat)}`);
  return { kind: 'found', feeMsat };
}

/** What the hub asks for passing that amount on. */
export function feeOf(fees: FeePolicy, amountMsat: Msat): Msat {
  return Amount.fromMsat(fees.baseMsat + (amountMsat * fees.proportionalMillionths) / 1_000_000n);
}

function none(reason: 'balance' | 'fee-limit' | 'no-route', message: string): Route {
  return { kind: 'none', reason, message: `${message}.` };
}
