/**
 * From the headers of a request to the one principal behind it, by hashing alone: no store, no node. The credential is parsed once, and
 * everything after this uses what it returned. What is used more than once, and was verified, is remembered by the text of its credential.
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
import type { Part, Principal } from './Offer.ts';
import * as Caveats from './policies/Caveats.ts';
import type { PolicyContext } from './policies/Policy.ts';
import * as preimageCaveat from './policies/preimage.ts';
import type { RootKeys } from './RootKeys.ts';
import { createVerifiedTokens, type Demand, type VerifiedPrincipal, type VerifiedTokens, type VerifiedTokensLimits } from './VerifiedTokens.ts';

/** What a request presents. `failed`: the reason that is most use to whoever sent it. */
export type Verified = { readonly kind: 'none' } | VerifiedPrincipal | { readonly kind: 'failed'; readonly error: FareboxError };

/** Looks at every credential of a request; the first that verifies is the one. */
export type Verifier = {
  (request: RequestView, demand: Demand): Verified;
  /** How many credentials it remembers. */
  readonly remembered: VerifiedTokens<ProvenToken>['size'];
};

/** How a verifier reads and remembers. */
export type VerifierOptions = {
  /** Pass over conditions that are not understood (the specification's reading). */
  readonly skipUnknownCaveats?: boolean;
  readonly limits?: VerifiedTokensLimits;
};

/** A verifier under these keys, with a memory of its own for what it has verified. */
export function createVerifier(keys: RootKeys, { skipUnknownCaveats = false, limits = {} }: VerifierOptions = {}): Verifier {
  const known = createVerifiedTokens<ProvenToken>({
    ...limits,
    recheck: (token, demand) => {
      const principal = principalOf(token, demand, skipUnknownCaveats);
      return principal instanceof FareboxError ? undefined : { kind: 'verified', principal, branches: branchesOf(token), isTold: false };
    },
    markOf: ({ identifier }) => new DataView(identifier.buffer, identifier.byteOffset, identifier.byteLength).getUint32(randomAt),
  });
  let departures = keys.departures();
  const verify = (request: RequestView, demand: Demand): Verified => {
    const lines = joined(request.headerLines('authorization'), request.headerLines('l402-authorization'));
    const macaroons = joined(request.headerLines('macaroon'), request.headerLines('grpc-metadata-macaroon'));
    if (lines.length === 0 && macaroons.length === 0) return none;
    // A request with several lines is read anew each time: which of them counts is not to depend on what came before.
    if (keys.departures() !== departures) {
      departures = keys.departures();
      known.clear();
    }
    const only = lines.length === 1 && macaroons.length === 0 ? lines[0] : undefined;
    const found = only === undefined ? undefined : known.find(only, demand);
    if (found !== undefined) return found;
    const { credentials, malformed } = parse(lines, macaroons);
    let best = malformed;
    for (const credential of credentials) {
      for (const bytes of credential.tokens) {
        const token = prove(keys, bytes, credential.preimage);
        const principal = token instanceof FareboxError ? token : principalOf(token, demand, skipUnknownCaveats);
        if (principal instanceof FareboxError) {
          if (best === undefined || usefulness(principal) > usefulness(best)) best = principal;
          continue;
        }
        const verified: VerifiedPrincipal = { kind: 'verified', principal, branches: branchesOf(token as ProvenToken), isTold: false };
        if (only !== undefined && isWorthKeeping(principal) && isAlone(credentials, malformed)) {
          known.add(only, demand, verified, token as ProvenToken, 2 * bytes.length + partBytes * verified.branches.length);
        }
        return verified;
      }
    }
    return best === undefined ? none : { kind: 'failed', error: best };
  };
  return Object.assign(verify, { remembered: known.size });
}

/** What use is counted on: a digest of the identifier, so that re-encoding or narrowing a token makes no second use of it. */
export const useKeyOf = Identifier.useKeyOf;

const none: Verified = { kind: 'none' };

/** Of memory that the name of a part takes, about. */
const partBytes = 160;

/** Where the random part of an identifier begins. */
const randomAt = Identifier.length - Identifier.randomLength;

/** One list after the other, copied only where both hold something. */
function joined(one: readonly string[], other: readonly string[]): readonly string[] {
  if (other.length === 0) return one;
  return one.length === 0 ? other : [...one, ...other];
}

/** Every credential of a request, in order. */
function parse(lines: readonly string[], macaroons: readonly string[]): Credential.Parsed {
  const plain = Credential.parseAuthorization(lines);
  if (macaroons.length === 0) return plain;
  const parsed = [plain, ...macaroons.slice(0, Credential.maxCredentials).map(Credential.parseHexMacaroon)];
  return { credentials: parsed.flatMap(({ credentials }) => credentials), malformed: parsed.find(({ malformed }) => malformed)?.malformed };
}

/** What is used once would push out what is used again and again. */
function isWorthKeeping({ terms }: Principal): boolean {
  return terms === 'pass' || terms === 'bucket' || terms === 'credit';
}

/** Whether a line holds one token and nothing else: of several, the first that verifies counts, and that hangs on the demand. */
function isAlone(credentials: readonly Credential.Credential[], malformed: FareboxError | undefined): boolean {
  return malformed === undefined && credentials.length === 1 && credentials[0]?.tokens.length === 1;
}

