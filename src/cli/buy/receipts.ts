/**
 * `farebox receipts`: what was paid for, with the proof of it, for the books; and whether somebody's receipts are true.
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import {
  fixedRate,
  formatCsv,
  formatJsonLines,
  type ListReceiptsOptions,
  listReceipts,
  type PurchaseReceipt,
  parseJsonLines,
  parseReceiptKeys,
  parseSignedReceipt,
  type RateSource,
  redactReceipt,
  verifyReceipt,
  verifySignedReceipt,
} from '../../client/receipts.ts';
import * as Amount from '../../core/Amount.ts';
import { fromUtf8 } from '../../core/internal/bytes.ts';
import type { CliContext } from '../Context.ts';
import { Ended } from '../exit.ts';
import { printable, type Terminal, type Tone } from '../Terminal.ts';
import { formatAt, formatLocal } from '../Time.ts';
import { findPayment, type JournalOptions, printTable, walletWords, withJournal } from './Payments.ts';
import { wrong } from './RequestOptions.ts';
import { boughtWords } from './story.ts';

type ListOptions = JournalOptions & { readonly since?: number; readonly until?: number; readonly rate?: RateSource };
type VerifyOptions = { readonly json?: boolean; readonly keys?: string };
type ExportOptions = Omit<ListOptions, 'json'> & { readonly format: string; readonly redacted: boolean };

/** Adds `farebox receipts`. */
export function registerReceipts(program: Command, context: CliContext): void {
  const receipts = program.command('receipts').description('What was paid for, with the proof of it.').addHelpText('after', help);
  const wallet = ['-w, --wallet <name>', walletWords, 'wallet'] as const;
  const range = (command: Command) =>
    command
      .option('--since <time>', 'paid then or later, such as 2026-11-01 (UTC)', (text: string) => readTime('--since', text))
      .option('--until <time>', 'paid before then', (text: string) => readTime('--until', text))
      .option('--rate <rate>', 'what a bitcoin cost, to say values in other money too: "67012.50 USD"', readRate);
  range(receipts.command('list', { isDefault: true }).description('Show what was paid for, oldest first.'))
    .option(...wallet)
    .option('--json', 'print JSON, a line each, without preimages')
    .action((options: ListOptions) => list(context, options));
  receipts
    .command('show')
    .argument('<payment>', 'its payment hash, or the first 8 digits of it or more')
    .description('Show a receipt, and whether it proves itself.')
    .option('--rate <rate>', 'what a bitcoin cost, to say its value in other money too: "67012.50 USD"', readRate)
    .option(...wallet)
    .option('--json', 'print JSON, without the preimage')
    .action((payment: string, options: ListOptions) => show(context, payment, options));
  range(receipts.command('export').description('Print receipts for a spreadsheet (csv) or for programs (jsonl).'))
    .option('--format <format>', 'csv or jsonl', 'csv')
    .option('--redacted', 'without preimages, for other people’s eyes; this is the default', true)
    .option('--no-redacted', 'with preimages: with its token, each is a credential')
    .option(...wallet)
    .action((options: ExportOptions) => exportAll(context, options));
  receipts
    .command('verify')
    .argument('[file]', 'receipts as "export --format jsonl" prints them, or with --keys signed ones, a line each; default: standard input')
    .description('Check receipts offline: that the preimage proves the payment, and the payee’s signature what it was for and how much.')
    .option('--keys <file>', 'the keys of the seller who signed them: his /.well-known/farebox/receipts.json, kept')
    .option('--json', 'print JSON, a line each')
    .action((file: string | undefined, options: VerifyOptions) =>
      options.keys === undefined ? verifyAll(context, file, options) : verifySigned(context, file, options.keys, options),
    );
}

const help = `
What a receipt proves is that somebody who knew the preimage paid this invoice of this
node. Fee, method and path are the buyer's own word. "verify" ends with 1 where a receipt
contradicts itself.

A seller may sign what he says of a payment as well, in the header L402-Receipt. With his
keys, kept from /.well-known/farebox/receipts.json, "verify" shows whether he said it.

Examples:
  farebox receipts
  farebox receipts export --format csv --since 2026-11-01 > november.csv
  farebox receipts export --format jsonl --no-redacted | farebox receipts verify
  farebox receipts verify signed.txt --keys receipts.json`;

