/**
 * The wallet that a gateway is paid into, as its configuration names it.
 */
import type { GatewayConfig } from '../gateway/index.ts';
import type { Receiver } from '../lightning/Lightning.ts';
import { createLnurlReceiver } from '../lightning/lnurl.ts';
import { withReadyInvoices } from '../lightning/ready.ts';
import type { Home } from './Home.ts';
import { createDriver, products } from './Products.ts';
import { openSandbox } from './SandboxLink.ts';

/** A receiver, open. */
export type OpenReceiver = { readonly receiver: Receiver; readonly close: () => Promise<void> };

/**
 * Opens it. A wallet that is away is no reason not to start: only the sandbox is on this machine, and is started with it.
 * @throws SANDBOX_UNAVAILABLE – the sandbox cannot be had; CONFIG_INVALID – what lets one in cannot be used
 */
export async function openReceiver(home: Home, { lightning, readyInvoices: ready }: Pick<GatewayConfig, 'lightning' | 'readyInvoices'>): Promise<OpenReceiver> {
  if (lightning.kind === 'sandbox') {
    const link = await openSandbox(home);
    return { receiver: link.sandbox.receiver('seller'), close: link.close };
  }
  const create = () => (lightning.kind === 'lnurl' ? createLnurlReceiver(lightning) : products[lightning.kind].createReceiver(lightning));
  const wallet = createDriver(create, `lightning.${lightning.kind}`);
  const receiver = ready === 0 ? wallet : withReadyInvoices(wallet, { keep: ready });
  return { receiver, close: receiver.close };
}
