/**
 * What the two sides of a paid tool say to each other, as `_meta` of the Model Context Protocol: the price of a tool that is listed, the
 * challenge in the result of a call that nobody has paid, the proof in the call that is made again, the receipt in what comes back.
 *
 *     tools/list   → _meta["ai.bolthub/payment"] = { version, price, model, rails, … }                           advertisement
 *     tools/call   → isError, _meta["ai.bolthub/payment"] = { status: "payment_required", price, offers, … }     challenge
 *     tools/call   ← _meta["ai.bolthub/payment"] = { scheme: "l402", proof: "<token>:<preimage>" }               proof
 *     tools/call   → _meta["farebox/receipt"] = { status: "success", reference: "<payment hash>", … }            receipt
 *
 * Data alone: nothing here verifies or decides. Nothing that is said here is authority for a price: the invoice is.
 *
 * @see Tool Payment Profile 0.1 (bolthub), "MCP profile"; docs/wire.md, sections 1, 2 and 6
 */
import * as Amount from '../core/Amount.ts';
import * as Challenge from '../core/Challenge.ts';

/** Under this name stand advertisement, challenge and proof. */
export const paymentKey = 'ai.bolthub/payment';

/** Under this name stands the receipt, which the profile does not know. */
export const receiptKey = 'farebox/receipt';

/** Under this name stands why a call was refused: `{ code, status, detail, retryAfterSeconds }`. */
export const errorKey = 'farebox/error';

/** The argument that carries a credential where a host can set neither `_meta` nor headers. The tool itself never sees it. */
export const credentialArgument = 'l402_credential';

/** The version of the profile that is spoken. */
export const version = '0.1';

/** Most characters of a proof that are looked at: a header's length. */
export const maxProofLength = Challenge.maxHeaderLength;

/** A part of a message, as JSON has it. */
export type JsonObject = { readonly [name: string]: unknown };

/** What a listed tool costs. Advice to whoever budgets, no promise. */
export type Advertisement = {
  readonly amountMsat: Amount.Msat;
  /** `per_call`: a payment buys one call; `prepaid`: it buys more. */
  readonly model: 'per_call' | 'prepaid';
  /** What one payment buys, as the terms describe it. */
  readonly buys: JsonObject;
};

/** What is asked for a call. */
export type Asked = {
  /** The tool's name, as it was called. */
  readonly resource: string;
  readonly amountMsat: Amount.Msat;
  readonly description: string;
  /** Padded standard base64. */
  readonly token: string;
  readonly invoice: string;
  /** When the invoice expires, in Unix seconds. */
  readonly expiresAt: number;
  readonly buys: JsonObject;
};

/** A challenge, as a buyer reads it. Nothing in it is verified. */
export type ReadChallenge = {
  /** In the order received: those that L402 can pay. Empty where there are none. */
  readonly offers: readonly Challenge.Challenge[];
  /** What it says of its price, in whole satoshis. */
  readonly saidSat: number | undefined;
  readonly resource: string | undefined;
  readonly description: string | undefined;
};

/** What is said of a payment in the result that it bought. Holds no preimage. */
export type Receipt = {
  /** RFC 3339. */
  readonly timestamp: string;
  /** The payment hash, 64 hex digits. */
  readonly reference: string;
  /** What became of the payment with this call, in the words of the header `L402-Payment`, where it was said. */
  readonly payment: string | undefined;
};

/** The advertisement, as it stands under {@link paymentKey} of a listed tool. */
export function formatAdvertisement({ amountMsat, model, buys }: Advertisement): JsonObject {
  return { version, price: priceOf(amountMsat), model, rails: ['l402'], amountMsat: amountMsat.toString(), buys };
}

/** Reads an advertisement out of the `_meta` of a listed tool; undefined where there is none that can be read. */
export function parseAdvertisement(meta: unknown): { readonly saidSat: number; readonly model: string; readonly rails: readonly string[] } | undefined {
  const said = fieldOf(meta, paymentKey);
  const saidSat = readSat(fieldOf(said, 'price'));
  if (saidSat === undefined) return undefined;
  const rails = fieldOf(said, 'rails');
  return {
    saidSat,
    model: textOf(said, 'model') ?? 'per_call',
    rails: Array.isArray(rails) ? rails.filter((rail): rail is string => typeof rail === 'string') : [],
  };
}

