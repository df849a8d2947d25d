/**
 * Signs what a paid answer says of its payment. The key is derived from the master key that mints at that time, so that there is nothing to keep or to lose
 * beside the ring.
 *
 *     seed = HMAC-SHA256(master, "farebox/receipt/1/" · network · "/" · realm)
 *
 * @see src/core/SignedReceipt.ts
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { type Clock, nowAt } from '../core/Clock.ts';
import { concat, fromHex, toBase64 } from '../core/internal/bytes.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import * as SignedReceipt from '../core/SignedReceipt.ts';
import type * as Path from '../http/Path.ts';
import type { Answer, RequestView } from '../http/RequestView.ts';
import type { Decision } from './Decision.ts';
import type { Offer, Principal } from './Offer.ts';
import type { RootKeys } from './RootKeys.ts';
import type { Sale } from './terms/Terms.ts';

/** See the head of this file. */
export type ReceiptSigner = {
  /** The decision, whose receipt is signed as well where it has one. */
  readonly sign: (decision: Decision, route: string) => Decision;
  /** The keys that can be told to everybody, as a JWKS: of every master in the ring, so that one that is to sign is known before it does. */
  readonly keySet: () => string;
};

/** The header. */
export const header = 'L402-Receipt';

/** A signer over a ring that may change. */
export function createReceiptSigner({ keys, clock }: { readonly keys: RootKeys; readonly clock: Clock }): ReceiptSigner {
  const pairs = new Map<string, Pair>();
  let departures = keys.departures();
  const pairOf = (fingerprint: string): Pair | undefined => {
    if (keys.departures() !== departures) {
      pairs.clear();
      departures = keys.departures();
    }
    const known = pairs.get(fingerprint);
    if (known !== undefined) return known;
    const seed = keys.receiptSeed(fingerprint);
    const pair = seed && pairFrom(seed);
    if (pair !== undefined) pairs.set(fingerprint, pair);
    return pair;
  };

  const headerOf = (principal: Principal, route: string): Answer['headers'] => {
    const issuedAt = nowAt(clock);
    const pair = pairOf(keys.mintingAt(issuedAt));
    if (pair === undefined) return [];
    const { paymentHash, amountMsat, service, terms } = principal;
    const { network, realm } = keys;
    const statement = { paymentHash: paymentHash as PaymentHash, amountMsat, service, route, terms, network, realm, issuedAt };
    const signature = new Uint8Array(sign(null, SignedReceipt.signedBytes(statement, pair.kid), pair.key));
    return [[header, SignedReceipt.format({ ...statement, kid: pair.kid, signature })]];
  };
  const added = (headers: Answer['headers'], principal: Principal, route: string): Answer['headers'] =>
    headers.some(([name]) => name === 'Payment-Receipt') ? [...headers, ...headerOf(principal, route)] : headers;

  const signedSale = (sale: Sale, principal: Principal, route: string): Sale => ({
    ...sale,
    head: async (status) => {
      const outcome = await sale.head(status);
      return outcome.kind === 'lost' ? outcome : { ...outcome, headers: added(outcome.headers, principal, route) };
    },
  });
  return {
    sign: (decision, route) => {
      if (decision.kind === 'repeat') {
        const { answer, principal } = decision;
        return { ...decision, answer: { ...answer, headers: added(answer.headers, principal, route) } };
      }
      if (decision.kind !== 'pass' || decision.principal === undefined) return decision;
      const { principal, sale, headers } = decision;
      return { ...decision, sale: sale && signedSale(sale, principal, route), headers: added(headers, principal, route) };
    },
    keySet: () => SignedReceipt.formatKeys(keys.fingerprints().flatMap((fingerprint) => pairOf(fingerprint)?.publicKey ?? [])),
  };
}

/** The check, whose decisions are signed where there is a signer. */
export function withReceipts(check: Check, receipts: Pick<ReceiptSigner, 'sign'> | undefined): Check {
  if (receipts === undefined) return check;
  const { sign } = receipts;
  return (request, target, offer) => {
    const decision = check(request, target, offer);
    return decision instanceof Promise ? decision.then((decided) => sign(decided, offer.route)) : sign(decision, offer.route);
  };
}

type Check = (request: RequestView, target: Path.Target, offer: Offer) => Decision | Promise<Decision>;

type Pair = { readonly kid: string; readonly key: KeyObject; readonly publicKey: Uint8Array };

/** What stands before the seed of a private key. @see RFC 8410, section 7 */
const pkcs8 = fromHex('302e020100300506032b657004220420') as Uint8Array;

function pairFrom(seed: Uint8Array): Pair {
  const key = createPrivateKey(`-----BEGIN PRIVATE KEY-----\n${toBase64(concat(pkcs8, seed))}\n-----END PRIVATE KEY-----\n`);
  const publicKey = new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32));
  return { kid: SignedReceipt.thumbprintOf(publicKey), key, publicKey };
}
