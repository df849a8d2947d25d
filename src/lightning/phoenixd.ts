/**
 * phoenixd, over its HTTP API.
 *
 * It has two passwords: the limited one makes invoices and looks things up, the other one spends as well. It knows whole satoshis only,
 * descriptions of 128 characters at most (longer ones are cut), and no fee limit: what a payment costs on top is phoenixd's own schedule, so
 * a buyer says what to reckon with (`assumedMaxFee`).
 *
 * @see phoenixd's API reference, for version 0.8
 */
import * as Amount from '../core/Amount.ts';
import * as Bolt11 from '../core/Bolt11.ts';
import { type Clock, systemClock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Preimage from '../core/Preimage.ts';
import { type Api, createApi, type Reply, refusal } from './Api.ts';
import { assertInvoiceRequest, assertWholeSat } from './arguments.ts';
import { type Attempt, believed, call, created, ifAllowed, pay, refusedAtTheDoor, sizeReasonIn, unknown } from './Driving.ts';
import type { FailureReason, InvoiceState, Network, NodeInfo, Payer, PaymentOutcome, Receiver, TrackedPayment } from './Lightning.ts';
import { Reading } from './Reading.ts';
import { byTime, type Listed, type ReadPage, watchByAsking } from './Watching.ts';

/** Where a phoenixd is, and what lets one in. */
export type PhoenixdOptions = {
  /** Default `http://127.0.0.1:9740`. */
  readonly url?: string | undefined;
  /** To sell, `http-password-limited-access` of its `phoenix.conf`; to buy, `http-password`. A secret. */
  readonly password: string;
  /** Default `bitcoin`. Invoices of another one are refused. */
  readonly network?: Network | undefined;
  readonly clock?: Clock | undefined;
};

const product = 'phoenixd';

/**
 * A node that is paid. Nothing is sent before the first call.
 * @throws RangeError – a url that is none; no password
 * @example createPhoenixdReceiver({ password: limitedPassword })
 */
export function createPhoenixdReceiver(options: PhoenixdOptions): Receiver {
  const { network = 'bitcoin', clock = systemClock } = options;
  const api = apiOf(options);
  const closing = new AbortController();
  const ask = <T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>) => call(product, closing.signal, signal, work);
  const settlements = byTime(product, readReceived(api));
  return {
    name: 'phoenixd',
    network,
    capabilities: { lookup: true, history: true, watch: true, cancel: false, msat: false, memo: true },
    createInvoice: async (request, signal) => {
      assertInvoiceRequest(request);
      const amountSat = String(assertWholeSat(product, request.amountMsat));
      const form = { description: cut(request.description), amountSat, expirySeconds: String(request.expirySeconds) };
      return ask(signal, async (either) => {
        const reply = await api.call({ method: 'POST', path: '/createinvoice', form, signal: either, isRepeatable: true });
        if (reply.status !== 200) throw refusal(product, reply);
        return created(product, network, request, new Reading(product, reply.body).text('serialized'));
      });
    },
    lookupInvoice: async (paymentHash, signal) => {
      const hash = Preimage.parseHash(paymentHash);
      return ask(signal, async (either) => {
        const reply = await api.call({ path: `/payments/incoming/${hash}`, signal: either });
        if (isNothing(reply)) return { kind: 'absent' };
        if (reply.status !== 200) throw refusal(product, reply);
        return stateOf(new Reading(product, reply.body));
      });
    },
    watchSettlements: ({ after, signal }) => watchByAsking(settlements, { clock, stop: AbortSignal.any([signal, closing.signal]), after }),
    info: (signal) => ask(signal, (either) => info(api, either)),
    canSpend: (signal) => ask(signal, (either) => maySpend(api, either)),
    receivable: (signal) => ask(signal, (either) => receivable(api, either)),
    close: async () => closing.abort(),
  };
}

/**
 * A node that pays. Nothing is sent before the first call.
 * @throws RangeError – as for {@link createPhoenixdReceiver}
 */
