/**
 * What is looked at on every connection anew: that the server keeps what it acknowledges, and holds the very store that was opened.
 *
 * `store` holds `farebox-client <version> <16 hex digits drawn at random> <the id of the key that seals its secrets, or none>`.
 */
import type { Redis as Client } from 'ioredis';
import type { Random } from '../../core/Clock.ts';
import type { Reached } from '../../core/CrashPoint.ts';
import { FareboxError } from '../../core/Errors.ts';
import { toHex } from '../../core/internal/bytes.ts';
import { asked, assertSafe, type Durability, parseInfo } from '../../store/redis/settings.ts';
import { assertKey } from '../store/engine.ts';
import type { Keys } from './keys.ts';
import { scripts } from './scripts.ts';

const version = 1;

/** What is opened. `keyId`: of the key that seals its secrets; undefined: none does. */
export type Opening = {
  readonly keys: Keys;
  readonly prefix: string;
  readonly durability: Durability;
  readonly create: boolean;
  readonly keyId: string | undefined;
  readonly random: Random;
  readonly reached: Reached;
};

/** Whose store it is, once it has been opened. `text`: what every script compares. */
export type Identity = { readonly text: () => string; readonly look: (client: Client) => Promise<void> };

/**
 * A store under its keys, made where there is none at the first look; later ones have to find the same.
 * @throws CONFIG_INVALID, STORE_LOCKED, STORE_UNAVAILABLE, STORE_VERSION – see `createRedisClientStore`
 */
export function createIdentity(opening: Opening): Identity {
  let known: string | undefined;
  return {
    text: () => known ?? '',
    look: async (client) => {
      const info = parseInfo((await client.info()) ?? '');
      const config = await client.call('config', ['get', ...asked]).then(toRecord, refusedOrThrow);
      assertSafe({ info, config }, opening.durability, opening.prefix);
      await Promise.all(Object.values(scripts).map(({ text }) => client.call('script', ['load', text])));
      const found = (await client.get(opening.keys.store)) ?? (known === undefined ? await make(client, opening) : '');
      assertOurs(found, known, opening.keyId);
      known = found;
    },
  };
}

/** @throws STORE_VERSION, STORE_LOCKED, STORE_UNAVAILABLE – it is not the store that was opened, or none of ours */
export function assertOurs(found: string, known: string | undefined, keyId: string | undefined): void {
  if (found === known) return;
  const [, written, keptId = ''] = /^farebox-client (\d+) [0-9a-f]{16}(?: ([0-9a-f]{16}))?$/.exec(found) ?? [];
  if (Number(written) > version) {
    throw new FareboxError('STORE_VERSION', `The client store in Redis has version ${written}; this Farebox reads up to ${version}. Use the newer Farebox.`);
  }
  if (known !== undefined) {
    throw new FareboxError(
      'STORE_UNAVAILABLE',
      'The Redis server has lost the client store, or holds another one. Nothing is paid until Farebox is started again.',
    );
  }
  if (Number(written) !== version) throw new FareboxError('STORE_VERSION', 'Another program keeps something under this prefix in Redis. Name another prefix.');
  assertKey(keptId, keyId === undefined ? {} : { keyId });
}

/** Whoever is first makes it; not where there are payments that have lost their name. */
async function make(client: Client, { keys, prefix, create, keyId, random, reached }: Opening): Promise<string> {
  if ((await client.exists(keys.payments, keys.sums, keys.budgets)) === 0) {
    if (!create) throw new FareboxError('STORE_UNAVAILABLE', `The Redis server has no client store under the prefix ${prefix}`);
    reached('journal.migrate.written');
    await client.set(keys.store, `farebox-client ${version} ${toHex(random(8))}${keyId === undefined ? '' : ` ${keyId}`}`, 'NX');
    reached('journal.migrate.committed');
  }
  return (await client.get(keys.store)) ?? '';
}

/** Who may not ask is answered with an error, and so is everybody where there is nothing to ask. */
function refusedOrThrow(error: unknown): undefined {
  if (!(error instanceof Error && error.name === 'ReplyError')) throw error;
}

function toRecord(reply: unknown): Readonly<Record<string, string>> {
  const texts = reply as readonly string[];
  return Object.fromEntries(texts.flatMap((name, i) => (i % 2 === 0 ? [[name, texts[i + 1] ?? '']] : [])));
}
