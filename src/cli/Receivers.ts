/**
 * The wallets that a gateway is paid into, as its configuration names them.
 */
import type { PayeesConfig, WalletConfig, Wallets } from '../gateway/index.ts';
import { withFailover } from '../lightning/failover.ts';
import type { Receiver } from '../lightning/Lightning.ts';
import { createLnurlReceiver } from '../lightning/lnurl.ts';
import { defaultReady, type ReadyOptions, withReadyInvoices } from '../lightning/ready.ts';
import type { Home } from './Home.ts';
import { createDriver, products } from './Products.ts';
import { openSandbox, type SandboxLink } from './SandboxLink.ts';

/** One wallet, open, as its product's driver has it. */
export type OpenWallet = {
  /** Where the configuration names it, such as `lightning` or `payees.alice[1]`. */
  readonly place: string;
  /** Which it is, the same after every start, such as `lnd at https://127.0.0.1:8080, bitcoin`. */
  readonly identity: string;
  readonly config: WalletConfig;
  readonly receiver: Receiver;
};

/** Everybody who is paid, open. */
export type OpenReceivers = {
  /** Who `lightning` names. */
  readonly receiver: Receiver;
  /** The others, by name. */
  readonly payees: Readonly<Record<string, Receiver>>;
  /** Each wallet of theirs by itself, in the order of the configuration. */
  readonly wallets: readonly OpenWallet[];
  readonly close: () => Promise<void>;
};

/**
 * Opens them, for one of so many processes that are paid into the same. A wallet that is away is no reason not to start: only the sandbox is on this machine, and is started with it.
 * @throws SANDBOX_UNAVAILABLE – the sandbox cannot be had; CONFIG_INVALID – what lets one in cannot be used
 */
export async function openReceivers(home: Home, { network, lightning, payees }: PayeesConfig, processes = 1): Promise<OpenReceivers> {
  const link = network === 'sandbox' ? await openSandbox(home) : undefined;
  const wallets: OpenWallet[] = [];
  const open = (owner: string, path: string, configs: Wallets): Receiver => {
    const each = configs.map((config, index) => {
      const place = configs.length === 1 ? path : `${path}[${index}]`;
      const receiver = driverOf(config, owner, place, link);
      wallets.push({ place, identity: identityOf(config, owner), config, receiver });
      return config.ready === 0 ? receiver : withReadyInvoices(receiver, readyOf(config.ready, processes));
    });
    const [only] = each;
    return each.length === 1 && only !== undefined ? only : withFailover(each);
  };
  try {
    const receiver = open('seller', 'lightning', lightning);
    const others = Object.entries(payees).map(([name, configs]): [string, Receiver] => [name, open(name, `payees.${name}`, configs)]);
    const close = async () => {
      await Promise.all([receiver, ...others.map(([, other]) => other)].map((one) => one.close()));
      await link?.close();
    };
    return { receiver, payees: Object.fromEntries(others), wallets, close };
  } catch (error) {
    await Promise.all(wallets.map((wallet) => wallet.receiver.close()));
    await link?.close();
    throw error;
  }
}

/** What a node is asked for is bounded for all processes together: each has its part. */
function readyOf(keep: number | undefined, processes: number): ReadyOptions {
  if (processes === 1) return { keep };
  return { keep: Math.ceil((keep ?? defaultReady.keep) / processes), perSecond: Math.max(1, Math.floor(defaultReady.perSecond / processes)) };
}

/** On the sandbox, every payee has a node of its own. */
function driverOf(config: WalletConfig, owner: string, place: string, link: SandboxLink | undefined): Receiver {
  if (config.kind === 'sandbox') {
    if (link === undefined) throw new TypeError(`${place} is on the sandbox, and nothing else is`);
    return link.sandbox.receiver(owner);
  }
  return createDriver(() => (config.kind === 'lnurl' ? createLnurlReceiver(config) : products[config.kind].createReceiver(config)), `${place}.${config.kind}`);
}

function identityOf(config: WalletConfig, owner: string): string {
  if (config.kind === 'sandbox') return `sandbox: ${owner}`;
  const where = config.kind === 'lnurl' ? `at ${config.to}` : (products[config.kind].identify?.(config) ?? `at ${config.url}`);
  return `${config.kind} ${where}, ${config.network}`;
}
