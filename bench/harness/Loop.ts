/**
 * The processor time of work in this process, by the operating system's count for all its threads: what compiling and collecting garbage
 * cost is in it.
 *
 *     const reading = loop(() => Macaroon.decode(bytes), 20_000);
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Reading } from './Comparison.ts';

/** Calls it that many times, one after the other. The number of the call is handed in. What it answers is kept alive to its end. */
export function loop(work: (index: number) => unknown, count: number): Reading {
  const before = cpuNs();
  for (let index = 0; index < count; index++) kept = work(index);
  return { cpuNs: cpuNs() - before, count };
}

/** The same for work that answers later; each call is waited for before the next. */
export async function loopAsync(work: (index: number) => Promise<unknown>, count: number): Promise<Reading> {
  const before = cpuNs();
  for (let index = 0; index < count; index++) kept = await work(index);
  return { cpuNs: cpuNs() - before, count };
}

/** The same with that many calls under way at once. */
export async function loopAtOnce(work: (index: number) => Promise<unknown>, count: number, atOnce: number): Promise<Reading> {
  collectGarbage({ type: 'minor' });
  const before = cpuNs();
  let next = 0;
  const turn = async () => {
    while (next < count) kept = await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, turn));
  return { cpuNs: cpuNs() - before, count };
}

/** What the last call answered, where the compiler can see it: work whose result nobody keeps may be left out. */
export let kept: unknown;

/**
 * Every run begins with nothing young to collect: who made the garbage is to pay for it, not who comes next. A whole collection would take
 * compiled code along, and who runs seldom would pay for compiling it again.
 */
const collectGarbage: (options: { readonly type: 'minor' }) => void = (() => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc');
})();

/** Processor time of this process so far. */
export function cpuNs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}
