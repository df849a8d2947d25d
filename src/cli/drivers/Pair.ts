/**
 * The two wallets that a driver is verified on: one that is paid, as a configuration names it, and one that pays, as it was connected.
 */
import { existsSync } from 'node:fs';
import { type Clock, systemClock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { explainWallet, loadConfig, type ProductChoice, type WalletConfig } from '../../gateway/index.ts';
import type { Network, Payer, Receiver } from '../../lightning/Lightning.ts';
import { createLnurlReceiver } from '../../lightning/lnurl.ts';
import type { Drivers, LightningHooks } from '../../testing/lightningContract.ts';
import { configFile } from '../ConfigFile.ts';
import type { CliContext } from '../Context.ts';
import { createDriver, isProduct, products } from '../Products.ts';
import { openSandbox } from '../SandboxLink.ts';
import { choiceOf, readWallets } from '../Wallets.ts';

/** See the head of this file. */
export type Pair = {
  readonly network: Network;
  /** The one that is paid, in words. */
  readonly seller: string;
  /** The one that pays. */
  readonly buyer: string;
  /** Drivers of both, anew. */
  readonly open: () => Drivers;
  /** What can be done to wallets without touching them. */
  readonly hooks: Partial<LightningHooks>;
  readonly close: () => Promise<void>;
};

/** Which two. */
export type PairOptions = {
  /** The driver that is to be verified: the one of either. */
  readonly driver: string;
  /** The configuration with the wallet that is paid; undefined: the one in this folder. */
  readonly seller: string | undefined;
  /** The name of the wallet that pays. */
  readonly buyer: string;
};

/** One of the two. */
type Side<Driver> = {
  readonly kind: string;
  readonly network: Network;
  readonly words: string;
  readonly open: (clock: Clock | undefined) => Driver;
  /** With what lets nobody in; undefined where everybody may ask, or a stranger may get no answer. */
  readonly openForeign: (() => Driver) | undefined;
};

/** The two wallets. @throws CONFIG_INVALID – there are no such two; SANDBOX_UNAVAILABLE – the sandbox cannot be had */
export async function openPair(context: CliContext, options: PairOptions): Promise<Pair> {
  const config = await sellerConfig(context, options);
  if (config.kind === 'sandbox') return openSandboxPair(context, options);
  const seller = sellerOf(config);
  const buyer = buyerOf(context, options.buyer);
  if (seller.network !== buyer.network) throw wrong(`The wallet that is paid is on ${seller.network}, and "${options.buyer}" is on ${buyer.network}.`);
  if (seller.kind !== options.driver && buyer.kind !== options.driver) {
    throw wrong(`Neither is of ${options.driver}: ${seller.words} is paid, and ${buyer.words} pays. Name others with --seller and --buyer.`);
  }
  const { clock } = context;
  const open = (at?: Clock): Drivers => ({ receiver: seller.open(at), payer: buyer.open(at) });
  const { openForeign: strangeSeller } = seller;
  const { openForeign: strangeBuyer } = buyer;
  const base = clock ?? systemClock;
  return {
    network: seller.network,
    seller: seller.words,
    buyer: buyer.words,
    open: () => open(clock),
    hooks: {
      skewed: (ms) => open({ ...base, nowMs: () => base.nowMs() + ms }),
      ...(strangeSeller && strangeBuyer ? { lettingNobodyIn: () => ({ receiver: strangeSeller(), payer: strangeBuyer() }) } : {}),
    },
    close: async () => {},
  };
}

/** The wallet of that driver in the configuration; the first one where none is. */
async function sellerConfig(context: CliContext, { driver, seller }: PairOptions): Promise<WalletConfig> {
  const path = configFile(seller);
  if (seller === undefined && !existsSync(path)) {
    if (driver === 'sandbox') return { kind: 'sandbox', network: 'sandbox', ready: 0 };
    throw wrong('Which wallet is paid? Name its configuration: --seller farebox.yaml');
  }
  const { lightning, payees } = await loadConfig(path, { environment: context.environment });
  const all = [...lightning, ...Object.values(payees).flat()];
  return all.find(({ kind }) => kind === driver) ?? lightning[0];
}

function sellerOf(config: Exclude<WalletConfig, { readonly kind: 'sandbox' }>): Side<Receiver> {
  const words = explainWallet(config);
  if (config.kind === 'lnurl') {
    const open = (clock: Clock | undefined) => createDriver(() => createLnurlReceiver({ ...config, clock }), words);
    return { kind: 'lnurl', network: config.network, words, open, openForeign: undefined };
  }
  return sideOf(config, words, products[config.kind].createReceiver);
}

function buyerOf(context: CliContext, name: string): Side<Payer> {
  const wallet = readWallets(context.home())[name];
  if (wallet === undefined) throw wrong(`There is no wallet "${name}" that pays. Connect one with: farebox wallet connect`);
  const choice = choiceOf(wallet);
  return sideOf(choice, `${explainWallet(choice)} (wallet "${name}")`, products[wallet.kind].createPayer);
}

function sideOf<Driver>(choice: ProductChoice, words: string, create: (choice: ProductChoice, clock?: Clock) => Driver): Side<Driver> {
  const foreign: ProductChoice = { ...choice, secret: { kind: 'text', text: products[choice.kind].foreignSecret } };
  return {
    kind: choice.kind,
    network: choice.network,
    words,
    open: (clock) => createDriver(() => create(choice, clock), words),
    openForeign: products[choice.kind].answersStrangers ? () => createDriver(() => create(foreign), words) : undefined,
  };
}

/** Play money: a node that sells and one that buys, on the sandbox of this machine. */
async function openSandboxPair(context: CliContext, { driver, buyer }: PairOptions): Promise<Pair> {
  if (driver !== 'sandbox') throw wrong(`The configuration sells on the sandbox, and ${driver} is to be verified. Name another one with --seller.`);
  const { sandbox, close } = await openSandbox(context.home());
  const open = (): Drivers => ({ receiver: sandbox.receiver('seller'), payer: sandbox.payer(buyer) });
  return { network: 'sandbox', seller: 'the sandbox’s node "seller"', buyer: `its node "${buyer}"`, open, hooks: {}, close };
}

/** Whether a driver of that name can be verified. @throws CONFIG_INVALID – there is none */
export function assertDriver(name: string): void {
  if (isProduct(name) || name === 'sandbox' || name === 'lnurl') return;
  throw wrong(`There is no driver "${name.slice(0, 32)}" that can be verified. "farebox drivers" lists them.`);
}

function wrong(message: string): FareboxError {
  return new FareboxError('CONFIG_INVALID', message);
}
