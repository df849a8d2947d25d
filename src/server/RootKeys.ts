/**
 * Root keys, derived and never stored: a ring of master keys gives every token a key of its own.
 *
 *     rootKey = HMAC-SHA256(master, "farebox/token/1/" · network · "/" · realm · "/" · identifier)
 *     fingerprint = first 4 bytes of SHA-256("farebox/key/1/" · master)
 *
 * So there is no row per challenge and no read per request, and a token bought on one network or in one realm is worthless in another.
 *
 * @see docs/wire.md, "The token"
 */
import { FareboxError } from '../core/Errors.ts';
import { fromUtf8, toHex } from '../core/internal/bytes.ts';
import { type HmacKey, hmac, hmacKey, sha256 } from '../core/internal/sha256.ts';
import type { Network } from '../lightning/Lightning.ts';

/** The ring, for one network and one realm. */
export type RootKeys = {
  readonly network: Network;
  readonly realm: string;
  /** Of the master that mints: 8 hex digits. */
  readonly fingerprint: string;
  /** The root key of the token with this identifier, or undefined where its master is not in the ring. */
  readonly derive: (fingerprint: string, identifier: Uint8Array) => Uint8Array | undefined;
};

/** Shortest master key, in bytes. */
export const minMasterLength = 32;

/** The first 4 bytes of a digest of the master, as 8 hex digits: public, and the name of the key in every token. */
export function fingerprintOf(master: Uint8Array): string {
  return toHex(sha256(fromUtf8('farebox/key/1/'), master).subarray(0, 4));
}

/**
 * Prepares the ring.
 * @param options.masters - 32 bytes or more each; the first one mints, all verify
 * @param options.realm - tells tenants apart; letters, digits, `_`, `-`, `.`
 * @throws KEYS_INVALID – no key, a short one, or two with one fingerprint
 * @throws RangeError – a realm that could be read as part of something else
 */
export function createRootKeys(options: { readonly masters: readonly Uint8Array[]; readonly network: Network; readonly realm: string }): RootKeys {
  const { masters, network, realm } = options;
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(realm)) throw new RangeError('a realm is 1 to 64 letters, digits, "_", "-" and "."');
  const [first] = masters;
  if (first === undefined) throw new FareboxError('KEYS_INVALID', 'There is no master key. Make one with: farebox keys new');
  const ring = new Map<string, HmacKey>();
  for (const master of masters) {
    if (master.length < minMasterLength)
      throw new FareboxError('KEYS_INVALID', `A master key has ${minMasterLength} bytes at least; one has ${master.length}.`);
    const fingerprint = fingerprintOf(master);
    if (ring.has(fingerprint)) throw new FareboxError('KEYS_INVALID', `Two master keys have the fingerprint ${fingerprint}. Remove one.`);
    ring.set(fingerprint, hmacKey(master));
  }
  const label = fromUtf8(`farebox/token/1/${network}/${realm}/`);
  return {
    network,
    realm,
    fingerprint: fingerprintOf(first),
    derive: (fingerprint, identifier) => {
      const master = ring.get(fingerprint);
      return master && hmac(master, label, identifier);
    },
  };
}
