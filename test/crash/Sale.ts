/**
 * Sales, from the first request to an answer in the buyer's hand, whatever happens on the way: who was killed is waited for, what failed is
 * asked again, what nobody can know is found out as a person would.
 */
import type { SandboxFaultKind } from '../../src/lightning/sandbox.ts';
import type { Brought, Errand } from './actors/BuyerActor.ts';
import { type Handed, handOn } from './Part.ts';
import { Killed } from './Spares.ts';
import type { Stage } from './Stage.ts';
import { surely } from './surely.ts';
import type { Behaviour } from './Upstream.ts';

/** What is sold, and what the upstream and the buyer do to it. */
export type Plan = {
  /** The item; a name of its own for every sale. */
  readonly name: string;
  readonly terms: 'item' | 'pass' | 'bucket' | 'credit';
  /** Asked for with a part that the buyer hands on, of what it has bought for another one. */
  readonly part: boolean;
  readonly method: 'GET' | 'POST';
  /** What the upstream does with the first requests. */
  readonly upstream: readonly Behaviour[];
  /** And with all others. */
  readonly answer: 'answer' | 'long';
  /** The buyer hangs up when the upstream holds its first request: before the head (`hold`), or behind it (`stall`). */
  readonly hangsUp: boolean;
};

/** What the next payment meets, and as what one that hangs ends. */
export type Fault = { readonly node: 'buyer' | 'seller'; readonly kind: SandboxFaultKind; readonly endsAs: 'settled' | 'failed' };

/** What came of a sale. */
export type Sold = {
  readonly plan: Plan;
  /** Everything that the buyer was handed, in order. */
  readonly brought: readonly (Brought | { readonly kind: 'killed' })[];
  /** What had to be done by hand. */
  readonly byHand: readonly string[];
  /** Every part that was handed on for it. */
  readonly handed: readonly Handed[];
};

/** The plainest of sales. */
export function plain(name: string, different: Partial<Plan> = {}): Plan {
  return { name, terms: 'item', part: false, method: 'GET', upstream: [], answer: 'answer', hangsUp: false, ...different };
}

/** Sells all of them at the same time, each until there is a whole answer. */
export async function sell(stage: Stage, plans: readonly Plan[], fault?: Fault): Promise<readonly Sold[]> {
  await stage.up();
  if (fault) await stage.sandbox.calls.setFault({ node: fault.node, kind: fault.kind, payments: 1 }).catch(unlessKilled);
  const crowd = createCrowd(stage, plans.length);
  const sold = await Promise.all(
    plans.map(async (plan) => {
      const done = plan.part ? await sellPart(stage, plan, fault, crowd) : [await sellOne(stage, plan, fault, crowd)];
      crowd.leave();
      return done;
    }),
  );
  const more = plans.some(({ terms }) => isKept(terms)) ? await useUp(stage, plans[0]?.name ?? '', fault) : [];
  return [...sold.flat(), ...more];
}

/** What is bought under these terms answers more than what it was bought for. */
function isKept(terms: string): boolean {
  return terms === 'bucket' || terms === 'credit';
}

/**
 * Ends what was left open because something else that was bought has answered meanwhile: payments of which nobody knew how they ended, and what
 * was paid for and never shown.
 */
async function useUp(stage: Stage, name: string, fault: Fault | undefined): Promise<readonly Sold[]> {
  const sold: Sold[] = [];
  for (let tries = 1; tries <= mostTries; tries++) {
    const { payments } = await surely(stage, () => stage.buyer.calls.journal());
    const open = payments.find(({ state }) => state === 'reserved' || state === 'dispatched' || state === 'unknown');
    const unused = payments.find(({ state, usable, path }) => state === 'settled' && usable && isKept(path.split('/')[1] ?? ''));
    if (open) {
      const crowd = createCrowd(stage, 1);
      await help(stage, { code: 'PAYMENT_UNKNOWN', paymentHash: open.paymentHash }, fault, crowd).catch(unlessKilled);
      await surely(stage, () => stage.buyer.calls.resume().then(() => true));
    } else if (unused) {
      const terms = unused.path.split('/')[1] as Plan['terms'];
      const crowd = createCrowd(stage, 1);
      sold.push(await sellOne(stage, plain(`${name}-more${tries}`, { terms }), fault, crowd));
    } else return sold;
  }
  throw new Error(`${name}: something was left open for good`);
}

