/**
 * What holders hand on, whatever they do with it: trees of narrowings of any shape, calls at the same time, answers that fail, break off or are
 * left, through the paywall and on every store, against a model that is nothing but sums.
 *
 * No part serves more than it or anybody before it was given, all of them together no more than the first; and what is given back is there again.
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as Amount from '../../../src/core/Amount.ts';
import type { Clock } from '../../../src/core/Clock.ts';
import * as Macaroon from '../../../src/core/Macaroon.ts';
import type { Preimage } from '../../../src/core/Preimage.ts';
import * as Path from '../../../src/http/Path.ts';
import type { RequestView } from '../../../src/http/RequestView.ts';
import { createSandboxNetwork } from '../../../src/lightning/sandbox.ts';
import * as Offer from '../../../src/server/Offer.ts';
import { createPaywall } from '../../../src/server/Paywall.ts';
import * as Price from '../../../src/server/Price.ts';
import { createRootKeys } from '../../../src/server/RootKeys.ts';
import { bucket } from '../../../src/server/terms/Bucket.ts';
import { credit } from '../../../src/server/terms/Credit.ts';
import { pass } from '../../../src/server/terms/Pass.ts';
import type { Sale, Terms } from '../../../src/server/terms/Terms.ts';
import * as Books from '../../../src/store/Books.ts';
import type { Store } from '../../../src/store/Store.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';

/** What is bought, and what is handed on of it: on two routes, the second of which takes three times as much. */
type Root = { readonly units: bigint | undefined; readonly paidMsat: bigint; readonly routes: readonly [Route, Route] };
type Route = { readonly offer: Offer.Offer; readonly takes: bigint; readonly costMsat: bigint };

const route = (service: string, path: string, price: string, terms: Terms, takes: bigint, costMsat: bigint): Route => ({
  offer: Offer.create({ service, route: `GET /${service}${path}`, pattern: `/${service}${path}`, price: Price.fixed(price), terms }),
  takes,
  costMsat,
});
const units = (weight: number) => bucket({ units: 13, weight, servicePriceMsat: Amount.parse('12 sat') });
const balance = credit({ creditMsat: Amount.parse('20 sat'), priceMsat: Amount.parse('15 sat') });
const hour = pass({ seconds: 3600 });
const roots = {
  // A unit is worth 923 msat and a bit, which counts as 924.
  bucket: {
    units: 13n,
    paidMsat: 12_000n,
    routes: [route('bucket', '/a', '12 sat', units(1), 1n, 924n), route('bucket', '/b', '12 sat', units(3), 3n, 2770n)],
  },
  credit: {
    units: 20_000n,
    paidMsat: 15_000n,
    routes: [route('credit', '/a', '1 sat', balance, 1000n, 1000n), route('credit', '/b', '3 sat', balance, 3000n, 3000n)],
  },
  pass: { units: undefined, paidMsat: 5000n, routes: [route('pass', '/a', '5 sat', hour, 0n, 0n), route('pass', '/a', '5 sat', hour, 0n, 0n)] },
} as const satisfies Readonly<Record<string, Root>>;

/** One limit that a holder sets, with a word before it or without. */
type Limit = { readonly word: string | undefined; readonly condition: 'n_uses' | 'max_sats'; readonly most: number };
/** What a holder writes below a part that he has: the number says which, of those that are there. */
type Narrowing = { readonly of: number; readonly limits: readonly Limit[] };
type Ask = { readonly part: number; readonly route: 0 | 1 };
type Step =
  | { readonly kind: 'ask'; readonly asks: readonly Ask[] }
  | { readonly kind: 'end'; readonly sale: number; readonly how: Ending }
  | { readonly kind: 'wait' };
type Ending = 'served' | 'failed' | 'unanswered' | 'provoked' | 'left-early' | 'left-late' | 'broken';

const deepest = 4;
const limit: fc.Arbitrary<Limit> = fc.record({
  word: fc.constantFrom(undefined, 'a', 'b'),
  condition: fc.constantFrom('n_uses', 'max_sats'),
  most: fc.integer({ min: 0, max: 7 }),
});
const narrowing: fc.Arbitrary<Narrowing> = fc.record({ of: fc.nat(9), limits: fc.array(limit, { minLength: 1, maxLength: 2 }) });
const ask: fc.Arbitrary<Ask> = fc.record({ part: fc.nat(9), route: fc.constantFrom(0, 0, 1) });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('ask' as const), asks: fc.tuple(ask) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('ask' as const), asks: fc.array(ask, { minLength: 2, maxLength: 6 }) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      sale: fc.nat(5),
      how: fc.constantFrom<Ending>('served', 'served', 'served', 'failed', 'unanswered', 'provoked', 'left-early', 'left-late', 'broken', 'broken'),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'wait' as const }) },
);
const play = fc.record({
  root: fc.constantFrom<keyof typeof roots>('bucket', 'credit', 'credit', 'pass'),
  narrowings: fc.array(narrowing, { minLength: 1, maxLength: 7, size: 'max' }),
  steps: fc.array(step, { minLength: 1, maxLength: 30, size: 'max' }),
});

