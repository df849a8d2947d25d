/**
 * What a caller hears when a payment failed for certain: one code for each thing that there is to do about it.
 *
 * @see docs/errors.md
 */
import type { Msat } from '../core/Amount.ts';
import * as Amount from '../core/Amount.ts';
import type { Code } from '../core/Errors.ts';
import { FareboxError } from '../core/Errors.ts';
import type { FailureReason, PaymentOutcome } from '../lightning/Lightning.ts';
import type { Payment } from './Journal.ts';

/** Every code of a payment that failed for certain: nothing was spent. */
export const failedCodes = [
  'PAYMENT_FAILED',
  'PAYMENT_UNFUNDED',
  'PAYMENT_UNROUTABLE',
  'PAYMENT_TOO_SMALL',
  'PAYMENT_TOO_LARGE',
] as const satisfies readonly Code[];

/**
 * The error for a payment that failed for certain, whatever the reason but the fee limit, which is the budget's.
 * @param host - who was to be paid
 */
export function paymentFailure(payment: Payment, outcome: PaymentOutcome, host: string): FareboxError {
  const { paymentHash, note } = payment;
  const reason = outcome.kind === 'failed' ? outcome.reason : 'rejected';
  const said = `Payment ${paymentHash} of ${Amount.format(payment.amountMsat)} to ${host} failed, and nothing was spent. The wallet says: ${note}`;
  const hint = hintFor(reason, payment);
  const message = hint === '' ? said : `${said.endsWith('.') ? said : `${said}.`} ${hint}`;
  return new FareboxError(codeOf.get(reason) ?? 'PAYMENT_FAILED', message, { details: { paymentHash, reason, host } });
}

const codeOf: ReadonlyMap<FailureReason, (typeof failedCodes)[number]> = new Map([
  ['balance', 'PAYMENT_UNFUNDED'],
  ['no-route', 'PAYMENT_UNROUTABLE'],
  ['too-small', 'PAYMENT_TOO_SMALL'],
  ['too-large', 'PAYMENT_TOO_LARGE'],
]);

/** What to do about it; '' where only the wallet's own words help. */
function hintFor(reason: FailureReason, { payer, reservedMsat, amountMsat }: Payment): string {
  const room = Amount.format((reservedMsat - amountMsat) as Msat);
  switch (reason) {
    case 'balance':
      return `Put money into the wallet (${payer}), or let it spend more: it needs the amount, the fee, and what its channels hold back.`;
    case 'no-route':
      // Wallets that look for a way within the fee limit alone call a limit that is too low no way, as lnd does.
      return `The limit left ${room} for the fee, and a way that costs more counts as none: allow more, or see whether there is a way at all.`;
    case 'too-small':
      return `The wallet (${payer}), or a channel on the way, sends no amount as small as this: buy more at once where the seller sells a bucket or a pass, or pay from another wallet.`;
    case 'too-large':
      return `The wallet (${payer}), or a channel on the way, sends no amount as large as this: raise its limit, or pay from another wallet.`;
    case 'expired':
      return 'Send the request again for a new invoice; check the clock of this machine if it keeps happening.';
    default:
      return '';
  }
}
