/**
 * `farebox tokens`: the credentials that were bought and are kept.
 */
import type { Command } from 'commander';
import type { Payment } from '../../client/index.ts';
import * as Tokens from '../../client/Tokens.ts';
import * as Amount from '../../core/Amount.ts';
import { nowAt, systemClock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { fromUtf8 } from '../../core/internal/bytes.ts';
import * as Macaroon from '../../core/Macaroon.ts';
import { describe } from '../../server/CaveatWords.ts';
import type { CliContext } from '../Context.ts';
import { printable, type Terminal, table } from '../Terminal.ts';
import { formatLocal } from '../Time.ts';
import { dataOf, findPayment, type JournalOptions, printTable, walletWords, withJournal } from './Payments.ts';
import { boughtWords } from './story.ts';

/** Adds `farebox tokens`. */
export function registerTokens(program: Command, context: CliContext): void {
  const tokens = program.command('tokens').description('The credentials that were bought and are kept.').addHelpText('after', help);
  const wallet = ['-w, --wallet <name>', walletWords, 'wallet'] as const;
  tokens
    .command('list', { isDefault: true })
    .description('Show what is kept and good.')
    .option('-a, --all', 'those too that are used up, refused or expired')
    .option(...wallet)
    .option('--json', 'print JSON, a line each; no credential is in it')
    .action((options: JournalOptions & { readonly all?: boolean }) => list(context, options));
  tokens
    .command('show')
    .argument('<payment>', 'the payment that bought it: its hash, or the first 8 digits of it or more')
    .description('Show what a credential is good for.')
    .option('--credential', 'print the credential itself, and nothing else: whoever has it can use it')
    .option(...wallet)
    .option('--json', 'print JSON; no credential is in it')
    .action((payment: string, options: JournalOptions & { readonly credential?: boolean }) => show(context, payment, options));
}

const help = `
A credential is named by the payment that bought it. What it says of itself can be read
without asking anybody; "farebox token inspect" reads one that is not kept here.

Examples:
  farebox tokens
  farebox tokens show 301225cd300e13c1
  curl -H "Authorization: $(farebox tokens show 301225cd300e13c1 --credential)" https://api.example.com/x`;

async function list(context: CliContext, options: JournalOptions & { readonly all?: boolean }): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  await withJournal(context, options, async ({ store }) => {
    const at = nowAt(context.clock ?? systemClock);
    const bought = (await store.list()).filter(({ preimage, token }) => preimage !== undefined && token !== '');
    const kept = options.all ? bought : bought.filter((payment) => payment.usable && !Tokens.isExpired(payment, at));
    for (const payment of kept) terminal.data({ kind: 'token', ...dataOf(payment), ...readingData(payment), good: isGood(payment, at) });
    printTable(
      terminal,
      kept.map((payment) => [
        terminal.tone('quiet', payment.paymentHash.slice(0, 16)),
        isGood(payment, at)
          ? terminal.tone('good', 'good')
          : terminal.tone('quiet', Tokens.isExpired(payment, at) ? 'expired' : payment.state === 'rejected' ? 'refused' : 'used up'),
        boughtWords(payment.token),
        printable(`${payment.method} ${payment.origin}${payment.path}`),
      ]),
    );
    if (kept.length > 0) return;
    terminal.line(
      terminal.tone('quiet', bought.length === 0 ? 'Nothing is kept: nothing has been bought yet.' : 'Nothing that is kept is good any more; --all shows it.'),
    );
  });
}

async function show(context: CliContext, text: string, options: JournalOptions & { readonly credential?: boolean }): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  await withJournal(context, options, async ({ store }) => {
    const payment = await findPayment(store, text);
    if (payment.preimage === undefined) {
      throw new FareboxError('JOURNAL_CONFLICT', `Payment ${payment.paymentHash.slice(0, 16)} is ${payment.state}, and has bought no credential.`);
    }
    if (options.credential) return context.terminal.raw(fromUtf8(`${Tokens.authorizationOf(payment)}\n`));
    const at = nowAt(context.clock ?? systemClock);
    terminal.data({ ...dataOf(payment), ...readingData(payment), good: isGood(payment, at) });
    print(terminal, payment, at);
  });
}

function print(terminal: Terminal, payment: Payment, at: number): void {
  const { tone } = terminal;
  const isKept = isGood(payment, at);
  const facts: readonly (readonly [string, string])[] = [
    ['payment', payment.paymentHash],
    ['is', isKept ? tone('good', 'good') : tone('bad', payment.note === '' ? 'not used any more' : printable(payment.note))],
    ['buys', boughtWords(payment.token)],
    ['at', payment.origin],
    ['bought', `${formatLocal(payment.createdAt)} for ${Amount.format(payment.amountMsat)}, with ${payment.method} ${printable(payment.path)}`],
  ];
  for (const [name, value] of facts) terminal.line(`${tone('quiet', name.padEnd(8))} ${value}`);
  const caveats = caveatsOf(payment.token);
  if (caveats === undefined) return terminal.line(tone('quiet', 'Its token says nothing that could be read without its seller.'));
  terminal.line();
  terminal.line(tone('strong', 'It is good'));
  for (const row of table(
    describe(caveats, { nowAt: at, paymentHash: payment.paymentHash }).map(({ means, condition, value }) => [
      `  ${printable(means)}`,
      tone('quiet', printable(`${condition}=${value}`)),
    ]),
  )) {
    terminal.line(row);
  }
}

function isGood(payment: Payment, at: number): boolean {
  return payment.usable && !Tokens.isExpired(payment, at);
}

function readingData(payment: Payment): object {
  const { terms, validUntil, services, paths, methods } = Tokens.readingOf(payment);
  return { terms, validUntil, services, paths, methods };
}

function caveatsOf(token: string): readonly string[] | undefined {
  try {
    return Macaroon.parse(token).caveats;
  } catch (error) {
    if (FareboxError.is(error)) return undefined;
    throw error;
  }
}
