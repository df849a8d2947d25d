/**
 * Reads a store's books as they were at one moment, while everybody goes on writing.
 *
 * An audit puts its name down at its moment; from then on whoever writes over a cell keeps what was there beside the audit's name, the first
 * time, in the same step. So a cell is read as it was, however late: what was kept, or else what is there. Entries need no keeping: they are only
 * added, and those behind the moment's number are left out. Neither side waits for the other, this side holds a page at a time, and the server no
 * more than what is written over meanwhile. Nothing is forgotten while an audit is under way, so that whatever was there is found.
 *
 * An audit that nobody goes on with for five minutes is over, and says so when somebody does.
 */
import { FareboxError } from '../../core/Errors.ts';
import type { AccountStanding, PaymentStanding, ReservationStanding, Standing } from '../Standing.ts';
import type { Asking } from './asking.ts';
import { type Item, parseStream } from './book.ts';
import { type AccountCell, parseAccount, parseClaim, parsePayment, parseReservation, parseSource, type ReservationCell } from './cells.ts';
import type { Keys } from './keys.ts';
import { scripts } from './scripts.ts';
import { accountOf, bookOf, claimOf, createUnreadable, creditOf, entryOf, paymentOf, reservationOf, type Unreadable } from './standings.ts';

/** Payments, accounts, reservations or entries that are read at once. */
const pageSize = 100;

/** How long an audit is good for while nobody goes on with it. */
const goodForMs = 300_000;

/** What an audit asks, and what it could not read. */
type Auditing = {
  readonly asking: Asking;
  readonly keys: Keys;
  readonly mark: string;
  readonly at: number;
  readonly seq: number;
  readonly unreadable: Unreadable;
};

/**
 * Everything that the store holds about money, of the moment at which the first is asked for.
 * @param name - of this audit alone
 * @throws STORE_UNAVAILABLE – it cannot be read, or not any more as it was
 */
export async function* audit(asking: Asking, keys: Keys, now: () => number, name: string): AsyncGenerator<Standing> {
  const mark = keys.audit(name);
  try {
    const [, , , book, payments] = await asking.ask([
      ['SADD', keys.audits, mark],
      ['HSET', mark, 'begun', '1'],
      ['PEXPIRE', mark, `${goodForMs}`],
      ['HGETALL', keys.book],
      ['LLEN', keys.payments],
    ]);
    const unreadable = createUnreadable();
    // The hour is told after the moment, so that nothing is younger than the hour.
    const standing = bookOf(book, now(), unreadable);
    const auditing = { asking, keys, mark, at: standing.at, seq: standing.seq, unreadable };
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
    const over = asking.ask([
      ['SREM', keys.audits, mark],
      ['DEL', mark],
    ]);
    // One that cannot be taken back is over by itself.
    await over.catch(() => {});
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

type Found<Cell> = {
  readonly cells: ReadonlyMap<string, Cell>;
  /** Made since the moment. */
  readonly since: ReadonlySet<string>;
};

async function readCells<Cell>(...args: Parameters<typeof readCellsAndAbsent<Cell>>): Promise<ReadonlyMap<string, Cell>> {
  return (await readCellsAndAbsent(...args)).cells;
}

/** Cells by name, as they were at the moment. */
async function readCellsAndAbsent<Cell>(
  { asking, mark, unreadable }: Auditing,
  table: string,
  names: readonly string[],
  keyOf: (name: string) => string,
  parse: (text: string) => Cell | undefined,
): Promise<Found<Cell>> {
  const wanted = [...new Set(names)];
  const cells = new Map<string, Cell>();
  const since = new Set<string>();
  for (let from = 0; from < wanted.length; from += pageSize) {
    const page = wanted.slice(from, from + pageSize);
    const [status, texts] = await asking.run(scripts.asOf, [mark, ...page.map(keyOf)], [`${goodForMs}`]);
    if (status !== 'done')
      throw new FareboxError('STORE_UNAVAILABLE', 'The audit was left for too long: what was written over meanwhile is not known any more.');
    for (const [i, name] of page.entries()) {
      const text = (texts as readonly (string | null)[])[i];
      if (typeof text !== 'string') since.add(name);
      else if (text !== '') {
        const cell = unreadable.attempt(table, name, () => parse(text));
        if (cell !== undefined) cells.set(name, cell);
      }
    }
  }
  return { cells, since };
}

/** The members of a sorted set whose scores are alike, page by page and in their order, whoever is added meanwhile. */
async function* pagesOf({ asking }: Auditing, key: string): AsyncGenerator<readonly string[]> {
  for (let from = '-'; ; ) {
    const [reply] = await asking.ask([['ZRANGEBYLEX', key, from, '+', 'LIMIT', '0', `${pageSize}`]]);
    const page = reply as readonly string[];
    if (page.length > 0) yield page;
    if (page.length < pageSize) return;
    from = `(${page.at(-1)}`;
  }
}
