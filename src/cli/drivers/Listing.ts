/**
 * Every driver with what it can do, as the drivers themselves say it.
 */
import type { PayerCapabilities, ReceiverCapabilities } from '../../lightning/Lightning.ts';
import { createLnurlReceiver } from '../../lightning/lnurl.ts';
import { connectSandbox } from '../../lightning/sandbox.ts';
import { createWeblnPayer } from '../../lightning/webln.ts';
import { products } from '../Products.ts';

/** A driver. */
export type Listed = {
  readonly driver: string;
  /** What it can do as one that is paid; undefined: it sells nothing. */
  readonly sells: ReceiverCapabilities | undefined;
  /** As one that pays. */
  readonly buys: PayerCapabilities | undefined;
  readonly triedAgainst: 'itself' | 'its documentation' | 'a service of ours';
};

/** Nobody is there, and nobody is asked. */
const url = 'http://127.0.0.1:1';

/** All of them. */
export function listDrivers(): readonly Listed[] {
  const sandbox = connectSandbox({ url, token: 'none' });
  const behindApis = Object.entries(products).map(([driver, product]): Listed => {
    const secret = { kind: 'text', text: product.foreignSecret } as const;
    const choice = { kind: driver as keyof typeof products, network: 'regtest', url, certificatePath: undefined, secret } as const;
    const [sells, buys] = [product.createReceiver(choice).capabilities, product.createPayer(choice).capabilities];
    return { driver, sells, buys, triedAgainst: product.triedAgainst };
  });
  return [
    { driver: 'sandbox', sells: sandbox.receiver('seller').capabilities, buys: sandbox.payer('wallet').capabilities, triedAgainst: 'itself' },
    ...behindApis,
    { driver: 'lnurl', sells: createLnurlReceiver({ to: 'you@wallet.com' }).capabilities, buys: undefined, triedAgainst: 'a service of ours' },
    { driver: 'webln', sells: undefined, buys: createWeblnPayer().capabilities, triedAgainst: 'its documentation' },
  ];
}
