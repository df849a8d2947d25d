/**
 * Core Lightning's `clnrest` over nodes of the sandbox: the methods that the driver calls, as Core Lightning 25 answers them.
 *
 * @see Core Lightning's documentation (https://docs.corelightning.org): the JSON schemas of each method, and its REST API, for shapes and error numbers
 */
import { type Asked, fields, type Told } from './Double.ts';
import type { Invoice, Node, Payment } from './Node.ts';

/** What lets one in: to sell, and to pay. */
export const runes = { sell: 'c2VsbGVy'.repeat(8), pay: 'YnV5ZXI0'.repeat(8) } as const;

/** Its answers. */
export function cln(node: Node): (asked: Asked) => Promise<Told> {
  const state: State = { node, labels: new Set(), changed: [] };
  return async (asked) => {
    const { rune } = asked.headers;
    const method = /^\/v1\/([a-z]+)$/.exec(asked.path)?.[1] ?? '';
    if (rune === undefined) return error(403, 1501, 'Not authorized: Missing rune');
    const may = Object.entries(runes).find(([, one]) => one === rune)?.[0];
    if (may === undefined) return error(401, 1501, 'Not authorized: Not derived from master');
    const call = methods.get(method);
    if (asked.method !== 'POST' || call === undefined) return error(404, -32601, `Unknown command '${method}'`);
    if (call.may !== undefined && call.may !== may) return error(401, 1502, 'Not permitted: method is not equal to allowed');
    return call.answer(state, fields(asked.body, call.parameters), asked);
  };
}

type State = { readonly node: Node; readonly labels: Set<string>; readonly changed: string[] };
type Parameters = Readonly<Record<string, unknown>>;
type Method = {
  readonly may?: 'sell' | 'pay';
  readonly parameters: readonly string[];
  readonly answer: (state: State, given: Parameters, asked: Asked) => Promise<Told>;
};

const methods: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['getinfo', { parameters: [], answer: async ({ node }) => result({ id: await node.nodeId(), alias: node.name, network: 'regtest', version: 'v25.09' }) }],
  ['invoice', { may: 'sell', parameters: ['amount_msat', 'label', 'description', 'expiry'], answer: create }],
  ['listinvoices', { may: 'sell', parameters: ['payment_hash', 'index', 'start', 'limit'], answer: list }],
  ['wait', { may: 'sell', parameters: ['subsystem', 'indexname', 'nextvalue'], answer: wait }],
  ['waitanyinvoice', { may: 'sell', parameters: ['lastpay_index', 'timeout'], answer: waitAny }],
  ['pay', { may: 'pay', parameters: ['bolt11', 'maxfee', 'retry_for'], answer: pay }],
  ['listpays', { may: 'pay', parameters: ['payment_hash'], answer: listPays }],
  ['listpeerchannels', { may: 'pay', parameters: [], answer: channels }],
]);

function result(body: unknown): Told {
  return { status: 201, body };
}

function error(status: number, code: number, message: string): Told {
  return { status, body: { code, message } };
}

async function create({ node, labels, changed }: State, given: Parameters): Promise<Told> {
  const { amount_msat, label, description, expiry } = given as { amount_msat: string; label: string; description: string; expiry: number };
  if (labels.has(label)) return error(500, 900, `Duplicate label '${label}'`);
  labels.add(label);
  const made = await node.create(BigInt(amount_msat), description, expiry);
  changed.push(made.paymentHash);
  return result({ bolt11: made.text, payment_hash: made.paymentHash, payment_secret: made.paymentSecret, expires_at: made.expiresAt, created_index: 1 });
}

async function list({ node, changed }: State, given: Parameters): Promise<Told> {
  const { payment_hash, start = 1, limit = 100 } = given as { payment_hash?: string; start?: number; limit?: number };
  const hashes = payment_hash === undefined ? changed.slice(start - 1, start - 1 + limit) : [payment_hash];
  const invoices = await Promise.all(hashes.map((hash) => node.invoice(hash)));
  return result({ invoices: invoices.filter((one) => one !== undefined).map((one) => invoiceOf(node, one)) });
}

async function wait({ changed }: State): Promise<Told> {
  return result({ subsystem: 'invoices', updated: changed.length });
}

async function waitAny({ node }: State, given: Parameters, { gone }: Asked): Promise<Told> {
  for await (const { number, invoice } of node.settled(given.lastpay_index as number, gone)) return result({ ...invoiceOf(node, invoice), pay_index: number });
  return error(500, 904, 'Timed out');
}

async function pay({ node }: State, given: Parameters): Promise<Told> {
  const { bolt11, maxfee, retry_for } = given as { bolt11: string; maxfee: string; retry_for: number };
  const { before, ...done } = await node.pay(bolt11, BigInt(maxfee), retry_for + giveUp);
  if (before === 'pending') return error(500, 200, 'Payment is pending');
  if (done.state.kind !== 'failed') return result(payOf(done, 'payment_preimage'));
  return error(500, numbers.get(done.state.reason) ?? 203, done.state.reason === 'balance' ? 'Insufficient funds' : done.state.message);
}

/** The driver asks it to give up a little earlier than it does itself; the sandbox counts from what the payer was told. */
const giveUp = 2;

const numbers: ReadonlyMap<string, number> = new Map([
  ['no-route', 205],
  ['balance', 210],
  ['fee-limit', 206],
  ['expired', 207],
]);

async function listPays({ node }: State, given: Parameters): Promise<Told> {
  const found = await node.payment(given.payment_hash as string);
  return result({ pays: found ? [payOf(found, 'preimage')] : [] });
}

async function channels({ node }: State): Promise<Told> {
  const closed = { state: 'ONCHAIN', spendable_msat: 5000 };
  return result({ channels: [closed, { state: 'CHANNELD_NORMAL', spendable_msat: Number(await node.balanceMsat()) }] });
}

function invoiceOf(node: Node, { text, paymentHash, amountMsat, description, expiresAt, state }: Invoice) {
  const paid = state.kind === 'paid' ? { amount_received_msat: Number(state.amountMsat), paid_at: state.settledAt, pay_index: node.numberOf(paymentHash) } : {};
  const status = state.kind === 'paid' ? 'paid' : state.kind === 'open' ? 'unpaid' : 'expired';
  return { label: paymentHash, bolt11: text, payment_hash: paymentHash, amount_msat: Number(amountMsat), status, description, expires_at: expiresAt, ...paid };
}

function payOf({ invoice, state }: Payment, preimage: 'payment_preimage' | 'preimage') {
  const settled = state.kind === 'settled' ? state : undefined;
  const isComplete = settled !== undefined || state.kind === 'lost';
  const amounts = { amount_msat: Number(invoice.amountMsat), amount_sent_msat: Number((invoice.amountMsat ?? 0n) + (settled?.feeMsat ?? 0n)) };
  const status = isComplete ? 'complete' : state.kind === 'failed' ? 'failed' : 'pending';
  return { payment_hash: invoice.paymentHash, status, created_at: invoice.createdAt, ...amounts, ...(settled ? { [preimage]: settled.preimage } : {}) };
}
