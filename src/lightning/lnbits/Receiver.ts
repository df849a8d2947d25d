/**
 * LNbits as one that is paid.
 *
 * LNbits calls an invoice failed once it has expired, without asking its node again. An invoice that it could not ask its node about is
 * neither open nor expired: that is an error.
 *
 * When an invoice was paid is when LNbits last changed it. Whoever changes a label of it afterwards makes a watch tell of it once more.
 *
 * @see LNbits' API reference: POST and GET /api/v1/payments, GET /api/v1/payments/{payment_hash}, GET /api/v1/wallet
 */
import * as Amount from '../../core/Amount.ts';
import { type Clock, nowAt } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Preimage from '../../core/Preimage.ts';
import type { Api } from '../Api.ts';
import { assertInvoiceRequest, assertWholeSat } from '../arguments.ts';
import { call, created } from '../Driving.ts';
import type { InvoiceState, Network, Receiver } from '../Lightning.ts';
import { Reading } from '../Reading.ts';
import { byTime, type Listed, type ReadPage, watchByAsking } from '../Watching.ts';
import { find, type Kept, product, refused, wallet } from './product.ts';

/** What a receiver is made from. */
export type ReceiverOptions = {
  readonly api: Api;
  readonly network: Network;
  readonly clock: Clock;
  /** LNbits shows a wallet's own name to the key that spends alone; this one is made from the key that sells. */
  readonly walletId?: string;
};

/** See the head of this file. */
export function createReceiver({ api, network, clock, walletId }: ReceiverOptions): Receiver {
  const closing = new AbortController();
  const ask = <T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>) => call(product, closing.signal, signal, work);
  const settlements = byTime(product, readPaid(api));
  return {
    name: 'lnbits',
    network,
    capabilities: { lookup: true, history: true, watch: true, cancel: false, msat: false, memo: true },
    createInvoice: async (request, signal) => {
      assertInvoiceRequest(request);
      const amount = assertWholeSat(product, request.amountMsat);
      const { description, expirySeconds } = request;
      return ask(signal, async (either) => {
        const body = { out: false, unit: 'sat', amount, memo: description, expiry: expirySeconds };
        const reply = await api.call({ method: 'POST', path: '/api/v1/payments', body, signal: either, isRepeatable: true });
        if (reply.status !== 201) throw refused(reply);
        const made = new Reading(product, reply.body);
        // Its name until version 1.
        return created(product, network, request, made.text(made.has('bolt11') ? 'bolt11' : 'payment_request'));
      });
    },
    lookupInvoice: async (paymentHash, signal) => {
      const hash = Preimage.parseHash(paymentHash);
      return ask(signal, async (either) => {
        const kept = await find(api, hash, either);
        return kept === undefined ? { kind: 'absent' } : stateOf(kept, nowAt(clock));
      });
    },
    watchSettlements: ({ after, signal }) => watchByAsking(settlements, { clock, stop: AbortSignal.any([signal, closing.signal]), after }),
    // Neither a key of a node nor a network: LNbits tells of none.
    info: (signal) => ask(signal, async (either) => ({ alias: (await wallet(api, either)).text('name'), nodeId: undefined, walletId, network })),
    // It shows the wallet's own name to the key that spends, and to no other.
    canSpend: (signal) => ask(signal, async (either) => (await wallet(api, either)).has('id')),
    close: async () => closing.abort(),
  };
}

function stateOf({ status, isFresh, details }: Kept, at: number): InvoiceState {
  const amount = details.whole('amount');
  // A wallet that has paid its own invoice has both ends of it, and LNbits shows the one that paid: paid, it says the same of the other.
  if (status === 'success') return { kind: 'paid', amountMsat: Amount.fromMsat(amount < 0n ? -amount : amount), settledAt: details.time('updated_at') };
  if (amount < 0n || !isFresh) throw new FareboxError('LIGHTNING_UNAVAILABLE', 'LNbits cannot say now what became of the invoice. Ask again.');
  const expiresAt = details.time('expiry');
  // Pending to LNbits, and so to be paid, whatever the time is here.
  if (status === 'pending') return { kind: 'open', expiresAt };
  return at >= expiresAt ? { kind: 'expired' } : { kind: 'cancelled' };
}

/** Payments by when they last changed. An LNbits that does not know a filter passes over it. */
function readPaid(api: Api): ReadPage {
  return async ({ offset }, signal) => {
    // Most of the time there is nothing new, and the first of them shows it.
    const limit = offset === 0 ? 10 : 100;
    const query = new URLSearchParams({
      status: 'success',
      'amount[gt]': '0',
      sortby: 'updated_at',
      direction: 'desc',
      limit: `${limit}`,
      offset: `${offset}`,
    });
    const reply = await api.call({ path: `/api/v1/payments?${query}`, signal });
    if (reply.status !== 200) throw refused(reply);
    const payments = new Reading(product, { payments: reply.body }).list('payments');
    const listed = payments.filter((one) => one.text('status') === 'success' && one.whole('amount') > 0n).map(settlementOf);
    return { listed, length: payments.length, isLast: payments.length < limit };
  };
}

function settlementOf(payment: Reading): Listed {
  return {
    paymentHash: Preimage.parseHash(payment.text('payment_hash')),
    amountMsat: payment.msat('amount'),
    settledAt: payment.time('updated_at'),
    description: payment.has('memo') ? payment.text('memo') : undefined,
  };
}
