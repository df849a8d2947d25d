/**
 * What is looked at before anything is asked of a server, on every connection anew: that it keeps what it acknowledges, that we may do all
 * that a step does, and that it holds the very store that we opened.
 *
 * `store` holds `farebox-store <version> <16 hex digits drawn at random>`. Every script compares it, so that a newer Farebox that brings a store
 * up to date is in nobody's way: the older ones are refused from that step on.
 */
import type { Redis as Client } from 'ioredis';
import type { Random } from '../../core/Clock.ts';
import type { Reached } from '../../core/CrashPoint.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { Versions } from '../Store.ts';
import type { Keys } from './keys.ts';
import { scripts } from './scripts.ts';
import { asked, assertSafe, type Durability, parseInfo } from './settings.ts';

/** The version of what is kept. */
const version = 1;

/** Whose store it is, once it has been opened. */
export type Identity = {
  /** From which version to which the first look has brought it. */
  readonly versions: () => Versions;
  /** The text that every script compares. */
  readonly text: () => string;
  /** It is another text from now on: see `toLocked`. */
  readonly become: (text: string) => void;
  /** Looks at a server. @throws STORE_UNAVAILABLE, CONFIG_INVALID, STORE_VERSION – see {@link createIdentity} */
  readonly look: (client: Client) => Promise<void>;
};

/** What is opened, and how. */
export type Opening = {
  readonly keys: Keys;
  readonly prefix: string;
  readonly durability: Durability;
  /** Whether to make it where it is not there. */
  readonly create: boolean;
  /** Whether one that is locked may be opened: whoever does so clears it. */
  readonly clears?: boolean;
  readonly random: Random;
  readonly reached: Reached;
};

/**
 * A store under its keys, made where there is none at the first look; later ones have to find the same.
 * @throws CONFIG_INVALID – the server does not keep what was promised, or could not be asked; STORE_VERSION – made by a newer Farebox or by another
 *   program; STORE_UNAVAILABLE – it takes no writes, has lost the store, or holds none and none is to be made
 */
export function createIdentity(opening: Opening): Identity {
  let known: string | undefined;
  let from = version;
  return {
    versions: () => ({ from, to: version }),
    text: () => known ?? '',
    become: (text) => {
      known = text;
    },
    look: async (client) => {
      await assertSettings(client, opening);
      await Promise.all(Object.values(scripts).map(({ text }) => client.call('script', ['load', text])));
      await client.call('evalsha', [scripts.trial.sha, '1', opening.keys.trial]);
      const there = await client.get(opening.keys.store);
      if (there === null && known === undefined) from = 0;
      const found = there ?? (known === undefined ? await make(client, opening) : '');
      if (known !== undefined || !isLocked(found) || !opening.clears) assertOurs(found, known);
      known = found;
    },
  };
}

/**
 * Refuses a store that is not the one that was opened.
 * @throws STORE_VERSION, STORE_UNAVAILABLE – see {@link createIdentity}
 */
export function assertOurs(found: string, known: string | undefined): void {
  if (found === known) return;
  if (known === undefined && isLocked(found)) {
    throw new FareboxError('STORE_UNAVAILABLE', 'An import into this store is under way, or was cut off. Let it finish, or run "farebox store import" again.');
  }
  const [, written] = /^farebox-store (\d+) [0-9a-f]{16}$/.exec(found) ?? [];
  if (Number(written) > version) {
    throw new FareboxError('STORE_VERSION', `The store in Redis has version ${written}; this Farebox reads up to ${version}. Use the newer Farebox.`);
  }
  if (known !== undefined && found !== known) {
    throw new FareboxError('STORE_UNAVAILABLE', 'The Redis server has lost the store, or holds another one. Nothing is served until Farebox is started again.');
  }
  if (Number(written) !== version) throw new FareboxError('STORE_VERSION', 'Another program keeps something under this prefix in Redis. Name another prefix.');
}

/** The text of a store that is being filled, which nobody takes for one. */
export function toLocked(text: string): string {
  return text.replace(/^farebox-store /, 'farebox-import ');
}

/** The text of a store that has been. */
export function toUnlocked(text: string): string {
  return text.replace(/^farebox-import /, 'farebox-store ');
}

/** Whether a store is being filled, or was when that was cut off. */
export function isLocked(text: string): boolean {
  return /^farebox-import \d+ [0-9a-f]{16}$/.test(text);
}

async function assertSettings(client: Client, { durability, prefix }: Opening): Promise<void> {
  const info = parseInfo((await client.info()) ?? '');
  const config = await client.call('config', ['get', ...asked]).then(toRecord, refusedOrThrow);
  assertSafe({ info, config }, durability, prefix);
}

/** Who may not ask is answered with an error, and so is everybody where there is nothing to ask. */
function refusedOrThrow(error: unknown): undefined {
  if (!(error instanceof Error && error.name === 'ReplyError')) throw error;
}

/** Whoever is first makes it; not where there are books that have lost their name. */
async function make(client: Client, { keys, prefix, create, random, reached }: Opening): Promise<string> {
  const name = Buffer.from(random(8)).toString('hex');
  if ((await client.exists(keys.book)) === 0) {
    if (!create) throw new FareboxError('STORE_UNAVAILABLE', `Nothing has been sold yet: the Redis server has no store under the prefix ${prefix}`);
    reached('store.migrate.written');
    await client.set(keys.store, `farebox-store ${version} ${name}`, 'NX');
    reached('store.migrate.committed');
  }
  return (await client.get(keys.store)) ?? '';
}

function toRecord(reply: unknown): Readonly<Record<string, string>> {
  const texts = reply as readonly string[];
  return Object.fromEntries(texts.flatMap((name, i) => (i % 2 === 0 ? [[name, texts[i + 1] ?? '']] : [])));
}
