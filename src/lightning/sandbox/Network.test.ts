import { describe, expect, it } from 'vitest';
import * as Amount from '../../core/Amount.ts';
import * as Bolt11 from '../../core/Bolt11.ts';
import { type Clock, systemRandom } from '../../core/Clock.ts';
import * as Preimage from '../../core/Preimage.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import type { Payer, PaymentOutcome, Receiver } from '../Lightning.ts';
import { createSandboxNetwork, type Sandbox, type SandboxFaultKind, type SandboxOptions } from '../sandbox.ts';

const sat = (value: number) => Amount.fromSat(value);

function open(options: SandboxOptions = {}) {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock, ...options });
  return { clock, sandbox, shop: sandbox.receiver('shop'), buyer: sandbox.payer('buyer') };
}

function invoice(receiver: Receiver, amountSat = 50, expirySeconds = 600) {
  return receiver.createInvoice({ amountMsat: sat(amountSat), description: 'Translation API - 1 request', expirySeconds });
}

function pay(payer: Payer, text: string, maxFeeMsat = sat(10), timeoutSeconds = 5): Promise<PaymentOutcome> {
  return payer.pay({ invoice: text, maxFeeMsat, timeoutSeconds });
}

async function nodeOf(sandbox: Sandbox, name: string) {
  const { nodes, balanced } = await sandbox.audit();
  expect(balanced).toBe(true);
  const node = nodes.find((one) => one.name === name);
  if (node === undefined) throw new Error(`no node ${name}`);
  return node;
}

describe('says sandbox wherever it shows', () => {
  it('in drivers and info, and leaves descriptions alone', async () => {
    const { shop, buyer } = open();
    expect([shop.name, shop.network, buyer.name, buyer.network]).toEqual(['sandbox', 'sandbox', 'sandbox', 'sandbox']);
    const info = await shop.info();
    expect(info).toMatchObject({ alias: 'sandbox-shop', network: 'sandbox' });
    const decoded = Bolt11.decode((await invoice(shop)).invoice);
    expect(decoded).toMatchObject({ chain: 'regtest', description: 'Translation API - 1 request', payee: info.nodeId });
    expect(decoded.text.startsWith('lnbcrt')).toBe(true);
  });
});

