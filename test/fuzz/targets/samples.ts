/** Keys, tokens and invoices that several targets begin with. All of them are public, and worth nothing. */
import * as Amount from '../../../src/core/Amount.ts';
import * as Bolt11 from '../../../src/core/Bolt11.ts';
import * as Identifier from '../../../src/core/Identifier.ts';
import * as Macaroon from '../../../src/core/Macaroon.ts';
import * as Preimage from '../../../src/core/Preimage.ts';
import * as Caveats from '../../../src/server/policies/Caveats.ts';
import { createRootKeys } from '../../../src/server/RootKeys.ts';

/** When everything here happens, in Unix seconds. */
export const nowAt = 1_800_000_000;

export const preimage = Preimage.fromBytes(new Uint8Array(32).fill(7));
export const paymentHash = Preimage.hash(preimage);
export const nodeKey = new Uint8Array(32).fill(5);
export const rootKeys = createRootKeys({ masters: [new Uint8Array(32).fill(1)], network: 'sandbox', realm: 'main' });

/** What every good token here says. */
export const mintedCaveats = Caveats.write({
  service: 'api',
  tier: 0,
  capabilities: ['read', 'write'],
  method: 'GET',
  pattern: '/data/*',
  priced: '',
  validUntil: nowAt + 3600,
  amountMsat: Amount.fromSat(50),
  terms: 'pass',
});

const identifier = Identifier.encode(Identifier.create(paymentHash, rootKeys.mintingAt(nowAt), nowAt - 60, new Uint8Array(Identifier.randomLength).fill(9)));

/** The token for that payment, with these caveats, under a key of the ring. @throws RangeError – it would be too long */
export function mint(caveats: readonly string[]): Macaroon.Macaroon {
  return Macaroon.mint(rootKeys.derive(rootKeys.mintingAt(nowAt), identifier) as Uint8Array, identifier, caveats);
}

export const goodToken = Macaroon.format(mint(mintedCaveats));

const draft = { chain: 'regtest', paymentHash, paymentSecret: '22'.repeat(32), createdAt: nowAt - 60, description: '50 sat of translation' } as const;

/** Invoices for that payment. */
export const invoices = {
  good: Bolt11.encode({ ...draft, amountMsat: Amount.fromSat(50) }, nodeKey),
  withoutAmount: Bolt11.encode(draft, nodeKey),
  endless: Bolt11.encode({ ...draft, amountMsat: Amount.fromSat(50), expirySeconds: 8_640_000_000_000 - draft.createdAt }, nodeKey),
};
