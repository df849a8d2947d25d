/**
 * Buyers that want everything that is sold, at all gateways: what each wants, and what it does to what it has, hangs on the seed and its
 * number alone.
 */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import * as Amount from '../../../src/core/Amount.ts';
import * as Bolt11 from '../../../src/core/Bolt11.ts';
import * as Challenge from '../../../src/core/Challenge.ts';
import * as Macaroon from '../../../src/core/Macaroon.ts';
import { purses } from '../actors/SellerActor.ts';
import { accountOf } from '../counted.ts';
import { createDice, type Dice } from '../dice.ts';
import type { Behaviour } from '../Upstream.ts';
import { type Caller, createCaller, type Got } from './Caller.ts';
import { sellerCount } from './faults.ts';
import { bump, type Town } from './Town.ts';
import type { Part, Story, Ware, WareTerms } from './Ware.ts';

/** How much is bought. */
export type Shopping = { readonly town: Town; readonly story: Story; readonly seed: string; readonly buyers: number; readonly calls: number };

type Buyer = {
  readonly number: number;
  readonly dice: Dice;
  readonly caller: Caller;
  readonly purses: Map<WareTerms, Ware>;
  /** Items whose claim somebody holds who is gone, and the epoch in which that was said. */
  readonly waiting: { readonly ware: Ware; readonly name: string; readonly epoch: number }[];
  names: number;
};

/** What was asked for, and what came. `name`: the upstream's. */
type Call = { readonly ware: Ware; readonly path: string; readonly name: string; readonly part?: Part; readonly authorization: string };

/** Longer than any lease, also of a gateway whose clock is ahead. */
const pastEveryLeaseMs = 90_000;

/** So often is a call that was turned away tried again before it is left for later. */
const mostTries = 12;

/** Buys until all buyers together have made so many calls, then finishes what is begun: time moves on past every lease for that. */
export async function shop({ town, story, seed, buyers: count, calls }: Shopping): Promise<void> {
  const buyers = Array.from({ length: count }, (_, number): Buyer => {
    const dice = createDice(`${seed}/buyer ${number}`);
    return { number, dice, caller: createCaller(number), purses: new Map(), waiting: [], names: 0 };
  });
  try {
    await Promise.all(
      buyers.map(async (buyer) => {
        while (story.calls < calls && story.findings.length === 0) {
          await finishOld(buyer, town, story);
          await doSomething(buyer, town, story);
        }
      }),
    );
    await town.calm();
    for (let round = 0; round < 4 && buyers.some(({ waiting }) => waiting.length > 0); round++) {
      town.move(pastEveryLeaseMs);
      await Promise.all(buyers.map((buyer) => finishOld(buyer, town, story)));
    }
    for (const { waiting } of buyers) for (const { name } of waiting) story.findings.push(`${name} is still held by somebody after every lease has ended`);
    // A pass is written down behind the answer, by the next use where a gateway was killed in between; other calls may all have been turned away.
    town.move(pastEveryLeaseMs);
    const unseen = story.wares.filter(({ terms, whole, isOver }) => terms !== 'item' && !isOver && (terms === 'pass' || whole === 0));
    const shares = Map.groupBy(unseen, (ware) => unseen.indexOf(ware) % count);
    await Promise.all(buyers.map((buyer) => presentLast(buyer, shares.get(buyer.number) ?? [], town, story)));
    town.move(pastEveryLeaseMs);
  } finally {
    for (const { caller } of buyers) caller.close();
  }
}

async function doSomething(buyer: Buyer, town: Town, story: Story): Promise<void> {
  const { dice } = buyer;
  const thrown = dice.below(100);
  if (thrown < 16) return buyItem(buyer, town, story);
  if (thrown < 21) return takeFree(buyer, town, story);
  const terms = dice.pick(['pass', 'bucket', 'units', 'credit', 'credit'] as const);
  const ware = await purseOf(buyer, terms, town, story);
  if (ware === undefined) return;
  if (dice.chance(12)) return useParts(buyer, ware, town, story);
  const times = dice.chance(25) ? 3 : 1;
  await Promise.all(Array.from({ length: times }, () => useOnce(buyer, callFor(buyer, ware), town, story)));
}

/** One request for one payment: again until it is answered, or its use is gone with an answer that broke off. */
async function buyItem(buyer: Buyer, town: Town, story: Story): Promise<void> {
  const name = nameOf(buyer, 'item');
  const ware = await buy(buyer, 'item', name, town, story);
  if (ware === undefined) return;
  script(buyer, name, town);
  await insist(buyer, ware, name, town, story);
}

