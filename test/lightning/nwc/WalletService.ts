/**
 * A wallet service over a node of the sandbox: what a wallet that speaks NWC runs, on any relay. It knows its clients by their keys, and what
 * each may; it is strict about fields, keys and times.
 *
 * @see NIP-47; the shapes as getAlby/hub has them (nip47/models, nip47/controllers)
 */
import { WebSocket } from 'ws';
import { systemRandom } from '../../../src/core/Clock.ts';
import { fromHex } from '../../../src/core/internal/bytes.ts';
import { ciphersBetween, type Scheme } from '../../../src/lightning/nwc/Encryption.ts';
import { type Event, hasTag, isGenuine, publicKeyOf, read, sign, tagOf } from '../../../src/lightning/nwc/Event.ts';
import type { Invoice, Node, Payment } from '../Node.ts';

/** What a client may do: it is one of those that the wallet knows, by its secret key. */
export type Grants = Readonly<Record<string, readonly string[]>>;

/** What a request came to. */
export type Said = { readonly result: unknown } | { readonly error: { readonly code: string; readonly message: string } };

/** A request, decrypted. */
export type Asked = { readonly method: string; readonly params: Readonly<Record<string, unknown>>; readonly event: Event };

/** What a service is made from. */
export type ServiceOptions = {
  readonly node: Node;
  /** The wallet's secret key, in hex. */
  readonly secret: string;
  readonly relays: readonly string[];
  /** Secret keys of clients, which a wallet makes itself. */
  readonly grants: Grants;
  /** Default: both. */
  readonly schemes?: readonly Scheme[];
  /** Whether its info event names the schemes; default true. */
  readonly namesSchemes?: boolean;
  /** Default true. */
  readonly notifies?: boolean;
  /** Methods that it does not have at all. */
  readonly without?: readonly string[];
  /** Answers instead of it; undefined: it answers itself. `null`: nobody does. */
  readonly instead?: (asked: Asked) => Promise<Said | string | null | undefined>;
};

/** One that runs. */
export type Service = {
  readonly publicKey: string;
  /** Requests that it has worked on, by the id of their event. */
  readonly worked: readonly Asked[];
  /** Connects to its relays, publishes its info and waits for requests. */
  readonly connect: () => Promise<void>;
  readonly setSlow: (isSlow: boolean) => Promise<void>;
  /** Writes an event by the wallet's key. */
  readonly write: (kind: number, tags: readonly (readonly string[])[], content: string) => Event;
  readonly close: () => Promise<void>;
};

const kinds = { info: 13194, request: 23194, response: 23195, notification: { nip04: 23196, nip44_v2: 23197 } } as const;
const methods = ['pay_invoice', 'make_invoice', 'lookup_invoice', 'list_transactions', 'get_balance', 'get_info'];

