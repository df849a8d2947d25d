/**
 * The contract of Lightning drivers, on the real LNbits: the seller's over bob's node, the buyer's over alice's, so that every payment
 * crosses two channels. Cases that steer time or what a wallet does wrong are not for real ones; their names are checked.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Clock, nowAt, systemClock } from '../../../src/core/Clock.ts';
import { createLnbitsPayer, createLnbitsReceiver } from '../../../src/lightning/lnbits.ts';
import { createLndPayer } from '../../../src/lightning/lnd.ts';
import { type Drivers, isApplicable, type LightningSubject, lightningContract } from '../../../src/testing/lightningContract.ts';
import { buildNodes } from '../lnd/Binaries.ts';
import { type Nodes, startNodes } from '../lnd/Nodes.ts';
import { installLnbits, type Keys, type Lnbits, startLnbits } from './Lnbits.ts';

describe('lnbits', () => {
  let nodes: Nodes;
  let shop: Lnbits;
  let purse: Lnbits;
  let seller: Keys;
  let buyer: Keys;

  beforeAll(async () => {
    const say = (line: string) => void process.stderr.write(`${line}\n`);
    const environment = installLnbits(say);
    nodes = await startNodes(buildNodes(say));
    [shop, purse] = await Promise.all([startLnbits(environment, nodes.folder, nodes.bob), startLnbits(environment, nodes.folder, nodes.alice)]);
    [seller, buyer] = await Promise.all([shop.createWallet('shop'), purse.createWallet('purse')]);
    await fund();
  });

  afterAll(async () => {
    await Promise.all([shop?.kill(), purse?.kill()]);
    await nodes?.stop();
  });

  /** The buyer's wallet is empty until somebody pays into it. */
  async function fund(): Promise<void> {
    const wallet = createLnbitsReceiver({ url: purse.url, invoiceKey: buyer.invoiceKey, network: 'regtest' });
    const { url, certificatePath, adminMacaroonPath } = nodes.carol;
    const payer = createLndPayer({ url, certificatePath, macaroonPath: adminMacaroonPath, network: 'regtest' });
    const { invoice } = await wallet.createInvoice({ amountMsat: 200_000_000n as never, description: 'funds', expirySeconds: 600 });
    expect(await payer.pay({ invoice, maxFeeMsat: 10_000n as never, timeoutSeconds: 60 })).toMatchObject({ kind: 'settled' });
    await Promise.all([wallet.close(), payer.close()]);
  }

  const isDown = (of: () => Lnbits) => async (down: boolean) => {
    if (down) return of().kill();
    await of().start();
  };

  const drivers = (invoiceKey: string, adminKey: string, clock?: Clock): Drivers => ({
    receiver: createLnbitsReceiver({ url: shop.url, invoiceKey, network: 'regtest', clock }),
    payer: createLnbitsPayer({ url: purse.url, adminKey, network: 'regtest', clock }),
  });

  function createSubject(): LightningSubject {
    return {
      ...drivers(seller.invoiceKey, buyer.adminKey),
      hooks: {
        payerDown: isDown(() => purse),
        receiverDown: isDown(() => shop),
        payerSlow: async (isSlow) => purse.hold(isSlow),
        receiverSlow: async (isSlow) => shop.hold(isSlow),
        lettingNobodyIn: () => drivers('f'.repeat(32), 'f'.repeat(32)),
        skewed: (ms) => drivers(seller.invoiceKey, buyer.adminKey, { ...systemClock, nowMs: () => systemClock.nowMs() + ms }),
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
      for (const node of [nodes.alice, nodes.carol, nodes.bob]) await node.atRest();
    }
  });

  it('leaves out what cannot be steered, what it cannot do, and nothing else', () => {
    expect(steered.flatMap(({ needs }) => needs.filter((need) => !isApplicable({ name: '', needs: [need], run: async () => {} }, shape))).sort()).toEqual(
      steered.flatMap(({ needs }) => needs.filter((need) => leftOut.has(need))).sort(),
    );
  });

  it('spends nothing with the key that sells', async () => {
    const subject = createSubject();
    const { invoice } = await subject.receiver.createInvoice({ amountMsat: 50_000n as never, description: 'x', expirySeconds: 600 });
    const thief = createLnbitsPayer({ url: purse.url, adminKey: buyer.invoiceKey, network: 'regtest' });
    const pay = { invoice, maxFeeMsat: 10_000n as never, timeoutSeconds: 30 };
    expect(await thief.pay(pay)).toMatchObject({ kind: 'failed', reason: 'rejected' });
    expect(await subject.payer.pay(pay)).toMatchObject({ kind: 'settled' });
    await Promise.all([subject.receiver, subject.payer, thief].map((driver) => driver.close()));
  });

  it('sells within one LNbits, where nothing crosses a channel', async () => {
    const other = await shop.createWallet('neighbour');
    const subject = createSubject();
    const neighbour = createLnbitsPayer({ url: shop.url, adminKey: other.adminKey, network: 'regtest' });
    const funding = createLnbitsReceiver({ url: shop.url, invoiceKey: other.invoiceKey, network: 'regtest' });
    const funds = await funding.createInvoice({ amountMsat: 1_000_000n as never, description: 'funds', expirySeconds: 600 });
    expect(await subject.payer.pay({ invoice: funds.invoice, maxFeeMsat: 10_000n as never, timeoutSeconds: 30 })).toMatchObject({ kind: 'settled' });
    const { invoice, paymentHash } = await subject.receiver.createInvoice({ amountMsat: 50_000n as never, description: 'x', expirySeconds: 600 });
    const settled = await neighbour.pay({ invoice, maxFeeMsat: 10_000n as never, timeoutSeconds: 30 });
    expect(settled).toMatchObject({ kind: 'settled', amountMsat: 50_000n, feeMsat: 0n });
    expect(await neighbour.trackPayment(paymentHash)).toEqual(settled);
    expect(await subject.receiver.lookupInvoice(paymentHash)).toMatchObject({ kind: 'paid', amountMsat: 50_000n });
    const told: string[] = [];
    for await (const one of subject.receiver.watchSettlements({ after: `${nowAt(systemClock) - 60}.`, signal: new AbortController().signal })) {
      told.push(one.paymentHash);
      if (one.paymentHash === paymentHash) break;
    }
    expect(new Set(told).size).toBe(told.length);
    await Promise.all([subject.receiver, subject.payer, neighbour, funding].map((driver) => driver.close()));
  });
});

/** What cannot be steered in a real wallet, and what LNbits cannot do. */
const leftOut: ReadonlySet<string> = new Set([
  'advance',
  'failNext',
  'hangNext',
  'release',
  'settleLateNext',
  'losePreimageNext',
  'overchargeNext',
  'payExpiredNext',
  'msat',
  'cancelInvoice',
]);

/** What a subject here can do; the drivers are never called. */
const nothing = async () => {};
const unsent = { url: 'http://127.0.0.1:1', network: 'regtest' } as const;
const shape: LightningSubject = {
  receiver: createLnbitsReceiver({ ...unsent, invoiceKey: 'f'.repeat(32) }),
  payer: createLnbitsPayer({ ...unsent, adminKey: 'f'.repeat(32) }),
  hooks: { payerDown: nothing, receiverDown: nothing, payerSlow: nothing, receiverSlow: nothing, lettingNobodyIn: () => shape, skewed: () => shape },
};
