/**
 * Ways that a sale can go. Together they reach every crash point, and each ends well wherever somebody is killed.
 */
import { type Fault, type Plan, plain, type Sold, sell } from './Sale.ts';
import type { Stage } from './Stage.ts';
import { surely } from './surely.ts';

/** What came of a scenario. */
export type Played = {
  readonly sold: readonly Sold[];
  /** Payments that the seller took back on purpose. */
  readonly revoked: readonly string[];
  /** What is wrong beside the books. */
  readonly findings: readonly string[];
};

/** Plays once. Whatever is named there is named after `name`, so that it can be played again. */
export type Scenario = (stage: Stage, name: string) => Promise<Played>;

/** Those in which something is counted call by call. */
const ofCounted = {
  'a call from a bucket': anew({ terms: 'bucket' }),
  'a long answer to a body on credit': anew({ terms: 'credit', method: 'POST', answer: 'long' }),
  'a bucket and its next': async (stage, name) => {
    await endTokens(stage);
    const sold: Sold[] = [];
    for (let call = 1; call <= 4; call++) sold.push(...(await sell(stage, [plain(`${name}-${call}`, { terms: 'bucket' })])));
    return played(sold);
  },
  'a bucket whose upstream refuses': anew({ terms: 'bucket', upstream: ['refuse'] }),
  'a bucket whose upstream breaks behind its head': anew({ terms: 'bucket', upstream: ['break'] }),
  'a credit with a slow upstream': anew({ terms: 'credit', upstream: ['slow'] }),
  'a credit whose upstream is too late': anew({ terms: 'credit', upstream: ['late'] }),
  'a buyer that leaves before the head of what is counted': anew({ terms: 'bucket', upstream: ['hold'], hangsUp: true }),
  'a buyer that leaves before the head of a body’s answer on credit': anew({ terms: 'credit', method: 'POST', upstream: ['hold'], hangsUp: true }),
  'a buyer that leaves behind the head of what is counted': anew({ terms: 'bucket', upstream: ['stall'], hangsUp: true }),
  'a part that is handed on': anew({ terms: 'credit', part: true }),
  'a part that is handed on, and an upstream that breaks': anew({ terms: 'bucket', part: true, upstream: ['break'] }),
} as const satisfies Readonly<Record<string, Scenario>>;