/** Something that is counted: how much there is of it, how much is gone, and how much calls under way may take. */
type Counter = {
  readonly unit: 'nothing' | 'units' | 'uses' | 'msat';
  readonly most: bigint;
  spent: bigint;
  held: bigint;
  readonly givenBack: Map<string, number>;
};
/** A part: what it says, and everything that its calls are counted on, the first first. `isRefused`: it allows nothing, whatever is asked. */
type Part = { readonly depth: number; readonly caveats: readonly string[]; readonly counters: readonly Counter[]; readonly isRefused: boolean };

/** The tree that the narrowings make. Equal words in equal hands are one part. */
function grow(root: Root, narrowings: readonly Narrowing[]) {
  const counters = new Map<string, Counter>();
  const counterOf = (name: string, unit: Counter['unit'], most: bigint): Counter => {
    const counter = counters.get(name) ?? { unit, most, spent: 0n, held: 0n, givenBack: new Map() };
    counters.set(name, counter);
    return counter;
  };
  const whole = root.units === undefined ? [] : [counterOf('', 'units', root.units)];
  const parts: Part[] = [{ depth: 0, caveats: [], counters: whole, isRefused: false }];
  for (const { of, limits } of narrowings) {
    const open = parts.filter(({ depth }) => depth < deepest);
    let part = open[of % open.length] as Part;
    const depth = part.depth + 1;
    for (const one of limits) part = narrow(part, one, root, counterOf);
    parts.push({ ...part, depth });
  }
  return { parts, counters };
}

function narrow(part: Part, { word, condition, most }: Limit, root: Root, counterOf: (name: string, unit: Counter['unit'], most: bigint) => Counter): Part {
  const caveats = [...part.caveats, ...(word === undefined ? [] : [`part=${word}`]), `${condition}=${most}`];
  const before = part.caveats.findLast((text) => text.startsWith(`${condition}=`));
  const isWider = before !== undefined && BigInt(before.slice(condition.length + 1)) < BigInt(most);
  const unit = condition === 'n_uses' ? 'uses' : 'msat';
  const limit = unit === 'msat' ? 1000n * BigInt(most) : BigInt(most);
  // A pass is worth what was paid for it, and costs nothing more with each call.
  const isPass = root.units === undefined;
  const isTooLittle = isPass && (unit === 'msat' ? limit < root.paidMsat : limit === 0n);
  // Of a pass nothing is taken, and what is given back is counted all the same.
  const whole = isPass && part.counters.length === 0 ? [counterOf('', 'nothing', 0n)] : part.counters;
  const counters = isPass && unit === 'msat' ? part.counters : [...whole, counterOf(caveats.join('|'), unit, limit)];
  return { ...part, caveats, counters, isRefused: part.isRefused || isWider || isTooLittle };
}

/** What one call takes of a counter. */
function takes({ unit }: Counter, { takes: units, costMsat }: Route): bigint {
  return { nothing: 0n, units, uses: 1n, msat: costMsat }[unit];
}

/** What is said to a call now: nothing where it is let through. */
function refusalOf({ counters, isRefused }: Part, route: Route): string | undefined {
  if (isRefused) return 'CREDENTIAL_NARROWED';
  const short = counters.find((counter) => counter.spent + counter.held + takes(counter, route) > counter.most);
  if (short === undefined) return undefined;
  if (short.spent + takes(short, route) <= short.most) return 'CREDENTIAL_IN_USE';
  return short.unit === 'units' ? 'CREDENTIAL_USED' : 'CREDENTIAL_NARROWED';
}

