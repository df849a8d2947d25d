/**
 * The contract of Lightning drivers, on real lnd nodes. The seller's macaroon may make and look up invoices and no more, the buyer's may pay.
 * Cases that steer time or what a wallet does wrong are not for real nodes; their names are printed.
 */
import assert from 'node:assert/strict';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../src/core/Clock.ts';
import type { Payer, Receiver } from '../../../src/lightning/Lightning.ts';
import { createLndPayer, createLndReceiver } from '../../../src/lightning/lnd.ts';
import { type Drivers, isApplicable, type LightningSubject, lightningContract } from '../../../src/testing/lightningContract.ts';
import { buildNodes } from './Binaries.ts';
import { type Node, type Nodes, startNodes } from './Nodes.ts';

describe('lnd', () => {
  let nodes: Nodes;
  let selling: string;
  let paying: string;

  beforeAll(async () => {
    nodes = await startNodes(buildNodes((line) => process.stderr.write(`${line}\n`)));
    selling = await nodes.bob.bake('info:read', 'invoices:read', 'invoices:write');
    paying = await nodes.alice.bake('info:read', 'offchain:read', 'offchain:write');
  });

  afterAll(() => nodes?.stop());

  const isDown = (node: () => Node) => async (down: boolean) => {
    if (down) return node().kill();
    await node().start();
    await settled(nodes);
  };

  const drivers = (sell: string, pay: string, clock?: Clock): Drivers => ({
    receiver: createReceiver(nodes.bob, sell, clock),
    payer: createPayer(nodes.alice, pay, clock),
  });

  function createSubject(): LightningSubject {
    return {
      ...drivers(selling, paying),
      hooks: {
        payerDown: isDown(() => nodes.alice),
        receiverDown: isDown(() => nodes.bob),
        payerSlow: async (isSlow) => nodes.alice.hold(isSlow),
        receiverSlow: async (isSlow) => nodes.bob.hold(isSlow),
        cancelInvoice: async (paymentHash) => {
          await nodes.bob.call('/v2/invoices/cancel', { payment_hash: Buffer.from(paymentHash, 'hex').toString('base64') });
        },
        lettingNobodyIn: () => drivers(paying, selling),
        skewed: (ms) => drivers(selling, paying, { ...systemClock, nowMs: () => systemClock.nowMs() + ms }),
      },
    };
  }

  const steered = lightningContract.filter((one) => !isApplicable(one, shape));

  it.each(lightningContract.filter((one) => !steered.includes(one)))('$name', async (one) => {
    const subject = createSubject();
    try {
      await one.run(subject);
    } finally {
      await subject.receiver.close();
      await subject.payer.close();
      await settled(nodes);
    }
  });

  it('leaves out what cannot be steered, and nothing else', () => {
    expect(steered.map(({ name }) => name)).toEqual(leftOut);
  });

  it('says that a macaroon may not, and never that an invoice is unpaid or a payment unknown', async () => {
    const { receiver, payer } = createSubject();
    const created = await receiver.createInvoice({ amountMsat: 50_000n as never, description: 'x', expirySeconds: 600 });
    const [blind, poor] = [await nodes.bob.bake('onchain:read'), await nodes.alice.bake('onchain:read')];
    const [noReceiver, noPayer] = [createReceiver(nodes.bob, blind), createPayer(nodes.alice, poor)];
    const { paymentHash } = created;
    for (const ask of [
      () => noReceiver.info(),
      () => noReceiver.lookupInvoice(paymentHash),
      () => noPayer.trackPayment(paymentHash),
      () => noPayer.balance(),
    ]) {
      await expect(ask()).rejects.toMatchObject({ code: 'LIGHTNING_UNAUTHORIZED' });
    }
    const outcome = await noPayer.pay({ invoice: created.invoice, maxFeeMsat: 10_000n as never, timeoutSeconds: 30 });
    assert.equal(outcome.kind, 'failed');
    // The seller's macaroon can make invoices and spend nothing.
    const thief = await createPayer(nodes.bob, selling).pay({ invoice: created.invoice, maxFeeMsat: 10_000n as never, timeoutSeconds: 30 });
    assert.equal(thief.kind, 'failed');
    assert.equal((await payer.pay({ invoice: created.invoice, maxFeeMsat: 10_000n as never, timeoutSeconds: 30 })).kind, 'settled');
    await Promise.all([receiver, payer, noReceiver, noPayer].map((driver) => driver.close()));
  });

  it('believes no other certificate than the pinned one', async () => {
    const stranger = createLndReceiver({ url: nodes.bob.url, certificatePath: nodes.alice.certificatePath, macaroon: selling, network: 'regtest' });
    await expect(stranger.info()).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE', details: { sent: false } });
    await stranger.close();
  });
});

/** Cases that steer a clock, or what goes wrong inside of a wallet. */
const leftOut = [
  'an invoice expires',
  'a payment that failed may be tried again',
  'a payment that hangs is unknown at its time-out, then pending, then settled',
  'a payment that hangs and then fails gives everything back',
  'a payment that ends in time is told as it ended',
  'a payment under way is never begun again',
  'a payment that is called off after it was sent is unknown',
  'a payment may settle after its payer gave up',
  'settled without a preimage is unknown, never settled',
  'a fee above the limit is told as it was',
  'an invoice that was paid after it expired is paid',
];

/** What a subject here can do; the drivers are never called. */
const unsent = { url: 'https://127.0.0.1:1', macaroon: '00', network: 'regtest' } as const;
const nothing = async () => {};
const shape: LightningSubject = {
  receiver: createLndReceiver(unsent),
  payer: createLndPayer(unsent),
  hooks: {
    payerDown: nothing,
    receiverDown: nothing,
    payerSlow: nothing,
    receiverSlow: nothing,
    cancelInvoice: nothing,
    lettingNobodyIn: () => shape,
    skewed: () => shape,
  },
};

function createReceiver({ url, certificatePath }: Node, macaroon: string, clock?: Clock): Receiver {
  return createLndReceiver({ url, certificatePath, macaroon, network: 'regtest', clock });
}

function createPayer({ url, certificatePath }: Node, macaroon: string, clock?: Clock): Payer {
  return createLndPayer({ url, certificatePath, macaroon, network: 'regtest', clock });
}

/** Waits until nothing is under way in any channel, so that the next case begins with balances that stand. */
async function settled({ alice, carol, bob }: Nodes): Promise<void> {
  for (const node of [alice, carol, bob]) await node.atRest();
}
