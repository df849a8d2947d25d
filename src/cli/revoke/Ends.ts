/**
 * Until when a revocation has to stand: never less long than what it hits could be good.
 *
 * Only a token that is there whole says its end, and only its signature makes that true: whoever shortened a copy of it would see the other
 * copies come back. Of a token id, a payment, a key or a time nobody knows what was sold under it, on which terms and with which invoice:
 * those stand for good.
 */
import * as Identifier from '../../core/Identifier.ts';
import * as Macaroon from '../../core/Macaroon.ts';
import type { Network } from '../../lightning/Lightning.ts';
import { servicesOf } from '../../server/CaveatWords.ts';

export { never } from '../../server/Denials.ts';

import * as validUntil from '../../server/policies/validUntil.ts';
import { createRootKeys, type Master } from '../../server/RootKeys.ts';

/** The keys of the gateways, and what else their tokens are made with. */
export type Sellers = { readonly masters: readonly Master[]; readonly networks: readonly Network[]; readonly realm: string };

/** Unix seconds until which a token can be good in any form that a holder can give it; undefined where it was not made by these sellers. */
export function endOf(macaroon: Macaroon.Macaroon, { masters, networks, realm }: Sellers): number | undefined {
  const { fingerprint } = Identifier.readTokenId(Identifier.decode(macaroon.identifier).tokenId);
  const isOurs = networks.some((network) => {
    const rootKey = createRootKeys({ masters, network, realm }).derive(fingerprint, macaroon.identifier);
    return rootKey !== undefined && Macaroon.verify(macaroon, rootKey);
  });
  if (!isOurs) return undefined;
  const conditions = servicesOf(macaroon.caveats).map((name) => `${name}_valid_until=`);
  // The first one was minted; what stands behind it a holder may have added.
  const minted = macaroon.caveats.find((caveat) => conditions.some((condition) => caveat.startsWith(condition)));
  return minted === undefined ? undefined : validUntil.read(minted.slice(minted.indexOf('=') + 1));
}
