/**
 * A Lightning network on this machine: nodes with keys, signed invoices on regtest, real preimages, channels that run dry.
 *
 * Every call does its work in one step of the books; only waiting (for a payment's end, for the next settlement) takes time.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import * as Amount from '../../core/Amount.ts';
import * as Bolt11 from '../../core/Bolt11.ts';
import { type Clock, nowAt, type Random, systemClock, systemRandom } from '../../core/Clock.ts';
import { type Reached, unwatched } from '../../core/CrashPoint.ts';
import { FareboxError } from '../../core/Errors.ts';
import { toHex } from '../../core/internal/bytes.ts';
import * as Preimage from '../../core/Preimage.ts';
import { audit, nodeOf } from './Audit.ts';
import { type Books, type NodeRow, openBooks } from './Books.ts';
import { createFaults, type Faults } from './Faults.ts';
import { createPayments, type Payments } from './Payments.ts';
import { defaultFees, type FeePolicy } from './Route.ts';
import { hubName, type SandboxOpening } from './Sandbox.ts';
import type { Backend, NodeRef, ReplyOf, RequestOf } from './Wire.ts';

/** How a sandbox is made. Everything has a default. */
export type NetworkOptions = SandboxOpening & {
  /** The file of its books, or `:memory:` (default). One process has it open. */
  readonly path?: string;
  readonly clock?: Clock;
  readonly random?: Random;
  /** How long every payment takes, in milliseconds. Default 0. */
  readonly delayMs?: number;
  /** What the hub asks. Default: 1 sat and a millionth of the amount. */
  readonly fees?: FeePolicy;
  /** Told of every crash point that is reached; for tests. */
  readonly reached?: Reached;
};

/**
 * Opens the books and goes on with what is under way in them.
 * @throws SANDBOX_UNAVAILABLE – the file cannot be had
 */
export function createNetwork(options: NetworkOptions = {}): Backend {
  const { path = ':memory:', clock = systemClock, random = systemRandom, delayMs = 0, fees = defaultFees, reached = unwatched } = options;
  const books = openBooks(path, toHex(random(8)), reached);
  const bell = createBell();
  const faults = createFaults();
  const payments = createPayments({ books, clock, faults, fees, delayMs, onSettled: bell.ring });
  const network: Network = { books, clock, random, faults, payments, bell, opening: { ...defaultOpening, ...opening(options) }, closed: false };
  if (books.node(hubName) === undefined) books.write('node', () => books.addNode(newNode(random, hubName, noOpening)));
  return {
    ...receiverCalls(network),
    ...payerCalls(network),
    ...controlCalls(network),
    close: async () => {
      if (network.closed) return;
      network.closed = true;
      payments.close();
      bell.ring();
      books.close();
    },
  };
}

const noOpening = { openingMsat: Amount.zero, inboundMsat: Amount.zero };
const defaultOpening = { openingMsat: Amount.fromSat(1_000_000), inboundMsat: Amount.fromSat(100_000_000) };

/** Blocks that the last hop of a payment may take, as LND asks for. */
const minFinalCltvExpiry = 80;

/** Settlements in one reply. */
const pageLength = 500;

type Network = {
  readonly books: Books;
  readonly clock: Clock;
  readonly random: Random;
  readonly faults: Faults;
  readonly payments: Payments;
  readonly bell: Bell;
  readonly opening: Required<SandboxOpening>;
  closed: boolean;
};

