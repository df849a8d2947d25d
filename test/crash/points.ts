/**
 * Kills at every crash point in turn, in several ways of a sale that reach it, and looks at all books after each kill.
 */
import { type CrashPoint, crashPoints } from '../../src/core/CrashPoint.ts';
import type { Outcome } from './checks.ts';
import { createDice } from './dice.ts';
import type { Spares } from './Spares.ts';
import { isCounted, scenarios } from './scenarios.ts';
import { createWorld, type Look, type World } from './World.ts';
import type { Mine } from './worker.ts';

/** What was found at one point. */
export type PointRow = {
  readonly point: CrashPoint;
  /** How often it was reached in one performance of every scenario. */
  reached: number;
  /** How often somebody was killed there. */
  killed: number;
  /** What became of the sales in which somebody was. */
  readonly outcomes: Outcome[];
  readonly findings: string[];
};

/** How thorough it is. */
export type PointOptions = {
  readonly spares: Spares;
  /** Kills at one point, at most. */
  readonly most: number;
  /** Only points whose name begins so. */
  readonly only: string;
  readonly say: (line: string) => void;
};

/** A row for every point, in the order of their table; and what was found while nobody was killed. */
export async function killAtEveryPoint(options: PointOptions): Promise<{ readonly rows: readonly PointRow[]; readonly findings: readonly string[] }> {
  const rows = [...crashPoints().keys()].map((point): PointRow => ({ point, reached: 0, killed: 0, outcomes: [], findings: [] }));
  const chosen = rows.filter(({ point }) => point.startsWith(options.only));
  const theatre = createTheatre(options.spares);
  try {
    const { reached, findings } = await rehearse(theatre, rows, options.say);
    for (const row of chosen) {
      for (const { scenario, times } of choose(row.point, reached, options.most)) {
        const mine = { point: row.point, times };
        note(row, mine, scenario, await killOnce(theatre, scenario, mine), options.say);
      }
      if (row.killed === 0) row.findings.push(`nobody was killed at ${row.point}`);
    }
    return { rows: chosen, findings };
  } finally {
    await theatre.close();
  }
}

type ScenarioName = keyof typeof scenarios | typeof fromTheStart;

/** The scenario in which somebody is killed while the stage is being set. */
const fromTheStart = 'files that are new';

/** By scenario, how often each point is reached in it. */
type Reached = ReadonlyMap<ScenarioName, ReadonlyMap<CrashPoint, number>>;

type Rehearsal = { readonly reached: Reached; readonly findings: readonly string[] };

/** Sales on one stage before it is set anew: books that grow make every look at them dearer. */
const mostSales = 120;

type Theatre = {
  readonly play: (scenario: ScenarioName, mine?: Mine) => Promise<Look>;
  /** Sets the stage anew, with a mine that lies there from the beginning, and sells once. */
  readonly begin: (mine?: Mine) => Promise<Look>;
  readonly reached: () => Promise<ReadonlyMap<CrashPoint, number>>;
  readonly close: () => Promise<void>;
};

function createTheatre(spares: Spares): Theatre {
  let world: World | undefined;
  let plays = 0;
  const renew = async (mine?: Mine): Promise<World> => {
    await world?.close();
    world = undefined;
    world = await createWorld(spares, mine);
    return world;
  };
  const playIn = (on: World, scenario: keyof typeof scenarios, mine?: Mine) => on.play(`n${++plays}`, scenarios[scenario], mine);
  return {
    play: async (scenario, mine) => playIn(!world || world.sales() >= mostSales ? await renew() : world, scenario as keyof typeof scenarios, mine),
    begin: async (mine) => {
      const fresh = await renew(mine);
      const died = mine !== undefined && fresh.deaths().includes(mine.point);
      fresh.stage.lay(undefined);
      return { ...(await playIn(fresh, 'a sale')), died };
    },
    reached: async () => (await world?.reached()) ?? new Map(),
    close: async () => {
      await world?.close();
      world = undefined;
    },
  };
}

/** Plays everything once, with nobody killed: whoever is to be killed at a point has to know where it is reached. */
async function rehearse(theatre: Theatre, rows: readonly PointRow[], say: (line: string) => void): Promise<Rehearsal> {
  const all = new Map<ScenarioName, ReadonlyMap<CrashPoint, number>>();
  const first = await theatre.begin();
  let before = await theatre.reached();
  all.set(fromTheStart, before);
  const findings = [...first.findings];
  for (const scenario of Object.keys(scenarios) as (keyof typeof scenarios)[]) {
    findings.push(...(await theatre.play(scenario)).findings.map((finding) => `${scenario}: ${finding}`));
    const after = await theatre.reached();
    const earlier = before;
    all.set(scenario, new Map([...after].map(([point, times]): [CrashPoint, number] => [point, times - (earlier.get(point) ?? 0)])));
    before = after;
  }
  for (const finding of findings) say(`FOUND with nobody killed: ${finding}`);
  for (const row of rows) {
    row.reached = before.get(row.point) ?? 0;
    if (row.reached === 0) row.findings.push(`${row.point} was never reached`);
  }
  return { reached: all, findings };
}

/** Where to kill at a point: the first time in every scenario first, then later times. What is reached as the stage is set alone is killed there. */
function choose(point: CrashPoint, reached: Reached, most: number): readonly { readonly scenario: ScenarioName; readonly times: number }[] {
  const places = [...reached].filter(([scenario, counts]) => scenario !== fromTheStart && (counts.get(point) ?? 0) > 0);
  if (places.length === 0) return reached.get(fromTheStart)?.get(point) ? [{ scenario: fromTheStart, times: 1 }] : [];
  const chosen: { scenario: ScenarioName; times: number }[] = [];
  // The scenarios in which it is reached least are those that are about it; for others, each point gets others.
  const dice = createDice(point);
  const shuffled = places.map((place) => ({ place, at: dice.below(1000) })).sort((a, b) => a.at - b.at);
  const order = shuffled.map(({ place }) => place).sort(([, a], [, b]) => (a.get(point) ?? 0) - (b.get(point) ?? 0));
  for (let times = 1; chosen.length < most && order.some(([, counts]) => (counts.get(point) ?? 0) >= times); times++) {
    for (const [scenario, counts] of order) if (chosen.length < most && (counts.get(point) ?? 0) >= times) chosen.push({ scenario, times });
  }
  // What is counted goes other ways than what is used once, and is tried at every point that it reaches.
  const [other] = order.find(([scenario]) => isCounted(scenario)) ?? [];
  if (other !== undefined && !chosen.some(({ scenario }) => isCounted(scenario))) chosen.splice(most - 1, 1, { scenario: other, times: 1 });
  return chosen;
}

/** What cannot go on is a finding too, and the stage is set anew. */
async function killOnce(theatre: Theatre, scenario: ScenarioName, mine: Mine): Promise<Look> {
  try {
    return scenario === fromTheStart ? await theatre.begin(mine) : await theatre.play(scenario, mine);
  } catch (error) {
    await theatre.close();
    return { findings: [error instanceof Error ? (error.stack ?? error.message) : String(error)], outcomes: [], died: true };
  }
}

function note(row: PointRow, { times }: Mine, scenario: ScenarioName, look: Look, say: (line: string) => void): void {
  if (look.died) {
    row.killed += 1;
    row.outcomes.push(...look.outcomes);
  }
  for (const finding of look.findings) {
    const told = `killed at ${row.point}, time ${times}, in "${scenario}": ${finding}`;
    row.findings.push(told);
    say(`FOUND ${told}`);
  }
}
