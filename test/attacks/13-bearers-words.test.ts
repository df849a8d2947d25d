/**
 * A caveat that the bearer added reaching the upstream as if the gateway had vouched for it: what a handler or an upstream learns of a buyer
 * is what the seller wrote into the token, narrowed at most.
 */
import { describe, expect, test } from 'vitest';
import type { Shop } from '../conformance/shop/shop.ts';
import type { StandRoute } from '../conformance/shop/stands.ts';
import type { Upstream } from '../conformance/shop/upstream.ts';
import { auth, enter, expectServed, names, narrowed, path } from './thief.ts';

/** One service that names capabilities, beside the shop's, which name none. */
const shelves = ({ url }: Upstream): readonly StandRoute[] => [
  { methods: ['GET'], path: '/plain', upstream: url, options: { price: '50 sat', service: 'plain' } },
  { methods: ['GET'], path: '/listed', upstream: url, options: { price: '50 sat', service: 'listed', capabilities: ['read', 'list'] } },
];

/** Words of the bearer's own that narrow nothing, or that he may write, and that sound like the seller's. */
const words = [
  'token_id=admin',
  'budget_id=admin',
  'preimage_of=admin',
  'plain_capabilities=admin',
  'plain_capabilities=admin,read',
  'plain_price=50 sat',
  'plain_terms=per-request',
  'services=plain:0',
  'path_prefix=/plain',
  'method=GET',
  'scope=/plain',
];

/** Everything that the last request told the upstream. */
function heard(shop: Shop): string {
  const seen = shop.upstream.seen.at(-1);
  return JSON.stringify([seen?.url, seen?.headers, seen?.body]);
}

/** Who paid, as a handler hears it; the gateway tells nobody. */
function principalHeard(shop: Shop): { readonly [field: string]: unknown } | undefined {
  const said = shop.upstream.seen.at(-1)?.headers['x-principal'];
  return typeof said === 'string' ? (JSON.parse(said) as { readonly [field: string]: unknown }) : undefined;
}

describe.each(names)('%s', (name) => {
  test.each(words)('%s says nothing of the buyer', async (word) => {
    const shop = await enter(name, {}, { routes: shelves });
    const plain = await shop.buy('/plain');
    await expectServed(shop, () => shop.get('/plain', auth(plain.authorization)));
    const { paymentHash, tokenId, useKey, mintedAt, validUntil, ...without } = principalHeard(shop) ?? {};
    const bought = await shop.buy('/plain');
    const got = await shop.get('/plain', auth(narrowed(bought, word)));
    // A condition that nobody knows refuses; what is served is told as if the word had not been written.
    if (got.status !== 200) return expect([got.status, shop.upstream.seen.length]).toEqual([403, 1]);
    expect(heard(shop)).not.toContain('admin');
    expect(principalHeard(shop) ?? {}).toMatchObject(without);
  });

  test('capabilities are those that were sold, or fewer', async () => {
    const shop = await enter(name, {}, { routes: shelves });
    if (name === 'gateway') return;
    const sold = await shop.buy('/listed');
    await expectServed(shop, () => shop.get('/listed', auth(sold.authorization)));
    expect(principalHeard(shop)).toMatchObject({ service: 'listed', tier: 0, capabilities: ['read', 'list'], amountMsat: '50000', terms: 'per-request' });
    const more = await shop.buy('/listed');
    for (const list of ['read,list,admin', 'admin', 'read,list,', 'READ,LIST']) {
      const got = await shop.get('/listed', auth(narrowed(more, `listed_capabilities=${list}`)));
      if (list === 'read,list,') expect(principalHeard(shop)).toMatchObject({ capabilities: ['read', 'list'] });
      else expect(got.status, list).toBe(403);
    }
  });

  test('a tier is the seller’s: no bearer raises it, and a lower one is his', async () => {
    const shop = await enter(name, {}, { routes: shelves });
    const bought = await shop.buy('/plain');
    for (const value of ['plain:1', 'plain:255', 'plain:0,plain:9', 'plain:00,other:1'])
      expect((await shop.get('/plain', auth(narrowed(bought, `services=${value}`)))).status, value).toBe(403);
    expect(shop.upstream.seen.length).toBe(0);
  });

  test('no word of a token, and no word of a client about one, is heard upstream', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const said = {
      'x-principal': 'admin',
      'x-l402-tier': '9',
      'l402-capabilities': 'admin',
      'l402-payment': 'charged',
      'x-payment-hash': 'mine',
      'x-l402-payment-hash': 'admin',
    };
    await expectServed(shop, () => shop.get(path, auth(narrowed(bought, 'token_id=secret-word', 'budget_id=secret-word'), said)));
    expect(heard(shop)).not.toContain('secret-word');
    expect(heard(shop)).not.toContain(bought.preimage);
    const { headers } = shop.upstream.seen.at(-1) as { headers: { [name: string]: unknown } };
    for (const ours of ['x-l402-tier', 'l402-capabilities', 'l402-payment', 'x-l402-payment-hash']) expect(headers[ours]).toBeUndefined();
  });
});
