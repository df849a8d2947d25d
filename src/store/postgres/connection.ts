/**
 * One process's hold on a store in PostgreSQL: lines to write on, one to read on, and how calls of one moment share a transaction.
 *
 * Group commit: whoever comes while a transaction is under way goes into the next one. A durable commit costs a flush to disk and two
 * round trips, so that under load this is the difference of an order of magnitude.
 */
import type { Operation, Reached } from '../../core/CrashPoint.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { Change } from '../Store.ts';
import type { Read } from './book.ts';
import { type Client, stateOf } from './client.ts';
import type { Work } from './group.ts';
import { createLine, type Line } from './line.ts';
import { type Job, runGroup } from './transaction.ts';

/** An open store. */
export type Connection = {
  /** Reads from one moment. @throws STORE_UNAVAILABLE – the server does not answer, or the store is closed */
  readonly read: Read;
  /**
   * Takes a step in a transaction and answers when that is on disk. The operation names its crash points. The step may be taken several times.
   * @throws STORE_UNAVAILABLE – it was not written, or nobody knows whether it was; or the store is closed
   */
  readonly write: <T>(operation: Operation<'store'>, work: Work<T>) => Promise<T>;
  /** No transaction begins before this is over. */
  readonly hold: (reading: Promise<unknown>) => void;
  /** Whether that is the number of a connection that writes for this process. */
  readonly isOwn: (processId: number) => boolean;
  /** @throws STORE_UNAVAILABLE – the store is closed */
  readonly assertOpen: () => void;
  /** Finishes what was asked for, then lets go of the server. */
  readonly close: () => Promise<void>;
};

/** While one line waits for a commit to be flushed, the other reads for the next: more were no faster. */
const writingLines = 2;

/** Transactions share a flush, but hold their locks for no longer than this many calls take. */
const groupLimit = 64;

/** How often a group is tried again where others were in its way. */
const conflictLimit = 5;

/** How long a line is left alone that could not be opened beside another one: the server may have too many. */
const asideMs = 1000;

/** Statements that took too long, and locks that did not come in time. */
const late = /^(57014|55P03)$/;

/** What {@link createConnection} takes. */
export type ConnectionOptions = {
  readonly open: () => Promise<Client>;
  /** A connection that is open already. */
  readonly first: Client;
  readonly reached: Reached;
  /** Unix seconds, with their fraction. */
  readonly now: () => number;
  /** Called after every commit, before its callers hear of it. */
  readonly onCommit: (changed: ReadonlySet<Change['kind']>) => void;
};

/** Holds a store whose tables are there. */
export function createConnection(options: ConnectionOptions): Connection {
  const { open, first } = options;
  const lines = Array.from({ length: writingLines }, (_, index) => createLine(open, index === 0 ? first : undefined));
  const readingLine = createLine(open);
  const writer = createWriter(lines, options);
  const reads = new Set<Promise<unknown>>();
  let closed = false;

  const assertOpen = () => {
    if (closed) throw new FareboxError('STORE_UNAVAILABLE', 'The store is closed.');
  };

  return {
    read: async (statement, values) => {
      assertOpen();
      const reading = readOn(readingLine, (client) => client.ask(statement, values));
      reads.add(reading);
      try {
        return (await reading).rows as never;
      } finally {
        reads.delete(reading);
      }
    },
    write: async (operation, work) => {
      assertOpen();
      return writer.write(operation, work);
    },
    hold: writer.hold,
    isOwn: (processId) => lines.some((line) => line.isOf(processId)),
    assertOpen,
    close: async () => {
      closed = true;
      await Promise.allSettled([writer.finish(), ...reads]);
      await Promise.all([...lines, readingLine].map((line) => line.end()));
    },
  };
}

/** Asks once more where the connection is lost: reading changes nothing. */
async function readOn<T>(line: Line, ask: (client: Client) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    let client: Client | undefined;
    try {
      client = await line.client();
      return await ask(client);
    } catch (cause) {
      if (attempt > 1 || !client?.isGone()) throw unavailable(cause);
    }
  }
}

/** Puts calls into groups, and groups on lines. */
function createWriter(lines: readonly Line[], { reached, now, onCommit }: ConnectionOptions) {
  const queue: Job[] = [];
  const holds = new Set<Promise<unknown>>();
  const running = new Map<Line, Promise<void>>();
  let scheduled = false;
  let moreLinesAt = 0;

  /** At the end of the turn, so that what is asked for within one shares a transaction. */
  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      const idle = lines.find((line) => !running.has(line));
      const isWorth = running.size === 0 || performance.now() >= moreLinesAt;
      if (idle && isWorth && queue.length > 0) running.set(idle, run(idle));
    });
  }

  async function run(line: Line): Promise<void> {
    try {
      const client = await line.client();
      while (queue.length > 0 && !client.isGone()) {
        // What was to be read before is read, also what came while that was waited for.
        while (holds.size > 0) await Promise.allSettled([...holds]);
        await commitGroup(line, queue.splice(0, groupLimit));
      }
    } catch (cause) {
      moreLinesAt = performance.now() + asideMs;
      // A server that cannot be reached is reached by nobody: whoever waits is told at once, unless another line is at work.
      if (running.size === 1) rejectAll(queue.splice(0), cause);
    }
    running.delete(line);
    if (queue.length > 0) schedule();
  }

  async function commitGroup(line: Line, jobs: readonly Job[]): Promise<void> {
    try {
      for (let attempt = 1; ; attempt++) {
        const outcome = await runGroup(await line.client(), jobs, { reached, now });
        if (outcome.kind === 'committed') {
          onCommit(outcome.changed);
          return outcome.answer();
        }
        const again = (outcome.kind === 'lost' && attempt === 1) || (outcome.kind === 'conflict' && attempt < conflictLimit);
        if (again) continue;
        if (outcome.kind !== 'broken' || jobs.length === 1 || late.test(stateOf(outcome.cause) ?? '')) throw outcome.cause;
        // One that breaks the transaction breaks nobody else's.
        for (const job of jobs) await commitGroup(line, [job]);
        return;
      }
    } catch (cause) {
      rejectAll(jobs, cause);
    }
  }

  return {
    write: <T>(operation: Operation<'store'>, work: Work<T>) =>
      new Promise<T>((resolve, reject) => {
        queue.push({ operation, work, resolve: resolve as (value: unknown) => void, reject });
        schedule();
      }),
    hold: (reading: Promise<unknown>) => {
      const over = () => holds.delete(reading);
      holds.add(reading);
      reading.then(over, over);
    },
    finish: async () => {
      while (queue.length > 0 || running.size > 0) {
        schedule();
        await Promise.all([...running.values(), new Promise(setImmediate)]);
      }
    },
  };
}

function rejectAll(jobs: readonly Job[], cause: unknown): void {
  const error = unavailable(cause);
  for (const job of jobs) job.reject(error);
}

function unavailable(cause: unknown): FareboxError {
  if (FareboxError.is(cause, 'STORE_UNAVAILABLE')) return cause;
  return new FareboxError('STORE_UNAVAILABLE', 'The store could not be read or written.', { cause });
}