/** What becomes of what a call took. The first counter keeps count of what a buyer can bring about himself. */
function end({ part, route }: Running, how: Ending): 'charged' | 'not-charged' {
  const reason = { provoked: 'client-error', 'left-early': 'client-left', broken: 'upstream-broke' }[how as string];
  const [first] = part.counters;
  const times = (reason !== undefined && first?.givenBack.get(reason)) || 0;
  const isSpent = how === 'served' || how === 'left-late' || (reason !== undefined && times >= 3);
  if (reason !== undefined && !isSpent) first?.givenBack.set(reason, times + 1);
  for (const counter of part.counters) {
    counter.held -= takes(counter, route);
    if (isSpent) counter.spent += takes(counter, route);
  }
  return isSpent ? 'charged' : 'not-charged';
}

/** A call under way. */
type Running = { readonly part: Part; readonly route: Route; readonly sale: Sale };

/** Tests one kind of store with so many trees, each bought and spent to its end. */
export function testParts(open: (clock: Clock) => Promise<Store>, trees: number): void {
  test('no part exceeds itself or any before it, and whatever is given back is there again', async () => {
    const desk = await openDesk(open);
    try {
      await fc.assert(
        fc.asyncProperty(play, (one) => playTree(desk, one)),
        { numRuns: trees },
      );
      const { discrepancies, columns } = await Books.verify(desk.store.audit());
      expect([discrepancies, columns.held.amountMsat]).toEqual([[], 0n]);
    } finally {
      await desk.close();
    }
  }, 60_000);
}

async function openDesk(open: (clock: Clock) => Promise<Store>) {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const { store, rest } = listening(await open(clock));
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'test' });
  const mintLimits = { perClientPerMinute: 1_000_000, perMinute: 1_000_000 };
  const paywall = await createPaywall({ keys, receiver: sandbox.receiver('seller'), store, clock, mintLimits, inUseWaitMs: 0 });
  const payer = sandbox.payer('buyer');
  const decide = async (offer: Offer.Offer, authorization?: string) => {
    const path = offer.pattern ?? '/';
    const request: RequestView = {
      method: 'GET',
      target: path,
      clientAddress: '192.0.2.1',
      header: (name) => (name === 'authorization' ? authorization : undefined),
      headerLines: (name) => (name === 'authorization' && authorization !== undefined ? [authorization] : []),
      readBody: async () => new Uint8Array(0),
    };
    return paywall.check(request, Path.normalize(path), offer);
  };
  return {
    clock,
    store,
    /** Waits until every lease that time has made due is held for longer. */
    rest,
    /** Buys one. */
    buy: async (offer: Offer.Offer): Promise<{ readonly macaroon: Macaroon.Macaroon; readonly preimage: Preimage }> => {
      const decision = await decide(offer);
      if (decision.kind !== 'challenge') throw new Error(decision.kind);
      const { macaroon, invoice } = JSON.parse(String(decision.answer.body)) as { macaroon: string; invoice: string };
      const paid = await payer.pay({ invoice, maxFeeMsat: Amount.fromSat(100), timeoutSeconds: 10 });
      if (paid.kind !== 'settled') throw new Error(paid.kind);
      return { macaroon: Macaroon.parse(macaroon), preimage: paid.preimage };
    },
    /** Asks once: the sale that it is let through with, `free` where nothing is counted, or the code of its refusal. */
    ask: async (offer: Offer.Offer, authorization: string): Promise<Sale | string> => {
      const decision = await decide(offer, authorization);
      if ('answer' in decision) return (JSON.parse(String(decision.answer.body)) as { code: string }).code;
      return decision.sale ?? 'free';
    },
    close: async () => {
      await paywall.close();
      await store.close();
      await sandbox.close();
    },
  };
}

