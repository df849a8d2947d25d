/**
 * What a client store keeps in Redis, in and out: read at one revision, written as commands that go together.
 */
import type { Msat } from '../../core/Amount.ts';
import type { PaymentHash } from '../../core/Preimage.ts';
import { type Command, createPlaces, formatCommand } from '../../store/redis/asking.ts';
import type { Counter } from '../budget/Counter.ts';
import type { NamedBudget } from '../budget/Limit.ts';
import type { Payment, Spending } from '../Journal.ts';
import type { Decided } from '../store/decisions.ts';
import { decode, encode, type Seal } from '../store/row.ts';
import { formatStanding, parseStanding } from '../store/standing.ts';
import type { Keys } from './keys.ts';

/** A read of `scripts.ask`. */
export type Read = readonly [name: 'row' | 'rows' | 'since' | 'all', key: string, argument?: string];

/** A payment, and its age among the others. */
type Kept = { readonly payment: Payment; readonly number: number };

/** The rows of a store. */
export function createRows(keys: Keys, seal: Seal) {
  const toKept = (text: string): Kept => {
    const { number, ...row } = JSON.parse(text) as { readonly number: number } & { readonly [column: string]: unknown };
    return { payment: decode(row, seal), number };
  };
  return {
    /** A payment as `row` answers it. */
    toPayment: (answer: unknown): Payment | undefined => (answer === '' ? undefined : toKept(answer as string).payment),
    /** Payments as `rows` and `since` answer them, oldest first. */
    toPayments: (answer: unknown): readonly Payment[] =>
      (answer as readonly string[])
        .map(toKept)
        .sort((a, b) => a.number - b.number)
        .map(({ payment }) => payment),
    toSums,
    toCounters: (answer: unknown): readonly Counter[] => [...pairsOf(answer).values()].map((text) => toCounter(text)),
    toStanding: (answer: unknown): readonly NamedBudget[] =>
      [...pairsOf(answer)].map(([name, text]) => parseStanding(name, text)).sort((a, b) => (a.name < b.name ? -1 : 1)),
    /** The commands that write what was decided. `before`: rows that were read, as they were answered. */
    commandsFor: (decided: Decided<unknown>, before: readonly string[], revision: number): readonly Command[] => {
      const known = new Map(before.map(toKept).map((kept) => [kept.payment.paymentHash, kept]));
      const { counters = [], forgotten = [], payments = [], spending, standing } = decided;
      return [
        ...payments.flatMap((payment, index) => saving(keys, payment, known.get(payment.paymentHash), revision * 1000 + index, seal)),
        ...counters.map((counter): Command => ['HSET', keys.counters, counter.key, formatCounter(counter)]),
        ...forgotten.map((key): Command => ['HDEL', keys.counters, key]),
        ...(spending ? sumsOf(keys, spending) : []),
        ...(standing ? [standingOf(keys, standing)] : []),
      ];
    },
  };
}

/** A script's keys and arguments for reads. */
export function formatReads({ revision, payments }: Keys, store: string, reads: readonly Read[]) {
  const places = createPlaces([store, revision, payments]);
  const args = reads.flatMap(([name, key, argument = '']) => [name, places.of(key), argument]);
  return { keys: places.keys().slice(1), args };
}

/** A script's keys and arguments for writes at a revision. */
export function formatWrites({ revision }: Keys, store: string, at: string, commands: readonly Command[]) {
  const places = createPlaces([store, revision]);
  const args = [at, ...commands.flatMap((command) => formatCommand(command, places))];
  return { keys: places.keys().slice(1), args };
}

/** One row, and the sets that it is found by. */
function saving(keys: Keys, payment: Payment, before: Kept | undefined, fresh: number, seal: Seal): readonly Command[] {
  const { paymentHash, resource, origin, state } = payment;
  const number = before?.number ?? fresh;
  const isOpen = state === 'dispatched' || state === 'unknown';
  const member = (key: string, belongs: boolean): Command => (belongs ? ['ZADD', key, `${number}`, paymentHash] : ['ZREM', key, paymentHash]);
  const moved = before && before.payment.resource !== resource ? [member(keys.underWay(before.payment.resource), false)] : [];
  const left =
    before && before.payment.origin !== origin ? [member(keys.open(before.payment.origin), false), member(keys.usable(before.payment.origin), false)] : [];
  return [
    ['HSET', keys.payments, paymentHash, JSON.stringify({ number, ...encode(payment, seal) })],
    ['ZADD', keys.order, `${number}`, paymentHash],
    ['ZADD', keys.created, `${payment.createdAt}`, paymentHash],
    member(keys.reserved, state === 'reserved'),
    member(keys.open(origin), isOpen),
    member(keys.usable(origin), payment.usable),
    member(keys.underWay(resource), isOpen),
    ...moved,
    ...left,
  ];
}

function sumsOf(keys: Keys, { heldMsat, spentMsat, stoppedBy, stopNote }: Spending): readonly Command[] {
  const optional = { stopped_by: stoppedBy, stop_note: stopNote };
  return [
    ['HSET', keys.sums, 'held_msat', `${heldMsat}`, 'spent_msat', `${spentMsat}`],
    ...Object.entries(optional).map(([name, value]): Command => (value === undefined ? ['HDEL', keys.sums, name] : ['HSET', keys.sums, name, value])),
  ];
}

function standingOf(keys: Keys, standing: NonNullable<Decided<unknown>['standing']>): Command {
  return 'put' in standing ? ['HSET', keys.budgets, standing.put.name, formatStanding(standing.put)] : ['HDEL', keys.budgets, standing.remove];
}

function toSums(answer: unknown): Spending {
  const fields = pairsOf(answer);
  return {
    heldMsat: BigInt(fields.get('held_msat') ?? '0') as Msat,
    spentMsat: BigInt(fields.get('spent_msat') ?? '0') as Msat,
    stoppedBy: fields.get('stopped_by') as PaymentHash | undefined,
    stopNote: fields.get('stop_note'),
  };
}

function formatCounter({ heldMsat, spentMsat, ...rest }: Counter): string {
  return JSON.stringify({ ...rest, heldMsat: `${heldMsat}`, spentMsat: `${spentMsat}` });
}

function toCounter(text: string): Counter {
  const { key, budget, host, tag, startAt, endAt, heldMsat, spentMsat } = JSON.parse(text) as Omit<Counter, 'heldMsat' | 'spentMsat'> & {
    readonly heldMsat: string;
    readonly spentMsat: string;
  };
  return { key, budget, host, tag, startAt, endAt, heldMsat: BigInt(heldMsat) as Msat, spentMsat: BigInt(spentMsat) as Msat };
}

/** A hash as Redis answers it. */
function pairsOf(answer: unknown): ReadonlyMap<string, string> {
  const texts = answer as readonly string[];
  return new Map(texts.flatMap((name, i) => (i % 2 === 0 ? [[name, texts[i + 1] ?? ''] as const] : [])));
}
