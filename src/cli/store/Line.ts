/**
 * A store's export as text: JSON, a line for each row, between a first line that says what it is and a last one that says how many there are, so
 * that a file that was cut off is known as one. Two stores that hold the same are the same text.
 *
 *     {"farebox":"store","version":1}
 *     {"table":"book","row":{"seq":2,…}}
 *     …
 *     {"rows":17}
 */
import { z } from 'zod';
import { FareboxError } from '../../core/Errors.ts';
import { type Piece, type PieceRows, pieceColumns, type TableName } from '../../store/pieces.ts';

/** The version of the text. */
const version = 1;

/** The first line. */
export const head = `${JSON.stringify({ farebox: 'store', version })}\n`;

/** A row's line. */
export function format({ table, row }: Piece): string {
  const values = pieceColumns[table].map((column) => [column, (row as Readonly<Record<string, unknown>>)[column]]);
  return `${JSON.stringify({ table, row: Object.fromEntries(values) })}\n`;
}

/** The last line. */
export function formatEnd(rows: number): string {
  return `${JSON.stringify({ rows })}\n`;
}

/**
 * Reads lines back.
 * @throws EXPORT_MALFORMED – a line is none of these, or the last is missing
 */
export async function* parse(lines: AsyncIterable<string>): AsyncGenerator<Piece> {
  let number = 0;
  let rows: number | undefined;
  for await (const line of lines) {
    number += 1;
    const value = fromJson(line, number);
    if (number === 1) assertHead(value);
    else if (rows !== undefined) throw malformed(`line ${number} comes behind the last`);
    else if (isEnd(value)) rows = value.rows;
    else yield parseRow(value, number);
  }
  if (rows === undefined) throw malformed('its last line is missing: it was cut off');
  if (rows !== number - 2) throw malformed(`its last line says ${rows} rows, and there are ${number - 2}`);
}

function assertHead(value: unknown): void {
  const known = z.object({ farebox: z.literal('store'), version: z.number() }).safeParse(value);
  if (!known.success) throw malformed('its first line is another’s. "farebox store export" writes one');
  if (known.data.version > version)
    throw new FareboxError('STORE_VERSION', `The export has version ${known.data.version}; this Farebox reads ${version}. Use the newer Farebox.`);
}

function isEnd(value: unknown): value is { readonly rows: number } {
  return z.strictObject({ rows: z.number() }).safeParse(value).success;
}

function parseRow(value: unknown, number: number): Piece {
  const found = line.safeParse(value);
  if (found.success && Object.hasOwn(tables, found.data.table)) {
    const table = found.data.table as TableName;
    const row = tables[table].safeParse(found.data.row);
    if (row.success) return { table, row: row.data } as Piece;
    const [issue] = row.error.issues;
    const column = issue?.code === 'unrecognized_keys' ? issue.keys[0] : issue?.path.join('.');
    throw malformed(`line ${number}: ${table} cannot have ${column} so`);
  }
  throw malformed(`line ${number} is no row of a store’s`);
}

const line = z.strictObject({ table: z.string(), row: z.unknown() });

const count = z.int().min(0);
const number = z.number().min(0);
const text = z.string();
const name = z.string().min(1);
const decimal = z.string().regex(/^-?\d{1,60}$/);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const json = text.refine((value) => {
  try {
    return typeof JSON.parse(value) === 'object';
  } catch {
    return false;
  }
});

const tables: { readonly [Name in TableName]: z.ZodType<PieceRows[Name]> } = {
  book: z.strictObject({
    seq: count,
    settled_msat: decimal,
    received_msat: decimal,
    earned_msat: decimal,
    reversed_msat: decimal,
    settled: count,
    received: count,
    earned: count,
    reversed: count,
    repeated: count,
    untied_seq: count,
    untied_until: count,
  }),
  ledger: z.strictObject({
    seq: count,
    kind: z.enum(['settled', 'received', 'earned', 'reversed', 'repeated']),
    payment_hash: hash,
    nonce: text,
    amount_msat: decimal,
    service: text,
    route: text,
    at: count,
    note: text,
  }),
  bookmarks: z.strictObject({ reader: name, place: text }),
  denials: z.strictObject({ seq: count, kind: z.enum(['token', 'part', 'payment', 'key', 'minted-before']), value: text, expires_at: count }),
  claims: z.strictObject({
    key: name,
    state: z.enum(['open', 'held', 'committed', 'used']),
    fence: count,
    request: text,
    idempotency_key: text.nullable(),
    body_digest: text.nullable(),
    expires_at: count,
    lease_ends_at: count.nullable(),
    lease_seconds: number,
    repeat_seconds: count,
    committed_at: count,
    committed_fence: count,
    repeats: count,
    given_back: count,
    lapses: count,
    releases: json,
    payment_hash: hash.nullable(),
    amount_msat: decimal.nullable(),
  }),
  closings: z.strictObject({ payment_hash: hash, kind: z.enum(['claim', 'account']), amount_msat: decimal, earned_msat: decimal }),
  counters: z.strictObject({ key: name, value: count, expires_at: count }),
  accounts: z.strictObject({ account: name, units: decimal, spent: decimal, forgotten: decimal, given_back: json, opened: count, expires_at: count }),
  lots: z.strictObject({
    account: name,
    source: name,
    units: decimal,
    spent: decimal,
    paid_msat: decimal,
    earned_msat: decimal,
    payment_hash: hash.nullable(),
    expires_at: count,
  }),
  reservations: z.strictObject({ reservation: name, state: z.enum(['held', 'settled', 'cancelled', 'reversed']), lease_ends_at: count, units: decimal }),
  debits: z.strictObject({
    reservation: name,
    number: count,
    account: name,
    units: decimal,
    spent: decimal,
    taken: json,
    held_until: count.nullable(),
  }),
};

function fromJson(text: string, number: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw malformed(`line ${number} is no JSON`, cause);
  }
}

function malformed(why: string, cause?: unknown): FareboxError {
  return new FareboxError('EXPORT_MALFORMED', `The export cannot be read: ${why}.`, { cause });
}
