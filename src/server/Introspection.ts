/**
 * What can be said of a credential to a service that has been handed one: whether it is good, what for, until when, what is left of it.
 * Nothing is used up by asking, no invoice is made, and no wallet is asked.
 *
 * Of a token that was not made under our keys, or whose signature does not hold, nothing is said but that it is not good: one answer for all
 * of them. Only whoever holds a token of ours is told why it is refused.
 *
 * @see RFC 7662, section 2.2
 */
import type { Msat } from '../core/Amount.ts';
import { type Clock, nowAt } from '../core/Clock.ts';
import * as Credential from '../core/Credential.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Identifier from '../core/Identifier.ts';
import { fromHex } from '../core/internal/bytes.ts';
import * as Macaroon from '../core/Macaroon.ts';
import * as Preimage from '../core/Preimage.ts';
import type { Store } from '../store/Store.ts';
import { describe } from './CaveatWords.ts';
import type { Denials } from './Denials.ts';
import type { Offer, Principal } from './Offer.ts';
import { findRequest } from './policies/Judgement.ts';
import type { RootKeys } from './RootKeys.ts';
import { isCounted, look, refusedByParts } from './terms/Counted.ts';
import type { Demand } from './VerifiedTokens.ts';
import { errorOf, type ProvenToken, partKeysOf, principalOf, prove } from './Verifier.ts';

/** What is said of a credential. */
export type Introspected =
  /** Not ours, or nothing that can be read. */
  | { readonly kind: 'unknown' }
  | (TokenFacts & {
      readonly kind: 'known';
      /** Why it would be refused; undefined where it is good. */
      readonly why: FareboxError | undefined;
      /** Who stands behind it, where its caveats hold. */
      readonly principal: Principal | undefined;
      /** What is left of what is counted, as `L402-Remaining` says it. */
      readonly left: string | undefined;
      /** Whether requests under way hold what another one would need. */
      readonly isInUse: boolean;
    });

/** What a token says of itself, and what the list of what was revoked says of it. */
export type TokenFacts = {
  readonly paymentHash: string;
  readonly tokenId: string;
  readonly fingerprint: string;
  /** Unix seconds. */
  readonly mintedAt: number;
  /** Whether the proof of its payment came with it. */
  readonly isPaid: boolean;
  readonly isRevoked: boolean;
  /** What each of its caveats allows, in words. */
  readonly allows: readonly string[];
};

/** The request that a credential is asked about. */
export type AskedRequest = { readonly demand: Omit<Demand, 'nowAt'>; readonly offer: Offer; readonly priceMsat: Msat };

/** `request` left out: any that it may be good for. */
export type Introspect = (text: string, request?: AskedRequest) => Promise<Introspected>;

/** What introspection needs of the paywall. */
export type IntrospectionOptions = {
  readonly keys: RootKeys;
  readonly denials: Denials;
  /** Where uses are counted. */
  readonly store: Store | undefined;
  readonly clock: Clock;
  /** Pass over conditions that are not understood. */
  readonly skipUnknownCaveats: boolean;
  /** What a call takes off what a credential bought; undefined where it is not served with it. */
  readonly takesOf: (principal: Principal, offer: Offer, priceMsat: Msat) => bigint | undefined;
};

/**
 * Looks at one credential: `L402 <token>:<preimage>`, with or without the scheme, or a token alone.
 * @throws STORE_UNAVAILABLE – what was revoked, or what was used, could not be found out
 */
export function createIntrospect(options: IntrospectionOptions): Introspect {
  const { keys, denials, clock } = options;
  return async (text, request) => {
    const presented = read(text);
    const ours = presented && authenticate(keys, presented);
    if (presented === undefined || ours === undefined) return { kind: 'unknown' };
    const { identifier, macaroon, branches } = ours;
    const { paymentHash, tokenId } = identifier;
    const now = nowAt(clock);
    const preimage = presented.preimage ?? preimageWithin(macaroon);
    const isPaid = preimage !== undefined && Preimage.proves(preimage, paymentHash);
    const named = { paymentHash, tokenId, ...Identifier.readTokenId(tokenId) };
    const standing = denials.judge(named, branches, request?.offer.outage);
    if (standing === 'unknown') throw new FareboxError('STORE_UNAVAILABLE', 'It could not be found out what was revoked. Ask again in a moment.');
    const isRevoked = standing === 'denied';
    const allows = describe(macaroon.caveats, { nowAt: now, paymentHash }).map(({ means }) => means);
    const known = { kind: 'known', ...named, isPaid, isRevoked, allows, principal: undefined, left: undefined, isInUse: false } as const;

    if (!isPaid) return { ...known, why: new FareboxError('CREDENTIAL_UNPAID', 'The proof of its payment did not come with it.') };
    const proven = prove(keys, presented.token, preimage);
    const principal = proven instanceof FareboxError ? proven : holds(proven, request?.demand, now, options.skipUnknownCaveats);
    if (principal instanceof FareboxError) return { ...known, why: principal };
    if (isRevoked) return { ...known, principal, why: new FareboxError('CREDENTIAL_REVOKED', 'This token was revoked.') };
    return { ...known, principal, ...(await use(options, principal, request)) };
  };
}

