/**
 * Sales, from the first request to an answer in the buyer's hand, whatever happens on the way: who was killed is waited for, what failed is
 * asked again, what nobody can know is found out as a person would.
 */
import type { SandboxFaultKind } from '../../src/lightning/sandbox.ts';
import type { Brought, Errand } from './actors/BuyerActor.ts';
import { Killed } from './Spares.ts';
import type { Stage } from './Stage.ts';
import type { Behaviour } from './Upstream.ts';

/** What is sold, and what the upstream and the buyer do to it. */
export type Plan = {
  /** The item; a name of its own for every sale. */
  readonly name: string;
  readonly terms: 'item' | 'pass';
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
};

/** The plainest of sales. */
export function plain(name: string, different: Partial<Plan> = {}): Plan {
  return { name, terms: 'item', method: 'GET', upstream: [], answer: 'answer', hangsUp: false, ...different };
}

/** Sells all of them at the same time, each until there is a whole answer. */
export async function sell(stage: Stage, plans: readonly Plan[], fault?: Fault): Promise<readonly Sold[]> {
  await stage.up();
  if (fault) await stage.sandbox.calls.setFault({ node: fault.node, kind: fault.kind, payments: 1 }).catch(unlessKilled);
  const crowd = createCrowd(stage, plans.length);
  return Promise.all(plans.map((plan) => sellOne(stage, plan, fault, crowd)));
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
};

function createCrowd(stage: Stage, size: number): Crowd {
  let active = size;
  let waiting: (() => void)[] = [];
  const look = () => {
    if (active > 0 || waiting.length === 0) return;
    const all = waiting;
    waiting = [];
    active = all.length;
    void stage.move(pastInvoiceMs).then(() => {
      for (const go of all) go();
    });
  };
  const leave = () => {
    active -= 1;
    look();
  };
  return {
    leave,
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
    if (got.kind === 'answered' && got.status === 200 && got.whole) {
      crowd.leave();
      return { plan, brought, byHand };
    }
    if (got.kind === 'failed') {
      const done = await help(stage, got, fault, crowd).catch(unlessKilled);
      if (done !== undefined) byHand.push(done);
    }
  }
  throw new Error(`${plan.name} was never sold: ${JSON.stringify({ plan, fault, brought, byHand }, null, 1)}`);
}

async function buyOnce(stage: Stage, plan: Plan, hangsUp: boolean): Promise<Brought | { readonly kind: 'killed' }> {
  const { buyer, gateway, upstream } = stage;
  const { name, method, terms } = plan;
  try {
    const errand: Errand = { url: `${await gateway.calls.url()}/${terms}/${name}`, method, name, ...(method === 'POST' ? { body: `body of ${name}` } : {}) };
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
    return await buying;
  } catch (error) {
    upstream.release(name);
    return unlessKilled(error) ?? { kind: 'killed' };
  }
}

/** Does what a person does where the programs say that they cannot know; the answer says what that was. */
async function help(stage: Stage, { code, paymentHash }: Failed, fault: Fault | undefined, crowd: Crowd): Promise<string | undefined> {
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
