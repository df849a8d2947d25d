/**
 * Processes that have loaded everything and wait for a program to run: who was killed is replaced without waiting for that.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CrashPoint } from '../../src/core/CrashPoint.ts';
import type { News } from './actors/Surroundings.ts';
import type { AnyProgram, Mine, Said, Told } from './worker.ts';

/** Processes in stock. */
export type Spares = {
  /** Where everything of a run is kept. */
  readonly folder: string;
  /** One of them, to become a program. */
  readonly take: (use: Use) => Promise<Life>;
  readonly close: () => Promise<void>;
};

/** Who hears from a process. */
export type Use = {
  readonly name: AnyProgram;
  readonly onNews: (news: News) => void;
  readonly onReached: (point: CrashPoint, times: number) => void;
  /** It threw where nobody catches. */
  readonly onBroken: (error: Error) => void;
};

/** One process, from its use to its death. */
export type Life = {
  readonly say: (said: Said) => void;
  /** Rejects with {@link Killed} where it dies before it has answered. */
  readonly ask: (call: string, args: readonly unknown[]) => Promise<unknown>;
  /** What it is opened with is asked for at the last moment. */
  readonly open: (circumstances: () => { readonly place: unknown; readonly aheadMs: number; readonly mine: Mine | undefined }) => Promise<void>;
  readonly kill: () => void;
  /** Whether it was killed from outside. */
  readonly isKilled: () => boolean;
  /** Resolves when it was killed and every message of it has come; rejects when it ended in another way. */
  readonly gone: Promise<void>;
};

/** The process died before it answered. */
export class Killed extends Error {}

const script = fileURLToPath(new URL('worker.ts', import.meta.url));

/** Keeps so many processes ready. */
export function createSpares(folder: string, stock = 2): Spares {
  const cache = join(folder, 'code');
  const spares: Spare[] = [];
  const fill = () => {
    while (spares.length < stock) spares.push(startSpare(cache));
  };
  fill();
  return {
    folder,
    take: async (use) => {
      const spare = spares.shift() ?? startSpare(cache);
      const life = createLife(spare, use);
      await spare.ready;
      fill();
      return life;
    },
    close: async () => {
      for (const { child, gone } of spares) {
        child.kill('SIGKILL');
        await gone.catch(() => undefined);
      }
    },
  };
}

type Spare = { readonly child: ChildProcess; readonly ready: Promise<void>; readonly gone: Promise<void> };

function startSpare(cache: string): Spare {
  const child = fork(script, [], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    serialization: 'advanced',
    env: { ...process.env, NODE_COMPILE_CACHE: cache },
  });
  const gone = end(child);
  gone.catch(() => undefined);
  // Nobody says anything before it is ready.
  const ready = Promise.race([once(child, 'message'), gone]).then(() => undefined);
  ready.catch(() => undefined);
  return { child, ready, gone };
}

function createLife({ child, gone }: Spare, use: Use): Life {
  const asked = new Map<number, { readonly resolve: (answer: unknown) => void; readonly reject: (error: Error) => void }>();
  const opened = Promise.withResolvers<void>();
  opened.promise.catch(() => undefined);
  let number = 0;
  let isKilled = false;
  let isGone = false;
  const settle = (told: Told & { readonly kind: 'answer' | 'refusal' }) => {
    for (const [point, times] of told.reached) use.onReached(point, times);
    const waiting = asked.get(told.number);
    asked.delete(told.number);
    if (told.kind === 'answer') waiting?.resolve(told.answer);
    else waiting?.reject(new Error(`${use.name}: ${told.error}`));
  };
  child.on('message', (told: Told) => {
    if (told.kind === 'opened') opened.resolve();
    else if (told.kind === 'news') use.onNews(told.news);
    else if (told.kind === 'answer' || told.kind === 'refusal') settle(told);
    else if (told.kind === 'broken') {
      const error = new Error(`${use.name} is broken: ${told.error}`);
      opened.reject(error);
      use.onBroken(error);
    }
  });
  const ended = gone.finally(() => {
    const error = new Killed(`${use.name} was killed`);
    isGone = true;
    for (const { reject } of asked.values()) reject(error);
    asked.clear();
    opened.reject(error);
  });
  const say = (said: Said) => {
    // Whoever is dying hears nothing more; that is told by `gone`.
    if (child.connected) child.send(said, () => undefined);
  };
  return {
    say,
    gone: ended,
    isKilled: () => isKilled,
    kill: () => {
      isKilled = true;
      child.kill('SIGKILL');
    },
    open: async (circumstances) => {
      say({ kind: 'open', name: use.name, ...circumstances() });
      await opened.promise;
    },
    ask: async (call, args) => {
      await opened.promise;
      if (isGone) throw new Killed(`${use.name} was killed`);
      return new Promise((resolve, reject) => {
        // Where nobody hears it, it ends as all others do.
        asked.set(++number, { resolve, reject });
        say({ kind: 'ask', number, call, args });
      });
    },
  };
}

/** Resolves when every message of a killed process has come, and it is dead. */
async function end(child: ChildProcess): Promise<void> {
  const [[code, how]] = await Promise.all([once(child, 'exit') as Promise<[number | null, string | null]>, once(child, 'disconnect')]);
  if (how !== 'SIGKILL') throw new Error(`a process ended by itself: ${how ?? code}`);
}
