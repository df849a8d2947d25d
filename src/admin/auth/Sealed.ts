/**
 * A few bytes that prove that they were made here, for one use: a sign-in link, a session.
 *
 *     base64url( master key fingerprint[4] · facts · proof[16] )
 *     proof = first 16 bytes of HMAC-SHA256(master, "farebox/admin/1/" · network · "/" · realm · "/" · use · "/" · fingerprint · facts)
 */
import { equal, fromBase64, fromHex, fromUtf8, toBase64Url, toHex } from '../../core/internal/bytes.ts';
import type { RootKeys } from '../../server/RootKeys.ts';

/** What something sealed is for: what is for one use proves nothing for another. */
export type Use = 'link' | 'session' | 'csrf';

const fingerprintLength = 4;
const proofLength = 16;

/** Seals facts. @throws RangeError – there is no such key */
export function seal(keys: RootKeys, use: Use, fingerprint: string, facts: Uint8Array): string {
  const body = new Uint8Array([...(fromHex(fingerprint) ?? []), ...facts]);
  const proof = proofOf(keys, use, body);
  if (proof === undefined) throw new RangeError(`there is no key ${fingerprint}`);
  return toBase64Url(new Uint8Array([...body, ...proof]));
}

/** The facts, and the key that they were sealed under; undefined where they are none of ours, or for another use. */
export function open(keys: RootKeys, use: Use, sealed: string): { readonly fingerprint: string; readonly facts: Uint8Array } | undefined {
  const bytes = sealed.length > 256 ? undefined : fromBase64(sealed);
  if (bytes === undefined || bytes.length < fingerprintLength + proofLength) return undefined;
  const body = bytes.subarray(0, -proofLength);
  const proof = proofOf(keys, use, body);
  if (proof === undefined || !equal(proof, bytes.subarray(-proofLength))) return undefined;
  return { fingerprint: toHex(body.subarray(0, fingerprintLength)), facts: body.subarray(fingerprintLength) };
}

function proofOf(keys: RootKeys, use: Use, body: Uint8Array): Uint8Array | undefined {
  return keys.proveAdmin(toHex(body.subarray(0, fingerprintLength)), new Uint8Array([...fromUtf8(`${use}/`), ...body]))?.subarray(0, proofLength);
}
