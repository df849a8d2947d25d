/**
 * Hears of what other processes write, on a connection of its own that waits for the streams to grow. It says only that something has changed:
 * readers go on behind the number that they have read, so that a connection that was lost loses nothing.
 *
 * @see https://redis.io/docs/latest/commands/xread/
 */
import type { Redis as Client } from 'ioredis';
import { systemClock, wait } from '../../core/Clock.ts';
import type { Change } from '../Store.ts';
import { connect, end, type Holding } from './connection.ts';
import type { Keys } from './keys.ts';

/** Tells of changes until it is closed. */
export type Watch = {
  /** Begins, where it has not. */
  readonly start: () => void;
  readonly close: () => Promise<void>;
};

/** How long the server is asked to wait at once. A connection that says nothing for much longer is lost. */
const blockMs = 1000;

/** Changes that come within this time are told together. */
const gatherMs = 20;

/** Between two attempts to get back. */
const pauseMs = 250;

/** What is written down, by kind. */
const kinds = ['ledger', 'denial'] as const;

/** Watches one store. `onChange` without a kind: anything may have changed. */
export function createWatch(holding: Pick<Holding, 'address' | 'timeoutMs'>, keys: Keys, onChange: (kind?: Change['kind']) => void): Watch {
  const closing = new AbortController();
  let client: Client | undefined;
  let watching: Promise<void> | undefined;

  async function watch(): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        client = await connect({ ...holding, timeoutMs: holding.timeoutMs + blockMs, look: async () => {} });
        onChange();
        await follow(client);
      } catch {
        // Whoever reads meanwhile hears of the trouble from what he reads.
        onChange();
      }
      await end(client);
      await wait(systemClock, pauseMs, closing.signal);
    }
  }

  async function follow(from: Client): Promise<void> {
    let seen: readonly string[] = [];
    while (!closing.signal.aborted) {
      const newest = await Promise.all([keys.ledger, keys.denials].map((stream) => newestOf(from, stream)));
      for (const [i, kind] of kinds.entries()) if (newest[i] !== seen[i]) onChange(kind);
      seen = newest;
      const grown = await from.call('xread', ['count', '1', 'block', `${blockMs}`, 'streams', keys.ledger, keys.denials, ...newest]);
      if (grown !== null) await wait(systemClock, gatherMs, closing.signal);
    }
  }

  return {
    start: () => {
      if (!closing.signal.aborted) watching ??= watch();
    },
    close: async () => {
      closing.abort();
      client?.disconnect();
      await watching;
    },
  };
}

async function newestOf(client: Client, stream: string): Promise<string> {
  const items = (await client.call('xrevrange', [stream, '+', '-', 'count', '1'])) as readonly (readonly [id: string, fields: unknown])[];
  return items[0]?.[0] ?? '0-0';
}
