/**
 * lnd's REST API over nodes of the sandbox: the calls that the driver makes, as lnd 0.21 answers them.
 *
 * @see lnd's API reference, Lightning, Router and Invoices services; `test/e2e/lnd` has the real one
 */
import type { Asked, Told } from './Double.ts';
import { fields } from './Double.ts';
import type { Invoice, Node, Payment } from './Node.ts';

/** What lets one in, in hex: to sell, and to pay. */
export const macaroons = { sell: '5e11', pay: '9a4'.padEnd(4, '0') } as const;

/** Its answers. */
export function lnd(node: Node): (asked: Asked) => Promise<Told> {
  return async (asked) => {
    const { method, path, headers } = asked;
    const may = headers['grpc-metadata-macaroon'];
    if (may === undefined) return said(500, 'expected 1 macaroon, got 0');
    if (may !== macaroons.sell && may !== macaroons.pay) return said(500, 'verification failed: signature mismatch after caveat verification');
    const call = calls.find(([verb, pattern]) => verb === method && pattern.test(path));
    if (call === undefined) return { status: 404, body: { code: 5, message: 'Not Found', details: [] } };
    const [, pattern, permission, answer] = call;
    if (permission !== undefined && may !== macaroons[permission]) return said(500, 'permission denied');
    return answer(node, asked, pattern.exec(path)?.[1] ?? '');
  };
}

type Call = readonly [method: string, path: RegExp, permission: 'sell' | 'pay' | undefined, answer: (node: Node, asked: Asked, part: string) => Promise<Told>];

const calls: readonly Call[] = [
  ['GET', /^\/v1\/getinfo$/, undefined, info],
  ['POST', /^\/v1\/invoices$/, 'sell', create],
  ['GET', /^\/v1\/invoice\/([0-9a-f]{64})$/, 'sell', lookup],
  ['GET', /^\/v1\/invoices\/subscribe$/, 'sell', subscribe],
  ['GET', /^\/v1\/balance\/channels$/, 'pay', balance],
  ['POST', /^\/v2\/router\/send$/, 'pay', send],
  ['GET', /^\/v2\/router\/track\/([\w-]{43}=)$/, 'pay', track],
];

function said(status: number, message: string): Told {
  return { status, body: { code: 2, message, details: [] } };
}

async function info(node: Node): Promise<Told> {
  return {
    status: 200,
    body: { alias: node.name, identity_pubkey: await node.nodeId(), chains: [{ chain: 'bitcoin', network: 'regtest' }], synced_to_chain: true },
  };
}

async function create(node: Node, { body }: Asked): Promise<Told> {
  const { memo, value_msat, expiry } = fields(body, ['memo', 'value_msat', 'expiry', 'private']) as { memo: string; value_msat: string; expiry: string };
  const made = await node.create(BigInt(value_msat), memo, Number(expiry));
  return { status: 200, body: { r_hash: base64(made.paymentHash), payment_request: made.text, add_index: '1' } };
}

async function lookup(node: Node, _: Asked, hash: string): Promise<Told> {
  const found = await node.invoice(hash);
  return found === undefined ? said(404, 'unable to locate invoice') : { status: 200, body: invoiceOf(found, 0) };
}

async function subscribe(node: Node, { query, gone }: Asked): Promise<Told> {
  const index = Number(query.get('settle_index') ?? '0');
  async function* lines() {
    for await (const { number, invoice } of node.settled(index === 0 ? undefined : index, gone)) yield { result: invoiceOf(invoice, number) };
  }
  return { status: 200, lines: lines() };
}

async function balance(node: Node): Promise<Told> {
  const msat = await node.balanceMsat();
  return { status: 200, body: { remote_balance: { sat: '900000', msat: '900000000' }, local_balance: { sat: String(msat / 1000n), msat: String(msat) } } };
}

async function send(node: Node, { body }: Asked): Promise<Told> {
  const known = ['payment_request', 'fee_limit_msat', 'timeout_seconds', 'no_inflight_updates'];
  const { payment_request, fee_limit_msat, timeout_seconds } = fields(body, known) as {
    payment_request: string;
    fee_limit_msat: string;
    timeout_seconds: number;
  };
  const { before, ...payment } = await node.pay(payment_request, BigInt(fee_limit_msat), timeout_seconds + giveUp);
  if (before === 'settled') return refused(409, 6, 'invoice is already paid');
  if (before === 'pending') return refused(409, 6, 'payment is in transition');
  const { state } = payment;
  if (state.kind === 'failed' && state.reason === 'expired') return refused(500, 2, `invoice expired. Valid until ${payment.invoice.expiresAt}`);
  // What is still under way when lnd stops trying goes on without an answer, as an HTLC does that nobody lets go of.
  async function* lines() {
    if (state.kind !== 'pending') yield { result: paymentOf(payment) };
  }
  return { status: 200, lines: lines() };
}

/** The driver asks lnd to give up a little earlier than it does itself; the sandbox counts from what the payer was told. */
const giveUp = 2;

async function track(node: Node, _: Asked, part: string): Promise<Told> {
  const found = await node.payment(Buffer.from(part, 'base64url').toString('hex'));
  if (found === undefined) return refused(404, 5, "payment isn't initiated");
  async function* lines() {
    yield { result: paymentOf(found as Payment) };
  }
  return { status: 200, lines: lines() };
}

function refused(status: number, code: number, message: string): Told {
  return { status, body: { error: { code, message, details: [] } } };
}

function invoiceOf({ text, paymentHash, amountMsat, description, createdAt, expiresAt, state }: Invoice, settleIndex: number) {
  const paid = state.kind === 'paid' ? state : undefined;
  return {
    memo: description ?? '',
    r_hash: base64(paymentHash),
    value_msat: String(amountMsat),
    creation_date: String(createdAt),
    settle_date: String(paid?.settledAt ?? 0),
    payment_request: text,
    expiry: String(expiresAt - createdAt),
    settle_index: String(settleIndex),
    amt_paid_msat: String(paid?.amountMsat ?? 0),
    state: paid ? 'SETTLED' : state.kind === 'open' ? 'OPEN' : 'CANCELED',
  };
}

function paymentOf({ invoice, state }: Payment) {
  const settled = state.kind === 'settled' ? state : undefined;
  const isPaid = settled !== undefined || state.kind === 'lost';
  return {
    payment_hash: invoice.paymentHash,
    value_msat: String(invoice.amountMsat),
    fee_msat: String(settled?.feeMsat ?? 0),
    payment_preimage: settled?.preimage ?? '0'.repeat(64),
    status: isPaid ? 'SUCCEEDED' : state.kind === 'failed' ? 'FAILED' : 'IN_FLIGHT',
    failure_reason: state.kind === 'failed' ? (reasons.get(state.reason) ?? 'FAILURE_REASON_ERROR') : 'FAILURE_REASON_NONE',
  };
}

const reasons: ReadonlyMap<string, string> = new Map([
  ['balance', 'FAILURE_REASON_INSUFFICIENT_BALANCE'],
  ['no-route', 'FAILURE_REASON_NO_ROUTE'],
  ['fee-limit', 'FAILURE_REASON_NO_ROUTE'],
  ['rejected', 'FAILURE_REASON_INCORRECT_PAYMENT_DETAILS'],
]);

function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64');
}
