/**
 * What a webhook is told, and how it knows that we said it: one event as JSON, signed together with its id and the time of this attempt.
 *
 *     webhook-id: evt_5f0c…                the same at every attempt, after every restart and in every replay
 *     webhook-timestamp: 1800000000        of this attempt
 *     webhook-signature: v1,<base64 of HMAC-SHA256(secret, id "." timestamp "." body)> …   one for each secret
 *
 *     {"type":"payment.earned","timestamp":"2027-01-15T08:00:00.000Z","data":{"paymentHash":"…","amountMsat":"10000",…}}
 *
 * An event is made from what the ledger or an alert says, field by field: neither knows a preimage, a token or a header.
 *
 * @see Standard Webhooks, version 1.0.0
 */
import { FareboxError } from '../../core/Errors.ts';
import { fromBase64, fromUtf8, toBase64, toHex } from '../../core/internal/bytes.ts';
import { type HmacKey, hmac, hmacKey, sha256 } from '../../core/internal/sha256.ts';
import type { LedgerRow } from '../../store/Store.ts';
import type { PaywallEvent } from '../Events.ts';

/** What can be told. */
export const eventTypes = [
  'payment.settled',
  'payment.received',
  'payment.earned',
  'payment.reversed',
  'payment.repeated',
  'alert.raised',
  'alert.cleared',
] as const;

/** The name of one kind. */
export type EventType = (typeof eventTypes)[number];

/** One event, ready to be signed. */
export type Message = { readonly id: string; readonly type: EventType; readonly body: string };

/** The alert among the events. */
export type AlertEvent = PaywallEvent & { readonly kind: 'alert' };

/** Under which name a row is told. */
export function typeOf({ kind }: LedgerRow): EventType {
  return `payment.${kind}`;
}

/** What the ledger wrote down. The id is made from what makes the row the only one of its kind, so that it is the same wherever it is made. */
export function fromRow(row: LedgerRow): Message {
  const { kind, paymentHash, nonce, amountMsat, service, route, at, note } = row;
  const type = typeOf(row);
  const data = { paymentHash, amountMsat: String(amountMsat), service, route, occurredAt: at, note };
  return { id: idOf(kind, paymentHash, nonce), type, body: bodyOf(type, at * 1000, data) };
}

/** An alert, at its time. Several of one kind and subject may be told in the same millisecond: their words tell them apart. */
export function fromAlert({ at, alert, subject, state, words }: AlertEvent): Message {
  const type = `alert.${state}` as const;
  return { id: idOf(alert, subject, state, String(at), words), type, body: bodyOf(type, at, { alert, subject, words }) };
}

/** Shortest secret, in bytes. */
const minSecretLength = 24;

/**
 * The secrets of a webhook, one or more between spaces, so that one can be exchanged while receivers still know the other: `whsec_` and base64, or the
 * text itself.
 * @throws CONFIG_INVALID – one is shorter than 24 bytes, or is no base64 behind `whsec_`
 */
export function parseSecrets(text: string, name: string): readonly HmacKey[] {
  const wrong = () =>
    new FareboxError(
      'CONFIG_INVALID',
      `The secret of the webhook "${name}" is "whsec_" and base64 of ${minSecretLength} bytes or more, or as many characters. Make one with: openssl rand -hex 32`,
    );
  const written = text.split(/\s+/).filter((one) => one !== '');
  if (written.length === 0) throw wrong();
  return written.map((one) => {
    const bytes = one.startsWith('whsec_') ? fromBase64(one.slice('whsec_'.length)) : fromUtf8(one);
    if (bytes === undefined || bytes.length < minSecretLength) throw wrong();
    return hmacKey(bytes);
  });
}

/** What goes with the body. @param at - Unix seconds of this attempt */
export function headersOf({ id, body }: Message, secrets: readonly HmacKey[], at: number): Readonly<Record<string, string>> {
  const signed = fromUtf8(`${id}.${at}.${body}`);
  return {
    'content-type': 'application/json',
    'user-agent': 'farebox',
    'webhook-id': id,
    'webhook-timestamp': String(at),
    'webhook-signature': secrets.map((secret) => `v1,${toBase64(hmac(secret, signed))}`).join(' '),
  };
}

/** A digest: whatever tells two entries apart is nobody else's business. */
function idOf(...parts: readonly string[]): string {
  return `evt_${toHex(sha256(fromUtf8(`farebox/webhook/1/${parts.join('/')}`))).slice(0, 40)}`;
}

function bodyOf(type: EventType, atMs: number, data: object): string {
  return JSON.stringify({ type, timestamp: new Date(atMs).toISOString(), data });
}
