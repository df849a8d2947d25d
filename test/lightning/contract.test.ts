/**
 * The contract of Lightning drivers, for each product: on its API as a double answers it, over a sandbox network whose time and troubles the
 * cases steer. Real ones are asked by `test/e2e`.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { Payer, Receiver } from '../../src/lightning/Lightning.ts';
import { createLndPayer, createLndReceiver } from '../../src/lightning/lnd.ts';
import { isApplicable, type LightningSubject, lightningContract } from '../../src/testing/lightningContract.ts';
import { type Asked, openDouble, type Told } from './Double.ts';
import { lnd, macaroons } from './lnd.ts';
import { createNodes, type Node, type Nodes } from './Node.ts';

/** A product: what its API answers, and the drivers that ask it. */
type Product = {
  readonly answers: (node: Node) => (asked: Asked) => Promise<Told>;
  readonly receiver: (url: string, nodes: Nodes) => Receiver;
  readonly payer: (url: string, nodes: Nodes) => Payer;
};

const products: Readonly<Record<string, Product>> = {
  lnd: {
    answers: lnd,
    receiver: (url, { clock }) => createLndReceiver({ url, clock, macaroon: macaroons.sell, network: 'regtest' }),
    payer: (url, { clock }) => createLndPayer({ url, clock, macaroon: macaroons.pay, network: 'regtest' }),
  },
};

describe.each(Object.entries(products))('%s', (_, product) => {
  const closing: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function createSubject(): Promise<LightningSubject> {
    const nodes = createNodes();
    const [selling, buying] = await Promise.all([openDouble(product.answers(nodes.seller)), openDouble(product.answers(nodes.buyer))]);
    const [receiver, payer] = [product.receiver(selling.url, nodes), product.payer(buying.url, nodes)];
    closing.push(nodes.close, selling.close, buying.close, receiver.close, payer.close);
    return { receiver, payer, hooks: { ...nodes.hooks, payerDown: buying.setDown, receiverDown: selling.setDown } };
  }

  it.each(lightningContract)('$name', async (one) => {
    const subject = await createSubject();
    // What a driver has no means for is in its capabilities, and `docs/compatibility.md` says so.
    if (!isApplicable(one, subject)) expect(capabilitiesOf(subject)).toContain(false);
    else await one.run(subject);
  });
});

function capabilitiesOf({ receiver, payer }: LightningSubject): readonly boolean[] {
  return [...Object.values(receiver.capabilities), ...Object.values(payer.capabilities)];
}