/** More than everything that can go wrong in one sale. */
const mostTries = 16;

/** Longer than an invoice, and a minute of slack. */
const pastInvoiceMs = 700_000;

/** Longer than a payment that settles late takes. */
const pastPaymentMs = 66_000;

type Failed = Brought & { readonly kind: 'failed' };

/** Sales that go on side by side. The hour moves by a long time only when none of them is half-way: an answer is repeated for ten minutes. */
type Crowd = {
  readonly waitLong: () => Promise<void>;
  readonly leave: () => void;
  /** Does something while nobody else of the crowd does so; whoever waits for that is not half-way. */
  readonly alone: <Done>(work: () => Promise<Done>) => Promise<Done>;
};

function createCrowd(stage: Stage, size: number): Crowd {
  let active = size;
  let waiting: (() => void)[] = [];
  let moved = Promise.resolve();
  let last = Promise.resolve();
  const look = () => {
    if (active > 0 || waiting.length === 0) return;
    const all = waiting;
    waiting = [];
    active = all.length;
    moved = stage.move(pastInvoiceMs).then(() => {
      for (const go of all) go();
    });
  };
  const leave = () => {
    active -= 1;
    look();
  };
  return {
    leave,
    alone: async (work) => {
      const before = last;
      const done = Promise.withResolvers<void>();
      last = done.promise;
      leave();
      await before;
      await moved;
      active += 1;
      try {
        return await work();
      } finally {
        done.resolve();
      }
    },
    waitLong: () =>
      new Promise((resolve) => {
        waiting.push(resolve);
        leave();
      }),
  };
}

async function sellOne(stage: Stage, plan: Plan, fault: Fault | undefined, crowd: Crowd): Promise<Sold> {
  const brought: (Brought | { readonly kind: 'killed' })[] = [];
  const byHand: string[] = [];
  stage.upstream.script(plan.name, plan.upstream, plan.answer);
  while (brought.length < mostTries) {
    await stage.up();
    const got = await buyOnce(stage, plan, plan.hangsUp && brought.every(({ kind }) => kind === 'killed'));
    brought.push(got);
    if (isWhole(got)) return { plan, brought, byHand, handed: [] };
    if (got.kind === 'failed') {
      const done = await help(stage, got, fault, crowd).catch(unlessKilled);
      if (done !== undefined) byHand.push(done);
    }
  }
  throw new Error(`${plan.name} was never sold: ${JSON.stringify({ plan, fault, brought, byHand }, null, 1)}`);
}

/**
 * Sells to a helper: the buyer buys, hands a part of it on, and does so again where that part, or all of it, was used up by answers that never
 * came.
 */
async function sellPart(stage: Stage, plan: Plan, fault: Fault | undefined, crowd: Crowd): Promise<readonly Sold[]> {
  const others: Sold[] = [];
  const brought: (Brought | { readonly kind: 'killed' })[] = [];
  const handed: Handed[] = [];
  stage.upstream.script(plan.name, plan.upstream, plan.answer);
  const sellTurn = async (turn: number): Promise<'whole' | 'used-up'> => {
    const own = await sellOne(stage, plain(`${plan.name}-own${turn}`, { terms: plan.terms }), fault, crowd);
    others.push(own);
    const part = await handOn(stage, own, `${plan.name}-${turn}`);
    handed.push(part);
    while (brought.length < mostTries) {
      await stage.up();
      const got = await buyOnce(stage, plan, plan.hangsUp && brought.every(({ kind }) => kind === 'killed'), part);
      brought.push(got);
      if (isWhole(got)) return 'whole';
      if (isUsedUp(got)) return 'used-up';
      // What is left is set aside for others, or the store cannot say.
      if (got.kind === 'answered' && (got.status === 409 || got.status === 503)) await stage.move(1000);
    }
    return 'used-up';
  };
  for (let turn = 1; brought.length < mostTries; turn++) {
    // Three who buy of one bucket in step leave nothing to hand on, each time: from the second time on they take turns.
    const outcome = await (turn === 1 ? sellTurn(turn) : crowd.alone(() => sellTurn(turn)));
    if (outcome === 'whole') return [...others, { plan, brought, byHand: [], handed }];
  }
  throw new Error(`${plan.name} was never sold to whom it was handed on: ${JSON.stringify({ plan, fault, brought, handed: handed.length }, null, 1)}`);
}