describe('money', () => {
  it('moves from payer to payee, and the fee to the hub', async () => {
    const { sandbox, shop, buyer } = open();
    const { fundedMsat } = await (await openBoth(sandbox)).audit();
    const outcome = await pay(buyer, (await invoice(shop)).invoice);
    expect(outcome).toMatchObject({ kind: 'settled', amountMsat: 50_000n, feeMsat: 1000n });
    const audit = await sandbox.audit();
    expect(audit).toMatchObject({ fundedMsat, spendableMsat: fundedMsat, heldMsat: 0n, feesMsat: 1000n, balanced: true });
    expect(audit.nodes.map(({ name }) => name)).toEqual(['hub', 'buyer', 'shop']);
    expect(audit.nodes[0]).toMatchObject({ alias: 'sandbox-hub', receivedMsat: 1000n });
    expect(audit.nodes[1]).toMatchObject({ spendableMsat: 1_000_000_000n - 51_000n, sentMsat: 50_000n, feesPaidMsat: 1000n, receivedMsat: 0n });
    expect(audit.nodes[2]).toMatchObject({ spendableMsat: 1_000_050_000n, receivedMsat: 50_000n, sentMsat: 0n });
    expect(audit.payments).toMatchObject([{ payer: 'buyer', payee: 'shop', amountMsat: 50_000n, feeMsat: 1000n, state: 'settled' }]);
    expect(JSON.stringify(audit, (_, value) => (typeof value === 'bigint' ? String(value) : value))).not.toContain(
      outcome.kind === 'settled' ? outcome.preimage : '',
    );
  });

  it('a fee grows with the amount, and is refused above the limit by a millisatoshi', async () => {
    const { shop, buyer } = open({ fees: { baseMsat: Amount.fromMsat(7n), proportionalMillionths: 2500n } });
    const created = await invoice(shop, 40);
    expect(await pay(buyer, created.invoice, Amount.fromMsat(106n))).toMatchObject({ kind: 'failed', reason: 'fee-limit' });
    expect(await pay(buyer, created.invoice, Amount.fromMsat(107n))).toMatchObject({ kind: 'settled', feeMsat: 107n });
  });

  it('a channel runs dry in the middle of a run, to the last millisatoshi', async () => {
    const { sandbox, shop } = open();
    const poor = sandbox.payer('poor', { openingMsat: Amount.fromMsat(102_000n) });
    expect(await pay(poor, (await invoice(shop)).invoice)).toMatchObject({ kind: 'settled' });
    expect(await pay(poor, (await invoice(shop)).invoice)).toMatchObject({ kind: 'settled' });
    expect(await poor.balance()).toEqual({ spendableMsat: 0n });
    const third = await invoice(shop);
    expect(await pay(poor, third.invoice)).toMatchObject({ kind: 'failed', reason: 'balance' });
    await sandbox.addFunds('poor', { openingMsat: Amount.fromMsat(50_999n) });
    expect(await pay(poor, third.invoice)).toMatchObject({ kind: 'failed', reason: 'balance' });
    await sandbox.addFunds('poor', { openingMsat: Amount.fromMsat(1n) });
    expect(await pay(poor, third.invoice)).toMatchObject({ kind: 'settled' });
    expect(await nodeOf(sandbox, 'poor')).toMatchObject({ spendableMsat: 0n, sentMsat: 150_000n, feesPaidMsat: 3000n });
  });

  it('a payee without inbound is not reachable, until it has paid or been given some', async () => {
    const { sandbox, buyer, shop } = open();
    const full = sandbox.receiver('full', { openingMsat: sat(1000), inboundMsat: sat(49) });
    const created = await invoice(full);
    expect(await pay(buyer, created.invoice)).toMatchObject({ kind: 'failed', reason: 'no-route' });
    expect(await pay(sandbox.payer('full'), (await invoice(shop, 1)).invoice)).toMatchObject({ kind: 'settled' });
    expect(await pay(buyer, created.invoice)).toMatchObject({ kind: 'settled' });
    const more = await invoice(full);
    expect(await pay(buyer, more.invoice)).toMatchObject({ kind: 'failed', reason: 'no-route' });
    await sandbox.addFunds('full', { inboundMsat: sat(49) });
    expect(await pay(buyer, more.invoice)).toMatchObject({ kind: 'settled' });
    expect((await sandbox.audit()).balanced).toBe(true);
  });

  it('a node opens once: a second opening changes nothing', async () => {
    const { sandbox } = open();
    const first = await sandbox.openNode('shop', { openingMsat: sat(5), inboundMsat: sat(6) });
    expect(first).toMatchObject({ alias: 'sandbox-shop', spendableMsat: 5000n, receivableMsat: 6000n });
    expect(await sandbox.openNode('shop', { openingMsat: sat(500) })).toEqual(first);
    expect(await sandbox.payer('shop', { openingMsat: sat(500) }).balance()).toEqual({ spendableMsat: 5000n });
    expect((await sandbox.audit()).fundedMsat).toBe(11_000n);
  });

  it('names that no node can have are refused', async () => {
    const { sandbox } = open();
    for (const name of ['', 'hub', 'Shop', '-a', 'a b', 'a/b', 'é', 'x'.repeat(33)]) {
      expect(() => sandbox.receiver(name)).toThrow(RangeError);
      await expect(sandbox.openNode(name)).rejects.toThrow(RangeError);
    }
  });
});

