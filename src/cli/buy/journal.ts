/**
 * `farebox journal`: every payment, how far it has come, and what to do about one whose end is not known.
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type Finding, type Payment, type PaymentState, resolvePayment } from '../../client/index.ts';
import * as Journal from '../../client/Journal.ts';
import * as Amount from '../../core/Amount.ts';
import { FareboxError } from '../../core/Errors.ts';
import { confirm } from '../Confirm.ts';
import type { CliContext } from '../Context.ts';
import { Ended } from '../exit.ts';
import { printable, type Terminal } from '../Terminal.ts';
import { formatLocal } from '../Time.ts';
import { dataOf, findPayment, type JournalOptions, printTable, stateTones, walletWords, withJournal } from './Payments.ts';
import { wrong } from './RequestOptions.ts';
import { boughtWords } from './story.ts';

type ListOptions = JournalOptions & { readonly state?: readonly string[]; readonly limit: number };
type ResolveOptions = JournalOptions & { readonly failed?: boolean; readonly preimage?: string; readonly fee?: string; readonly yes?: boolean };

/** Adds `farebox journal`. */
export function registerJournal(program: Command, context: CliContext): void {
  const journal = program
    .command('journal')
    .description('Every payment that was made or begun: what it was for, and how it stands.')
    .addHelpText('after', help);
  const wallet = ['-w, --wallet <name>', walletWords, 'wallet'] as const;
  journal
    .command('list', { isDefault: true })
    .description('Show the latest payments, oldest first.')
    .option('--state <state>', `only those in it, may repeat: ${states.join(', ')}`, (text: string, all: readonly string[] = []) => [...all, text])
    .option('-n, --limit <count>', 'how many of the latest', readCount, 20)
    .option(...wallet)
    .option('--json', 'print JSON, a line each')
    .action((options: ListOptions) => list(context, options));
  journal
    .command('show')
    .argument('<payment>', 'its payment hash, or the first 8 digits of it or more')
    .description('Show everything about a payment but what is secret about it.')
    .option(...wallet)
    .option('--json', 'print JSON')
    .action((payment: string, options: JournalOptions) => show(context, payment, options));
  journal
    .command('resolve')
    .argument('<payment>', 'its payment hash, or the first 8 digits of it or more')
    .description('End a payment by hand, where the wallet cannot say how it ended.')
    .option('--failed', 'it was not made and will not be: its money is free again')
    .option('--preimage <hex>', 'it was made, and this proves it; @file reads it from a file, - from standard input')
    .option('--fee <amount>', 'what it cost on top, such as "1 sat"; default: nothing')
    .option('-y, --yes', 'do not ask')
    .option(...wallet)
    .option('--json', 'print JSON')
    .action((payment: string, options: ResolveOptions) => resolve(context, payment, options));
  journal
    .command('resume')
    .argument('[payment]', 'its payment hash, or the first 8 digits of it or more; default: all whose end is not known')
    .description('Ask the wallet what became of payments whose end is not known, and write it down. Nothing is paid.')
    .option(...wallet)
    .option('--json', 'print JSON, a line each')
    .action((payment: string | undefined, options: JournalOptions) => resume(context, payment, options));
}

const states: readonly PaymentState[] = ['reserved', 'dispatched', 'unknown', 'failed', 'settled', 'redeemed', 'rejected'];

const help = `
A payment is "reserved" when its money is set aside, "dispatched" when the wallet was
called, "unknown" when the wallet could not say how it ended, "failed", "settled" when
it was paid, "redeemed" when it has bought an answer, "rejected" when the server took
the money and refuses the credential.

Examples:
  farebox journal
  farebox journal list --state unknown
  farebox journal resume
  farebox journal resolve 301225cd300e13c1 --failed`;

async function list(context: CliContext, options: ListOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const wanted = options.state?.map((text) => {
    const state = states.find((one) => one === text);
    if (state === undefined) throw wrong(`--state is one of ${states.join(', ')}, not "${text.slice(0, 64)}".`);
    return state;
  });
  await withJournal(context, options, async ({ store, network }) => {
    const all = await store.list(wanted);
    const payments = options.limit === 0 ? [] : all.slice(-options.limit);
    for (const payment of payments) terminal.data({ kind: 'payment', ...dataOf(payment) });
    printTable(
      terminal,
      payments.map((payment) => rowOf(terminal, payment)),
      [2],
    );
    const { spentMsat, heldMsat } = await store.spending();
    if (all.length === 0) terminal.line(terminal.tone('quiet', 'No payments yet.'));
    else terminal.line();
    terminal.line(`${terminal.tone('money', Amount.format(spentMsat))} spent, fees included; ${Amount.format(heldMsat)} held${where(terminal, network)}`);
  });
}

function where(terminal: Terminal, network: string): string {
  return network === 'sandbox' ? `   ${terminal.tone('warning', 'sandbox: play money, worth nothing')}` : `   ${terminal.tone('quiet', network)}`;
}

/** A payment in columns. */
function rowOf(terminal: Terminal, payment: Payment): readonly string[] {
  const { tone } = terminal;
  const { createdAt, state, amountMsat, method, origin, path, paymentHash } = payment;
  return [
    tone('quiet', formatLocal(createdAt)),
    tone(stateTones[state], state),
    tone('money', Amount.format(amountMsat)),
    tone('quiet', paymentHash.slice(0, 16)),
    printable(`${method} ${origin}${path}`),
  ];
}

