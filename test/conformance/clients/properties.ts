/**
 * Whatever is bought by whom, in whatever order and at whatever time, and however it ends: no limit is ever exceeded, and what is counted is what the
 * rows add up to.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readBudget } from '../../../src/client/budget/Limit.ts';
import type { ClientStore } from '../../../src/client/ClientStore.ts';
import type { NamedBudget, Purchase } from '../../../src/client/index.ts';
import * as Amount from '../../../src/core/Amount.ts';
import { fromUtf8, toHex } from '../../../src/core/internal/bytes.ts';
import { sha256 } from '../../../src/core/internal/sha256.ts';
import * as Preimage from '../../../src/core/Preimage.ts';
import { purchaseOf } from '../../../src/testing/clientStoreContract.ts';
import { recounted } from '../../../src/testing/recounted.ts';
import { exceededIn } from './exceeded.ts';
import { type ClientPlace, openClientAt } from './Place.ts';

/** Whom everything is bought by: budgets within budgets, of every kind of limit. */
export const houses: readonly (readonly NamedBudget[])[] = (() => {
  const owner = readBudget({
    name: 'owner',
    limits: [
      { per: 'day', max: '900 sat' },
      { per: 'month', max: '2500 sat' },
      { per: 'total', max: '4000 sat' },
      { per: 'hour', max: '300 sat', host: '*.example.com' },
    ],
  });
  const agent = (name: string) =>
    readBudget({
      name,
      limits: [
        { per: 'minute', max: '130 sat' },
        { per: 'week', max: '1500 sat' },
        { per: 'day', max: '250 sat', tag: 'job' },
        { per: 'request', max: '80 sat' },
      ],
    });
  const task = readBudget({ name: 'task', limits: [{ per: 'total', max: '400 sat' }] });
  return [
    [owner, agent('one')],
    [owner, agent('two')],
    [owner, agent('two'), task],
    [readBudget({ name: 'alone', limits: [{ per: 'hour', max: '200 sat' }] })],
  ];
})();

/** What stands in the store. */
export const standingBudget = {
  name: '',
  limits: [
    { per: 'hour', max: '700 sat' },
    { per: 'total', max: '3000 sat', host: 'elsewhere.org' },
  ],
} as const;

const origins = ['https://api.example.com', 'https://example.com', 'https://elsewhere.org:8443', 'https://elsewhere.org'];
const start = 1_800_000_000;

/** One thing that happens. */
type Act =
  | { readonly kind: 'reserve'; readonly house: number; readonly origin: number; readonly tagged: boolean; readonly amountSat: number; readonly feeSat: number }
  | { readonly kind: 'dispatch' | 'doubt' | 'fail' | 'release' | 'abandon' | 'again'; readonly which: number }
  | { readonly kind: 'settle'; readonly which: number; readonly part: number }
  | { readonly kind: 'pass'; readonly seconds: number };

const which = fc.nat({ max: 40 });
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('reserve' as const),
      house: fc.nat({ max: houses.length - 1 }),
      origin: fc.nat({ max: origins.length - 1 }),
      tagged: fc.boolean(),
      amountSat: fc.integer({ min: 1, max: 90 }),
      feeSat: fc.integer({ min: 0, max: 20 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('dispatch' as const), which }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('settle' as const), which, part: fc.integer({ min: 0, max: 100 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('doubt' as const, 'fail' as const, 'release' as const, 'abandon' as const, 'again' as const), which }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      seconds: fc.oneof(fc.nat({ max: 90 }), fc.nat({ max: 90_000 }), fc.integer({ min: -7200, max: 0 })),
    }),
  },
);

/** Plays sequences, and looks at everything after each act. */
export function testClientProperties(newPlace: () => ClientPlace, runs: number): void {
  test('no limit is ever exceeded, and the sums are those of the rows', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 10, maxLength: 40 }), async (acts) => {
        const store = await openClientAt(newPlace());
        try {
          await store.budgets.put(standingBudget);
          await play(store, acts);
        } finally {
          await store.close();
        }
      }),
      { numRuns: runs },
    );
  });
}

async function play(store: ClientStore, acts: readonly Act[]): Promise<void> {
  let nowAt = start;
  let count = 0;
  const owner = 'client.1';
  const made: { readonly purchase: Purchase; readonly word: string }[] = [];
  const lease = () => ({ owner, leaseEndsAt: nowAt + 15 });
  const reserve = (purchase: Purchase, house: number, tagged: boolean, feeSat: number) =>
    store.reserve({
      purchase,
      minFeeMsat: Amount.zero,
      maxFeeMsat: Amount.fromSat(feeSat),
      budgets: houses[house] ?? [],
      tags: tagged ? ['job'] : [],
      ...lease(),
      nowAt,
    });
  for (const one of acts) {
    if (one.kind === 'pass') nowAt += one.seconds;
    else if (one.kind === 'reserve') {
      const word = `property-${count++}`;
      const resource = toHex(sha256(fromUtf8(word)));
      const purchase = purchaseOf(word, { resource, origin: origins[one.origin] ?? '', amountMsat: Amount.fromSat(one.amountSat) });
      made.push({ purchase, word });
      await reserve(purchase, one.house, one.tagged, one.feeSat);
    } else await end(one, made[one.which % Math.max(1, made.length)]);
    const audit = await store.audit();
    expect(exceededIn(audit, houses.flat())).toEqual([]);
    expect(await recounted(store)).toEqual([]);
  }

  async function end(one: Exclude<Act, { kind: 'pass' | 'reserve' }>, bought: (typeof made)[number] | undefined): Promise<void> {
    if (bought === undefined) return;
    const { paymentHash } = bought.purchase;
    const payment = await store.get(paymentHash);
    switch (one.kind) {
      case 'again':
        return void (await reserve(bought.purchase, one.which % houses.length, one.which % 2 === 0, 5));
      case 'dispatch':
        return void (await store.dispatch({ paymentHash, ...lease(), nowAt }));
      case 'settle': {
        // What was said to have failed and is paid all the same is counted too, and may be too much: then spending stops.
        if (!payment || payment.state === 'failed') return;
        const feeMsat = ((payment.reservedMsat - payment.amountMsat) * BigInt(one.part)) / 100n;
        const preimage = Preimage.fromBytes(sha256(fromUtf8(bought.word)));
        return void (await store.step(paymentHash, { kind: 'settle', preimage, spentMsat: (payment.amountMsat + feeMsat) as Amount.Msat }, nowAt));
      }
      case 'fail':
        return void (await store.step(paymentHash, { kind: 'fail', note: 'no-route' }, nowAt));
      case 'doubt':
        return void (await store.step(paymentHash, { kind: 'doubt', note: 'lost' }, nowAt));
      case 'abandon':
        return void (await store.step(paymentHash, { kind: 'abandon' }, nowAt));
      case 'release':
        return void (await store.step(paymentHash, { kind: 'release', owner }, nowAt));
    }
  }
}
