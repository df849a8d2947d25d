/**
 * The audit log: every change that an operator makes is written down before it is made, and what came of it afterwards, in a file of lines that hang
 * together. The store remembers which log stands in its place and where it ended, so that lines which were cut off its end, and a log that was exchanged or
 * taken away as a whole, are found as well; whoever goes on behind that writes down what had stood there.
 *
 * One change is made at a time, of all processes of this machine.
 */
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { type Clock, nowAt, type Random } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { fromUtf8, toHex } from '../../core/internal/bytes.ts';
import { sha256 } from '../../core/internal/sha256.ts';
import type { Store } from '../../store/Store.ts';
import { whileLocked } from '../FileLock.ts';
import type { Caller, Difference } from '../Operation.ts';
import { type AuditNews, type AuditRecord, type Break, beginning, createFollower, formatLine, type Mark, readLine } from './Chain.ts';

/** What is written down of a change. */
export type Changed = {
  readonly caller: Caller;
  readonly operation: string;
  readonly target: string;
  /** Without what is secret. */
  readonly input: object;
  readonly differences: readonly Difference[];
};

/** A change as it was written down. `unknown`: the process ended before it could say what came of it. */
export type AuditEntry = AuditRecord & { readonly phase: 'begun' } & {
  readonly hash: string;
  readonly outcome: 'done' | 'failed' | 'unknown';
  readonly code: string | undefined;
};

/** What was found in a log. `anchor`: what the store says of its end; `behind`: that many lines came after it; `lost`: ends that its own records miss. */
export type AuditVerdict = {
  readonly records: number;
  readonly broken: Break | undefined;
  readonly anchor: 'matches' | 'behind' | 'contradicts' | 'missing' | 'none';
  readonly behind: number;
  readonly lost: readonly Mark[];
};

/** See the head of this file. */
export type AuditLog = {
  readonly file: string;
  /**
   * Writes a change down, makes it, and writes down what came of it.
   * @throws what the change throws; ADMIN_CHANGE_CONFLICT – it cannot be written down, and was not made
   */
  readonly record: (changed: Changed, apply: () => Promise<void>) => Promise<void>;
  /** Changes, newest first, before the one with that number. */
  readonly list: (query: { readonly before?: number | undefined; readonly limit: number }) => Promise<readonly AuditEntry[]>;
  /** Looks at every line. @throws STORE_UNAVAILABLE – the store cannot say where the log ended */
  readonly verify: () => Promise<AuditVerdict>;
};

/** What the log is made from. */
export type AuditOptions = { readonly file: string; readonly store: Store | undefined; readonly clock: Clock; readonly random: Random };

/** See the head of this file. */
export function createAuditLog({ file, store, clock, random }: AuditOptions): AuditLog {
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const acted = turn.then(() => whileLocked(file, { clock, random }, act));
    turn = acted.catch(() => {});
    return acted;
  };
  const place = placeOf(file);
  const append = async (news: AuditNews): Promise<number> => {
    const handle = await open(file, 'a+', 0o600);
    try {
      const known = await knownAt(store, place);
      const last = await lastOf(handle);
      const { record, hash } = last ?? { record: undefined, hash: beginning };
      const log = record?.log ?? toHex(random(16));
      const after = known.mark && isLost(known.mark, { log, seq: record?.seq ?? 0, hash }, record?.after) ? { after: known.mark } : {};
      const next = { seq: (record?.seq ?? 0) + 1, log, previous: hash, at: nowAt(clock), ...after, ...news };
      const { line, hash: now } = formatLine(next);
      await handle.appendFile(`${line}\n`);
      await handle.sync();
      // What the store cannot be told now it is told with the next one: until then the log is ahead of it. Where it could not be asked it is told nothing:
      // what it remembers may be gone from here, and would be forgotten without a word.
      if (news.phase !== 'begun' && known.isSure) await remember(store, place, { log, seq: next.seq, hash: now }).catch(() => {});
      return next.seq;
    } finally {
      await handle.close();
    }
  };
  const written = async (news: AuditNews): Promise<number> => {
    try {
      return await append(news);
    } catch (error) {
      if (FareboxError.is(error)) throw error;
      const code = (error as NodeJS.ErrnoException).code ?? 'unwritable';
      throw new FareboxError('ADMIN_CHANGE_CONFLICT', `The change cannot be written down in the audit log (${code}), and was not made.`, { cause: error });
    }
  };
  return {
    file,
    record: ({ caller: { id, label, kind }, operation, target, input, differences }, apply) =>
      inTurn(async () => {
        const of = await written({ phase: 'begun', by: { id, label, kind }, operation, target: target.slice(0, 600), ...bounded(input, differences) });
        try {
          await apply();
        } catch (error) {
          await append({ phase: 'failed', of, code: FareboxError.is(error) ? error.code : 'FAULT' }).catch(() => {});
          throw error;
        }
        // It is done whatever becomes of this line: without it the log says that it does not know.
        await append({ phase: 'done', of }).catch(() => {});
      }),
    list: async ({ before = Number.POSITIVE_INFINITY, limit }) => {
      const entries = new Map<number, AuditEntry>();
      for await (const line of linesOf(file)) {
        const read = readLine(line);
        if (read === undefined) continue;
        const { record, hash } = read;
        if (record.phase === 'begun') {
          if (record.seq >= before) continue;
          entries.set(record.seq, { ...record, hash, outcome: 'unknown', code: undefined });
          if (entries.size > limit) entries.delete(entries.keys().next().value as number);
          continue;
        }
        const begun = entries.get(record.of);
        if (begun) entries.set(record.of, { ...begun, outcome: record.phase, code: record.phase === 'failed' ? record.code : undefined });
      }
      return [...entries.values()].reverse();
    },
    verify: () => verify(file, store, place),
  };
}

