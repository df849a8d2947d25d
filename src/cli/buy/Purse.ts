/**
 * What a command pays with: a wallet, the journal of its network, and the limits that the command line names.
 */
import { type ClientEvent, type ClientStore, createClient, type PayingClient } from '../../client/index.ts';
import { createSqliteClientStore } from '../../client/sqlite.ts';
import * as Amount from '../../core/Amount.ts';
import type { Network, Payer } from '../../lightning/Lightning.ts';
import type { CliContext } from '../Context.ts';
import type { Home } from '../Home.ts';
import { openPayer } from './Paying.ts';

/** The limits of a command, as commander hands them over. */
export type PurseOptions = {
  readonly max?: string;
  readonly maxTotal?: string;
  readonly wallet: string;
};

/** What a client is made with besides. */
export type ClientOptions = {
  readonly fetch?: (url: string, init?: RequestInit) => Promise<Response>;
  readonly onEvent: (event: ClientEvent) => void;
};

/** See the head of this file. */
export type Purse = {
  readonly payer: Payer;
  readonly network: Network;
  readonly store: ClientStore;
  /** Whether anything but nothing may be spent. */
  readonly hasLimit: boolean;
  /** A client of this purse; closed by whoever makes it, before the purse. */
  readonly client: (options: ClientOptions) => PayingClient;
  readonly close: () => Promise<void>;
};

/** Longest body that is sent: it has been read into memory anyway. */
const maxBodyBytes = 1024 ** 3;

/** Opens the journal of a network. */
export function openJournal(home: Home, network: Network): ClientStore {
  return createSqliteClientStore({ path: home.clientStore(network) });
}

/** Opens wallet and journal. @throws AMOUNT_MALFORMED – a limit without a unit, or no amount */
export async function openPurse(context: CliContext, options: PurseOptions): Promise<Purse> {
  // A client that may spend nothing is no client: without --max the least there is, which no price is below.
  const maxPerRequest = options.max === undefined ? Amount.fromMsat(1n) : Amount.parse(options.max);
  const maxTotal = options.maxTotal === undefined ? {} : { maxTotal: Amount.parse(options.maxTotal) };
  const home = context.home();
  const wallet = await openPayer(home, options.wallet);
  const { payer } = wallet;
  const store = openJournal(home, payer.network);
  const assumed = wallet.assumedMaxFee === undefined ? {} : { assumedMaxFee: Amount.parse(wallet.assumedMaxFee) };
  return {
    payer,
    network: payer.network,
    store,
    hasLimit: options.max !== undefined,
    client: (client) => createClient({ payer, store, maxPerRequest, maxBodyBytes, ...assumed, ...maxTotal, ...client }),
    close: async () => {
      await store.close();
      await wallet.close();
    },
  };
}
