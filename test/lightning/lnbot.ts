/**
 * ln.bot's HTTP API over nodes of the sandbox: the calls that the driver makes, as it is documented. Where its documentation leaves open which of
 * several answers there are, the one that is harder on the driver.
 *
 * @see ln.bot's REST API reference (https://ln.bot/docs/api), the types and the README of its Python package 1.2.0 (PyPI: lnbot) for shapes, statuses,
 * fees and words, and `tests/integration.test.ts` of lnbotdev/typescript-sdk for which key opens what
 */

import * as Bolt11 from '../../src/core/Bolt11.ts';
import { type Asked, fields, type Told } from './Double.ts';
import type { Invoice, Node, Payment } from './Node.ts';

/** What lets one into the wallet of the seller, and of the buyer. */
export const walletKeys = { seller: 'wk_seller0123456789abcdef', buyer: 'wk_buyer0123456789abcdef' } as const;

const walletId = 'wal_0123456789abcdef';

/** Invoices last an hour, whatever is asked for. */
const lifeSeconds = 3600;
/** How long it waits for the end of a payment before it answers, in seconds; and what it reckons with for the network, in satoshis. */
const waitSeconds = 5;
const estimateSat = 3;

/** Its answers. */
export function lnbot(node: Node): (asked: Asked) => Promise<Told> {
  const books: Books = { node, attempts: [], made: [] };
  return async (asked) => {
    const key = /^Bearer (.+)$/.exec(asked.headers.authorization ?? '')?.[1];
    if (!Object.values(walletKeys).some((one) => one === key)) return refused(401, 'Unauthorized');
    const { method, path } = asked;
    if (method === 'GET' && path === '/v1/me') return { status: 200, body: { walletId } };
    const [, of, rest = ''] = /^\/v1\/wallets\/([^/]+)(\/.*)?$/.exec(path) ?? [];
    if (of !== walletId) return refused(404, 'Wallet not found.');
    const [, list, one] = /^\/(invoices|payments|transactions)(?:\/([^/]+))?$/.exec(rest) ?? [];
    if (method === 'GET' && rest === '') return { status: 200, body: await walletOf(books) };
    if (method === 'POST' && rest === '/invoices') return create(books, asked.body);
    if (method === 'POST' && rest === '/payments') return pay(books, asked.body);
    if (method === 'GET' && rest === '/payments/resolve') return price(asked.query);
    if (method === 'GET' && list === 'payments' && one !== undefined) return lookupPayment(books, one);
    if (method === 'GET' && list === 'invoices' && one !== undefined) return lookupInvoice(books, one);
    if (method === 'GET' && list === 'payments') return page(asked.query, await Promise.all(books.attempts.map((attempt) => paymentOf(books, attempt))));
    if (method === 'GET' && list === 'transactions') return page(asked.query, (await node.paid()).map(creditOf));
    return { status: 404 };
  };
}

type Books = { readonly node: Node; readonly attempts: Attempt[]; readonly made: string[] };

/** `ended`: what it was when another attempt for the same invoice began. */
type Attempt = {
  readonly number: number;
  readonly key: string;
  readonly reference: string;
  readonly paymentHash: string;
  readonly maxFee: number;
  first: Payment;
  ended?: Payment;
};

function refused(status: number, message: string): Told {
  return { status, body: { message } };
}

async function walletOf({ node, attempts }: Books) {
  const all = await Promise.all(attempts.map((attempt) => paymentOf({ node, attempts, made: [] }, attempt)));
  const fees = all.filter(({ status }) => status === 'settled').reduce((sum, { serviceFee }) => sum + serviceFee, 0);
  const onHold = all.filter(({ status }) => status === 'processing').reduce((sum, { serviceFee }) => sum + serviceFee, 0);
  const balance = Number((await node.balanceMsat()) / 1000n) - fees;
  return { walletId, name: node.name, balance, onHold, available: balance - onHold };
}

async function create({ node, made }: Books, body: string): Promise<Told> {
  const { amount, memo } = fields(body, ['amount', 'memo', 'reference']) as { amount: number; memo: string };
  if (!Number.isSafeInteger(amount) || amount < 1) return refused(400, 'Amount must be positive.');
  const invoice = await node.create(BigInt(amount) * 1000n, memo, lifeSeconds);
  made.push(invoice.paymentHash);
  return { status: 200, body: invoiceOf({ ...invoice, state: { kind: 'open', expiresAt: invoice.expiresAt } }, made.length) };
}

async function lookupInvoice({ node, made }: Books, name: string): Promise<Told> {
  const found = await node.invoice(name);
  return found === undefined ? refused(404, 'Invoice not found.') : { status: 200, body: invoiceOf(found, made.indexOf(name) + 1) };
}

function price(query: URLSearchParams): Told {
  for (const name of query.keys()) if (name !== 'target') throw new Error(`unknown parameter "${name}"`);
  const amount = Number(Bolt11.peek(query.get('target') ?? '').amountMsat ?? 0) / 1000;
  const serviceFee = serviceFeeOf(amount);
  const priced = { amount, internal: false, networkFeeEstimate: estimateSat, serviceFee, maxFee: 20, total: amount + estimateSat + serviceFee };
  return { status: 200, body: { type: 'bolt11', min: null, max: null, fixed: null, ...priced, maxSendable: null, feeWarning: null } };
}

