/**
 * ln.bot as one that is paid.
 *
 * What it has credited to a wallet it counts, for ever: a watch goes on behind a number, whatever the history.
 *
 * @see ln.bot's API reference: POST /v1/wallets/{walletId}/invoices, GET …/invoices/{numberOrHash}, GET …/transactions
 */
import * as Bolt11 from '../../core/Bolt11.ts';
import type { Clock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Preimage from '../../core/Preimage.ts';
import { refusal } from '../Api.ts';
import { assertInvoiceRequest, assertWholeSat } from '../arguments.ts';
import { call, created } from '../Driving.ts';
import type { InvoiceState, Network, Receiver, Settlement } from '../Lightning.ts';
import { Reading } from '../Reading.ts';
import { type Settlements, watchByAsking } from '../Watching.ts';
import { product, type Wallet } from './Wallet.ts';

/** What a receiver is made from. */
export type ReceiverOptions = { readonly wallet: Wallet; readonly network: Network; readonly clock: Clock };

/** See the head of this file. */
export function createReceiver({ wallet, network, clock }: ReceiverOptions): Receiver {
  const closing = new AbortController();
  const ask = <T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>) => call(product, closing.signal, signal, work);
  const settlements = settlementsOf(wallet);
  return {
    name: 'lnbot',
    network,
    // It words an invoice as it is asked to, and sets its life itself.
    capabilities: { lookup: true, history: true, watch: true, cancel: false, msat: false, memo: false },
    createInvoice: async (request, signal) => {
      assertInvoiceRequest(request);
      const body = { amount: assertWholeSat(product, request.amountMsat), memo: request.description };
      return ask(signal, async (either) => {
        const reply = await wallet.call({ method: 'POST', path: '/invoices', body, signal: either, isRepeatable: true });
        if (reply.status !== 200 && reply.status !== 201) throw refusal(product, reply);
        return created(product, network, request, new Reading(product, reply.body).text('bolt11'));
      });
    },
    lookupInvoice: async (paymentHash, signal) => {
      const hash = Preimage.parseHash(paymentHash);
      return ask(signal, async (either) => {
        const found = await wallet.find(`/invoices/${hash}`, either);
        return found === undefined ? { kind: 'absent' } : stateOf(found, hash);
      });
    },
    watchSettlements: ({ after, signal }) => watchByAsking(settlements, { clock, stop: AbortSignal.any([signal, closing.signal]), after }),
    // Neither a key of a node nor a network: ln.bot tells of none.
    info: (signal) =>
      ask(signal, async (either) => {
        const state = await wallet.state(either);
        return { alias: state.text('name'), nodeId: undefined, walletId: state.text('walletId'), network };
      }),
    // Every key of ln.bot does.
    canSpend: async () => true,
    close: async () => closing.abort(),
  };
}

/** What was paid just before it expired may turn from expired to settled a moment later. */
function stateOf(invoice: Reading, paymentHash: Preimage.PaymentHash): InvoiceState {
  const expiresAt = expiryOf(invoice.text('bolt11'), paymentHash);
  const status = invoice.text('status');
  if (status === 'settled') return { kind: 'paid', amountMsat: invoice.sat('amount'), settledAt: invoice.time('settledAt') };
  if (status === 'expired') return { kind: 'expired' };
  if (status === 'pending') return { kind: 'open', expiresAt };
  throw new FareboxError('LIGHTNING_UNAVAILABLE', `ln.bot says of an invoice that it is ${status.slice(0, 20)}, which is not known here.`);
}

/** When an invoice expires, by its own words. @throws LIGHTNING_UNAVAILABLE – it is unreadable, or another one than was asked for */
function expiryOf(text: string, paymentHash: Preimage.PaymentHash): number {
  let invoice: Bolt11.InvoiceFields | undefined;
  try {
    invoice = Bolt11.peek(text);
  } catch {}
  if (invoice?.paymentHash === paymentHash) return invoice.expiresAt;
  throw new FareboxError('LIGHTNING_UNAVAILABLE', 'ln.bot answered with something else than the invoice that it was asked for.');
}

function settlementsOf(wallet: Wallet): Settlements {
  return {
    begin: async (signal) => {
      const reply = await wallet.call({ path: '/transactions?limit=1', signal });
      if (reply.status !== 200) throw refusal(product, reply);
      const [newest] = new Reading(product, { newest: reply.body }).list('newest');
      return String(newest?.whole('number') ?? 0);
    },
    read: async (after, signal) => {
      if (!/^\d{1,18}$/.test(after)) throw new RangeError('after is a cursor as a settlement of ln.bot has it');
      const settlements: Settlement[] = [];
      // Each takes a question: a long absence is made up for in steps, so that no failure undoes all of them.
      const transactions = (await wallet.listBehind('/transactions', BigInt(after), signal)).slice(0, 50);
      for (const one of transactions) {
        const settlement = await settlementOf(wallet, one, signal);
        if (settlement !== undefined) settlements.push(settlement);
      }
      return { settlements, cursor: String(transactions.at(-1)?.whole('number') ?? after) };
    },
  };
}

/** The invoice that a transaction credited to the wallet; undefined where it spent something, or credits what was no invoice. */
async function settlementOf(wallet: Wallet, transaction: Reading, signal: AbortSignal): Promise<Settlement | undefined> {
  if (transaction.text('type') !== 'credit' || !transaction.has('paymentHash')) return undefined;
  const paymentHash = Preimage.parseHash(transaction.text('paymentHash'));
  const invoice = await wallet.find(`/invoices/${paymentHash}`, signal);
  if (invoice === undefined) return undefined;
  return {
    paymentHash,
    amountMsat: transaction.sat('amount'),
    settledAt: invoice.has('settledAt') ? invoice.time('settledAt') : transaction.time('createdAt'),
    description: invoice.has('memo') ? invoice.text('memo') : undefined,
    cursor: String(transaction.whole('number')),
  };
}
