/**
 * What was sold, over any span: sums, by time, by route and by kind of entry.
 */
import { z } from 'zod';
import { nowAt } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { type Cell, cellSeconds, tallyOf } from '../books/Tally.ts';
import * as Fields from '../Fields.ts';
import { defineRead } from '../Operation.ts';

const steps = { minutes: cellSeconds, hour: 3600, day: 86_400 } as const;

/** Steps of time in one answer at most. */
const mostSteps = 1000;

const sums = {
  receivedMsat: Fields.msat.describe('Payments that were first presented.'),
  payments: z.int(),
  earnedMsat: Fields.signedMsat.describe('Earned less given back.'),
  sales: z.int().describe('Answers that were bought, less those that were given back.'),
  reversedMsat: Fields.msat.describe('Given back.'),
  reversals: z.int(),
  settledMsat: Fields.msat.describe('What wallets said has arrived; nothing where no wallet tells.'),
  settled: z.int(),
  repeats: z.int().describe('Answers that were given again for nothing.'),
};

/** `statistics.show` */
export const showStatistics = defineRead({
  name: 'statistics.show',
  scope: 'read',
  summary: 'Say what was sold in a span of time.',
  description:
    'In all, by steps of time, by route and by kind of entry. The span is widened to whole steps. Where the ledger is too long to be read at once, `countedFromAt` is later than `fromAt`; asking again reads on.',
  input: z.object({
    fromAt: Fields.at.optional().describe('Unix seconds; default: a day before the end.'),
    toAt: Fields.at.optional().describe('Unix seconds; default: now.'),
    step: z.enum(['minutes', 'hour', 'day']).optional().describe('How long a step is: five minutes, an hour (the default) or a day.'),
    offsetMinutes: z.int().min(-840).max(840).optional().describe('How far local time is ahead of UTC, for where days begin; default 0.'),
    service: z.string().optional().describe('Of this service alone.'),
    route: z.string().optional().describe('Of this route alone.'),
  }),
  output: z.object({
    fromAt: Fields.at,
    toAt: Fields.at,
    countedFromAt: Fields.at,
    stepSeconds: z.int(),
    seq: z.int().describe('The number of the newest entry that is counted.'),
    totals: z.object(sums),
    series: z.array(z.object({ at: Fields.at, ...sums })).describe('Every step, also those in which nothing was sold.'),
    routes: z.array(z.object({ service: z.string(), route: z.string(), ...sums })).describe('Those that earned most first.'),
    kinds: z.array(z.object({ kind: z.string(), count: z.int(), amountMsat: Fields.msat })),
  }),
  run: async ({ fromAt, toAt, step = 'hour', offsetMinutes = 0, service, route }, { clock, store }) => {
    if (store === undefined) throw withoutStore();
    const stepSeconds = steps[step];
    const shift = stepSeconds === steps.day ? offsetMinutes * 60 : 0;
    const floor = (at: number) => Math.max(0, at - modulo(at + shift, stepSeconds));
    const endAt = toAt ?? nowAt(clock);
    const from = floor(fromAt ?? Math.max(0, endAt - 86_400));
    const to = floor(endAt + stepSeconds - 1);
    if (to <= from && endAt <= from) throw malformed('toAt: is not later than fromAt');
    if ((to - from) / stepSeconds > mostSteps) throw malformed(`step: so long a span has more than ${mostSteps} of them`);
    const { cells, seq, countedFromAt } = await tallyOf(store).read({ fromAt: from, toAt: to });
    const meant = cells.filter((cell) => (service === undefined || cell.service === service) && (route === undefined || cell.route === route));
    const byTime = group(meant, ({ at }) => String(floor(at)));
    const series = Array.from({ length: Math.ceil((to - from) / stepSeconds) }, (_, i) => from + i * stepSeconds).map((at) => ({
      at,
      ...sumOf(byTime.get(String(at)) ?? []),
    }));
    const routes = [...group(meant, (cell) => `${cell.service}\0${cell.route}`).values()].flatMap((of) => {
      const [first] = of;
      return first === undefined ? [] : [{ service: first.service, route: first.route, ...sumOf(of) }];
    });
    routes.sort((a, b) => compare(BigInt(b.earnedMsat), BigInt(a.earnedMsat)) || b.payments - a.payments);
    const kinds = [...group(meant, ({ kind }) => kind)].map(([kind, of]) => ({ kind, count: count(of), amountMsat: String(amount(of)) }));
    return { fromAt: from, toAt: to, countedFromAt, stepSeconds, seq, totals: sumOf(meant), series, routes: routes.slice(0, 500), kinds };
  },
});

/** What an operation says that needs a store where there is none. */
export function withoutStore(): FareboxError {
  return new FareboxError('ADMIN_TARGET_UNKNOWN', 'This gateway keeps no ledger: its configuration says "store: none".');
}

function malformed(what: string): FareboxError {
  return new FareboxError('REQUEST_MALFORMED', `The input cannot be used. ${what}`);
}

function sumOf(cells: readonly Cell[]) {
  const of = (kind: Cell['kind']) => cells.filter((cell) => cell.kind === kind);
  const [settled, received, earned, reversed, repeated] = [of('settled'), of('received'), of('earned'), of('reversed'), of('repeated')];
  return {
    receivedMsat: String(amount(received)),
    payments: count(received),
    earnedMsat: String(amount(earned) - amount(reversed)),
    sales: count(earned) - count(reversed),
    reversedMsat: String(amount(reversed)),
    reversals: count(reversed),
    settledMsat: String(amount(settled)),
    settled: count(settled),
    repeats: count(repeated),
  };
}

function group(cells: readonly Cell[], nameOf: (cell: Cell) => string): ReadonlyMap<string, readonly Cell[]> {
  const groups = new Map<string, Cell[]>();
  for (const cell of cells) {
    const name = nameOf(cell);
    const kept = groups.get(name);
    if (kept) kept.push(cell);
    else groups.set(name, [cell]);
  }
  return groups;
}

function count(cells: readonly Cell[]): number {
  return cells.reduce((sum, cell) => sum + cell.count, 0);
}

function amount(cells: readonly Cell[]): bigint {
  return cells.reduce((sum, cell) => sum + cell.amountMsat, 0n);
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Never below nothing. */
function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}
