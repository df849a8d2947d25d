/**
 * phoenixd's HTTP API over nodes of the sandbox: the calls that the driver makes, as phoenixd 0.8 answers them.
 *
 * @see phoenixd's API reference (https://phoenix.acinq.co/server/api) and `Api.kt`, `JsonSerializers.kt` of ACINQ/phoenixd, for the shapes
 */
import type { Asked, Told } from './Double.ts';
import type { Invoice, Node, Payment } from './Node.ts';

/** What lets one in: to make invoices and look things up, and to spend. */
export const passwords = { limited: 'limited-access', primary: 'primary' } as const;

/** Its answers. */
export function phoenixd(node: Node): (asked: Asked) => Promise<Told> {
  return async (asked) => {
    const { method, path, headers } = asked;
    const password = /^Basic (.+)$/.exec(headers.authorization ?? '')?.[1];
    const may = Object.values(passwords).find((one) => password === btoa(`:${one}`));
    if (may === undefined) return { status: 401, text: 'Invalid authentication (use basic auth with the http password set in phoenix.conf)' };
    const hash = /^\/payments\/(?:incoming|outgoingbyhash)\/(.*)$/.exec(path)?.[1];
    if (hash !== undefined && !/^[0-9a-f]{64}$/.test(hash)) return { status: 400, text: "Request parameter paymentHash couldn't be parsed/converted to hex32" };
    if (method === 'POST' && path === '/createinvoice') return create(node, form(asked, ['description', 'amountSat', 'expirySeconds']));
    if (method === 'POST' && path === '/payinvoice' && may === passwords.primary && asked.body === '')
      return { status: 400, text: 'Parameter invoice is missing' };
    if (method === 'POST' && path === '/payinvoice' && may === passwords.primary) return pay(node, form(asked, ['invoice']));
    if (method === 'POST' && path === '/payinvoice') return { status: 401, text: 'Invalid authentication' };
    if (method === 'GET' && path === '/getinfo')
      return {
        status: 200,
        body: { nodeId: await node.nodeId(), channels: [{ state: 'Normal', inboundLiquiditySat: 1_000_000 }], chain: 'regtest', version: '0.8.0' },
      };
    if (method === 'GET' && path === '/getbalance') return { status: 200, body: { balanceSat: Number((await node.balanceMsat()) / 1000n), feeCreditSat: 0 } };
    if (method === 'GET' && path === '/payments/incoming') return received(node, asked.query);
    if (method === 'GET' && path.startsWith('/payments/incoming/')) return found(await node.invoice(hash ?? ''), incoming);
    if (method === 'GET' && path.startsWith('/payments/outgoingbyhash/')) return found(await node.payment(hash ?? ''), outgoing);
    return { status: 404, text: 'Unknown endpoint (check api doc)' };
  };
}

/** The fields of a form, refused where it has one that the API does not document. */
function form({ headers, body }: Asked, known: readonly string[]): URLSearchParams {
  const fields = new URLSearchParams(body);
  for (const name of fields.keys()) if (!known.includes(name)) throw new Error(`unknown parameter "${name}"`);
  if (headers['content-type'] !== 'application/x-www-form-urlencoded') throw new Error('a form is what it takes');
  return fields;
}

function found<T>(one: T | undefined, tell: (one: T) => unknown): Told {
  return one === undefined ? { status: 404, text: 'Unknown endpoint (check api doc)' } : { status: 200, body: tell(one) };
}

async function create(node: Node, fields: URLSearchParams): Promise<Told> {
  const description = fields.get('description') ?? '';
  if (description.length > 128) return { status: 400, text: 'Request parameter description is too long (max 128 characters)' };
  if (!/^\d+$/.test(fields.get('amountSat') ?? '')) return { status: 400, text: "Request parameter amountSat couldn't be parsed/converted to integer" };
  const made = await node.create(BigInt(fields.get('amountSat') ?? '') * 1000n, description, Number(fields.get('expirySeconds')));
  return { status: 200, body: { amountSat: Number((made.amountMsat ?? 0n) / 1000n), paymentHash: made.paymentHash, serialized: made.text } };
}

