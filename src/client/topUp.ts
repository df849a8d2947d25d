/**
 * Adds to a balance that was bought before, with a payment of its own: the request says `L402-Topup: ask` and shows the balance's credential, and what
 * is paid for is a token whose only power is to add to that balance, once.
 *
 * @see docs/wire.md, "The token"; docs/decisions/0029-top-ups.md
 */
import * as Challenge from '../core/Challenge.ts';
import { nowAt } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Identifier from '../core/Identifier.ts';
import * as Macaroon from '../core/Macaroon.ts';
import type { ClientStore } from './ClientStore.ts';
import { clientOf, type PayingClient, payingOf } from './createClient.ts';
import type { Payment } from './Journal.ts';
import * as Outgoing from './Outgoing.ts';
import * as Tokens from './Tokens.ts';
import { plain } from './tools/outside.ts';

/** What is topped up. */
export type Balance = {
  /** The value of `Authorization`. A secret. */
  readonly authorization: string;
  /** As the seller names it: no secret. */
  readonly account: string;
};

/** What an answer to a top-up says: anybody's words. */
export type Said = { readonly [name: string]: unknown } & { readonly credit?: string; readonly units?: string };

/** The newest bucket or credit that is kept and good for this address; undefined where there is none. */
export async function findBalance(store: Pick<ClientStore, 'find'>, url: URL, at: number): Promise<Balance | undefined> {
  const outgoing = await Outgoing.from(url, undefined, 0);
  const { credentials } = await store.find({ origin: url.origin });
  const kept = Tokens.candidates([...credentials], outgoing, at).find((payment) => isBalance(payment));
  return kept && { authorization: Tokens.authorizationOf(kept), account: Identifier.useKeyOf(Macaroon.parse(kept.token).identifier) };
}

/**
 * Adds as much as is sold there, at the price there. A top-up that was paid for and not presented is presented now, and nothing is paid again.
 * @param url - where the balance is spent: https, or this machine
 * @returns the answer; `paymentOf` says what it cost
 * @throws CHALLENGE_REFUSED – what is sold there is no top-up of this balance; and what `fetch` of the client throws
 */
export function addTo(paying: PayingClient, url: URL, balance: Balance, signal: AbortSignal): Promise<Response> {
  const client = clientOf(paying);
  const own = payingOf({ ...client, store: onlyTopUpsOf(client.store, balance.account), fetch: asking(client.fetch, balance, url) }, async () => {});
  return own.fetch(url, { headers: { 'L402-Topup': 'ask' }, redirect: 'error', signal });
}

/** The same for the balance that is kept for this address. @returns undefined – none is */
export async function topUpKept(paying: PayingClient, url: URL, signal: AbortSignal): Promise<Response | undefined> {
  const { store, clock } = clientOf(paying);
  const balance = await findBalance(store, url, nowAt(clock));
  return balance && addTo(paying, url, balance, signal);
}

/** What an answer says, as far as it is JSON. */
export async function readSaid(response: Response): Promise<Said> {
  try {
    const said: unknown = JSON.parse(await response.text());
    return typeof said === 'object' && said !== null ? { ...said } : {};
  } catch {
    return {};
  }
}

function isBalance(payment: Payment): boolean {
  const { terms } = Tokens.readingOf(payment);
  return terms === 'bucket' || terms === 'credit';
}

/** The journal, of whose credentials only what adds to this balance is used. */
function onlyTopUpsOf(store: ClientStore, account: string): ClientStore {
  return {
    ...store,
    find: async (query) => {
      const { open, credentials } = await store.find(query);
      return { open, credentials: credentials.filter(({ token }) => accountIn(token) === account) };
    },
  };
}

/** A `fetch` that shows the balance's credential where none is shown yet, and hands an offer on only where it is one for this balance. */
function asking(fetch: Outgoing.Fetch, { authorization, account }: Balance, { origin, host }: URL): Outgoing.Fetch {
  return async (input, init) => {
    const headers = new Headers(init.headers);
    if (headers.has('authorization')) return fetch(input, init);
    if (new URL(input).origin !== origin) throw new TypeError('a credential goes to where it is spent, and nowhere else');
    headers.set('authorization', authorization);
    const response = await fetch(input, { ...init, headers });
    const offered = response.status === 402 ? Challenge.choose(Challenge.parse(response.headers.get('WWW-Authenticate') ?? '')) : undefined;
    if (offered !== undefined && accountIn(offered.token) === account) return response;
    throw new FareboxError('CHALLENGE_REFUSED', `${host} sells no top-up of this balance (${await reasonOf(response)}). Nothing was paid.`, {
      details: { host },
    });
  };
}

/** The account that a token adds to, by what it says of itself. */
function accountIn(token: string): string | undefined {
  if (Tokens.read(token).terms !== 'topup') return undefined;
  return Macaroon.parse(token)
    .caveats.find((caveat) => caveat.startsWith(prefix))
    ?.slice(prefix.length);
}

const prefix = 'topup=';

async function reasonOf(response: Response): Promise<string> {
  const { detail } = await readSaid(response);
  return typeof detail === 'string' ? `${response.status}: ${plain(detail)}` : `${response.status}`;
}
