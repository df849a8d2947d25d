/**
 * The store of a gateway: opened to sell with, or looked into by a command.
 */
import { readFileSync, statSync } from 'node:fs';
import type { Clock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { isAddress, isServer, loadConfig, placeOf, type ServerChoice, type StoreChoice } from '../gateway/index.ts';
import type { Network } from '../lightning/Lightning.ts';
import { createMemoryStore } from '../store/memory.ts';
import { createPostgresStore } from '../store/postgres.ts';
import { createRedisStore } from '../store/redis.ts';
import type { Store, Versions } from '../store/Store.ts';
import { createSqliteStore } from '../store/sqlite.ts';
import { configFile } from './ConfigFile.ts';
import type { CliContext } from './Context.ts';

/** How a store is named on the command line. */
export type StoreOptions = { readonly store?: string; readonly config?: string };

/** A store that others can look into, and the network that its gateway sells on; undefined where only a file was named, which does not say it. */
export type LocatedStore = { readonly choice: KeptStore; readonly network: Network | undefined };

/** A store that others can look into. */
export type KeptStore = Extract<StoreChoice, { readonly kind: 'sqlite' | 'postgres' | 'redis' }>;

/**
 * Opens the store that a gateway sells with, new or old; undefined where it has none.
 * @throws STORE_UNAVAILABLE, STORE_VERSION – it cannot be opened; CONFIG_INVALID – its address cannot be read, or it does not keep its promises
 */
export async function openStore(choice: StoreChoice): Promise<Store | undefined> {
  if (choice.kind === 'none') return undefined;
  if (choice.kind === 'memory') return createMemoryStore();
  return choice.kind === 'sqlite' ? createSqliteStore({ path: choice.path }) : openServer(choice, true);
}

/**
 * The store that options and configuration name; without either that of `farebox serve <url>`.
 * @throws CONFIG_INVALID – both were named, or the configuration keeps nothing that can be looked into
 */
export async function locateStore(context: CliContext, options: StoreOptions): Promise<LocatedStore> {
  const { store, config } = options;
  if (store !== undefined && config !== undefined) throw new FareboxError('CONFIG_INVALID', 'Name a store or a configuration, not both.');
  if (store !== undefined) return { choice: { kind: 'sqlite', path: fileOf(store) }, network: undefined };
  if (config === undefined) return { choice: { kind: 'sqlite', path: context.home().gatewayStore }, network: 'sandbox' };
  const { store: choice, network } = await loadConfig(config, { environment: context.environment });
  if (isKept(choice)) return { choice, network };
  const why = choice.kind === 'memory' ? 'keeps its store in memory, where nobody else can look into it' : 'has no store, so that nothing is written down';
  throw new FareboxError('CONFIG_INVALID', `The gateway of ${config} ${why}. Write "store: farebox.db" there to keep a ledger.`);
}

/** Whether others can look into it. */
export function isKept(choice: StoreChoice): choice is KeptStore {
  return choice.kind === 'sqlite' || isServer(choice);
}

/** What a store is called in sentences: its file, or where its server is. */
export function nameOf(choice: KeptStore): string {
  if (choice.kind === 'sqlite') return choice.path;
  const place = placeOf(choice.kind, addressOf(choice));
  return choice.kind === 'redis' ? `Redis at ${place}, keys ${choice.prefix}*` : `${place ?? 'PostgreSQL'}, schema ${choice.schema}`;
}

/**
 * Opens it to look into. Looking makes nothing: a store that is not there is said so.
 * @param command - as it is typed, such as `farebox sales`
 * @throws STORE_UNAVAILABLE – it is not there, or cannot be opened
 */
export async function openToLook(choice: KeptStore, clock: Clock, command: string): Promise<Store> {
  if (isServer(choice)) return openServer(choice, false, { clock });
  const { path } = choice;
  const found = statSync(path, { throwIfNoEntry: false });
  if (found !== undefined && found.size > 0) return createSqliteStore({ path, clock });
  const here = configFile();
  const elsewhere = statSync(here, { throwIfNoEntry: false }) ? ` For the gateway of ${here} ask: ${command} --config ${here}` : '';
  throw new FareboxError('STORE_UNAVAILABLE', `Nothing has been sold yet: there is no store at ${path}. "farebox serve" makes it.${elsewhere}`);
}

/** How a store is made ready by whoever may change more of it than a sale does. */
export type Readying = {
  readonly clock?: Clock;
  /** Told from which version to which it was brought. */
  readonly onVersions?: (versions: Versions) => void;
  /** Whether what an import that was cut off has left is cleared away. */
  readonly clears?: boolean;
};

/**
 * Opens a store to bring it up to date or to fill it; makes it where it is not there.
 * @throws STORE_UNAVAILABLE, STORE_VERSION, CONFIG_INVALID – see {@link openStore}
 */
export async function openToChange(choice: KeptStore, readying: Readying): Promise<Store> {
  const { clears: _, ...options } = readying;
  return choice.kind === 'sqlite' ? createSqliteStore({ path: choice.path, ...options }) : openServer(choice, true, readying);
}

function openServer(choice: ServerChoice, create: boolean, { clears, ...readying }: Readying = {}): Promise<Store> {
  const url = addressOf(choice);
  const options = { url, durability: choice.durability, create, ...readying };
  if (choice.kind === 'postgres') return createPostgresStore({ ...options, schema: choice.schema, durability: choice.durability });
  const { prefix, certificatePath } = choice;
  const ca = certificatePath === undefined ? {} : { ca: read(certificatePath, 'certificate') };
  return createRedisStore({ ...options, prefix, ...ca, ...(clears !== undefined && { clears }) });
}

/** @throws CONFIG_INVALID – its file cannot be read, or holds no address */
function addressOf({ kind, url }: ServerChoice): string {
  if (url.kind === 'text') return url.text;
  const text = read(url.path, 'address').trim();
  if (isAddress(kind, text)) return text;
  const such = kind === 'postgres' ? 'postgres://user:password@host:5432/database' : 'redis://user:password@host:6379/0';
  throw new FareboxError('CONFIG_INVALID', `${url.path} does not hold the address of a store: one line such as ${such}`);
}

function read(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new FareboxError('CONFIG_INVALID', `The ${what} of the store cannot be read from ${path} (${code}).`, { cause });
  }
}

/** An address would show its password to everybody who can list processes. */
function fileOf(store: string): string {
  if (!store.includes('://')) return store;
  const why = 'A store at an address is named in a configuration, which takes it from the environment or a file: say --config.';
  throw new FareboxError('CONFIG_INVALID', why);
}
