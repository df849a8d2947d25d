/**
 * A token's identifier: which payment it is bound to, and which token it is. 66 bytes, frozen with the first sale.
 *
 *     version u16 big-endian = 0 · payment hash[32] · token id[32]
 *     token id of ours: master key fingerprint[4] · minted at, u32 big-endian Unix seconds · random[24]
 *
 * @see L402 macaroon-spec, Macaroon Identifier; docs/wire.md, "The token"
 */
import { FareboxError } from './Errors.ts';
import { fromUtf8, toHex, writeHex } from './internal/bytes.ts';
import { sha256 } from './internal/sha256.ts';
import type { PaymentHash } from './Preimage.ts';

/** What an identifier says. */
export type Identifier = {
  /** Always 0. */
  readonly version: 0;
  readonly paymentHash: PaymentHash;
  /** 64 lower-case hex digits. */
  readonly tokenId: string;
};

/** What a token id of ours says; of somebody else's tokens it means nothing. */
export type TokenId = {
  /** Which master key: 8 hex digits. */
  readonly fingerprint: string;
  /** Unix seconds. */
  readonly mintedAt: number;
};

/** Length in bytes. */
export const length = 66;

/** Length of the random part of a token id in bytes. */
export const randomLength = 24;

/**
 * Makes the identifier of a new token.
 * @param fingerprint - of the master key, 8 hex digits
 * @param mintedAt - Unix seconds, up to the year 2106
 * @param random - 24 random bytes
 * @throws RangeError – a part of another length, or a time out of range
 */
export function create(paymentHash: PaymentHash, fingerprint: string, mintedAt: number, random: Uint8Array): Identifier {
  if (!/^[0-9a-f]{8}$/.test(fingerprint)) throw new RangeError('fingerprint is 8 lower-case hex digits');
  if (!Number.isInteger(mintedAt) || mintedAt < 0 || mintedAt > 0xffffffff) throw new RangeError('mintedAt is Unix seconds, up to 2106');
  if (random.length !== randomLength) throw new RangeError(`random is ${randomLength} bytes`);
  return { version: 0, paymentHash, tokenId: fingerprint + mintedAt.toString(16).padStart(8, '0') + toHex(random) };
}

/** The 66 bytes. @throws TypeError – a payment hash or token id that is not 64 hex digits */
export function encode(identifier: Identifier): Uint8Array {
  const bytes = new Uint8Array(length);
  const { paymentHash, tokenId } = identifier;
  if (paymentHash.length !== 64 || tokenId.length !== 64 || writeHex(paymentHash + tokenId, bytes.subarray(2)) < 0) {
    throw new TypeError('payment hash and token id are 64 hex digits each');
  }
  return bytes;
}

/**
 * Reads 66 bytes.
 * @throws IDENTIFIER_MALFORMED – another length, or a version that is not 0
 */
export function decode(bytes: Uint8Array): Identifier {
  if (bytes.length !== length) throw new FareboxError('IDENTIFIER_MALFORMED', `An L402 identifier is ${length} bytes, not ${bytes.length}.`);
  const version = ((bytes[0] as number) << 8) | (bytes[1] as number);
  if (version !== 0) throw new FareboxError('IDENTIFIER_MALFORMED', `Identifier version ${version} is not known; this is version 0.`);
  const both = toHex(bytes.subarray(2));
  return { version: 0, paymentHash: both.slice(0, 64) as PaymentHash, tokenId: both.slice(64) };
}

/** What use is counted on, and what a balance is called: a digest of the 66 bytes, so that re-encoding or narrowing a token makes no second use of it. */
export function useKeyOf(identifier: Uint8Array): string {
  return toHex(sha256(fromUtf8('farebox/use/1/'), identifier));
}

/** Takes a token id of ours apart. */
export function readTokenId(tokenId: string): TokenId {
  return { fingerprint: tokenId.slice(0, 8), mintedAt: Number.parseInt(tokenId.slice(8, 16), 16) };
}
