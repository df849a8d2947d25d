/**
 * What holders hand on, whatever they do with it: trees of narrowings of any shape, calls at the same time, answers that fail, break off or are
 * left, and revocations of a branch, of the token, of its payment, between calls and beside them; through the paywall and on every store, against a
 * model that is nothing but sums.
 *
 * No part serves more than it or anybody before it was given, all of them together no more than the first; what is given back is there again; and
 * nothing that was revoked is served, while everything beside it is as good as before.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as Amount from '../../../src/core/Amount.ts';
import type { Clock } from '../../../src/core/Clock.ts';
import * as Identifier from '../../../src/core/Identifier.ts';
import * as Macaroon from '../../../src/core/Macaroon.ts';
import * as Offer from '../../../src/server/Offer.ts';
import * as Price from '../../../src/server/Price.ts';
import { bucket } from '../../../src/server/terms/Bucket.ts';
import { credit } from '../../../src/server/terms/Credit.ts';
import { pass } from '../../../src/server/terms/Pass.ts';
import type { Sale, Terms } from '../../../src/server/terms/Terms.ts';
import * as Books from '../../../src/store/Books.ts';
import type { Store } from '../../../src/store/Store.ts';
import { type Bought, credential, type Desk, openDesk, partName, wholeName } from './desk.ts';

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
/** What is revoked: all, by the token or its payment, or what was handed on with one of the caveats of a part: the numbers say which. */
type Revocation = { readonly kind: 'token' | 'payment' | 'part'; readonly part: number; readonly caveat: number };
type Step =
  | { readonly kind: 'ask'; readonly asks: readonly Ask[] }
  | { readonly kind: 'end'; readonly sale: number; readonly how: Ending }
  | { readonly kind: 'revoke'; readonly what: Revocation; readonly asks: readonly Ask[] }
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
/** Mostly of a branch: when all is revoked there is nothing more to play for. */
const what: fc.Arbitrary<Revocation> = fc.record({
  kind: fc.constantFrom<Revocation['kind']>('part', 'part', 'part', 'part', 'part', 'part', 'token', 'payment'),
  part: fc.nat(9),
  caveat: fc.nat(9),
});
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
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('revoke' as const), what, asks: fc.array(ask, { maxLength: 4 }) }) },
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
/** A part: what it says, and everything that its calls are counted on, the first first. `isWider`: than one before it; `isTooLittle`: for any call. */
type Part = {
  readonly depth: number;
  readonly caveats: readonly string[];
  readonly counters: readonly Counter[];
  readonly isWider: boolean;
  readonly isTooLittle: boolean;
};
/**
 * What was handed on, and how much of it is used. `names`: of the whole ('') and of each caveat behind the others, where its use is counted and by which
 * it is revoked. `revoked`: those of them that are.
 */
type Tree = {
  readonly root: Root;
  readonly parts: readonly Part[];
  readonly counters: ReadonlyMap<string, Counter>;
  readonly names: ReadonlyMap<string, string>;
  readonly revoked: Set<string>;
};

/** The tree that the narrowings make. Equal words in equal hands are one part. */
function grow(root: Root, { macaroon }: Bought, narrowings: readonly Narrowing[]): Tree {
  const counters = new Map<string, Counter>();
  const counterOf = (name: string, unit: Counter['unit'], most: bigint): Counter => {
    const counter = counters.get(name) ?? { unit, most, spent: 0n, held: 0n, givenBack: new Map() };
    counters.set(name, counter);
    return counter;
  };
  const whole = root.units === undefined ? [] : [counterOf('', 'units', root.units)];
  const parts: Part[] = [{ depth: 0, caveats: [], counters: whole, isWider: false, isTooLittle: false }];
  for (const { of, limits } of narrowings) {
    const open = parts.filter(({ depth }) => depth < deepest);
    let part = open[of % open.length] as Part;
    const depth = part.depth + 1;
    for (const one of limits) part = narrow(part, one, root, counterOf);
    parts.push({ ...part, depth });
  }
  const names = new Map([['', wholeName(macaroon)]]);
  for (const before of parts.flatMap(({ caveats }) => prefixesOf(caveats))) {
    names.set(before.join('|'), partName(Macaroon.attenuate(macaroon, before)));
  }
  return { root, parts, counters, names, revoked: new Set() };
}

