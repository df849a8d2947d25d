/**
 * `farebox sales`: what was earned, from the ledger of a gateway's store, and what is sold while one looks on.
 */
import type { Command } from 'commander';
import * as Amount from '../core/Amount.ts';
import { type Clock, systemClock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import type { Network } from '../lightning/Lightning.ts';
import type { LedgerRow, LedgerTotals, Store } from '../store/Store.ts';
import type { CliContext } from './Context.ts';
import { locateStore, openToLook, type StoreOptions } from './Stores.ts';
import { printable, type Terminal, type Tone } from './Terminal.ts';
import { formatLocal, isoAt } from './Time.ts';

type SalesOptions = StoreOptions & {
  readonly limit: number;
  readonly follow?: boolean;
  readonly once?: boolean;
  readonly json?: boolean;
};

/** Adds `farebox sales`. */
export function registerSales(program: Command, context: CliContext): void {
  program
    .command('sales')
    .description('Show what was earned: the totals, the latest entries of the ledger, and, on a terminal, new ones as they come (Ctrl-C ends).')
    .option('-s, --store <file>', 'the store to look into; default: that of "farebox serve <url>", in ~/.farebox')
    .option('-c, --config <file>', 'look into the store that this configuration names')
    .option('-n, --limit <count>', 'how many of the latest entries', readCount, 20)
    .option('-f, --follow', 'go on with new entries where the output is piped')
    .option('--once', 'end on a terminal too')
    .option('--json', 'print JSON, a line each: the totals, then entries')
    .addHelpText('after', help)
    .action((options: SalesOptions) => sales(context, options));
}

const help = `
An entry is "settled" when a wallet says that a payment has arrived, "received"
when it is first presented, "earned" when it bought an answer, "reversed" when
that was given back to the buyer, "repeated" when the answer was given again. A
payment is named by the beginning of its payment hash.

Examples:
  farebox sales
  farebox sales --config farebox.yaml --once
  farebox sales --follow | jq .amountMsat`;

async function sales(context: CliContext, options: SalesOptions): Promise<void> {
  if (options.follow && options.once) throw new FareboxError('CONFIG_INVALID', '--follow and --once cannot both be: stay, or end.');
  const terminal = context.terminal.withJson(options.json);
  const clock = context.clock ?? systemClock;
  const { choice, network } = await locateStore(context, options);
  const store = await openToLook(choice, clock, 'farebox sales');
  try {
    const { seq } = await store.denials();
    const rows = await latest(store, seq, options.limit);
    const totals = await store.totals();
    printTotals(terminal, totals, network);
    terminal.line();
    if (totals.payments === 0) terminal.line(terminal.tone('quiet', 'Nothing has been sold yet.'));
    for (const row of rows) printRow(terminal, row);
    const stays = options.follow ?? (terminal.isInteractive && !options.once);
    if (stays) await follow(context, terminal, store, seq, clock, network);
  } finally {
    await store.close();
  }
}

/** The last rows up to `seq`, oldest first. */
async function latest(store: Store, seq: number, limit: number): Promise<readonly LedgerRow[]> {
  return (await store.ledger({ before: seq + 1, limit, newestFirst: true })).toReversed();
}

/** New entries until somebody ends it; then the totals once more. */
async function follow(context: CliContext, terminal: Terminal, store: Store, after: number, clock: Clock, network: Network | undefined): Promise<void> {
  const { signal } = context;
  const release = stayAlive(clock);
  terminal.note(terminal.tone('quiet', 'New sales appear here. Ctrl-C ends.'));
  try {
    for await (const change of store.changes({ after, kind: 'ledger', signal })) if (change.kind === 'ledger') printRow(terminal, change.row);
  } finally {
    release();
  }
  terminal.line();
  if (!terminal.isJson) printTotals(terminal, await store.totals(), network);
}

/** Waiting for others' writes does not keep the process alive by itself: its timers do not. */
function stayAlive(clock: Clock): () => void {
  let cancel = () => {};
  const hold = () => {
    cancel = clock.after(2_000_000_000, hold, true);
  };
  hold();
  return () => cancel();
}

function printTotals(terminal: Terminal, totals: LedgerTotals, network: Network | undefined): void {
  const { settledMsat, settled, receivedMsat, earnedMsat, payments, sales: count } = totals;
  terminal.data({ kind: 'totals', ...(network && { network }), settledMsat, settled, receivedMsat, earnedMsat, payments, sales: count });
  const { tone } = terminal;
  const where = network === 'sandbox' ? `   ${tone('warning', sandbox)}` : network === undefined ? '' : `   ${tone('quiet', network)}`;
  terminal.line(`${tone('strong', 'earned')}    ${tone('money', Amount.format(earnedMsat))} with ${plural(count, 'sale')}${where}`);
  terminal.line(`${tone('strong', 'received')}  ${Amount.format(receivedMsat)} in ${plural(payments, 'payment')}`);
  if (settled > 0) terminal.line(`${tone('strong', 'arrived')}   ${Amount.format(settledMsat)} in ${plural(settled, 'payment')}, by the wallet's word`);
}

/** One entry; columns have a width of their own, so that those that come later stand under those that were there. */
function printRow(terminal: Terminal, row: LedgerRow): void {
  const { amountMsat, at, kind, note, paymentHash, route, seq, service } = row;
  terminal.data({ kind, at: isoAt(at), amountMsat, paymentHash, service, route, note, seq });
  const { tone } = terminal;
  const amount = `${signs[kind]}${Amount.format(amountMsat)}`.padStart(12);
  const columns = [
    tone('quiet', formatLocal(at)),
    tone(tones[kind], kind.padEnd(8)),
    tone(kind === 'earned' ? 'money' : 'quiet', amount),
    tone('quiet', paymentHash.slice(0, 16)),
    printable(route),
    tone('quiet', printable(note)),
  ];
  terminal.line(columns.join('  '));
}

const signs: { readonly [kind in LedgerRow['kind']]: string } = { settled: '', received: '', earned: '+', reversed: '-', repeated: '' };
const tones: { readonly [kind in LedgerRow['kind']]: Tone } = { settled: 'quiet', received: 'plain', earned: 'good', reversed: 'bad', repeated: 'warning' };
const sandbox = 'sandbox: play money, worth nothing';

function plural(count: number, name: string): string {
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}

function readCount(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new FareboxError('CONFIG_INVALID', `--limit is a whole number up to 999999, not "${text.slice(0, 64)}".`);
  return Number(text);
}
