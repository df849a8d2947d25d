/**
 * The lines of the audit log: each is JSON that ends with the digest of everything before it in the line, and names the digest of the line before.
 *
 *     {"seq":7,"log":"5f0c…","previous":"9a1e…","at":1800000000,"phase":"begun","operation":"routes.change", … ,"hash":"301225cd…"}
 *     hash = SHA-256("farebox/audit/1/" · the line as it is without `,"hash":…`)
 *
 * A line that was altered has another digest; one that was taken out, put in or moved leaves the one behind it with a `previous` that is not there.
 */
import { createHash } from 'node:crypto';

/** What is written down. `begun` before a change is made; `done` or `failed` after it, with `of`: the number of the one that says what was to be done. */
export type AuditRecord = {
  readonly seq: number;
  /** Names the log: 32 hex digits, the same in each line. */
  readonly log: string;
  readonly previous: string;
  /** Unix seconds. */
  readonly at: number;
  /** What the store knew of this place and the lines before do not hold: the log that stood here was taken away, exchanged, or its end was cut off. */
  readonly after?: Mark | undefined;
} & AuditNews;

/** A line of a log: which log, its number, its digest. */
export type Mark = { readonly log: string; readonly seq: number; readonly hash: string };

/** A record without its place in the chain. */
export type AuditNews =
  | {
      readonly phase: 'begun';
      readonly by: { readonly id: string; readonly label: string; readonly kind: 'token' | 'session' };
      readonly operation: string;
      readonly target: string;
      readonly input: object;
      readonly differences: readonly { readonly field: string; readonly before: string | null; readonly after: string | null }[];
    }
  | { readonly phase: 'done'; readonly of: number }
  | { readonly phase: 'failed'; readonly of: number; readonly code: string };

/** What comes before the first line. */
export const beginning = '0'.repeat(64);

/** A line without its end, and its digest. */
export function formatLine(record: AuditRecord): { readonly line: string; readonly hash: string } {
  const body = JSON.stringify(record);
  const hash = digestOf(body);
  return { line: `${body.slice(0, -1)},"hash":"${hash}"}`, hash };
}

/** A line, and whether its digest is its own; undefined where it cannot be read. */
export function readLine(line: string): { readonly record: AuditRecord; readonly hash: string; readonly holds: boolean } | undefined {
  const [, start, hash] = /^(\{.*),"hash":"([0-9a-f]{64})"\}$/s.exec(line) ?? [];
  if (start === undefined || hash === undefined) return undefined;
  try {
    const record = JSON.parse(`${start}}`) as AuditRecord;
    return { record, hash, holds: digestOf(`${start}}`) === hash };
  } catch {
    return undefined;
  }
}

/** What is wrong with a chain, at which line (from 1). */
export type Break = { readonly line: number; readonly why: string };

/** Follows a chain line by line. */
export function createFollower(): {
  readonly follow: (line: string) => Break | undefined;
  /** Where it is now. */
  readonly head: () => { readonly seq: number; readonly hash: string; readonly log: string | undefined };
  /** What was lost on the way, as its records say themselves. */
  readonly lost: () => readonly Mark[];
} {
  let [seq, hash, log]: [number, string, string | undefined] = [0, beginning, undefined];
  const lost: Mark[] = [];
  return {
    follow: (line) => {
      const read = readLine(line);
      const broken = (why: string) => ({ line: seq + 1, why });
      if (read === undefined) return broken('it is no record');
      if (!read.holds) return broken('it was altered: its digest is not its own');
      const { record } = read;
      if (record.previous !== hash || record.seq !== seq + 1) return broken('it does not follow the one before: something was taken out, put in or moved');
      if (log !== undefined && record.log !== log) return broken('it is of another log');
      [seq, hash, log] = [record.seq, read.hash, record.log];
      if (record.after !== undefined) lost.push(record.after);
      return undefined;
    },
    head: () => ({ seq, hash, log }),
    lost: () => lost,
  };
}

function digestOf(body: string): string {
  return createHash('sha256').update('farebox/audit/1/').update(body).digest('hex');
}