describe('an invoice', () => {
  it('is not paid by its own node', async () => {
    const { sandbox, shop } = open();
    expect(await pay(sandbox.payer('shop'), (await invoice(shop)).invoice)).toMatchObject({ kind: 'failed', reason: 'rejected' });
  });

  it('that one node has paid is refused to another, which keeps its own truth', async () => {
    const { sandbox, shop, buyer } = open();
    const late = sandbox.payer('late');
    const created = await invoice(shop);
    await pay(buyer, created.invoice);
    await sandbox.setDelay(1000);
    expect(await pay(late, created.invoice)).toMatchObject({ kind: 'failed', reason: 'rejected' });
    expect(await late.trackPayment(created.paymentHash)).toMatchObject({ kind: 'failed', reason: 'rejected' });
    expect(await buyer.trackPayment(created.paymentHash)).toMatchObject({ kind: 'settled' });
    expect(await pay(buyer, created.invoice)).toMatchObject({ kind: 'failed', reason: 'rejected' });
    expect(await buyer.trackPayment(created.paymentHash)).toMatchObject({ kind: 'settled' });
  });

  it('is known to the node that made it alone', async () => {
    const { sandbox, shop, buyer } = open();
    const created = await invoice(shop);
    await pay(buyer, created.invoice);
    expect(await sandbox.receiver('other').lookupInvoice(created.paymentHash)).toEqual({ kind: 'absent' });
    expect(await sandbox.payer('other').trackPayment(created.paymentHash)).toEqual({ kind: 'absent' });
  });

  it('in capitals is the same invoice', async () => {
    const { shop, buyer } = open();
    expect(await pay(buyer, (await invoice(shop)).invoice.toUpperCase())).toMatchObject({ kind: 'settled' });
  });

  it('that its own node signed anew, over less, with another secret or for another chain, is refused', async () => {
    const keys: Uint8Array[] = [];
    const random = (length: number) => {
      keys.push(systemRandom(length));
      return keys.at(-1) as Uint8Array;
    };
    const { shop, buyer } = open({ random });
    const own = Bolt11.decode((await invoice(shop)).invoice);
    const draft = { chain: 'regtest', description: 'x', createdAt: own.createdAt, paymentHash: own.paymentHash, amountMsat: own.amountMsat } as const;
    const sign = (change: Partial<Bolt11.InvoiceDraft>) =>
      keys
        .filter((key) => key.length === 32)
        .map((key) => Bolt11.encode({ ...draft, paymentSecret: own.paymentSecret, ...change }, key))
        .find((text) => Bolt11.decode(text).payee === own.payee) ?? '';
    expect(await pay(buyer, sign({ amountMsat: sat(1) }))).toMatchObject({ kind: 'failed', reason: 'rejected' });
    expect(await pay(buyer, sign({ chain: 'bitcoin' }))).toMatchObject({ kind: 'failed', reason: 'rejected' });
    expect(await pay(buyer, sign({ paymentSecret: '11'.repeat(32) }))).toMatchObject({ kind: 'failed', reason: 'rejected' });
    expect(await pay(buyer, sign({}))).toMatchObject({ kind: 'settled' });
  });

  it('of this network with another amount, secret or payee is refused', async () => {
    const { sandbox, shop, buyer } = open();
    const own = Bolt11.decode((await invoice(shop)).invoice);
    const forged = new Uint8Array(32).fill(7);
    const { paymentHash, createdAt, amountMsat } = own;
    const draft = { chain: 'regtest', createdAt, description: 'x', paymentHash, amountMsat } as const;
    for (const change of [{ paymentSecret: own.paymentSecret }, { paymentSecret: '11'.repeat(32) }, { paymentSecret: own.paymentSecret, amountMsat: sat(1) }]) {
      expect(await pay(buyer, Bolt11.encode({ ...draft, ...change }, forged))).toMatchObject({ kind: 'failed', reason: 'rejected' });
    }
    expect((await sandbox.audit()).payments.every(({ state }) => state === 'failed')).toBe(true);
    expect(await shop.lookupInvoice(paymentHash)).toMatchObject({ kind: 'open' });
  });
});

describe('delay', () => {
  it('a payment takes as long as was set, and its invoice may expire meanwhile', async () => {
    const { clock, sandbox, shop, buyer } = open({ delayMs: 1500 });
    const before = (await buyer.balance()).spendableMsat;
    const slow = await invoice(shop);
    const outcome = pay(buyer, slow.invoice);
    clock.advance(1499);
    expect(await buyer.trackPayment(slow.paymentHash)).toEqual({ kind: 'pending' });
    expect((await sandbox.audit()).heldMsat).toBe(101_000n);
    clock.advance(1);
    expect(await outcome).toMatchObject({ kind: 'settled' });

    const short = await invoice(shop, 50, 1);
    const expired = pay(buyer, short.invoice);
    clock.advance(1500);
    expect(await expired).toMatchObject({ kind: 'failed', reason: 'expired' });
    expect((await buyer.balance()).spendableMsat).toBe(before - 51_000n);

    await sandbox.setDelay(0);
    expect(await pay(buyer, (await invoice(shop)).invoice)).toMatchObject({ kind: 'settled' });
    expect(clock.timers()).toBe(0);
  });

  it('two payers of one invoice: the first that arrives settles, the other fails and gets everything back', async () => {
    const { clock, sandbox, shop, buyer } = open();
    const other = sandbox.payer('other');
    const before = (await buyer.balance()).spendableMsat;
    const created = await invoice(shop);
    await sandbox.setFault({ node: 'buyer', kind: 'settles-late', payments: 1 });
    const late = pay(buyer, created.invoice);
    expect(await pay(other, created.invoice)).toMatchObject({ kind: 'settled' });
    clock.advance(6000);
    expect(await late).toMatchObject({ kind: 'unknown' });
    expect(await buyer.trackPayment(created.paymentHash)).toMatchObject({ kind: 'failed', reason: 'rejected' });
    expect((await buyer.balance()).spendableMsat).toBe(before);
    expect((await sandbox.audit()).balanced).toBe(true);
  });
});

