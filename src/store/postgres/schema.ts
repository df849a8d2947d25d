/**
 * A schema of ours in a database: whose it is and how far it has come, as its table `version` says.
 */
import { FareboxError } from '../../core/Errors.ts';
import type { Client } from './client.ts';

/** Which schemas are meant. */
export type SchemaKind = {
  /** Marks them. */
  readonly program: string;
  /** The newest version that is known here. */
  readonly latest: number;
};

/** What the table `version` says, and whatever else it has. */
export type Version = { readonly program: string; readonly version: number };

/**
 * How far a schema has come; undefined where nothing is there. Changes nothing.
 * @throws STORE_VERSION – it is another program's, or a newer version's
 */
export async function readVersion<T extends Version>(client: Client, schema: string, { program, latest }: SchemaKind): Promise<T | undefined> {
  const [found] = (await client.ask<Found>(selectFound, [schema])).rows;
  if (!found || found.relations === 0) return undefined;
  const [row] = found.has_version ? (await client.ask<T>('SELECT * FROM version')).rows : [];
  if (row?.program !== program) throw new FareboxError('STORE_VERSION', `The schema "${schema}" is another program's. Name another one.`);
  if (row.version > latest) {
    const range = `version ${row.version}; this Farebox reads up to ${latest}`;
    throw new FareboxError('STORE_VERSION', `The schema "${schema}" has ${range}. Use the newer Farebox.`);
  }
  return row;
}

/** Makes the schema where it is not there: one that is may be all that whoever logs in may write to. */
export async function makeSchema(client: Client, schema: string): Promise<void> {
  const statement = { name: 'has schema', text: 'SELECT to_regnamespace($1) IS NOT NULL AS there' };
  if ((await client.ask<{ readonly there: boolean }>(statement, [schema])).rows[0]?.there !== true) await client.ask(`CREATE SCHEMA ${schema}`);
}

const selectFound = {
  name: 'found',
  text: `SELECT count(*) AS relations, coalesce(bool_or(relname = 'version' AND relkind = 'r'), false) AS has_version
    FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')`,
};

type Found = { readonly relations: number; readonly has_version: boolean };
