/**
 * The life of a payment: held in both channels while under way, then settled or given back, each in one step of the books.
 *
 *     start ─┬─ failed                      refused before anything moved
 *            └─ pending ─┬─ settled         money and invoice move together
 *                        └─ failed          what was held goes back
 *
 * Payments under way are rows, not timers: whoever opens the books again goes on with them.
 */
import type { Msat } from '../../core/Amount.ts';
import * as Bolt11 from '../../core/Bolt11.ts';
import { type Clock, nowAt } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { PaymentHash } from '../../core/Preimage.ts';
import type { FailureReason, PaymentOutcome, TrackedPayment } from '../Lightning.ts';
import type { Books, InvoiceRow, NodeRow, PaymentRow } from './Books.ts';
import type { Faults } from './Faults.ts';
import { type FeePolicy, find } from './Route.ts';
import type { SandboxFaultKind } from './Sandbox.ts';

/** What to pay. */
export type PaymentOrder = {
  readonly payer: string;
  readonly invoice: string;
  readonly maxFeeMsat: Msat;
  /** When the payer gives up: what settles late does so a second after it. */
  readonly timeoutSeconds: number;
};

/** Ended at once, or under way. */
export type Started = { readonly kind: 'ended'; readonly outcome: PaymentOutcome } | { readonly kind: 'pending'; readonly id: number };

/** All payments of a sandbox. */
export type Payments = {
  /** Begins a payment between nodes that are there, after every check that a wallet makes. */
  readonly start: (order: PaymentOrder) => Started;
  /** How a payment under way ends; `unknown` when `signal` aborts before. */
  readonly wait: (id: number, signal?: AbortSignal) => Promise<PaymentOutcome>;
  /** What a payer knows of its payment. */
  readonly track: (payer: string, paymentHash: PaymentHash) => TrackedPayment;
  /** Ends payments under way now. */
  readonly release: (paymentHash: PaymentHash, as: 'settled' | 'failed') => number;
  readonly setDelay: (delayMs: number) => void;
  /** Ends every wait as `unknown` and calls the timer off. */
  readonly close: () => void;
};

/** What payments need of the network around them. */
export type PaymentsOptions = {
  readonly books: Books;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly fees: FeePolicy;
  readonly delayMs: number;
  /** Called after something has settled. */
  readonly onSettled: () => void;
};

/** Takes up the payments that are under way in the books, and is ready for more. */
export function createPayments(options: PaymentsOptions): Payments {
  const { books, clock, faults, fees, onSettled } = options;
  let { delayMs } = options;
  let callOff = () => {};
  const waits = createWaits();

  const rearm = () => {
    callOff();
    const dues = books.pending().flatMap((payment) => (payment.dueMs === undefined ? [] : [payment.dueMs]));
    callOff = dues.length === 0 ? () => {} : clock.after(Math.min(Math.max(Math.min(...dues) - clock.nowMs(), 0), longestTimerMs), settleDue);
  };
  const end = (payments: readonly PaymentRow[], as: 'settled' | 'failed') => {
    for (const payment of payments) {
      const ended = books.write(as === 'settled' ? 'settle' : 'fail', () =>
        as === 'settled' ? arrive(books, payment, nowAt(clock)) : giveBack(books, payment, released, nowAt(clock)),
      );
      waits.tell(payment.id, outcomeOf(books, ended));
    }
    rearm();
    if (as === 'settled' && payments.length > 0) onSettled();
  };
  const settleDue = () => {
    const now = clock.nowMs();
    end(
      books.pending().filter((payment) => payment.dueMs !== undefined && payment.dueMs <= now),
      'settled',
    );
  };

  rearm();
  return {
    start: (order) => {
      const started = books.write('payment', () => begin({ books, faults, fees, delayMs, nowMs: clock.nowMs() }, order));
      if (started.kind === 'pending') rearm();
      else if (started.outcome.kind !== 'failed') onSettled();
      return started;
    },
    wait: waits.wait,
    track: (payer, paymentHash) => {
      const attempt = books.lastAttempt(payer, paymentHash);
      if (attempt === undefined) return { kind: 'absent' };
      return attempt.state === 'pending' ? { kind: 'pending' } : outcomeOf(books, attempt);
    },
    release: (paymentHash, as) => {
      const payments = books.pending().filter((payment) => payment.paymentHash === paymentHash);
      end(payments, as);
      return payments.length;
    },
    setDelay: (ms) => {
      delayMs = ms;
    },
    close: () => {
      callOff();
      waits.tellAll(unknown('The sandbox closed while the payment was under way'));
    },
  };
}

/** The longest that a timer of JavaScript can wait; a longer one looks again in between. */
const longestTimerMs = 2 ** 31 - 1;

type Failure = { readonly reason: FailureReason; readonly message: string };
type Circumstances = { readonly books: Books; readonly faults: Faults; readonly fees: FeePolicy; readonly delayMs: number; readonly nowMs: number };

const released: Failure = { reason: 'no-route', message: 'The payment was released as failed.' };