describe('faults', () => {
  it('hold for as many payments as were asked for, or until cleared', async () => {
    const { sandbox, shop, buyer } = open();
    const kinds = async (count: number) => {
      const outcomes: string[] = [];
      for (let i = 0; i < count; i++) outcomes.push((await pay(buyer, (await invoice(shop)).invoice)).kind);
      return outcomes;
    };
    await sandbox.setFault({ node: 'buyer', kind: 'fails', payments: 2 });
    expect(await sandbox.faults()).toEqual([{ node: 'buyer', kind: 'fails', payments: 2 }]);
    expect(await kinds(3)).toEqual(['failed', 'failed', 'settled']);
    expect(await sandbox.faults()).toEqual([]);
    await sandbox.setFault({ node: 'buyer', kind: 'fails' });
    expect(await kinds(3)).toEqual(['failed', 'failed', 'failed']);
    await sandbox.clearFaults();
    expect(await kinds(1)).toEqual(['settled']);
    for (const payments of [0, -1, 1.5]) await expect(sandbox.setFault({ node: 'buyer', kind: 'fails', payments })).rejects.toThrow(RangeError);
    await expect(sandbox.setFault({ node: 'buyer', kind: 'explodes' as SandboxFaultKind })).rejects.toThrow(RangeError);
  });

  it('of a payee meet those who pay it; the payer’s goes first; others are left alone', async () => {
    const { sandbox, shop, buyer } = open();
    await sandbox.setFault({ node: 'shop', kind: 'fails', payments: 1 });
    await sandbox.setFault({ node: 'buyer', kind: 'no-preimage', payments: 1 });
    expect(await pay(buyer, (await invoice(shop)).invoice)).toMatchObject({ kind: 'unknown' });
    expect(await pay(buyer, (await invoice(sandbox.receiver('other'))).invoice)).toMatchObject({ kind: 'settled' });
    expect(await pay(buyer, (await invoice(shop)).invoice)).toMatchObject({ kind: 'failed' });
    expect(await pay(buyer, (await invoice(shop)).invoice)).toMatchObject({ kind: 'settled' });
  });

  it('overcharges: the limit and the usual fee on top, unless the balance does not cover it', async () => {
    const { sandbox, shop, buyer } = open();
    await sandbox.setFault({ node: 'buyer', kind: 'overcharges' });
    expect(await pay(buyer, (await invoice(shop)).invoice, sat(10))).toMatchObject({ kind: 'settled', feeMsat: 11_000n });
    expect(await pay(buyer, (await invoice(shop)).invoice, sat(2_000_000))).toMatchObject({ kind: 'failed', reason: 'balance' });
    expect((await sandbox.audit()).payments).toMatchObject([{ fault: 'overcharges', feeMsat: 11_000n }, { state: 'failed' }]);
  });

  it.each([
    ['fails', 'no-route'],
    ['no-balance', 'balance'],
    ['too-small', 'too-small'],
    ['too-large', 'too-large'],
  ] as const)('%s: fails for certain, nothing moves, and the next payment goes through', async (kind, reason) => {
    const { sandbox, shop, buyer } = open();
    await sandbox.setFault({ node: 'buyer', kind, payments: 1 });
    const { invoice: text, paymentHash } = await invoice(shop);
    expect(await pay(buyer, text)).toMatchObject({ kind: 'failed', reason });
    expect(await buyer.trackPayment(paymentHash)).toMatchObject({ kind: 'failed', reason });
    expect((await sandbox.audit()).payments).toMatchObject([{ fault: kind, state: 'failed', reason, feeMsat: 0n }]);
    expect(await pay(buyer, text)).toMatchObject({ kind: 'settled' });
  });

  it('pays-expired: held until a second after the expiry, then paid', async () => {
    const { clock, sandbox, shop, buyer } = open();
    const created = await invoice(shop, 50, 60);
    await sandbox.setFault({ node: 'buyer', kind: 'pays-expired', payments: 1 });
    const outcome = pay(buyer, created.invoice);
    clock.advance(60_000);
    expect(await outcome).toMatchObject({ kind: 'unknown' });
    expect(await shop.lookupInvoice(created.paymentHash)).toEqual({ kind: 'expired' });
    clock.advance(1000);
    expect(await shop.lookupInvoice(created.paymentHash)).toMatchObject({ kind: 'paid', settledAt: created.expiresAt + 1 });
    expect(await buyer.trackPayment(created.paymentHash)).toMatchObject({ kind: 'settled' });
  });

  it('settles-late: a second after the time-out, though the invoice has expired by then', async () => {
    const { clock, sandbox, shop, buyer } = open();
    const created = await invoice(shop, 50, 3);
    await sandbox.setFault({ node: 'buyer', kind: 'settles-late', payments: 1 });
    const outcome = pay(buyer, created.invoice);
    clock.advance(5999);
    expect(await outcome).toMatchObject({ kind: 'unknown' });
    expect(await buyer.trackPayment(created.paymentHash)).toEqual({ kind: 'pending' });
    clock.advance(1);
    expect(await buyer.trackPayment(created.paymentHash)).toMatchObject({ kind: 'settled' });
  });

  it('hangs: released after the expiry it fails, and clearing the fault releases nothing', async () => {
    const { clock, sandbox, shop, buyer } = open();
    const created = await invoice(shop, 50, 60);
    await sandbox.setFault({ node: 'buyer', kind: 'hangs' });
    const outcome = pay(buyer, created.invoice);
    await sandbox.clearFaults('buyer');
    clock.advance(60_000);
    expect(await outcome).toMatchObject({ kind: 'unknown' });
    expect(await buyer.trackPayment(created.paymentHash)).toEqual({ kind: 'pending' });
    expect(await sandbox.releasePayment(created.paymentHash, 'settled')).toBe(1);
    expect(await buyer.trackPayment(created.paymentHash)).toMatchObject({ kind: 'failed', reason: 'expired' });
    expect(await sandbox.releasePayment(created.paymentHash, 'settled')).toBe(0);
  });

  it('node-down: the payer’s payment is unknown and never began; the payee’s is no-route; refused calls are counted', async () => {
    const { sandbox, shop, buyer } = open();
    const created = await invoice(shop);
    await sandbox.setFault({ node: 'buyer', kind: 'node-down', payments: 2 });
    expect(await pay(buyer, created.invoice)).toMatchObject({ kind: 'unknown' });
    await expect(buyer.balance()).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
    expect(await buyer.trackPayment(created.paymentHash)).toEqual({ kind: 'absent' });
    await sandbox.setFault({ node: 'shop', kind: 'node-down' });
    expect(await pay(buyer, created.invoice)).toMatchObject({ kind: 'failed', reason: 'no-route' });
    await sandbox.clearFaults('shop');
    expect(await pay(buyer, created.invoice)).toMatchObject({ kind: 'settled' });
  });
});

