/**
 * The wallets that `farebox get` pays with: those that were connected, by name, in `wallets.json` of the home folder; and the sandbox's.
 *
 * The file names files, and holds no secret itself. What is paid is counted in a store of its own for every network, so that play money
 * takes nothing from the budget for real money.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { FareboxError } from '../core/Errors.ts';
import type { Payer } from '../lightning/Lightning.ts';
import { createLndPayer } from '../lightning/lnd.ts';
import type { Home } from './Home.ts';

const walletSchema = z.strictObject({
  kind: z.literal('lnd'),
  network: z.enum(['bitcoin', 'testnet', 'signet', 'regtest']),
  url: z.string(),
  certificatePath: z.string().optional(),
  macaroonPath: z.string(),
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

/**
 * A connected wallet as one that pays. In the journal it goes by driver and name: another wallet of the same product knows nothing of its
 * payments.
 * @throws CONFIG_INVALID – an address that is none
 */
export function openWallet(name: string, { network, url, certificatePath, macaroonPath }: Wallet): Payer {
  try {
    return { ...createLndPayer({ url, network, certificatePath, macaroonPath }), name: `lnd/${name}` };
  } catch (error) {
    if (error instanceof RangeError) throw new FareboxError('CONFIG_INVALID', `The wallet "${name}" cannot be used: ${error.message}.`, { cause: error });
    throw error;
  }
}
