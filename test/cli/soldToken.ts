/**
 * Tokens as a gateway sells them, without a gateway.
 */
import * as Amount from '../../src/core/Amount.ts';
import * as Identifier from '../../src/core/Identifier.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import * as Preimage from '../../src/core/Preimage.ts';
import * as Caveats from '../../src/server/policies/Caveats.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';

/** What was sold; everything has a default. */
export type SoldOptions = {
  readonly realm?: string;
  readonly mintedAt: number;
  readonly validUntil?: number;
  readonly pattern?: string;
  readonly terms?: 'per-request' | 'pass' | 'credit:1000000';
};

/** A token with the proof of its payment. */
export type Sold = { readonly token: string; readonly preimage: Preimage.Preimage; readonly paymentHash: Preimage.PaymentHash };

/** Sells a token of the service `api` for `GET` on the sandbox. */
export function sell(master: Uint8Array, options: SoldOptions): Sold {
  const { realm = 'main', mintedAt, validUntil = mintedAt + 86_400, pattern = '/api/v1/translate', terms = 'per-request' } = options;
  const keys = createRootKeys({ masters: [master], network: 'sandbox', realm });
  const preimage = Preimage.fromBytes(new Uint8Array(32).fill(7));
  const paymentHash = Preimage.hash(preimage);
  const identifier = Identifier.encode(Identifier.create(paymentHash, keys.mintingAt(mintedAt), mintedAt, new Uint8Array(Identifier.randomLength).fill(9)));
  const rootKey = keys.derive(keys.mintingAt(mintedAt), identifier) as Uint8Array;
  const caveats = Caveats.write({
    service: 'api',
    tier: 0,
    capabilities: [],
    method: 'GET',
    pattern,
    priced: '',
    validUntil,
    amountMsat: Amount.fromSat(50),
    terms,
  });
  return { token: Macaroon.format(Macaroon.mint(rootKey, identifier, caveats)), preimage, paymentHash };
}
