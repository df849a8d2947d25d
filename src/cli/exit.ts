/**
 * Exit codes, by what a script would want to do about them.
 */
import { CommanderError } from 'commander';
import { FareboxError } from '../core/Errors.ts';

/** Code → meaning; `farebox --help` prints this table, and `docs/reference/exit-codes.md` says what to do about each. */
export const exitCodes = {
  0: 'done',
  1: 'it did not work, for a reason that is said',
  2: 'the command line or the configuration is wrong',
  3: 'refused: it would cost more than the limit allows, or the challenge cannot be trusted; nothing was paid',
  4: 'the payment failed for certain; nothing was paid',
  5: 'it was paid, or may have been, and the answer is not here: run the same command again, it is not paid twice',
  6: 'paid, and not honoured by the server; the error says what proves the payment',
  7: 'the server, node, store or sandbox cannot be reached, or took too long; nothing was paid',
  8: 'the server answered with an error (400 to 599)',
  130: 'ended by Ctrl-C or a signal before it was done',
} as const;

/** A row of {@link exitCodes}. */
export type ExitCode = keyof typeof exitCodes;

/** What ends a command, where no error of the library says it. Its message is for people. */
export class Ended extends Error {
  readonly exitCode: ExitCode;
  /** A word or two that the message begins with; '' where everything has been said already. */
  readonly label: string;

  constructor(exitCode: ExitCode, label: string, message = '', options?: ErrorOptions) {
    super(message, options);
    this.name = 'Ended';
    this.exitCode = exitCode;
    this.label = label;
  }
}

/** The exit code for what ended a command. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof Ended) return error.exitCode;
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
    case 'BUDGET_HOST_DENIED':
    case 'CHALLENGE_REFUSED':
    case 'CONSENT_REFUSED':
    case 'CHALLENGE_MALFORMED':
    case 'INVOICE_MALFORMED':
    case 'INVOICE_EXPIRED':
    case 'JOURNAL_CONFLICT':
      return 3;
    case 'PAYMENT_FAILED':
    case 'PROVIDERS_EXHAUSTED':
    case 'PAYMENT_TOO_LARGE':
    case 'PAYMENT_TOO_SMALL':
    case 'PAYMENT_UNFUNDED':
    case 'PAYMENT_UNROUTABLE':
      return 4;
    case 'PAYMENT_UNKNOWN':
    case 'PAYMENT_INTERRUPTED':
      return 5;
    case 'ANSWER_MISSING':
    case 'PAYMENT_NOT_HONOURED':
      return 6;
    case 'LIGHTNING_UNAVAILABLE':
    case 'LIGHTNING_UNAUTHORIZED':
    case 'SANDBOX_UNAVAILABLE':
      return 7;
    // Where it names a payment, the wallet had been called already.
    case 'REQUEST_TIMED_OUT':
    case 'STORE_UNAVAILABLE':
      return error.details.paymentHash === undefined ? 7 : 5;
    default:
      return 1;
  }
}