async function verify(file: string, store: Store | undefined, place: string): Promise<AuditVerdict> {
  const follower = createFollower();
  const hashes: string[] = [beginning];
  let broken: Break | undefined;
  for await (const line of linesOf(file)) {
    broken = follower.follow(line);
    if (broken !== undefined) break;
    hashes.push(follower.head().hash);
  }
  const { seq, log } = follower.head();
  const none = { records: seq, broken, anchor: 'none', behind: 0, lost: follower.lost() } as const;
  if (store === undefined) return none;
  const stood = markOf(await store.bookmark(place));
  if (log === undefined) return stood === undefined ? none : { ...none, anchor: 'missing' };
  if (stood !== undefined && stood.log !== log) return { ...none, anchor: 'missing' };
  // A log that was moved is known by its name.
  const mark = stood ?? markOf(await store.bookmark(readerOf(log)));
  if (mark === undefined) return { ...none, anchor: 'missing' };
  if (hashes[mark.seq] !== mark.hash) return { ...none, anchor: 'contradicts' };
  return { ...none, anchor: mark.seq === seq ? 'matches' : 'behind', behind: seq - mark.seq };
}

/**
 * Where the store keeps which log stands in a file, and how far it has come. Its key hangs on nothing that stands in the file: whoever takes the log away
 * cannot take that along. Machines that share a store have files of one name, and each its own place.
 */
function placeOf(file: string): string {
  return `admin-audit-at:${toHex(sha256(fromUtf8(`farebox/audit/place/${hostname()}\n${resolve(file)}`)))}`;
}

/** Where it keeps the same by the log's name, so that a log can be moved. */
function readerOf(log: string): string {
  return `admin-audit:${log}`;
}

async function remember(store: Store | undefined, place: string, mark: Mark): Promise<void> {
  const text = `${mark.log} ${mark.seq} ${mark.hash}`;
  await store?.append([], { reader: readerOf(mark.log), place: text });
  await store?.append([], { reader: place, place: text });
}

/** What the store knows of a place. `isSure`: it could be asked. */
async function knownAt(store: Store | undefined, place: string): Promise<{ readonly mark: Mark | undefined; readonly isSure: boolean }> {
  try {
    return { mark: markOf(await store?.bookmark(place)), isSure: true };
  } catch {
    return { mark: undefined, isSure: false };
  }
}

function markOf(text: string | undefined): Mark | undefined {
  const [log, seq, hash] = text?.split(' ') ?? [];
  return log === undefined || hash === undefined ? undefined : { log, seq: Number(seq), hash };
}

/** Whether the line that the store knows is not in front of the next one, as far as the last one shows, and no record said so yet. */
function isLost(known: Mark, last: Mark, said: Mark | undefined): boolean {
  if (said?.hash === known.hash) return false;
  if (known.log !== last.log) return true;
  return known.seq > last.seq || (known.seq === last.seq && known.hash !== last.hash);
}

/** The whole lines of a file; none where there is none. What is left of a line that was not finished is no line. */
async function* linesOf(file: string): AsyncIterable<string> {
  let rest = '';
  try {
    for await (const chunk of createReadStream(file, { encoding: 'utf8' })) {
      const lines = `${rest}${chunk}`.split('\n');
      rest = lines.pop() as string;
      yield* lines;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** The last line, after what a process that was killed had not finished has been taken off: nothing was made for it yet. */
async function lastOf(handle: FileHandle): Promise<{ readonly record: AuditRecord; readonly hash: string } | undefined> {
  const { size } = await handle.stat();
  if (size === 0) return undefined;
  for (let window = 65_536; ; window *= 4) {
    const from = Math.max(0, size - window);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - from), 0, size - from, from);
    const bytes = buffer.subarray(0, bytesRead);
    const end = bytes.lastIndexOf(10);
    const start = end <= 0 ? -1 : bytes.lastIndexOf(10, end - 1);
    if (start < 0 && from > 0) continue;
    if (end + 1 < bytes.length) await handle.truncate(from + end + 1);
    if (end < 0) return undefined;
    const read = readLine(bytes.subarray(start + 1, end).toString('utf8'));
    if (read?.holds) return read;
    throw new FareboxError(
      'ADMIN_CHANGE_CONFLICT',
      'The last line of the audit log was altered: nothing is changed until somebody has looked. Then begin a new file.',
    );
  }
}

const maxShown = 8192;

/** What is too long to be written down is named by its length. */
function bounded(input: object, differences: readonly Difference[]): { readonly input: object; readonly differences: readonly Difference[] } {
  const short = (text: string | null) => (text === null || text.length <= maxShown ? text : `(${text.length} characters)`);
  const text = JSON.stringify(input);
  return {
    input: text.length <= maxShown ? input : { characters: text.length },
    differences: differences.slice(0, 200).map(({ field, before, after }) => ({ field, before: short(before), after: short(after) })),
  };
}
