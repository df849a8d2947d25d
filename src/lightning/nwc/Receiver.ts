/**
 * A wallet behind NWC as one that is paid.
 *
 * What an invoice asks is held against what was asked for: a wallet that knows whole satoshis only makes one that does not fit, and it is
 * refused. Whether an invoice has expired is said by the wallet, or by the wallet's own clock.
 *
 * @see NIP-47: make_invoice, lookup_invoice, list_transactions, get_info
 */
import type { Clock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Preimage from '../../core/Preimage.ts';
import { assertInvoiceRequest } from '../arguments.ts';
import { call, created, ifAllowed } from '../Driving.ts';
import type { InvoiceState, Network, NodeInfo, Receiver } from '../Lightning.ts';
import type { Reading } from '../Reading.ts';
import { product, refused, type Transaction, transactionIn, unavailable } from './product.ts';
import { watch } from './Settlements.ts';
import type { Wallet } from './Wallet.ts';

/** What a receiver is made from. */
export type ReceiverOptions = { readonly wallet: Wallet; readonly network: Network; readonly clock: Clock };

/** BOLT 11's own life of an invoice: the least that one is reckoned with. */
const usualLifeSeconds = 3600;

/** See the head of this file. */
export function createReceiver({ wallet, network, clock }: ReceiverOptions): Receiver {
  const closing = new AbortController();
  let longestLife = usualLifeSeconds;
  const ask = <T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>) => call(product, closing.signal, signal, work);
  return {
    name: 'nwc',
    network,
    capabilities: { lookup: true, history: true, watch: true, cancel: false, msat: true, memo: true },
    createInvoice: async (request, signal) => {
      assertInvoiceRequest(request);
      const { amountMsat, description, expirySeconds } = request;
      const amount = Number(amountMsat);
      if (!Number.isSafeInteger(amount))
        throw new RangeError(`amountMsat: ${product} is asked in numbers of JSON, and ${amountMsat} msat is too large for one`);
      longestLife = Math.max(longestLife, expirySeconds);
      return ask(signal, async (either) => {
        const made = await need(wallet, 'make_invoice', { amount, description, expiry: expirySeconds }, either);
        return created(product, network, request, made.text('invoice').toLowerCase());
      });
    },
    lookupInvoice: async (paymentHash, signal) => {
      const hash = Preimage.parseHash(paymentHash);
      return ask(signal, (either) => lookup(wallet, hash, either));
    },
    watchSettlements: ({ after, signal }) => watch({ wallet, clock, after, stop: AbortSignal.any([signal, closing.signal]), longestLife: () => longestLife }),
    info: (signal) => ask(signal, (either) => info(wallet, network, either)),
    canSpend: (signal) => ask(signal, (either) => ifAllowed(maySpend(wallet, either))),
    close: async () => {
      closing.abort();
      wallet.close();
    },
  };
}

async function need(wallet: Wallet, method: string, params: object, signal: AbortSignal): Promise<Reading> {
  const answer = await wallet.ask({ method, params, signal });
  if (answer.kind === 'error') throw refused(method, answer);
  return answer.result;
}

async function lookup(wallet: Wallet, paymentHash: Preimage.PaymentHash, signal: AbortSignal): Promise<InvoiceState> {
  const answer = await wallet.ask({ method: 'lookup_invoice', params: { payment_hash: paymentHash }, signal });
  if (answer.kind === 'error') {
    if (answer.code === 'NOT_FOUND') return { kind: 'absent' };
    throw refused('lookup_invoice', answer);
  }
  const invoice = transactionIn(answer.result);
  if (invoice.paymentHash !== paymentHash) throw unavailable('it tells of another invoice');
  return stateOf(invoice, paymentHash, answer.at);
}

/** @param at - the wallet's own time, in Unix seconds */
function stateOf(invoice: Transaction, paymentHash: Preimage.PaymentHash, at: number): InvoiceState {
  const { isOutgoing, state, amountMsat, preimage, settledAt, expiresAt } = invoice;
  if (isOutgoing) {
    // A wallet that has paid its own invoice has both ends of it, and may show the one that paid: with its proof, that says the same.
    const isProved =
      state === 'settled' && preimage !== undefined && /^[0-9a-f]{64}$/i.test(preimage) && Preimage.proves(Preimage.parse(preimage), paymentHash);
    if (!isProved) throw unavailable('it tells of a payment that it made, and not of the invoice');
  }
  if (state === 'settled') {
    if (settledAt === undefined) throw unavailable('it calls an invoice settled, and does not say since when');
    return { kind: 'paid', amountMsat, settledAt };
  }
  const isOver = expiresAt !== undefined && at >= expiresAt;
  if (state === 'expired') return { kind: 'expired' };
  if (state === 'failed' || state === 'canceled' || state === 'cancelled') return isOver ? { kind: 'expired' } : { kind: 'cancelled' };
  // Accepted: it is held, and may yet be paid, or not.
  if (state === 'accepted' || state === 'pending' || state === '') {
    if (expiresAt === undefined) throw unavailable('it does not say when the invoice expires');
    return isOver && state !== 'accepted' ? { kind: 'expired' } : { kind: 'open', expiresAt };
  }
  throw new FareboxError('LIGHTNING_UNAVAILABLE', `${product} says of an invoice that it is ${state.slice(0, 20)}, which is not known here.`);
}

/** A wallet need not name a network; which one it is on shows in its invoices, and one that does not fit is never handed out. */
async function info(wallet: Wallet, network: Network, signal: AbortSignal): Promise<NodeInfo> {
  const about = await need(wallet, 'get_info', {}, signal);
  const name = about.has('network') ? about.text('network') : '';
  const named = name === '' ? network : networks.get(name);
  if (named === undefined) throw new FareboxError('LIGHTNING_UNAVAILABLE', `${product} is on a chain that is not known here: ${name.slice(0, 20)}.`);
  const nodeId = about.has('pubkey') ? about.text('pubkey') : '';
  return { alias: about.has('alias') ? about.text('alias') : '', nodeId: /^0[23][0-9a-f]{64}$/.test(nodeId) ? nodeId : undefined, network: named };
}

const networks: ReadonlyMap<string, Network> = new Map([
  ['mainnet', 'bitcoin'],
  ['bitcoin', 'bitcoin'],
  ['testnet', 'testnet'],
  ['signet', 'signet'],
  ['regtest', 'regtest'],
]);

/** What this very connection may do; undefined: the wallet does not tell. */
async function maySpend(wallet: Wallet, signal: AbortSignal): Promise<boolean | undefined> {
  const answer = await wallet.ask({ method: 'get_info', params: {}, signal });
  if (answer.kind === 'error') {
    if (answer.code === 'NOT_IMPLEMENTED') return undefined;
    throw refused('get_info', answer);
  }
  const methods = answer.result.has('methods') ? answer.result.strings('methods') : undefined;
  return methods?.some((method) => spending.test(method));
}

/** Whatever pays, and whatever makes connections that could. */
const spending = /^(?:multi_)?pay|^create_connection$/;