async function list(context: CliContext, options: ListOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  await withJournal(context, options, async ({ store, network }) => {
    const receipts = await listReceipts(store, rangeOf(options));
    for (const receipt of receipts) terminal.data(plain(receipt));
    printTable(
      terminal,
      receipts.map((receipt) => rowOf(terminal, receipt)),
      [1, 2],
    );
    if (receipts.length === 0) return terminal.line(terminal.tone('quiet', 'Nothing has been paid for yet.'));
    const costMsat = receipts.reduce((sum, { amountMsat, feeMsat }) => sum + amountMsat + feeMsat, 0n);
    terminal.line();
    const play = network === 'sandbox' ? `   ${terminal.tone('warning', 'sandbox: play money, worth nothing')}` : '';
    terminal.line(
      `${terminal.tone('money', Amount.format(Amount.fromMsat(costMsat)))} for ${receipts.length === 1 ? 'one payment' : `${receipts.length} payments`}, fees included${play}`,
    );
  });
}

function rowOf(terminal: Terminal, receipt: PurchaseReceipt): readonly string[] {
  const { tone } = terminal;
  const { paidAt, amountMsat, feeMsat, fiat, method, origin, path, outcome, paymentHash } = receipt;
  return [
    tone('quiet', formatLocal(paidAt)),
    tone('money', Amount.format(amountMsat)),
    tone('quiet', `fee ${Amount.format(feeMsat)}`),
    tone(outcomeTones[outcome], outcome),
    tone('quiet', paymentHash.slice(0, 16)),
    ...(fiat ? [`${fiat.amount} ${fiat.currency}`] : []),
    printable(`${method} ${origin}${path}`),
  ];
}

const outcomeTones: { readonly [outcome in PurchaseReceipt['outcome']]: Tone } = { answered: 'good', unanswered: 'warning', refused: 'bad' };

async function show(context: CliContext, text: string, options: ListOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  await withJournal(context, options, async ({ store }) => {
    const payment = await findPayment(store, text);
    const receipt = (await listReceipts(store, rangeOf(options))).find(({ paymentHash }) => paymentHash === payment.paymentHash);
    if (receipt === undefined) throw wrong(`Payment ${payment.paymentHash.slice(0, 16)} is ${payment.state}: there is a receipt when it has been made.`);
    const verified = verifyReceipt(receipt);
    terminal.data({ ...plain(receipt), verified: verified.kind });
    const { tone } = terminal;
    const { amountMsat, feeMsat, bought, fiat, payee, network } = receipt;
    const facts: readonly (readonly [string, string])[] = [
      ['paid', `${tone('money', Amount.format(amountMsat))}, and a fee of ${Amount.format(feeMsat)}`],
      ...(fiat ? ([['worth', `${fiat.amount} ${fiat.currency}, at ${fiat.rate} for a bitcoin`]] as const) : []),
      ['at', formatLocal(receipt.paidAt)],
      ['for', printable(`${receipt.method} ${receipt.origin}${receipt.path}`)],
      ['bought', `${boughtWords(payment.token)}${bought.description === undefined ? '' : `: "${printable(bought.description)}"`}`],
      ['came', tone(outcomeTones[receipt.outcome], receipt.outcome)],
      ['payee', payee ?? 'not known'],
      ['wallet', `${receipt.payer} on ${network}`],
      ['payment', receipt.paymentHash],
      ['proof', verifiedWords(terminal, verified)],
    ];
    for (const [name, value] of facts) terminal.line(`${tone('quiet', name.padEnd(8))} ${value}`);
  });
}

async function exportAll(context: CliContext, options: ExportOptions): Promise<void> {
  const { format, redacted } = options;
  if (format !== 'csv' && format !== 'jsonl') throw wrong(`--format is csv or jsonl, not "${format.slice(0, 64)}".`);
  await withJournal(context, options, async ({ store }) => {
    const receipts = await listReceipts(store, rangeOf(options));
    await context.terminal.raw(fromUtf8((format === 'csv' ? formatCsv : formatJsonLines)(receipts, { redacted })));
    if (!redacted) context.terminal.note(context.terminal.tone('warning', 'With preimages: whoever has one and its token can use what was bought.'));
  });
}

