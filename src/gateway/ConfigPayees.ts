/**
 * Who is paid: `lightning` of the configuration, one wallet or several in the order in which they are asked; and `payees`, others by name,
 * whom a service or a route can name instead.
 *
 *     lightning:
 *       - lnd: { url: https://127.0.0.1:8080, certificate: tls.cert, macaroon: farebox-invoices.macaroon }
 *       - to: you@wallet.com            # while the node is away
 *     payees:
 *       alice: alice@wallet.com
 */
import { z } from 'zod';
import type { Network } from '../lightning/Lightning.ts';
import type { SaleConfig } from './Config.ts';
import * as Fields from './ConfigFields.ts';
import {
  explainWallet,
  type Field,
  knowsHistory,
  knowsMsat,
  readWallet,
  sandbox,
  type WalletConfig,
  type WalletFile,
  type WalletSurroundings,
  walletSchema,
} from './ConfigLightning.ts';
import type { ConfigPath } from './ConfigText.ts';

/** Wallets of one owner, in the order in which they are asked for an invoice: the next one where the one before is away. */
export type Wallets = readonly [WalletConfig, ...(readonly WalletConfig[])];

/** Who is paid. */
export type PayeesConfig = {
  /** Whose money it is, in every wallet. */
  readonly network: Network;
  /** Who is paid unless a route says otherwise. */
  readonly lightning: Wallets;
  /** Others, by name. */
  readonly payees: Readonly<Record<string, Wallets>>;
};

/** The schema of `lightning`, and of a payee: one wallet, or a list. */
export function walletsSchema(field: Field) {
  const wallet = walletSchema(field);
  return z.union([wallet, z.array(wallet).min(1)]);
}

/** The schema of `payees`. */
export function payeesSchema(field: Field) {
  return z.record(z.string(), walletsSchema(field));
}

type WalletsFile = z.output<ReturnType<typeof walletsSchema>>;

/** Who is paid; the sandbox where nobody is named. Mistakes go to `mistakes`. */
export function readPayees(
  found: { readonly lightning?: WalletsFile | undefined; readonly payees?: Readonly<Record<string, WalletsFile>> | undefined },
  surroundings: WalletSurroundings,
): PayeesConfig {
  const { mistakes } = surroundings;
  const lightning: Wallets = found.lightning === undefined ? [sandbox] : readWallets(found.lightning, ['lightning'], surroundings);
  const named = Object.entries(found.payees ?? {}).map(([name, wallets]): [string, Wallets] => {
    const path = ['payees', name];
    if (!isName(name)) mistakes.add(path, 'a payee is named by letters, digits, "_", "-" and "."', 'key');
    return [name, readWallets(wallets, path, surroundings)];
  });
  const [{ network }] = lightning;
  const check = (path: ConfigPath, wallets: Wallets) => {
    for (const [index, wallet] of wallets.entries()) {
      if (wallet.network === network) continue;
      mistakes.add(
        wallets.length === 1 ? path : [...path, index],
        `this wallet is on ${wallet.network}, and the first one on ${network}: a gateway sells for the money of one network`,
      );
    }
  };
  check(['lightning'], lightning);
  for (const [name, wallets] of named) check(['payees', name], wallets);
  return { network, lightning, payees: Object.fromEntries(named) };
}

/** Holds what a route sells against who is paid for it. `fail` is told of the key at fault. */
export function checkSale({ lightning, payees }: PayeesConfig, name: string, sale: SaleConfig, fail: (key: string, message: string) => void): void {
  const { payee, verify, priceMsat } = sale;
  const wallets = payee === undefined ? lightning : Object.hasOwn(payees, payee) ? payees[payee] : undefined;
  if (wallets === undefined) {
    const known = Object.keys(payees);
    return fail('payee', `there is no payee "${payee}": ${known.length === 0 ? 'name its wallet under `payees`' : `known here are ${known.join(', ')}`}`);
  }
  const whole = wallets.find((wallet) => !knowsMsat(wallet));
  if (whole && sale.exactMsat && priceMsat % 1000n !== 0n) {
    fail('exactMsat', `${whole.kind} knows whole satoshis only, and ${name} is sold for parts of one: leave \`exactMsat\` away here`);
  }
  const blind = wallets.find((wallet) => !knowsHistory(wallet));
  if (blind && verify === 'settled') {
    const advice = 'write "verify: preimage" here, or name another wallet';
    fail('verify', `${explainWallet(blind)} need not tell what was paid to it, and ${name} is to be held against it: ${advice}`);
  }
}

/** Of a payee's wallets, in words. */
export function explainWallets(wallets: Wallets): string {
  return wallets.map(explainWallet).join('; where that is away, ');
}

function readWallets(found: WalletsFile, path: ConfigPath, surroundings: WalletSurroundings): Wallets {
  if (!Array.isArray(found)) return [readWallet(found as WalletFile, path, surroundings)];
  return found.map((wallet, index) => readWallet(wallet, [...path, index], surroundings)) as unknown as Wallets;
}

function isName(text: string): boolean {
  try {
    return Fields.readName(text) === text;
  } catch {
    return false;
  }
}
