/**
 * What a 402 would cost: the challenge with its invoice read and checked. The invoice is the only authority on the price. What a body or
 * a header says besides can only make us refuse: a seller who says two prices gets neither.
 *
 * @see docs/wire.md, "The client"; L402 protocol-specification, HTTP Specification
 */
import type { Msat } from '../core/Amount.ts';
import * as Amount from '../core/Amount.ts';
import * as Bolt11 from '../core/Bolt11.ts';
import * as Challenge from '../core/Challenge.ts';
import type { Details } from '../core/Errors.ts';
import { FareboxError } from '../core/Errors.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import type { Network } from '../lightning/Lightning.ts';
import type { Outgoing } from './Outgoing.ts';
import * as Tokens from './Tokens.ts';

/** An offer that may be paid: signature, network, amount, expiry and payment hash have been checked. */
export type Quote = {
  readonly scheme: 'L402' | 'LSAT';
  /** As received. */
  readonly token: string;
  /** BOLT 11 text, lower case. */
  readonly invoice: string;
  readonly paymentHash: PaymentHash;
  /** What the invoice asks; the fee comes on top. */
  readonly amountMsat: Msat;
  /** The node that gets the money: a compressed public key, 66 hex digits. */
  readonly payee: string;
  /** Whatever the payee wrote; undefined where the invoice holds a hash of it. Escape it before it is shown. */
  readonly description: string | undefined;
  /** Unix seconds. */
  readonly expiresAt: number;
};

/** What a quote is made from. */
export type Offer = {
  /** Who answered, and whether a credential is safe on the way there. */
  readonly asked: Pick<Outgoing, 'url' | 'isSafe'>;
  readonly challenge: Challenge.Challenge;
  /** The header `L402-Price`. */
  readonly priceHeader: string | null;
  /** The body's JSON where it was JSON and could be read; undefined otherwise. */
  readonly body: unknown;
};

/** An invoice that expires sooner is not paid: the payment could arrive too late. */
export const leastSecondsLeft = 10;

/**
 * The challenge to answer, or undefined where the 402 is in no scheme that we speak.
 * @throws CHALLENGE_MALFORMED – there is an L402 or LSAT challenge, and it cannot be read
 * @throws CHALLENGE_REFUSED – there are several, and their invoices ask different prices
 */
export function challengeOf(response: Response): Challenge.Challenge | undefined {
  const challenges = Challenge.parse(response.headers.get('WWW-Authenticate') ?? '');
  const chosen = Challenge.choose(challenges);
  if (chosen === undefined || challenges.every(({ invoice }) => invoice === chosen.invoice)) return chosen;
  const asked = new Set(challenges.map(({ invoice }) => invoice));
  const prices = new Set([...asked].flatMap((invoice) => priceIn(invoice) ?? []));
  if (prices.size <= 1) return chosen;
  const said = [...prices].slice(0, 4).map(Amount.format);
  throw refused(`Its challenges ask different prices: ${said.join(', ')}`, { prices: said });
}

/**
 * Checks an offer.
 *
 * @param network - the network that the wallet pays on
 * @param nowAt - Unix seconds
 * @throws CHALLENGE_REFUSED – it could not be paid safely: plain http to another machine, an invoice without an amount or for another
 * network, a payment hash that is not the token's, a declared price or payee that contradicts the invoice
 * @throws INVOICE_EXPIRED – it has expired, or is about to
 * @throws INVOICE_MALFORMED – it cannot be read, or its signature is wrong
 */
export function from(offer: Offer, network: Network, nowAt: number): Quote {
  const { challenge, asked } = offer;
  const host = asked.url.host;
  if (!asked.isSafe) throw refused(`${host} is reached by plain http, where anyone on the way could take the credential. Use https`, { host });
  const invoice = Bolt11.decode(challenge.invoice);
  const { amountMsat, paymentHash, payee, description, expiresAt } = invoice;
  const chain = network === 'sandbox' ? 'regtest' : network;
  const details = { host, paymentHash };
  if (invoice.chain !== chain) {
    throw refused(`The invoice is for the network ${invoice.chain}, and the wallet pays on ${network}`, { ...details, network: invoice.chain });
  }
  if (amountMsat === undefined || amountMsat === 0n) throw refused('The invoice names no amount, so nothing would bind the price', details);
  const bound = Tokens.paymentHashOf(challenge.token);
  if (bound !== undefined && bound !== paymentHash)
    throw refused('The invoice has another payment hash than the token, which paying it would not make good', details);
  const declared = [...pricesInHeader(offer.priceHeader), ...pricesInBody(offer.body)].find(({ matches }) => !matches(amountMsat));
  if (declared) {
    const price = Amount.format(amountMsat);
    throw refused(`The invoice asks ${price}, and ${declared.where} says ${declared.said}`, { ...details, price, declared: declared.said });
  }
  const named = payeesInBody(offer.body).find((node) => node !== payee);
  if (named !== undefined)
    throw refused(`The invoice pays the node ${payee}, and the body names ${named} as the payee`, { ...details, payee, declared: named });
  assertFresh({ expiresAt, paymentHash }, host, nowAt);
  return { scheme: challenge.scheme, token: challenge.token, invoice: challenge.invoice, paymentHash, amountMsat, payee, description, expiresAt };
}