/** Every scenario by name. */
export const scenarios = {
  ...ofCounted,
  'a sale': one({}),
  'a long answer to a body': one({ method: 'POST', answer: 'long' }),
  'an upstream that refuses': one({ upstream: ['refuse'] }),
  'an upstream that resets': one({ upstream: ['reset'] }),
  'an upstream that breaks behind its head': one({ upstream: ['break'] }),
  'a slow upstream': one({ upstream: ['slow'] }),
  'an upstream that is too late': one({ upstream: ['late'] }),
  'a buyer that leaves before the head': one({ upstream: ['hold'], hangsUp: true }),
  'a buyer that leaves before the head of a body’s answer': one({ method: 'POST', upstream: ['hold'], hangsUp: true }),
  'a buyer that leaves behind the head': one({ upstream: ['stall'], hangsUp: true }),
  'a payment that fails': one({}, { node: 'buyer', kind: 'fails', endsAs: 'failed' }),
  'a payment that hangs and settles': one({}, { node: 'buyer', kind: 'hangs', endsAs: 'settled' }),
  'a payment that hangs and fails': one({}, { node: 'seller', kind: 'hangs', endsAs: 'failed' }),
  'a payment that settles late': one({}, { node: 'buyer', kind: 'settles-late', endsAs: 'settled' }),
  'a payment that settles when its invoice is over': one({}, { node: 'buyer', kind: 'pays-expired', endsAs: 'settled' }),
  'a payment without a proof': one({}, { node: 'seller', kind: 'no-preimage', endsAs: 'settled' }),
  'a payment that costs too much': async (stage, name) => {
    const dear = await sell(stage, [plain(`${name}-1`)], { node: 'buyer', kind: 'overcharges', endsAs: 'settled' });
    // Spending has stopped, until a person allows it again.
    return played([...dear, ...(await sell(stage, [plain(`${name}-2`)]))]);
  },
  'spending that is stopped for a while': async (stage, name) => {
    const { calls } = stage.buyer;
    const surelyDone = (work: () => Promise<void>) => surely(stage, () => work().then(() => true));
    await surelyDone(() => calls.stand(true));
    const sold = await sell(stage, [plain(`${name}-1`)]);
    await surelyDone(() => calls.stop());
    await surelyDone(() => calls.allow());
    const more = await sell(stage, [plain(`${name}-2`)]);
    await surelyDone(() => calls.stand(false));
    return played([...sold, ...more]);
  },
  'a wallet that is down': one({}, { node: 'buyer', kind: 'node-down', endsAs: 'failed' }),
  'a node that is down': one({}, { node: 'seller', kind: 'node-down', endsAs: 'failed' }),
  'a pass': async (stage, name) => {
    await endTokens(stage);
    const first = await sell(stage, [plain(`${name}-1`, { terms: 'pass' })]);
    return played([...first, ...(await sell(stage, [plain(`${name}-2`, { terms: 'pass' })]))]);
  },
  'three sales at once': async (stage, name) =>
    played(
      await sell(
        stage,
        ['a', 'b', 'c'].map((letter) => plain(`${name}-${letter}`)),
      ),
    ),
  'a payment that is revoked': async (stage, name) => {
    stage.upstream.script(name, ['miss']);
    const got = await surely(stage, async () => {
      const missed = await stage.buyer.calls.buy({ name, method: 'GET', url: `${await stage.gateway.calls.url()}/item/${name}` });
      return missed.kind === 'answered' && missed.paymentHash !== undefined ? missed : undefined;
    });
    // Whoever was killed has made it ask once more, and the upstream misses once.
    if (got.status === 200) return played([{ plan: plain(name), brought: [got], byHand: [], handed: [] }]);
    const value = got.paymentHash ?? '';
    const expiresAt = Math.ceil(Date.now() / 1000) * 2;
    await surely(stage, () => stage.gateway.calls.store('deny', { kind: 'payment', value, expiresAt }).then(() => true));
    await surely(stage, () => stage.gateway.calls.idle().then(() => true));
    return { ...played(await sell(stage, [plain(name)])), revoked: [value] };
  },
  'money in accounts': async (stage, name) => ({ ...played([]), findings: await playAccounts(stage, name) }),
  'a channel that grows': async (stage, name) => {
    const sold = await sell(stage, [plain(name)]);
    const before = await spendable(stage);
    let asked = 0;
    await surely(stage, async () => {
      // Whoever was killed is asked whether it was done.
      if ((await spendable(stage)) > before) return true;
      asked += 1;
      await stage.sandbox.calls.addFunds('buyer', 1000n);
      return true;
    });
    const grown = (await spendable(stage)) - before;
    return { ...played(sold), findings: grown === 1000n ? [] : [`the channel grew by ${grown} msat, asked for ${asked} times`] };
  },
  'what has expired': async (stage, name) => {
    const sold = [...(await sell(stage, [plain(`${name}-1`)])), ...(await sell(stage, [plain(`${name}-2`, { terms: 'bucket' })]))];
    await stage.move(3 * 86_400_000);
    await surely(stage, () => stage.gateway.calls.store('prune').then(() => true));
    return played(sold);
  },
} as const satisfies Readonly<Record<string, Scenario>>;

/** Whether something is counted in it. */
export function isCounted(scenario: string): boolean {
  return Object.hasOwn(ofCounted, scenario);
}

function one(different: Partial<Plan>, fault?: Fault): Scenario {
  return async (stage, name) => played(await sell(stage, [plain(name, different)], fault));
}

/** One sale of what is counted, for which nothing is kept from before: it is bought, whoever has sold what until now. */
function anew(different: Partial<Plan>): Scenario {
  return async (stage, name) => {
    await endTokens(stage);
    return played(await sell(stage, [plain(name, different)]));
  };
}

/** Whatever was bought before is over. */
async function endTokens(stage: Stage): Promise<void> {
  await stage.move(25 * 3_600_000);
}

function played(sold: readonly Sold[]): Played {
  return { sold, revoked: [], findings: [] };
}

async function spendable(stage: Stage): Promise<bigint> {
  const wallet = await surely(stage, async () => (await stage.sandbox.calls.audit()).nodes.find(({ name }) => name === 'buyer')?.spendableMsat ?? 0n);
  return wallet;
}

/** No sale puts more into an account, or counts by itself, yet: each is asked until it is answered. */
async function playAccounts(stage: Stage, account: string): Promise<readonly string[]> {
  const { store } = stage.gateway.calls;
  const expiresAt = Math.ceil(Date.now() / 1000) * 2;
  await surely(stage, () => store('credit', { account, units: 100n, source: `source of ${account}`, expiresAt }));
  const counted = await surely(stage, () => store('count', { key: account, by: 1, ceiling: 2, expiresAt }));
  const { units, available } = await surely(stage, async () => store('balance', account));
  const isRight = (counted.value === 1 || counted.value === 2) && units === 100n && available === 100n;
  return isRight ? [] : [`${account}: ${counted.value} counted, ${available} of ${units} units available`];
}