async function verifyAll(context: CliContext, file: string | undefined, options: { readonly json?: boolean }): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const receipts = parseJsonLines(await readLines(context, file));
  let isFalse = false;
  for (const receipt of receipts) {
    const verified = verifyReceipt(receipt);
    isFalse ||= verified.kind === 'false';
    terminal.data({ paymentHash: receipt.paymentHash, ...verified });
    terminal.line(
      `${terminal.tone('quiet', receipt.paymentHash.slice(0, 16))}  ${terminal.tone('money', Amount.format(receipt.amountMsat))}  ${verifiedWords(terminal, verified)}`,
    );
  }
  if (receipts.length === 0) throw wrong('There is no receipt to check.');
  if (isFalse) throw new Ended(1, '');
}

/** A signed receipt a line: the header's value, or its JSON. */
async function verifySigned(context: CliContext, file: string | undefined, keysFile: string, options: VerifyOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const keys = parseReceiptKeys(readText(keysFile));
  const lines = (await readLines(context, file))
    .split('\n')
    .map((line) => line.replace(/^\s*l402-receipt:/i, '').trim())
    .filter((line) => line !== '');
  let isFalse = false;
  for (const line of lines) {
    const verified = verifySignedReceipt(parseSignedReceipt(line), keys);
    // Asked was whether whoever has these keys has said so: a key that is not among them says nothing of that.
    isFalse ||= verified.kind !== 'proven';
    const { signature: _, amountMsat, ...facts } = verified.receipt;
    terminal.data({ ...facts, amountMsat: String(amountMsat), kind: verified.kind, ...(verified.kind === 'false' && { why: verified.why }) });
    const said = `${printable(facts.service)} ${printable(facts.route)}, ${formatAt(facts.issuedAt)}, on ${printable(facts.network)}`;
    terminal.line(
      `${terminal.tone('quiet', facts.paymentHash.slice(0, 16))}  ${terminal.tone('money', Amount.format(amountMsat))}  ${said}  ${signedWords(terminal, verified)}`,
    );
  }
  if (lines.length === 0) throw wrong('There is no receipt to check.');
  if (isFalse) throw new Ended(1, '');
}

function signedWords({ tone }: Terminal, verified: ReturnType<typeof verifySignedReceipt>): string {
  if (verified.kind === 'proven') return tone('good', 'proven: whoever has this key said so');
  if (verified.kind === 'unproven') return tone('warning', 'its key is not among these: another seller’s, or one that was retired');
  return tone('bad', `false: ${verified.why}`);
}

async function readLines(context: CliContext, file: string | undefined): Promise<string> {
  return file === undefined || file === '-' ? new TextDecoder().decode(await context.readInput()) : readText(file);
}

function verifiedWords({ tone }: Terminal, verified: ReturnType<typeof verifyReceipt>): string {
  if (verified.kind === 'proven') return tone('good', 'proven: this invoice of this payee was paid');
  if (verified.kind === 'unproven') return tone('warning', `nothing contradicts it, and it has no ${verified.missing} to prove it with`);
  return tone('bad', `false: ${verified.why}`);
}

function plain(receipt: PurchaseReceipt): object {
  const { preimage: _, ...redacted } = redactReceipt(receipt);
  return redacted;
}

function rangeOf({ since, until, rate }: { readonly since?: number; readonly until?: number; readonly rate?: RateSource }): ListReceiptsOptions {
  return { since, until, rate };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Ended(2, 'usage', `${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unreadable'}).`, { cause: error });
  }
}

/** A day, or a time of ISO 8601; UTC where it does not say. */
function readTime(name: string, text: string): number {
  const isTime = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?$/.test(text);
  const ms = isTime ? Date.parse(/Z|[+-]\d\d:\d\d$/.test(text.slice(10)) || text.length === 10 ? text : `${text}Z`) : Number.NaN;
  if (Number.isNaN(ms)) throw wrong(`${name} is a day or a time, such as 2026-11-01 or 2026-11-01T12:00, not "${text.slice(0, 64)}".`);
  return Math.floor(ms / 1000);
}

function readRate(text: string): RateSource {
  const [, perBitcoin = '', currency = ''] = /^\s*(\d[\d.]*)\s+([A-Z]{3,5})\s*$/.exec(text) ?? [];
  try {
    return fixedRate(currency, perBitcoin);
  } catch (error) {
    throw new Ended(2, 'usage', `--rate is what a bitcoin cost, such as "67012.50 USD", not "${text.slice(0, 64)}".`, { cause: error });
  }
}
