/**
 * What a server has to be set to for the promises of a store: that what was acknowledged is on disk, and that nothing is thrown away.
 *
 * @see https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
 */
import { FareboxError } from '../../core/Errors.ts';

/**
 * What is promised of a call that has returned. `flushed`: it is on disk. `everysec`: it is within a second or two, and what was acknowledged
 * in that time may be lost with the machine. `unflushed`: whatever the server is set to, and nobody has looked.
 */
export type Durability = 'flushed' | 'everysec' | 'unflushed';

/** What a server says of itself, by name; what it does not tell is not there. */
export type Settings = {
  /** The fields of INFO. */
  readonly info: Readonly<Record<string, string>>;
  /** Those of CONFIG GET, unless that is not allowed to us. */
  readonly config: Readonly<Record<string, string>> | undefined;
};

/** What of its configuration has to be asked. */
export const asked = ['appendonly', 'appendfsync', 'no-appendfsync-on-rewrite', 'maxmemory-policy'] as const;

/** The oldest version whose scripts are refused as a whole or not at all. Valkey tells which Redis it is like. */
const oldestVersion = 7;

/** Reads the reply of INFO. */
export function parseInfo(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    text.split(/\r?\n/).flatMap((line) => (/^[^#:]+:/.test(line) ? [[line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]] : [])),
  );
}

/**
 * Refuses a server that cannot keep what is promised.
 * @throws CONFIG_INVALID – it could lose or forget what it acknowledged, or that cannot be found out; STORE_UNAVAILABLE – it takes no writes now
 */
export function assertSafe(settings: Settings, durability: Durability, prefix: string): void {
  const { info, config } = settings;
  if (info.loading !== undefined && info.loading !== '0') throw unavailable('The Redis server is still loading its data. It is asked again.');
  if (info.role !== 'master') throw unavailable('The Redis server is a replica, or does not say that it is none. Name the primary: a replica takes no writes.');
  if (!(Number.parseInt(info.redis_version ?? '', 10) >= oldestVersion)) {
    throw unsafe(`The Redis server is of version ${info.redis_version ?? 'unknown'}; a store needs Redis ${oldestVersion} or later, or Valkey.`);
  }
  if (info.cluster_enabled === '1' && !/\{[^}]+\}/.test(prefix)) {
    throw unsafe('The Redis server is part of a cluster, where all keys of a store have to share a slot. Name a prefix with a hash tag, such as {farebox}:');
  }
  assertKept(config?.['maxmemory-policy'] ?? info.maxmemory_policy, durability);
  if (durability !== 'unflushed') assertWritten(settings, durability);
}

function assertKept(policy: string | undefined, durability: Durability): void {
  if (policy === 'noeviction' || (policy === undefined && durability === 'unflushed')) return;
  if (policy === undefined) throw unknown('maxmemory-policy');
  throw unsafe(`The Redis server throws keys away when its memory is full (maxmemory-policy ${policy}). Set maxmemory-policy noeviction.`);
}

function assertWritten({ info, config }: Settings, durability: 'flushed' | 'everysec'): void {
  const appendonly = config?.appendonly ?? { 0: 'no', 1: 'yes' }[info.aof_enabled ?? ''];
  if (appendonly === undefined) throw unknown('appendonly');
  if (appendonly !== 'yes') throw weaker(`keeps no append-only file (appendonly ${appendonly})`, 'appendonly yes and appendfsync always');
  const appendfsync = config?.appendfsync;
  if (appendfsync === undefined) throw unknown('appendfsync');
  if (appendfsync !== 'always' && appendfsync !== durability) {
    throw weaker(`answers before what it wrote is on disk (appendfsync ${appendfsync})`, `appendfsync ${durability === 'flushed' ? 'always' : durability}`);
  }
  const pausing = config?.['no-appendfsync-on-rewrite'];
  if (pausing !== 'no') throw weaker('flushes nothing while it rewrites its file (no-appendfsync-on-rewrite)', 'no-appendfsync-on-rewrite no');
}

function weaker(what: string, remedy: string): FareboxError {
  return unsafe(
    `The Redis server ${what}: a crash would forget payments. Set ${remedy}, or choose the weaker promise by name: durability "everysec" or "unflushed".`,
  );
}

function unknown(name: string): FareboxError {
  return unsafe(
    `It could not be found out whether the Redis server keeps what it acknowledges: it does not tell its ${name}. ` +
      'Allow CONFIG GET to this user, or choose the weaker promise by name: durability "unflushed".',
  );
}

function unsafe(message: string): FareboxError {
  return new FareboxError('CONFIG_INVALID', message);
}

function unavailable(message: string): FareboxError {
  return new FareboxError('STORE_UNAVAILABLE', message);
}