/** Everything up to the point where the payment is under way, and behind it where nothing delays it. */
function begin(around: Circumstances, order: PaymentOrder): Started {
  const { books, nowMs } = around;
  const read = readInvoice(order.invoice);
  if (read.kind === 'refused') return { kind: 'ended', outcome: { kind: 'failed', ...read.failure } };
  const { paymentHash, amountMsat } = read;
  // No attempt follows one that settled or is under way, so the newest says what became of the payment.
  const before = books.lastAttempt(order.payer, paymentHash);
  if (before?.state === 'settled')
    return { kind: 'ended', outcome: { kind: 'failed', reason: 'rejected', message: 'This node has already paid the invoice; nothing moved.' } };
  if (before?.state === 'pending') return { kind: 'ended', outcome: unknown('An earlier payment of this invoice is still under way') };

  const startedAt = Math.floor(nowMs / 1000);
  const invoice = books.invoice(paymentHash);
  const fault = invoice === undefined ? undefined : around.faults.take(order.payer, invoice.payee);
  const payment = { paymentHash, payer: order.payer, payee: invoice?.payee, amountMsat, fault, startedAt };
  const judged = judge(around, order, read, invoice, fault);
  if (judged.kind === 'refused') {
    const { reason, message } = judged.failure;
    books.addPayment({ ...payment, feeMsat: nothing, state: 'failed', reason, message, dueMs: undefined, endedAt: startedAt });
    return { kind: 'ended', outcome: { kind: 'failed', reason, message } };
  }
  const dueMs = dueOf(fault, around, order, judged.invoice);
  const row = { ...payment, feeMsat: judged.feeMsat, state: 'pending', reason: undefined, message: undefined, dueMs, endedAt: undefined } as const;
  const held: PaymentRow = { ...row, id: books.addPayment(row) };
  move(books, judged.payer, { localMsat: -(amountMsat + judged.feeMsat) });
  move(books, judged.payee, { remoteMsat: -amountMsat });
  if (dueMs === undefined || dueMs > nowMs) return { kind: 'pending', id: held.id };
  return { kind: 'ended', outcome: outcomeOf(books, arrive(books, held, startedAt)) };
}

type ReadInvoice = { readonly kind: 'read'; readonly paymentHash: PaymentHash; readonly amountMsat: Msat; readonly invoice: Bolt11.Invoice };
type Refused = { readonly kind: 'refused'; readonly failure: Failure };

function readInvoice(text: string): ReadInvoice | Refused {
  try {
    const invoice = Bolt11.decode(text);
    if (invoice.amountMsat === undefined) return refused('malformed', 'The invoice names no amount.');
    return { kind: 'read', paymentHash: invoice.paymentHash, amountMsat: invoice.amountMsat, invoice };
  } catch (error) {
    if (FareboxError.is(error)) return refused('malformed', error.message);
    throw error;
  }
}

type Judged = { readonly kind: 'accepted'; readonly feeMsat: Msat; readonly payer: string; readonly payee: string; readonly invoice: InvoiceRow } | Refused;

/** Whether the payment may begin: the invoice first, as any wallet reads it, then the payee, then the way there. */
function judge(around: Circumstances, order: PaymentOrder, read: ReadInvoice, invoice: InvoiceRow | undefined, fault: SandboxFaultKind | undefined): Judged {
  const { books } = around;
  if (read.invoice.chain !== 'regtest')
    return refused('rejected', `The invoice is for ${read.invoice.chain}; the sandbox pays invoices of its own only (lnbcrt…).`);
  const payer = books.node(order.payer);
  const payee = invoice === undefined ? undefined : books.node(invoice.payee);
  if (invoice === undefined || payee === undefined || payer === undefined) return refused('rejected', 'The invoice was not made by a node of this sandbox.');
  if (!isOwn(read, invoice, payee)) return refused('rejected', 'The invoice is not the one that was made for its payment hash.');
  if (payer.name === payee.name) return refused('rejected', 'The invoice is of the node itself.');
  if (invoice.paid !== undefined) return refused('rejected', 'The invoice has already been paid.');
  if (fault !== 'pays-expired' && around.nowMs >= invoice.expiresAt * 1000) return refused('expired', 'The invoice has expired. Ask for a new one.');
  if (fault === 'node-down') return refused('no-route', `The node ${payee.name} is down (a fault that was set).`);
  if (fault === 'fails') return refused('no-route', 'No route was found (a fault that was set).');
  if (fault === 'no-balance') return refused('balance', 'The node can spend too little (a fault that was set).');
  if (fault === 'too-small' || fault === 'too-large')
    return refused(fault, `The amount is ${fault === 'too-small' ? 'below' : 'above'} what the channel sends (a fault that was set).`);
  const route = find({
    amountMsat: read.amountMsat,
    maxFeeMsat: order.maxFeeMsat,
    fees: around.fees,
    overcharges: fault === 'overcharges',
    spendableMsat: payer.localMsat,
    receivableMsat: payee.remoteMsat,
  });
  if (route.kind === 'none') return refused(route.reason, route.message);
  return { kind: 'accepted', feeMsat: route.feeMsat, payer: payer.name, payee: payee.name, invoice };
}

