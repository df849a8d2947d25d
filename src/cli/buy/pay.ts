/**
 * `farebox pay`: pays an invoice that somebody sent, within the limits and through the journal.
 */
import type { Command } from 'commander';
import * as Journal from '../../client/Journal.ts';
import { payInvoice } from '../../client/payInvoice.ts';
import * as Amount from '../../core/Amount.ts';
import * as Bolt11 from '../../core/Bolt11.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { CliContext } from '../Context.ts';
import { Ended } from '../exit.ts';
import { printable } from '../Terminal.ts';
import { inWordsOfTheCommand, narrate } from './Paying.ts';
import { openPurse, type PurseOptions } from './Purse.ts';

type PayOptions = PurseOptions & { readonly preimage?: boolean; readonly verbose?: boolean; readonly json?: boolean };

/** Adds `farebox pay`. */
export function registerPay(program: Command, context: CliContext): void {
  program
    .command('pay')
    .argument('<invoice>', 'BOLT 11 text, with or without "lightning:" in front; "-" is standard input')
    .description('Pay a Lightning invoice, once, within a limit. What has been paid before is said so, and not paid again.')
    .option('-m, --max <amount>', 'the most that it may cost, fee included, such as "50 sat"')
    .option('--max-total <amount>', 'the most that everything of this wallet may cost together, counted from its first')
    .option('--tag <tag>', 'a tag for limits that count by tag; may repeat', (text: string, all: readonly string[] = []) => [...all, text])
    .option('--preimage', 'print the preimage, which proves the payment, and nothing else')
    .option('-v, --verbose', 'say every step')
    .option('-w, --wallet <name>', 'the wallet that pays: one that was connected, or else one of the sandbox', 'wallet')
    .option('--json', 'print JSON, without the preimage')
    .addHelpText('after', help)
    .action((invoice: string, options: PayOptions) => pay(context, invoice, options));
}

const help = `
Without a limit nothing is paid: the price is said, and the exit code is 3.

Examples:
  farebox pay lnbc500n1… --max "52 sat"
  farebox pay lnbc500n1… --max "52 sat" --preimage`;

async function pay(context: CliContext, given: string, options: PayOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const text = (given === '-' ? new TextDecoder().decode(await context.readInput()) : given).trim().replace(/^lightning:/i, '');
  const { description } = Bolt11.decode(text);
  const purse = await openPurse(context, options);
  const client = purse.client({ onEvent: options.verbose ? (event) => narrate(terminal, event) : () => {} });
  try {
    const { payment, reused } = await payInvoice(client, text, { signal: context.signal });
    const feeMsat = Journal.feeMsatOf(payment);
    if (options.preimage) {
      await context.terminal.raw(new TextEncoder().encode(`${payment.preimage ?? ''}\n`));
      return;
    }
    const { paymentHash, amountMsat, network } = payment;
    terminal.data({ paymentHash, amountMsat, feeMsat, network, reused, description });
    const { tone } = terminal;
    const what = description === undefined ? '' : ` for "${printable(description)}"`;
    const price = tone('money', Amount.format(amountMsat));
    if (reused) terminal.line(`It had been paid before, ${price}${what}: nothing was paid now ${tone('quiet', `(payment ${paymentHash.slice(0, 16)})`)}`);
    else terminal.line(`Paid ${price}${what}, fee ${Amount.format(feeMsat)} ${tone('quiet', `(payment ${paymentHash.slice(0, 16)}, ${network})`)}`);
  } catch (error) {
    if (!context.signal.aborted || FareboxError.is(error)) throw inWordsOfTheCommand(error, purse.limits);
    throw new Ended(130, 'stopped', 'Where the wallet was called, it goes on: the same command again says how it ended, and it is not paid twice.', {
      cause: error,
    });
  } finally {
    // The wallet may be at it still: how that ends is written down first. A second signal does not wait for it.
    await client.close();
    await purse.close();
  }
}