/** Shows an item's payment until it has brought what it can. */
async function insist(buyer: Buyer, ware: Ware, name: string, town: Town, story: Story): Promise<void> {
  const { dice } = buyer;
  const call: Call = { ware, path: `/item/${name}`, name, authorization: `L402 ${ware.token}:${ware.preimage}` };
  const isTwice = dice.chance(15);
  const isShownAgain = dice.chance(15);
  if (isTwice) bump(story.done, 'asked twice at the same instant');
  for (let tries = 0; tries < mostTries; tries++) {
    const got = await Promise.all(Array.from({ length: isTwice ? 2 : 1 }, () => ask(buyer, call, town, story, tries === 0)));
    const isBusy = got.some((one) => one.kind === 'answered' && one.status === 409);
    if (ware.whole > 0 || ware.isOver) {
      if (isShownAgain) {
        bump(story.done, 'shown again when it was used');
        await ask(buyer, call, town, story);
      }
      return;
    }
    // Whoever holds it may be dead: when its lease has ended it is free.
    if (isBusy && tries > 1) break;
    await pause(50 + dice.below(100));
  }
  buyer.waiting.push({ ware, name, epoch: town.epoch() });
}

/** Takes up again what somebody held who was gone. */
async function finishOld(buyer: Buyer, town: Town, story: Story): Promise<void> {
  const due = buyer.waiting.filter(({ epoch }) => epoch < town.epoch());
  buyer.waiting.splice(0, buyer.waiting.length, ...buyer.waiting.filter(({ epoch }) => epoch >= town.epoch()));
  for (const { ware, name } of due) await insist(buyer, ware, name, town, story);
}

/** Three parts of the same limits, used by helpers at once, one call too many each. */
async function useParts(buyer: Buyer, ware: Ware, town: Town, story: Story): Promise<void> {
  bump(story.done, 'handed on');
  const calls = Array.from({ length: 2 }, (_, index) => {
    const macaroon = Macaroon.attenuate(Macaroon.parse(ware.token), [`part=${nameOf(buyer, String(index))}`, 'n_uses=2']);
    const account = createHash('sha256').update('farebox/part/1/').update(macaroon.signature).digest('hex');
    const part: Part = { account, uses: 2, whole: 0 };
    ware.parts.push(part);
    return Array.from({ length: 3 }, () => ({ ...callFor(buyer, ware), part, authorization: `L402 ${Macaroon.format(macaroon)}:${ware.preimage}` }));
  });
  await Promise.all(calls.flat().map((call) => useOnce(buyer, call, town, story)));
}

/** One call of what is counted, or of a pass; it is not said again where it failed. */
async function useOnce(buyer: Buyer, call: Call, town: Town, story: Story): Promise<void> {
  script(buyer, call.name, town);
  const got = await ask(buyer, call, town, story, true);
  if (call.part === undefined && call.ware.isOver && buyer.purses.get(call.ware.terms) === call.ware) buyer.purses.delete(call.ware.terms);
  if (got.kind === 'refused' || (got.kind === 'answered' && (got.status === 409 || got.status === 503))) await pause(50 + buyer.dice.below(100));
}

async function takeFree(buyer: Buyer, town: Town, story: Story): Promise<void> {
  const seller = buyer.dice.below(sellerCount);
  const life = town.lifeOf(seller);
  const name = nameOf(buyer, 'free');
  town.asks(name, seller);
  const got = await buyer.caller.ask(`${town.urlOf(seller)}/free/${name}`);
  story.calls += 1;
  if (got.kind === 'answered' && got.status === 200 && got.whole) {
    bump(story.free, `${buyer.number} at ${life}`);
    if (got.charge !== 'free') story.findings.push(`${name} was served without a payment`);
  }
}

/** What the buyer has under these terms, bought where it has nothing. */
async function purseOf(buyer: Buyer, terms: WareTerms, town: Town, story: Story): Promise<Ware | undefined> {
  const held = buyer.purses.get(terms);
  if (held) return held;
  const bought = await buy(buyer, terms, nameOf(buyer, terms), town, story);
  if (bought) buyer.purses.set(terms, bought);
  return bought;
}

async function buy(buyer: Buyer, terms: WareTerms, name: string, town: Town, story: Story): Promise<Ware | undefined> {
  const got = await buyer.caller.ask(`${town.urlOf(buyer.dice.below(sellerCount))}/${terms}/${name}`);
  const challenge = got.kind === 'answered' && got.status === 402 && got.whole ? Challenge.choose(Challenge.parse(got.lines)) : undefined;
  if (!challenge) {
    story.turnedAway += 1;
    if (got.kind === 'answered' && got.status === 200) story.findings.push(`${name} was served without a payment`);
    await pause(50 + buyer.dice.below(100));
    return undefined;
  }
  const paid = await town.sandbox.network.payer('buyer').pay({ invoice: challenge.invoice, maxFeeMsat: Amount.fromSat(100), timeoutSeconds: 60 });
  if (paid.kind !== 'settled') throw new Error(`${name} could not be paid: ${paid.kind}`);
  const { paymentHash, amountMsat } = Bolt11.peek(challenge.invoice);
  const ware: Ware = {
    ...{ terms, paymentHash, amountMsat: amountMsat ?? 0n, token: challenge.token, preimage: paid.preimage, account: accountOf(challenge.token) },
    ...{ whole: 0, broken: 0, unknown: 0, parts: [], told: [], isOver: false },
  };
  story.wares.push(ware);
  return ware;
}