function receiverCalls(network: Network): Pick<Backend, 'info' | 'createInvoice' | 'createInvoices' | 'lookupInvoice' | 'settlements'> {
  const { books, clock } = network;
  return {
    info: async ({ node }) => {
      const { name, nodeId } = reach(network, node);
      return { alias: `sandbox-${name}`, nodeId };
    },
    createInvoice: async ({ node, ...order }) => {
      const [created] = createInvoices(network, node, [order]);
      if (created === undefined) throw new TypeError('one order is one invoice');
      return created;
    },
    createInvoices: async ({ node, orders }) => ({ invoices: createInvoices(network, node, orders) }),
    lookupInvoice: async ({ node, paymentHash }) => {
      const { name } = reach(network, node);
      const invoice = books.invoice(paymentHash);
      if (invoice?.payee !== name) return { kind: 'absent' };
      if (invoice.paid !== undefined) return { kind: 'paid', amountMsat: invoice.amountMsat, settledAt: invoice.paid.settledAt };
      return Bolt11.isExpired(invoice, nowAt(clock)) ? { kind: 'expired' } : { kind: 'open', expiresAt: invoice.expiresAt };
    },
    settlements: async ({ node, after }, signal) => {
      const { name } = reach(network, node);
      if (after === undefined) return { settlements: [], cursor: cursorOf(books, books.lastPlace()) };
      const place = placeOf(books, after);
      for (;;) {
        const page = pageBehind(books, name, place);
        if (page !== undefined) return page;
        await network.bell.next(signal);
        signal?.throwIfAborted();
        reach(network, node);
      }
    },
  };
}

function payerCalls(network: Network): Pick<Backend, 'pay' | 'trackPayment' | 'balance'> {
  const { payments } = network;
  return {
    pay: async ({ node, invoice, maxFeeMsat, timeoutSeconds }, signal) => {
      const started = payments.start({ payer: reach(network, node).name, invoice, maxFeeMsat, timeoutSeconds });
      return started.kind === 'ended' ? started.outcome : payments.wait(started.id, signal);
    },
    trackPayment: async ({ node, paymentHash }) => payments.track(reach(network, node).name, paymentHash),
    balance: async ({ node }) => ({ spendableMsat: reach(network, node).localMsat }),
  };
}

type ControlCall = 'openNode' | 'addFunds' | 'setFault' | 'clearFaults' | 'faults' | 'releasePayment' | 'setDelay' | 'audit';

function controlCalls(network: Network): Pick<Backend, ControlCall> {
  const { books, faults, payments } = network;
  return {
    openNode: async ({ node }) => nodeOf(books, openNode(network, node)),
    addFunds: async ({ node, amounts }) => {
      const { name } = openNode(network, node);
      return nodeOf(books, addFunds(books, name, { ...noOpening, ...amounts }));
    },
    setFault: async (fault) => {
      refuseWhenClosed(network);
      faults.set(fault);
      network.bell.ring();
      return {};
    },
    clearFaults: async ({ node }) => {
      refuseWhenClosed(network);
      faults.clear(node);
      return {};
    },
    faults: async () => {
      refuseWhenClosed(network);
      return { faults: [...faults.list()] };
    },
    releasePayment: async ({ paymentHash, as }) => {
      refuseWhenClosed(network);
      return { released: payments.release(paymentHash, as) };
    },
    setDelay: async ({ delayMs }) => {
      refuseWhenClosed(network);
      payments.setDelay(delayMs);
      return {};
    },
    audit: async () => {
      refuseWhenClosed(network);
      return audit(books);
    },
  };
}

type Order = RequestOf<'createInvoices'>['orders'][number];

/** Invoices in one write. */
function createInvoices(network: Network, ref: NodeRef, orders: readonly Order[]): ReplyOf<'createInvoice'>[] {
  const node = reach(network, ref);
  const drawn = orders.map((order) => drawInvoice(network, node, order));
  network.books.write('invoice', () => {
    for (const { row } of drawn) network.books.addInvoice(row);
  });
  return drawn.map(({ row: { paymentHash, expiresAt }, invoice }) => ({ invoice, paymentHash, expiresAt }));
}

function drawInvoice({ clock, random }: Network, node: NodeRow, { amountMsat, description, expirySeconds }: Order) {
  const preimage = Preimage.fromBytes(random(32));
  const paymentHash = Preimage.hash(preimage);
  const paymentSecret = toHex(random(32));
  const createdAt = nowAt(clock);
  const draft = { chain: 'regtest', amountMsat, paymentHash, paymentSecret, createdAt, expirySeconds, description, minFinalCltvExpiry } as const;
  const invoice = Bolt11.encode(draft, node.secretKey);
  return { row: { paymentHash, payee: node.name, preimage, paymentSecret, amountMsat, description, expiresAt: createdAt + expirySeconds }, invoice };
}

