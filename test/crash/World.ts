/**
 * A stage with the memory of everything that was sold on it, so that its books can be looked at as a whole at any time.
 */
import type { CrashPoint } from '../../src/core/CrashPoint.ts';
import { check, type Outcome, takeBooks } from './checks.ts';
import type { Sold } from './Sale.ts';
import type { Spares } from './Spares.ts';
import { type Stage, setStage } from './Stage.ts';
import type { Scenario } from './scenarios.ts';
import type { Mine } from './worker.ts';

/** See the head of this file. */
export type World = {
  readonly stage: Stage;
  /** How many sales there were. */
  readonly sales: () => number;
  readonly add: (sold: readonly Sold[], revoked: readonly string[]) => void;
  /** Looks at all books. `findings`: those that are new; `outcomes`: of the sales of this name and below it. */
  readonly look: (name: string) => Promise<{ readonly findings: readonly string[]; readonly outcomes: readonly Outcome[] }>;
  /** Plays one scenario in which somebody is killed when the mine goes off, and looks at all books. */
  readonly play: (name: string, scenario: Scenario, mine?: Mine) => Promise<Look>;
  /** How often each point was reached until now. */
  readonly reached: () => Promise<ReadonlyMap<CrashPoint, number>>;
  /** Where somebody died, in order; '' for a kill from outside. */
  readonly deaths: () => readonly (CrashPoint | '')[];
  /** The same, since this was last asked. */
  readonly newDeaths: () => readonly (CrashPoint | '')[];
  readonly close: () => Promise<void>;
};

/** What a scenario came to. */
export type Look = {
  readonly findings: readonly string[];
  readonly outcomes: readonly Outcome[];
  /** Whether the mine went off. */
  readonly died: boolean;
};

/** A new world. `mine` lies there from the beginning. */
export async function createWorld(spares: Spares, mine?: Mine): Promise<World> {
  const stage = await setStage(spares, mine);
  const sold: Sold[] = [];
  const revoked = new Set<string>();
  const told = new Set<string>();
  const counted = new Map<string, number>();
  const deaths = () => stage.programs.flatMap((program) => program.deaths);
  const add = (more: readonly Sold[], back: readonly string[]) => {
    sold.push(...more);
    for (const paymentHash of back) revoked.add(paymentHash);
  };
  const look = async (name: string) => {
    await stage.up();
    const { findings: all, outcomes } = check(await takeBooks(stage), sold, revoked, deaths().length > 0);
    const findings = all.filter((finding) => !told.has(finding));
    for (const finding of findings) told.add(finding);
    return { findings, outcomes: outcomes.filter((outcome) => outcome.name === name || outcome.name.startsWith(`${name}-`)) };
  };
  return {
    stage,
    sales: () => sold.length,
    add,
    look,
    play: async (name, scenario, next) => {
      const deathsThere = () => deaths().filter((point) => point === next?.point).length;
      const before = deathsThere();
      if (next) stage.lay(next);
      const played = await scenario(stage, name);
      await stage.calm();
      stage.lay(undefined);
      await stage.calm();
      await stage.sandbox.calls.clearFaults();
      add(played.sold, played.revoked);
      const { findings, outcomes } = await look(name);
      return { findings: [...played.findings, ...findings], outcomes, died: deathsThere() > before };
    },
    reached: async () => {
      await Promise.all(stage.programs.map((program) => program.calls.idle()));
      return new Map(stage.programs.flatMap(({ reached }) => [...reached]));
    },
    deaths,
    newDeaths: () =>
      stage.programs.flatMap(({ name, deaths: all }) => {
        const news = all.slice(counted.get(name) ?? 0);
        counted.set(name, all.length);
        return news;
      }),
    close: stage.close,
  };
}
