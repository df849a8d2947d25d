/**
 * What is carved out of a balance, whatever is done with it: opened, handed on narrower, spent, given back, closed and revoked in any order, at the
 * same time, with gateways that die in between, through the paywall and on every store, against a model that is nothing but sums.
 *
 * Nobody spends more than was carved out for him, all together no more than the whole; what is set aside is there for whom it is meant, as long as
 * nobody has died; and nothing is served, opened or closed with what was revoked, while all beside it is as good as before.
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
import type { Sale } from '../../../src/server/terms/Terms.ts';
import * as Books from '../../../src/store/Books.ts';
import type { Store } from '../../../src/store/Store.ts';
import { credential, type Desk, leaseSeconds, openDesk, partName, wholeName } from './desk.ts';

const whole = 12;
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

/** Who has what: three for whom something was carved out, somebody to whom the first of them handed two uses of his, and the one who has the whole. */
const carvers = 3;
const handedOn = 3;
const wholesaler = 4;
const uses = 2;

type Step =
  | { readonly kind: 'open' | 'close'; readonly by: number }
  | { readonly kind: 'ask'; readonly by: readonly number[]; readonly route: 0 | 1; readonly revokes: number | undefined }
  | { readonly kind: 'end'; readonly sale: number; readonly how: Ending };
type Ending = 'served' | 'failed' | 'broken' | 'died';

/** Mostly the two between whom something was handed on. */
const holder = fc.constantFrom(0, 0, 1, 2, handedOn, handedOn, wholesaler);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('open' as const, 'open' as const, 'close' as const), by: fc.nat(handedOn) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      by: fc.array(holder, { minLength: 1, maxLength: 4 }),
      route: fc.constantFrom<0 | 1>(0, 1),
      revokes: fc.option(fc.constantFrom(0, 0, 0, 1, 2, handedOn, wholesaler), { nil: undefined, freq: 8 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('end' as const), sale: fc.nat(5), how: fc.constantFrom('served', 'served', 'failed', 'broken', 'died') }),
  },
);
const play = fc.record({
  carved: fc.array(fc.integer({ min: 1, max: 8 }), { minLength: carvers, maxLength: carvers }),
  steps: fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }),
});

/** Tests one kind of store with so many plays, on a new store each time. */
export function testCarvings(openStore: (clock: Clock) => Promise<Store>, plays: number): void {
  test('nobody spends more than he was given, nor all together more than the whole', async () => {
    await fc.assert(
      fc.asyncProperty(play, async ({ carved, steps }) => {
        const desk = await openDesk(openStore);
        try {
          const played = await begin(desk, carved);
          for (const one of steps) {
            if (one.kind === 'end') await played.end(one.sale, one.how);
            else if (one.kind === 'ask') await played.ask(one.by, one.route, one.revokes);
            else await played.carve(one.by, one.kind);
            played.check();
            expect((await Books.verify(desk.store.audit())).discrepancies).toEqual([]);
          }
          await played.leave();
        } finally {
          await desk.close();
        }
      }),
      { numRuns: plays },
    );
  }, 120_000);
}

/** Buys the whole and hands it out. */
async function begin(desk: Desk, carved: readonly number[]): Promise<Play> {
  const bought = await desk.buy(routes[0] as Offer.Offer);
  const caveats = carved.map((units, index) => [`part=${index}`, `carved=${units}`]);
  const all = [...caveats, [...(caveats[0] ?? []), 'part=on', `n_uses=${uses}`], []];
  const holders = all.map((each): Holder => {
    const name = each.length === 0 ? undefined : partName(Macaroon.attenuate(bought.macaroon, each));
    return { shown: credential(bought, each), name, isRevoked: false };
  });
  return new Play(desk, wholeName(bought.macaroon), bought.macaroon, holders, carved);
}

/** Somebody with a token. `name`: of what was handed on to him; the whole has none. */
type Holder = { readonly shown: string; readonly name: string | undefined; isRevoked: boolean };
/** What was carved out. */
type Child = { readonly units: number; spent: number; held: number; state: 'new' | 'open' | 'closed' };
type Running = { readonly sale: Sale; readonly by: number; readonly takes: number };

/** A balance in use: each step is taken at the desk and in the model, which have to agree. */
class Play {
  readonly #desk: Desk;
  readonly #account: string;
  readonly #macaroon: Macaroon.Macaroon;
  readonly #holders: readonly Holder[];
  readonly #children: readonly Child[];
  /** What the one has used to whom it was handed on. */
  readonly #handedOn = { spent: 0, held: 0 };
  #sales: Running[] = [];
  #spent = 0;
  #hasDied = false;

  constructor(desk: Desk, account: string, macaroon: Macaroon.Macaroon, holders: readonly Holder[], carved: readonly number[]) {
    this.#desk = desk;
    this.#account = account;
    this.#macaroon = macaroon;
    this.#holders = holders;
    this.#children = carved.map((units): Child => ({ units, spent: 0, held: 0, state: 'new' }));
  }

