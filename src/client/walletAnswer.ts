/**
 * What a wallet's driver answers, made certain: drivers are other people's code, not all of it checked by a compiler, and what is wrong
 * with an answer must cost neither the proof of a payment nor the process. What cannot be read is `unknown`.
 *
 * @see src/lightning/Lightning.ts
 */
import type { Msat } from '../core/Amount.ts';
import type { FailureReason, PaymentOutcome, TrackedPayment } from '../lightning/Lightning.ts';
import type { Payment } from './Journal.ts';

/** How a payment ended. A fee that cannot be read is taken for all that was set aside for it. */
export function readOutcome(answer: unknown, payment: Payment): PaymentOutcome {
  const said: Said = typeof answer === 'object' && answer !== null ? answer : {};
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  if (said.kind === 'settled') {
    const feeMsat = msatOf(said.feeMsat) ?? ((payment.reservedMsat - payment.amountMsat) as Msat);
    return { kind: 'settled', preimage: text(said.preimage) as never, amountMsat: msatOf(said.amountMsat) ?? payment.amountMsat, feeMsat };
  }
  if (said.kind === 'failed') return { kind: 'failed', reason: (text(said.reason) || 'rejected') as FailureReason, message: text(said.message) };
  if (said.kind === 'unknown') return { kind: 'unknown', message: text(said.message) };
  return { kind: 'unknown', message: 'The wallet gave an answer that cannot be read.' };
}

/** What the wallet says of a payment that was made before. */
export function readTracked(answer: unknown, payment: Payment): TrackedPayment {
  const kind = typeof answer === 'object' && answer !== null ? (answer as Said).kind : undefined;
  return kind === 'pending' || kind === 'absent' ? { kind } : readOutcome(answer, payment);
}

type Said = {
  readonly kind?: unknown;
  readonly preimage?: unknown;
  readonly amountMsat?: unknown;
  readonly feeMsat?: unknown;
  readonly reason?: unknown;
  readonly message?: unknown;
};

function msatOf(value: unknown): Msat | undefined {
  if (typeof value === 'bigint') return value as Msat;
  return typeof value === 'number' && Number.isSafeInteger(value) ? (BigInt(value) as Msat) : undefined;
}
