/**
 * The contract of Lightning drivers, for each product: on its API as a double answers it, over a sandbox network whose time and troubles the
 * cases steer. Real ones are asked by `test/e2e`.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/core/Clock.ts';
import { type Drivers, isApplicable, type LightningHooks, type LightningSubject, lightningContract } from '../../src/testing/lightningContract.ts';
import { createNodes } from './Node.ts';
import { products } from './products.ts';

describe.each(Object.entries(products))('%s', (_, product) => {
  const closing: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function createSubject(): Promise<LightningSubject> {
    const nodes = createNodes();
    const [selling, buying] = await Promise.all([product.open(nodes.seller), (product.openPayer ?? product.open)(nodes.buyer)]);
    const drivers = (key: string | undefined, clock: Clock): Drivers => ({
      receiver: product.receiver({ url: selling.url, clock, network: 'regtest' }, key),
      payer: product.payer({ url: buying.url, clock, network: 'regtest' }, key),
    });
    const { receiver, payer } = drivers(undefined, nodes.clock);
    closing.push(nodes.close, selling.close, buying.close, receiver.close, payer.close);
    const { cancelInvoice, ...steering } = nodes.hooks;
    const hooks: Partial<LightningHooks> = {
      ...steering,
      ...(product.canCancel ? { cancelInvoice } : {}),
      payerDown: buying.setDown,
      receiverDown: selling.setDown,
      payerSlow: buying.setSlow,
      receiverSlow: selling.setSlow,
      ...(product.wrongKey === undefined ? {} : { lettingNobodyIn: () => drivers(product.wrongKey, nodes.clock) }),
      skewed: (ms) => drivers(undefined, { ...nodes.clock, nowMs: () => nodes.clock.nowMs() + ms }),
    };
    return { receiver, payer, hooks };
  }

  it.each(lightningContract)('$name', async (one) => {
    const subject = await createSubject();
    // What a driver has no means for is in its capabilities, and `docs/compatibility.md` says so.
    if (!isApplicable(one, subject)) expect([...capabilitiesOf(subject), product.canCancel, product.wrongKey !== undefined]).toContain(false);
    else await one.run(subject);
  });
});

function capabilitiesOf({ receiver, payer }: LightningSubject): readonly boolean[] {
  return [...Object.values(receiver.capabilities), ...Object.values(payer.capabilities)];
}
