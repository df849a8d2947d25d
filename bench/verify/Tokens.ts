/**
 * Tokens as the gateway mints them, paid for: many, so that nothing is measured that remembers the last one.
 */
import { createHash, randomBytes } from 'node:crypto';
import * as Credential from '../../src/core/Credential.ts';
import * as Identifier from '../../src/core/Identifier.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import * as Preimage from '../../src/core/Preimage.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';

/** One token with what belongs to it. */
export type PaidToken = {
  /** Padded base64. */
  readonly text: string;
  /** The value of `Authorization`. */
  readonly header: string;
  readonly rootKey: Uint8Array;
  readonly identifier: Uint8Array;
  readonly caveats: readonly string[];
};

/** The keys that all of them were made under. */
export const keys = createRootKeys({ masters: [randomBytes(32)], network: 'sandbox', realm: 'main' });

/** When they were made, Unix seconds. */
export const mintedAt = 1_800_000_000;

/** The caveats that a route without capabilities and priced inputs mints. */
export const sixCaveats: readonly string[] = [
  'services=api:0',
  'api_method=GET',
  'api_path=/v1/translate',
  `api_valid_until=${mintedAt + 90_000}`,
  'api_price=50 sat',
  'api_terms=per-request',
];

/** The three that the table in decision 0004 has always been about. */
export const threeCaveats: readonly string[] = ['services=api:0', 'api_path=/v1/translate', `api_valid_until=${mintedAt + 90_000}`];

/** So many tokens with these caveats. */
export function mintTokens(count: number, caveats: readonly string[]): readonly PaidToken[] {
  return Array.from({ length: count }, () => {
    const proof = randomBytes(32);
    const paymentHash = Preimage.parseHash(createHash('sha256').update(proof).digest('hex'));
    const random = new Uint8Array(randomBytes(Identifier.randomLength));
    const identifier = Identifier.encode(Identifier.create(paymentHash, keys.mintingAt(mintedAt), mintedAt, random));
    const rootKey = keys.derive(keys.mintingAt(mintedAt), identifier);
    if (rootKey === undefined) throw new Error('the ring has no key under its own fingerprint');
    const text = Macaroon.format(Macaroon.mint(rootKey, identifier, caveats));
    const header = Credential.format({ scheme: 'L402', token: text, preimage: Preimage.fromBytes(proof) });
    return { text, header, rootKey, identifier, caveats };
  });
}
