/**
 * A store that lives and dies with its process: for tests, and for passes, which need none. Nothing survives, nothing is shared.
 */
import { type Clock, systemClock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { withCheckedArguments } from './arguments.ts';
import { createFeed } from './feed.ts';
import { createAccounts } from './memory/accounts.ts';
import { audit } from './memory/audit.ts';
import { createBook } from './memory/book.ts';
import { createClaims } from './memory/claims.ts';
import { createClosings } from './memory/closings.ts';
import { createCounters } from './memory/counters.ts';
import { exportKept, importKept } from './memory/moving.ts';
import type { Piece } from './pieces.ts';
import type { Change, Store } from './Store.ts';

/**
 * A new, empty store.
 * @example const store = createMemoryStore({ clock: FixedClock.create() });
 */
export function createMemoryStore(options: { readonly clock?: Clock } = {}): Store {
  const clock = options.clock ?? systemClock;
  const now = () => clock.nowMs() / 1000;
  let closed = false;
  const changed = new Set<Change['kind']>();
  const book = createBook(now, (kind) => changed.add(kind));
  const closings = createClosings();
  const accounts = createAccounts(now, book.append, closings);
  const claims = createClaims(accounts.kept, closings);
  const counters = createCounters(now);
  const latest = () => {
    assertOpen(closed);
    return book.latest();
  };
  const feed = createFeed({ read: book.changes, latest }, clock);

  /** One atomic step: everything in it happens before anybody else's turn; readers of the feed hear of what it wrote. */
  async function step<T>(work: () => T): Promise<T> {
    assertOpen(closed);
    const result = work();
    for (const kind of changed) feed.wake(kind);
    changed.clear();
    return result;
  }

  return withCheckedArguments({
    name: 'memory',
    capabilities: { durable: false, shared: false, flushed: false },
    claim: (request) => step(() => claims.claim(request)),
    heartbeat: (request) => step(() => claims.heartbeat(request)),
    commit: (request) => step(() => claims.commit(request)),
    deliver: (ref) => step(() => claims.deliver(ref)),
    undelivered: (ref) => step(() => claims.undelivered(ref)),
    claimState: (key) => step(() => claims.state(key)),
    release: (request) => step(() => claims.release(request)),
    count: (request) => step(() => counters.count(request)),
    credit: (request) => step(() => accounts.credit(request)),
    reserve: (request) => step(() => accounts.reserve(request)),
    extend: (request) => step(() => accounts.extend(request)),
    settle: (request) => step(() => accounts.settle(request)),
    cancel: (request) => step(() => accounts.cancel(request)),
    balance: (account) => step(() => accounts.balance(account)),
    deny: (denial) => step(() => book.deny(denial)),
    denials: (after) => step(() => book.denials(after)),
    append: (entries, bookmark) => step(() => book.append(entries, bookmark)),
    bookmark: (reader) => step(() => book.bookmark(reader)),
    ledger: (query) => step(() => book.ledger(query)),
    totals: () => step(book.totals),
    audit: async function* () {
      yield* await step(() => audit({ book, claims, accounts, closings }, now()));
    },
    export: async function* () {
      yield* await step(() => exportKept({ book, claims, accounts, closings, counters }));
    },
    import: async (pieces) => {
      assertOpen(closed);
      const all: Piece[] = [];
      for await (const piece of pieces) all.push(piece);
      await step(() => importKept({ book, claims, accounts, closings, counters }, all));
      feed.wake();
    },
    changes: feed.changes,
    prune: () => step(() => claims.prune() + counters.prune() + accounts.prune() + book.prune()),
    close: async () => {
      closed = true;
      feed.close();
    },
  });
}

function assertOpen(closed: boolean): void {
  if (closed) throw new FareboxError('STORE_UNAVAILABLE', 'The store is closed.');
}
