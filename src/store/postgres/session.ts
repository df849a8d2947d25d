/**
 * What every connection of a store is: in the store's schema, with limits on every wait, and with a server behind it that keeps the
 * store's promises. Asked anew of every connection, since the one after a failure may lead to another server.
 *
 * @see https://www.postgresql.org/docs/current/runtime-config-wal.html
 */
import { FareboxError } from '../../core/Errors.ts';
import { type Address, type Client, openClient } from './client.ts';

/** Whether a commit is on disk when it is answered. `unflushed` bears a server that may lose its last commits when it or its machine fails. */
export type Durability = 'flushed' | 'unflushed';

/** How connections are opened. */
export type SessionOptions = Address & { readonly schema: string; readonly durability: Durability };

/** The oldest server that is spoken to, and as it numbers itself. */
const oldest = { name: '13', number: 130_000 };

/** A process that stops in the middle of a transaction, or a machine that is gone, holds others up for no longer than this part of their wait. */
const idlePart = 0.5;

/**
 * Opens a connection that keeps the store's promises.
 * @throws CONFIG_INVALID – the server is too old or does not keep them; STORE_UNAVAILABLE – it only reads; the network's or the server's own error
 */
export async function openSession(options: SessionOptions): Promise<Client> {
  const client = await openClient(options);
  try {
    const [settings] = (await client.ask<Settings>(selectSettings, [options.schema])).rows;
    assertKept(settings, options.durability);
    await client.ask(setUp(options));
    return client;
  } catch (error) {
    await client.end();
    throw error;
  }
}

/**
 * Everything that is looked up has an index. A statement is planned once, often while its tables are still empty, and a plan that reads
 * all of a table is then kept while the table grows.
 */
const byIndex = { enable_seqscan: 'off', enable_hashjoin: 'off', enable_mergejoin: 'off', jit: 'off' };

/** Asks for read committed where the operator's default is another: locks are taken first, and what is read then is read anew. */
function setUp({ schema, timeoutMs }: SessionOptions): string {
  const settings = {
    search_path: schema,
    client_encoding: 'UTF8',
    default_transaction_isolation: 'read committed',
    statement_timeout: timeoutMs,
    lock_timeout: timeoutMs,
    idle_in_transaction_session_timeout: Math.ceil(timeoutMs * idlePart),
    ...byIndex,
  };
  const all = Object.entries(settings).map(([name, value]) => `SET ${name} = '${value}'`);
  // Pinned as it was found to be good, whatever the operator's files say later.
  return [...all, "SELECT set_config('synchronous_commit', current_setting('synchronous_commit'), false)"].join('; ');
}

type Settings = {
  readonly version: number;
  readonly version_name: string;
  readonly encoding: string;
  readonly read_only: string;
  readonly in_recovery: boolean;
  readonly synchronous_commit: string;
  readonly standbys: string;
  readonly fsync: string;
  readonly full_page_writes: string;
  readonly unlogged: number;
};

const selectSettings = {
  name: 'settings',
  text: `SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS version_name,
    current_setting('server_encoding') AS encoding, current_setting('transaction_read_only') AS read_only, pg_is_in_recovery() AS in_recovery,
    current_setting('synchronous_commit') AS synchronous_commit, current_setting('synchronous_standby_names') AS standbys,
    current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
    (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind = 'r' AND relpersistence <> 'p') AS unlogged`,
};

function assertKept(settings: Settings | undefined, durability: Durability): void {
  if (!settings) throw new FareboxError('STORE_UNAVAILABLE', 'The server does not say how it is set up.');
  const { version, version_name, encoding, read_only, in_recovery } = settings;
  if (version < oldest.number) {
    throw new FareboxError('CONFIG_INVALID', `The server is PostgreSQL ${version_name}; ${oldest.name} is the oldest that keeps a store.`);
  }
  if (encoding !== 'UTF8') throw new FareboxError('CONFIG_INVALID', `The database keeps text as ${encoding}; a store needs one in UTF8.`);
  if (in_recovery || read_only === 'on') {
    throw new FareboxError('STORE_UNAVAILABLE', `The server ${in_recovery ? 'is a standby' : 'is set to read only'}: nothing can be written there.`);
  }
  const weak = durability === 'flushed' ? weaknesses(settings) : [];
  if (weak.length > 0) {
    const way = 'Mend that, or choose the weaker promise by name: durability "unflushed".';
    throw new FareboxError('CONFIG_INVALID', `The server may lose what it has said is written: ${weak.join(', ')}. ${way}`);
  }
}

/** What keeps a commit that was answered from being there after a crash of the server. */
function weaknesses({ synchronous_commit, standbys, fsync, full_page_writes, unlogged }: Settings): readonly string[] {
  return [
    ...(synchronous_commit === 'off' ? ['synchronous_commit is off'] : []),
    // The standby is there to take over, and would not have them.
    ...(synchronous_commit === 'local' && standbys !== '' ? ['synchronous_commit is local, beside a synchronous standby'] : []),
    ...(fsync === 'on' ? [] : [`fsync is ${fsync}`]),
    ...(full_page_writes === 'on' ? [] : [`full_page_writes is ${full_page_writes}`]),
    ...(unlogged > 0 ? [`${unlogged} of its tables ${unlogged === 1 ? 'is' : 'are'} unlogged`] : []),
  ];
}