/** The challenge, as it stands under {@link paymentKey} of a result with `isError`. */
export function formatChallenge(asked: Asked): JsonObject {
  const { amountMsat, token, invoice } = asked;
  const expiresAt = asked.expiresAt * 1000;
  const offer = { scheme: 'l402', ...priceOf(amountMsat), token, invoice, expiresAt, wwwAuthenticate: Challenge.formatLines({ token, invoice }).at(-1) };
  return {
    status: 'payment_required',
    version,
    price: priceOf(amountMsat),
    resource: asked.resource,
    offers: [offer],
    expiresAt,
    amountMsat: amountMsat.toString(),
    description: asked.description,
    buys: asked.buys,
  };
}

/** Reads a challenge out of the `_meta` of a result; undefined where the result asks for no payment. Offers that cannot be read are left out. */
export function parseChallenge(meta: unknown): ReadChallenge | undefined {
  const said = fieldOf(meta, paymentKey);
  if (fieldOf(said, 'status') !== 'payment_required') return undefined;
  const offers = fieldOf(said, 'offers');
  return {
    offers: Array.isArray(offers) ? offers.flatMap(readOffer) : [],
    saidSat: readSat(fieldOf(said, 'price')),
    resource: textOf(said, 'resource'),
    description: textOf(said, 'description'),
  };
}

/** The proof, as it stands under {@link paymentKey} of the call that is made again. A secret. */
export function formatProof(token: string, preimage: string): JsonObject {
  return { scheme: 'l402', proof: `${token}:${preimage}` };
}

/** Reads a proof out of the `_meta` of a call: a value of `Authorization`, as the paywall reads it; undefined where there is none for L402. */
export function parseProof(meta: unknown): string | undefined {
  const said = fieldOf(meta, paymentKey);
  const proof = textOf(said, 'proof');
  if (fieldOf(said, 'scheme') !== 'l402' || proof === undefined || proof.length > maxProofLength) return undefined;
  return `L402 ${proof}`;
}

/** The receipt, as it stands under {@link receiptKey} of a result. */
export function formatReceipt({ timestamp, reference, payment }: Receipt): JsonObject {
  return { status: 'success', method: 'lightning', timestamp, reference, ...(payment !== undefined && { payment }) };
}

/** Reads a receipt out of the `_meta` of a result; undefined where there is none that can be read. */
export function parseReceipt(meta: unknown): Receipt | undefined {
  const said = fieldOf(meta, receiptKey);
  const timestamp = textOf(said, 'timestamp');
  const reference = textOf(said, 'reference');
  if (timestamp === undefined || reference === undefined || !/^[0-9a-f]{64}$/.test(reference)) return undefined;
  return { timestamp, reference, payment: textOf(said, 'payment') };
}

/** In whole satoshis, rounded up: the profile knows nothing smaller. */
function priceOf(amountMsat: Amount.Msat): { readonly amount: number; readonly asset: 'sat' } {
  return { amount: Number(Amount.toSatCeil(amountMsat)), asset: 'sat' };
}

function readSat(price: unknown): number | undefined {
  const amount = fieldOf(price, 'amount');
  const isSat = fieldOf(price, 'asset') === 'sat' && typeof amount === 'number' && Number.isSafeInteger(amount) && amount >= 0;
  return isSat ? amount : undefined;
}

function readOffer(offer: unknown): readonly Challenge.Challenge[] {
  if (fieldOf(offer, 'scheme') !== 'l402') return [];
  const token = textOf(offer, 'token');
  const invoice = textOf(offer, 'invoice');
  const plain = /^[A-Za-z0-9+/_~.=-]+$/;
  const line = token && invoice && plain.test(token) && plain.test(invoice) ? `L402 token="${token}", invoice="${invoice}"` : textOf(offer, 'wwwAuthenticate');
  if (line === undefined) return [];
  try {
    return Challenge.parse(line);
  } catch {
    return [];
  }
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as JsonObject)[name] : undefined;
}

function textOf(value: unknown, name: string): string | undefined {
  const text = fieldOf(value, name);
  return typeof text === 'string' && text !== '' ? text : undefined;
}
