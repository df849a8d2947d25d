/**
 * Reads a store's cells as they were at one moment, while everybody goes on writing.
 *
 * A reader puts its name down at its moment; from then on whoever writes over a cell keeps what was there beside that name, the first
 * time, in the same step. So a cell is read as it was, however late: what was kept, or else what is there. Neither side waits for the other, this
 * side holds a page at a time, and the server no more than what is written over meanwhile. Nothing is forgotten while one is under way, so that
 * whatever was there is found.
 *
 * One that nobody goes on with for five minutes is over, and says so when somebody does.
 */
import { FareboxError } from '../../core/Errors.ts';
import type { Asking, Command } from './asking.ts';
import type { Keys } from './keys.ts';
import { scripts } from './scripts.ts';
import type { Unreadable } from './standings.ts';

/** What is read at once, of whatever it is. */
export const pageSize = 100;

/** How long a moment is good for while nobody goes on with it. */
const goodForMs = 300_000;

/** What a reader asks, and what it could not read. */
export type Moment = {
  readonly asking: Asking;
  readonly keys: Keys;
  /** The key beside which is kept what was written over since. */
  readonly mark: string;
  readonly unreadable: Unreadable;
};

/** Keeps a moment under a name of its own, from its beginning to its end. */
export function keepMoment(asking: Asking, keys: Keys, name: string) {
  const mark = keys.audit(name);
  return {
    mark,
    /** What those commands answer is of the very moment. */
    begin: async (commands: readonly Command[]): Promise<readonly unknown[]> => {
      const begun: readonly Command[] = [
        ['SADD', keys.audits, mark],
        ['HSET', mark, 'begun', '1'],
        ['PEXPIRE', mark, `${goodForMs}`],
      ];
      return (await asking.ask([...begun, ...commands])).slice(begun.length);
    },
    end: async (): Promise<void> => {
      const over = asking.ask([
        ['SREM', keys.audits, mark],
        ['DEL', mark],
      ]);
      // One that cannot be taken back is over by itself.
      await over.catch(() => {});
    },
  };
}

type Found<Cell> = {
  readonly cells: ReadonlyMap<string, Cell>;
  /** Made since the moment. */
  readonly since: ReadonlySet<string>;
};

/** Cells by name, as they were at the moment. */
export async function readCells<Cell>(...args: Parameters<typeof readCellsAndAbsent<Cell>>): Promise<ReadonlyMap<string, Cell>> {
  return (await readCellsAndAbsent(...args)).cells;
}

/** The same, and which of them have been made since. */
export async function readCellsAndAbsent<Cell>(
  { asking, mark, unreadable }: Moment,
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
      throw new FareboxError('STORE_UNAVAILABLE', 'The reading was left for too long: what was written over meanwhile is not known any more.');
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
export async function* pagesOf({ asking }: Pick<Moment, 'asking'>, key: string): AsyncGenerator<readonly string[]> {
  for (let from = '-'; ; ) {
    const [reply] = await asking.ask([['ZRANGEBYLEX', key, from, '+', 'LIMIT', '0', `${pageSize}`]]);
    const page = reply as readonly string[];
    if (page.length > 0) yield page;
    if (page.length < pageSize) return;
    from = `(${page.at(-1)}`;
  }
}
