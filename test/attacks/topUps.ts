/**
 * Balances that are topped up, one of each kind, and what is seen of them from outside.
 */
import { useKeyOf } from '../../src/server/Verifier.ts';
import type { Ask, Bought, Got, Shop } from '../conformance/shop/shop.ts';
import { auth } from './thief.ts';

/** What can be topped up: each is good for {@link import('./counted.ts').calls} calls of its path. `added`: what a top-up of it adds. */
export const balances = [
  { what: 'a bucket of a route', path: '/pail/a', units: 3n, added: { units: '3' } },
  { what: 'a bucket of a service', path: '/units/a', units: 6n, added: { units: '6' } },
  { what: 'a credit', path: '/credit/a', units: 150_000n, added: { credit: '150 sat' } },
] as const;

/** A request for a top-up of what this credential holds. */
export function asking(authorization?: string): Ask {
  return { headers: { 'l402-topup': 'ask', ...(authorization === undefined ? {} : { authorization }) } };
}

/** Asks for a top-up and pays for it; it is not presented yet. */
export async function buyTopUp(shop: Shop, path: string, { authorization }: Pick<Bought, 'authorization'>): Promise<Bought> {
  return shop.pay(await shop.get(path, asking(authorization)));
}

/** Presents one: the status, and what the answer says came of it. */
export async function present(shop: Shop, path: string, { authorization }: Pick<Bought, 'authorization'>): Promise<string> {
  return said(await shop.get(path, auth(authorization)));
}

/** The status, and what the answer says came of it. */
export function said({ status, headers }: Pick<Got, 'status' | 'headers'>): string {
  return `${status} ${headers['l402-topup'] ?? ''}`.trim();
}

/** All that was ever put into a token's account; nothing where it has none. */
export async function unitsOf({ store }: Pick<Shop, 'store'>, { macaroon }: Pick<Bought, 'macaroon'>): Promise<bigint> {
  return (await store.balance(useKeyOf(macaroon.identifier)))?.units ?? 0n;
}
