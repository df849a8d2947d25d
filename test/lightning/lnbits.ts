/**
 * LNbits' payments API over nodes of the sandbox: the calls that the driver makes, as LNbits 1.6 answers them.
 *
 * @see LNbits' API reference; `test/e2e/lnbits` has the real one
 */
import { type Asked, fields, type Told } from './Double.ts';
import type { Invoice, Node, Payment } from './Node.ts';

/** What lets one into the wallet: to sell, and to pay. */
export const keys = { invoice: '1'.repeat(32), admin: 'a'.repeat(32) } as const;

/** How long LNbits waits for the end of a payment before it answers, in seconds; and what it sets aside for fees, in msat. */
const waitSeconds = 5;
const reserveMsat = 10_000;

/** Its answers. */
export function lnbits(node: Node): (asked: Asked) => Promise<Told> {
  return async (asked) => {
    const { method, path, headers, query, body } = asked;
    const key = headers['x-api-key'];
    const isWallet = key === keys.invoice || key === keys.admin;
    const hash = /^\/api\/v1\/payments\/([0-9a-f]{64})$/.exec(path)?.[1];
    if (method === 'GET' && path === '/api/v1/payments/fee-reserve' && query.has('invoice')) return { status: 200, body: { fee_reserve: reserveMsat } };
    if (method === 'GET' && hash !== undefined) return lookup(node, hash, isWallet);
    if (!isWallet) return detail(404, 'Wallet not found.');
    if (method === 'GET' && path === '/api/v1/wallet') {
      return { status: 200, body: { name: node.name, balance: Number(await node.balanceMsat()), ...(key === keys.admin ? { id: 'w' } : {}) } };
    }
    if (method === 'GET' && path === '/api/v1/payments') return list(node, query);
    if (method !== 'POST' || path !== '/api/v1/payments') return detail(404, 'Not Found');
    const { out } = JSON.parse(body) as { readonly out: boolean };
    if (!out) return create(node, body);
    return key === keys.admin ? pay(node, body) : detail(403, 'Invoice (or Admin) key required.');
  };
}

function detail(status: number, text: string, more: object = {}): Told {
  return { status, body: { detail: text, ...more } };
}

async function create(node: Node, body: string): Promise<Told> {
  const asked = fields(body, ['out', 'unit', 'amount', 'memo', 'expiry']) as { amount: number; unit: string; memo: string; expiry: number };
  if (!Number.isInteger(asked.amount) || asked.unit !== 'sat' || asked.memo.length > 640) return detail(400, 'Invalid request.');
  const made = await node.create(BigInt(asked.amount) * 1000n, asked.memo, asked.expiry);
  return { status: 201, body: incoming({ ...made, state: { kind: 'open', expiresAt: made.expiresAt } }) };
}

async function pay(node: Node, body: string): Promise<Told> {
  const { bolt11 } = fields(body, ['out', 'bolt11']) as { readonly bolt11: string };
  const done = await node.pay(bolt11, BigInt(reserveMsat), waitSeconds);
  if (done.before === 'pending') return failure('Payment is still pending.', 'pending');
  if (done.before === 'settled') return failure('Payment already paid.', 'success');
  if (done.state.kind !== 'failed') return { status: 201, body: outgoing(done) };
  if (done.state.reason === 'balance') return failure('Insufficient balance.', 'failed');
  return failure(done.state.reason === 'expired' ? 'Invoice has expired.' : `Payment failed: ${done.state.reason.replace('-', '_')}`, 'failed');
}

function failure(text: string, status: string): Told {
  return detail(520, text, { status });
}

async function lookup(node: Node, hash: string, isWallet: boolean): Promise<Told> {
  const [paid, made] = await Promise.all([node.payment(hash), node.invoice(hash)]);
  const details = paid ? outgoing(paid) : made ? incoming(made) : undefined;
  if (details === undefined) return detail(404, 'Payment does not exist.');
  const { status, preimage } = details;
  const isPaid = status === 'success';
  if (!isWallet) return { status: 200, body: isPaid ? { paid: true, preimage } : { paid: false } };
  return { status: 200, body: { paid: isPaid, ...(isPaid ? {} : { status }), preimage: isPaid ? preimage : null, details } };
}

/** Payments that were not refused, filtered and sorted as asked; ten unless told otherwise. Of what it does not know, it passes over filters alone. */
async function list(node: Node, query: URLSearchParams): Promise<Told> {
  const { sortby, direction = 'asc', limit = '10', offset = '0', ...filters } = Object.fromEntries(query);
  if (sortby !== 'updated_at' || !/^(?:asc|desc)$/.test(direction) || !/^\d+$/.test(limit) || !/^\d+$/.test(offset)) return detail(400, 'Invalid request.');
  const known = ['status', 'amount[gt]'];
  for (const name of Object.keys(filters)) if (!known.includes(name)) throw new Error(`unknown filter "${name}"`);
  const above = Number(filters['amount[gt]'] ?? Number.NEGATIVE_INFINITY);
  const found = (await node.paid()).filter(({ amountMsat }) => Number(amountMsat) > above).map(incoming);
  const listed = found.filter(({ status }) => status === (filters.status ?? status));
  const sorted = direction === 'asc' ? listed : listed.toReversed();
  return { status: 200, body: sorted.slice(Number(offset), Number(offset) + Number(limit)) };
}

function incoming({ text, paymentHash, amountMsat, description, createdAt, expiresAt, state }: Invoice) {
  const status = state.kind === 'paid' ? 'success' : state.kind === 'open' ? 'pending' : 'failed';
  const paidAt = state.kind === 'paid' ? state.settledAt : createdAt;
  return entry({ paymentHash, amount: Number(amountMsat), fee: 0, bolt11: text, status, memo: description, preimage: null, expiresAt, updatedAt: paidAt });
}

function outgoing({ invoice, state }: Payment) {
  const settled = state.kind === 'settled' ? state : undefined;
  const status = settled || state.kind === 'lost' ? 'success' : state.kind === 'failed' ? 'failed' : 'pending';
  const { paymentHash, text, description, createdAt, expiresAt } = invoice;
  const [amount, fee] = [-Number(invoice.amountMsat), -Number(settled?.feeMsat ?? reserveMsat)];
  const preimage = settled?.preimage ?? null;
  return entry({ paymentHash, amount, fee, bolt11: text, status, memo: description, preimage, expiresAt, updatedAt: createdAt });
}

type Entry = { readonly expiresAt: number; readonly updatedAt: number; readonly status: string; readonly preimage: string | null } & Record<string, unknown>;

function entry({ paymentHash, expiresAt, updatedAt, ...rest }: Entry) {
  const times = { expiry: iso(expiresAt), time: iso(updatedAt), created_at: iso(updatedAt), updated_at: iso(updatedAt) };
  return { checking_id: paymentHash, payment_hash: paymentHash, wallet_id: 'w', extra: {}, labels: [], tag: null, ...rest, ...times };
}

/** As LNbits writes times: in UTC, and with their zone. */
function iso(at: number): string {
  return new Date(at * 1000).toISOString().replace('.000Z', '+00:00');
}
