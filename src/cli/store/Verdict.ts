/**
 * How a verdict on the books is shown.
 */
import * as Amount from '../../core/Amount.ts';
import type { Column, NodeVerdict, Settlement, Verdict } from '../../store/Books.ts';
import { printable, type Terminal, table } from '../Terminal.ts';
import { formatLocal, isoAt } from '../Time.ts';

/** Payments that were never presented are shown up to here; JSON has them all. */
const shownUnpresented = 10;

/** Prints the sums, then everything that is wrong, then what was paid and never presented. */
export function printVerdict(terminal: Terminal, path: string, verdict: Verdict): void {
  printJson(terminal, path, verdict);
  const { tone } = terminal;
  terminal.line(`The books of ${tone('strong', printable(path))}   ${tone('warning', 'sandbox: play money, worth nothing')}`);
  terminal.line();
  printColumns(terminal, verdict);
  terminal.line();
  printDiscrepancies(terminal, verdict);
  printNode(terminal, verdict.node, verdict);
}

function printJson(terminal: Terminal, path: string, { at, balanced, columns, untied, found, discrepancies, node }: Verdict): void {
  const unpresented = node.kind === 'compared' ? node.unpresented : [];
  const sandbox = node.kind === 'compared' ? (node.agrees ? 'agrees' : 'disagrees') : node.kind;
  terminal.data({ kind: 'books', network: 'sandbox', store: path, at: isoAt(at), balanced, found, sandbox, ...columns, untied });
  for (const { kind, paymentHash, sentence } of discrepancies) terminal.data({ kind: 'discrepancy', discrepancy: kind, paymentHash, sentence });
  for (const { paymentHash, amountMsat, settledAt } of unpresented) terminal.data({ kind: 'unpresented', paymentHash, amountMsat, at: isoAt(settledAt) });
}

function printColumns(terminal: Terminal, { columns, untied }: Verdict): void {
  const { tone } = terminal;
  const head = ['', 'amount', 'payments'].map((name) => tone('quiet', name));
  const names: readonly Column[] = ['received', 'earned', 'unspent', 'held', 'refunded', 'expired'];
  const rows = names.map((name) => {
    const { amountMsat, payments } = columns[name];
    const amount = text(amountMsat);
    return [name === 'received' ? tone('strong', name) : `  ${name}`, name === 'received' ? tone('money', amount) : amount, String(payments)];
  });
  for (const row of table([head, ...rows], [1, 2])) terminal.line(row);
  if (untied === 0) return;
  const whose = untied === 1 ? 'One payment is' : `${untied} payments are`;
  terminal.line();
  terminal.line(tone('quiet', `${whose} counted by the ledger alone: an older Farebox did not write down whose its claims were.`));
}

function printDiscrepancies(terminal: Terminal, { balanced, found, discrepancies }: Verdict): void {
  const { tone } = terminal;
  if (balanced) return terminal.line(`${tone('good', 'The books balance')}: received = earned + unspent + held + refunded + expired.`);
  terminal.line(`${tone('bad', 'The books do not balance')}:`);
  for (const { sentence } of discrepancies) terminal.line(`  ${printable(sentence)}`);
  if (found > discrepancies.length) terminal.line(`  … and ${found - discrepancies.length} more.`);
}

function printNode(terminal: Terminal, node: NodeVerdict, { columns }: Verdict): void {
  const { tone } = terminal;
  if (node.kind === 'not-asked') return terminal.line(tone('quiet', 'The sandbox was not asked.'));
  if (node.kind === 'unknown') return terminal.line(tone('warning', 'Whether the sandbox agrees is not known: it could not be asked.'));
  const { agrees, settled, unpresented } = node;
  const all = `it has settled ${settled} of ${plural(columns.received.payments, 'payment')} that the ledger received`;
  terminal.line(`${agrees ? tone('good', 'The sandbox agrees') : tone('bad', 'The sandbox does not agree')}: ${all}.`);
  if (unpresented.length > 0) printUnpresented(terminal, unpresented);
}

function printUnpresented(terminal: Terminal, unpresented: readonly Settlement[]): void {
  const { tone } = terminal;
  const total = unpresented.reduce((sum, { amountMsat }) => sum + amountMsat, 0n);
  terminal.line(`Paid, and not yet presented to this store: ${plural(unpresented.length, 'payment')}, ${text(total)}.`);
  const shown = unpresented.slice(-shownUnpresented);
  const rows = shown.map(({ paymentHash, amountMsat, settledAt }) => [
    `  ${tone('quiet', formatLocal(settledAt))}`,
    text(amountMsat),
    tone('quiet', paymentHash),
  ]);
  for (const row of table(rows, [1])) terminal.line(row);
  if (unpresented.length > shown.length) terminal.line(tone('quiet', `  … and ${unpresented.length - shown.length} earlier ones; --json has them all.`));
}

function plural(count: number, name: string): string {
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}

function text(msat: bigint): string {
  return Amount.format(msat as Amount.Msat);
}
