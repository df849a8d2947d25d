/**
 * A line to the server: one connection at a time, opened anew where the last one is gone.
 */
import type { Client } from './client.ts';

/** A connection, whenever it is asked for. */
export type Line = {
  /** The connection that is open, or a new one. @throws what opening throws */
  readonly client: () => Promise<Client>;
  /** Whether that is the number of the connection that is open. */
  readonly isOf: (processId: number) => boolean;
  readonly end: () => Promise<void>;
};

/** A line that opens its connections so; `first` is open already. */
export function createLine(open: () => Promise<Client>, first?: Client): Line {
  let current: Client | undefined = first;
  let opening: Promise<Client> | undefined;
  let ended = false;

  /** One that was still being opened when the line ended is let go of again. */
  async function reopen(): Promise<Client> {
    try {
      const client = await open();
      current = client;
      if (ended) await client.end();
      return client;
    } finally {
      opening = undefined;
    }
  }

  return {
    client: async () => {
      if (current && !current.isGone()) return current;
      opening ??= reopen();
      return opening;
    },
    isOf: (processId) => current?.processId() === processId,
    end: async () => {
      ended = true;
      await opening?.catch(() => {});
      await current?.end();
    },
  };
}
