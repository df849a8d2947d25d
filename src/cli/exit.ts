/**
 * Exit codes, by what a script would want to do about them.
 */
import { CommanderError } from 'commander';
import { FareboxError } from '../core/Errors.ts';

/** Code → meaning; `farebox --help` prints this table. */
export const exitCodes = {
  0: 'done',
  1: 'it did not work, for a reason that is said',
  2: 'the command line or the configuration is wrong',
  3: 'refused: it would cost more than the limit allows, or the challenge cannot be trusted',
  4: 'the payment failed for certain; nothing was paid',
  5: 'it is not known whether the payment went through; it will not be paid again',
  6: 'paid, and not honoured by the server; the error says what proves the payment',
  7: 'the server, node, store or sandbox cannot be reached',
} as const;

/** The exit code for what ended a command. */
export function exitCodeOf(error: unknown): keyof typeof exitCodes {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof RangeError) return 2;
  if (!FareboxError.is(error)) return 1;
  switch (error.code) {
    case 'AMOUNT_MALFORMED':
    case 'CONFIG_INVALID':
    case 'KEYS_INVALID':
    case 'KEYS_LOCKED':
    case 'STORE_LOCKED':
      return 2;
    case 'BUDGET_EXCEEDED':
    case 'CHALLENGE_REFUSED':
    case 'CHALLENGE_MALFORMED':
    case 'INVOICE_MALFORMED':
    case 'INVOICE_EXPIRED':
      return 3;
    case 'PAYMENT_FAILED':
    case 'PAYMENT_TOO_LARGE':
    case 'PAYMENT_TOO_SMALL':
    case 'PAYMENT_UNFUNDED':
    case 'PAYMENT_UNROUTABLE':
      return 4;
    case 'PAYMENT_UNKNOWN':
    case 'PAYMENT_INTERRUPTED':
      return 5;
    case 'PAYMENT_NOT_HONOURED':
      return 6;
    case 'LIGHTNING_UNAVAILABLE':
    case 'LIGHTNING_UNAUTHORIZED':
    case 'SANDBOX_UNAVAILABLE':
    case 'STORE_UNAVAILABLE':
      return 7;
    default:
      return 1;
  }
}
