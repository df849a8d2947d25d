/**
 * Payments that arrive at a wallet, as they do, and again behind a cursor.
 *
 * A notification that nobody was there for is gone. So the wallet's list of what it was paid is read at the beginning, where a notification may
 * have been missed, and now and then; in between, what it tells is told on.
 *
 * The cursor is a moment, in Unix seconds, and what was told of that moment and later: `1800000000:0123456789abcdef,…`. It stays behind the
 * newest by a minute, for a wallet may tell of two payments in the other order.
 *
 * @see NIP-47: payment_received, list_transactions
 */
import type { Clock } from '../../core/Clock.ts';
import * as Preimage from '../../core/Preimage.ts';
import type { Settlement } from '../Lightning.ts';
import type { Reading } from '../Reading.ts';
import { invoiceOf, refused, type Transaction, transactionIn, unavailable } from './product.ts';
import type { Wallet } from './Wallet.ts';

/** What is watched, from where on, and until when. */
export type WatchOptions = {
  readonly wallet: Wallet;
  readonly clock: Clock;
  readonly after: string | undefined;
  /** Ends the watch. */
  readonly stop: AbortSignal;
  /** The longest life that an invoice was asked for with, in seconds. */
  readonly longestLife: () => number;
};

/** A payment that arrived. */
type Arrival = Omit<Settlement, 'cursor'>;

/** How far the cursor stays behind the newest payment. */
const slackSeconds = 60;

/** The most that a cursor remembers. */
const maxTold = 500;

/** The list is read anew after so long, by whether the wallet tells of payments by itself. */
const sweepMs = { told: 600_000, untold: 60_000 } as const;

/** As many transactions as a message surely holds. */
const pageSize = 20;

/** More pages are not read in one go. */
const maxPages = 500;

/** See the head of this file. @throws RangeError – a cursor that is none; LIGHTNING_UNAVAILABLE – the wallet is gone, or lists nothing */
export async function* watch({ wallet, clock, after, stop, longestLife }: WatchOptions): AsyncGenerator<Settlement, void> {
  const told = after === undefined ? new Told(0) : parseCursor(after);
  if (stop.aborted) return;
  const inbox = wallet.listen();
  // A wallet may go by when an invoice was made, which is as long before it was paid as it lives.
  const missed = () => arrivals(wallet, Math.max(0, told.from - longestLife()), stop);
  try {
    if (after === undefined) for (const arrival of await newest(wallet, stop)) told.add(arrival);
    let arrived = after === undefined ? [] : await missed();
    while (!stop.aborted) {
      for (const arrival of arrived) if (told.add(arrival)) yield { ...arrival, cursor: told.cursor };
      const heard = await inbox.next(clock, wallet.notifies ? sweepMs.told : sweepMs.untold, stop);
      if (stop.aborted) return;
      const one = heard?.kind === 'received' ? arrivalOf(heard.payment, heard.at) : undefined;
      arrived = one ? [one] : await missed();
    }
  } catch (error) {
    if (!stop.aborted) throw error;
  } finally {
    inbox.close();
  }
}

/** What was told, as far as a cursor remembers it. */
class Told {
  /** Everything before has been told. Unix seconds. */
  from: number;
  /** By the first digits of the payment hash, when it was settled. */
  readonly #at = new Map<string, number>();

  constructor(from: number, names: readonly string[] = []) {
    this.from = from;
    for (const name of names) this.#at.set(name, from + slackSeconds);
  }

  get cursor(): string {
    return `${this.from}:${[...this.#at.keys()].join(',')}`;
  }

  /** Takes it for told. Whether it was not yet. */
  add({ paymentHash, settledAt }: Arrival): boolean {
    const name = paymentHash.slice(0, nameLength);
    if (settledAt < this.from || this.#at.has(name)) return false;
    this.#at.set(name, settledAt);
    this.from = Math.max(this.from, settledAt - slackSeconds);
    for (const [oldest, at] of this.#at) {
      // Where more arrives than is remembered, the cursor follows closer.
      if (this.#at.size > maxTold) this.from = Math.max(this.from, Math.min(at + 1, settledAt));
      else if (at >= this.from) continue;
      this.#at.delete(oldest);
    }
    return true;
  }
}

const nameLength = 16;

function parseCursor(text: string): Told {
  const [, from, names = ''] = /^(\d{1,11}):((?:[0-9a-f]{16}(?:,|$)){0,500})$/.exec(text) ?? [];
  if (from === undefined) throw new RangeError('after is a cursor as a settlement of NWC has it');
  return new Told(
    Number(from),
    names.split(',').filter((name) => name !== ''),
  );
}

/** What has arrived since then, the oldest first. */
async function arrivals(wallet: Wallet, from: number, signal: AbortSignal): Promise<readonly Arrival[]> {
  const found = new Map<string, Transaction>();
  for (let page = 0, offset = 0; page < maxPages; page++) {
    const listed = await list(wallet, { from, offset }, signal);
    const before = found.size;
    for (const one of listed) if (!found.has(one.paymentHash)) found.set(one.paymentHash, one);
    // A wallet may give less than a page at a time, and one that cannot turn pages gives the first again.
    if (found.size === before) break;
    offset += listed.length;
  }
  return inOrder([...found.values()]);
}

async function newest(wallet: Wallet, signal: AbortSignal): Promise<readonly Arrival[]> {
  return inOrder(await list(wallet, { offset: 0 }, signal));
}

async function list(wallet: Wallet, params: { readonly from?: number; readonly offset: number }, signal: AbortSignal): Promise<readonly Transaction[]> {
  const method = 'list_transactions';
  const answer = await wallet.ask({ method, params: { ...params, limit: pageSize, type: 'incoming' }, signal });
  if (answer.kind === 'error') throw refused(method, answer);
  return answer.result.list('transactions').map(transactionIn);
}

/** A wallet lists the newest first. */
function inOrder(transactions: readonly Transaction[]): readonly Arrival[] {
  const arrived = transactions.flatMap((one) => (one.state === 'settled' ? (arrivalIn(one, undefined) ?? []) : []));
  return arrived.reverse().sort((one, other) => one.settledAt - other.settledAt);
}

/** A payment that the wallet has told of; undefined: it is to be looked for in the list. */
function arrivalOf(payment: Reading, at: number): Arrival | undefined {
  try {
    const told = transactionIn(payment);
    return told.state === 'settled' || told.state === '' ? arrivalIn(told, at) : undefined;
  } catch {
    return undefined;
  }
}

/** `at`: when the wallet told of it, where it names no time itself. @throws LIGHTNING_UNAVAILABLE – it names none at all */
function arrivalIn(arrived: Transaction, at: number | undefined): Arrival | undefined {
  const { isOutgoing, paymentHash, amountMsat, settledAt } = arrived;
  // What has no payment hash was not paid over Lightning.
  if (isOutgoing || !/^[0-9a-f]{64}$/.test(paymentHash)) return undefined;
  const arrivedAt = settledAt ?? at;
  if (arrivedAt === undefined) throw unavailable('it lists a payment that has arrived, and does not say when');
  const description = invoiceOf(arrived)?.description ?? arrived.description;
  return { paymentHash: Preimage.parseHash(paymentHash), amountMsat, settledAt: arrivedAt, description };
}
