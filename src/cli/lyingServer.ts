/**
 * `farebox lying-server`: a seller that cheats, for a client that pays with a wallet of its own.
 */
import type { Command } from 'commander';
import { FareboxError } from '../core/Errors.ts';
import type { Receiver } from '../lightning/Lightning.ts';
import type { CliContext } from './Context.ts';
import { checkHelp, type LyingOptions, run } from './lying/run.ts';
import { openSandbox } from './SandboxLink.ts';
import { openNode, readWallets } from './Wallets.ts';

type ServerOptions = LyingOptions & { readonly to?: string; readonly realMoney?: boolean };

/** Adds `farebox lying-server`. */
export function registerLyingServer(program: Command, context: CliContext): void {
  program
    .command('lying-server')
    .description(
      'Run a seller that cheats in every way that needs no more than a seller, to try any L402 client on, by URL, with any wallet. This machine only.',
    )
    .option('-p, --port <port>', 'the port on 127.0.0.1; 0 is any that is free', '0')
    .option('--to <wallet>', 'the connected wallet that makes the invoices and is paid; default: play money on the sandbox')
    .option('--real-money', 'on bitcoin itself; refused without')
    .option('--check', checkHelp)
    .option('--json', 'print JSON')
    .addHelpText('after', helpText)
    .action((options: ServerOptions) => lyingServer({ ...context, terminal: context.terminal.withJson(options.json) }, options));
}

const helpText = `
Give the client the limits that the catalogue names: 60 sat a request and 500 sat altogether, fees included. Ask for each way's paths with it, in
order, and look at /check. A client that can be had pays up to 10,000 sat for one invoice, to the wallet that you name.

Examples:
  farebox lying-server --port 7403
  farebox get http://127.0.0.1:7403/no-lie/a --max "60 sat"
  curl -s http://127.0.0.1:7403/check`;

async function lyingServer(context: CliContext, options: ServerOptions): Promise<void> {
  const { receiver, close } = await openPayee(context, options);
  try {
    await run(context, options, { receiver, lines: () => [`${payeeWords(receiver)} What is spent is what has arrived there: fees are not seen.`] });
  } finally {
    await close();
  }
}

async function openPayee(context: CliContext, { to, realMoney }: ServerOptions): Promise<{ readonly receiver: Receiver; readonly close: () => Promise<void> }> {
  const home = context.home();
  if (to === undefined) {
    const link = await openSandbox(home);
    return { receiver: link.sandbox.receiver('liar'), close: link.close };
  }
  const wallet = readWallets(home)[to];
  if (wallet === undefined) throw new FareboxError('CONFIG_INVALID', `No wallet "${to.slice(0, 64)}" is connected. Connect one with: farebox wallet connect`);
  if (wallet.network === 'bitcoin' && !realMoney)
    throw new FareboxError(
      'CONFIG_INVALID',
      `The wallet "${to}" is on bitcoin: a client that can be had pays it real money. Say --real-money where that is meant.`,
    );
  const receiver = openNode(to, wallet);
  return { receiver, close: receiver.close };
}

function payeeWords({ name, network }: Receiver): string {
  return network === 'sandbox' ? 'Invoices are on the sandbox, for play money: any wallet of it pays.' : `Invoices are made by ${name}, on ${network}.`;
}
