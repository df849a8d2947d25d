/**
 * What a group of steps looks at and changes, gathered while they are decided and written as the arguments of one script.
 */
import * as LedgerSums from '../ledgerSums.ts';
import type { LedgerEntry } from '../Store.ts';
import { type Command, createPlaces, formatCommand, type Places } from './asking.ts';
import type { Keys } from './keys.ts';

/** What a step reads and writes. */
export type Draft = {
  /** A cell's text; undefined: there is none. */
  readonly read: (key: string) => string | undefined;
  readonly write: (key: string, text: string | undefined) => void;
  /** An entry that is there already stays as it is. */
  readonly append: (entry: LedgerEntry) => void;
  /** A command of Redis on a key that is no cell. */
  readonly run: (...command: Command) => void;
};

/** See the head of this file. */
export type Page = {
  /** Lets one step look and write; what it wrote stays only if it does not throw. */
  readonly take: <T>(decide: (draft: Draft) => T) => T;
  /** Every cell that was looked at, in the order of the script. */
  readonly cells: () => readonly string[];
  /** Every cell's text once it is written; undefined: there is none. */
  readonly texts: () => ReadonlyMap<string, string | undefined>;
  readonly hasEntries: () => boolean;
  /** Keys and arguments of `apply`, less the store's own. */
  readonly format: (keys: Keys, mode: '' | 'unaudited') => { readonly keys: readonly string[]; readonly args: readonly string[] };
};

/** An empty page over cells that hold what is guessed. */
export function createPage(guess: (key: string) => string | undefined): Page {
  const expected = new Map<string, string | undefined>();
  const next = new Map<string, string | undefined>();
  const entries: LedgerEntry[] = [];
  const commands: Command[] = [];

  function look(key: string): string | undefined {
    if (!expected.has(key)) {
      expected.set(key, guess(key));
      next.set(key, expected.get(key));
    }
    return next.get(key);
  }

  return {
    take: (decide) => {
      const written = new Map<string, string | undefined>();
      const appended: LedgerEntry[] = [];
      const run: Command[] = [];
      const value = decide({
        read: (key) => (written.has(key) ? written.get(key) : look(key)),
        write: (key, text) => {
          look(key);
          written.set(key, text);
        },
        append: (entry) => void appended.push(entry),
        run: (...command) => void run.push(command),
      });
      for (const [key, text] of written) next.set(key, text);
      entries.push(...appended);
      commands.push(...run);
      return value;
    },
    cells: () => [...expected.keys()],
    texts: () => next,
    hasEntries: () => entries.length > 0,
    format: (keys, mode) => {
      const cells = [...expected].flatMap(([key, text]) => [text ?? '', next.get(key) ?? '']);
      const places = createPlaces([keys.store, keys.audits, keys.book, keys.ledger, keys.payments, ...expected.keys()]);
      const rows = entries.flatMap((entry) => formatEntry(entry, places, keys));
      const args = [mode, `${expected.size}`, ...cells, `${entries.length}`, ...rows, ...commands.flatMap((command) => formatCommand(command, places))];
      return { keys: places.keys().slice(1), args };
    },
  };
}

/** An entry as `apply` reads it. Which sums it adds to is the ledger's own rule: those of a ledger that holds nothing else. */
function formatEntry(entry: LedgerEntry, places: Places, keys: Keys): readonly string[] {
  const { kind, paymentHash, nonce, amountMsat, service, route, at, note } = entry;
  const row = Object.entries({ kind, paymentHash, nonce, amountMsat, service, route, at, note }).flatMap(([name, value]) => [name, `${value}`]);
  const sums = Object.entries(LedgerSums.add(LedgerSums.none, entry)).flatMap(([name, sum]) => (sum > 0 ? [name, `${sum}`] : []));
  return [places.of(keys.entries(paymentHash)), `${kind} ${nonce}`, paymentHash, `${row.length}`, ...row, `${sums.length}`, ...sums];
}