export function createPhoenixdPayer(options: PhoenixdOptions): Payer {
  const { network = 'bitcoin', clock = systemClock } = options;
  const api = apiOf(options);
  const closing = new AbortController();
  const ask = <T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>) => call(product, closing.signal, signal, work);
  const handOver = (payment: Attempt, signal: AbortSignal) => send(api, payment, signal);
  return {
    name: 'phoenixd',
    network,
    capabilities: { feeLimit: false, track: true, balance: true },
    pay: (request, signal) => pay({ product, network, clock, closing: closing.signal, handOver }, request, signal),
    trackPayment: async (paymentHash, signal) => {
      const hash = Preimage.parseHash(paymentHash);
      return ask(signal, (either) => track(api, hash, either));
    },
    balance: (signal) =>
      ask(signal, async (either) => {
        const reply = await api.call({ path: '/getbalance', signal: either });
        if (reply.status !== 200) throw refusal(product, reply);
        return { spendableMsat: new Reading(product, reply.body).sat('balanceSat') };
      }),
    close: async () => closing.abort(),
  };
}

function apiOf({ url = 'http://127.0.0.1:9740', password, clock }: PhoenixdOptions): Api {
  if (!/^[\x21-\x7e]{1,256}$/.test(password)) throw new RangeError('password is the password of phoenixd, as its phoenix.conf has it');
  return createApi({ product, url, headers: { authorization: `Basic ${btoa(`:${password}`)}` }, clock });
}

async function info(api: Api, signal: AbortSignal): Promise<NodeInfo> {
  const reply = await api.call({ path: '/getinfo', signal });
  if (reply.status !== 200) throw refusal(product, reply);
  const node = new Reading(product, reply.body);
  const chain = node.text('chain');
  const network = networks.get(chain);
  if (network === undefined) throw new FareboxError('LIGHTNING_UNAVAILABLE', `phoenixd is on a chain that is not known here: ${chain.slice(0, 20)}.`);
  return { alias: product, nodeId: node.text('nodeId'), network };
}

/** To pay nothing is refused either way: for what is missing, or for the password. */
async function maySpend(api: Api, signal: AbortSignal): Promise<boolean | undefined> {
  const reply = await ifAllowed(api.call({ method: 'POST', path: '/payinvoice', form: {}, signal }));
  if (reply === undefined) return false;
  return reply.status === 400 ? true : undefined;
}

async function receivable(api: Api, signal: AbortSignal): Promise<Amount.Msat> {
  const reply = await api.call({ path: '/getinfo', signal });
  if (reply.status !== 200) throw refusal(product, reply);
  const channels = new Reading(product, reply.body).list('channels');
  return Amount.fromMsat(channels.reduce((sum, channel) => sum + (channel.has('inboundLiquiditySat') ? channel.sat('inboundLiquiditySat') : 0n), 0n));
}

const networks: ReadonlyMap<string, Network> = new Map([
  ['mainnet', 'bitcoin'],
  ['testnet', 'testnet'],
  ['testnet3', 'testnet'],
  ['signet', 'signet'],
  ['regtest', 'regtest'],
]);

/** What it has nothing of: 204 or 404, as its versions go. */
function isNothing({ status }: Reply): boolean {
  return status === 404 || status === 204;
}

function stateOf(invoice: Reading): InvoiceState {
  if (invoice.flag('isPaid')) return { kind: 'paid', amountMsat: invoice.sat('receivedSat'), settledAt: Math.floor(invoice.seconds('completedAt') / 1000) };
  if (invoice.flag('isExpired')) return { kind: 'expired' };
  return { kind: 'open', expiresAt: Math.floor(invoice.seconds('expiresAt') / 1000) };
}

/** What it has received, by when it did; what arrived on chain has no payment hash, and settles no invoice. */
function readReceived(api: Api): ReadPage {
  return async ({ fromAt, offset }, signal) => {
    const reply = await api.call({ path: `/payments/incoming?from=${fromAt * 1000}&limit=${pageLength}&offset=${offset}`, signal });
    if (reply.status !== 200) throw refusal(product, reply);
    const received = new Reading(product, { received: reply.body }).list('received');
    const listed = received.filter((one) => one.has('paymentHash') && one.has('completedAt')).map(settlementOf);
    return { listed, length: received.length, isLast: received.length < pageLength };
  };
}

const pageLength = 100;

function settlementOf(invoice: Reading): Listed {
  return {
    paymentHash: Preimage.parseHash(invoice.text('paymentHash')),
    amountMsat: invoice.sat('receivedSat'),
    settledAt: Math.floor(invoice.seconds('completedAt') / 1000),
    description: invoice.has('description') ? invoice.text('description') : undefined,
  };
}

