/**
 * What is behind the API of a double: a node of a sandbox network, with its invoices and its payments as a product keeps them.
 */
import * as Amount from '../../src/core/Amount.ts';
import * as Bolt11 from '../../src/core/Bolt11.ts';
import { systemRandom } from '../../src/core/Clock.ts';
import { fromBytes, hash, parseHash } from '../../src/core/Preimage.ts';
import type { InvoiceState, TrackedPayment } from '../../src/lightning/Lightning.ts';
import { createSandboxNetwork, type Sandbox } from '../../src/lightning/sandbox.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import type { LightningHooks } from '../../src/testing/lightningContract.ts';

/** An invoice of a node's. */
export type Invoice = Bolt11.InvoiceFields & { readonly state: InvoiceState };

/** A payment of a node's; settled without a preimage where the node lost it. */
export type Payment = { readonly invoice: Bolt11.InvoiceFields; readonly state: TrackedPayment | { readonly kind: 'lost' } };

/** A node as its own API sees it. */
export type Node = {
  readonly name: string;
  readonly nodeId: () => Promise<string | undefined>;
  readonly clock: FixedClock.FixedClock;
  readonly create: (amountMsat: bigint, description: string, expirySeconds: number) => Promise<Bolt11.InvoiceFields>;
  readonly invoice: (paymentHash: string) => Promise<Invoice | undefined>;
  /** All of them, in the order in which they were made. */
  readonly invoices: () => Promise<readonly Invoice[]>;
  /** The invoices that were paid, in the order in which they were; the first has number 1. Those behind that number, and the next ones as they come. */
  readonly settled: (after: number | undefined, gone: AbortSignal) => AsyncGenerator<{ readonly number: number; readonly invoice: Invoice }>;
  /** Those that were paid, in that order. */
  readonly paid: () => Promise<readonly Invoice[]>;
  readonly preimageOf: (paymentHash: string) => string | undefined;
  /** The number that an invoice has in that order. */
  readonly numberOf: (paymentHash: string) => number;
  /** Pays and waits for the end of it, so many seconds at the longest. `before`: it was paid, or under way, already. */
  readonly pay: (invoice: string, maxFeeMsat: bigint, waitSeconds: number) => Promise<Payment & { readonly before?: 'settled' | 'pending' }>;
  readonly payment: (paymentHash: string) => Promise<Payment | undefined>;
  /** All of them, in the order in which they were begun. */
  readonly payments: () => Promise<readonly Payment[]>;
  readonly balanceMsat: () => Promise<bigint>;
};

/** What a network can be made to do; the rest is up to the APIs in front of it. */
type Steering = Omit<LightningHooks, 'payerDown' | 'receiverDown' | 'payerSlow' | 'receiverSlow' | 'lettingNobodyIn' | 'skewed'>;

/** A seller and a buyer who can pay each other, and what steers them and their time. */
export type Nodes = {
  readonly clock: FixedClock.FixedClock;
  readonly seller: Node;
  readonly buyer: Node;
  readonly hooks: Steering;
  readonly close: () => Promise<void>;
};

/** Two nodes of a network of their own. Invoices of theirs are regtest's. Whoever goes by the machine's time gives a clock that stands there. */
export function createNodes(clock = FixedClock.create()): Nodes {
  const preimages = new Map<string, string>();
  // Of 32 random bytes, some are preimages of invoices; the others are nobody's, and never asked for.
  const random = (count: number) => {
    const bytes = systemRandom(count);
    if (count === 32) preimages.set(hash(fromBytes(bytes)), fromBytes(bytes));
    return bytes;
  };
  const sandbox = createSandboxNetwork({ clock, random });
  const ending = new AbortController();
  const cancelled = new Set<string>();
  const next = (kind: 'fails' | 'hangs' | 'settles-late' | 'no-preimage' | 'overcharges' | 'pays-expired') => () =>
    sandbox.setFault({ node: 'buyer', kind, payments: 1 });
  return {
    clock,
    seller: createNode(sandbox, 'seller', clock, { cancelled, preimages }, ending.signal),
    buyer: createNode(sandbox, 'buyer', clock, { cancelled, preimages }, ending.signal),
    hooks: {
      advance: async (ms) => clock.advance(ms),
      failNext: next('fails'),
      hangNext: next('hangs'),
      release: async (paymentHash, as) => void (await sandbox.releasePayment(paymentHash, as)),
      settleLateNext: next('settles-late'),
      losePreimageNext: next('no-preimage'),
      overchargeNext: next('overcharges'),
      payExpiredNext: next('pays-expired'),
      cancelInvoice: async (paymentHash) => void cancelled.add(paymentHash),
    },
    close: async () => ending.abort(),
  };
}

