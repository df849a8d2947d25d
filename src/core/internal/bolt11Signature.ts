/**
 * The signature of a BOLT 11 invoice: over SHA-256 of the human-readable part and the words before the signature, filled up with
 * zero bits to whole bytes; with the number that lets the payee's key be recovered from it.
 *
 * @see BOLT 11, Data Part; RFC 6979 for the deterministic nonce
 */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { toBytes } from './bolt11Words.ts';
import { fromHex, fromUtf8, toHex } from './bytes.ts';
import { sha256 } from './sha256.ts';

/** Groups of 5 bits: 64 bytes of signature and one of recovery. */
export const signatureWords = 104;

/** What is signed. `words` are all before the signature. */
export function signingHash(prefix: string, words: Uint8Array): Uint8Array {
  return sha256(fromUtf8(prefix), toBytes(words));
}

/** The key that made the signature (66 hex digits), or undefined where there is none. High S is accepted, as BOLT 11 has it. */
export function recover(signature: string, recoveryFlag: number, hash: Uint8Array): string | undefined {
  const bytes = new Uint8Array(65);
  bytes[0] = recoveryFlag;
  bytes.set(fromHex(signature) as Uint8Array, 1);
  try {
    return toHex(secp256k1.recoverPublicKey(bytes, hash, { prehash: false }));
  } catch {
    return undefined;
  }
}

/** Whether that key (66 hex digits) made the signature. High S is refused, as BOLT 11 has it. */
export function isSignedBy(payee: string, signature: string, hash: Uint8Array): boolean {
  return secp256k1.verify(fromHex(signature) as Uint8Array, hash, fromHex(payee) as Uint8Array, { prehash: false, lowS: true });
}

/** Signature and recovery byte, in the order of the invoice; equal input gives equal output. */
export function sign(hash: Uint8Array, privateKey: Uint8Array): Uint8Array {
  const recovered = secp256k1.sign(hash, privateKey, { prehash: false, format: 'recovered', extraEntropy: false });
  const bytes = new Uint8Array(65);
  bytes.set(recovered.subarray(1));
  bytes[64] = recovered[0] as number;
  return bytes;
}

/** The public key (66 hex digits) of a private one, or undefined where it is not a private key. */
export function publicKeyOf(privateKey: Uint8Array): string | undefined {
  return secp256k1.utils.isValidSecretKey(privateKey) ? toHex(secp256k1.getPublicKey(privateKey, true)) : undefined;
}

/** Whether 66 hex digits are a point of the curve. */
export function isPublicKey(hex: string): boolean {
  return secp256k1.utils.isValidPublicKey(fromHex(hex) as Uint8Array, true);
}
