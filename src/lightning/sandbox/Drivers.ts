/**
 * `Receiver` and `Payer` over the calls of a sandbox, the same for one in this process and one behind a connection.
 *
 * A payment ends `failed` when the sandbox says so, and when the connection was refused before anything was sent
 * (`details.sent === false`). Whatever else keeps the answer away (a reset, an unreadable reply, a node that is down, the time-out)
 * is `unknown`.
 */
import * as Amount from '../../core/Amount.ts';
import * as Bolt11 from '../../core/Bolt11.ts';
import { type Clock, systemClock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { fromUtf8 } from '../../core/internal/bytes.ts';
import * as Preimage from '../../core/Preimage.ts';
import type { CreatedInvoice, InvoiceRequest, Payer, PaymentOutcome, PaymentRequest, Receiver, Settlement } from '../Lightning.ts';
import { createInvoiceBatch } from './InvoiceBatch.ts';
import { type Sandbox, type SandboxOpening, sandboxFaultKinds } from './Sandbox.ts';
import { type Backend, type NodeRef, nodeName } from './Wire.ts';

/** A sandbox over its calls. The clock measures how long a payer waits. */
export function createSandbox(backend: Backend, clock: Clock = systemClock): Sandbox {
  return {
    receiver: (node, opening) => createReceiver(backend, nodeRef(node, opening)),
    payer: (node, opening) => createPayer(backend, nodeRef(node, opening), clock),
    openNode: async (node, opening) => backend.openNode({ node: nodeRef(node, opening) }),
    addFunds: async (node, amounts) => {
      const { name, ...checked } = nodeRef(node, amounts);
      return backend.addFunds({ node: { name }, amounts: checked });
    },
    setFault: async (fault) => {
      nodeRef(fault.node);
      if (!sandboxFaultKinds.includes(fault.kind)) throw new RangeError(`fault.kind is not a fault: ${fault.kind}. Faults are ${sandboxFaultKinds.join(', ')}`);
      if (fault.payments !== undefined) assertWhole('fault.payments', fault.payments, 1);
      await backend.setFault(fault);
    },
    clearFaults: async (node) => {
      await backend.clearFaults(node === undefined ? {} : { node: nodeRef(node).name });
    },
    faults: async () => (await backend.faults({})).faults,
    releasePayment: async (paymentHash, as) => (await backend.releasePayment({ paymentHash: Preimage.parseHash(paymentHash), as })).released,
    setDelay: async (delayMs) => {
      assertWhole('delayMs', delayMs, 0);
      await backend.setDelay({ delayMs });
    },
    audit: () => backend.audit({}),
    close: () => backend.close(),
  };
}

function createReceiver(backend: Backend, node: NodeRef): Receiver {
  const closing = new AbortController();
  const order = createInvoiceBatch((orders) => call(closing, undefined, (signal) => createInvoices(backend, node, orders, signal)));
  return {
    name: 'sandbox',
    network: 'sandbox',
    capabilities: { lookup: true, watch: true, cancel: false },
    createInvoice: async (request, signal) => {
      assertInvoiceRequest(request);
      if (closing.signal.aborted) throw closed();
      return order(request, signal);
    },
    lookupInvoice: (paymentHash, signal) =>
      call(closing, signal, (either) => backend.lookupInvoice({ node, paymentHash: Preimage.parseHash(paymentHash) }, either)),
    watchSettlements: ({ after, signal }) => {
      const stop = AbortSignal.any([signal, closing.signal]);
      const start = after === undefined ? backend.settlements({ node }, stop).then(({ cursor }) => cursor) : Promise.resolve(after);
      // Whoever iterates is told; whoever does not must not bring the process down.
      start.catch(() => {});
      return watch(backend, node, start, stop);
    },
    info: async (signal) => ({ ...(await call(closing, signal, (either) => backend.info({ node }, either))), network: 'sandbox' }),
    close: async () => closing.abort(),
  };
}

async function createInvoices(backend: Backend, node: NodeRef, requests: readonly InvoiceRequest[], signal: AbortSignal): Promise<readonly CreatedInvoice[]> {
  const orders = requests.map(({ amountMsat, description, expirySeconds }) => ({ amountMsat, description, expirySeconds }));
  const [first] = orders;
  if (orders.length === 1 && first) return [await backend.createInvoice({ node, ...first }, signal)];
  const { invoices } = await backend.createInvoices({ node, orders }, signal);
  if (invoices.length !== orders.length) throw new FareboxError('LIGHTNING_UNAVAILABLE', 'The sandbox made another number of invoices than it was asked for.');
  return invoices;
}

async function* watch(backend: Backend, node: NodeRef, start: Promise<string>, stop: AbortSignal): AsyncGenerator<Settlement, void> {
  try {
    for (let after = await start; !stop.aborted; ) {
      const page = await backend.settlements({ node, after }, stop);
      for (const settlement of page.settlements) {
        if (stop.aborted) return;
        yield settlement;
      }
      after = page.cursor;
    }
  } catch (error) {
    if (!stop.aborted) throw error;
  }
}

function createPayer(backend: Backend, node: NodeRef, clock: Clock): Payer {
  const closing = new AbortController();
  return {
    name: 'sandbox',
    network: 'sandbox',
    capabilities: { feeLimit: true, track: true, balance: true },
    pay: async (request, signal) => {
      assertPaymentRequest(request);
      if (closing.signal.aborted || signal?.aborted) return { kind: 'failed', reason: 'rejected', message: 'It was called off before it was sent.' };
      return pay(backend, node, clock, request, signal ? AbortSignal.any([signal, closing.signal]) : closing.signal);
    },
    trackPayment: (paymentHash, signal) =>
      call(closing, signal, (either) => backend.trackPayment({ node, paymentHash: Preimage.parseHash(paymentHash) }, either)),
    balance: (signal) => call(closing, signal, (either) => backend.balance({ node }, either)),
    close: async () => closing.abort(),
  };
}

async function pay(backend: Backend, node: NodeRef, clock: Clock, request: PaymentRequest, signal: AbortSignal): Promise<PaymentOutcome> {
  const { invoice, maxFeeMsat, timeoutSeconds } = request;
  const paymentHash = hashOf(invoice);
  if (paymentHash === undefined) return { kind: 'failed', reason: 'malformed', message: 'The invoice cannot be read. Ask for a new one.' };
  const timeout = new AbortController();
  const callOff = clock.after(Math.min(timeoutSeconds * 1000, longestTimerMs), () => timeout.abort());
  try {
    const outcome = await backend.pay({ node, invoice, maxFeeMsat, timeoutSeconds }, AbortSignal.any([signal, timeout.signal]));
    if (outcome.kind !== 'settled' || Preimage.proves(outcome.preimage, paymentHash)) return outcome;
    return unknown('The sandbox says settled and gives a preimage that does not fit');
  } catch (error) {
    if (timeout.signal.aborted) return unknown(`No answer within ${timeoutSeconds} s`);
    if (signal.aborted) return unknown('It was called off after it was sent');
    const why = error instanceof Error ? error.message : String(error);
    if (FareboxError.is(error) && error.details.sent === false) return { kind: 'failed', reason: 'rejected', message: `The payment was not sent: ${why}` };
    return unknown(`No answer that can be trusted: ${why.replace(/\.$/, '')}`);
  } finally {
    callOff();
  }
}

/** The longest that a timer of JavaScript can wait: 24 days. */
const longestTimerMs = 2 ** 31 - 1;

function unknown(what: string): PaymentOutcome {
  return { kind: 'unknown', message: `${what}. Look it up by payment hash; do not pay again.` };
}

function hashOf(invoice: string): Preimage.PaymentHash | undefined {
  try {
    return Bolt11.peek(invoice).paymentHash;
  } catch (error) {
    if (FareboxError.is(error, 'INVOICE_MALFORMED')) return undefined;
    throw error;
  }
}

/** Asks unless closed, and lets go when either the driver closes or the caller aborts. */
async function call<T>(closing: AbortController, signal: AbortSignal | undefined, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  try {
    closing.signal.throwIfAborted();
    signal?.throwIfAborted();
    return await ask(signal ? AbortSignal.any([signal, closing.signal]) : closing.signal);
  } catch (error) {
    if (!closing.signal.aborted || error !== closing.signal.reason) throw error;
    throw closed();
  }
}

function closed(): FareboxError {
  return new FareboxError('LIGHTNING_UNAVAILABLE', 'The sandbox driver is closed. Create it again.');
}

/** A node by name and opening, checked. @throws RangeError – a name that no node can have */
function nodeRef(name: string, opening: SandboxOpening = {}): NodeRef {
  if (!nodeName.test(name)) throw new RangeError(`node is 1 to 32 lower-case letters, digits and hyphens, and not "hub": "${name}"`);
  const { openingMsat, inboundMsat } = opening;
  if (openingMsat !== undefined) Amount.fromMsat(openingMsat);
  if (inboundMsat !== undefined) Amount.fromMsat(inboundMsat);
  return { name, ...(openingMsat === undefined ? {} : { openingMsat }), ...(inboundMsat === undefined ? {} : { inboundMsat }) };
}

function assertInvoiceRequest({ amountMsat, description, expirySeconds }: InvoiceRequest): void {
  if (Amount.fromMsat(amountMsat) === 0n) throw new RangeError('amountMsat: an invoice without an amount is never made');
  const length = fromUtf8(description).length;
  if (length > maxDescription) throw new RangeError(`description: at most ${maxDescription} bytes of UTF-8, not ${length}`);
  assertWhole('expirySeconds', expirySeconds, 1);
}

const maxDescription = 639;

function assertPaymentRequest({ invoice, maxFeeMsat, timeoutSeconds }: PaymentRequest): void {
  if (typeof invoice !== 'string') throw new TypeError(`invoice is a string, not ${typeof invoice}`);
  Amount.fromMsat(maxFeeMsat);
  if (!(timeoutSeconds > 0 && timeoutSeconds < Number.POSITIVE_INFINITY)) throw new RangeError(`timeoutSeconds is more than zero, not ${timeoutSeconds}`);
}

function assertWhole(name: string, value: number, minimum: number): void {
  if (!Number.isSafeInteger(value) || value < minimum) throw new RangeError(`${name} is a whole number from ${minimum} on, not ${value}`);
}
