/**
 * An event of Nostr: a text with tags, signed by the key that wrote it. All that goes over a relay is one.
 *
 *     { "id": …, "pubkey": …, "created_at": 1700000000, "kind": 23194, "tags": [["p", …]], "content": "…", "sig": … }
 *
 * Its id is SHA-256 of `[0, pubkey, created_at, kind, tags, content]` as JSON, and the signature is of that. So whoever carries an event can
 * hold it back or show it twice, and change nothing of it.
 *
 * @see NIP-01, Events and signatures; BIP-340
 */
import { schnorr } from '@noble/curves/secp256k1.js';
import { fromHex, fromUtf8, toHex } from '../../core/internal/bytes.ts';
import { sha256 } from '../../core/internal/sha256.ts';

/** An event as it is written, before it is signed. */
export type Draft = {
  /** Unix seconds. */
  readonly created_at: number;
  readonly kind: number;
  readonly tags: readonly (readonly string[])[];
  readonly content: string;
};

/** An event on the wire. */
export type Event = Draft & {
  /** 64 hex digits in lower case. */
  readonly id: string;
  /** 64 hex digits in lower case: the x coordinate of the key that wrote it. */
  readonly pubkey: string;
  /** 128 hex digits in lower case. */
  readonly sig: string;
};

/** The public key of 32 secret bytes, in hex. @throws Error – they are no key */
export function publicKeyOf(secret: Uint8Array): string {
  return toHex(schnorr.getPublicKey(secret));
}

/** Whether 64 hex digits in lower case are a public key. */
export function isPublicKey(hex: string): boolean {
  try {
    return /^[0-9a-f]{64}$/.test(hex) && schnorr.utils.lift_x(BigInt(`0x${hex}`)) !== undefined;
  } catch {
    return false;
  }
}

/** Signs an event. @param auxRand - 32 random bytes */
export function sign(draft: Draft, secret: Uint8Array, auxRand: Uint8Array): Event {
  const { created_at, kind, tags, content } = draft;
  const pubkey = publicKeyOf(secret);
  const id = hash(pubkey, draft);
  return { id: toHex(id), pubkey, created_at, kind, tags, content, sig: toHex(schnorr.sign(id, secret, auxRand)) };
}

/** The value as an event, or undefined where it has not the shape of one. Neither id nor signature is looked at. */
export function read(value: unknown): Event | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, pubkey, created_at, kind, tags, content, sig } = value as { readonly [name: string]: unknown };
  if (!isHex(id, 64) || !isHex(pubkey, 64) || !isHex(sig, 128) || typeof content !== 'string') return undefined;
  if (!isWhole(created_at, Number.MAX_SAFE_INTEGER) || !isWhole(kind, 0xffff) || !isTags(tags)) return undefined;
  return { id, pubkey, created_at, kind, tags, content, sig };
}

/** Whether an event is what the key that it names has written. */
export function isGenuine(event: Event): boolean {
  const id = hash(event.pubkey, event);
  if (toHex(id) !== event.id) return false;
  try {
    return schnorr.verify(fromHex(event.sig) as Uint8Array, id, fromHex(event.pubkey) as Uint8Array);
  } catch {
    return false;
  }
}

/** The value of the first tag of that name. */
export function tagOf({ tags }: Pick<Event, 'tags'>, name: string): string | undefined {
  return tags.find((tag) => tag[0] === name)?.[1];
}

/** Whether there is a tag of that name and value. */
export function hasTag({ tags }: Pick<Event, 'tags'>, name: string, value: string): boolean {
  return tags.some((tag) => tag[0] === name && tag[1] === value);
}

function hash(pubkey: string, { created_at, kind, tags, content }: Draft): Uint8Array {
  return sha256(fromUtf8(JSON.stringify([0, pubkey, created_at, kind, tags, content])));
}

function isHex(value: unknown, length: number): value is string {
  return typeof value === 'string' && value.length === length && /^[0-9a-f]+$/.test(value);
}

function isWhole(value: unknown, maximum: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= maximum;
}

function isTags(value: unknown): value is readonly (readonly string[])[] {
  return Array.isArray(value) && value.every((tag) => Array.isArray(tag) && tag.every((part) => typeof part === 'string'));
}
