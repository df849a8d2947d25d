/**
 * Core Lightning as one that is paid.
 *
 * It counts what it is paid by a pay index, for ever: a watch goes on behind one, whatever the history.
 *
 * @see Core Lightning's documentation: invoice, listinvoices, waitanyinvoice, getinfo
 */

import type { Msat } from '../../core/Amount.ts';
import * as Amount from '../../core/Amount.ts';
import { systemRandom } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { toHex } from '../../core/internal/bytes.ts';
import * as Preimage from '../../core/Preimage.ts';
import type { Api } from '../Api.ts';
import { assertInvoiceRequest } from '../arguments.ts';
import { call, created, ifAllowed } from '../Driving.ts';
import type { InvoiceState, Network, NodeInfo, Receiver, Settlement } from '../Lightning.ts';
import type { Reading } from '../Reading.ts';
import { ask, need, product } from './product.ts';

/** What a receiver is made from. */
export type ReceiverOptions = { readonly api: Api; readonly network: Network; readonly canSpend: () => Promise<boolean> };

/** See the head of this file. */
export function createReceiver({ api, network, canSpend }: ReceiverOptions): Receiver {
  const closing = new AbortController();
  const within = <T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>) => call(product, closing.signal, signal, work);
  return {
    name: 'cln',
    network,
    capabilities: { lookup: true, history: true, watch: true, cancel: false, msat: true, memo: true },
    createInvoice: async (request, signal) => {
      assertInvoiceRequest(request);
      const { amountMsat, description, expirySeconds } = request;
      return within(signal, async (either) => {
        // A label is what it tells invoices apart by; nobody else sees it.
        const parameters = { amount_msat: amountMsat, label: `farebox-${toHex(systemRandom(16))}`, description, expiry: expirySeconds };
        return created(product, network, request, (await need(api, { name: 'invoice', parameters, signal: either })).text('bolt11'));
      });
    },
    lookupInvoice: async (paymentHash, signal) => {
      const hash = Preimage.parseHash(paymentHash);
      return within(signal, async (either) => {
        const [found] = (await need(api, { name: 'listinvoices', parameters: { payment_hash: hash }, signal: either })).list('invoices');
        return found === undefined ? { kind: 'absent' } : stateOf(found);
      });
    },
    watchSettlements: ({ after, signal }) => watch(api, after, AbortSignal.any([signal, closing.signal])),
    info: (signal) => within(signal, (either) => info(api, either)),
    canSpend,
    receivable: (signal) => within(signal, (either) => ifAllowed(receivable(api, either))),
    close: async () => closing.abort(),
  };
}

async function receivable(api: Api, signal: AbortSignal): Promise<Msat> {
  const channels = (await need(api, { name: 'listpeerchannels', parameters: {}, signal })).list('channels');
  const usable = channels.filter((channel) => channel.text('state') === 'CHANNELD_NORMAL');
  return Amount.fromMsat(usable.reduce((sum, channel) => sum + channel.msat('receivable_msat'), 0n));
}

async function info(api: Api, signal: AbortSignal): Promise<NodeInfo> {
  const node = await need(api, { name: 'getinfo', parameters: {}, signal });
  const name = node.text('network');
  const network = (['bitcoin', 'testnet', 'signet', 'regtest'] as const).find((one) => one === name);
  if (network === undefined) throw new FareboxError('LIGHTNING_UNAVAILABLE', `Core Lightning is on a chain that is not known here: ${name.slice(0, 20)}.`);
  return { alias: node.text('alias'), nodeId: node.text('id'), network };
}

/** An invoice that was paid and is unpaid again there is not: `expired` is for good as well. */
function stateOf(invoice: Reading): InvoiceState {
  const status = invoice.text('status');
  if (status === 'paid') return { kind: 'paid', amountMsat: invoice.msat('amount_received_msat'), settledAt: invoice.seconds('paid_at') };
  if (status === 'expired') return { kind: 'expired' };
  if (status === 'unpaid') return { kind: 'open', expiresAt: invoice.seconds('expires_at') };
  throw new FareboxError('LIGHTNING_UNAVAILABLE', `Core Lightning says of an invoice that it is ${status.slice(0, 20)}, which is not known here.`);
}

/** How long one question waits for the next payment, in seconds, and the error that says that none came. */
const patienceSeconds = 60;
const timedOut = 904;

async function* watch(api: Api, after: string | undefined, stop: AbortSignal): AsyncGenerator<Settlement, void> {
  if (after !== undefined && !/^\d{1,19}$/.test(after)) throw new RangeError('after is a cursor as a settlement of Core Lightning has it');
  try {
    let index = after === undefined ? await lastIndex(api, stop) : Number(after);
    while (!stop.aborted) {
      const parameters = { lastpay_index: index, timeout: patienceSeconds };
      const answer = await ask(api, { name: 'waitanyinvoice', parameters, signal: stop, timeoutMs: Number.POSITIVE_INFINITY });
      if (answer.kind === 'error' && answer.code === timedOut) continue;
      if (answer.kind === 'error') throw new FareboxError('LIGHTNING_UNAVAILABLE', `Core Lightning ended the watch: ${answer.message}.`);
      const invoice = answer.result;
      index = invoice.seconds('pay_index');
      yield {
        paymentHash: Preimage.parseHash(invoice.text('payment_hash')),
        amountMsat: invoice.msat('amount_received_msat'),
        settledAt: invoice.seconds('paid_at'),
        description: invoice.has('description') ? invoice.text('description') : undefined,
        cursor: String(index),
      };
    }
  } catch (error) {
    if (!stop.aborted) throw error;
  }
}

/**
 * The index of the newest payment, for a watch without a cursor to begin behind. Invoices are looked through from the one that changed last,
 * a page at a time: what was paid is among the first of them.
 */
async function lastIndex(api: Api, signal: AbortSignal): Promise<number> {
  const now = await need(api, { name: 'wait', parameters: { subsystem: 'invoices', indexname: 'updated', nextvalue: 0 }, signal });
  for (let end = now.seconds('updated'); end > 0; end -= pageSize) {
    const parameters = { index: 'updated', start: Math.max(1, end - pageSize + 1), limit: pageSize };
    const page = (await need(api, { name: 'listinvoices', parameters, signal })).list('invoices');
    const paid = page.filter((one) => one.has('pay_index')).map((one) => one.seconds('pay_index'));
    if (paid.length > 0) return Math.max(...paid);
  }
  return 0;
}

const pageSize = 100;
