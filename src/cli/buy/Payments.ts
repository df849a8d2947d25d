/**
 * The journal as commands look into it: which one is meant, and which of its payments.
 */
import { stripVTControlCharacters } from 'node:util';
import type { ClientStore, Payment, PaymentState } from '../../client/index.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { CliContext } from '../Context.ts';
import { type Terminal, type Tone, table } from '../Terminal.ts';
import { openPurse, type Purse } from './Purse.ts';
import { wrong } from './RequestOptions.ts';

/** Options of commands that look into a journal. */
export type JournalOptions = { readonly wallet: string; readonly json?: boolean };

/** What `--wallet` means where nothing is paid. */
export const walletWords = 'the wallet whose journal is meant: one that was connected, or else one of the sandbox';

/** Opens wallet and journal for as long as they are used. */
export async function withJournal<T>(context: CliContext, options: { readonly wallet: string }, use: (purse: Purse) => Promise<T>): Promise<T> {
  const purse = await openPurse(context, { wallet: options.wallet });
  try {
    return await use(purse);
  } finally {
    await purse.close();
  }
}

/** The payment whose hash begins so. @throws Ended – 2: too short, none, or several */
export async function findPayment(store: ClientStore, text: string): Promise<Payment> {
  const wanted = text.toLowerCase();
  if (!/^[0-9a-f]{8,64}$/.test(wanted))
    throw wrong(`A payment is named by its payment hash, or the first 8 digits of it or more, not by "${text.slice(0, 64)}".`);
  const found = (await store.list()).filter(({ paymentHash }) => paymentHash.startsWith(wanted));
  const [payment] = found;
  if (payment === undefined) throw new FareboxError('JOURNAL_CONFLICT', `Payment ${wanted} is not in this journal. Show it with: farebox journal list`);
  if (found.length > 1) throw wrong(`${found.length} payments begin with ${wanted}: give more of its hash.`);
  return payment;
}

/** A payment for programs; neither token nor preimage. */
export function dataOf(payment: Payment): object {
  const { token: _, preimage, owner: __, leaseEndsAt: ___, resource: ____, boundTo: _____, ...rest } = payment;
  return { ...rest, hasProof: preimage !== undefined };
}

/** Prints rows in columns. Where they are wider than the terminal, what is last stands on a line of its own below the rest. */
export function printTable(terminal: Terminal, rows: readonly (readonly string[])[], rightColumns: readonly number[] = []): void {
  const lines = table(rows, rightColumns);
  if (!terminal.isInteractive || lines.every((line) => stripVTControlCharacters(line).length <= terminal.width)) {
    for (const line of lines) terminal.line(line);
    return;
  }
  const heads = table(
    rows.map((row) => row.slice(0, -1)),
    rightColumns,
  );
  for (const [index, head] of heads.entries()) {
    terminal.line(head);
    terminal.line(`    ${rows[index]?.at(-1) ?? ''}`);
  }
}

/** How a state looks. */
export const stateTones: { readonly [state in PaymentState]: Tone } = {
  reserved: 'quiet',
  dispatched: 'warning',
  unknown: 'warning',
  failed: 'bad',
  settled: 'good',
  redeemed: 'good',
  rejected: 'bad',
};
