/**
 * Offers as a seller makes them, true and false: a signed invoice and the token that goes with it. Whoever makes one knows its preimage.
 *
 * @see BOLT 11, Human-Readable Part and Data Part; L402 macaroon-spec, Macaroon Identifier
 */
import type { Msat } from '../core/Amount.ts';
import * as Amount from '../core/Amount.ts';
import * as Bolt11 from '../core/Bolt11.ts';
import { systemRandom } from '../core/Clock.ts';
import * as Credential from '../core/Credential.ts';
import * as Identifier from '../core/Identifier.ts';
import { publicKeyOf, sign, signatureWords, signingHash } from '../core/internal/bolt11Signature.ts';
import { readText, writeText } from '../core/internal/bolt11Text.ts';
import { toWords } from '../core/internal/bolt11Words.ts';
import { toHex } from '../core/internal/bytes.ts';
import { sha256 } from '../core/internal/sha256.ts';
import * as Macaroon from '../core/Macaroon.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import * as Preimage from '../core/Preimage.ts';

/** What is asked for. */
export type OfferScript = {
  /** Default: 50 sat. `null` asks for whatever the payer likes. */
  readonly amountMsat?: Msat | null;
  /** The amount as it is written in the invoice, such as `21` or `500n`, whether it can be read or not; the signature covers it. */
  readonly amountText?: string;
  /** Default: regtest, where the sandbox lives. */
  readonly chain?: Bolt11.Chain;
  /** Default: 600. */
  readonly expirySeconds?: number;
  /** How many seconds ago it was made. Default: 0. */
  readonly ageSeconds?: number;
  /** Default: `one answer`. */
  readonly description?: string;
  /** The invoice names a node as its payee and is signed by another. */
  readonly isForged?: boolean;
  /** Caveats of the token. Default: none. */
  readonly caveats?: readonly string[];
  /** Instead of a macaroon. */
  readonly token?: string;
  /** The token is bound to this payment instead of the invoice's. */
  readonly boundTo?: PaymentHash;
  /** The preimage of an invoice that was made before: both have one payment hash. */
  readonly preimage?: Preimage.Preimage | undefined;
};

/** An offer as it is sent. */
export type MadeOffer = { readonly token: string; readonly invoice: string; readonly paymentHash: PaymentHash };

/** An offer as its seller has it. */
export type KnownOffer = MadeOffer & { readonly preimage: Preimage.Preimage };

/**
 * Makes an offer with an invoice of its own.
 * @param nowAt - Unix seconds
 */
export function makeOffer(script: OfferScript, nowAt: number): KnownOffer {
  const preimage = script.preimage ?? Preimage.fromBytes(systemRandom(32));
  const paymentHash = Preimage.hash(preimage);
  return { token: makeToken(script, paymentHash, nowAt), invoice: writeInvoice(script, paymentHash, nowAt), paymentHash, preimage };
}

/** The token of an offer whose invoice has this payment hash. */
export function makeToken(script: Pick<OfferScript, 'token' | 'boundTo' | 'caveats'>, paymentHash: PaymentHash, nowAt: number): string {
  const identifier = Identifier.create(script.boundTo ?? paymentHash, '00000000', nowAt, new Uint8Array(Identifier.randomLength));
  return script.token ?? Macaroon.format(Macaroon.mint(Uint8Array.of(3), Identifier.encode(identifier), script.caveats ?? []));
}

/** The preimage that a value of `Authorization` shows, and the token before it; undefined where it is no credential. */
export function shownBy(authorization: string | undefined): { readonly token: string; readonly preimage: Preimage.Preimage } | undefined {
  const [, token = '', text = ''] = /^(?:L402|LSAT) +(\S+):([0-9a-f]{64})$/i.exec(authorization ?? '') ?? [];
  if (text !== '') return { token, preimage: Preimage.parse(text) };
  if (authorization === undefined) return undefined;
  const preimage = Credential.parseAuthorization([authorization]).credentials[0]?.preimage;
  return preimage && { token: '', preimage };
}

const nodeKey = sha256(Uint8Array.of(7));
const otherKey = sha256(Uint8Array.of(8));

function writeInvoice(script: OfferScript, paymentHash: PaymentHash, nowAt: number): string {
  const { amountMsat = Amount.fromSat(50), chain = 'regtest', expirySeconds = 600, ageSeconds = 0, description = 'one answer' } = script;
  const text = Bolt11.encode(
    {
      chain,
      paymentHash,
      paymentSecret: toHex(sha256(Uint8Array.of(2))),
      createdAt: nowAt - ageSeconds,
      expirySeconds,
      description,
      ...(amountMsat !== null && { amountMsat }),
      ...(script.isForged && { payee: publicKeyOf(nodeKey) }),
    },
    nodeKey,
  );
  if (script.amountText === undefined && !script.isForged) return text;
  const { prefix, words } = readText(text);
  const currency = /^ln[a-z]+/.exec(prefix)?.[0] ?? prefix;
  return signAgain(script.amountText === undefined ? prefix : currency + script.amountText, words, script.isForged ? otherKey : nodeKey);
}

/** The same fields under another prefix or by another hand. */
function signAgain(prefix: string, words: Uint8Array, key: Uint8Array): string {
  const unsigned = words.slice(0, -signatureWords);
  return writeText(prefix, [...unsigned, ...toWords(sign(signingHash(prefix, unsigned), key))]);
}
