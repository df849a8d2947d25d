/**
 * The seller's books: for every payment that was ever seen, received = earned + unspent + held + refunded + expired, to the millisatoshi.
 *
 * What was received comes from the ledger; everything right of the sign from the state that grants and refuses uses (claims, accounts,
 * and what is left of those that were forgotten), so that neither can be wrong without the other saying so. A pass alone has no state:
 * it is earned when it is first seen.
 *
 * @see docs/decisions/0014-books.md
 */
import { checkAccount, checkPayment, checkReservation, checkTotals, type Discrepancy, money } from './bookChecks.ts';
import * as LedgerSums from './ledgerSums.ts';
import type { BookStanding, PaymentStanding, Standing } from './Standing.ts';

export type { Discrepancy, DiscrepancyKind } from './bookChecks.ts';

/** What a payment's money can be. Nothing can be refunded yet. */
export type Column = 'received' | 'earned' | 'unspent' | 'held' | 'refunded' | 'expired';

/** A payment as the node has it. */
export type Settlement = { readonly paymentHash: string; readonly amountMsat: bigint; readonly settledAt: number };

/** What the node says that it was paid. */
export type NodeBook = {
  /** What it is called in sentences, such as `sandbox`. */
  readonly name: string;
  /** Whether its own books balance. */
  readonly balanced: boolean;
  /** Every payment that it settled for this seller. */
  readonly settlements: readonly Settlement[];
};

/** How the books are verified. */
export type VerifyOptions = {
  /**
   * Asks the node, once the store's moment is fixed: whatever the ledger holds then has been settled before. Undefined: it could not be
   * found out. Left out: the ledger is not compared with anything.
   */
  readonly askNode?: () => Promise<NodeBook | undefined>;
  /** How many discrepancies are told in full; default 1,000. All are counted. */
  readonly limit?: number;
};

/** What was found. */
export type Verdict = {
  /** Nothing is wrong. Says nothing of the node where that could not be asked: see `node`. */
  readonly balanced: boolean;
  /** Unix seconds of the moment that was looked at. */
  readonly at: number;
  /** Sums over all payments, and how many payments have anything there. */
  readonly columns: { readonly [column in Column]: { readonly amountMsat: bigint; readonly payments: number } };
  /** Payments of an older version's claims, which name none: counted by the ledger alone. */
  readonly untied: number;
  /** How many discrepancies there are. */
  readonly found: number;
  /** The first of them. */
  readonly discrepancies: readonly Discrepancy[];
  readonly node: NodeVerdict;
};

/** What the node's book has to say. What it disagrees with stands among the discrepancies. */
export type NodeVerdict =
  | { readonly kind: 'not-asked' }
  /** It could not be found out. */
  | { readonly kind: 'unknown' }
  /** `settled`: how many of the received payments the node has settled in full. `unpresented`: paid, and never shown to this store. */
  | { readonly kind: 'compared'; readonly agrees: boolean; readonly settled: number; readonly unpresented: readonly Settlement[] };

/**
 * Adds up what a store keeps. Holds one standing at a time, and the node's settlements where they are asked for.
 *
 * @throws STORE_UNAVAILABLE – the standings could not be read; whatever `askNode` throws
 * @example const verdict = await Books.verify(store.audit()); verdict.balanced
 */
export async function verify(standings: AsyncIterable<Standing>, options: VerifyOptions = {}): Promise<Verdict> {
  const count = createCount(options.limit ?? 1000);
  let book: BookStanding | undefined;
  let node: Comparison | undefined;
  for await (const standing of standings) {
    if (standing.kind === 'book') {
      book = standing;
      node = options.askNode && compareWith(await options.askNode());
      continue;
    }
    if (!book) throw new TypeError("standings: the first is expected to be the book's");
    if (standing.kind === 'payment') count.payment(standing, book, node);
    else count.others(standing, book);
  }
  if (!book) throw new TypeError("standings: expected at least the book's");
  return count.verdict(book, node);
}

