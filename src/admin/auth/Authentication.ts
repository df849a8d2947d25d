/**
 * Who asks: by a token in `Authorization: Bearer`, or by the session of a page. Being on this machine opens nothing.
 */
import { type Clock, nowAt } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { fromHex, fromUtf8, toHex } from '../../core/internal/bytes.ts';
import { sha256 } from '../../core/internal/sha256.ts';
import type { RootKeys } from '../../server/RootKeys.ts';
import type { Store } from '../../store/Store.ts';
import type { Caller, Operation } from '../Operation.ts';
import * as AdminToken from './AdminToken.ts';
import { holds } from './Scope.ts';
import * as Session from './Session.ts';

/** The cookie of a session, and the header that a page sends along with it. */
export const cookieName = 'farebox_admin';
export const proofHeader = 'x-farebox-session';

/** What a request shows of whoever sends it. */
export type Shown = {
  readonly authorization: string | undefined;
  readonly cookie: string | undefined;
  readonly proof: string | undefined;
};

/** Finds out who asks. */
export type Authentication = {
  /** @throws ADMIN_UNAUTHORIZED – nobody that we know; STORE_UNAVAILABLE – it cannot be found out whether they were ended */
  readonly identify: (shown: Shown) => Promise<{ readonly caller: Caller; readonly session: Session.Session | undefined }>;
  /** Begins a session with what stands in a link, once. @throws ADMIN_UNAUTHORIZED – it is none of ours, over, or was used; STORE_UNAVAILABLE */
  readonly signIn: (code: string) => Promise<Session.Session>;
  /** Refuses a token or session by its id from now on. */
  readonly end: (id: string, expiresAt: number) => Promise<void>;
  /** The values of cookie and header for a session, as of now. */
  readonly showOf: (session: Session.Session) => { readonly cookie: string; readonly proof: string };
};

/** @param store - undefined where there is none: then no token can be ended and no link is good */
export function createAuthentication({
  keys,
  store,
  clock,
}: {
  readonly keys: RootKeys;
  readonly store: Store | undefined;
  readonly clock: Clock;
}): Authentication {
  const isEnded = async (id: string) => store !== undefined && (await store.claimState(endKey(id))) !== 'open';
  const identify: Authentication['identify'] = async ({ authorization, cookie, proof }) => {
    const now = nowAt(clock);
    if (authorization !== undefined) {
      const token = /^Bearer +([A-Za-z0-9+/_=-]+)$/i.exec(authorization.trim())?.[1];
      const grant = token === undefined ? undefined : AdminToken.read(keys, token, now);
      if (grant === undefined) throw unauthorized('This token opens nothing here: it was not made with these keys, was changed, or is over.');
      if (await isEnded(grant.id)) throw unauthorized('This token was revoked.');
      const { id, label, scope, operations } = grant;
      return { caller: { id, label, scope, operations, kind: 'token' }, session: undefined };
    }
    const session = cookie === undefined ? undefined : Session.readSession(keys, cookie, now);
    if (session === undefined) throw unauthorized('Show a token, as "Authorization: Bearer <token>". Make one with: farebox admin token');
    if (proof === undefined || !Session.isProofOf(keys, proof, session.id)) throw unauthorized('The page did not send what belongs to its session.');
    if (await isEnded(session.id)) throw unauthorized('This session has ended. Open a new sign-in link: farebox admin link');
    const { id, scope } = session;
    return { caller: { id, label: 'dashboard', scope, operations: undefined, kind: 'session' }, session };
  };
  return {
    identify,
    signIn: async (code) => {
      const now = nowAt(clock);
      const link = Session.readLink(keys, code, now);
      if (link === undefined) throw unauthorized('This link is over, or not of this gateway. Make a new one with: farebox admin link');
      const { counted } =
        store === undefined ? { counted: false } : await store.count({ key: `admin-link:${link.id}`, by: 1, ceiling: 1, expiresAt: link.expiresAt });
      if (!counted) throw unauthorized('This link was used already. Make a new one with: farebox admin link');
      return { id: link.id, scope: link.scope, startedAt: now, seenAt: now };
    },
    end: async (id, expiresAt) => {
      if (store === undefined) throw new FareboxError('ADMIN_CHANGE_CONFLICT', 'Without a store nothing can be revoked.');
      const key = endKey(id);
      const request = toHex(sha256(fromUtf8(id)));
      const outcome = await store.claim({ key, request, leaseSeconds: 60, expiresAt, repeat: { limit: 0, withinSeconds: 0 } });
      if (outcome.kind === 'granted') await store.commit({ key, fence: outcome.fence });
    },
    showOf: (session) => {
      const id = fromHex(session.id) as Uint8Array;
      return { cookie: Session.mintSession(keys, id, session), proof: Session.mintProof(keys, session.id, session.seenAt) };
    },
  };
}

/** @throws ADMIN_FORBIDDEN – a caller may not call it */
export function assertMay(caller: Caller, { name, scope }: Pick<Operation, 'name' | 'scope'>): void {
  // What it may do everybody may know of himself.
  if (name === 'access.show') return;
  const { operations } = caller;
  if (operations !== undefined && !operations.has(name)) throw forbidden(`This token may not call ${name}: it was narrowed to other operations.`, name, scope);
  if (!holds(caller.scope, scope)) throw forbidden(`${name} needs the scope "${scope}", and this ${caller.kind} has "${caller.scope}".`, name, scope);
}

function forbidden(message: string, operation: string, scope: string): FareboxError {
  return new FareboxError('ADMIN_FORBIDDEN', message, { details: { operation, scope } });
}

function unauthorized(message: string): FareboxError {
  return new FareboxError('ADMIN_UNAUTHORIZED', message);
}

/** Where it is kept that a token or session was ended. */
function endKey(id: string): string {
  return toHex(sha256(fromUtf8(`farebox/admin/ended/${id}`)));
}
