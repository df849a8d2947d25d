/**
 * Where what is counted is kept, as the configuration names it.
 *
 *     store: farebox.db
 *
 *     store:
 *       postgres:
 *         url: file:/run/secrets/store
 *
 * A database's address may hold a password, which never stands in the configuration itself: it is named by its file, or comes out of the
 * environment.
 */
import { z } from 'zod';
import { hasPassword, isAddress, placeOf } from '../store/postgres/address.ts';
import * as Fields from './ConfigFields.ts';
import type { Field } from './ConfigLightning.ts';
import type { SecretChoice } from './ConfigSecrets.ts';
import type { ConfigText, Mistakes } from './ConfigText.ts';

/** A schema of a PostgreSQL database, as configured. */
export type PostgresChoice = {
  readonly kind: 'postgres';
  /** The address is a secret. */
  readonly url: SecretChoice;
  readonly schema: string;
  readonly durability: 'flushed' | 'unflushed';
};

/** Where what is counted is kept. */
export type StoreChoice = { readonly kind: 'sqlite'; readonly path: string } | { readonly kind: 'memory' } | { readonly kind: 'none' } | PostgresChoice;

/** The schema of a store. */
export function storeSchema(field: Field) {
  return z.preprocess(
    (value) => (typeof value === 'string' ? shorthand(value.trim()) : value),
    z.strictObject({
      /** The path of a file, for gateways of one machine. */
      sqlite: field(readPath).optional(),
      /** Lost at the end; for tests. */
      memory: z.literal(true).optional(),
      /** Passes alone, no revocation, no ledger. */
      none: z.literal(true).optional(),
      /** A PostgreSQL database, for gateways on any number of machines. Needs the package `pg`. */
      postgres: z
        .strictObject({
          /** Its address out of the environment, `${FAREBOX_STORE}`, as `postgres://user:password@host:5432/database?sslmode=verify-full`; or the file that holds it. No default. */
          url: field(Fields.readLine),
          /** The store's own schema in that database. Default: `farebox`. Another one for every gateway that keeps books of its own. */
          schema: field(readSchema).optional(),
          /** `unflushed`: take a server that may lose its last commits when it fails, after which a payment may be served twice. Default: `flushed`, which refuses it. */
          durability: field(Fields.readOneOf(['flushed', 'unflushed'])).optional(),
        })
        .optional(),
    }),
  );
}

/** `farebox.db`, `memory`, `none`, an address out of the environment. */
function shorthand(value: string): object {
  if (value === 'memory' || value === 'none') return { [value]: true };
  return /^[a-z]+:\/\//i.test(value) ? { postgres: { url: value } } : { sqlite: value };
}

/** A store as it was read. */
export type StoreFile = z.output<ReturnType<typeof storeSchema>>;

/** The store that a file names; `farebox.db` beside it where it names none. Mistakes go to `mistakes`. */
export function readStore(found: StoreFile | undefined, text: ConfigText, absolute: (path: string) => string, mistakes: Mistakes): StoreChoice {
  const { sqlite, memory, none, postgres } = found ?? { sqlite: 'farebox.db' };
  const named = Object.keys(found ?? { sqlite }).length;
  if (named !== 1) mistakes.add(['store'], named === 0 ? 'names no store: write the path of a file, or "postgres"' : 'names several stores');
  if (memory || none) return { kind: memory ? 'memory' : 'none' };
  if (!postgres) return { kind: 'sqlite', path: absolute(sqlite ?? 'farebox.db') };
  const { url, schema = 'farebox', durability = 'flushed' } = postgres;
  return { kind: 'postgres', url: addressOf(url, text, absolute, mistakes), schema, durability };
}

/** The store without what is secret in it. */
export function withoutAddress(choice: StoreChoice): unknown {
  if (choice.kind !== 'postgres' || choice.url.kind === 'file') return choice;
  return { ...choice, url: { kind: 'text', place: placeOf(choice.url.text) } };
}

/** Of a store, in words. */
export function explainStore(choice: StoreChoice): string {
  if (choice.kind === 'sqlite') return `SQLite, ${choice.path}`;
  if (choice.kind !== 'postgres') return choice.kind === 'memory' ? 'in memory, lost at the end' : 'none: passes alone, no revocation, no ledger';
  const { url, schema, durability } = choice;
  const place = url.kind === 'file' ? `its address in ${url.path}` : `at ${placeOf(url.text)}`;
  return `PostgreSQL, ${place}, schema ${schema}${durability === 'flushed' ? '' : '; its last commits may be lost when it fails'}`;
}

/** An address, or the path of its file; one that lets somebody in does not stand in the configuration itself. */
function addressOf(written: string, text: ConfigText, absolute: (path: string) => string, mistakes: Mistakes): SecretChoice {
  const path = ['store', 'postgres', 'url'];
  if (!written.includes('://')) return { kind: 'file', path: absolute(readPath(written)) };
  // Not repeated: it may hold a password.
  if (!isAddress(written))
    mistakes.add(path, 'this is no address of a store: write the path of a file, "memory", "none", or "postgres://user@host:5432/database"');
  else if (hasPassword(written) && !text.isFromEnvironment(path)) {
    mistakes.add(path, 'a password does not belong in a configuration file: name the file that holds the whole address, or an environment variable');
  }
  return { kind: 'text', text: written };
}

function readPath(value: unknown): string {
  const path = Fields.readLine(value);
  return path.startsWith('file:') ? path.slice('file:'.length) : path;
}

function readSchema(value: unknown): string {
  const schema = Fields.readLine(value);
  if (!/^[a-z_][a-z0-9_]{0,47}$/.test(schema)) throw new Error('a schema has a name of up to 48 lower-case letters, digits and underscores');
  return schema;
}