/** The node's settlements, less those that the ledger has been seen to have received. Without any: it could not be asked. */
type Comparison = { readonly book: NodeBook | undefined; readonly unseen: Map<string, Settlement>; settled: number; agrees: boolean };

function compareWith(book: NodeBook | undefined): Comparison {
  return { book, unseen: new Map(book?.settlements.map((settlement) => [settlement.paymentHash, settlement])), settled: 0, agrees: book?.balanced ?? false };
}

function createCount(limit: number) {
  const columns: { [column in Column]: { amountMsat: bigint; payments: number } } = {
    received: { amountMsat: 0n, payments: 0 },
    earned: { amountMsat: 0n, payments: 0 },
    unspent: { amountMsat: 0n, payments: 0 },
    held: { amountMsat: 0n, payments: 0 },
    refunded: { amountMsat: 0n, payments: 0 },
    expired: { amountMsat: 0n, payments: 0 },
  };
  const discrepancies: Discrepancy[] = [];
  let found = 0;
  let untied = 0;
  let sums = LedgerSums.none;
  let newestSeq = 0;

  const tell = (more: readonly Discrepancy[]) => {
    found += more.length;
    discrepancies.push(...more.slice(0, Math.max(0, limit - discrepancies.length)));
  };
  const add = (column: Column, amountMsat: bigint, isThere = amountMsat !== 0n) => {
    columns[column].amountMsat += amountMsat;
    columns[column].payments += Number(isThere);
  };

  return {
    payment: (payment: PaymentStanding, book: BookStanding, node: Comparison | undefined): void => {
      for (const entry of payment.entries) {
        sums = LedgerSums.add(sums, entry);
        newestSeq = Math.max(newestSeq, entry.seq);
      }
      const { receivedMsat, terms, isUntied, discrepancies: wrong } = checkPayment(payment, book);
      add(
        'received',
        receivedMsat,
        payment.entries.some(({ kind }) => kind === 'received'),
      );
      add('earned', terms.earnedMsat);
      add('unspent', terms.unspentMsat);
      add('held', terms.heldMsat);
      add('expired', terms.expiredMsat);
      untied += Number(isUntied);
      tell(wrong);
      if (node?.book) tell(checkSettled(payment, receivedMsat, node));
    },
    others: (standing: Exclude<Standing, BookStanding | PaymentStanding>, { at }: BookStanding): void => {
      if (standing.kind === 'account') tell(checkAccount(standing, at));
      else if (standing.kind === 'reservation') tell(checkReservation(standing));
      else tell([{ kind: 'unreadable', sentence: `A row of ${standing.table} has an amount that is no number: ${standing.row}.` }]);
    },
    verdict: (book: BookStanding, node: Comparison | undefined): Verdict => {
      tell(checkTotals(book, sums, newestSeq));
      if (node?.book?.balanced === false) tell([{ kind: 'node-unbalanced', sentence: `The ${node.book.name}'s own books do not balance.` }]);
      return { balanced: found === 0, at: book.at, columns, untied, found, discrepancies, node: nodeVerdict(node) };
    },
  };
}

/** What the ledger received the node has settled, with at least as much. */
function checkSettled({ paymentHash, entries }: PaymentStanding, receivedMsat: bigint, node: Comparison): readonly Discrepancy[] {
  const settlement = node.unseen.get(paymentHash);
  node.unseen.delete(paymentHash);
  if (!entries.some(({ kind }) => kind === 'received')) return [];
  if (settlement && settlement.amountMsat >= receivedMsat) {
    node.settled += 1;
    return [];
  }
  node.agrees = false;
  const said = settlement ? `settled ${money(settlement.amountMsat)}` : 'has settled no such payment';
  return [
    { kind: 'unsettled', sentence: `Payment ${paymentHash}: the ledger received ${money(receivedMsat)}, and the ${node.book?.name} ${said}.`, paymentHash },
  ];
}

function nodeVerdict(node: Comparison | undefined): NodeVerdict {
  if (!node) return { kind: 'not-asked' };
  return node.book ? { kind: 'compared', agrees: node.agrees, settled: node.settled, unpresented: [...node.unseen.values()] } : { kind: 'unknown' };
}
