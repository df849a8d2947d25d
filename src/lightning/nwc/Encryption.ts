/**
 * What a wallet and its client say to each other, encrypted: NIP-44 version 2, and NIP-04 for wallets that know nothing newer.
 *
 *     NIP-44   base64( 2 · nonce[32] · ChaCha20(length · text · zeros) · HMAC-SHA256[32] )
 *     NIP-04   base64( AES-256-CBC(text) ) ?iv= base64( iv[16] )
 *
 * NIP-04 has no check of its own: a text that is not what was written shows only by the signature of the event around it, which is verified
 * before anything is decrypted.
 *
 * @see NIP-44, version 2; NIP-04
 */
import { cbc } from '@noble/ciphers/aes.js';
import { chacha20 } from '@noble/ciphers/chacha.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import type { Random } from '../../core/Clock.ts';
import { concat, equal, fromBase64, fromUtf8, toBase64, toUtf8 } from '../../core/internal/bytes.ts';
import { hmac, hmacKey } from '../../core/internal/sha256.ts';

/** A way to encrypt, as the `encryption` tag names it. */
export type Scheme = 'nip44_v2' | 'nip04';

/** Encrypts for one other key, and decrypts what that one encrypted. */
export type Cipher = {
  /** @throws RangeError – nothing, or more than a message may hold */
  readonly encrypt: (text: string) => string;
  /** Undefined where it is not what the other key encrypted. */
  readonly decrypt: (payload: string) => string | undefined;
};

/** The longest text of a message, in bytes of UTF-8. */
export const maxTextBytes = 256 * 1024;

/**
 * The ciphers between two keys.
 * @param secret - 32 bytes, ours
 * @param publicKey - 32 bytes, theirs
 * @throws Error – no key, or no point of the curve
 */
export function ciphersBetween(secret: Uint8Array, publicKey: Uint8Array, random: Random): Readonly<Record<Scheme, Cipher>> {
  const shared = sharedX(secret, publicKey);
  const key = conversationKey(shared);
  return {
    nip44_v2: { encrypt: (text) => encrypt44(key, random(32), text), decrypt: (payload) => decrypt44(key, payload) },
    nip04: { encrypt: (text) => encrypt04(shared, random(16), text), decrypt: (payload) => decrypt04(shared, payload) },
  };
}

/** The x coordinate of the point that both keys come to. @throws Error – no key, or no point of the curve */
export function sharedX(secret: Uint8Array, publicKey: Uint8Array): Uint8Array {
  return secp256k1.getSharedSecret(secret, concat(Uint8Array.of(2), publicKey)).slice(1, 33);
}

/** The key of everything that two keys say to each other. */
export function conversationKey(shared: Uint8Array): Uint8Array {
  return hmac(hmacKey(fromUtf8('nip44-v2')), shared);
}

/** A payload under a conversation key; equal nonces give equal payloads. @throws RangeError – nothing, or more than a message may hold */
export function encrypt44(key: Uint8Array, nonce: Uint8Array, text: string): string {
  const bytes = fromUtf8(text);
  if (bytes.length === 0 || bytes.length > maxTextBytes) throw new RangeError(`text: a message holds 1 to ${maxTextBytes} bytes, not ${bytes.length}`);
  const prefix = prefixOf(bytes.length);
  const padded = new Uint8Array(prefix.length + paddedLength(bytes.length));
  padded.set(prefix);
  padded.set(bytes, prefix.length);
  const keys = messageKeys(key, nonce);
  const encrypted = chacha20(keys.chachaKey, keys.chachaNonce, padded);
  return toBase64(concat(Uint8Array.of(version), nonce, encrypted, hmac(hmacKey(keys.macKey), nonce, encrypted)));
}

/** What a payload says, or undefined where anything about it is not as that key would have it. */
export function decrypt44(key: Uint8Array, payload: string): string | undefined {
  if (payload.length < minPayload || payload.length > maxPayload) return undefined;
  const bytes = fromBase64(payload);
  if (bytes === undefined || bytes[0] !== version || bytes.length < 1 + 32 + 2 + 32 + 32) return undefined;
  const nonce = bytes.subarray(1, 33);
  const encrypted = bytes.subarray(33, -32);
  const keys = messageKeys(key, nonce);
  if (!equal(hmac(hmacKey(keys.macKey), nonce, encrypted), bytes.subarray(-32))) return undefined;
  return unpadded(chacha20(keys.chachaKey, keys.chachaNonce, encrypted));
}

/** How long a text of that many bytes is made, so that its length tells little. */
export function paddedLength(length: number): number {
  if (length <= 32) return 32;
  const nextPower = 2 ** (32 - Math.clz32(length - 1));
  const chunk = nextPower <= 256 ? 32 : nextPower / 8;
  return chunk * (Math.floor((length - 1) / chunk) + 1);
}

const version = 2;
const minPayload = 132;
const maxPayload = 2 * maxTextBytes;

/** Lengths that two bytes have no room for stand in four behind two zeros. */
function prefixOf(length: number): Uint8Array {
  if (length < 0x10000) return Uint8Array.of(length >> 8, length);
  return Uint8Array.of(0, 0, length >>> 24, length >> 16, length >> 8, length);
}

function unpadded(padded: Uint8Array): string | undefined {
  const view = new DataView(padded.buffer, padded.byteOffset, padded.length);
  const short = view.getUint16(0);
  const start = short === 0 ? 6 : 2;
  if (padded.length < start) return undefined;
  const length = short === 0 ? view.getUint32(2) : short;
  if (length === 0 || length > maxTextBytes || (short === 0 && length < 0x10000)) return undefined;
  if (padded.length !== start + paddedLength(length)) return undefined;
  return toUtf8(padded.subarray(start, start + length));
}

/** HKDF-expand to 76 bytes, the nonce being its info (RFC 5869, section 2.3). */
function messageKeys(key: Uint8Array, nonce: Uint8Array) {
  const prepared = hmacKey(key);
  const first = hmac(prepared, nonce, Uint8Array.of(1));
  const second = hmac(prepared, first, nonce, Uint8Array.of(2));
  const third = hmac(prepared, second, nonce, Uint8Array.of(3));
  const all = concat(first, second, third);
  return { chachaKey: all.slice(0, 32), chachaNonce: all.slice(32, 44), macKey: all.slice(44, 76) };
}

function encrypt04(shared: Uint8Array, iv: Uint8Array, text: string): string {
  const bytes = fromUtf8(text);
  if (bytes.length > maxTextBytes) throw new RangeError(`text: a message holds at most ${maxTextBytes} bytes, not ${bytes.length}`);
  return `${toBase64(cbc(shared, iv).encrypt(bytes))}?iv=${toBase64(iv)}`;
}

function decrypt04(shared: Uint8Array, payload: string): string | undefined {
  if (payload.length > maxPayload) return undefined;
  const parts = payload.split('?iv=');
  const [encrypted, iv] = parts.map(fromBase64);
  if (parts.length !== 2 || encrypted === undefined || iv?.length !== 16) return undefined;
  try {
    return toUtf8(cbc(shared, iv).decrypt(encrypted));
  } catch {
    return undefined;
  }
}
