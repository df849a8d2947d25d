/**
 * What is carved out of a balance, whatever is done with it: opened, spent, given back and closed in any order, at the same time, with gateways that
 * die in between, through the paywall and on every store, against a model that is nothing but sums.
 *
 * Nobody spends more than was carved out for him, all together no more than the whole; and what is set aside is there for whom it is meant, as long
 * as nobody has died.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as Amount from '../../../src/core/Amount.ts';
import type { Clock } from '../../../src/core/Clock.ts';
import * as Macaroon from '../../../src/core/Macaroon.ts';
import * as Path from '../../../src/http/Path.ts';
import type { RequestView } from '../../../src/http/RequestView.ts';
import { createSandboxNetwork } from '../../../src/lightning/sandbox.ts';
import * as Offer from '../../../src/server/Offer.ts';
import { createPaywall } from '../../../src/server/Paywall.ts';
import * as Price from '../../../src/server/Price.ts';
import { createRootKeys } from '../../../src/server/RootKeys.ts';
import { bucket } from '../../../src/server/terms/Bucket.ts';
import type { Sale } from '../../../src/server/terms/Terms.ts';
import * as Books from '../../../src/store/Books.ts';
import type { Store } from '../../../src/store/Store.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';

const whole = 12;
const leaseSeconds = 30;
/** Routes that take one unit and three. */
const routes = [1, 3].map((weight) =>
  Offer.create({
    service: 'api',
    route: `GET /${weight}`,
    pattern: `/${weight}`,
    price: Price.fixed('12 sat'),
    terms: bucket({ units: whole, weight, servicePriceMsat: Amount.parse('12 sat') }),
  }),
);

type Step =
  | { readonly kind: 'open' | 'close'; readonly child: number }
  | { readonly kind: 'ask'; readonly by: readonly number[]; readonly route: 0 | 1 }
  | { readonly kind: 'end'; readonly sale: number; readonly how: 'served' | 'failed' | 'broken' | 'died' };

const child = fc.nat(2);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('open' as const, 'open' as const, 'close' as const), child }) },
  // The last number is whoever has the whole.
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('ask' as const), by: fc.array(fc.nat(3), { minLength: 1, maxLength: 4 }), route: fc.constantFrom(0, 1) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('end' as const), sale: fc.nat(5), how: fc.constantFrom('served', 'served', 'failed', 'broken', 'died') }),
  },
);
const play = fc.record({
  carved: fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 3, maxLength: 3 }),
  steps: fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }),
});

