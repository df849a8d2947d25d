/**
 * From the headers of a request to the one principal behind it, by hashing alone: no store, no node. The credential is parsed once, and
 * everything after this uses what it returned.
 *
 * @see docs/wire.md, "The credential"
 */

import * as Credential from '../core/Credential.ts';
import { type Code, FareboxError } from '../core/Errors.ts';
import * as Identifier from '../core/Identifier.ts';
import { fromUtf8, toHex } from '../core/internal/bytes.ts';
import { sha256 } from '../core/internal/sha256.ts';
import * as Macaroon from '../core/Macaroon.ts';
import * as Preimage from '../core/Preimage.ts';
import type { RequestView } from '../http/RequestView.ts';
import type { Principal } from './Offer.ts';
import * as Caveats from './policies/Caveats.ts';
import type { PolicyContext } from './policies/Policy.ts';
import * as preimageCaveat from './policies/preimage.ts';
import type { RootKeys } from './RootKeys.ts';

/** What a request presents. `failed`: the reason that is most use to whoever sent it. */
export type Verified =
  | { readonly kind: 'none' }
  | { readonly kind: 'verified'; readonly principal: Principal }
  | { readonly kind: 'failed'; readonly error: FareboxError };

/** What a token is held against, beyond what the credential itself says. */
export type Demand = Omit<PolicyContext, 'preimage'>;

/** Looks at every credential of a request; the first that verifies is the one. */
export type Verifier = (request: RequestView, demand: Demand) => Verified;

/** Headers that may carry `L402 <token>:<preimage>`. */
const credentialHeaders = ['authorization', 'l402-authorization'] as const;

/** Headers that may carry a hex macaroon with a `preimage` caveat. */
const macaroonHeaders = ['macaroon', 'grpc-metadata-macaroon'] as const;

/**
 * A verifier under these keys.
 * @param options.skipUnknownCaveats - pass over conditions that are not understood (the specification's reading)
 */
export function createVerifier(keys: RootKeys, options: { readonly skipUnknownCaveats?: boolean } = {}): Verifier {
  const skipUnknown = options.skipUnknownCaveats ?? false;
  return (request, demand) => {
    const { credentials, malformed } = read(request);
    let best = malformed;
    for (const credential of credentials) {
      for (const token of credential.tokens) {
        const outcome = verifyToken(keys, token, credential.preimage, demand, skipUnknown);
        if (!(outcome instanceof FareboxError)) return { kind: 'verified', principal: outcome };
        if (best === undefined || usefulness(outcome) > usefulness(best)) best = outcome;
      }
    }
    return best === undefined ? { kind: 'none' } : { kind: 'failed', error: best };
  };
}

/** What use is counted on: a digest of the identifier, so that re-encoding or narrowing a token makes no second use of it. */
export function useKeyOf(identifier: Uint8Array): string {
  return toHex(sha256(fromUtf8('farebox/use/1/'), identifier));
}

/** Every credential of a request, in order. */
function read(request: RequestView): Credential.Parsed {
  const lines = credentialHeaders.flatMap((name) => request.headerLines(name));
  const macaroons = macaroonHeaders.flatMap((name) => request.headerLines(name));
  const plain = Credential.parseAuthorization(lines);
  if (macaroons.length === 0) return plain;
  const parsed = [plain, ...macaroons.slice(0, Credential.maxCredentials).map(Credential.parseHexMacaroon)];
  return { credentials: parsed.flatMap(({ credentials }) => credentials), malformed: parsed.find(({ malformed }) => malformed)?.malformed };
}

/** The principal of one token, or why it is none. */
function verifyToken(
  keys: RootKeys,
  bytes: Uint8Array,
  presented: Preimage.Preimage | undefined,
  demand: Demand,
  skipUnknown: boolean,
): Principal | FareboxError {
  let macaroon: Macaroon.Macaroon;
  let identifier: Identifier.Identifier;
  let preimage: Preimage.Preimage;
  try {
    macaroon = Macaroon.decode(bytes);
    identifier = Identifier.decode(macaroon.identifier);
    preimage = presented ?? preimageWithin(macaroon);
  } catch (error) {
    if (FareboxError.is(error)) return error;
    throw error;
  }
  const { fingerprint, mintedAt } = Identifier.readTokenId(identifier.tokenId);
  const rootKey = keys.derive(fingerprint, macaroon.identifier);
  if (rootKey === undefined) return failure('CREDENTIAL_UNKNOWN_KEY', 'This token was not made here, or under a key that is gone. Buy a new one.');
  if (!Preimage.proves(preimage, identifier.paymentHash)) {
    return failure('CREDENTIAL_UNPAID', "The preimage is not the one that paying this token's invoice reveals.");
  }
  if (!Macaroon.verify(macaroon, rootKey)) return failure('CREDENTIAL_TAMPERED', 'The signature of this token does not hold.');
  const caveats = Caveats.check(macaroon.caveats, { ...demand, preimage }, skipUnknown);
  if (caveats.kind === 'fails') return failed(caveats);
  return {
    paymentHash: identifier.paymentHash,
    tokenId: identifier.tokenId,
    fingerprint,
    mintedAt,
    validUntil: caveats.validUntil,
    mintedUntil: caveats.mintedUntil,
    service: demand.service,
    tier: caveats.tier,
    capabilities: caveats.capabilities,
    amountMsat: caveats.amountMsat,
    terms: caveats.terms,
    useKey: useKeyOf(macaroon.identifier),
  };
}

function preimageWithin(macaroon: Macaroon.Macaroon): Preimage.Preimage {
  const prefix = `${preimageCaveat.condition}=`;
  const caveat = macaroon.caveats.find((text) => text.startsWith(prefix));
  if (caveat === undefined) throw failure('CREDENTIAL_MALFORMED', 'A macaroon in this header carries its proof of payment as a caveat preimage=<hex>.');
  return Preimage.parse(caveat.slice(prefix.length));
}

/** A caveat that does not hold, as the error that says who can mend it. */
function failed({ failure: why, by, condition: text }: Caveats.CaveatFailure): FareboxError {
  // What stands where a condition should may be a preimage.
  const condition = /^[0-9a-f]{9,}$/i.test(text) ? `${text.slice(0, 8)}…` : text;
  const details = { condition };
  if (by === 'holder') {
    return new FareboxError('CREDENTIAL_NARROWED', `A holder narrowed this token: its caveat ${condition} ${reasons[why]}.`, { details });
  }
  if (why === 'expired') return new FareboxError('CREDENTIAL_EXPIRED', 'This token has expired. Buy a new one.', { details });
  return new FareboxError('CREDENTIAL_WRONG_SERVICE', 'This token was bought for something else than this request. Buy one for it.', { details });
}

const reasons: { readonly [why in Caveats.CaveatFailure['failure']]: string } = {
  elsewhere: 'does not allow this request',
  expired: 'has expired',
  unknown: 'is not known here, so it cannot be kept',
  unreadable: 'cannot be read, so it cannot be kept',
  widened: 'allows more than an earlier one',
};

/** Of several failures the one is reported that has a remedy: 402 (pay) before 403 (ask the holder) before 401 (none). */
function usefulness(error: FareboxError): number {
  return { 402: 3, 403: 2 }[error.status] ?? 1;
}

function failure(code: Code, message: string): FareboxError {
  return new FareboxError(code, message);
}
