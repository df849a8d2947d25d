/**
 * `farebox tokens`: the credentials that were bought and are kept.
 */
import type { Command } from 'commander';
import { importLnget, importLoop } from '../../client/import.ts';
import { attenuate, type Payment } from '../../client/index.ts';
import * as Tokens from '../../client/Tokens.ts';
import * as Amount from '../../core/Amount.ts';
import { nowAt, systemClock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { fromUtf8 } from '../../core/internal/bytes.ts';
import * as Macaroon from '../../core/Macaroon.ts';
import { describe } from '../../server/CaveatWords.ts';
import { confirm } from '../Confirm.ts';
import type { CliContext } from '../Context.ts';
import { printable, type Terminal, table } from '../Terminal.ts';
import { formatLocal } from '../Time.ts';
import { dataOf, findPayment, type JournalOptions, printTable, walletWords, withJournal } from './Payments.ts';
import { wrong } from './RequestOptions.ts';
import { boughtWords } from './story.ts';

type AttenuateFlags = {
  readonly path?: string;
  readonly method?: string;
  readonly expires?: string;
  readonly uses?: string;
  readonly maxSpend?: string;
  readonly wallet: string;
};

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
  tokens
    .command('remove')
    .argument('<payment>', 'the payment that bought it: its hash, or the first 8 digits of it or more')
    .description('Use a credential no more. It stays in the journal, as everything does that was paid for.')
    .option('-y, --yes', 'do not ask')
    .option(...wallet)
    .option('--json', 'print JSON; no credential is in it')
    .action((payment: string, options: JournalOptions & { readonly yes?: boolean }) => remove(context, payment, options));
  tokens
    .command('attenuate')
    .argument('<payment>', 'the payment that bought it: its hash, or the first 8 digits of it or more')
    .description('Print a copy of a credential that is good for less, to hand it on. Nobody is asked for it.')
    .option('--path <path>', 'only this path and what is below it')
    .option('--method <methods>', 'only these methods, such as GET or GET,POST')
    .option('--expires <when>', 'only until then: a length such as 10m, 2h or 7d, or a time such as 2026-12-01T12:00:00Z')
    .option('--uses <number>', 'only so many requests')
    .option('--max-spend <amount>', 'only so much of what requests cost, such as "200 sat"')
    .option(...wallet)
    .action((payment: string, options: AttenuateFlags) => hand(context, payment, options));
  tokens
    .command('import')
    .argument('<folder>', "lnget's folder of tokens (~/.lnget/tokens), or Loop's of a network (~/.loop/mainnet)")
    .description('Take over what lnget or Loop has bought. Their files are read and left as they are.')
    .option('--origin <url>', "the server whose token Loop's is; without it the folder is lnget's")
    .option(...wallet)
    .option('--json', 'print JSON, a line for each file')
    .action((folder: string, options: JournalOptions & { readonly origin?: string }) => take(context, folder, options));
}

const help = `
A credential is named by the payment that bought it. What it says of itself can be read
without asking anybody; "farebox token inspect" reads one that is not kept here.

Examples:
  farebox tokens
  farebox tokens show 301225cd300e13c1
  farebox tokens attenuate 301225cd300e13c1 --path /papers --uses 20 --expires 1h
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

async function remove(context: CliContext, text: string, options: JournalOptions & { readonly yes?: boolean }): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  await withJournal(context, options, async ({ store }) => {
    const payment = await findPayment(store, text);
    const short = payment.paymentHash.slice(0, 16);
    if (!payment.usable) throw new FareboxError('JOURNAL_CONFLICT', `The credential of payment ${short} is not used any more as it is.`);
    await confirm(context, `Use the credential of payment ${short} no more (${boughtWords(payment.token)})?`, options.yes);
    const at = nowAt(context.clock ?? systemClock);
    const removed = await store.step(payment.paymentHash, { kind: 'expire', note: 'Removed by hand.' }, at);
    if (removed === undefined) throw new FareboxError('JOURNAL_CONFLICT', `A call is using the credential of payment ${short}: wait until it has ended.`);
    terminal.data({ ...dataOf(removed), ...readingData(removed), good: false });
    terminal.line(`Payment ${short}: its credential is not used any more.`);
  });
}

async function hand(context: CliContext, text: string, { path, method, expires, uses, maxSpend, wallet }: AttenuateFlags): Promise<void> {
  await withJournal(context, { wallet }, async ({ store }) => {
    const payment = await findPayment(store, text);
    const narrowing = {
      ...(path !== undefined && { path }),
      ...(method !== undefined && {
        methods: method
          .toUpperCase()
          .split(/[,\s]+/)
          .filter(Boolean),
      }),
      ...(expires !== undefined && { expiresAt: readEnd(expires, nowAt(context.clock ?? systemClock)) }),
      ...(uses !== undefined && { uses: /^\d{1,9}$/.test(uses) ? Number(uses) : Number.NaN }),
      ...(maxSpend !== undefined && { maxSpend }),
    };
    const clock = context.clock ?? systemClock;
    await context.terminal.raw(fromUtf8(`${attenuate(payment, narrowing, { clock })}\n`));
    context.terminal.note(context.terminal.tone('quiet', 'Whoever has this line can use it: Authorization: <it>'));
  });
}

async function take(context: CliContext, folder: string, options: JournalOptions & { readonly origin?: string }): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  await withJournal(context, options, async ({ store, network }) => {
    const { origin } = options;
    const found = origin === undefined ? await importLnget({ store, folder, network }) : await importLoop({ store, folder, network, origin });
    for (const one of found) terminal.data(one);
    printTable(
      terminal,
      found.map(({ kind, why, file, origin: where }) => [
        terminal.tone(kind === 'imported' ? 'good' : kind === 'known' ? 'quiet' : 'warning', kind),
        where,
        [printable(file), why].filter(Boolean).join('  '),
      ]),
    );
    if (found.length === 0) terminal.line(terminal.tone('quiet', `There are no tokens in ${printable(folder)}.`));
  });
}

function readEnd(text: string, at: number): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count !== undefined) return at + Number(count) * ({ s: 1, m: 60, h: 3600, d: 86_400 }[unit] ?? 1);
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw wrong(`--expires is a length such as 10m, or a time such as 2026-12-01T12:00:00Z, not "${text.slice(0, 64)}".`);
  return Math.floor(ms / 1000);
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