/** Whether the invoice that was read is the one that the node has made: anybody can sign another one for the same hash. */
function isOwn(read: ReadInvoice, invoice: InvoiceRow, payee: NodeRow): boolean {
  return read.invoice.payee === payee.nodeId && read.amountMsat === invoice.amountMsat && read.invoice.paymentSecret === invoice.paymentSecret;
}

/** When the payment arrives, in Unix milliseconds; undefined: when it is released. */
function dueOf(fault: SandboxFaultKind | undefined, around: Circumstances, order: PaymentOrder, invoice: InvoiceRow): number | undefined {
  const usual = around.nowMs + around.delayMs;
  if (fault === 'hangs') return undefined;
  if (fault === 'settles-late') return around.nowMs + Math.ceil(order.timeoutSeconds * 1000) + 1000;
  return fault === 'pays-expired' ? Math.max(usual, invoice.expiresAt * 1000 + 1000) : usual;
}

/** The payment reaches the payee, which takes it unless the invoice was paid or has expired meanwhile. */
function arrive(books: Books, payment: PaymentRow, at: number): PaymentRow {
  const { paymentHash, payer, payee, amountMsat, feeMsat, fault } = payment;
  const invoice = books.invoice(paymentHash);
  if (invoice === undefined || payee === undefined) throw new Error(`payment ${payment.id} is under way to nobody`);
  if (invoice.paid !== undefined) return giveBack(books, payment, { reason: 'rejected', message: 'The invoice has already been paid.' }, at);
  const acceptedBefore = fault === 'settles-late' || fault === 'pays-expired';
  if (!acceptedBefore && at >= invoice.expiresAt)
    return giveBack(books, payment, { reason: 'expired', message: 'The invoice expired while the payment was under way.' }, at);
  move(books, payer, { remoteMsat: amountMsat + feeMsat });
  move(books, payee, { localMsat: amountMsat });
  books.markPaid(paymentHash, at);
  return finish(books, { ...payment, state: 'settled', endedAt: at });
}

function giveBack(books: Books, payment: PaymentRow, failure: Failure, at: number): PaymentRow {
  move(books, payment.payer, { localMsat: payment.amountMsat + payment.feeMsat });
  if (payment.payee !== undefined) move(books, payment.payee, { remoteMsat: payment.amountMsat });
  return finish(books, { ...payment, ...failure, feeMsat: nothing, state: 'failed', endedAt: at });
}

function finish(books: Books, ended: PaymentRow): PaymentRow {
  books.endPayment(ended);
  return ended;
}

function move(books: Books, name: string, by: { readonly localMsat?: bigint; readonly remoteMsat?: bigint }): void {
  const node = books.node(name);
  if (node === undefined) throw new Error(`the node ${name} has gone from the books`);
  const localMsat = node.localMsat + (by.localMsat ?? 0n);
  const remoteMsat = node.remoteMsat + (by.remoteMsat ?? 0n);
  if (localMsat < 0n || remoteMsat < 0n) throw new Error(`the channel of ${name} would hold less than nothing`);
  books.updateNode({ ...node, localMsat: localMsat as Msat, remoteMsat: remoteMsat as Msat });
}

/** Those who wait for the end of a payment, by its id. */
function createWaits() {
  const waiting = new Map<number, Set<(outcome: PaymentOutcome) => void>>();
  const tell = (id: number, outcome: PaymentOutcome) => {
    for (const hear of waiting.get(id) ?? []) hear(outcome);
    waiting.delete(id);
  };
  const wait: Payments['wait'] = (id, signal) =>
    new Promise((resolve) => {
      const hear = (outcome: PaymentOutcome) => {
        signal?.removeEventListener('abort', leave);
        waiting.get(id)?.delete(hear);
        resolve(outcome);
      };
      const leave = () => hear(unknown('The payment was still under way when its payer gave up'));
      if (signal?.aborted) return leave();
      signal?.addEventListener('abort', leave);
      waiting.set(id, (waiting.get(id) ?? new Set()).add(hear));
    });
  const tellAll = (outcome: PaymentOutcome) => {
    for (const id of [...waiting.keys()]) tell(id, outcome);
  };
  return { wait, tell, tellAll };
}

function outcomeOf(books: Books, ended: PaymentRow): PaymentOutcome {
  if (ended.state === 'failed') return { kind: 'failed', reason: ended.reason ?? 'rejected', message: ended.message ?? '' };
  const invoice = books.invoice(ended.paymentHash);
  if (ended.fault === 'no-preimage' || invoice === undefined) return unknown('The node says settled and gives no preimage (a fault that was set)');
  return { kind: 'settled', preimage: invoice.preimage, amountMsat: ended.amountMsat, feeMsat: ended.feeMsat };
}

const nothing = 0n as Msat;

function refused(reason: FailureReason, message: string): Refused {
  return { kind: 'refused', failure: { reason, message } };
}

function unknown(what: string): PaymentOutcome {
  return { kind: 'unknown', message: `${what}. Look it up by payment hash; do not pay again.` };
}
