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

/** A master key, and when it begins to mint. */
export type Master = {
  /** 32 bytes or more. */
  readonly key: Uint8Array;
  /** Unix seconds. Until then it verifies alone, so that every process knows a key before a token is made under it. Left out: it mints at once. */
  readonly mintsFromAt?: number | undefined;
};

/** The ring, for one network and one realm. */
export type RootKeys = {
  readonly network: Network;
  readonly realm: string;
  /** Of the master that mints at that time (Unix seconds): 8 hex digits. It is the first of the ring whose time has come. */
  readonly mintingAt: (at: number) => string;
  /** The root key of the token with this identifier, or undefined where its master is not in the ring. */
  readonly derive: (fingerprint: string, identifier: Uint8Array) => Uint8Array | undefined;
  /** What proves that a trial token was made here, under a label of its own: no root key is ever the same. Undefined as for `derive`. */
  readonly proveTrial: (fingerprint: string, message: Uint8Array) => Uint8Array | undefined;
  /** What proves that an operator's token, link or session was made here, under a label of its own. Undefined as for `derive`. */
  readonly proveAdmin: (fingerprint: string, message: Uint8Array) => Uint8Array | undefined;
  /** What the key that signs receipts is made from, 32 bytes; undefined as for `derive`. */
  readonly receiptSeed: (fingerprint: string) => Uint8Array | undefined;
  /** Of every master in the ring, in its order. */
  readonly fingerprints: () => readonly string[];
  /** What proves that a ticket of the payment page was made here, under a label of its own. Undefined as for `derive`. */
  readonly sealTicket: (fingerprint: string, message: Uint8Array) => Uint8Array | undefined;
  /** How often a master has left the ring. Whoever remembers what has verified forgets it when this changes. */
  readonly departures: () => number;
};

/** A ring whose masters can be exchanged while it is in use. */
export type KeyRing = RootKeys & {
  /**
   * Takes these masters from now on, all of them or none.
   * @throws KEYS_INVALID – as for {@link createRootKeys}; the ring is then as it was
   */
  readonly replace: (masters: readonly (Uint8Array | Master)[]) => void;
};

/** Shortest master key, in bytes. */
export const minMasterLength = 32;

/** The first 4 bytes of a digest of the master, as 8 hex digits: public, and the name of the key in every token. */
export function fingerprintOf(master: Uint8Array): string {
  return toHex(sha256(fromUtf8('farebox/key/1/'), master).subarray(0, 4));
}

/** The master that mints at that time: the first whose time has come, and where it has come for none, the last. */
export function mintingOf<M extends Pick<Master, 'mintsFromAt'>>(masters: readonly M[], at: number): M | undefined {
  return masters.find(({ mintsFromAt = 0 }) => mintsFromAt <= at) ?? masters.at(-1);
}

/**
 * Prepares the ring.
 * @param options.masters - 32 bytes or more each; of those whose time has come the first one mints, and all verify
 * @param options.realm - tells tenants apart; letters, digits, `_`, `-`, `.`
 * @throws KEYS_INVALID – no key, a short one, or two with one fingerprint
 * @throws RangeError – a realm that could be read as part of something else
 */
export function createRootKeys(options: { readonly masters: readonly (Uint8Array | Master)[]; readonly network: Network; readonly realm: string }): KeyRing {
  const { network, realm } = options;
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(realm)) throw new RangeError('a realm is 1 to 64 letters, digits, "_", "-" and "."');
  const label = fromUtf8(`farebox/token/1/${network}/${realm}/`);
  const trialLabel = fromUtf8(`farebox/trial/1/${network}/${realm}/`);
  const adminLabel = fromUtf8(`farebox/admin/1/${network}/${realm}/`);
  const receiptLabel = fromUtf8(`farebox/receipt/1/${network}/${realm}`);
  const ticketLabel = fromUtf8(`farebox/page/1/${network}/${realm}/`);
  let ring = prepare(options.masters);
  let departures = 0;
  return {
    network,
    realm,
    // A ring is never empty.
    mintingAt: (at) => (mintingOf(ring.masters, at) as Prepared).fingerprint,
    derive: (fingerprint, identifier) => {
      const master = ring.byFingerprint.get(fingerprint);
      return master && hmac(master.hmacKey, label, identifier);
    },
    proveTrial: (fingerprint, message) => {
      const master = ring.byFingerprint.get(fingerprint);
      return master && hmac(master.hmacKey, trialLabel, message);
    },
    proveAdmin: (fingerprint, message) => {
      const master = ring.byFingerprint.get(fingerprint);
      return master && hmac(master.hmacKey, adminLabel, message);
    },
    receiptSeed: (fingerprint) => {
      const master = ring.byFingerprint.get(fingerprint);
      return master && hmac(master.hmacKey, receiptLabel);
    },
    fingerprints: () => ring.masters.map(({ fingerprint }) => fingerprint),
    sealTicket: (fingerprint, message) => {
      const master = ring.byFingerprint.get(fingerprint);
      return master && hmac(master.hmacKey, ticketLabel, message);
    },
    departures: () => departures,
    replace: (masters) => {
      const next = prepare(masters);
      if (ring.masters.some((master) => !isHeldBy(next, master))) departures++;
      ring = next;
    },
  };
}

/** A master, ready to derive with. */
type Prepared = { readonly fingerprint: string; readonly digest: string; readonly hmacKey: HmacKey; readonly mintsFromAt: number | undefined };

type Ring = { readonly masters: readonly Prepared[]; readonly byFingerprint: ReadonlyMap<string, Prepared> };

function prepare(masters: readonly (Uint8Array | Master)[]): Ring {
  if (masters.length === 0) throw new FareboxError('KEYS_INVALID', 'There is no master key. Make one with: farebox keys new');
  const byFingerprint = new Map<string, Prepared>();
  for (const master of masters) {
    const { key, mintsFromAt } = master instanceof Uint8Array ? { key: master, mintsFromAt: undefined } : master;
    if (key.length < minMasterLength) throw new FareboxError('KEYS_INVALID', `A master key has ${minMasterLength} bytes at least; one has ${key.length}.`);
    const fingerprint = fingerprintOf(key);
    if (byFingerprint.has(fingerprint)) throw new FareboxError('KEYS_INVALID', `Two master keys have the fingerprint ${fingerprint}. Remove one.`);
    byFingerprint.set(fingerprint, { fingerprint, digest: toHex(sha256(key)), hmacKey: hmacKey(key), mintsFromAt });
  }
  return { masters: [...byFingerprint.values()], byFingerprint };
}

/** Whether a ring has the very same master: two may share a fingerprint by chance. */
function isHeldBy({ byFingerprint }: Ring, { fingerprint, digest }: Prepared): boolean {
  return byFingerprint.get(fingerprint)?.digest === digest;
}
