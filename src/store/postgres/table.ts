/**
 * The rows of a table as one transaction sees them: named first, read together, changed in memory, written together. A statement a table,
 * however many rows.
 */
import type { Client, Statement } from './client.ts';

/** A table with a text for its key. */
export type Table = {
  readonly name: string;
  readonly read: Statement;
  readonly write: Statement;
  readonly erase: Statement;
};

/** The rows that a transaction works on. */
export type Rows<Row> = {
  /** Names a row that will be looked at. `locked`: nobody else's transaction changes it, or makes it, until this one has ended. */
  readonly want: (key: string, locked?: boolean) => void;
  /** A row as it is now, with what this transaction has changed. */
  readonly get: (key: string) => Row | undefined;
  /** Puts a row in place of the one that is there, named or not. */
  readonly set: (key: string, row: Row) => void;
  /** Drops a row, whether it is there or not. */
  readonly drop: (key: string) => void;
  /** Names of what is to be locked, unique over all tables. */
  readonly locks: () => readonly string[];
  /** Reads what was named. */
  readonly load: (client: Client) => readonly Promise<unknown>[];
  /** Writes what was changed. */
  readonly save: (client: Client) => readonly Promise<unknown>[];
};

/** A table by its columns, the key first, each with its type. */
export function tableOf(name: string, columns: { readonly [column: string]: string }): Table {
  const names = Object.keys(columns);
  const [key = '', ...others] = names;
  const given = Object.entries(columns).map(([column, type]) => `${column} ${type}`);
  return {
    name,
    read: { name: `read ${name}`, text: `SELECT ${names.join(', ')} FROM ${name} WHERE ${key} = ANY ($1::text[])` },
    write: {
      name: `write ${name}`,
      text: `INSERT INTO ${name} (${names.join(', ')}) SELECT ${names.join(', ')} FROM json_to_recordset($1) AS given (${given.join(', ')})
        ON CONFLICT (${key}) DO UPDATE SET ${others.map((column) => `${column} = excluded.${column}`).join(', ')}`,
    },
    erase: { name: `erase ${name}`, text: `DELETE FROM ${name} WHERE ${key} = ANY ($1::text[])` },
  };
}

/** No rows yet. `keyOf` tells the key of a row that was read. */
export function createRows<Row extends object>(table: Table, keyOf: (row: Row) => string): Rows<Row> {
  const wanted = new Set<string>();
  const locked = new Set<string>();
  const found = new Map<string, Row>();
  const changed = new Map<string, Row | undefined>();
  return {
    want: (key, isLocked = true) => {
      wanted.add(key);
      if (isLocked) locked.add(key);
    },
    get: (key) => {
      if (!wanted.has(key)) throw new Error(`a row of ${table.name} was not named before it was looked at`);
      return changed.has(key) ? changed.get(key) : found.get(key);
    },
    set: (key, row) => void changed.set(key, row),
    drop: (key) => void changed.set(key, undefined),
    locks: () => [...locked].map((key) => `${table.name} ${key}`),
    load: (client) => {
      if (wanted.size === 0) return [];
      const read = async () => {
        for (const row of (await client.ask<Row>(table.read, [[...wanted]])).rows) found.set(keyOf(row), row);
      };
      return [read()];
    },
    save: (client) => {
      const written = [...changed.values()].filter((row) => row !== undefined);
      const dropped = [...changed].flatMap(([key, row]) => (row === undefined ? [key] : []));
      return [
        ...(written.length === 0 ? [] : [client.ask(table.write, [toJson(written)])]),
        ...(dropped.length === 0 ? [] : [client.ask(table.erase, [dropped])]),
      ];
    },
  };
}

/** Rows as one parameter. Half a character, which the server would refuse, becomes a replacement character as in every other encoder. */
export function toJson(rows: readonly object[]): string {
  const text = JSON.stringify(rows);
  return text.includes('\\ud') ? JSON.stringify(rows, (_, value) => (typeof value === 'string' ? value.toWellFormed() : value)) : text;
}
