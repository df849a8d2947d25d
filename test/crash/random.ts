/**
 * Sales by the dice: several at a time, with an upstream, a buyer and a sandbox that misbehave and programs that are killed at any point. What
 * is thrown depends on the seed and the number of the wave alone, so that one wave can be had again.
 */
import { type CrashPoint, crashPoints } from '../../src/core/CrashPoint.ts';
import { sandboxFaultKinds } from '../../src/lightning/sandbox.ts';
import type { Outcome } from './checks.ts';
import { createDice, type Dice } from './dice.ts';
import { type Fault, type Plan, plain, type Sold, sell } from './Sale.ts';
import type { Spares } from './Spares.ts';
import { ownerOf } from './Stage.ts';
import { surely } from './surely.ts';
import type { Behaviour } from './Upstream.ts';
import { createWorld, type World } from './World.ts';
import type { Mine, ProgramName } from './worker.ts';

/** Sales that happen at the same time, and what happens to them. */
export type Wave = {
  readonly plans: readonly Plan[];
  readonly fault: Fault | undefined;
  readonly mine: Mine | undefined;
  /** This program is killed from outside when the upstream has been asked so often. */
  readonly kill: { readonly program: ProgramName; readonly asked: number } | undefined;
};

/** Sums over all waves. */
export type Totals = {
  sales: number;
  waves: number;
  /** Payments that were made. */
  payments: number;
  /** Answers in the buyer's hand. */
  answers: number;
  /** Answers that went whole to a buyer that was killed, or had hung up. */
  gone: number;
  /** Calls of buckets and credits that were spent on an answer which was lost. */
  lost: number;
  /** Sales off buckets and credits, and those of them by a part that was handed on. */
  counted: number;
  parts: number;
  /** Answers that were given again, by the ledger. */
  repeated: number;
  /** Requests of the buyer. */
  tries: number;
  kills: number;
  /** Where somebody was killed, and how often; '' for kills from outside. */
  readonly deaths: Map<CrashPoint | '', number>;
  /** How often a fault of the upstream, the buyer or the sandbox was planned. */
  readonly faults: Map<string, number>;
  /** What was done by hand. */
  readonly byHand: Map<string, number>;
  readonly findings: string[];
};

/** How much is sold. */
export type RandomOptions = {
  readonly spares: Spares;
  readonly seed: string;
  readonly sales: number;
  /** This wave alone. */
  readonly only: number | undefined;
  readonly say: (line: string) => void;
  /** Called after every wave. */
  readonly onWave: (totals: Totals) => void;
};

/** Sells until there were so many sales. */
export async function sellAtRandom(options: RandomOptions): Promise<Totals> {
  const totals = noTotals();
  let world: World | undefined;
  for (let number = options.only ?? 0; totals.sales < options.sales; number++) {
    const wave = throwWave(options.seed, number);
    world ??= await createWorld(options.spares);
    const before = totals.findings.length;
    try {
      await count(totals, world, wave, number, await play(world, wave, number));
    } catch (error) {
      // What cannot go on is a finding too, and a new world begins.
      totals.findings.push(`wave ${number}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n  ${show(wave)}`);
      totals.sales += wave.plans.length;
      await world.close();
      world = undefined;
    }
    for (const finding of totals.findings.slice(before)) options.say(`FOUND ${finding}`);
    options.onWave(totals);
    if (totals.findings.length >= mostFindings) break;
    if (!world) continue;
    if (world.sales() >= mostSales || totals.sales >= options.sales || options.only !== undefined) {
      await endWorld(totals, world);
      world = undefined;
    }
    if (options.only !== undefined) break;
  }
  await world?.close();
  return totals;
}

/** What happens in a wave. */
export function throwWave(seed: string, number: number): Wave {
  const dice = createDice(`${seed}/${number}`);
  const names = Array.from({ length: 1 + dice.below(5) }, (_, index) => `w${number}-${index}`);
  const mine = dice.chance(60) ? { point: dice.pick(dice.chance(60) ? commonPoints : minePoints), times: 1 + dice.below(2 * names.length) } : undefined;
  const kill = dice.chance(12) ? { program: dice.pick(programNames), asked: 1 + dice.below(names.length) } : undefined;
  // A claim outlives one death of its gateway, by design; and a buyer that hangs up uses up a repetition too.
  const twice = mine !== undefined && kill !== undefined;
  const isSecond = twice && ownerOf(mine.point) === kill.program;
  const plans = names.map((name, index) => throwPlan(dice, name, index === 0, twice));
  return { plans, fault: dice.chance(25) ? throwFault(dice) : undefined, mine, kill: isSecond ? undefined : kill };
}

const programNames: readonly ProgramName[] = ['sandbox', 'gateway', 'buyer'];

/** Points that sales reach: not those of new files, and of what no sale does. */
const minePoints = [...crashPoints().keys()].filter(
  (point) => !/\.migrate\.|^sandbox\.(node|funds)\.|^store\.(count|credit|deny|prune)\.|^journal\.(stop|budget)\./.test(point),
);

