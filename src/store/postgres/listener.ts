/**
 * Hears of changes that other processes make, on a connection of its own. It only makes readers faster: whoever reads looks by itself a few
 * times a second, so that nothing is lost with a connection, and one that is gone is made anew at the next look.
 *
 * @see https://www.postgresql.org/docs/current/sql-notify.html
 */
import type { Change } from '../Store.ts';
import type { Client } from './client.ts';
import { createLine } from './line.ts';

/** Listens while somebody asks it to. */
export type Listener = {
  /** Sees to it that it listens. */
  readonly ensure: () => void;
  readonly close: () => Promise<void>;
};

/**
 * A listener on a channel.
 * @param isOwn - whether a connection belongs to this process, which knows already
 * @param wake - called for every change of that kind; without one, where any may have been missed
 */
export function createListener(
  open: () => Promise<Client>,
  channel: string,
  isOwn: (processId: number) => boolean,
  wake: (kind?: Change['kind']) => void,
): Listener {
  let closed = false;
  const line = createLine(async () => {
    const client = await open();
    client.listen(
      (payload, processId) => {
        if (isOwn(processId)) return;
        wake(payload === 'denial' || payload === 'ledger' ? payload : undefined);
      },
      () => {
        if (!closed) wake();
      },
    );
    await client.ask(`LISTEN ${channel}`);
    // What was told before it listened.
    wake();
    return client;
  });
  return {
    ensure: () => {
      if (!closed) line.client().catch(() => {});
    },
    close: async () => {
      closed = true;
      await line.end();
    },
  };
}
