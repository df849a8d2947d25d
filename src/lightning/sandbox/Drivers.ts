/**
 * `Receiver` and `Payer` over the calls of a sandbox, the same for one in this process and one behind a connection.
 */
import * as Amount from '../../core/Amount.ts';
import { type Clock, systemClock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Preimage from '../../core/Preimage.ts';
import { assertInvoiceRequest, assertWhole } from '../arguments.ts';
import { call, type PayOptions, pay } from '../Driving.ts';
import type { CreatedInvoice, InvoiceRequest, Payer, Receiver, Settlement } from '../Lightning.ts';
import { createInvoiceBatch } from './InvoiceBatch.ts';
import { type Sandbox, type SandboxOpening, sandboxFaultKinds } from './Sandbox.ts';
import { type Backend, type NodeRef, nodeName } from './Wire.ts';

/** For messages. */
const product = 'the sandbox';

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
  const order = createInvoiceBatch((orders) => call(product, closing.signal, undefined, (signal) => createInvoices(backend, node, orders, signal)));
  return {
    name: 'sandbox',
    network: 'sandbox',
    capabilities: { lookup: true, history: true, watch: true, cancel: false, msat: true, memo: true },
    createInvoice: async (request, signal) => {
      assertInvoiceRequest(request);
      return call(product, closing.signal, signal, (either) => order(request, either));
    },
    lookupInvoice: (paymentHash, signal) =>
      call(product, closing.signal, signal, (either) => backend.lookupInvoice({ node, paymentHash: Preimage.parseHash(paymentHash) }, either)),
    watchSettlements: ({ after, signal }) => {
      const stop = AbortSignal.any([signal, closing.signal]);
      const start = after === undefined ? backend.settlements({ node }, stop).then(({ cursor }) => cursor) : Promise.resolve(after);
      // Whoever iterates is told; whoever does not must not bring the process down.
      start.catch(() => {});
      return watch(backend, node, start, stop);
    },
    info: async (signal) => ({ ...(await call(product, closing.signal, signal, (either) => backend.info({ node }, either))), network: 'sandbox' }),
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
  const paying: PayOptions = {
    product,
    network: 'sandbox',
    clock,
    closing: closing.signal,
    handOver: async ({ invoice, maxFeeMsat, timeoutSeconds }, signal) => {
      const outcome = await backend.pay({ node, invoice, maxFeeMsat, timeoutSeconds }, signal);
      return () => outcome;
    },
  };
  return {
    name: 'sandbox',
    network: 'sandbox',
    capabilities: { feeLimit: true, track: true, balance: true },
    pay: (request, signal) => pay(paying, request, signal),
    trackPayment: (paymentHash, signal) =>
      call(product, closing.signal, signal, (either) => backend.trackPayment({ node, paymentHash: Preimage.parseHash(paymentHash) }, either)),
    balance: (signal) => call(product, closing.signal, signal, (either) => backend.balance({ node }, either)),
    close: async () => closing.abort(),
  };
}

/** A node by name and opening, checked. @throws RangeError – a name that no node can have */
function nodeRef(name: string, opening: SandboxOpening = {}): NodeRef {
  if (!nodeName.test(name)) throw new RangeError(`node is 1 to 32 lower-case letters, digits and hyphens, and not "hub": "${name}"`);
  const { openingMsat, inboundMsat } = opening;
  if (openingMsat !== undefined) Amount.fromMsat(openingMsat);
  if (inboundMsat !== undefined) Amount.fromMsat(inboundMsat);
  return { name, ...(openingMsat === undefined ? {} : { openingMsat }), ...(inboundMsat === undefined ? {} : { inboundMsat }) };
}