describe('a watch', () => {
  it('tells its own node’s settlements alone, and begins at the call, not at the first question', async () => {
    const { sandbox, shop, buyer } = open();
    const other = sandbox.receiver('other');
    const calling = new AbortController();
    const watch = shop.watchSettlements({ signal: calling.signal })[Symbol.asyncIterator]();
    await pay(buyer, (await invoice(other)).invoice);
    const created = await invoice(shop);
    await pay(buyer, created.invoice);
    expect((await watch.next()).value).toMatchObject({ paymentHash: created.paymentHash, amountMsat: 50_000n, description: 'Translation API - 1 request' });
    calling.abort();
    expect(await watch.next()).toEqual({ done: true, value: undefined });
  });

  it('that waits is woken by a payment that settles later', async () => {
    const { clock, sandbox, shop, buyer } = open({ delayMs: 1000 });
    const watch = shop.watchSettlements({ after: '', signal: new AbortController().signal })[Symbol.asyncIterator]();
    const slow = await invoice(shop);
    const first = watch.next();
    void pay(buyer, slow.invoice);
    await Promise.resolve();
    clock.advance(1000);
    expect((await first).value).toMatchObject({ paymentHash: slow.paymentHash });
    await sandbox.setFault({ node: 'buyer', kind: 'hangs' });
    const held = await invoice(shop);
    void pay(buyer, held.invoice);
    const second = watch.next();
    await Promise.resolve();
    await sandbox.releasePayment(held.paymentHash, 'settled');
    expect((await second).value).toMatchObject({ paymentHash: held.paymentHash });
    await watch.return?.();
  });

  it('with the cursor of another network begins at the beginning', async () => {
    const { shop, buyer } = open();
    const created = await invoice(shop);
    await pay(buyer, created.invoice);
    for (const after of ['0011223344556677.900', 'nonsense', '']) {
      const watch = shop.watchSettlements({ after, signal: new AbortController().signal })[Symbol.asyncIterator]();
      expect((await watch.next()).value).toMatchObject({ paymentHash: created.paymentHash });
      await watch.return?.();
    }
  });

  it('of more than a page misses none', async () => {
    const { sandbox, shop, buyer } = open();
    const hashes: string[] = [];
    const first = await invoice(shop, 1);
    await pay(buyer, first.invoice);
    const calling = new AbortController();
    const start = (await shop.watchSettlements({ after: '', signal: calling.signal })[Symbol.asyncIterator]().next()).value?.cursor ?? '';
    for (let i = 0; i < 510; i++) {
      const created = await invoice(shop, 1);
      await pay(buyer, created.invoice);
      hashes.push(created.paymentHash);
    }
    const seen: string[] = [];
    for await (const { paymentHash } of shop.watchSettlements({ after: start, signal: calling.signal })) {
      seen.push(paymentHash);
      if (seen.length === hashes.length) calling.abort();
    }
    expect(seen).toEqual(hashes);
    expect((await sandbox.audit()).balanced).toBe(true);
  }, 20_000);
});

