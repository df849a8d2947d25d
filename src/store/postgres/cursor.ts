/**
 * Reads a table whole, a few rows at a time, however many there are. Within a transaction.
 */
import type { Client } from './client.ts';

/** All of each table is read, and may have to be sorted first: other plans are good here. */
export const forAll = 'SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on';

/** Rows that are asked for at once. */
const fetchedRows = 500;

let cursors = 0;

/** Rows as they come. */
export async function* cursor<Row>(client: Client, sql: string): AsyncGenerator<Row> {
  cursors += 1;
  const name = `cursor_${cursors}`;
  await client.ask(`DECLARE ${name} NO SCROLL CURSOR FOR ${sql}`);
  for (;;) {
    const { rows } = await client.ask<Row>(`FETCH ${fetchedRows} FROM ${name}`);
    yield* rows;
    if (rows.length < fetchedRows) break;
  }
  await client.ask(`CLOSE ${name}`);
}