/** Every caveat with those before it. */
function prefixesOf(caveats: readonly string[]): readonly (readonly string[])[] {
  return caveats.map((_, index) => caveats.slice(0, index + 1));
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
  return { ...part, caveats, counters, isWider: part.isWider || isWider, isTooLittle: part.isTooLittle || isTooLittle };
}

/** What one call takes of a counter. */
function takes({ unit }: Counter, { takes: units, costMsat }: Route): bigint {
  return { nothing: 0n, units, uses: 1n, msat: costMsat }[unit];
}

/** Whether all of it was revoked, or anything on the way to this part. */
function isRevoked({ revoked }: Tree, { caveats }: Part): boolean {
  return revoked.has('') || prefixesOf(caveats).some((before) => revoked.has(before.join('|')));
}

/** What is said to a call now: nothing where it is let through. */
function refusalOf(tree: Tree, part: Part, route: Route): string | undefined {
  const { counters, isWider, isTooLittle } = part;
  if (isWider) return 'CREDENTIAL_NARROWED';
  if (isRevoked(tree, part)) return 'CREDENTIAL_REVOKED';
  if (isTooLittle) return 'CREDENTIAL_NARROWED';
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

/** One tree, played from its purchase to the last call that it is good for. */
async function playTree(desk: Desk, { root, narrowings, steps }: typeof play extends fc.Arbitrary<infer T> ? T : never): Promise<void> {
  const bought = await desk.buy(roots[root].routes[0].offer);
  const tree = grow(roots[root], bought, narrowings);
  const played = new Play(desk, bought, tree);
  for (const one of steps) {
    if (one.kind === 'ask') await played.ask(one.asks);
    else if (one.kind === 'end') await played.end(one.sale, one.how);
    else if (one.kind === 'revoke') await played.revoke(one.what, one.asks);
    else await desk.advance(12_000);
    await compare(desk.store, tree);
  }
  // Whatever is under way fails, and what is left is there for whoever asks first.
  while (played.running.length > 0) await played.end(0, 'failed');
  for (const counter of tree.counters.values()) expect(counter.held).toBe(0n);
  await compare(desk.store, tree);
  for (const [index, part] of tree.parts.entries()) {
    for (let calls = 0; refusalOf(tree, part, tree.root.routes[0]) === undefined && part.counters.length > 0; calls++) {
      expect(calls).toBeLessThan(30);
      await played.ask([{ part: index, route: 0 }]);
      await played.end(0, 'served');
    }
    await played.ask([{ part: index, route: 0 }]);
  }
  await compare(desk.store, tree);
}

/** A tree in use: each step is taken at the desk and in the model, which have to agree. */
class Play {
  readonly #desk: Desk;
  readonly #bought: Bought;
  readonly #tree: Tree;
  readonly #shown: readonly string[];
  readonly running: Running[] = [];

  constructor(desk: Desk, bought: Bought, tree: Tree) {
    this.#desk = desk;
    this.#bought = bought;
    this.#tree = tree;
    this.#shown = tree.parts.map(({ caveats }) => credential(bought, caveats));
  }

  /** Asks all at the same time; each is told what it has to be. */
  async ask(asks: readonly Ask[]): Promise<void> {
    const [only] = asks.map((ask) => this.#wanted(ask));
    const alone = only && asks.length === 1 ? (refusalOf(this.#tree, only.part, only.route) ?? (isFree(only.part) ? 'free' : undefined)) : undefined;
    const outcomes = await this.#askAll(asks);
    for (const { part, outcome } of outcomes) {
      if (isFree(part)) expect(outcome).toBe(isRevoked(this.#tree, part) ? 'CREDENTIAL_REVOKED' : 'free');
      if (asks.length === 1) expect(typeof outcome === 'string' ? outcome : undefined).toBe(alone);
    }
  }

  /** Revokes while these are asked: each is let through, or refused as revoked; what was let through goes on, and nothing after it. */
  async revoke(what: Revocation, asks: readonly Ask[]): Promise<void> {
    const { revoked, names } = this.#tree;
    const { paymentHash, tokenId } = Identifier.decode(this.#bought.macaroon.identifier);
    const { caveats } = this.#wanted({ part: what.part, route: 0 }).part;
    const before = caveats.slice(0, 1 + (what.caveat % Math.max(1, caveats.length))).join('|');
    // Of whoever was handed nothing, no part can be revoked.
    if (what.kind === 'part' && before === '') return;
    const value = { token: tokenId, payment: paymentHash as string, part: names.get(before) as string }[what.kind];
    const heard = this.#desk.revoke({ kind: what.kind, value });
    const asked = this.#askAll(asks, () => revoked.add(what.kind === 'part' ? before : ''));
    await Promise.all([heard, asked]);
    for (const { part, outcome } of await asked) {
      if (isFree(part)) expect(isRevoked(this.#tree, part) ? ['CREDENTIAL_REVOKED', 'free'] : ['free']).toContain(outcome);
    }
  }

  async end(sale: number, how: Ending): Promise<void> {
    const [ended] = this.running.splice(sale % Math.max(1, this.running.length), 1);
    if (ended === undefined) return;
    const said = await carryOut(ended, how);
    const charged = end(ended, how);
    if (said !== undefined) expect(said, how).toBe(charged);
  }

  #wanted({ part, route }: Ask): { readonly part: Part; readonly route: Route; readonly shown: string } {
    const at = part % this.#tree.parts.length;
    return { part: this.#tree.parts[at] as Part, route: this.#tree.root.routes[route], shown: this.#shown[at] as string };
  }

  /** @param onAsked - told when all are on their way: what it changes in the model may hold for any of them */
  async #askAll(asks: readonly Ask[], onAsked = () => {}) {
    const asked = asks.map((ask) => this.#wanted(ask));
    const mayPass = asked.map(({ part }) => !part.isWider && !part.isTooLittle && !isRevoked(this.#tree, part) && !isFree(part));
    const asking = Promise.all(asked.map(({ route, shown }) => outcomeOf(this.#desk, route.offer, shown)));
    onAsked();
    const outcomes = await asking;
    const all = asked.map((one, index) => ({ ...one, outcome: outcomes[index] as Sale | string }));
    for (const [index, { part, route, outcome }] of all.entries()) {
      if (typeof outcome === 'string') continue;
      expect(mayPass[index]).toBe(true);
      for (const counter of part.counters) counter.held += takes(counter, route);
      this.running.push({ part, route, sale: outcome });
    }
    // Nothing came back meanwhile: what did not fit then does not fit now.
    for (const { part, route, outcome } of all) {
      if (typeof outcome === 'string' && outcome !== 'free') expect(refusalOf(this.#tree, part, route), outcome).toBeDefined();
    }
    for (const { most, spent, held } of this.#tree.counters.values()) expect(spent + held <= most).toBe(true);
    return all;
  }
}

/** Whether nobody counts what is asked with it: a pass that nobody has limited. */
function isFree({ counters, isWider, isTooLittle }: Part): boolean {
  return counters.length === 0 && !isWider && !isTooLittle;
}

/** Asks once: the sale that it is let through with, `free` where nothing is counted, or the code of its refusal. */
async function outcomeOf(desk: Desk, offer: Offer.Offer, authorization: string): Promise<Sale | string> {
  const decision = await desk.decide(offer, { authorization });
  if ('answer' in decision) return (JSON.parse(String(decision.answer.body)) as { code: string }).code;
  return decision.sale ?? 'free';
}

/** Holds every counter against its account: what was given, what is spent, what is set aside. One that nobody has called on has none. */
async function compare(store: Store, { counters, names }: Tree): Promise<void> {
  for (const [name, { most, spent, held }] of counters) {
    const found = await store.balance(names.get(name) as string);
    if (found === undefined) expect([name, spent, held]).toEqual([name, 0n, 0n]);
    else expect([name, found]).toEqual([name, { units: most, available: most - spent - held, reserved: held, spent }]);
  }
}