/** The node, opened where it is not there, unless it is down. */
function reach(network: Network, ref: NodeRef): NodeRow {
  refuseWhenClosed(network);
  network.faults.refuseWhenDown(ref.name);
  return openNode(network, ref);
}

function openNode(network: Network, ref: NodeRef): NodeRow {
  refuseWhenClosed(network);
  const { books, random } = network;
  const there = books.node(ref.name);
  if (there !== undefined) return there;
  const node = newNode(random, ref.name, { ...network.opening, ...opening(ref) });
  books.write('node', () => books.addNode(node));
  return node;
}

function newNode(random: Random, name: string, { openingMsat, inboundMsat }: Required<SandboxOpening>): NodeRow {
  let secretKey = random(32);
  while (!secp256k1.utils.isValidSecretKey(secretKey)) secretKey = random(32);
  const nodeId = toHex(secp256k1.getPublicKey(secretKey, true));
  const capacityMsat = Amount.fromMsat(openingMsat + inboundMsat);
  return { name, secretKey, nodeId, openedMsat: openingMsat, capacityMsat, localMsat: openingMsat, remoteMsat: inboundMsat };
}

function addFunds(books: Books, name: string, amounts: Required<SandboxOpening>): NodeRow {
  return books.write('funds', () => {
    const node = books.node(name);
    if (node === undefined) throw new Error(`the node ${name} has gone from the books`);
    const funded: NodeRow = {
      ...node,
      openedMsat: Amount.fromMsat(node.openedMsat + amounts.openingMsat),
      capacityMsat: Amount.fromMsat(node.capacityMsat + amounts.openingMsat + amounts.inboundMsat),
      localMsat: Amount.fromMsat(node.localMsat + amounts.openingMsat),
      remoteMsat: Amount.fromMsat(node.remoteMsat + amounts.inboundMsat),
    };
    books.updateNode(funded);
    return funded;
  });
}

function opening({ openingMsat, inboundMsat }: SandboxOpening): SandboxOpening {
  return { ...(openingMsat === undefined ? {} : { openingMsat }), ...(inboundMsat === undefined ? {} : { inboundMsat }) };
}

function refuseWhenClosed(network: Network): void {
  if (network.closed) throw new FareboxError('LIGHTNING_UNAVAILABLE', 'The sandbox is closed. Start it again.');
}

function pageBehind(books: Books, name: string, place: number): ReplyOf<'settlements'> | undefined {
  const settlements = books
    .settlements(name, place, pageLength)
    .flatMap(({ paymentHash, amountMsat, description, paid }) =>
      paid === undefined ? [] : [{ paymentHash, amountMsat, settledAt: paid.settledAt, description, cursor: cursorOf(books, paid.place) }],
    );
  const last = settlements.at(-1);
  return last === undefined ? undefined : { settlements, cursor: last.cursor };
}

/** A cursor names its network: after the file was made anew, an old one must not skip what is new. */
function cursorOf(books: Books, place: number): string {
  return `${books.id}.${place}`;
}

/** The place of a cursor; the beginning where it is of another network, since seeing a settlement twice harms less than missing one. */
function placeOf(books: Books, cursor: string): number {
  const [id, place = ''] = cursor.split('.');
  return id === books.id && /^\d{1,15}$/.test(place) ? Number(place) : 0;
}

/** Wakes everybody who waits for a settlement. */
type Bell = {
  readonly ring: () => void;
  /** Resolves at the next ring, or when `signal` aborts. */
  readonly next: (signal?: AbortSignal) => Promise<void>;
};

function createBell(): Bell {
  const waiting = new Set<() => void>();
  return {
    ring: () => {
      for (const wake of [...waiting]) wake();
    },
    next: (signal) =>
      new Promise((resolve) => {
        const wake = () => {
          waiting.delete(wake);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        if (signal?.aborted) return resolve();
        signal?.addEventListener('abort', wake);
        waiting.add(wake);
      }),
  };
}
