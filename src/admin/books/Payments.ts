/**
 * Payments as the ledger tells of them: each with what became of it, and the newest first.
 *
 * A payment stands where its newest entry does. Whoever reads on asks for what stands before the last one that was looked at.
 */
import type { PaymentHash } from '../../core/Preimage.ts';
import type { LedgerRow, Store } from '../../store/Store.ts';

/**
 * What became of a payment.
 * `arrived`: its wallet says so, and nobody has presented it; `received`: presented, and nothing is bought with it yet; `earned`: it bought something;
 * `reversed`: what it bought was given back.
 */
export type PaymentState = 'arrived' | 'received' | 'earned' | 'reversed';

/** One payment, summed up. */
export type Payment = {
  readonly paymentHash: string;
  readonly state: PaymentState;
  readonly service: string;
  readonly route: string;
  /** What it was sold under, such as `per-request`; '' where nobody has presented it. */
  readonly terms: string;
  readonly amountMsat: bigint;
  /** Earned less reversed. */
  readonly earnedMsat: bigint;
  /** Answers that it bought, less those that were given back. */
  readonly sales: number;
  readonly repeats: number;
  /** Unix seconds. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** The number of its newest entry. */
  readonly seq: number;
};

/** Which payments are meant. */
export type PaymentFilter = {
  readonly state?: PaymentState | undefined;
  readonly service?: string | undefined;
  readonly route?: string | undefined;
  /** The beginning of a payment hash. */
  readonly paymentHash?: string | undefined;
  /** Unix seconds, of the newest entry. */
  readonly fromAt?: number | undefined;
  readonly toAt?: number | undefined;
};

/** Some payments, and behind which number to go on; undefined: there are no more. */
export type Page = { readonly payments: readonly Payment[]; readonly nextBefore: number | undefined };

/** Rows that are looked at for one page at most: what is seldom is then found page by page. */
const mostLooked = 5000;

const readAtOnce = 500;

/** What one payment's story is read of at most: a balance may have bought any number of answers. */
const longestStory = 20_000;

/** The newest payments before a number. @throws STORE_UNAVAILABLE */
export async function readPage(store: Store, filter: PaymentFilter, { before, limit }: { readonly before: number; readonly limit: number }): Promise<Page> {
  if (filter.paymentHash?.length === 64) return readOne(store, filter, before);
  const payments: Payment[] = [];
  const seen = new Set<string>();
  let place = before;
  for (let looked = 0; looked < mostLooked; ) {
    const rows = await store.ledger({ before: place, limit: readAtOnce, newestFirst: true });
    for (const row of rows) {
      place = row.seq;
      looked += 1;
      if (isPast(row, filter)) return { payments, nextBefore: undefined };
      if (seen.has(row.paymentHash) || !mayBeMeant(row, filter)) continue;
      seen.add(row.paymentHash);
      const payment = summarize(await readStory(store, row.paymentHash));
      // It was told of further up, where its newest entry stands.
      if (payment === undefined || payment.seq >= before || !isMeant(payment, filter)) continue;
      payments.push(payment);
      if (payments.length === limit) return { payments, nextBefore: place };
    }
    if (rows.length < readAtOnce) return { payments, nextBefore: undefined };
  }
  return { payments, nextBefore: place };
}

/** Everything that the ledger says of a payment, oldest first. @throws STORE_UNAVAILABLE */
export async function readStory(store: Store, paymentHash: string): Promise<readonly LedgerRow[]> {
  const story: LedgerRow[] = [];
  while (story.length < longestStory) {
    const rows = await store.ledger({ paymentHash: paymentHash as PaymentHash, after: story.at(-1)?.seq ?? 0, limit: readAtOnce });
    story.push(...rows);
    if (rows.length < readAtOnce) break;
  }
  return story;
}

/** What became of a payment, from its story. Undefined: there is none. */
export function summarize(story: readonly LedgerRow[]): Payment | undefined {
  const [first] = story;
  const last = story.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const of = (kind: LedgerRow['kind']) => story.filter((row) => row.kind === kind);
  const [received] = of('received');
  const [earned, reversed] = [of('earned'), of('reversed')];
  const told = received ?? first;
  return {
    paymentHash: first.paymentHash,
    state: stateOf(received !== undefined, earned.length, reversed.length),
    service: told.service,
    route: told.route,
    terms: received?.note ?? '',
    amountMsat: told.amountMsat,
    earnedMsat: sum(earned) - sum(reversed),
    sales: earned.length - reversed.length,
    repeats: of('repeated').length,
    firstAt: first.at,
    lastAt: last.at,
    seq: last.seq,
  };
}

/** What an entry says, in a sentence for people. */
export function explain({ kind, note }: Pick<LedgerRow, 'kind' | 'note'>): string {
  switch (kind) {
    case 'settled':
      return note === '' ? 'The wallet said that the payment has arrived.' : `The wallet (${note}) said that the payment has arrived.`;
    case 'received':
      return note === '' ? 'The payment was presented for the first time.' : `The payment was presented for the first time; it buys: ${note}.`;
    case 'earned':
      return note === '' ? 'It bought an answer.' : `It bought an answer (${note}).`;
    case 'reversed':
      return note === '' ? 'What it had bought was given back to the buyer.' : `What it had bought was given back to the buyer (${note}).`;
    case 'repeated':
      return 'The same answer was given once more, for nothing.';
  }
}

async function readOne(store: Store, filter: PaymentFilter, before: number): Promise<Page> {
  const payment = summarize(await readStory(store, filter.paymentHash ?? ''));
  const payments = payment !== undefined && payment.seq < before && isMeant(payment, filter) ? [payment] : [];
  return { payments, nextBefore: undefined };
}

function stateOf(isReceived: boolean, earned: number, reversed: number): PaymentState {
  if (earned > reversed) return 'earned';
  if (reversed > 0) return 'reversed';
  return isReceived ? 'received' : 'arrived';
}

/** Entries are written within a moment of their time, but for what wallets tell later. */
const latenessSeconds = 300;

function isPast({ kind, at }: LedgerRow, { fromAt }: PaymentFilter): boolean {
  return fromAt !== undefined && kind !== 'settled' && at < fromAt - latenessSeconds;
}

/** What can be said before the whole story is read. */
function mayBeMeant({ paymentHash }: LedgerRow, filter: PaymentFilter): boolean {
  return filter.paymentHash === undefined || paymentHash.startsWith(filter.paymentHash);
}

function isMeant(payment: Payment, { state, service, route, fromAt, toAt }: PaymentFilter): boolean {
  return (
    (state === undefined || payment.state === state) &&
    (service === undefined || payment.service === service) &&
    (route === undefined || payment.route === route) &&
    (fromAt === undefined || payment.lastAt >= fromAt) &&
    (toAt === undefined || payment.lastAt < toAt)
  );
}

function sum(rows: readonly LedgerRow[]): bigint {
  return rows.reduce((total, { amountMsat }) => total + amountMsat, 0n);
}
