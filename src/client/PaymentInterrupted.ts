/**
 * A payment that was begun and whose answer has not come, as plain data: it can be logged, queued, handed to another process or machine, and
 * resumed there, wherever the same journal and wallet are. It holds no secret: what proves the payment stays in the journal.
 *
 * @see docs/wire.md, "The client"
 */
import { FareboxError } from '../core/Errors.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import * as Preimage from '../core/Preimage.ts';
import type { Payment } from './Journal.ts';
import * as Journal from './Journal.ts';
import { type ResumeOptions, resumeOne } from './resume.ts';

/** What it takes to go on. JSON keeps it as it is. */
export type PaymentInterrupted = {
  readonly kind: 'payment-interrupted';
  readonly version: 1;
  readonly paymentHash: PaymentHash;
  /** The error that said so. */
  readonly code: InterruptingCode;
  /** What the error said, for people. */
  readonly message: string;
  /** What the payment is for, as far as the error names it. */
  readonly origin?: string;
  readonly method?: string;
  /** Without the query. */
  readonly path?: string;
  /** With its unit, such as `50 sat`. */
  readonly amount?: string;
};

/** What became of it. Nothing was paid to find out. */
export type Resumed =
  /** It was paid, and the credential is kept: send the same request again, and it is used. */
  | { readonly kind: 'paid'; readonly payment: Payment }
  /** For certain: send the same request again, and it is paid for. */
  | { readonly kind: 'unpaid'; readonly payment: Payment }
  /** Still not known, and its money is still held. */
  | { readonly kind: 'unknown'; readonly payment: Payment }
  /** A call is at work on it. */
  | { readonly kind: 'under-way'; readonly payment: Payment }
  /** It was paid, and its credential has bought an answer since, has expired, or is refused by the seller. */
  | { readonly kind: 'over'; readonly payment: Payment };

type InterruptingCode = (typeof interruptingCodes)[number];

const interruptingCodes = ['PAYMENT_INTERRUPTED', 'PAYMENT_UNKNOWN', 'STORE_UNAVAILABLE'] as const;

/**
 * The interrupted payment that an error tells of; undefined where it tells of none, and so for every error after which nothing is in the air.
 * @example
 * const interrupted = interruptedOf(error);
 * if (interrupted) writeFileSync('later.json', JSON.stringify(interrupted));
 */
export function interruptedOf(error: unknown): PaymentInterrupted | undefined {
  if (!FareboxError.is(error, ...interruptingCodes)) return undefined;
  const { code, message, details } = error;
  // A store that could not be asked before anything was begun names no payment.
  if (typeof details.paymentHash !== 'string') return undefined;
  return parseInterrupted({ kind: 'payment-interrupted', version: 1, code, message, ...details });
}

/**
 * Reads one that comes from elsewhere; fields that it has besides are dropped.
 * @throws TypeError – it is none
 */
export function parseInterrupted(value: unknown): PaymentInterrupted {
  const fields: { readonly [name: string]: unknown } = typeof value === 'object' && value !== null ? { ...value } : {};
  const { kind, version, paymentHash, code, message } = fields;
  if (kind !== 'payment-interrupted' || version !== 1) throw new TypeError('interrupted is a PaymentInterrupted, as interruptedOf gives it');
  if (typeof paymentHash !== 'string' || !/^[0-9a-f]{64}$/.test(paymentHash)) throw new TypeError('interrupted.paymentHash is 64 lower-case hex digits');
  const known = interruptingCodes.find((one) => one === code);
  if (known === undefined || typeof message !== 'string') throw new TypeError('interrupted.code and interrupted.message are those of the error');
  const named = (['origin', 'method', 'path', 'amount'] as const).flatMap((name) => (typeof fields[name] === 'string' ? [[name, fields[name]]] : []));
  return { kind, version, paymentHash: Preimage.parseHash(paymentHash), code: known, message, ...Object.fromEntries(named) };
}

/**
 * Finds out what became of an interrupted payment: on the store that has its journal, with the wallet that was called, in any process. Nothing is
 * paid. Where it was paid, the credential is kept, and the same request uses it.
 *
 * @throws TypeError – `interrupted` is none
 * @throws JOURNAL_CONFLICT – the store does not have the payment: it is another one's
 * @throws STORE_UNAVAILABLE – the journal could not be read or written
 */
export async function resumePayment(interrupted: PaymentInterrupted, options: ResumeOptions): Promise<Resumed> {
  const { paymentHash } = parseInterrupted(interrupted);
  const known = await options.store.get(paymentHash);
  if (!known) {
    const message = `Payment ${paymentHash} is not in this journal: resume it on the client store that the interrupted program used.`;
    throw new FareboxError('JOURNAL_CONFLICT', message, { details: { paymentHash } });
  }
  const payment = await resumeOne(known, options);
  return { kind: kindOf(payment), payment };
}

function kindOf(payment: Payment): Resumed['kind'] {
  if (payment.state === 'failed') return 'unpaid';
  if (payment.preimage !== undefined) return payment.usable ? 'paid' : 'over';
  // Whoever looked it up has found it in the hands of a call that lives.
  return Journal.isUnfinished(payment) && payment.state !== 'unknown' && payment.owner !== '' ? 'under-way' : 'unknown';
}
