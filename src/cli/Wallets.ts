/**
 * The wallets that `farebox get` pays with: those that were connected, by name, in `wallets.json` of the home folder; and the sandbox's.
 *
 * The file names files, and holds no secret itself. What is paid is counted in a store of its own for every network, so that play money
 * takes nothing from the budget for real money.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { FareboxError } from '../core/Errors.ts';
import type { ProductChoice } from '../gateway/index.ts';
import type { Payer, Receiver } from '../lightning/Lightning.ts';
import type { Home } from './Home.ts';
import { createDriver, products } from './Products.ts';

const walletSchema = z.strictObject({
  kind: z.enum(['lnd', 'cln', 'lnbits', 'phoenixd', 'lnbot', 'nwc']),
  network: z.enum(['bitcoin', 'testnet', 'signet', 'regtest']),
  /** Not there: what lets one in says where it is. */
  url: z.string().optional(),
  certificatePath: z.string().optional(),
  /** The file of what lets one in. */
  secretPath: z.string(),
  /** What to reckon with on top of an amount, where the wallet takes no fee limit. */
  assumedMaxFee: z.string().optional(),
});

const fileSchema = z.record(z.string(), walletSchema);

/** A wallet that was connected. */
export type Wallet = z.output<typeof walletSchema>;

/** A name for a wallet. */
export const walletName = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** The wallets that are connected, by name. @throws CONFIG_INVALID – the file cannot be read */
export function readWallets(home: Home): { readonly [name: string]: Wallet } {
  if (!existsSync(home.wallets)) return {};
  const wrong = (cause?: unknown) =>
    new FareboxError('CONFIG_INVALID', `${home.wallets} is no list of wallets. Move it away and connect them again.`, { cause });
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(home.wallets, 'utf8'));
  } catch (error) {
    throw wrong(error);
  }
  const found = fileSchema.safeParse(value);
  if (!found.success) throw wrong(found.error);
  return found.data;
}

/** Writes a wallet down under a name, in place of another of that name; undefined takes it out. */
export function writeWallet(home: Home, name: string, wallet: Wallet | undefined): void {
  const { [name]: _, ...others } = readWallets(home);
  const draft = `${home.wallets}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(wallet === undefined ? others : { ...others, [name]: wallet }, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(draft, home.wallets);
}

/** The choice of a product that a connected wallet comes to. */
export function choiceOf({ kind, network, url, certificatePath, secretPath }: Wallet): ProductChoice {
  return { kind, network, url, certificatePath, secret: { kind: 'file', path: secretPath } };
}

/**
 * A connected wallet as one that pays. In the journal it goes by driver and name: another wallet of the same product knows nothing of its
 * payments.
 * @throws CONFIG_INVALID – an address that is none
 */
export function openWallet(name: string, wallet: Wallet): Payer {
  const payer = createDriver(() => products[wallet.kind].createPayer(choiceOf(wallet)), `The wallet "${name}"`);
  return { ...payer, name: `${wallet.kind}/${name}` };
}

/** The same wallet as one that can say who it is. @throws CONFIG_INVALID – as for {@link openWallet} */
export function openNode(name: string, wallet: Wallet): Receiver {
  return createDriver(() => products[wallet.kind].createReceiver(choiceOf(wallet)), `The wallet "${name}"`);
}
