/**
 * The contract of Lightning drivers, for each product: on its API as a double answers it, over a sandbox network whose time and troubles the
 * cases steer. Real ones are asked by `test/e2e`.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/core/Clock.ts';
import { createClnPayer, createClnReceiver } from '../../src/lightning/cln.ts';
import type { Payer, Receiver } from '../../src/lightning/Lightning.ts';
import { createLnbitsPayer, createLnbitsReceiver } from '../../src/lightning/lnbits.ts';
import { createLndPayer, createLndReceiver } from '../../src/lightning/lnd.ts';
import { createLnurlReceiver } from '../../src/lightning/lnurl.ts';
import { createPhoenixdPayer, createPhoenixdReceiver } from '../../src/lightning/phoenixd.ts';
import { type Drivers, isApplicable, type LightningHooks, type LightningSubject, lightningContract } from '../../src/testing/lightningContract.ts';
import { cln, runes } from './cln.ts';
import { type Asked, openDouble, type Told } from './Double.ts';
import { keys, lnbits } from './lnbits.ts';
import { lnd, macaroons } from './lnd.ts';
import { lnurl } from './lnurl.ts';
import { createNodes, type Node } from './Node.ts';
import { passwords, phoenixd } from './phoenixd.ts';

/** A product: what its API answers, and the drivers that ask it; `key` instead of the right one where a case wants another. */
type Product = {
  readonly answers: (node: Node) => (asked: Asked) => Promise<Told>;
  /** Where the one who pays has another product: a product may only be paid. */
  readonly payerAnswers?: (node: Node) => (asked: Asked) => Promise<Told>;
  readonly receiver: (at: Place, key?: string) => Receiver;
  readonly payer: (at: Place, key?: string) => Payer;
  /** One that lets nobody in; undefined where everybody may ask. */
  readonly wrongKey: string | undefined;
  /** Whether the owner of the wallet can cancel an invoice. */
  readonly canCancel: boolean;
};

/** Where an API is, and what time it is. */
type Place = { readonly url: string; readonly clock: Clock; readonly network: 'regtest' };

const products: Readonly<Record<string, Product>> = {
  lnd: {
    answers: lnd,
    receiver: (at, macaroon = macaroons.sell) => createLndReceiver({ ...at, macaroon }),
    payer: (at, macaroon = macaroons.pay) => createLndPayer({ ...at, macaroon }),
    wrongKey: 'bad0',
    canCancel: true,
  },
  lnbits: {
    answers: lnbits,
    receiver: (at, invoiceKey = keys.invoice) => createLnbitsReceiver({ ...at, invoiceKey }),
    payer: (at, adminKey = keys.admin) => createLnbitsPayer({ ...at, adminKey }),
    wrongKey: 'f'.repeat(32),
    canCancel: true,
  },
  cln: {
    answers: cln,
    receiver: (at, rune = runes.sell) => createClnReceiver({ ...at, rune }),
    payer: (at, rune = runes.pay) => createClnPayer({ ...at, rune }),
    wrongKey: 'Z3Vlc3Nl'.repeat(8),
    canCancel: false,
  },
  lnurl: {
    answers: lnurl,
    payerAnswers: lnd,
    receiver: ({ url, ...at }) => createLnurlReceiver({ ...at, to: `seller@${new URL(url).host}`, verify: true }),
    payer: (at) => createLndPayer({ ...at, macaroon: macaroons.pay }),
    wrongKey: undefined,
    canCancel: false,
  },
  phoenixd: {
    answers: phoenixd,
    receiver: (at, password = passwords.limited) => createPhoenixdReceiver({ ...at, password }),
    payer: (at, password = passwords.primary) => createPhoenixdPayer({ ...at, password }),
    wrongKey: 'guessed',
    canCancel: false,
  },
};

describe.each(Object.entries(products))('%s', (_, product) => {
  const closing: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function createSubject(): Promise<LightningSubject> {
    const nodes = createNodes();
    const [selling, buying] = await Promise.all([
      openDouble(product.answers(nodes.seller)),
      openDouble((product.payerAnswers ?? product.answers)(nodes.buyer)),
    ]);
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
