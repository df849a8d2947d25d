/**
 * One transaction for a group of calls: begin, lock and read in one round trip, write and commit in another.
 *
 * What became of it is known, or it is not: a connection that is lost once the commit was sent leaves the outcome open, and nobody is told
 * that anything was written, or that it was not.
 */
import type { Operation, Reached } from '../../core/CrashPoint.ts';
import type { Change } from '../Store.ts';
import { type Answer, type Client, stateOf } from './client.ts';
import { createGroup, type Group, type Work } from './group.ts';

/** A call that waits. */
export type Job = {
  readonly operation: Operation<'store'>;
  readonly work: Work<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
};

/** What became of a group. */
export type Outcome =
  /** Written; `answer` tells everybody. */
  | { readonly kind: 'committed'; readonly answer: () => void; readonly changed: ReadonlySet<Change['kind']> }
  /** Nothing was written. `lost`: the connection was. `conflict`: another transaction was in the way. `broken`: whatever else. */
  | { readonly kind: 'lost' | 'conflict' | 'broken'; readonly cause: unknown }
  /** Written, or not. */
  | { readonly kind: 'unknown'; readonly cause: unknown };

/** Runs the calls of a group, one after the other, in one transaction. */
export async function runGroup(
  client: Client,
  jobs: readonly Job[],
  { reached, now }: { readonly reached: Reached; readonly now: () => number },
): Promise<Outcome> {
  const group = createGroup(now);
  let answers: readonly (() => void)[];
  try {
    for (const { work } of jobs) work.want(group);
    await Promise.all(client.together(() => [client.ask('BEGIN'), ...group.load(client)]));
    answers = jobs.map((job) => attempt(job, group));
    for (const { operation } of jobs) reached(`store.${operation}.written`);
  } catch (cause) {
    return aborted(client, cause);
  }
  // From here on the outcome is open until the server tells it.
  if (client.isGone()) return { kind: 'lost', cause: undefined };
  const failure = await commit(client, group);
  if (failure) return failure;
  for (const { operation } of jobs) reached(`store.${operation}.committed`);
  const answer = () => {
    for (const each of answers) each();
  };
  return { kind: 'committed', answer, changed: group.changed() };
}

/** Takes one call's step; a caller's mistake is that caller's answer. */
function attempt({ work, resolve, reject }: Job, group: Group): () => void {
  try {
    const value = work.take(group);
    return () => resolve(value);
  } catch (error) {
    if (!isCallersMistake(error)) throw error;
    return () => reject(error);
  }
}

/** What went wrong; undefined where it is written. */
async function commit(client: Client, group: Group): Promise<Outcome | undefined> {
  let asked: readonly [Promise<Answer<unknown>>, ...Promise<unknown>[]];
  try {
    asked = client.together(() => {
      const saves = group.save(client);
      return [client.ask('COMMIT'), ...saves];
    });
  } catch (cause) {
    // What cannot be written down was not sent, and no commit behind it.
    return aborted(client, cause);
  }
  const [committed, ...saved] = await Promise.allSettled(asked);
  const cause = saved.find((one) => one.status === 'rejected')?.reason;
  if (committed.status === 'fulfilled') return committed.value.command === 'COMMIT' ? undefined : { kind: isConflict(cause) ? 'conflict' : 'broken', cause };
  // A server that goes on answering has rolled back; one that is gone may have committed.
  const outcome = await aborted(client, cause ?? committed.reason);
  return outcome.kind === 'lost' ? { kind: 'unknown', cause: committed.reason } : outcome;
}

async function aborted(client: Client, cause: unknown): Promise<Outcome> {
  if (!client.isGone()) await client.ask('ROLLBACK').catch(() => {});
  if (client.isGone()) return { kind: 'lost', cause };
  return { kind: isConflict(cause) ? 'conflict' : 'broken', cause };
}

/** A deadlock or a serialisation failure: the same again may succeed. */
function isConflict(cause: unknown): boolean {
  return /^(40001|40P01)$/.test(stateOf(cause) ?? '');
}

/** Node's own argument errors carry a code; ours do not. */
function isCallersMistake(error: unknown): boolean {
  return (error instanceof TypeError || error instanceof RangeError) && !('code' in error);
}
