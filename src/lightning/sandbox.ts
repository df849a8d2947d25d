/**
 * A Lightning network on this machine, to sell and buy on without a node: signed invoices on regtest, real preimages, channels that
 * run dry, fees, delays, and everything that goes wrong with wallets on demand. No real money, ever.
 *
 * In one process: {@link createSandboxNetwork}. In several: {@link startSandbox} in one, {@link createSandboxReceiver},
 * {@link createSandboxPayer} and {@link connectSandbox} in the others.
 *
 * @example
 * const sandbox = await startSandbox({ path: '.farebox/sandbox.db' });
 * const receiver = createSandboxReceiver({ ...sandbox, node: 'shop' });
 * const payer = createSandboxPayer({ ...sandbox, node: 'buyer', openingMsat: Amount.parse('1000000 sat') });
 */
import type { Clock } from '../core/Clock.ts';
import type { Payer, Receiver } from './Lightning.ts';
import { createConnection, type SandboxAddress } from './sandbox/Connection.ts';
import { createSandbox } from './sandbox/Drivers.ts';
import { createNetwork, type NetworkOptions } from './sandbox/Network.ts';
import type { Sandbox, SandboxAudit, SandboxOpening } from './sandbox/Sandbox.ts';

export type { SandboxAddress } from './sandbox/Connection.ts';
export type { NetworkOptions as SandboxOptions } from './sandbox/Network.ts';
export { defaultFees as sandboxFees, type FeePolicy as SandboxFees } from './sandbox/Route.ts';
export {
  type Sandbox,
  type SandboxAudit,
  type SandboxFault,
  type SandboxFaultKind,
  type SandboxNode,
  type SandboxOpening,
  type SandboxPayment,
  sandboxFaultKinds,
} from './sandbox/Sandbox.ts';
export { type RunningSandbox, type SandboxServerOptions, startSandbox } from './sandbox/Server.ts';

/** A node of a sandbox in another process. */
export type SandboxNodeAddress = SandboxAddress &
  SandboxOpening & {
    /** 1 to 32 lower-case letters, digits and hyphens; opened by the first call where it is not there. */
    readonly node: string;
  };

/**
 * A sandbox in this process, without HTTP.
 *
 * @throws SANDBOX_UNAVAILABLE – the file cannot be had
 * @example const network = createSandboxNetwork(); const receiver = network.receiver('shop'); const payer = network.payer('buyer');
 */
export function createSandboxNetwork(options: NetworkOptions = {}): Sandbox {
  return createSandbox(createNetwork(options), options.clock);
}

/**
 * A sandbox in another process, with all that can be done to it. Nothing is sent before the first call.
 *
 * @throws RangeError – a url that is not `http:` on loopback
 */
export function connectSandbox(options: SandboxAddress & { readonly clock?: Clock }): Sandbox {
  return createSandbox(createConnection(options), options.clock);
}

/**
 * A node of a sandbox in another process as one that is paid. Its `close` closes the connection.
 *
 * @throws RangeError – a url that is not `http:` on loopback, a name that no node can have
 */
export function createSandboxReceiver(options: SandboxNodeAddress): Receiver {
  const sandbox = connectSandbox(options);
  return closing(sandbox, sandbox.receiver(options.node, options));
}

/**
 * A node of a sandbox in another process as one that pays. Its `close` closes the connection.
 *
 * @param options - `clock` measures how long a payment is waited for
 * @throws RangeError – a url that is not `http:` on loopback, a name that no node can have
 */
export function createSandboxPayer(options: SandboxNodeAddress & { readonly clock?: Clock }): Payer {
  const sandbox = connectSandbox(options);
  return closing(sandbox, sandbox.payer(options.node, options));
}

/**
 * The books of a sandbox in another process: what was funded, what every node has, every payment.
 *
 * @throws LIGHTNING_UNAVAILABLE – could not be found out
 */
export async function auditSandbox(address: SandboxAddress): Promise<SandboxAudit> {
  const sandbox = connectSandbox(address);
  try {
    return await sandbox.audit();
  } finally {
    await sandbox.close();
  }
}

function closing<T extends { readonly close: () => Promise<void> }>(sandbox: Sandbox, driver: T): T {
  return {
    ...driver,
    close: async () => {
      await driver.close();
      await sandbox.close();
    },
  };
}
