/**
 * A store in PostgreSQL told whole, and written whole: each over a connection of its own and in one transaction, so that what is told is of one
 * moment, and what is written is all or nothing.
 */
import { FareboxError } from '../../core/Errors.ts';
import { batched, malformed, notEmpty, type Piece, type PieceRows, pieceColumns, pieceOf, selectOf, type TableName, tableNames, untied } from '../pieces.ts';
import { type Client, stateOf } from './client.ts';
import { cursor, forAll } from './cursor.ts';
import { toJson } from './table.ts';

/** Rows that go out in one statement. */
const batchSize = 500;

/** What only files have that an older version began. */
const neverUntied = { untied_seq: '0', untied_until: '0' };

/**
 * Everything that the schema holds, of the moment at which the first is asked for.
 * @throws STORE_UNAVAILABLE – the server does not answer
 */
export async function* exportSchema(open: () => Promise<Client>): AsyncGenerator<Piece> {
  let client: Client | undefined;
  try {
    client = await open();
    await client.ask('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    await client.ask(forAll);
    for (const table of tableNames) {
      const sql = selectOf(table, table === 'book' ? neverUntied : {});
      for await (const row of cursor<PieceRows[typeof table]>(client, sql)) yield pieceOf(table, row);
    }
  } catch (cause) {
    throw FareboxError.is(cause) ? cause : new FareboxError('STORE_UNAVAILABLE', 'The store could not be read.', { cause });
  } finally {
    await client?.end();
  }
}

/**
 * Fills an empty schema. Whoever else would write there meanwhile waits.
 * @throws STORE_NOT_EMPTY; STORE_VERSION – an older version left open what only a file keeps account of; EXPORT_MALFORMED – two rows are one, or a row is none of
 *   its table's; STORE_UNAVAILABLE – the server does not answer; whatever the pieces throw. Nothing was written then, but where a commit was
 *   not answered: that is not known
 */
export async function importSchema(open: () => Promise<Client>, pieces: AsyncIterable<Piece>): Promise<void> {
  let client: Client | undefined;
  try {
    client = await open();
    // The pause between two statements is as long as that of whoever reads the pieces.
    await client.ask('SET idle_in_transaction_session_timeout = 0; BEGIN');
    await client.ask(`LOCK TABLE ${tableNames.join(', ')} IN EXCLUSIVE MODE`);
    await assertEmpty(client);
    for await (const { table, rows } of batched(pieces, batchSize)) {
      if (table === 'book') {
        if (rows.some(({ untied_until }) => untied_until > 0)) throw new FareboxError('STORE_VERSION', untied);
        await client.ask('DELETE FROM book');
      }
      await client.ask({ name: `import ${table}`, text: insertInto(table) }, [toJson(rows)]);
    }
    const { command } = await client.ask('COMMIT');
    if (command !== 'COMMIT') throw new FareboxError('STORE_UNAVAILABLE', 'The server took the import back. Nothing was written.');
  } catch (cause) {
    throw toError(cause);
  } finally {
    // What was not committed goes with the connection.
    await client?.end();
  }
}

async function assertEmpty(client: Client): Promise<void> {
  const [book] = (await client.ask<{ readonly seq: number }>('SELECT seq FROM book')).rows;
  const filled = tableNames.filter((table) => table !== 'book').map((table) => `EXISTS (SELECT 1 FROM ${table})`);
  const [found] = (await client.ask<{ readonly filled: boolean }>(`SELECT ${filled.join(' OR ')} AS filled`)).rows;
  if (book?.seq !== 0 || found?.filled !== false) throw new FareboxError('STORE_NOT_EMPTY', notEmpty);
}

/** Lots are numbered as they come. */
function insertInto(table: TableName): string {
  const columns = pieceColumns[table].filter((column) => !(column in neverUntied)) as readonly string[];
  const into = table === 'book' ? ['id', ...columns] : columns;
  const from = table === 'book' ? ['1', ...columns] : columns;
  return `INSERT INTO ${table} (${into.join(', ')}) SELECT ${from.join(', ')}
    FROM json_populate_recordset(NULL::${table}, $1) WITH ORDINALITY AS given ORDER BY given.ordinality`;
}

/** SQLSTATE 22 and 23 are about what was to be written. */
function toError(cause: unknown): unknown {
  if (FareboxError.is(cause)) return cause;
  const state = stateOf(cause);
  if (state === undefined && !(cause instanceof Error && 'code' in cause)) return cause;
  if (state !== undefined && /^2[23]/.test(state)) return malformed((cause as Error).message, cause);
  return new FareboxError('STORE_UNAVAILABLE', 'The store could not be written. Nothing was imported, unless the last answer of the server was lost.', {
    cause,
  });
}