/** A token that was made under a key of ours and paid for. What its caveats demand of a request is another matter. */
export type ProvenToken = Identifier.Identifier &
  Identifier.TokenId & {
    /** As bytes. */
    readonly identifier: Uint8Array;
    readonly caveats: readonly string[];
    /** The proof of its payment; '' where its wallet's word is taken instead. */
    readonly preimage: string;
    /** What each caveat that a holder added is named, by its index: what is counted under it is counted on that. */
    readonly partKeys: ReadonlyMap<number, string>;
  };

/** What holds of a token for every request, or why nothing does. */
export function prove(keys: RootKeys, bytes: Uint8Array, presented: Preimage.Preimage | undefined): ProvenToken | FareboxError {
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
  const { version, paymentHash, tokenId } = identifier;
  const { fingerprint, mintedAt } = Identifier.readTokenId(tokenId);
  const rootKey = keys.derive(fingerprint, macaroon.identifier);
  if (rootKey === undefined) return failure('CREDENTIAL_UNKNOWN_KEY', 'This token was not made here, or under a key that is gone. Buy a new one.');
  if (!Preimage.proves(preimage, paymentHash)) {
    return failure('CREDENTIAL_UNPAID', "The preimage is not the one that paying this token's invoice reveals.");
  }
  if (!Macaroon.verify(macaroon, rootKey)) return failure('CREDENTIAL_TAMPERED', 'The signature of this token does not hold.');
  const partKeys = partKeysOf(macaroon, rootKey);
  return { version, paymentHash, tokenId, fingerprint, mintedAt, identifier: macaroon.identifier, caveats: macaroon.caveats, preimage, partKeys };
}

const noLimits: readonly Part[] = [];
const noParts: ReadonlyMap<number, string> = new Map();
const noBranches: readonly string[] = [];

export function branchesOf({ partKeys }: ProvenToken): readonly string[] {
  return partKeys.size === 0 ? noBranches : [...partKeys.values()];
}

/** The name of what whoever holds this signature has: a digest of it, since the signature itself is what he needs to use it. */
export function partKeyOf(signature: Uint8Array): string {
  return toHex(sha256(fromUtf8('farebox/part/1/'), signature));
}

/** What holders added, caveat by caveat. A proof of payment that a client wrote into its token hands on nothing. */
export function partKeysOf(macaroon: Macaroon.Macaroon, rootKey: Uint8Array): ReadonlyMap<number, string> {
  const { caveats } = macaroon;
  const minted = caveats.findIndex((text) => /^[^=]*_terms=/.test(text));
  if (minted < 0 || minted === caveats.length - 1) return noParts;
  const at = caveats.flatMap((text, index) => (index > minted && !preimageCaveat.isProof(text) ? [index] : []));
  if (at.length === 0) return noParts;
  const signatures = Macaroon.signaturesAt(macaroon, rootKey, at);
  return new Map(signatures.map((signature, place) => [at[place] as number, partKeyOf(signature)]));
}

/** The principal of a token for one demand, or which of its caveats does not hold. */
export function principalOf(token: ProvenToken, demand: Demand, skipUnknown: boolean): Principal | FareboxError {
  const context: PolicyContext = {
    service: demand.service,
    tier: demand.tier,
    method: demand.method,
    path: demand.path,
    pattern: demand.pattern,
    priced: demand.priced,
    nowAt: demand.nowAt,
    capabilities: demand.capabilities,
    preimage: token.preimage,
  };
  const caveats = Caveats.check(token.caveats, context, skipUnknown);
  if (caveats.kind === 'fails') return errorOf(caveats);
  return {
    paymentHash: token.paymentHash,
    tokenId: token.tokenId,
    fingerprint: token.fingerprint,
    mintedAt: token.mintedAt,
    validUntil: caveats.validUntil,
    mintedUntil: caveats.mintedUntil,
    service: demand.service,
    tier: caveats.tier,
    capabilities: caveats.capabilities,
    amountMsat: caveats.amountMsat,
    terms: caveats.terms.kind,
    units: caveats.terms.units,
    isBound: caveats.isBound,
    parts: caveats.limits.length === 0 ? noLimits : caveats.limits.map(({ unit, most, index }): Part => ({ key: token.partKeys.get(index) ?? '', unit, most })),
    carved: caveats.carved && { key: token.partKeys.get(caveats.carved.index) ?? '', units: caveats.carved.units },
    useKey: caveats.terms.kind === 'pass' && caveats.limits.length === 0 ? undefined : useKeyOf(token.identifier),
    topUp: caveats.topUp,
  };
}

function preimageWithin(macaroon: Macaroon.Macaroon): Preimage.Preimage {
  const prefix = `${preimageCaveat.condition}=`;
  const caveat = macaroon.caveats.find((text) => text.startsWith(prefix));
  if (caveat === undefined) throw failure('CREDENTIAL_MALFORMED', 'A macaroon in this header carries its proof of payment as a caveat preimage=<hex>.');
  return Preimage.parse(caveat.slice(prefix.length));
}

/** A caveat that does not hold, as the error that says who can mend it. */
export function errorOf({ failure: why, by, condition: text }: Caveats.CaveatFailure): FareboxError {
  // What stands where a condition should may be a preimage.
  const condition = text.replace(/[0-9a-f]{9,}/gi, (digits) => `${digits.slice(0, 8)}…`);
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