/** What is left, and whether that is enough. */
async function use({ store, takesOf }: IntrospectionOptions, principal: Principal, request: AskedRequest | undefined): Promise<Use> {
  const takes = request && takesOf(principal, request.offer, request.priceMsat);
  if (request === undefined ? !isSoldHere(principal) : takes === undefined) {
    const says = principal.topUp === undefined ? `was sold as "${principal.terms}", which is not served here` : 'adds to a balance, and opens nothing';
    const why = new FareboxError('CREDENTIAL_WRONG_SERVICE', `This token ${says}.`);
    return { why, left: undefined, isInUse: false };
  }
  if (isCounted(principal)) {
    if (store === undefined) return { why: undefined, left: undefined, isInUse: false };
    const { text, error, isInUse } = await look(store, principal, request && takes !== undefined ? { priceMsat: request.priceMsat, takes } : undefined);
    return { why: error ?? (principal.terms === 'pass' ? refusedByParts(principal) : undefined), left: text, isInUse };
  }
  const why = refusedByParts(principal);
  if (principal.terms === 'pass' || principal.useKey === undefined) return { why, left: undefined, isInUse: false };
  const state = await store?.claimState(principal.useKey);
  const left = state && (state === 'used' ? '0' : '1');
  if (state !== 'used') return { why, left, isInUse: state === 'held' };
  return { why: new FareboxError('CREDENTIAL_USED', 'This token paid for one request, and was used for it.'), left, isInUse: false };
}

/** Whether these are terms that some route could serve. */
function isSoldHere({ terms, units }: Principal): boolean {
  return terms === 'pass' || terms === 'per-request' || ((terms === 'bucket' || terms === 'credit') && units !== undefined);
}

type Use = Pick<Introspected & { readonly kind: 'known' }, 'why' | 'left' | 'isInUse'>;

/** A credential as it was handed over. The preimage is a secret. */
type Presented = { readonly token: Uint8Array; readonly preimage: Preimage.Preimage | undefined };

/** Undefined: nothing that can be read as one credential with one token. */
function read(text: string): Presented | undefined {
  const trimmed = text.trim();
  const named = /^(L402|LSAT)[ \t]/i.test(trimmed) ? trimmed : `L402 ${trimmed}`;
  if (!named.includes(':')) return readAlone(named.slice('L402 '.length).trim());
  const { credentials, malformed } = Credential.parseAuthorization([named]);
  const [credential] = credentials;
  const [token] = credential?.tokens ?? [];
  if (malformed || token === undefined || credentials.length > 1 || credential?.tokens.length !== 1) return undefined;
  return { token, preimage: credential.preimage };
}

/** A token in base64, or in hex, of which every one begins with the version that base64 of one never does. */
function readAlone(text: string): Presented | undefined {
  if (text.length > 2 * Macaroon.maxLength) return undefined;
  try {
    const hex = text.startsWith('02') ? fromHex(text) : undefined;
    return { token: hex ?? Macaroon.encode(Macaroon.parse(text)), preimage: undefined };
  } catch (error) {
    if (FareboxError.is(error)) return undefined;
    throw error;
  }
}

type Authentic = { readonly macaroon: Macaroon.Macaroon; readonly identifier: Identifier.Identifier; readonly branches: readonly string[] };

/** The token, where its signature holds under one of our keys. */
function authenticate(keys: RootKeys, { token }: Presented): Authentic | undefined {
  try {
    const macaroon = Macaroon.decode(token);
    const identifier = Identifier.decode(macaroon.identifier);
    const rootKey = keys.derive(Identifier.readTokenId(identifier.tokenId).fingerprint, macaroon.identifier);
    if (rootKey === undefined || !Macaroon.verify(macaroon, rootKey)) return undefined;
    return { macaroon, identifier, branches: [...partKeysOf(macaroon, rootKey).values()] };
  } catch (error) {
    if (FareboxError.is(error)) return undefined;
    throw error;
  }
}

/** The proof of payment that some clients write into the token. */
function preimageWithin({ caveats }: Macaroon.Macaroon): Preimage.Preimage | undefined {
  const found = caveats.map((caveat) => /^preimage=([0-9a-f]{64})$/i.exec(caveat)?.[1]).find((hex) => hex !== undefined);
  return found === undefined ? undefined : Preimage.parse(found);
}

/** Who stands behind the token for this request, or for some request; or why there is none that it is good for. */
function holds(token: ProvenToken, demand: Omit<Demand, 'nowAt'> | undefined, now: number, skipUnknown: boolean): Principal | FareboxError {
  if (demand !== undefined) return principalOf(token, { ...demand, nowAt: now }, skipUnknown);
  const found = findRequest(token.caveats, { nowAt: now, preimage: token.preimage }, skipUnknown);
  if (found.kind === 'fails') return errorOf(found);
  return principalOf({ ...token, caveats: found.caveats }, found.request, skipUnknown);
}