/** What the sandbox does not tell. */
type Own = { readonly cancelled: ReadonlySet<string>; readonly preimages: ReadonlyMap<string, string> };

function createNode(sandbox: Sandbox, name: string, clock: FixedClock.FixedClock, own: Own, ending: AbortSignal): Node {
  const { cancelled, preimages } = own;
  const receiver = sandbox.receiver(name);
  const payer = sandbox.payer(name);
  const invoices = new Map<string, Bolt11.InvoiceFields>();
  const paid = new Map<string, Bolt11.InvoiceFields>();
  const order: string[] = [];
  const beginning = new Set<string>();
  const wake = createBell();
  const follow = async () => {
    for await (const { paymentHash } of receiver.watchSettlements({ signal: ending })) {
      order.push(paymentHash);
      wake.ring();
    }
  };
  void follow();
  const invoice = async (paymentHash: string) => {
    const found = invoices.get(paymentHash);
    return found && { ...found, state: cancelled.has(paymentHash) ? { kind: 'cancelled' as const } : await receiver.lookupInvoice(parseHash(paymentHash)) };
  };
  const payment = async (paymentHash: string): Promise<Payment | undefined> => {
    const found = paid.get(paymentHash);
    const state = await payer.trackPayment(parseHash(paymentHash));
    if (found === undefined || state.kind === 'absent') return undefined;
    return { invoice: found, state: state.kind === 'unknown' ? { kind: 'lost' } : state };
  };
  return {
    name,
    nodeId: async () => (await receiver.info()).nodeId,
    clock,
    create: async (amountMsat, description, expirySeconds) => {
      const made = Bolt11.peek((await receiver.createInvoice({ amountMsat: Amount.fromMsat(amountMsat), description, expirySeconds })).invoice);
      invoices.set(made.paymentHash, made);
      return made;
    },
    invoice,
    invoices: async () => (await Promise.all([...invoices.keys()].map(invoice))).filter((one) => one !== undefined),
    async *settled(after, gone) {
      for (let number = after ?? order.length; !gone.aborted; ) {
        const paymentHash = order[number];
        if (paymentHash === undefined) await wake.next(gone);
        else {
          number += 1;
          const found = await invoice(paymentHash);
          if (found) yield { number, invoice: found };
        }
      }
    },
    paid: async () => (await Promise.all(order.map(invoice))).filter((one) => one !== undefined),
    preimageOf: (paymentHash) => preimages.get(paymentHash),
    numberOf: (paymentHash) => order.indexOf(paymentHash) + 1,
    pay: async (text, maxFeeMsat, waitSeconds) => {
      const asked = Bolt11.peek(text);
      const { paymentHash } = asked;
      if (cancelled.has(paymentHash)) return { invoice: asked, state: { kind: 'failed', reason: 'rejected', message: 'cancelled' } };
      if (beginning.has(paymentHash)) return { invoice: asked, state: { kind: 'pending' }, before: 'pending' };
      beginning.add(paymentHash);
      try {
        const before = await payment(paymentHash);
        if (before?.state.kind === 'settled' || before?.state.kind === 'pending') return { ...before, before: before.state.kind };
        paid.set(paymentHash, asked);
        const outcome = await payer.pay({ invoice: text, maxFeeMsat: Amount.fromMsat(maxFeeMsat), timeoutSeconds: waitSeconds });
        if (outcome.kind === 'settled') return { invoice: asked, state: outcome };
        // Refused before anything was begun: nothing of it is kept, and its answer alone tells of it.
        if (outcome.kind === 'failed' && outcome.reason === 'expired') {
          paid.delete(paymentHash);
          return { invoice: asked, state: outcome };
        }
        return (await payment(paymentHash)) ?? { invoice: asked, state: outcome };
      } finally {
        beginning.delete(paymentHash);
      }
    },
    payment,
    payments: async () => (await Promise.all([...paid.keys()].map(payment))).filter((one) => one !== undefined),
    balanceMsat: async () => (await payer.balance()).spendableMsat,
  };
}

/** Lets others wait for news. */
function createBell() {
  const waiting = new Set<() => void>();
  return {
    ring: () => {
      for (const wake of waiting) wake();
      waiting.clear();
    },
    next: (gone: AbortSignal) =>
      new Promise<void>((resolve) => {
        waiting.add(resolve);
        gone.addEventListener('abort', () => resolve(), { once: true });
      }),
  };
}
