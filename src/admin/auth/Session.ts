/**
 * Sign-in links and sessions of the pages. Neither is kept anywhere: each proves itself, in every process that has the ring. What is kept is that a link
 * was used, and that a session was ended.
 *
 *     link     http://127.0.0.1:8406/#<sealed: scope, end, id>           good once, for ten minutes
 *     session  Set-Cookie: farebox_admin=<sealed: scope, begin, seen, id>  ends 12 hours after it began, or one hour after it was last used
 *              X-Farebox-Session: <sealed id>                             sent by the page with every call
 *
 * A cookie of this machine goes to every port of it, so a cookie alone opens nothing: the page keeps what it was told in the storage of its origin, which
 * has the port in it, and sends it along.
 *
 * @see docs/decisions/0063-who-reaches-admin.md
 */
import { equal, fromUtf8, toHex } from '../../core/internal/bytes.ts';
import type { RootKeys } from '../../server/RootKeys.ts';
import { type Scope, scopes } from './Scope.ts';
import { open, seal } from './Sealed.ts';

/** How long a link can be used. */
export const linkSeconds = 600;

/** A session's longest life, and how long it lives unused. */
export const sessionSeconds = 12 * 3600;
export const idleSeconds = 3600;

/** So long a session is not written anew, so that not every answer carries a cookie. */
export const renewSeconds = 60;

/** A link, read. */
export type Link = { readonly id: string; readonly scope: Scope; readonly expiresAt: number };

/** A session, read. */
export type Session = { readonly id: string; readonly scope: Scope; readonly startedAt: number; readonly seenAt: number };

/** What comes behind `#` in a link. @param id - 12 random bytes */
export function mintLink(keys: RootKeys, id: Uint8Array, scope: Scope, nowAt: number): string {
  return seal(keys, 'link', keys.mintingAt(nowAt), new Uint8Array([scopes.indexOf(scope), ...u32(nowAt + linkSeconds), ...id]));
}

/** A link that is still good; whether it was used is for the store to say. */
export function readLink(keys: RootKeys, code: string, nowAt: number): Link | undefined {
  const facts = open(keys, 'link', code)?.facts;
  const scope = facts && scopes[facts[0] as number];
  if (facts?.length !== 1 + 4 + idLength || scope === undefined) return undefined;
  const expiresAt = readU32(facts, 1);
  return expiresAt <= nowAt ? undefined : { id: toHex(facts.subarray(5)), scope, expiresAt };
}

/** A cookie's value. @param id - 12 bytes */
export function mintSession(keys: RootKeys, id: Uint8Array, { scope, startedAt, seenAt }: Omit<Session, 'id'>): string {
  return seal(keys, 'session', keys.mintingAt(seenAt), new Uint8Array([scopes.indexOf(scope), ...u32(startedAt), ...u32(seenAt), ...id]));
}

/** A session that has not ended by itself; whether somebody ended it is for the store to say. */
export function readSession(keys: RootKeys, cookie: string, nowAt: number): Session | undefined {
  const facts = open(keys, 'session', cookie)?.facts;
  const scope = facts && scopes[facts[0] as number];
  if (facts?.length !== 1 + 8 + idLength || scope === undefined) return undefined;
  const [startedAt, seenAt] = [readU32(facts, 1), readU32(facts, 5)];
  if (nowAt >= startedAt + sessionSeconds || nowAt >= seenAt + idleSeconds) return undefined;
  return { id: toHex(facts.subarray(9)), scope, startedAt, seenAt };
}

/** What a page sends along with its cookie. */
export function mintProof(keys: RootKeys, id: string, nowAt: number): string {
  return seal(keys, 'csrf', keys.mintingAt(nowAt), fromUtf8(id));
}

/** Whether it belongs to the session. */
export function isProofOf(keys: RootKeys, proof: string, id: string): boolean {
  const facts = open(keys, 'csrf', proof)?.facts;
  return facts !== undefined && equal(facts, fromUtf8(id));
}

const idLength = 12;

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

function readU32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(at);
}
