/**
 * Accounts in Redis. An account is one cell, with its lots and with what is held on it, so that a step on one account looks at two cells: that
 * and its reservation's.
 */
import * as AccountLife from '../accountLife.ts';
import type { AccountBalance, Store } from '../Store.ts';
import type { Asking } from './asking.ts';
import { type AccountCell, formatCell, type Hold, parseAccount, parseReservation, type ReservationCell } from './cells.ts';
import type { Keys } from './keys.ts';
import type { Draft } from './page.ts';
import { addHolder, holdersOf } from './payments.ts';
import type { Step, Steps } from './steps.ts';

/** Accounts, what was credited to them and what is reserved on them. */
export function createAccounts(steps: Steps, asking: Asking, keys: Keys, now: () => number) {
  const take = <T>(operation: Step<T>['operation'], cells: readonly string[], work: (kept: AccountLife.Kept) => T): Promise<T> =>
    steps.take({
      operation,
      cells,
      decide: (draft) => {
        const { kept, flush } = createKept(draft, keys, now);
        const outcome = work(kept);
        flush();
        return outcome;
      },
    });

  return {
    credit: (request: Parameters<Store['credit']>[0]) =>
      take('credit', [keys.account(request.account), keys.source(request.source)], (kept) => AccountLife.credit(kept, request)),
    reserve: (request: Parameters<Store['reserve']>[0]) =>
      take('reserve', [keys.reservation(request.reservation), ...request.debits.map(({ account }) => keys.account(account))], (kept) =>
        AccountLife.reserve(kept, request),
      ),
    extend: (request: Parameters<Store['extend']>[0]) => take('extend', [keys.reservation(request.reservation)], (kept) => AccountLife.extend(kept, request)),
    settle: (request: Parameters<Store['settle']>[0]) => take('settle', [keys.reservation(request.reservation)], (kept) => AccountLife.settle(kept, request)),
    cancel: (request: Parameters<Store['cancel']>[0]) => take('cancel', [keys.reservation(request.reservation)], (kept) => AccountLife.cancel(kept, request)),
    balance: async (account: string): Promise<AccountBalance | undefined> => {
      const [text] = await asking.ask([['GET', keys.account(account)]]);
      const draft: Draft = { read: () => (typeof text === 'string' ? text : undefined), write: () => {}, append: () => {}, run: () => {} };
      return AccountLife.balance(createKept(draft, keys, now).kept, account);
    },
  };
}

/** What is held on an account at that time, but for one reservation. */
export function reservedOn({ holds }: Pick<AccountCell, 'holds'>, at: number, but?: string): bigint {
  return Object.entries(holds).reduce((sum, [name, { units, until }]) => (name === but || until <= at ? sum : sum + units), 0n);
}

/** What is kept, as the steps of accounts see it: each cell is read once, and written when all is done. */
export function createKept(draft: Draft, keys: Keys, now: () => number): { readonly kept: AccountLife.Kept; readonly flush: () => void } {
  const accounts = createCells((name: string) => parseAccount(draft.read(keys.account(name))));
  const reservations = createCells((name: string) => parseReservation(draft.read(keys.reservation(name))));

  function changeHold(account: string, reservation: string, hold: Hold | undefined): void {
    const cell = accounts.get(account);
    if (cell === undefined) return;
    const others = Object.entries(cell.holds).filter(([name, { until }]) => name !== reservation && until > now());
    accounts.set(account, { ...cell, holds: Object.fromEntries(hold ? [...others, [reservation, hold]] : others) });
  }

  function setReservation(name: string, life: AccountLife.ReservationLife): void {
    const before = reservations.get(name);
    reservations.set(name, { ...life, units: life.debits.reduce((sum, { units }) => sum + units, 0n) });
    const accountsBefore = new Set(before?.debits.map(({ account }) => account));
    for (const { account, units } of life.debits) {
      changeHold(account, name, life.state === 'held' ? { units, until: life.leaseEndsAt } : undefined);
      if (!accountsBefore.delete(account)) draft.run('ZADD', keys.debits(account), '0', name);
    }
    // A reservation that is taken again may be over other accounts.
    for (const account of accountsBefore) {
      changeHold(account, name, undefined);
      draft.run('ZREM', keys.debits(account), name);
    }
    if (before?.leaseEndsAt !== life.leaseEndsAt) draft.run('ZADD', keys.expiring('reservations'), `${life.leaseEndsAt}`, name);
  }

  function setLot(account: string, lot: AccountLife.Lot): void {
    const cell = accounts.get(account);
    if (cell === undefined) return;
    const isKnown = cell.lots.some(({ source }) => source === lot.source);
    accounts.set(account, { ...cell, lots: isKnown ? cell.lots.map((other) => (other.source === lot.source ? lot : other)) : [...cell.lots, lot] });
    if (isKnown) return;
    draft.write(keys.source(lot.source), formatCell({ account }));
    draft.run('ZADD', keys.expiring('sources'), `${lot.expiresAt}`, lot.source);
    if (lot.paymentHash !== undefined) addHolder(draft, keys, lot.paymentHash, 'lots', lot.source);
  }

  /** A step hands back what it read, changed: lots and holds are as they are by now. */
  function setAccount(name: string, { units, spent, forgotten, givenBack, opened, expiresAt }: AccountLife.AccountLife): void {
    const before = accounts.get(name);
    const { lots, holds } = before ?? { lots: [], holds: {} };
    accounts.set(name, { units, spent, forgotten, givenBack, opened, expiresAt, lots, holds });
    if (!before) draft.run('ZADD', keys.accounts, '0', name);
    if (before?.expiresAt !== expiresAt) draft.run('ZADD', keys.expiring('accounts'), `${expiresAt}`, name);
  }

  return {
    kept: {
      now,
      account: accounts.get,
      setAccount,
      lots: (account) => accounts.get(account)?.lots ?? [],
      hasLot: (source) => draft.read(keys.source(source)) !== undefined,
      closing: (paymentHash) => holdersOf(draft, keys, paymentHash).closing,
      setLot,
      reserved: (account, but) => reservedOn(accounts.get(account) ?? { holds: {} }, now(), but),
      reservation: reservations.get,
      setReservation,
      append: (entries) => {
        for (const entry of entries) draft.append(entry);
      },
    },
    flush: () => {
      for (const [name, cell] of accounts.changed()) draft.write(keys.account(name), formatCell(cell));
      for (const [name, cell] of reservations.changed()) draft.write(keys.reservation(name), formatCell(cell));
    },
  };
}

/** Cells by name, read once. */
function createCells<Cell extends AccountCell | ReservationCell>(read: (name: string) => Cell | undefined) {
  const cells = new Map<string, Cell | undefined>();
  const changed = new Map<string, Cell>();
  return {
    get: (name: string): Cell | undefined => {
      if (!cells.has(name)) cells.set(name, read(name));
      return cells.get(name);
    },
    set: (name: string, cell: Cell): void => {
      cells.set(name, cell);
      changed.set(name, cell);
    },
    changed: (): ReadonlyMap<string, Cell> => changed,
  };
}
