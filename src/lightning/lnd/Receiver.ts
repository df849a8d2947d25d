/**
 * lnd as one that is paid.
 *
 * lnd cancels an invoice by itself some time after it has expired, so one that is cancelled and over its time counts as expired.
 *
 * @see lnd's API reference: AddInvoice, LookupInvoice, SubscribeInvoices, CancelInvoice, GetInfo
 */
import type { Msat } from '../../core/Amount.ts';
import { type Clock, nowAt } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Preimage from '../../core/Preimage.ts';
import { type Api, saidIn } from '../Api.ts';
import { assertInvoiceRequest } from '../arguments.ts';
import { call, created, ifAllowed } from '../Driving.ts';
import type { InvoiceState, Network, NodeInfo, Receiver, Settlement } from '../Lightning.ts';
import { Reading } from '../Reading.ts';
import { product, refused } from './product.ts';

/** What a receiver is made from. */
export type ReceiverOptions = {
  readonly api: Api;
  readonly network: Network;
  readonly clock: Clock;
  readonly routeHints: boolean;
  readonly canSpend: () => Promise<boolean>;
};

/** See the head of this file. */
export function createReceiver({ api, network, clock, routeHints, canSpend }: ReceiverOptions): Receiver {
  const closing = new AbortController();
  const ask = <T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>) => call(product, closing.signal, signal, work);
  return {
    name: 'lnd',
    network,
    capabilities: { lookup: true, history: true, watch: true, cancel: false, msat: true, memo: true },
    createInvoice: async (request, signal) => {
      assertInvoiceRequest(request);
      const { amountMsat, description, expirySeconds } = request;
      return ask(signal, async (either) => {
        const body = { memo: description, value_msat: amountMsat, expiry: String(expirySeconds), private: routeHints };
        const reply = await api.call({ method: 'POST', path: '/v1/invoices', body, signal: either, isRepeatable: true });
        if (reply.status !== 200) throw refused(reply);
        return created(product, network, request, new Reading(product, reply.body).text('payment_request'));
      });
    },
    lookupInvoice: async (paymentHash, signal) => {
      const hash = Preimage.parseHash(paymentHash);
      return ask(signal, async (either) => {
        const reply = await api.call({ path: `/v1/invoice/${hash}`, signal: either });
        if (isUnknownInvoice(reply)) return { kind: 'absent' };
        if (reply.status !== 200) throw refused(reply);
        return stateOf(new Reading(product, reply.body), nowAt(clock));
      });
    },
    watchSettlements: ({ after, signal }) => watch(api, after, AbortSignal.any([signal, closing.signal]), signal),
    info: (signal) => ask(signal, (either) => info(api, either)),
    canSpend,
    receivable: (signal) => ask(signal, (either) => ifAllowed(receivable(api, either))),
    close: async () => closing.abort(),
  };
}

async function receivable(api: Api, signal: AbortSignal): Promise<Msat> {
  const reply = await api.call({ path: '/v1/balance/channels', signal });
  if (reply.status !== 200) throw refused(reply);
  return new Reading(product, reply.body).object('remote_balance').msat('msat');
}

/** Who the node is. @throws LIGHTNING_UNAVAILABLE – on a chain that we do not know */
export async function info(api: Api, signal: AbortSignal): Promise<NodeInfo> {
  const reply = await api.call({ path: '/v1/getinfo', signal });
  if (reply.status !== 200) throw refused(reply);
  const node = new Reading(product, reply.body);
  const [chain] = node.list('chains');
  const network = networks.get(chain?.text('network') ?? '');
  if (network === undefined) throw new FareboxError('LIGHTNING_UNAVAILABLE', `lnd is on a chain that is not known here: ${chain?.text('network') ?? 'none'}.`);
  return { alias: node.text('alias'), nodeId: node.text('identity_pubkey'), network };
}

const networks: ReadonlyMap<string, Network> = new Map([
  ['mainnet', 'bitcoin'],
  ['testnet', 'testnet'],
  ['signet', 'signet'],
  ['regtest', 'regtest'],
]);

/** Settlements behind a settle index, which lnd counts for ever: nothing is read twice, whatever the history. */
async function* watch(api: Api, after: string | undefined, stop: AbortSignal, caller: AbortSignal): AsyncGenerator<Settlement, void> {
  if (after !== undefined && !/^\d{1,19}$/.test(after)) throw new RangeError('after is a cursor as a settlement of lnd has it');
  try {
    if (stop.aborted) return;
    const path = `/v1/invoices/subscribe?settle_index=${after ?? '0'}`;
    const reply = await api.stream({ path, signal: stop, timeoutMs: Number.POSITIVE_INFINITY });
    if (reply.status !== 200) throw refused(reply);
    for await (const line of reply.lines) {
      if (stop.aborted) return;
      const invoice = new Reading(product, line).object('result');
      if (invoice.text('state') !== 'SETTLED') continue;
      yield {
        paymentHash: hashIn(invoice),
        amountMsat: invoice.msat('amt_paid_msat'),
        settledAt: invoice.seconds('settle_date'),
        description: invoice.has('memo') ? invoice.text('memo') : undefined,
        cursor: String(invoice.whole('settle_index')),
      };
    }
  } catch (error) {
    if (!stop.aborted) throw error;
    return;
  }
  if (!caller.aborted && !stop.aborted) throw new FareboxError('LIGHTNING_UNAVAILABLE', 'lnd ended the watch. Begin again behind the last cursor.');
}

function stateOf(invoice: Reading, at: number): InvoiceState {
  const expiresAt = invoice.seconds('creation_date') + invoice.seconds('expiry');
  const state = invoice.text('state');
  if (state === 'SETTLED') return { kind: 'paid', amountMsat: invoice.msat('amt_paid_msat'), settledAt: invoice.seconds('settle_date') };
  if (state === 'CANCELED') return at >= expiresAt ? { kind: 'expired' } : { kind: 'cancelled' };
  // Open to lnd, and so to be paid, whatever the time is here. Accepted: parts of a payment are here and not all; it may yet be paid, or not.
  if (state === 'OPEN' || state === 'ACCEPTED') return { kind: 'open', expiresAt };
  throw new FareboxError('LIGHTNING_UNAVAILABLE', `lnd says of an invoice that it is ${state}, which is not known here.`);
}

/** lnd has no status of its own for it in every version; its words have been these in all of them. */
function isUnknownInvoice({ status, body }: { readonly status: number; readonly body: unknown }): boolean {
  return status !== 200 && /unable to locate invoice|there are no existing invoices/.test(saidIn(body) ?? '');
}

function hashIn(invoice: Reading): Preimage.PaymentHash {
  return Preimage.parseHash(Buffer.from(invoice.text('r_hash'), 'base64').toString('hex'));
}