/** Whether there is time to pay. */
export function isFresh({ expiresAt }: Pick<Quote, 'expiresAt'>, nowAt: number): boolean {
  return expiresAt - nowAt >= leastSecondsLeft;
}

/**
 * Checks that there is time to pay.
 * @throws INVOICE_EXPIRED – it has expired, or is about to
 */
export function assertFresh({ expiresAt, paymentHash }: Pick<Quote, 'expiresAt' | 'paymentHash'>, host: string, nowAt: number): void {
  if (isFresh({ expiresAt }, nowAt)) return;
  const when = expiresAt <= nowAt ? `expired ${nowAt - expiresAt} seconds ago` : `expires in ${expiresAt - nowAt} seconds, too soon to be paid`;
  const message = `The invoice of ${host} ${when}. Ask again for another one; check this machine's clock if it keeps happening.`;
  throw new FareboxError('INVOICE_EXPIRED', message, { details: { host, paymentHash } });
}

/** What an invoice asks, as far as it can be read; whether it is in order is asked of the one that would be paid. */
function priceIn(invoice: string): Msat | undefined {
  try {
    return Bolt11.peek(invoice).amountMsat;
  } catch (error) {
    if (FareboxError.is(error)) return undefined;
    throw error;
  }
}

/** A price that is said beside the invoice. */
type Declared = {
  readonly where: string;
  readonly said: string;
  readonly matches: (amountMsat: Msat) => boolean;
};

/** Fields of bodies in use, by the unit that they are in. */
const msatFields = ['amountMsat', 'amount_msat', 'amountMsats', 'amount_msats', 'price_msat', 'price_msats'];
const satFields = ['amountSat', 'amountSats', 'amount_sat', 'amount_sats', 'price_sat', 'price_sats', 'priceSats'];

function pricesInHeader(header: string | null): readonly Declared[] {
  if (header === null) return [];
  try {
    const msat = Amount.parse(header);
    return [{ where: 'the header L402-Price', said: Amount.format(msat), matches: msat % 1000n === 0n ? inSats(msat / 1000n) : inMsats(msat) }];
  } catch (error) {
    // What cannot be read declares nothing, and so contradicts nothing.
    if (FareboxError.is(error, 'AMOUNT_MALFORMED')) return [];
    throw error;
  }
}

function pricesInBody(body: unknown): readonly Declared[] {
  if (typeof body !== 'object' || body === null) return [];
  const fields = new Map<string, unknown>(Object.entries(body));
  const unit = String(fields.get('unit') ?? fields.get('currency') ?? '').toLowerCase();
  const amountIn = /^(sat|sats|satoshi|satoshis)$/.test(unit) ? 'sat' : /^(msat|msats|millisatoshi|millisatoshis)$/.test(unit) ? 'msat' : undefined;
  const declared = [
    ...msatFields.map((name) => declaredBy(name, fields.get(name), 'msat')),
    ...satFields.map((name) => declaredBy(name, fields.get(name), 'sat')),
    amountIn && declaredBy('amount', fields.get('amount'), amountIn),
  ];
  return declared.filter((one) => one !== undefined);
}

/** Fields of bodies in use that name the node to be paid. */
const payeeFields = ['payee', 'payeeNodeId', 'payee_node_id', 'payeePubkey', 'payee_pubkey', 'nodeId', 'node_id', 'nodePubkey', 'node_pubkey', 'destination'];

/** The nodes that a body names as its payee: compressed public keys. What is none names nobody, and so contradicts nothing. */
function payeesInBody(body: unknown): readonly string[] {
  if (typeof body !== 'object' || body === null) return [];
  const fields = new Map<string, unknown>(Object.entries(body));
  return payeeFields.flatMap((name) => {
    const value = fields.get(name);
    const text = typeof value === 'string' ? value.trim().toLowerCase() : '';
    return /^0[23][0-9a-f]{64}$/.test(text) ? [text] : [];
  });
}

function declaredBy(name: string, value: unknown, unit: 'sat' | 'msat'): Declared | undefined {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : typeof value === 'string' ? value.trim() : '';
  if (!/^\d{1,19}$/.test(text)) return undefined;
  const amount = BigInt(text);
  return { where: `the body (${name})`, said: `${amount} ${unit}`, matches: unit === 'sat' ? inSats(amount) : inMsats(amount) };
}

/** Whole satoshis stand for a price in millisatoshi whichever way it was rounded. */
function inSats(sats: bigint): (amountMsat: Msat) => boolean {
  return (amountMsat) => sats === Amount.toSatCeil(amountMsat) || sats === amountMsat / 1000n;
}

function inMsats(msats: bigint): (amountMsat: Msat) => boolean {
  return (amountMsat) => msats === amountMsat;
}

function refused(what: string, details: Details): FareboxError {
  return new FareboxError('CHALLENGE_REFUSED', `${what}. Nothing was paid.`, { details });
}
