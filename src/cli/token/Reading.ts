/**
 * All that can be said of a token without asking a gateway: which payment, which key, what it allows, and whether its signature holds.
 */
import { existsSync } from 'node:fs';
import { FareboxError } from '../../core/Errors.ts';
import * as Identifier from '../../core/Identifier.ts';
import * as Macaroon from '../../core/Macaroon.ts';
import * as Preimage from '../../core/Preimage.ts';
import { type Passphrase, readKeyFile } from '../../gateway/index.ts';
import type { Network } from '../../lightning/Lightning.ts';
import { type CaveatWords, describe, servicesOf } from '../../server/CaveatWords.ts';
import { judge, type Verdict } from '../../server/policies/Judgement.ts';
import { createRootKeys, type Master, type RootKeys } from '../../server/RootKeys.ts';
import type { Presented } from './Presented.ts';

/** The master keys to check with. */
export type Ring = {
  readonly file: string;
  readonly network: Network;
  readonly realm: string;
  /** Undefined where there is no such file, or it is sealed and nobody can open it: then no signature can be checked. */
  readonly keys: RootKeys | undefined;
  /** Why there are none, where they are there and cannot be used. */
  readonly missing?: string;
};

/** A token, read. */
export type Reading = {
  /** Undefined where the identifier is not one of L402's. */
  readonly identifier: Identifier.Identifier | undefined;
  /** What a token id of ours says; undefined where nothing says that it is one. */
  readonly tokenId: Identifier.TokenId | undefined;
  /** Whether the master key is in the ring. `unknown`: there is no ring, or no fingerprint. */
  readonly key: 'mints' | 'verifies' | 'absent' | 'unknown';
  /** `unchecked` is its own answer: neither good nor bad. */
  readonly signature: 'valid' | 'invalid' | 'unchecked';
  /** Whether the preimage that came along proves the payment; `none` came. */
  readonly proof: 'fits' | 'wrong' | 'none';
  readonly services: readonly string[];
  readonly caveats: readonly CaveatWords[];
  /** Unix seconds; the earliest end that a caveat names. */
  readonly validUntil: number | undefined;
  /** What a gateway that knows the key would say; undefined where the token was not made by Farebox. */
  readonly verdict: Verdict | undefined;
};

/** Where a ring is, and what its tokens are made with. */
export type RingOptions = {
  readonly file: string;
  readonly isNamed: boolean;
  readonly network: Network;
  readonly realm: string;
  readonly passphrase: Passphrase;
};

/**
 * Opens a ring; one whose default file is not there is a ring without keys, and so is one that is sealed where nobody knows the passphrase.
 * @throws KEYS_INVALID – a file that was named and is not there, or holds something else
 * @throws KEYS_LOCKED – a passphrase that is not the file's
 * @throws CONFIG_INVALID – a realm that cannot be one
 */
export async function openRing({ file, isNamed, network, realm, passphrase }: RingOptions): Promise<Ring> {
  if (!existsSync(file)) {
    if (isNamed) throw new FareboxError('KEYS_INVALID', `There is no key file ${file}.`);
    return { file, network, realm, keys: undefined };
  }
  let isUnknown = false;
  const opener: Passphrase = async () => {
    const known = await passphrase();
    isUnknown = known === undefined;
    return known;
  };
  let masters: readonly Master[];
  try {
    ({ masters } = await readKeyFile(file, opener));
  } catch (error) {
    if (!isUnknown) throw error;
    return { file, network, realm, keys: undefined, missing: `${file} is sealed` };
  }
  try {
    return { file, network, realm, keys: createRootKeys({ masters, network, realm }) };
  } catch (error) {
    throw error instanceof RangeError ? new FareboxError('CONFIG_INVALID', `--realm: ${error.message}.`, { cause: error }) : error;
  }
}

/** Reads a token. */
export function read(presented: Presented, ring: Ring, nowAt: number): Reading {
  const { macaroon } = presented;
  const identifier = identifierOf(macaroon);
  const caveats = describe(macaroon.caveats, { nowAt, paymentHash: identifier?.paymentHash });
  const isOurs = caveats.some(({ by }) => by === 'minted');
  const tokenId = identifier && isOurs ? Identifier.readTokenId(identifier.tokenId) : undefined;
  const proof = preimageOf(presented);
  const ends = caveats.map(({ endsAt }) => endsAt).filter((at) => at !== undefined);
  return {
    identifier,
    tokenId,
    key: keyOf(ring, tokenId, macaroon, nowAt),
    signature: signatureOf(ring, tokenId, macaroon),
    proof: proof === undefined ? 'none' : identifier && Preimage.proves(proof, identifier.paymentHash) ? 'fits' : 'wrong',
    services: servicesOf(macaroon.caveats),
    caveats,
    validUntil: ends.length === 0 ? undefined : Math.min(...ends),
    verdict: isOurs ? judge(macaroon.caveats, { nowAt, preimage: proof }) : undefined,
  };
}

/** The preimage that came along, beside the token or, as some clients send it, inside. A secret. */
export function preimageOf({ macaroon, preimage }: Presented): Preimage.Preimage | undefined {
  if (preimage !== undefined) return preimage;
  const inside = macaroon.caveats.map((text) => /^\s*preimage\s*=\s*["']?([0-9a-f]{64})["']?\s*$/i.exec(text)?.[1]).find((found) => found !== undefined);
  return inside === undefined ? undefined : Preimage.parse(inside);
}

function identifierOf(macaroon: Macaroon.Macaroon): Identifier.Identifier | undefined {
  try {
    return Identifier.decode(macaroon.identifier);
  } catch {
    return undefined;
  }
}

function keyOf({ keys }: Ring, tokenId: Identifier.TokenId | undefined, { identifier }: Macaroon.Macaroon, nowAt: number): Reading['key'] {
  if (keys === undefined || tokenId === undefined) return 'unknown';
  if (tokenId.fingerprint === keys.mintingAt(nowAt)) return 'mints';
  return keys.derive(tokenId.fingerprint, identifier) === undefined ? 'absent' : 'verifies';
}

function signatureOf({ keys }: Ring, tokenId: Identifier.TokenId | undefined, macaroon: Macaroon.Macaroon): Reading['signature'] {
  const rootKey = tokenId && keys?.derive(tokenId.fingerprint, macaroon.identifier);
  if (rootKey === undefined) return 'unchecked';
  return Macaroon.verify(macaroon, rootKey) ? 'valid' : 'invalid';
}
