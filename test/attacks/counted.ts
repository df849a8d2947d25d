/**
 * Everything that is counted call by call, each good for three calls on its path: buckets, credits, and parts that a holder hands on. What a
 * thief tries on one of them he tries on all.
 */
import { expect } from 'vitest';
import * as Macaroon from '../../src/core/Macaroon.ts';
import { type Bought, credential, type Got, type openShop, type Shop } from '../conformance/shop/shop.ts';
import { countedRoutes } from './countedRoutes.ts';
import { soon } from './soon.ts';
import { askUntilFree, auth, codeOf, enter } from './thief.ts';

/** One thing that is counted. */
export type CountedThing = {
  readonly what: string;
  /** Where it is bought, and good for {@link calls} calls. */
  readonly path: string;
  /** What makes a part of what is bought there; nothing where the whole is meant. */
  readonly part: readonly string[];
  /** Said to a call too many. */
  readonly usedUp: 'CREDENTIAL_USED' | 'CREDENTIAL_NARROWED';
};

/** What each of them is good for. */
export const calls = 3;

/** Every one of them. */
export const things: readonly CountedThing[] = [
  { what: 'a bucket of a route', path: '/pail/a', part: [], usedUp: 'CREDENTIAL_USED' },
  { what: 'a bucket of a service', path: '/units/a', part: [], usedUp: 'CREDENTIAL_USED' },
  { what: 'a credit', path: '/credit/a', part: [], usedUp: 'CREDENTIAL_USED' },
  { what: 'so many uses of a credit', path: '/purse/a', part: ['part=a', 'n_uses=3'], usedUp: 'CREDENTIAL_NARROWED' },
  { what: 'so many satoshis of a credit', path: '/purse/a', part: ['max_sats=199'], usedUp: 'CREDENTIAL_NARROWED' },
  { what: 'so many uses of a pass', path: '/club/a', part: ['part=a', 'n_uses=3'], usedUp: 'CREDENTIAL_NARROWED' },
];

/** The two that stand for the others where each costs much: a whole, and a part of a part. */
export const fewThings: readonly CountedThing[] = [
  things[2] as CountedThing,
  { what: 'a part of a part', path: '/purse/a', part: ['part=a', 'max_sats=900', 'part=b', 'n_uses=3'], usedUp: 'CREDENTIAL_NARROWED' },
];

/** Opens a shop that sells them, and makes as many invoices as anybody wants. */
export function enterCounted(name: Parameters<typeof openShop>[0], overrides: Parameters<typeof openShop>[1] = {}, given: Parameters<typeof openShop>[2] = {}) {
  const mintLimits = { perClientPerMinute: 100_000, perMinute: 100_000 };
  return enter(name, { mintLimits, ...overrides }, { routes: countedRoutes, ...given });
}

/** Buys one, as its holder has it. */
export async function buyThing(shop: Shop, { path, part }: Pick<CountedThing, 'path' | 'part'>): Promise<Bought> {
  const bought = await shop.buy(path);
  return { ...bought, ...credential(Macaroon.format(Macaroon.attenuate(bought.macaroon, part)), bought.preimage) };
}

/** Sees so many sales come to this; where a defence is missing, nobody waits for what never comes. */
export async function expectEnded(shop: Shop, kind: string, count = 1): Promise<void> {
  expect(await soon(shop.ended(kind, count)), `${kind}, number ${count}`).toBeUndefined();
}

/** How often it is served from now on, one call after the other, until it is not; and what is said then. */
export async function spendRest(
  shop: Shop,
  { path }: Pick<CountedThing, 'path'>,
  { authorization }: Pick<Bought, 'authorization'>,
): Promise<readonly [served: number, said: string]> {
  for (let served = 0; ; served++) {
    const got = await askUntilFree(shop, path, auth(authorization));
    if (got.status !== 200 || served > 100) return [served, saidBy(got)];
  }
}

/** A status, and the code of a refusal. */
function saidBy(got: Got): string {
  return codeOf(got) || String(got.status);
}
