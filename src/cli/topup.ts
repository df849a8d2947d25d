/**
 * `farebox topup`: adds to a balance that was bought before, with a payment of its own.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type ClientStore, createClient, type PayingClient, paymentOf } from '../client/index.ts';
import * as Outgoing from '../client/Outgoing.ts';
import { createSqliteClientStore } from '../client/sqlite.ts';
import { addTo, type Balance, findBalance, readSaid } from '../client/topUp.ts';
import * as Amount from '../core/Amount.ts';
import { nowAt, systemClock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { useKeyOf } from '../server/Verifier.ts';
import { inWordsOfTheCommand, narrate, openPayer, paidLine } from './buy/Paying.ts';
import type { CliContext } from './Context.ts';
import { printable } from './Terminal.ts';
import * as Presented from './token/Presented.ts';

type TopUpOptions = {
  readonly max?: string;
  readonly maxTotal?: string;
  readonly credential?: string;
  readonly verbose?: boolean;
  readonly wallet: string;
  readonly json?: boolean;
};

/** Adds `farebox topup`. */
export function registerTopUp(program: Command, context: CliContext): void {
  program
    .command('topup')
    .argument('<url>', 'where the balance is spent')
    .description('Add to a bucket or a credit that was bought before: as much as is sold there, at the price there. Its token stays the same.')
    .option('-m, --max <amount>', 'the most that it may cost, fee included, such as "950 sat"')
    .option('--max-total <amount>', 'the most that all calls of this wallet may cost together, counted from its first')
    .option(
      '--credential <credential>',
      'the balance: "L402 <token>:<preimage>", its file, or "-" for standard input; default: what "farebox get" keeps for the URL',
    )
    .option('-v, --verbose', 'say every step')
    .option('-w, --wallet <name>', 'the wallet that pays: one that was connected, or else one of the sandbox', 'wallet')
    .option('--json', 'print one line of JSON')
    .addHelpText('after', help)
    .action((url: string, options: TopUpOptions) => add(context, url, options));
}

const help = `
A top-up that was paid for and not presented, because something broke in between,
is presented by the next call, and nothing is paid again. What is added ends with
the balance.

Examples:
  farebox topup http://localhost:8402/api/v1/translate --max "9500 sat"
  farebox topup http://localhost:8402/api/v1/translate --max "9500 sat" --credential credit.txt`;

async function add(context: CliContext, text: string, options: TopUpOptions): Promise<void> {
  const { terminal, signal } = context;
  const url = urlOf(text);
  const home = context.home();
  const wallet = await openPayer(home, options.wallet);
  const store = createSqliteClientStore({ path: home.clientStore(wallet.payer.network) });
  let client: PayingClient | undefined;
  try {
    const balance = options.credential === undefined ? await keptBalance(store, url) : await readBalance(context, options.credential);
    client = createClient({
      payer: wallet.payer,
      store,
      ...(options.max === undefined ? { maxPerRequest: Amount.fromMsat(1n), consent: { above: Amount.zero } } : { maxPerRequest: Amount.parse(options.max) }),
      ...(wallet.assumedMaxFee === undefined ? {} : { assumedMaxFee: Amount.parse(wallet.assumedMaxFee) }),
      ...(options.maxTotal === undefined ? {} : { maxTotal: Amount.parse(options.maxTotal) }),
      onEvent: options.verbose ? (event) => narrate(terminal, event) : () => {},
    });
    const response = await addTo(client, url, balance, signal);
    const said = await readSaid(response);
    const payment = paymentOf(response);
    terminal.withJson(options.json).data({ ...said, account: balance.account, ...(payment && { payment }) });
    if (options.json) return;
    const much = said.credit ?? (said.units === undefined ? 'what was paid for' : `${said.units} units`);
    terminal.line(
      said.toppedUp === true ? `${printable(much)} added to the balance ${balance.account.slice(0, 8)}…` : 'It had been added before: nothing was added now.',
    );
    if (payment) terminal.note(terminal.tone('quiet', paidLine(payment, wallet.payer.network)));
  } catch (error) {
    throw inWordsOfTheCommand(error, options);
  } finally {
    // The wallet may be at it still: how that ends is written down first. A second signal does not wait for it.
    await client?.close();
    await store.close();
    await wallet.close();
  }
}

/** The newest bucket or credit that is kept and good for this address. */
async function keptBalance(store: ClientStore, url: URL): Promise<Balance> {
  const balance = await findBalance(store, url, nowAt(systemClock));
  if (balance !== undefined) return balance;
  throw new FareboxError('CONFIG_INVALID', `Nothing that could be topped up is kept for ${url.host}. Buy it with "farebox get", or name it with --credential.`);
}

async function readBalance(context: CliContext, given: string): Promise<Balance> {
  const text = given === '-' ? new TextDecoder().decode(await context.readInput()) : existsSync(given) ? readFileSync(given, 'utf8') : given;
  const presented = Presented.parse(text);
  if (presented.preimage === undefined) {
    throw new FareboxError('CONFIG_INVALID', '--credential takes a token with its preimage, "L402 <token>:<preimage>": a token alone is nobody\'s.');
  }
  return { authorization: Presented.format(presented, presented.macaroon), account: useKeyOf(presented.macaroon.identifier) };
}

/** @throws CONFIG_INVALID – it is no address, or one at which a credential could be read on the way */
function urlOf(text: string): URL {
  const url = URL.parse(text);
  if (!url || !Outgoing.isSafe(url)) {
    throw new FareboxError('CONFIG_INVALID', `"${text.slice(0, 64)}" is no address for a credential: https, or http on this machine.`);
  }
  return url;
}