/** A store, and word of when nothing is being held for longer. */
function listening(store: Store) {
  const underWay = new Set<Promise<unknown>>();
  const extend: Store['extend'] = (request) => {
    const answer = store.extend(request);
    underWay.add(answer);
    return answer.finally(() => underWay.delete(answer));
  };
  return {
    store: { ...store, extend },
    rest: async (): Promise<void> => {
      await Promise.allSettled(underWay);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

/** Ends a sale as its carrier would. The answer is what was said of the charge where something was said of it. */
async function carryOut({ sale }: Running, how: Ending): Promise<string | undefined> {
  if (how === 'unanswered' || how === 'left-early') {
    await sale.unanswered(how === 'unanswered' ? 'upstream' : 'client-left');
    return undefined;
  }
  const { kind } = await sale.head({ served: 200, 'left-late': 206, broken: 200, failed: 503, provoked: 422 }[how]);
  if (how === 'served') await sale.end('delivered');
  if (how === 'left-late') await sale.end('client-left');
  if (how === 'broken') await sale.end('upstream-broke');
  return how === 'broken' ? undefined : kind;
}

type Desk = Awaited<ReturnType<typeof openDesk>>;

/** One tree, played from its purchase to the last call that it is good for. */
async function playTree({ clock, store, rest, buy, ask }: Desk, { root: kind, narrowings, steps }: typeof play extends fc.Arbitrary<infer T> ? T : never) {
  const root: Root = roots[kind];
  const bought = await buy(root.routes[0].offer);
  const { parts, counters } = grow(root, narrowings);
  const shown = parts.map(({ caveats }) => `L402 ${Macaroon.format(Macaroon.attenuate(bought.macaroon, caveats))}:${bought.preimage}`);
  const running: Running[] = [];
  /** What was let through, of all that was asked for at the same time. */
  const askAll = async (asks: readonly Ask[]) => {
    const asked = asks.map(({ part, route }) => ({ part: parts[part % parts.length] as Part, at: part % parts.length, route: root.routes[route] }));
    const alone = asked.length === 1 && asked[0] ? refusalOf(asked[0].part, asked[0].route) : undefined;
    const outcomes = await Promise.all(asked.map(({ at, route }) => ask(route.offer, shown[at] as string)));
    for (const [index, { part, route }] of asked.entries()) {
      const outcome = outcomes[index] as Sale | string;
      if (typeof outcome === 'string') continue;
      for (const counter of part.counters) counter.held += takes(counter, route);
      running.push({ part, route, sale: outcome });
    }
    for (const [index, { part, route }] of asked.entries()) {
      const outcome = outcomes[index];
      const isFree = part.counters.length === 0 && !part.isRefused;
      if (typeof outcome !== 'string') expect(part.isRefused || isFree).toBe(false);
      else if (isFree) expect(outcome).toBe('free');
      // Nothing came back meanwhile: what did not fit then does not fit now.
      else expect(refusalOf(part, route), outcome).toBeDefined();
      if (asked.length === 1) expect(typeof outcome === 'string' ? outcome : undefined).toBe(isFree ? 'free' : alone);
    }
    for (const { most, spent, held } of counters.values()) expect(spent + held <= most).toBe(true);
  };
  const endOne = async (at: number, how: Ending) => {
    const [sale] = running.splice(at, 1);
    if (sale === undefined) return;
    const said = await carryOut(sale, how);
    const charged = end(sale, how);
    if (said !== undefined) expect(said, how).toBe(charged);
  };

  for (const one of steps) {
    if (one.kind === 'ask') await askAll(one.asks);
    else if (one.kind === 'end') await endOne(one.sale % Math.max(1, running.length), one.how);
    else {
      clock.advance(12_000);
      await rest();
    }
    await compare(store, bought.macaroon, parts, counters);
  }
  // Whatever is under way fails, and what is left is there for whoever asks first.
  while (running.length > 0) await endOne(0, 'failed');
  for (const counter of counters.values()) expect(counter.held).toBe(0n);
  await compare(store, bought.macaroon, parts, counters);
  for (const [index, part] of parts.entries()) {
    for (let calls = 0; refusalOf(part, root.routes[0]) === undefined && part.counters.length > 0; calls++) {
      expect(calls).toBeLessThan(30);
      await askAll([{ part: index, route: 0 }]);
      await endOne(0, 'served');
    }
    await askAll([{ part: index, route: 0 }]);
  }
  await compare(store, bought.macaroon, parts, counters);
}

/** Holds every counter against its account: what was given, what is spent, what is set aside. One that nobody has called on has none. */
async function compare(store: Store, macaroon: Macaroon.Macaroon, parts: readonly Part[], counters: ReadonlyMap<string, Counter>): Promise<void> {
  const names = new Map([['', accountOf('farebox/use/1/', macaroon.identifier)]]);
  for (const { caveats } of parts) {
    for (let count = 1; count <= caveats.length; count++) {
      const before = caveats.slice(0, count);
      names.set(before.join('|'), accountOf('farebox/part/1/', Macaroon.attenuate(macaroon, before).signature));
    }
  }
  for (const [name, { most, spent, held }] of counters) {
    const found = await store.balance(names.get(name) as string);
    if (found === undefined) expect([name, spent, held]).toEqual([name, 0n, 0n]);
    else expect([name, found]).toEqual([name, { units: most, available: most - spent - held, reserved: held, spent }]);
  }
}

function accountOf(label: string, bytes: Uint8Array): string {
  return createHash('sha256').update(label).update(bytes).digest('hex');
}