async function pay(node: Node, fields: URLSearchParams): Promise<Told> {
  const done = await node.pay(fields.get('invoice') ?? '', 10_000n, 60);
  const { paymentHash } = done.invoice;
  const failed = (reason: string): Told => ({ status: 200, body: { type: 'payment_failed', paymentHash, reason } });
  if (done.before === 'settled') return failed('this invoice has already been paid');
  if (done.before === 'pending') return failed('this invoice is already being paid');
  if (done.state.kind === 'failed') return failed(words.get(done.state.reason) ?? 'payment could not be sent');
  const settled = done.state.kind === 'settled' ? done.state : undefined;
  const recipientAmountSat = Number((done.invoice.amountMsat ?? 0n) / 1000n);
  const routingFeeSat = Number((settled?.feeMsat ?? 0n) / 1000n);
  const body = { type: 'payment_sent', recipientAmountSat, routingFeeSat, paymentId: '0', paymentHash, paymentPreimage: settled?.preimage ?? null };
  return { status: 200, body };
}

const words: ReadonlyMap<string, string> = new Map([
  ['balance', 'not enough funds in wallet to afford payment'],
  ['no-route', 'could not find a route to the recipient'],
  ['expired', 'this invoice has expired'],
]);

/** What was received within a time, in milliseconds, the newest first; twenty unless told otherwise. */
async function received(node: Node, query: URLSearchParams): Promise<Told> {
  for (const [name, value] of query) {
    if (!['from', 'to', 'limit', 'offset'].includes(name)) throw new Error(`unknown parameter "${name}"`);
    if (!/^\d+$/.test(value)) return { status: 400, text: `Request parameter ${name} couldn't be parsed/converted to integer` };
  }
  const value = (name: string, otherwise: number) => Number(query.get(name) ?? otherwise);
  const all = (await node.paid()).map(incoming).reverse();
  const within = all.filter(({ completedAt = 0 }) => completedAt >= value('from', 0) && completedAt <= value('to', node.clock.nowMs() + 1000));
  return { status: 200, body: within.slice(value('offset', 0), value('offset', 0) + value('limit', 20)) };
}

function incoming({ text, paymentHash, amountMsat, description, createdAt, expiresAt, state }: Invoice) {
  const paid = state.kind === 'paid' ? state : undefined;
  return {
    type: 'incoming_payment',
    subType: 'lightning',
    paymentHash,
    description,
    invoice: text,
    isPaid: paid !== undefined,
    isExpired: state.kind === 'expired' || state.kind === 'cancelled',
    requestedSat: Number((amountMsat ?? 0n) / 1000n),
    receivedSat: Number((paid?.amountMsat ?? 0n) / 1000n),
    fees: 0,
    expiresAt: expiresAt * 1000,
    ...(paid ? { completedAt: paid.settledAt * 1000 + 250 } : {}),
    createdAt: createdAt * 1000,
  };
}

function outgoing({ invoice, state }: Payment) {
  const settled = state.kind === 'settled' ? state : undefined;
  const isPaid = settled !== undefined || state.kind === 'lost';
  const { paymentHash, text, amountMsat, createdAt } = invoice;
  return {
    type: 'outgoing_payment',
    subType: 'lightning',
    paymentId: '0',
    paymentHash,
    ...(settled ? { preimage: settled.preimage } : {}),
    isPaid,
    sent: Number(((amountMsat ?? 0n) + (settled?.feeMsat ?? 0n)) / 1000n),
    fees: Number(settled?.feeMsat ?? 0n),
    invoice: text,
    ...(state.kind === 'pending' ? {} : { completedAt: createdAt * 1000 }),
    createdAt: createdAt * 1000,
  };
}
