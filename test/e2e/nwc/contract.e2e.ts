/**
 * The contract of Lightning drivers, over real relays: the seller's wallet on one, the buyer's on another. The wallets are the suite's own, so
 * that time and what they do wrong can be steered, and every case runs.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Clock, systemRandom } from '../../../src/core/Clock.ts';
import { toHex } from '../../../src/core/internal/bytes.ts';
import { createNwcPayer, createNwcReceiver } from '../../../src/lightning/nwc.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';
import { type Drivers, isApplicable, type LightningSubject, lightningContract } from '../../../src/testing/lightningContract.ts';
import { createNodes, type Node } from '../../lightning/Node.ts';
import { createService, type Service, type ServiceOptions } from '../../lightning/nwc/WalletService.ts';
import { grantsOf, uriOf } from '../../lightning/nwc.ts';
import { installRelay, type NostrRelay, startRelay } from './NostrRelay.ts';

describe('nwc', () => {
  const closing: (() => Promise<void>)[] = [];
  let shop: NostrRelay;
  let purse: NostrRelay;

  beforeAll(async () => {
    const environment = installRelay((line) => void process.stderr.write(`${line}\n`));
    [shop, purse] = await Promise.all([startRelay(environment), startRelay(environment)]);
  });

  afterAll(async () => {
    await Promise.all([shop?.remove(), purse?.remove()]);
  });

  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  /** Keys that no relay has ever seen. */
  const freshKeys = () => ({ wallet: toHex(systemRandom(32)), sell: toHex(systemRandom(32)), pay: toHex(systemRandom(32)), stranger: toHex(systemRandom(32)) });

  async function openWallet(
    node: Node,
    secret: string,
    grants: ServiceOptions['grants'],
    relays: readonly NostrRelay[],
    options: Partial<ServiceOptions> = {},
  ) {
    const service = createService({ node, secret, grants, relays: relays.map(({ url }) => url), ...options });
    await service.connect();
    closing.push(service.close);
    return service;
  }

  async function createSubject(): Promise<LightningSubject> {
    // The relay's own time is the machine's, and it refuses what is from another day.
    const nodes = createNodes(FixedClock.create(Math.floor(Date.now() / 1000)));
    const [seller, buyer] = [freshKeys(), freshKeys()];
    const selling = await openWallet(nodes.seller, seller.wallet, grantsOf(seller), [shop]);
    const buying = await openWallet(nodes.buyer, buyer.wallet, grantsOf(buyer), [purse]);
    const drivers = (sell: string, pay: string, clock: Clock): Drivers => ({
      receiver: createNwcReceiver({ uri: uriOf([shop.url], sell, seller.wallet), clock, network: 'regtest' }),
      payer: createNwcPayer({ uri: uriOf([purse.url], pay, buyer.wallet), clock, network: 'regtest' }),
    });
    const down = (relay: NostrRelay, service: Service) => async (isDown: boolean) => {
      if (isDown) return relay.kill();
      await relay.start();
      await service.connect();
    };
    const { receiver, payer } = drivers(seller.sell, buyer.pay, nodes.clock);
    closing.push(nodes.close, receiver.close, payer.close);
    return {
      receiver,
      payer,
      hooks: {
        ...nodes.hooks,
        payerDown: down(purse, buying),
        receiverDown: down(shop, selling),
        payerSlow: buying.setSlow,
        receiverSlow: selling.setSlow,
        lettingNobodyIn: () => drivers(seller.stranger, buyer.stranger, nodes.clock),
        skewed: (ms) => drivers(seller.sell, buyer.pay, { ...nodes.clock, nowMs: () => nodes.clock.nowMs() + ms }),
      },
    };
  }

  it.each(lightningContract)('$name', async (one) => {
    const subject = await createSubject();
    // A fee limit is all that it has no means for.
    if (isApplicable(one, subject)) await one.run(subject);
    else expect(one.needs).toContain('feeLimit');
  });

  it.each<[string, Partial<ServiceOptions>]>([
    ['NIP-44', {}],
    ['NIP-04 alone', { schemes: ['nip04'] }],
  ])('sells and buys over two relays with a wallet that speaks %s, and goes on over one', async (_, options) => {
    const nodes = createNodes(FixedClock.create(Math.floor(Date.now() / 1000)));
    closing.push(nodes.close);
    const [seller, buyer] = [freshKeys(), freshKeys()];
    const both = [shop, purse];
    await openWallet(nodes.seller, seller.wallet, grantsOf(seller), both, options);
    await openWallet(nodes.buyer, buyer.wallet, grantsOf(buyer), both, options);
    const urls = both.map(({ url }) => url);
    const receiver = createNwcReceiver({ uri: uriOf(urls, seller.sell, seller.wallet), clock: nodes.clock, network: 'regtest' });
    const payer = createNwcPayer({ uri: uriOf(urls, buyer.pay, buyer.wallet), clock: nodes.clock, network: 'regtest' });
    closing.push(receiver.close, payer.close);
    const sell = async () => {
      const { invoice, paymentHash } = await receiver.createInvoice({ amountMsat: 50_000n as never, description: 'x', expirySeconds: 600 });
      const settled = await payer.pay({ invoice, maxFeeMsat: 10_000n as never, timeoutSeconds: 60 });
      expect(settled).toMatchObject({ kind: 'settled', amountMsat: 50_000n });
      expect(await payer.trackPayment(paymentHash)).toEqual(settled);
      expect(await receiver.lookupInvoice(paymentHash)).toMatchObject({ kind: 'paid', amountMsat: 50_000n });
    };
    await sell();
    await purse.kill();
    await sell();
    await purse.start();
  });
});
