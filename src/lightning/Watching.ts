/**
 * Settlements of a product that has to be asked for them: every two seconds, behind a cursor, so that nothing is read twice, whatever the history.
 *
 * Most such products list what was paid by time, the newest first, and several payments share a second; one may even be written down a moment after
 * another that settled later. So a cursor by time ({@link byTime}) is a second together with those that were told of in the seconds before it: what
 * is in neither has not been told of.
 */
import { type Clock, wait } from '../core/Clock.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import type { Settlement } from './Lightning.ts';

/** Where a product's settlements stand, and what came behind a cursor. */
export type Settlements = {
  /** The cursor behind which everything from now on stands. */
  readonly begin: (signal: AbortSignal) => Promise<string>;
  /** What stands behind a cursor, in its order, and the cursor to go on from. @throws RangeError – a cursor that is none */
  readonly read: (after: string, signal: AbortSignal) => Promise<{ readonly settlements: readonly Settlement[]; readonly cursor: string }>;
};

/** How a watch is begun. `stop` ends it. */
export type WatchOptions = { readonly clock: Clock; readonly stop: AbortSignal; readonly after: string | undefined };

/** Settlements behind a cursor as they happen. @throws LIGHTNING_UNAVAILABLE – the product cannot be asked: begin again behind the last cursor */
export async function* watchByAsking({ begin, read }: Settlements, { clock, stop, after }: WatchOptions): AsyncGenerator<Settlement, void> {
  try {
    let cursor = after ?? (await begin(stop));
    while (!stop.aborted) {
      const page = await read(cursor, stop);
      for (const settlement of page.settlements) {
        if (stop.aborted) return;
        yield settlement;
      }
      cursor = page.cursor;
      await wait(clock, pauseMs, stop, true);
    }
  } catch (error) {
    if (!stop.aborted) throw error;
  }
}

/** A settlement as a product lists it. */
export type Listed = Omit<Settlement, 'cursor'>;

/** A part of a product's list: `length` entries of it, of which those that settled an invoice are `listed`. */
export type Page = { readonly listed: readonly Listed[]; readonly length: number; readonly isLast: boolean };

/** Reads a product's list from that entry on, by the time of settlement, the newest first. What settled before `fromAt` (Unix seconds) may be left out. */
export type ReadPage = (asked: { readonly fromAt: number; readonly offset: number }, signal: AbortSignal) => Promise<Page>;

/** The settlements of a product that lists them by time. */
export function byTime(product: string, readPage: ReadPage): Settlements {
  const readWindow = (at: number, signal: AbortSignal) => readDownTo(readPage, Math.max(0, at - overlapSeconds), signal);
  return {
    begin: async (signal) => {
      const newest = await readNewest(readPage, signal);
      const told = newest === undefined ? [] : await readWindow(newest.settledAt, signal);
      return formatCursor(told[0]?.settledAt ?? 0, told.map(tagOf));
    },
    read: async (after, signal) => {
      const from = parseCursor(product, after);
      const newest = await readWindow(from.at, signal);
      // What has left the window is not asked for again.
      const told = new Map(newest.filter((one) => from.tags.has(tagOf(one))).map((one) => [tagOf(one), one.settledAt]));
      const settlements: Settlement[] = [];
      let { at } = from;
      for (const one of newest.toReversed()) {
        if (told.has(tagOf(one))) continue;
        at = Math.max(at, one.settledAt);
        told.set(tagOf(one), one.settledAt);
        for (const [tag, settledAt] of told) if (settledAt < at - overlapSeconds) told.delete(tag);
        settlements.push({ ...one, cursor: formatCursor(at, told.keys()) });
      }
      return { settlements, cursor: settlements.at(-1)?.cursor ?? after };
    },
  };
}

/** How long the product is left alone, in milliseconds. */
const pauseMs = 2000;

/** How long after a settlement another one may be written down that settled before it. */
const overlapSeconds = 10;

async function readNewest(readPage: ReadPage, signal: AbortSignal): Promise<Listed | undefined> {
  for (let offset = 0; ; ) {
    const { listed, length, isLast } = await readPage({ fromAt: 0, offset }, signal);
    if (listed[0] !== undefined || isLast) return listed[0];
    offset += length;
  }
}

/** What settled at that second or later, the newest first. */
async function readDownTo(readPage: ReadPage, fromAt: number, signal: AbortSignal): Promise<readonly Listed[]> {
  const found: Listed[] = [];
  for (let offset = 0; ; ) {
    const page = await readPage({ fromAt, offset }, signal);
    found.push(...page.listed.filter(({ settledAt }) => settledAt >= fromAt));
    const oldest = page.listed.at(-1);
    if (page.isLast || (oldest !== undefined && oldest.settledAt < fromAt)) return found;
    offset += page.length;
  }
}

/** Enough of a payment hash to tell a few hundred apart. */
function tagOf({ paymentHash }: { readonly paymentHash: PaymentHash }): string {
  return paymentHash.slice(0, 12);
}

function formatCursor(at: number, tags: Iterable<string>): string {
  return `${at}.${[...tags].join('')}`;
}

function parseCursor(product: string, text: string): { readonly at: number; readonly tags: ReadonlySet<string> } {
  const [, at, tags = ''] = /^(\d{1,12})\.((?:[0-9a-f]{12})*)$/.exec(text) ?? [];
  if (at === undefined) throw new RangeError(`after is a cursor as a settlement of ${product} has it`);
  return { at: Number(at), tags: new Set(tags.match(/.{12}/g)) };
}
