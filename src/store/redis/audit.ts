/**
 * Reads a store's books as they were at one moment, while everybody goes on writing.
 * Cells are read as `moment.ts` keeps them; entries need no keeping: they are only added, and those behind the moment's number are left out.
 */
import type { AccountStanding, PaymentStanding, ReservationStanding, Standing } from '../Standing.ts';
import type { Asking } from './asking.ts';
import { type Item, parseStream } from './book.ts';
import { type AccountCell, parseAccount, parseClaim, parsePayment, parseReservation, parseSource, type ReservationCell } from './cells.ts';
import type { Keys } from './keys.ts';
import { keepMoment, type Moment, pageSize, pagesOf, readCells, readCellsAndAbsent } from './moment.ts';
import { accountOf, bookOf, claimOf, createUnreadable, creditOf, entryOf, paymentOf, reservationOf } from './standings.ts';

/** What an audit asks, and what it could not read. */
type Auditing = Moment & { readonly at: number; readonly seq: number };

/**
 * Everything that the store holds about money, of the moment at which the first is asked for.
 * @param name - of this audit alone
 * @throws STORE_UNAVAILABLE – it cannot be read, or not any more as it was
 */
export async function* audit(asking: Asking, keys: Keys, now: () => number, name: string): AsyncGenerator<Standing> {
  const moment = keepMoment(asking, keys, name);
  try {
    const [book, payments] = await moment.begin([
      ['HGETALL', keys.book],
      ['LLEN', keys.payments],
    ]);
    const unreadable = createUnreadable();
    // The hour is told after the moment, so that nothing is younger than the hour.
    const standing = bookOf(book, now(), unreadable);
    const auditing = { asking, keys, mark: moment.mark, at: standing.at, seq: standing.seq, unreadable };
    yield* [standing, ...unreadable.told()];
    for (let from = 0; from < Number(payments); from += pageSize) {
      yield* [...(await readPayments(auditing, from, Math.min(from + pageSize, Number(payments)))), ...unreadable.told()];
    }
    for await (const names of pagesOf(auditing, keys.accounts)) yield* [...(await readAccounts(auditing, names)), ...unreadable.told()];
    for await (const names of pagesOf(auditing, keys.accounts)) {
      for (const account of names) {
        for await (const page of pagesOf(auditing, keys.debits(account))) {
          yield* [...(await readReservations(auditing, account, page)), ...unreadable.told()];
        }
      }
    }
  } finally {
    await moment.end();
  }
}

async function readPayments(auditing: Auditing, from: number, to: number): Promise<readonly PaymentStanding[]> {
  const { asking, keys, at, unreadable } = auditing;
  const [list] = await asking.ask([['LRANGE', keys.payments, `${from}`, `${to - 1}`]]);
  const hashes = list as readonly string[];
  const entries = await readEntries(auditing, hashes);
  const payments = await readCells(auditing, 'payments', hashes, keys.payment, parsePayment);
  const named = [...payments.values()];
  const claimKeys = named.flatMap((payment) => payment.claims);
  const claims = await readCells(auditing, 'claims', claimKeys, keys.claim, parseClaim);
  const lots = named.flatMap((payment) => payment.lots);
  const sources = await readCells(auditing, 'sources', lots, keys.source, parseSource);
  const names = [...sources.values()].map(({ account }) => account);
  const accounts = await readCells(auditing, 'accounts', names, keys.account, parseAccount);
  return hashes.map((paymentHash, i) => {
    const payment = payments.get(paymentHash);
    const credits = (payment?.lots ?? []).flatMap((source) => {
      const account = sources.get(source)?.account;
      return account === undefined ? [] : creditOf(source, account, accounts.get(account), paymentHash, at);
    });
    const found = {
      entries: (entries[i] ?? []).map((item) => entryOf(item, unreadable)),
      claims: (payment?.claims ?? []).flatMap((key) => claimOf(claims.get(key), paymentHash)),
      credits,
    };
    return paymentOf(paymentHash, found, payment?.closing);
  });
}

/** The entries of each payment as they were written, up to the moment's number. */
async function readEntries({ asking, keys, seq }: Auditing, hashes: readonly string[]): Promise<readonly (readonly Item[])[]> {
  const numbers = await asking.ask(hashes.map((paymentHash) => ['HVALS', keys.entries(paymentHash)]));
  const known = numbers.map((reply) => (reply as readonly string[]).map(Number).filter((number) => number <= seq));
  const items = new Map<number, Item>();
  const wanted = known.flat();
  for (let from = 0; from < wanted.length; from += pageSize) {
    const page = wanted.slice(from, from + pageSize);
    const replies = await asking.ask(page.map((number) => ['XRANGE', keys.ledger, `${number}-0`, `${number}-0`]));
    for (const item of replies.flatMap(parseStream)) items.set(item.seq, item);
  }
  return known.map((own, i) => {
    const found = own.sort((a, b) => a - b).flatMap((number) => items.get(number) ?? []);
    // An entry that says that it is another's counts for nobody.
    return found.filter(({ fields }) => fields.paymentHash === hashes[i]);
  });
}

async function readAccounts(auditing: Auditing, names: readonly string[]): Promise<readonly AccountStanding[]> {
  const { keys, at } = auditing;
  const { cells, since } = await readCellsAndAbsent(auditing, 'accounts', names, keys.account, parseAccount);
  const standings: AccountStanding[] = [];
  for (const name of names) {
    if (since.has(name)) continue;
    let debited = 0n;
    for await (const page of pagesOf(auditing, keys.debits(name))) {
      const reservations = await readCells(auditing, 'reservations', page, keys.reservation, parseReservation);
      for (const { debits } of reservations.values()) for (const { account, spent } of debits) if (account === name) debited += spent;
    }
    standings.push(accountOf(name, cells.get(name), debited, at));
  }
  return standings;
}

/** Those reservations of an account whose first debit is over it: each has one such account. */
async function readReservations(auditing: Auditing, account: string, names: readonly string[]): Promise<readonly ReservationStanding[]> {
  const { keys, at } = auditing;
  const { cells, since } = await readCellsAndAbsent(auditing, 'reservations', names, keys.reservation, parseReservation);
  const isHere = (cell: ReservationCell | undefined) => cell === undefined || cell.debits[0] === undefined || cell.debits[0].account === account;
  const here = names.filter((name) => !since.has(name) && isHere(cells.get(name)));
  const named = here.flatMap((name) => (cells.get(name)?.debits ?? []).map((debit) => debit.account));
  const accounts: ReadonlyMap<string, AccountCell> = await readCells(auditing, 'accounts', named, keys.account, parseAccount);
  return here.map((name) => reservationOf(name, cells.get(name), accounts, at));
}