/** Hands a payment over; the answer waits for its end. */
async function send(api: Api, { invoice, paymentHash, amountMsat }: Attempt, signal: AbortSignal): Promise<() => Promise<PaymentOutcome>> {
  const reply = await api.call({ method: 'POST', path: '/payinvoice', form: { invoice }, signal, timeoutMs: Number.POSITIVE_INFINITY }).catch(refusedAtTheDoor);
  return async () => {
    if (reply.status !== 200) {
      const tracked = await track(api, paymentHash, signal);
      if (tracked.kind === 'absent') return { kind: 'failed', reason: 'rejected', message: `phoenixd refused the payment (${reply.status}).` };
      return tracked.kind === 'failed' ? tracked : unknown('A payment of this invoice was begun before');
    }
    const payment = new Reading(product, reply.body);
    if (payment.has('reason')) return settleFailure(api, payment.text('reason'), paymentHash, signal);
    const preimage = Preimage.parse(payment.text('paymentPreimage'));
    const settled: PaymentOutcome = { kind: 'settled', preimage, amountMsat, feeMsat: payment.sat('routingFeeSat') };
    // Its answer has whole satoshis of fee, its books have all of it.
    const tracked = await track(api, paymentHash, signal).catch(() => settled);
    return tracked.kind === 'settled' ? tracked : settled;
  };
}

/** What a failure comes to: a payment that this call did not begin may be under way, or have ended. */
async function settleFailure(api: Api, why: string, paymentHash: Preimage.PaymentHash, signal: AbortSignal): Promise<PaymentOutcome> {
  const tracked = await track(api, paymentHash, signal);
  if (tracked.kind === 'pending') return unknown('A payment of this invoice is under way');
  if (tracked.kind === 'unknown') return tracked;
  if (tracked.kind === 'settled') return { kind: 'failed', reason: 'rejected', message: 'This invoice was paid before; look the payment up.' };
  return { kind: 'failed', reason: reasonIn(why), message: `phoenixd says that the payment failed: ${why.slice(0, 200)}.` };
}

/**
 * What it says of a payment. A version that cannot look a payment up by its hash (before 0.5) answers as one that has never seen it: what is no
 * hash at all tells them apart.
 */
async function track(api: Api, paymentHash: Preimage.PaymentHash, signal: AbortSignal): Promise<TrackedPayment> {
  const reply = await api.call({ path: `/payments/outgoingbyhash/${paymentHash}`, signal });
  if (isNothing(reply)) {
    if (reply.status === 404 && isNothing(await api.call({ path: '/payments/outgoingbyhash/none', signal }))) {
      throw new FareboxError('LIGHTNING_UNAVAILABLE', 'This phoenixd cannot look payments up by their hash. Use version 0.5 or later.');
    }
    return { kind: 'absent' };
  }
  if (reply.status !== 200) throw refusal(product, reply);
  return believed(product, outcomeOf(new Reading(product, reply.body)), paymentHash) as TrackedPayment;
}

function outcomeOf(payment: Reading): TrackedPayment {
  if (payment.has('preimage')) {
    const feeMsat = payment.msat('fees');
    const amountMsat = payment.has('invoice') ? Bolt11.peek(payment.text('invoice')).amountMsat : undefined;
    return { kind: 'settled', preimage: Preimage.parse(payment.text('preimage')), amountMsat: amountMsat ?? payment.sat('sent'), feeMsat };
  }
  // Some versions call one paid that has failed; none gives a preimage of it.
  if (payment.flag('isPaid')) return unknown('Settled without a proof: phoenixd gives no preimage');
  if (payment.has('completedAt')) return { kind: 'failed', reason: 'rejected', message: 'phoenixd says that the payment failed.' };
  return { kind: 'pending' };
}

function reasonIn(why: string): FailureReason {
  const size = sizeReasonIn(why);
  if (size !== undefined) return size;
  // A trampoline that wants more than phoenixd's own schedule: no limit of ours would help.
  if (/\bfees?\b.*insufficient/i.test(why)) return 'no-route';
  if (/insufficient|balance|not enough/i.test(why)) return 'balance';
  if (/expired/i.test(why)) return 'expired';
  if (/route|trampoline|unreachable|offline/i.test(why)) return 'no-route';
  return 'rejected';
}

/** At most 128 characters, as phoenixd counts them: in units of UTF-16. */
function cut(description: string): string {
  if (description.length <= 128) return description;
  let kept = '';
  for (const character of description) {
    if (kept.length + character.length > 127) break;
    kept += character;
  }
  return `${kept}…`;
}
