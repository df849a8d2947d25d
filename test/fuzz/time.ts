/**
 * Whether an input takes too long. Counting coverage makes code several times slower, and a shared machine makes anything slow now and then: so
 * the thread that fuzzes only suspects, and whoever started it measures again, without counters, and takes the shortest of several times.
 */

import { runOnce, type Target } from './Target.ts';

/** An input that seemed slow, or one in three lengths, each about twice the one before. */
export type Suspect = { readonly target: string; readonly lengths: readonly string[]; readonly after: number };

/** Inputs of up to this length are judged, and stretched to it. */
export const judgedLength = 8192;
/** Longer than this is too long, unless the target says otherwise. */
const usualMs = 20;

/** A doubled input that takes this many times as long, twice in a row, grows faster than its length. */
const steepest = 2.8;
/** Below this, a clock says more about the machine than about the code. */
const shortestMs = 1;

/** How long an input of a target may take. */
export function longestMsOf(target: Pick<Target, 'longestMs'>): number {
  return target.longestMs ?? usualMs;
}

/** What is wrong with the time that these lengths take, if anything. */
export async function verdictOn(target: Target, lengths: readonly string[], tries: number): Promise<string | undefined> {
  const times: number[] = [];
  for (const input of lengths) {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < tries; i++) best = Math.min(best, (await runOnce(target, input)).ms);
    times.push(best);
  }
  const [first = 0, second = 0, third = 0] = times;
  const grows = third > shortestMs && second > steepest * first && third > steepest * second;
  const lasts = lengths.some(({ length }, at) => length <= 2 * judgedLength && (times[at] ?? 0) > longestMsOf(target));
  return grows || lasts
    ? `takes ${times.map((ms) => ms.toFixed(2)).join(', ')} ms for ${lengths.map(({ length }) => length).join(', ')} characters`
    : undefined;
}