/** Makes one; {@link Service.connect} starts it. */
export function createService(options: ServiceOptions): Service {
  const { node, relays, grants, schemes = ['nip44_v2', 'nip04'], namesSchemes = true, notifies = true, without = [], instead } = options;
  const secret = fromHex(options.secret) as Uint8Array;
  const publicKey = publicKeyOf(secret);
  const clients = new Map(Object.entries(grants).map(([key, granted]) => [publicKeyOf(fromHex(key) as Uint8Array), granted]));
  const ending = new AbortController();
  const sockets = new Set<WebSocket>();
  const known = new Set<string>();
  const worked: Asked[] = [];
  let held = Promise.resolve();
  let release = () => {};
  const at = () => Math.floor(node.clock.nowMs() / 1000);
  const write: Service['write'] = (kind, tags, content) => sign({ created_at: at(), kind, tags, content }, secret, systemRandom(32));
  const publish = (event: Event) => {
    for (const socket of sockets) if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(['EVENT', event]));
  };
  const cipherFor = (client: string, scheme: Scheme) => ciphersBetween(secret, fromHex(client) as Uint8Array, systemRandom)[scheme];

  const work = async (event: Event): Promise<void> => {
    if (!isGenuine(event) || event.kind !== kinds.request || !hasTag(event, 'p', publicKey) || known.has(event.id)) return;
    known.add(event.id);
    if (Number(tagOf(event, 'expiration') ?? Number.POSITIVE_INFINITY) <= at()) return;
    const asked = tagOf(event, 'encryption') ?? 'nip04';
    const scheme = schemes.find((one) => one === asked);
    const reply = (said: Said | string, method: string) => {
      const content = typeof said === 'string' ? said : JSON.stringify({ result_type: method, ...said });
      const tags = [
        ['p', event.pubkey],
        ['e', event.id],
      ];
      publish(write(kinds.response, tags, cipherFor(event.pubkey, scheme ?? schemes[0] ?? 'nip04').encrypt(content)));
    };
    if (scheme === undefined) return reply(no('UNSUPPORTED_ENCRYPTION', `not ${asked}`), '');
    const { method, params } = JSON.parse(cipherFor(event.pubkey, scheme).decrypt(event.content) ?? '{}') as Omit<Asked, 'event'>;
    worked.push({ method, params, event });
    await held;
    const other = await instead?.({ method, params, event });
    if (other === null || ending.signal.aborted) return;
    reply(other ?? (await answer(node, clients.get(event.pubkey), without, method, params)), method);
  };

  const connect = async () => {
    for (const socket of sockets) socket.terminate();
    sockets.clear();
    await Promise.all(relays.map((url) => join(url)));
  };
  const join = (url: string) =>
    new Promise<void>((resolve, reject) => {
      const socket = new WebSocket(url);
      sockets.add(socket);
      socket.on('error', reject);
      socket.on('open', () => {
        const tags = [...(namesSchemes ? [['encryption', schemes.join(' ')]] : []), ...(notifies ? [['notifications', 'payment_received payment_sent']] : [])];
        const offered = methods.filter((method) => !without.includes(method));
        socket.send(JSON.stringify(['REQ', 'requests', { kinds: [kinds.request], '#p': [publicKey] }]));
        socket.send(JSON.stringify(['EVENT', write(kinds.info, tags, [...offered, ...(notifies ? ['notifications'] : [])].join(' '))]));
      });
      socket.on('message', (data) => {
        const [kind, , value] = JSON.parse(String(data)) as readonly unknown[];
        // Subscribed, and the info is there.
        if (kind === 'OK') resolve();
        const event = kind === 'EVENT' ? read(value) : undefined;
        if (event) void work(event);
      });
    });

  const tellOfPayments = async () => {
    for await (const { invoice } of node.settled(undefined, ending.signal)) {
      const content = JSON.stringify({ notification_type: 'payment_received', notification: incoming(node, invoice) });
      if (!notifies) continue;
      for (const [client] of clients) {
        for (const scheme of schemes) publish(write(kinds.notification[scheme], [['p', client]], cipherFor(client, scheme).encrypt(content)));
      }
    }
  };
  void tellOfPayments();

  return {
    publicKey,
    worked,
    connect,
    write,
    setSlow: async (isSlow) => {
      if (isSlow) {
        const { promise, resolve } = Promise.withResolvers<void>();
        [held, release] = [promise, resolve];
      } else release();
    },
    close: async () => {
      ending.abort();
      release();
      for (const socket of sockets) socket.terminate();
    },
  };
}

/** An error answer. */
export function no(code: string, message: string): Said {
  return { error: { code, message } };
}

async function answer(node: Node, granted: readonly string[] | undefined, without: readonly string[], method: string, params: Asked['params']): Promise<Said> {
  if (granted === undefined) return no('UNAUTHORIZED', 'This public key has no wallet connected');
  if (!methods.includes(method) || without.includes(method)) return no('NOT_IMPLEMENTED', `Unknown method: ${method}`);
  if (!granted.includes(method)) return no('RESTRICTED', 'This app does not have the scope');
  const known = fields[method] ?? [];
  const stranger = Object.keys(params).find((name) => !known.includes(name));
  if (stranger !== undefined) return no('OTHER', `unknown field "${stranger}"`);
  if (method === 'pay_invoice') return pay(node, String(params.invoice));
  if (method === 'make_invoice') return make(node, params);
  if (method === 'lookup_invoice') return lookup(node, String(params.payment_hash));
  if (method === 'list_transactions') return { result: await list(node, params) };
  if (method === 'get_balance') return { result: { balance: Number(await node.balanceMsat()) } };
  return { result: { alias: node.name, color: '#000000', pubkey: await node.nodeId(), network: 'regtest', block_height: 1, methods: granted } };
}