/** Tests one kind of store with so many plays, on a new store each time. */
export function testCarvings(openStore: (clock: Clock) => Promise<Store>, plays: number): void {
  test('nobody spends more than he was given, nor all together more than the whole', async () => {
    await fc.assert(
      fc.asyncProperty(play, async ({ carved, steps }) => {
        const clock = FixedClock.create();
        const sandbox = createSandboxNetwork({ clock });
        const store = await openStore(clock);
        const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'test' });
        const paywall = await createPaywall({ keys, receiver: sandbox.receiver('seller'), store, clock, leaseSeconds, inUseWaitMs: 0 });
        const decide = (offer: Offer.Offer, headers: Readonly<Record<string, string>>) =>
          paywall.check(view(offer, headers), Path.normalize(offer.pattern ?? '/'), offer);
        try {
          const challenged = await decide(routes[0] as Offer.Offer, {});
          if (challenged.kind !== 'challenge') throw new Error(challenged.kind);
          const { macaroon, invoice } = JSON.parse(String(challenged.answer.body)) as { macaroon: string; invoice: string };
          const paid = await sandbox.payer('buyer').pay({ invoice, maxFeeMsat: Amount.fromSat(100), timeoutSeconds: 10 });
          if (paid.kind !== 'settled') throw new Error(paid.kind);
          const bought = Macaroon.parse(macaroon);
          const holders = [...carved.map((units, index) => Macaroon.attenuate(bought, [`part=${index}`, `carved=${units}`])), bought].map(
            (token) => `L402 ${Macaroon.format(token)}:${paid.preimage}`,
          );
          const children = carved.map((units) => ({ units, spent: 0, held: 0, state: 'new' as 'new' | 'open' | 'closed' }));
          const sales: { readonly sale: Sale; readonly by: number; readonly takes: number; broken: boolean }[] = [];
          let spent = 0;
          let hasDied = false;
          for (const one of steps) {
            if (one.kind === 'end') {
              const [ended] = sales.splice(one.sale % Math.max(1, sales.length), 1);
              if (ended === undefined) continue;
              const mine = children[ended.by];
              if (one.how === 'died') {
                // Nobody goes on with it: its lease ends, and with it those of all others.
                hasDied = true;
                sales.length = 0;
                for (const each of children) each.held = 0;
                clock.advance(leaseSeconds * 1000 + 1);
                continue;
              }
              if (mine) mine.held -= ended.takes;
              const head = await ended.sale.head(one.how === 'failed' ? 503 : 200);
              if (one.how === 'broken') await ended.sale.end('upstream-broke');
              else if (one.how === 'served') await ended.sale.end('delivered');
              if (head.kind === 'lost') continue;
              // What broke off too often is spent: the store says which.
              const balance = await store.balance([...(await accounts(store))][0] ?? '');
              const now = Number(balance?.spent ?? 0n);
              if (mine) mine.spent += now - spent;
              spent = now;
            } else if (one.kind === 'ask') {
              const offer = routes[one.route] as Offer.Offer;
              const takes = one.route === 0 ? 1 : 3;
              const decisions = await Promise.all(one.by.map(async (by) => ({ by, decision: await decide(offer, { authorization: holders[by] ?? '' }) })));
              for (const { by, decision } of decisions) {
                const mine = children[by];
                if (decision.kind === 'pass' && decision.sale) {
                  sales.push({ sale: decision.sale, by, takes, broken: false });
                  if (mine) mine.held += takes;
                  if (mine) expect(mine.state).toBe('open');
                }
                // What is set aside is there for whom it is meant.
                else if (mine?.state === 'open' && !hasDied) expect(mine.units - mine.spent - mine.held).toBeLessThan(takes);
              }
            } else {
              const mine = children[one.child] as (typeof children)[number];
              const decision = await decide(routes[0] as Offer.Offer, { authorization: holders[one.child] ?? '', 'l402-carve': one.kind });
              const isDone = decision.kind === 'answer';
              if (one.kind === 'open' && mine.state === 'closed') expect(isDone).toBe(false);
              if (one.kind === 'open' && mine.state === 'open') expect(isDone).toBe(true);
              if (isDone) mine.state = one.kind === 'open' ? 'open' : 'closed';
            }
            for (const { units, spent: gone, held } of children) expect(gone + held).toBeLessThanOrEqual(units);
            expect(spent).toBeLessThanOrEqual(whole);
            expect((await Books.verify(store.audit())).discrepancies).toEqual([]);
          }
          for (const { sale } of sales) await sale.unanswered('upstream');
        } finally {
          await paywall.close();
          await store.close();
          await sandbox.close();
        }
      }),
      { numRuns: plays },
    );
  }, 120_000);
}

/** The account of the whole: what a payment's money is in. */
async function accounts(store: Store): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for await (const one of store.audit()) if (one.kind === 'payment') for (const { account } of one.credits) names.add(account);
  return names;
}

function view({ pattern }: Offer.Offer, headers: Readonly<Record<string, string>>): RequestView {
  return {
    method: 'GET',
    target: pattern ?? '/',
    clientAddress: '192.0.2.1',
    header: (name) => headers[name],
    headerLines: (name) => (headers[name] === undefined ? [] : [headers[name]]),
    readBody: async () => new Uint8Array(0),
  };
}
