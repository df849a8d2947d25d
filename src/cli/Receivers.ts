/**
 * The wallet that a gateway is paid into, as its configuration names it.
 */
import { FareboxError } from '../core/Errors.ts';
import type { GatewayConfig, LightningChoice, SecretChoice } from '../gateway/index.ts';
import type { Receiver } from '../lightning/Lightning.ts';
import { createLndReceiver } from '../lightning/lnd.ts';
import type { Home } from './Home.ts';
import { openSandbox } from './SandboxLink.ts';

/** A receiver, open. */
export type OpenReceiver = { readonly receiver: Receiver; readonly close: () => Promise<void> };

/**
 * Opens it. A wallet that is away is no reason not to start: only the sandbox is on this machine, and is started with it.
 * @throws SANDBOX_UNAVAILABLE – the sandbox cannot be had; CONFIG_INVALID – what lets one in cannot be used
 */
export async function openReceiver(home: Home, { lightning }: Pick<GatewayConfig, 'lightning'>): Promise<OpenReceiver> {
  if (lightning.kind === 'sandbox') {
    const link = await openSandbox(home);
    return { receiver: link.sandbox.receiver('seller'), close: link.close };
  }
  const receiver = createReceiver(lightning);
  return { receiver, close: receiver.close };
}

function createReceiver(choice: Exclude<LightningChoice, { readonly kind: 'sandbox' }>): Receiver {
  try {
    const { url, network, certificatePath, macaroon } = choice;
    return createLndReceiver({ url, network, certificatePath, ...macaroonOf(macaroon) });
  } catch (error) {
    if (error instanceof RangeError) throw new FareboxError('CONFIG_INVALID', `lightning.${choice.kind}: ${error.message}.`, { cause: error });
    throw error;
  }
}

function macaroonOf(secret: SecretChoice): { readonly macaroonPath: string } | { readonly macaroon: string } {
  return secret.kind === 'file' ? { macaroonPath: secret.path } : { macaroon: secret.text };
}
