/**
 * The runner's hold on one program: asked, moved in time, killed, and started again on the same file and port when it has died.
 */
import type { CrashPoint } from '../../src/core/CrashPoint.ts';
import type { Actor, News } from './actors/Surroundings.ts';
import { Killed, type Life, type Spares } from './Spares.ts';
import type { AnyProgram, Mine } from './worker.ts';

/** A program that runs, or is about to run again. */
export type Program<Calls extends Actor> = {
  readonly name: AnyProgram;
  /** Asks whichever process there is. Rejects with {@link Killed} where it dies before it has answered. */
  readonly calls: Calls;
  /** Resolves when it runs. */
  readonly up: () => Promise<void>;
  /** It dies when it reaches this point for the n-th time from now on; undefined: it does not. */
  readonly lay: (mine: Mine | undefined) => void;
  readonly move: (ms: number) => void;
  /** Sets its own hour on or back, and nobody else's. */
  readonly step: (ms: number) => void;
  /** Ends it without a chance to say so; it is started again. */
  readonly kill: () => void;
  /** Where it was killed, in order; '' for a kill from outside. */
  readonly deaths: readonly (CrashPoint | '')[];
  /** How often each point was reached, as far as it could be told. */
  readonly reached: ReadonlyMap<CrashPoint, number>;
  readonly close: () => Promise<void>;
};

/** How a program is run. */
export type ProgramOptions<Calls> = {
  readonly name: AnyProgram;
  readonly spares: Spares;
  /** What it is opened with; asked anew for every start. */
  readonly place: () => unknown;
  readonly aheadMs: () => number;
  readonly onNews: (news: News) => void;
  /** Called when it runs again after it had died, before anybody is told that it does. */
  readonly onRestart: (calls: Calls) => Promise<void>;
  /** Called when it cannot be started, or throws where nobody catches it. */
  readonly onBroken: (error: Error) => void;
};

/** Starts a program. `mine` lies there from the start. */
export async function startProgram<Calls extends Actor>(options: ProgramOptions<Calls>, mine?: Mine): Promise<Program<Calls>> {
  const { name, onBroken, onNews } = options;
  const deaths: (CrashPoint | '')[] = [];
  const reached = new Map<CrashPoint, number>();
  const note = (point: CrashPoint, times: number) => reached.set(point, (reached.get(point) ?? 0) + times);
  let laid = mine;
  let isClosing = false;
  let life: Life;
  let up: Promise<void>;
  const calls = new Proxy({}, { get: (_, call) => (call === 'then' ? undefined : (...args: readonly unknown[]) => life.ask(String(call), args)) }) as Calls;

  const onGone = (now: Life): void => {
    if (isClosing || life !== now) return;
    // Nobody else ends it in this way: where a mine lay, it has gone off.
    deaths.push(laid && !now.isKilled() ? laid.point : '');
    if (laid && !now.isKilled()) note(laid.point, 1);
    laid = undefined;
    up = begin(true);
    up.catch(onBroken);
  };
  const begin = async (isRestart: boolean): Promise<void> => {
    const now = await options.spares.take({ name, onNews, onBroken, onReached: note });
    life = now;
    now.gone.then(
      () => onGone(now),
      (error: Error) => isClosing || onBroken(error),
    );
    try {
      await now.open(() => ({ place: options.place(), aheadMs: options.aheadMs(), mine: laid }));
      if (isRestart) await options.onRestart(calls);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      await now.gone;
      return up;
    }
  };
  up = begin(false);
  await up;
  return {
    name,
    calls,
    up: async () => {
      for (let seen: unknown; seen !== up; ) {
        seen = up;
        await up;
      }
    },
    lay: (next) => {
      laid = next;
      life.say({ kind: 'mine', mine: next });
    },
    move: (ms) => life.say({ kind: 'move', ms }),
    step: (ms) => life.say({ kind: 'step', ms }),
    kill: () => life.kill(),
    deaths,
    reached,
    close: async () => {
      isClosing = true;
      life.kill();
      await life.gone.catch(() => undefined);
    },
  };
}