function isWhole(got: Brought | { readonly kind: 'killed' }): boolean {
  return got.kind === 'answered' && got.status === 200 && got.whole;
}

/** The part is (403), or the whole (402, which a client that brings its own credential takes no offer in). */
function isUsedUp(got: Brought | { readonly kind: 'killed' }): boolean {
  return (got.kind === 'answered' && got.status === 403) || (got.kind === 'failed' && got.code === 'CHALLENGE_REFUSED');
}

/** What is counted is bought under another name of the host, so that none of it is shown where something else is sold. */
function urlOf(gateway: string, { terms, name }: Plan): string {
  return `${isKept(terms) ? gateway.replace('127.0.0.1', 'localhost') : gateway}/${terms}/${name}`;
}

async function buyOnce(stage: Stage, plan: Plan, hangsUp: boolean, part?: Handed): Promise<Brought | { readonly kind: 'killed' }> {
  const { buyer, gateway, upstream } = stage;
  const { name, method } = plan;
  try {
    const errand: Errand = {
      url: urlOf(await gateway.calls.url(), plan),
      method,
      name,
      ...(method === 'POST' ? { body: `body of ${name}` } : {}),
      ...(part && { authorization: part.authorization }),
    };
    const buying = buyer.calls.buy(errand);
    buying.catch(() => undefined);
    if (plan.upstream.some((behaviour) => behaviour === 'hold' || behaviour === 'stall')) {
      const first = await Promise.race([buying, upstream.isHeld(name)]);
      if (first === undefined && hangsUp) {
        await buyer.calls.hangUp(name);
        await gateway.calls.idle();
      }
      upstream.release(name);
    }
    const got = await buying;
    return part && got.kind === 'answered' ? { ...got, paymentHash: part.paymentHash } : got;
  } catch (error) {
    upstream.release(name);
    return unlessKilled(error) ?? { kind: 'killed' };
  }
}

/** Does what a person does where the programs say that they cannot know; the answer says what that was. */
async function help(
  stage: Stage,
  { code, paymentHash }: Pick<Failed, 'code' | 'paymentHash'>,
  fault: Fault | undefined,
  crowd: Crowd,
): Promise<string | undefined> {
  if (code === 'BUDGET_EXCEEDED') {
    await stage.buyer.calls.allow();
    return 'spending allowed again';
  }
  if (code !== 'PAYMENT_UNKNOWN' || paymentHash === undefined) return undefined;
  const [attempt] = (await stage.sandbox.calls.attempts(paymentHash)).slice(-1);
  if (attempt === undefined || (attempt.state === 'pending' && attempt.fault === 'pays-expired')) {
    await crowd.waitLong();
    return 'waited for the end of the invoice';
  }
  if (attempt.state === 'pending' && attempt.fault === 'hangs') {
    await stage.sandbox.calls.release(paymentHash, fault?.endsAs ?? 'settled');
    return `released as ${fault?.endsAs ?? 'settled'}`;
  }
  if (attempt.state === 'pending') {
    await stage.move(pastPaymentMs);
    return 'waited for a late payment';
  }
  if (attempt.state === 'settled' && attempt.fault === 'no-preimage') {
    await stage.buyer.calls.resolve(paymentHash, stage.preimageOf(paymentHash), attempt.feeMsat);
    return 'proof from elsewhere';
  }
  return undefined;
}

function unlessKilled(error: unknown): undefined {
  if (error instanceof Killed) return undefined;
  throw error;
}