/** Points that many sales reach. */
const commonPoints = minePoints.filter(
  (point) => !/\.(heartbeat|undelivered|append|extend|cancel|fail|doubt|take|reject|release|allow)\.|\.lookup\.|^sandbox\.settle/.test(point),
);

/** So much is wrong that looking on would show no more. */
const mostFindings = 20;

/** Sales in one world: books that grow make every look at them dearer. */
const mostSales = 200;

function throwPlan(dice: Dice, name: string, isFirst: boolean, isCalm: boolean): Plan {
  const method = dice.chance(30) ? 'POST' : 'GET';
  const answer = dice.chance(25) ? 'long' : 'answer';
  if (isFirst && dice.chance(8)) return plain(name, { terms: 'pass', answer });
  const sold = throwTerms(dice);
  if (!isCalm && dice.chance(12)) return plain(name, { ...sold, method, answer, upstream: [dice.pick(['hold', 'stall'] as const)], hangsUp: dice.chance(80) });
  const troubles: Behaviour[] = [];
  if (dice.chance(30)) troubles.push(dice.pick(['refuse', 'miss', 'reset', 'break', 'slow', 'late'] as const));
  if (dice.chance(10)) troubles.push(dice.pick(['refuse', 'miss', 'reset'] as const));
  return plain(name, { ...sold, method, answer, upstream: troubles });
}

/** One request in most sales; a call of a bucket or a credit in others, of a part that is handed on in some of them. */
function throwTerms(dice: Dice): Pick<Plan, 'terms' | 'part'> {
  if (!dice.chance(22)) return { terms: 'item', part: false };
  return { terms: dice.pick(['bucket', 'credit'] as const), part: dice.chance(35) };
}

function throwFault(dice: Dice): Fault {
  return { node: dice.pick(['buyer', 'seller'] as const), kind: dice.pick(sandboxFaultKinds), endsAs: dice.pick(['settled', 'failed'] as const) };
}

async function play({ stage }: World, wave: Wave, number: number): Promise<readonly Sold[]> {
  const { plans, fault, mine, kill } = wave;
  let asked = 0;
  stage.onServed(() => {
    asked += 1;
    if (asked === kill?.asked) stage[kill.program].kill();
  });
  stage.lay(mine);
  const sold = await sell(stage, plans, fault);
  await stage.calm();
  stage.lay(undefined);
  stage.onServed(() => {});
  await stage.calm();
  await stage.sandbox.calls.clearFaults();
  // A pass is written down behind the answer; a gateway that was killed in between writes it down with the next use.
  const again = plans.some(({ terms }) => terms === 'pass') ? await sell(stage, [plain(`w${number}-again`, { terms: 'pass' })]) : [];
  return [...sold, ...again];
}

async function count(totals: Totals, world: World, wave: Wave, number: number, sold: readonly Sold[]): Promise<void> {
  world.add(sold, []);
  const { findings, outcomes } = await world.look(`w${number}`);
  totals.waves += 1;
  for (const point of world.newDeaths()) {
    totals.kills += 1;
    bump(totals.deaths, point);
  }
  totals.findings.push(
    ...findings.map((finding) => `wave ${number}: ${finding}\n  ${show(wave)}\n  ${show(sold.map(({ brought, byHand }) => ({ brought, byHand })))}`),
  );
  for (const outcome of outcomes) addOutcome(totals, outcome);
  for (const { byHand, plan } of sold) {
    for (const what of byHand) bump(totals.byHand, what);
    if (plan.terms === 'bucket' || plan.terms === 'credit') totals.counted += 1;
    if (plan.part) totals.parts += 1;
  }
  for (const { upstream, hangsUp } of wave.plans) {
    for (const behaviour of upstream) bump(totals.faults, `upstream: ${behaviour}`);
    if (hangsUp) bump(totals.faults, 'buyer: hangs up');
  }
  if (wave.fault) bump(totals.faults, `sandbox: ${wave.fault.kind}`);
}

/** Everything that has expired is forgotten, and what is left still balances. */
async function endWorld(totals: Totals, world: World): Promise<void> {
  await world.stage.move(3 * 86_400_000);
  await surely(world.stage, () => world.stage.gateway.calls.store('prune').then(() => true));
  const { findings } = await world.look('');
  totals.findings.push(...findings.map((finding) => `after pruning: ${finding}`));
  await world.close();
}

function addOutcome(totals: Totals, { payments, answers, gone, lost, repeated, tries }: Outcome): void {
  totals.sales += 1;
  totals.payments += payments;
  totals.answers += answers;
  totals.gone += gone;
  totals.lost += lost;
  totals.repeated += repeated;
  totals.tries += tries;
}

function noTotals(): Totals {
  const sums = { sales: 0, waves: 0, kills: 0, payments: 0, answers: 0, gone: 0, lost: 0, counted: 0, parts: 0, repeated: 0, tries: 0 };
  return { ...sums, deaths: new Map(), faults: new Map(), byHand: new Map(), findings: [] };
}

function bump<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function show(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner));
}
