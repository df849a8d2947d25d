/**
 * Everything that is counted call by call, each good for three calls on its path: buckets, credits, and parts that a holder hands on. What a
 * thief tries on one of them he tries on all.
 */
import * as Amount from '../../src/core/Amount.ts';
import { bucket } from '../../src/server/terms/Bucket.ts';
import { credit } from '../../src/server/terms/Credit.ts';
import { pass } from '../../src/server/terms/Pass.ts';
import type { Terms } from '../../src/server/terms/Terms.ts';
import type { Bought, Got, openShop, Shop } from '../conformance/shop/shop.ts';
import type { StandRoute } from '../conformance/shop/stands.ts';
import type { Upstream } from '../conformance/shop/upstream.ts';
import { askUntilFree, auth, codeOf, enter, narrowed } from './thief.ts';

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

/** Where they are sold; `/units/dear` takes 5 of the bucket's 6 units, `/credit/dear` 140 of the credit's 150 sat. */
export function countedRoutes({ url }: Pick<Upstream, 'url'>): readonly StandRoute[] {
  const sold = (path: string, price: string, terms: Terms): StandRoute => {
    return { methods: ['GET', 'POST'], path, upstream: url, options: { price, terms, service: path.split('/')[1] as string } };
  };
  const units = (weight: number) => bucket({ units: 6, weight, servicePriceMsat: Amount.parse('100 sat') });
  const small = credit({ creditMsat: Amount.parse('150 sat'), priceMsat: Amount.parse('90 sat') });
  const large = credit({ creditMsat: Amount.parse('1000 sat'), priceMsat: Amount.parse('900 sat') });
  return [
    sold('/pail/a', '100 sat', bucket({ units: 3 })),
    sold('/units/a', '100 sat', units(2)),
    sold('/units/dear', '100 sat', units(5)),
    sold('/credit/a', '50 sat', small),
    sold('/credit/dear', '140 sat', small),
    sold('/purse/a', '50 sat', large),
    sold('/club/a', '100 sat', pass({ seconds: 30 * 86_400 })),
  ];
}

/** Opens a shop that sells them, and makes as many invoices as anybody wants. */
export function enterCounted(name: Parameters<typeof openShop>[0], overrides: Parameters<typeof openShop>[1] = {}, given: Parameters<typeof openShop>[2] = {}) {
  const mintLimits = { perClientPerMinute: 100_000, perMinute: 100_000 };
  return enter(name, { mintLimits, ...overrides }, { routes: countedRoutes, ...given });
}

/** Buys one, and says how it is shown. */
export async function buyThing(shop: Shop, { path, part }: CountedThing): Promise<{ readonly bought: Bought; readonly shown: string }> {
  const bought = await shop.buy(path);
  return { bought, shown: part.length === 0 ? bought.authorization : narrowed(bought, ...part) };
}

/** How often it is served from now on, one call after the other, until it is not; and what is said then. */
export async function spendRest(shop: Shop, { path }: Pick<CountedThing, 'path'>, shown: string): Promise<readonly [served: number, said: string]> {
  for (let served = 0; ; served++) {
    const got = await askUntilFree(shop, path, auth(shown));
    if (got.status !== 200 || served > 100) return [served, saidBy(got)];
  }
}

/** A status, and the code of a refusal. */
function saidBy(got: Got): string {
  return codeOf(got) || String(got.status);
}