async function show(context: CliContext, text: string, options: JournalOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  await withJournal(context, options, async ({ store }) => print(terminal, await findPayment(store, text)));
}

function print(terminal: Terminal, payment: Payment): void {
  terminal.data(dataOf(payment));
  const { tone } = terminal;
  const feeMsat = Journal.feeMsatOf(payment);
  const { state, amountMsat, reservedMsat, spentMsat, createdAt, dispatchedAt, updatedAt, preimage, usable, note } = payment;
  const facts: readonly (readonly [string, string])[] = [
    ['payment', payment.paymentHash],
    ['state', `${tone(stateTones[state], state)}  ${tone('quiet', stateWords[state])}`],
    ['for', printable(`${payment.method} ${payment.origin}${payment.path}`)],
    ['price', tone('money', Amount.format(amountMsat))],
    ...(preimage === undefined ? ([['set aside', `${Amount.format(reservedMsat)} for price and fee`]] as const) : []),
    ...(preimage === undefined ? [] : ([['cost', `${Amount.format(spentMsat)}, of which ${Amount.format(feeMsat)} fee`]] as const)),
    ...(preimage === undefined ? [] : ([['bought', `${boughtWords(payment.token)}${usable ? '; kept, good' : '; not used any more'}`]] as const)),
    ['proof', preimage === undefined ? 'none' : 'the preimage is kept (not shown)'],
    ['wallet', `${payment.payer} on ${payment.network}`],
    ['begun', formatLocal(createdAt)],
    ...(dispatchedAt === undefined ? [] : ([['called', `${formatLocal(dispatchedAt)}, the wallet`]] as const)),
    ['changed', formatLocal(updatedAt)],
    ...(note === '' ? [] : ([['note', printable(note)]] as const)),
  ];
  for (const [name, value] of facts) terminal.line(`${tone('quiet', name.padEnd(10))} ${value}`);
  if (Journal.isUnfinished(payment)) terminal.line(tone('quiet', `Ask the wallet: farebox journal resume ${payment.paymentHash.slice(0, 16)}`));
}

const stateWords: { readonly [state in PaymentState]: string } = {
  reserved: 'its money is set aside; the wallet was not called',
  dispatched: 'the wallet was called, and has not said how it ended',
  unknown: 'the wallet could not say how it ended; its money is held',
  failed: 'for certain; nothing was spent',
  settled: 'paid, and has bought no answer yet',
  redeemed: 'paid, and has bought an answer',
  rejected: 'paid, and the server refuses the credential',
};

async function resolve(context: CliContext, text: string, options: ResolveOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const { failed, preimage, fee } = options;
  if ((failed === true) === (preimage !== undefined)) throw wrong('How did it end? Say --failed, or prove with --preimage that it was made.');
  if (failed && fee !== undefined) throw wrong('--fee goes with --preimage: what failed has cost nothing.');
  await withJournal(context, options, async ({ store }) => {
    const payment = await findPayment(store, text);
    const short = payment.paymentHash.slice(0, 16);
    if (failed) await confirm(context, `Payment ${short} of ${Amount.format(payment.amountMsat)} was not made, and will not be?`, options.yes);
    const finding: Finding =
      preimage === undefined ? { kind: 'failed' } : { kind: 'settled', preimage: await secretIn(context, preimage), ...(fee !== undefined && { fee }) };
    print(terminal, await resolvePayment(store, payment.paymentHash, finding));
  });
}

/** A secret that need not stand in the command line, where others on this machine could read it. */
async function secretIn(context: CliContext, text: string): Promise<string> {
  if (text === '-') return new TextDecoder().decode(await context.readInput()).trim();
  if (!text.startsWith('@')) return text;
  try {
    return readFileSync(text.slice(1), 'utf8').trim();
  } catch (error) {
    throw new Ended(2, 'usage', `${text.slice(1)} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unreadable'}).`, { cause: error });
  }
}

async function resume(context: CliContext, text: string | undefined, options: JournalOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  await withJournal(context, options, async (purse) => {
    const wanted = text === undefined ? undefined : await findPayment(purse.store, text);
    if (wanted !== undefined && !Journal.isUnfinished(wanted)) {
      throw new FareboxError('JOURNAL_CONFLICT', `Payment ${wanted.paymentHash.slice(0, 16)} has ended: it is ${wanted.state}.`);
    }
    const client = purse.client({ onEvent: () => {} });
    const seen = await client.resume(wanted);
    for (const payment of seen) {
      terminal.data({ kind: 'payment', ...dataOf(payment) });
      terminal.line([...rowOf(terminal, payment), printable(payment.note)].join('  ').trimEnd());
    }
    if (seen.length === 0) terminal.line(terminal.tone('quiet', 'There is no payment whose end is not known.'));
    const open = seen.filter(Journal.isUnfinished);
    if (open.length === 0) return;
    terminal.note(
      `${open.length === 1 ? 'The end of one payment is' : `The ends of ${open.length} payments are`} still not known. Where the wallet cannot say, look it up by hand: farebox journal resolve`,
    );
    throw new Ended(5, '');
  });
}

function readCount(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw wrong(`--limit is a whole number up to 999999, not "${text.slice(0, 64)}".`);
  return Number(text);
}