  async carve(by: number, how: 'open' | 'close'): Promise<void> {
    const { shown, isRevoked } = this.#holders[by] as Holder;
    const decision = await this.#desk.decide(routes[0] as Offer.Offer, { authorization: shown, 'l402-carve': how });
    const isDone = decision.kind === 'answer';
    // It is for whom it was carved out, and for nobody whom he hands it on to.
    if (by === handedOn || isRevoked) return expect(isDone).toBe(false);
    const mine = this.#children[by] as Child;
    if (how === 'open' && mine.state === 'closed') expect(isDone).toBe(false);
    if (how === 'open' && mine.state === 'open') expect(isDone).toBe(true);
    if (isDone) mine.state = how === 'open' ? 'open' : 'closed';
  }

  /** @param revokes - whose token is revoked at the same time */
  async ask(by: readonly number[], route: 0 | 1, revokes: number | undefined): Promise<void> {
    const offer = routes[route] as Offer.Offer;
    const takes = route === 0 ? 1 : 3;
    const wasRevoked = this.#holders.map(({ isRevoked }) => isRevoked);
    const asking = Promise.all(by.map((one) => this.#desk.decide(offer, { authorization: this.#holders[one]?.shown ?? '' })));
    const heard = revokes === undefined ? undefined : this.#revoke(revokes);
    const [decisions] = await Promise.all([asking, heard]);
    for (const [index, one] of by.entries()) {
      const decision = decisions[index];
      if (decision?.kind !== 'pass' || decision.sale === undefined) continue;
      expect(wasRevoked[one]).toBe(false);
      this.#sales.push({ sale: decision.sale, by: one, takes });
      const child = this.#childOf(one);
      if (child) expect(child.state).toBe('open');
      if (child) child.held += takes;
      if (one === handedOn) this.#handedOn.held += 1;
    }
    const balance = await this.#desk.store.balance(this.#account);
    for (const [index, one] of by.entries()) {
      if (decisions[index]?.kind === 'pass' || this.#holders[one]?.isRevoked || this.#hasDied) continue;
      // What is set aside is there for whom it is meant, and what is not for whoever has the whole.
      const child = this.#childOf(one);
      const hasUses = one !== handedOn || this.#handedOn.spent + this.#handedOn.held < uses;
      if (child === undefined) expect(balance?.available).toBeLessThan(takes);
      else if (child.state === 'open' && hasUses) expect(child.units - child.spent - child.held).toBeLessThan(takes);
    }
  }

  async end(sale: number, how: Ending): Promise<void> {
    const [ended] = this.#sales.splice(sale % Math.max(1, this.#sales.length), 1);
    if (ended === undefined) return;
    if (how === 'died') return this.#die();
    const child = this.#childOf(ended.by);
    if (child) child.held -= ended.takes;
    if (ended.by === handedOn) this.#handedOn.held -= 1;
    const head = await ended.sale.head(how === 'failed' ? 503 : 200);
    if (how === 'broken') await ended.sale.end('upstream-broke');
    else if (how === 'served') await ended.sale.end('delivered');
    if (head.kind === 'lost') return;
    // What broke off too often is spent: the store says which.
    const now = Number((await this.#desk.store.balance(this.#account))?.spent ?? 0n);
    if (child) child.spent += now - this.#spent;
    if (ended.by === handedOn && now > this.#spent) this.#handedOn.spent += 1;
    this.#spent = now;
  }

  /** Nobody exceeds what he was given. */
  check(): void {
    for (const { units, spent, held } of this.#children) expect(spent + held).toBeLessThanOrEqual(units);
    expect(this.#handedOn.spent + this.#handedOn.held).toBeLessThanOrEqual(uses);
    expect(this.#spent).toBeLessThanOrEqual(whole);
  }

  async leave(): Promise<void> {
    for (const { sale } of this.#sales) await sale.unanswered('upstream');
  }

  /** Nobody goes on with what was under way: its lease ends, and with it those of all others. */
  async #die(): Promise<void> {
    this.#hasDied = true;
    this.#sales = [];
    for (const each of [...this.#children, this.#handedOn]) each.held = 0;
    await this.#desk.advance(leaseSeconds * 1000 + 1);
  }

  async #revoke(by: number): Promise<void> {
    const { name } = this.#holders[by] as Holder;
    const isHis = (index: number) => by === wholesaler || index === by || (by === 0 && index === handedOn);
    for (const [index, holder] of this.#holders.entries()) if (isHis(index)) holder.isRevoked = true;
    const { tokenId } = Identifier.decode(this.#macaroon.identifier);
    await this.#desk.revoke(name === undefined ? { kind: 'token', value: tokenId } : { kind: 'part', value: name });
  }

  #childOf(by: number): Child | undefined {
    return this.#children[by === handedOn ? 0 : by];
  }
}