/** Asks one of the gateways, and counts what came. `mayHangUp`: the buyer may not wait for the answer. */
async function ask(buyer: Buyer, call: Call, town: Town, story: Story, mayHangUp = false): Promise<Got> {
  const { ware, part } = call;
  const seller = buyer.dice.below(sellerCount);
  town.asks(call.name, seller);
  const hangUp = mayHangUp && buyer.dice.chance(4) ? hangUpAt(buyer, call.name, town) : undefined;
  if (hangUp) bump(story.done, 'hung up');
  const got = await buyer.caller.ask(
    town.urlOf(seller) + call.path,
    call.authorization,
    hangUp?.then(() => undefined),
  );
  if (hangUp) {
    // Whoever did not get as far as the upstream leaves nothing for the next.
    town.upstream.script(call.name, []);
    town.upstream.release(call.name);
  }
  count(got, call, story);
  ware.told.push(got.kind === 'answered' ? `${call.name} ${got.status} ${got.code} ${got.charge} ${got.whole}` : `${call.name} ${got.kind}`);
  if (got.kind === 'answered' && got.status === 200 && got.whole) {
    ware.whole += 1;
    if (part) part.whole += 1;
  } else if (got.kind === 'broken' || (got.kind === 'answered' && !got.whole)) ware.broken += 1;
  else if (got.kind === 'answered' && got.code === 'STORE_UNAVAILABLE') ware.unknown += 1;
  return got;
}

/** What must not come, and what the seller has to say. */
function count(got: Got, { ware, name, part }: Call, story: Story): void {
  if (got.kind === 'refused' || (got.kind === 'answered' && (got.code === 'STORE_UNAVAILABLE' || got.status === 409))) {
    story.turnedAway += 1;
    return;
  }
  story.calls += 1;
  if (got.kind !== 'answered') return;
  const { status, charge, code, whole } = got;
  if (status >= 400 && charge === 'charged') story.findings.push(`${name}: the failure ${status} ${code} was charged`);
  if (status === 402) {
    // A part's holder hears 402 where the whole is used up.
    if (code === 'CREDENTIAL_USED' || (code === 'CREDENTIAL_EXPIRED' && ware.terms === 'pass')) ware.isOver = true;
    else story.findings.push(`${name} was paid for and got 402 ${code}`);
  } else if (status === 403 && part === undefined) story.findings.push(`${name} was paid for and got 403 ${code}`);
  else if (![200, 402, 403, 404, 502, 503, 504].includes(status)) story.findings.push(`${name}: ${status} ${code}${whole ? '' : ', broken off'}`);
}

/** Holds the upstream before its head, or in the middle of its body, and says when that is. */
async function hangUpAt(buyer: Buyer, name: string, town: Town): Promise<void> {
  town.upstream.script(name, [buyer.dice.pick(['hold', 'stall'] as const)]);
  await Promise.race([town.upstream.isHeld(name), pause(2000)]);
}

/** Shows each of them until the seller says something of it. */
async function presentLast(buyer: Buyer, wares: readonly Ware[], town: Town, story: Story): Promise<void> {
  for (const ware of wares) {
    for (let tries = 0; tries < mostTries; tries++) {
      const got = await ask(buyer, callFor(buyer, ware), town, story);
      if (got.kind === 'answered' && (got.status === 200 || got.status === 402)) break;
      await pause(50);
    }
  }
}

/** What the upstream does with the first requests of this name. */
function script({ dice }: Buyer, name: string, town: Town): void {
  const troubles: Behaviour[] = [];
  if (dice.chance(18)) troubles.push(dice.pick(['refuse', 'miss', 'reset', 'break', 'slow'] as const));
  if (dice.chance(5)) troubles.push(dice.pick(['refuse', 'miss', 'reset'] as const));
  town.upstream.script(name, troubles, dice.chance(4) ? 'long' : 'answer');
}

function callFor(buyer: Buyer, ware: Ware): Call {
  const name = nameOf(buyer, ware.terms);
  return { ware, path: `/${ware.terms}/${name}`, name, authorization: `L402 ${ware.token}:${ware.preimage}` };
}

function nameOf(buyer: Buyer, what: string): string {
  buyer.names += 1;
  return `b${buyer.number}-${what}-${buyer.names}`;
}

/** Terms that are counted call by call. */
export function isPurse(terms: WareTerms): terms is keyof typeof purses {
  return Object.hasOwn(purses, terms);
}
