/**
 * Where what is counted is kept, as the configuration names it.
 *
 *     store: farebox.db
 *
 *     store:
 *       postgres:
 *         url: file:/run/secrets/store
 *
 * The address of a database or a server may hold a password, which never stands in the configuration itself: it is named by its file, or comes out of the
 * environment.
 */
import { z } from 'zod';
import * as Postgres from '../store/postgres/address.ts';
import * as Redis from '../store/redis/address.ts';
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

/** A Redis or Valkey server, as configured. */
export type RedisChoice = {
  readonly kind: 'redis';
  /** The address is a secret. */
  readonly url: SecretChoice;
  readonly prefix: string;
  readonly durability: 'flushed' | 'everysec' | 'unflushed';
  /** The file of the certificate that the server's has to be signed by; undefined: what the machine's authorities vouch for. */
  readonly certificatePath: string | undefined;
};

/** A store with an address, which is a secret. */
export type ServerChoice = PostgresChoice | RedisChoice;

/** Where what is counted is kept. */
export type StoreChoice = { readonly kind: 'sqlite'; readonly path: string } | { readonly kind: 'memory' } | { readonly kind: 'none' } | ServerChoice;

/** Whether it has an address. */
export function isServer(choice: StoreChoice): choice is ServerChoice {
  return choice.kind === 'postgres' || choice.kind === 'redis';
}

const addresses = { postgres: Postgres, redis: Redis };

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
      /** A Redis or Valkey server, for gateways on any number of machines. Needs the package `ioredis`. */
      redis: z
        .strictObject({
          /** Its address out of the environment, `${FAREBOX_STORE}`, as `rediss://user:password@host:6379/0`; or the file that holds it. No default. */
          url: field(Fields.readLine),
          /** What the store's keys begin with. Default: `farebox:`. Another one for every gateway that keeps books of its own; in a cluster with a hash tag, `{farebox}:`. */
          prefix: field(Fields.readLine).optional(),
          /** The file of the certificate that the server's has to be signed by, with `rediss://`. Default: what the machine's own authorities vouch for. */
          certificate: field(readPath).optional(),
          /** `everysec` or `unflushed`: take a server that may lose what it acknowledged in its last second, or at all, after which a payment may be served twice. Default: `flushed`, which refuses both. */
          durability: field(Fields.readOneOf(['flushed', 'everysec', 'unflushed'])).optional(),
        })
        .optional(),
    }),
  );
}

/** `farebox.db`, `memory`, `none`, an address out of the environment. */
function shorthand(value: string): object {
  if (value === 'memory' || value === 'none') return { [value]: true };
  if (!/^[a-z]+:\/\//i.test(value)) return { sqlite: value };
  return /^(rediss?|unix):/i.test(value) ? { redis: { url: value } } : { postgres: { url: value } };
}

/** A store as it was read. */
export type StoreFile = z.output<ReturnType<typeof storeSchema>>;

/** The store that a file names; `farebox.db` beside it where it names none. Mistakes go to `mistakes`. */
export function readStore(found: StoreFile | undefined, text: ConfigText, absolute: (path: string) => string, mistakes: Mistakes): StoreChoice {
  const { sqlite, memory, none, postgres, redis } = found ?? { sqlite: 'farebox.db' };
  const named = Object.keys(found ?? { sqlite }).length;
  if (named !== 1) mistakes.add(['store'], named === 0 ? 'names no store: write the path of a file, "postgres" or "redis"' : 'names several stores');
  if (memory || none) return { kind: memory ? 'memory' : 'none' };
  const address = (kind: ServerChoice['kind'], written: string) => addressOf(kind, written, text, absolute, mistakes);
  if (postgres) {
    const { url, schema = 'farebox', durability = 'flushed' } = postgres;
    return { kind: 'postgres', url: address('postgres', url), schema, durability };
  }
  if (redis) {
    const { url, prefix = 'farebox:', durability = 'flushed', certificate } = redis;
    const certificatePath = certificate === undefined ? undefined : absolute(certificate);
    return { kind: 'redis', url: address('redis', url), prefix, durability, certificatePath };
  }
  return { kind: 'sqlite', path: absolute(sqlite ?? 'farebox.db') };
}

/** Where the server of an address is, without what lets somebody in; undefined where that is no address. */
export function placeOf(kind: ServerChoice['kind'], address: string): string | undefined {
  return addresses[kind].placeOf(address);
}

/** Whether a text is the address of such a server. */
export function isAddress(kind: ServerChoice['kind'], text: string): boolean {
  return addresses[kind].isAddress(text);
}

/** The store without what is secret in it. */
export function withoutAddress(choice: StoreChoice): unknown {
  if (!isServer(choice) || choice.url.kind === 'file') return choice;
  return { ...choice, url: { kind: 'text', place: placeOf(choice.kind, choice.url.text) } };
}

/** Of a store, in words. */
export function explainStore(choice: StoreChoice): string {
  if (choice.kind === 'sqlite') return `SQLite, ${choice.path}`;
  if (!isServer(choice)) return choice.kind === 'memory' ? 'in memory, lost at the end' : 'none: passes alone, no revocation, no ledger';
  const { kind, url } = choice;
  const place = url.kind === 'file' ? `its address in ${url.path}` : `at ${placeOf(kind, url.text)}`;
  if (kind === 'redis') return `Redis, ${place}, keys ${choice.prefix}*${lossOf[choice.durability]}`;
  return `PostgreSQL, ${place}, schema ${choice.schema}${choice.durability === 'flushed' ? '' : '; its last commits may be lost when it fails'}`;
}

/** What a weaker promise comes to. */
const lossOf: Readonly<Record<RedisChoice['durability'], string>> = {
  flushed: '',
  everysec: '; its last second may be lost when it fails',
  unflushed: '; what it acknowledged may be lost when it fails',
};

/** An address, or the path of its file; one that lets somebody in does not stand in the configuration itself. */
function addressOf(kind: ServerChoice['kind'], written: string, text: ConfigText, absolute: (path: string) => string, mistakes: Mistakes): SecretChoice {
  const path = ['store', kind, 'url'];
  if (!written.includes('://')) return { kind: 'file', path: absolute(readPath(written)) };
  // Not repeated: it may hold a password.
  if (!isAddress(kind, written)) {
    mistakes.add(
      path,
      'this is no address of a store: write the path of a file, "memory", "none", "postgres://user@host:5432/database" or "redis://host:6379"',
    );
  } else if (addresses[kind].hasPassword(written) && !text.isFromEnvironment(path)) {
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
