/**
 * The ledger by time: what was received and earned in every five minutes, by service, route and kind of entry. It is read once, as far back as somebody
 * asks, and from then on what is new: asking again costs what has been written since.
 */
import type { LedgerRow, Store } from '../../store/Store.ts';

/** How finely time is told. Every time zone is a whole number of these away from every other. */
export const cellSeconds = 300;

/** What was written down in one cell of time, of one kind, for one route. */
export type Cell = {
  /** Its beginning, Unix seconds. */
  readonly at: number;
  readonly service: string;
  readonly route: string;
  readonly kind: LedgerRow['kind'];
  readonly count: number;
  readonly amountMsat: bigint;
};

/** What was found of a span. */
export type Reading = {
  readonly cells: readonly Cell[];
  /** The number of the newest entry that is counted. */
  readonly seq: number;
  /** From when on everything is counted: later than was asked for where there is more than is read at once. Unix seconds. */
  readonly countedFromAt: number;
};

/** See the head of this file. */
export type Tally = {
  /** Cells that begin in the span; `toAt` is outside. @throws STORE_UNAVAILABLE */
  readonly read: (span: { readonly fromAt: number; readonly toAt: number }) => Promise<Reading>;
};

/** Entries that one question reads further back at most; the next one goes on from there. */
const mostBack = 200_000;

const pageSize = 1000;

/** Entries are written within a moment of their time, but for what wallets tell later. */
const latenessSeconds = 300;

const tallies = new WeakMap<Store, Tally>();

/** The tally of a store: one, whoever asks. */
export function tallyOf(store: Store): Tally {
  const known = tallies.get(store);
  if (known) return known;
  const tally = createTally(store);
  tallies.set(store, tally);
  return tally;
}

/** A tally that has read nothing yet. @param back - entries that one question reads further back at most */
export function createTally(store: Store, back = mostBack): Tally {
  const slots = new Map<number, Map<string, Cell>>();
  let newest: number | undefined;
  let oldest = 0;
  /** The time of the oldest that is counted; -Infinity where nothing is older. */
  let countedFromAt = Number.POSITIVE_INFINITY;
  let last: Promise<unknown> = Promise.resolve();

  function add({ at, service, route, kind, amountMsat }: LedgerRow): void {
    const slot = at - (at % cellSeconds);
    const cells = slots.get(slot) ?? new Map<string, Cell>();
    slots.set(slot, cells);
    const name = `${kind}\0${service}\0${route}`;
    const before = cells.get(name);
    cells.set(name, { at: slot, service, route, kind, count: (before?.count ?? 0) + 1, amountMsat: (before?.amountMsat ?? 0n) + amountMsat });
  }

  async function readOn(after: number): Promise<number> {
    let place = after;
    for (;;) {
      const rows = await store.ledger({ after: place, limit: pageSize });
      rows.forEach(add);
      place = rows.at(-1)?.seq ?? place;
      if (rows.length < pageSize) return place;
    }
  }

  async function readBack(fromAt: number): Promise<void> {
    for (let read = 0; read < back && countedFromAt > fromAt; read += pageSize) {
      const rows = await store.ledger({ before: oldest, limit: pageSize, newestFirst: true });
      rows.forEach(add);
      oldest = rows.at(-1)?.seq ?? oldest;
      for (const { kind, at } of rows) if (kind !== 'settled') countedFromAt = Math.min(countedFromAt, at + latenessSeconds);
      if (rows.length < pageSize) countedFromAt = Number.NEGATIVE_INFINITY;
    }
  }

  async function read({ fromAt, toAt }: { readonly fromAt: number; readonly toAt: number }): Promise<Reading> {
    if (newest === undefined) {
      const [row] = await store.ledger({ limit: 1, newestFirst: true });
      newest = row?.seq ?? 0;
      oldest = newest + 1;
    }
    newest = await readOn(newest);
    await readBack(fromAt);
    const meant = [...slots].filter(([slot]) => slot >= fromAt && slot < toAt).sort(([a], [b]) => a - b);
    const cells = meant.flatMap(([, kept]) => [...kept.values()]);
    return { cells, seq: newest, countedFromAt: Math.max(fromAt, Number.isFinite(countedFromAt) ? Math.min(countedFromAt, toAt) : fromAt) };
  }

  return {
    // One after the other: two at once would count what is new twice.
    read: (span) => {
      const reading = last.then(() => read(span));
      last = reading.catch(() => {});
      return reading;
    },
  };
}