/** A quarter of a percent, at least a satoshi. */
function serviceFeeOf(amount: number): number {
  return Math.max(1, Math.ceil(amount / 400));
}

async function pay(books: Books, body: string): Promise<Told> {
  const { node, attempts } = books;
  const asked = fields(body, ['target', 'amount', 'idempotencyKey', 'maxFee', 'reference']) as Readonly<Record<string, string>> & { readonly maxFee: number };
  const { target = '', idempotencyKey: key = '', reference = '', maxFee } = asked;
  const same = attempts.find((attempt) => attempt.key === key);
  if (same !== undefined) return { status: 200, body: await paymentOf(books, same) };
  if (estimateSat > maxFee) return refused(400, `Network fee estimate (${estimateSat} sats) exceeds maxFee (${maxFee} sats).`);
  const { paymentHash, amountMsat = 0n } = Bolt11.peek(target);
  const amount = Number(amountMsat) / 1000;
  if ((await walletOf(books)).available < amount + estimateSat + serviceFeeOf(amount)) return refused(400, 'Insufficient balance.');
  for (const before of attempts.filter((attempt) => attempt.paymentHash === paymentHash)) before.ended ??= await currentOf(books, before);
  const first: Payment = { invoice: Bolt11.peek(target), state: { kind: 'pending' } };
  const attempt: Attempt = { number: attempts.length + 1, key, reference, paymentHash, maxFee, first };
  attempts.push(attempt);
  const { before: _, ...done } = await node.pay(target, BigInt(maxFee) * 1000n, waitSeconds);
  attempt.first = done;
  return { status: 200, body: await paymentOf(books, attempt) };
}

/** By number; by hash the first attempt, of several: nothing says that it is the last. */
async function lookupPayment(books: Books, name: string): Promise<Told> {
  const found = books.attempts.find(({ number, paymentHash }) => String(number) === name || paymentHash === name);
  return found === undefined ? refused(404, 'Payment not found.') : { status: 200, body: await paymentOf(books, found) };
}

async function currentOf({ node }: Books, { paymentHash, first, ended }: Attempt): Promise<Payment> {
  return ended ?? (await node.payment(paymentHash)) ?? first;
}

/** The newest first, from below a number on; at most a hundred, whatever is asked for. */
function page(query: URLSearchParams, entries: readonly { readonly number: number }[]): Told {
  for (const name of query.keys()) if (name !== 'limit' && name !== 'after') throw new Error(`unknown parameter "${name}"`);
  const after = Number(query.get('after') ?? Number.POSITIVE_INFINITY);
  const below = entries.filter(({ number }) => number < after).toReversed();
  return { status: 200, body: below.slice(0, Math.min(100, Number(query.get('limit') ?? 20))) };
}

function invoiceOf({ text, amountMsat, description, createdAt, expiresAt, state }: Invoice, number: number) {
  const status = state.kind === 'paid' ? 'settled' : state.kind === 'open' ? 'pending' : 'expired';
  const settledAt = state.kind === 'paid' ? iso(state.settledAt) : null;
  const times = { createdAt: iso(createdAt), settledAt, expiresAt: iso(expiresAt) };
  return { number, status, amount: Number(amountMsat) / 1000, bolt11: text, reference: null, memo: description, preimage: null, txNumber: null, ...times };
}

function creditOf({ paymentHash, amountMsat, state }: Invoice, index: number) {
  const amount = Number(amountMsat) / 1000;
  const createdAt = state.kind === 'paid' ? iso(state.settledAt) : null;
  const fees = { networkFee: 0, serviceFee: 0 };
  return { number: index + 1, type: 'credit', amount, balanceAfter: amount, ...fees, paymentHash, preimage: null, reference: null, note: null, createdAt };
}

async function paymentOf(books: Books, attempt: Attempt) {
  const { invoice, state } = await currentOf(books, attempt);
  const settled = state.kind === 'settled' ? state : undefined;
  const isPaid = settled !== undefined || state.kind === 'lost';
  const amount = Number(invoice.amountMsat) / 1000;
  return {
    number: attempt.number,
    status: isPaid ? 'settled' : state.kind === 'failed' ? 'failed' : 'processing',
    amount,
    maxFee: Math.min(attempt.maxFee, estimateSat + 2),
    serviceFee: serviceFeeOf(amount),
    actualFee: settled ? Number(settled.feeMsat) / 1000 : null,
    address: invoice.text,
    reference: attempt.reference,
    preimage: settled?.preimage ?? null,
    txNumber: isPaid ? attempt.number : null,
    failureReason: state.kind === 'failed' ? (words.get(state.reason) ?? 'Payment could not be sent. Please try again.') : null,
    createdAt: iso(invoice.createdAt),
    settledAt: isPaid ? iso(invoice.createdAt) : null,
    stage: isPaid ? 'settled' : state.kind === 'failed' ? 'failed' : 'in_flight',
  };
}

const words: ReadonlyMap<string, string> = new Map([
  ['no-route', 'No route to the recipient was found.'],
  ['fee-limit', 'No route to the recipient was found.'],
  ['expired', 'Invoice expired before it could be paid.'],
]);

function iso(at: number): string {
  return new Date(at * 1000).toISOString();
}