describe('closing', () => {
  it('ends what waits: payments unknown, watches broken, no timer left', async () => {
    const { clock, sandbox, shop, buyer } = open();
    await sandbox.setFault({ node: 'buyer', kind: 'hangs' });
    const outcome = pay(buyer, (await invoice(shop)).invoice);
    const watch = shop.watchSettlements({ after: '', signal: new AbortController().signal })[Symbol.asyncIterator]();
    const next = watch.next();
    next.catch(() => {});
    await Promise.resolve();
    await sandbox.close();
    expect(await outcome).toMatchObject({ kind: 'unknown' });
    await expect(next).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
    await expect(sandbox.audit()).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
    await expect(shop.info()).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
    await sandbox.close();
    expect(clock.timers()).toBe(0);
  });

  it('of one driver ends its own waits and leaves the network', async () => {
    const { sandbox, shop, buyer } = open();
    await sandbox.setFault({ node: 'buyer', kind: 'hangs', payments: 1 });
    const outcome = pay(buyer, (await invoice(shop)).invoice);
    const watch = shop.watchSettlements({ signal: new AbortController().signal })[Symbol.asyncIterator]();
    const next = watch.next();
    await buyer.close();
    await shop.close();
    expect(await outcome).toMatchObject({ kind: 'unknown' });
    expect(await next).toEqual({ done: true, value: undefined });
    expect(await pay(sandbox.payer('buyer'), (await invoice(sandbox.receiver('shop'))).invoice)).toMatchObject({ kind: 'settled' });
  });

  it('a wait longer than a timer can be is waited out', async () => {
    const clock = FixedClock.create();
    const longest: number[] = [];
    const after: Clock['after'] = (ms, then) => {
      longest.push(ms);
      return clock.after(ms, then);
    };
    const { sandbox, shop, buyer } = open({ clock: { nowMs: clock.nowMs, after } });
    await sandbox.setFault({ node: 'buyer', kind: 'pays-expired' });
    const days = 86_400;
    const created = await invoice(shop, 50, 60 * days);
    const outcome = pay(buyer, created.invoice, sat(10), 90 * days);
    clock.advance(30 * days * 1000);
    expect(await outcome).toMatchObject({ kind: 'unknown' });
    expect(await buyer.trackPayment(created.paymentHash)).toEqual({ kind: 'pending' });
    clock.advance(31 * days * 1000);
    const tracked = await buyer.trackPayment(created.paymentHash);
    expect(tracked.kind === 'settled' && Preimage.proves(tracked.preimage, created.paymentHash)).toBe(true);
    expect(Math.max(...longest)).toBeLessThan(2 ** 31);
  });
});

async function openBoth(sandbox: Sandbox): Promise<Sandbox> {
  await sandbox.openNode('buyer');
  await sandbox.openNode('shop');
  return sandbox;
}
