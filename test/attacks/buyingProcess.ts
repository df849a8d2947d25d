/**
 * A process that buys many things at once, with a client store that it shares with others and a wallet that its parent holds: the other half
 * of 35-parallel-budgets.test.ts.
 *
 * Arguments: the store's file, the Unix seconds at which its clock stands, and the limit for all calls together.
 */
import { createFetch } from '../../src/client/index.ts';
import { createSqliteClientStore } from '../../src/client/sqlite.ts';
import { FareboxError } from '../../src/core/Errors.ts';
import type { Payer, PaymentOutcome, PaymentRequest, TrackedPayment } from '../../src/lightning/Lightning.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';

/** What the parent is told: that all is ready, that the wallet is wanted, how a call has ended. */
export type Told =
  | { readonly kind: 'ready' }
  | { readonly kind: 'pay'; readonly id: number; readonly request: PaymentRequest }
  | { readonly kind: 'ended'; readonly outcome: number | string };

/** What the parent says: what to buy, all at once; what came of a payment. */
export type Order =
  | { readonly kind: 'buy'; readonly urls: readonly string[] }
  | { readonly kind: 'paid'; readonly id: number; readonly outcome: PaymentOutcome }
  | { readonly kind: 'close' };

const [path = '', startAt = '', maxTotal = ''] = process.argv.slice(2);
const store = createSqliteClientStore({ path });
const waiting = new Map<number, (outcome: PaymentOutcome) => void>();
const tell = (told: Told) => void process.send?.(told);

const payer: Payer = {
  name: 'scripted',
  network: 'sandbox',
  capabilities: { feeLimit: true, track: true, balance: false },
  pay: (request) =>
    new Promise((resolve) => {
      const id = waiting.size;
      waiting.set(id, resolve);
      tell({ kind: 'pay', id, request });
    }),
  trackPayment: async (): Promise<TrackedPayment> => ({ kind: 'pending' }),
  balance: () => Promise.reject(new Error('it does not say')),
  close: async () => {},
};
const fetch = createFetch({ payer, store, maxPerRequest: '60 sat', maxTotal, clock: FixedClock.create(Number(startAt)) });

process.on('message', (order: Order) => {
  if (order.kind === 'paid') waiting.get(order.id)?.(order.outcome);
  else if (order.kind === 'buy') for (const url of order.urls) void buy(url);
  else void store.close().then(() => process.disconnect());
});
tell({ kind: 'ready' });

async function buy(url: string): Promise<void> {
  const outcome = await fetch(url).then(
    (response) => response.status,
    (error: Error) => (FareboxError.is(error) ? error.code : `${error.name}: ${error.message}`),
  );
  tell({ kind: 'ended', outcome });
}
