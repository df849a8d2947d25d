/**
 * Which store of a gateway a command looks into.
 */
import { statSync } from 'node:fs';
import type { Clock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { loadConfig } from '../gateway/index.ts';
import type { Network } from '../lightning/Lightning.ts';
import type { Store } from '../store/Store.ts';
import { createSqliteStore } from '../store/sqlite.ts';
import { configFile } from './ConfigFile.ts';
import type { CliContext } from './Context.ts';

/** How a store is named on the command line. */
export type StoreOptions = { readonly store?: string; readonly config?: string };

/** A store's file, and the network that its gateway sells on; undefined where only the file was named, which does not say it. */
export type LocatedStore = { readonly path: string; readonly network: Network | undefined };

/**
 * The store's file, as options and configuration have it; without either that of `farebox serve <url>`.
 * @throws CONFIG_INVALID – both were named, or the configuration keeps no file
 */
export async function locateStore(context: CliContext, options: StoreOptions): Promise<LocatedStore> {
  const { store, config } = options;
  if (store !== undefined && config !== undefined) throw new FareboxError('CONFIG_INVALID', 'Name a store or a configuration, not both.');
  if (store !== undefined) return { path: store, network: undefined };
  if (config === undefined) return { path: context.home().gatewayStore, network: 'sandbox' };
  const { store: choice, network } = await loadConfig(config, { environment: context.environment });
  if (choice.kind === 'sqlite') return { path: choice.path, network };
  const why = choice.kind === 'memory' ? 'keeps its store in memory, where nobody else can look into it' : 'has no store, so that nothing is written down';
  throw new FareboxError('CONFIG_INVALID', `The gateway of ${config} ${why}. Write "store: farebox.db" there to keep a ledger.`);
}

/**
 * Opens it. Looking makes no file: one that is not there is said so.
 * @param command - as it is typed, such as `farebox sales`
 * @throws STORE_UNAVAILABLE – it is not there, or cannot be opened
 */
export async function openStoreFile(path: string, clock: Clock, command: string): Promise<Store> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found !== undefined && found.size > 0) return createSqliteStore({ path, clock });
  const here = configFile();
  const elsewhere = statSync(here, { throwIfNoEntry: false }) ? ` For the gateway of ${here} ask: ${command} --config ${here}` : '';
  throw new FareboxError('STORE_UNAVAILABLE', `Nothing has been sold yet: there is no store at ${path}. "farebox serve" makes it.${elsewhere}`);
}
