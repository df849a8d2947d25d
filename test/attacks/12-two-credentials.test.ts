/**
 * Two credentials in one request, one good and one forged: what is metered, limited and logged belongs to the good one.
 */
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/core/internal/bytes.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import * as Receipt from '../../src/core/Receipt.ts';
import type { PaywallEvent } from '../../src/server/Events.ts';
import type { Ask, Bought, Shop } from '../conformance/shop/shop.ts';
import { auth, challengeOf, codeOf, enter, expectRefused, expectServed, narrowed, path, wires } from './thief.ts';

const hashOf = ({ macaroon }: Pick<Bought, 'macaroon'>) => toHex(macaroon.identifier.subarray(2, 34));

/** What is sent beside a good credential: somebody else's token, which the thief has seen and cannot pay for or sign. */
const forgeries: readonly (readonly [string, (victim: Bought, good: Bought) => string])[] = [
  ['another’s token, without its preimage', (victim, good) => `L402 ${victim.token}:${good.preimage}`],
  ['another’s token, with a preimage of zeros', (victim) => `L402 ${victim.token}:${'0'.repeat(64)}`],
  [
    'another’s identifier under one’s own signature',
    (victim, good) => `L402 ${Macaroon.format({ ...good.macaroon, identifier: victim.macaroon.identifier })}:${good.preimage}`,
  ],
  [
    'one’s own identifier under another’s signature',
    (victim, good) => `L402 ${Macaroon.format({ ...victim.macaroon, identifier: good.macaroon.identifier })}:${good.preimage}`,
  ],
  [
    'one’s own token with a caveat cut off',
    (_, good) => `L402 ${Macaroon.format({ ...good.macaroon, caveats: good.macaroon.caveats.slice(0, -1) })}:${good.preimage}`,
  ],
  ['nonsense', () => 'L402 AAAA:0000'],
  ['one’s own token, narrowed to what fails', (_, good) => narrowed(good, 'path_prefix=/elsewhere')],
];

/** The ways in which two credentials come with one request. */
const ways: readonly (readonly [string, (forged: string, good: string) => Ask])[] = [
  ['two lines, the forged one first', (forged, good) => auth([forged, good])],
  ['two lines, the good one first', (forged, good) => auth([good, forged])],
  ['one line, the forged one first', (forged, good) => auth(`${forged}, ${good}`)],
  ['one line, the good one first', (forged, good) => auth(`${good}, ${forged}`)],
  ['the good one in a header of its own', (forged, good) => ({ headers: { authorization: forged, 'l402-authorization': good } })],
  ['the forged one in a header of its own', (forged, good) => ({ headers: { authorization: good, 'l402-authorization': forged } })],
  ['another scheme between them', (forged, good) => auth([forged, 'Basic YTpi', good])],
];

/** Everything that anybody is told of this request names the payment that was good for it. */
async function expectBelongsTo(shop: Shop, events: readonly PaywallEvent[], good: Bought, ask: Ask): Promise<void> {
  const told = events.length;
  const delivered = shop.ended('delivered', events.filter(({ kind }) => kind === 'delivered').length + 1);
  const { length } = shop.upstream.seen;
  const got = await expectServed(shop, () => shop.get(path, ask));
  await delivered;
  const rows = (await shop.store.ledger({ after: 0, limit: 100 })).slice(-2);
  expect(rows.map(({ kind, paymentHash }) => [kind, paymentHash])).toEqual([
    ['received', hashOf(good)],
    ['earned', hashOf(good)],
  ]);
  const named = events.slice(told).flatMap((event) => ('paymentHash' in event ? [event.paymentHash] : []));
  expect(new Set(named)).toEqual(new Set([hashOf(good)]));
  expect(Receipt.parse(String(got.headers['payment-receipt'])).reference).toBe(hashOf(good));
  const seen = shop.upstream.seen[length];
  const principal = seen?.headers['x-principal'];
  if (typeof principal === 'string') expect(JSON.parse(principal)).toMatchObject({ paymentHash: hashOf(good), amountMsat: '50000', capabilities: [] });
}

describe.each(wires)('%s', (name) => {
  test.each(ways)('%s: the good one is metered, the other is left alone', async (_, send) => {
    const shop = await enter(name);
    const events: PaywallEvent[] = [];
    shop.paywall.events.on((event) => events.push(event));
    for (const [, forge] of forgeries) {
      const [victim, good] = [await shop.buy(path), await shop.buy(path)];
      await expectBelongsTo(shop, events, good, send(forge(victim, good), good.authorization));
      expect(codeOf(await shop.get(path, auth(good.authorization)))).toBe('CREDENTIAL_USED');
      // What was paid for by somebody else is still there for him.
      await expectBelongsTo(shop, events, victim, auth(victim.authorization));
    }
  });

  test('two good ones: the first is used, and the second is there for the next request', async () => {
    const shop = await enter(name);
    const [one, two] = [await shop.buy(path), await shop.buy(path)];
    await expectServed(shop, () => shop.get(path, auth([one.authorization, two.authorization])));
    await shop.ended('delivered');
    await expectRefused(shop, () => shop.get(path, auth(one.authorization)), { status: 402, code: 'CREDENTIAL_USED', asks: ['claim'] });
    await expectServed(shop, () => shop.get(path, auth(two.authorization)));
  });

  test('a good one for something else does not lend itself to a forged one for this', async () => {
    const shop = await enter(name);
    const [cheap, dear] = [await shop.buy(path), await challengeOf(shop, '/vault')];
    for (const value of [[cheap.authorization, `L402 ${dear.token}:${cheap.preimage}`], `L402 ${dear.token},${cheap.token}:${cheap.preimage}`]) {
      await expectRefused(shop, () => shop.get('/vault', auth(value as string)), { status: 402, code: 'CREDENTIAL_WRONG_SERVICE' });
    }
  });

  test('two forged ones are none: refused without a look at the store', async () => {
    const shop = await enter(name);
    const [victim, good] = [await shop.buy(path), await shop.buy(path)];
    const forged = forgeries.slice(0, 3).map(([, forge]) => forge(victim, good));
    await expectRefused(shop, () => shop.get(path, auth(forged)), { status: 401, code: 'CREDENTIAL_UNPAID' });
  });
});