const fields: Readonly<Record<string, readonly string[]>> = {
  pay_invoice: ['invoice', 'amount'],
  make_invoice: ['amount', 'description', 'description_hash', 'expiry'],
  lookup_invoice: ['payment_hash', 'invoice'],
  list_transactions: ['from', 'until', 'limit', 'offset', 'unpaid', 'type'],
};

async function pay(node: Node, invoice: string): Promise<Said> {
  const done = await node.pay(invoice, 10_000n, 60);
  if (done.before === 'settled') return no('OTHER', 'this invoice has already been paid');
  if (done.before === 'pending') return no('OTHER', 'there is already a payment pending for this invoice');
  const { state } = done;
  if (state.kind === 'settled') return { result: { preimage: state.preimage, fees_paid: Number(state.feeMsat) } };
  if (state.kind === 'lost') return { result: { preimage: '' } };
  if (state.kind !== 'failed') return no('PAYMENT_FAILED', 'timeout');
  if (state.reason === 'balance') return no('INSUFFICIENT_BALANCE', 'Insufficient balance remaining to make the requested payment');
  return state.reason === 'expired' ? no('OTHER', 'this invoice has expired') : no('PAYMENT_FAILED', state.reason.replace('-', ' '));
}

async function make(node: Node, { amount, description, expiry }: Asked['params']): Promise<Said> {
  if (!Number.isSafeInteger(amount) || !Number.isSafeInteger(expiry) || typeof description !== 'string') return no('OTHER', 'Failed to decode request');
  const made = await node.create(BigInt(amount as number), description, expiry as number);
  return { result: incoming(node, { ...made, state: { kind: 'open', expiresAt: made.expiresAt } }) };
}

async function lookup(node: Node, paymentHash: string): Promise<Said> {
  if (!/^[0-9a-f]{64}$/.test(paymentHash)) return no('OTHER', 'Failed to decode request');
  const [paid, made] = await Promise.all([node.payment(paymentHash), node.invoice(paymentHash)]);
  if (paid) return { result: outgoing(paid) };
  return made ? { result: incoming(node, made) } : no('NOT_FOUND', 'The transaction requested was not found');
}

/** In descending order of creation; without `unpaid`, of what has settled. */
async function list(node: Node, { from = 0, until, limit = 50, offset = 0, unpaid = false, type }: Asked['params']): Promise<unknown> {
  const all = [...(await node.invoices()).map((one) => incoming(node, one)), ...(await node.payments()).map(outgoing)];
  const wanted = all.filter((one) => {
    const isIn = one.created_at >= Number(from) && (until === undefined || one.created_at <= Number(until));
    return isIn && (unpaid || one.state === 'settled') && (type === undefined || one.type === type);
  });
  const newestFirst = wanted.reverse().sort((one, other) => other.created_at - one.created_at);
  return { transactions: newestFirst.slice(Number(offset), Number(offset) + Math.min(Number(limit), 50)), total_count: wanted.length };
}

function incoming(node: Node, { text, paymentHash, amountMsat, description, createdAt, expiresAt, state }: Invoice) {
  const paid = state.kind === 'paid' ? state : undefined;
  return {
    type: 'incoming',
    state: { paid: 'settled', open: 'pending', expired: 'expired', cancelled: 'failed', absent: 'failed' }[state.kind],
    invoice: text,
    description: description ?? '',
    description_hash: '',
    preimage: (paid && node.preimageOf(paymentHash)) ?? '',
    payment_hash: paymentHash,
    amount: Number(paid?.amountMsat ?? amountMsat),
    fees_paid: 0,
    created_at: createdAt,
    expires_at: expiresAt,
    settled_at: paid?.settledAt ?? null,
    metadata: {},
  };
}

function outgoing({ invoice, state }: Payment) {
  const settled = state.kind === 'settled' ? state : undefined;
  return {
    type: 'outgoing',
    state: settled || state.kind === 'lost' ? 'settled' : state.kind === 'failed' ? 'failed' : 'pending',
    invoice: invoice.text,
    description: invoice.description ?? '',
    description_hash: '',
    preimage: settled?.preimage ?? '',
    payment_hash: invoice.paymentHash,
    amount: Number(invoice.amountMsat),
    fees_paid: Number(settled?.feeMsat ?? 0n),
    created_at: invoice.createdAt,
    expires_at: invoice.expiresAt,
    settled_at: settled || state.kind === 'lost' ? invoice.createdAt : null,
    metadata: {},
  };
}
