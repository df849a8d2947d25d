/**
 * A process in which one program of a sale runs: opened, asked, moved in time by messages. It kills itself at the crash point that it is told,
 * with a signal that nobody can catch.
 */
import { flushCompileCache } from 'node:module';
import type { CrashPoint } from '../../src/core/CrashPoint.ts';
import { openBuyer } from './actors/BuyerActor.ts';
import { openGateway } from './actors/GatewayActor.ts';
import { openSandbox } from './actors/SandboxActor.ts';
import { openSeller } from './actors/SellerActor.ts';
import { openSpender } from './actors/SpenderActor.ts';
import type { News } from './actors/Surroundings.ts';
import * as MovedClock from './MovedClock.ts';

const programs = { sandbox: openSandbox, gateway: openGateway, buyer: openBuyer, seller: openSeller, spender: openSpender };

/** Which of them. */
export type AnyProgram = keyof typeof programs;

/** Those of a stage. */
export type ProgramName = Exclude<AnyProgram, 'seller' | 'spender'>;

/** What the runner says. */
export type Said =
  | { readonly kind: 'open'; readonly name: AnyProgram; readonly place: unknown; readonly aheadMs: number; readonly mine: Mine | undefined }
  | { readonly kind: 'mine'; readonly mine: Mine | undefined }
  | { readonly kind: 'move' | 'step'; readonly ms: number }
  | { readonly kind: 'ask'; readonly number: number; readonly call: string; readonly args: readonly unknown[] };

/** Die when the point is reached for the n-th time from now on. */
export type Mine = { readonly point: CrashPoint; readonly times: number };

/** How often each point was reached, since it was last told. */
export type Counts = readonly (readonly [point: CrashPoint, times: number])[];

/** What the runner is told. */
export type Told =
  | { readonly kind: 'ready' }
  | { readonly kind: 'opened' }
  | { readonly kind: 'broken'; readonly error: string }
  | { readonly kind: 'news'; readonly news: News }
  | { readonly kind: 'answer'; readonly number: number; readonly answer: unknown; readonly reached: Counts }
  | { readonly kind: 'refusal'; readonly number: number; readonly error: string; readonly reached: Counts };

const counts = new Map<CrashPoint, number>();
let mine: Mine | undefined;
let clock: MovedClock.MovedClock;
let actor: { readonly [call: string]: (...args: readonly unknown[]) => Promise<unknown> };

process.on('message', (said: Said) => {
  switch (said.kind) {
    case 'open':
      mine = said.mine;
      clock = MovedClock.create(said.aheadMs);
      open(said.name, said.place).then(
        () => tell({ kind: 'opened' }),
        (error: unknown) => tell({ kind: 'broken', error: textOf(error) }),
      );
      break;
    case 'mine':
      mine = said.mine;
      break;
    case 'move':
      clock?.move(said.ms);
      break;
    case 'step':
      clock?.step(said.ms);
      break;
    case 'ask':
      obey(said.call, said.args).then(
        (answer) => tell({ kind: 'answer', number: said.number, answer, reached: takeCounts() }),
        (error: unknown) => tell({ kind: 'refusal', number: said.number, error: textOf(error), reached: takeCounts() }),
      );
  }
});
process.on('uncaughtException', (error) => tell({ kind: 'broken', error: textOf(error) }));
process.on('disconnect', () => process.exit());
// Written at the end of a process otherwise, and none of these ends by itself.
flushCompileCache();
tell({ kind: 'ready' });

async function open(name: AnyProgram, place: unknown): Promise<void> {
  const surroundings = { clock, reached: reach, tell: (news: News) => tell({ kind: 'news', news }) };
  actor = (await programs[name](place as never, surroundings)) as never;
}

async function obey(call: string, args: readonly unknown[]): Promise<unknown> {
  const work = actor[call];
  if (!work) throw new TypeError(`there is no call ${call}`);
  return work(...args);
}

function reach(point: CrashPoint): void {
  counts.set(point, (counts.get(point) ?? 0) + 1);
  if (mine?.point !== point) return;
  mine = { point, times: mine.times - 1 };
  if (mine.times === 0) process.kill(process.pid, 'SIGKILL');
}

function takeCounts(): Counts {
  const all = [...counts];
  counts.clear();
  return all;
}

function tell(told: Told): void {
  process.send?.(told);
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.stack}${error.cause instanceof Error ? `\nbecause ${error.cause.stack}` : ''}` : String(error);
}
