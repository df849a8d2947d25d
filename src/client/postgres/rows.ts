/**
 * Rows of a client store in PostgreSQL, in and out, inside whatever transaction is open on a connection.
 */
import type { Client, Statement } from '../../store/postgres/client.ts';
import type { ClientAudit } from '../ClientStore.ts';
import type { Payment, PaymentState, Spending } from '../Journal.ts';
import type { Decided } from '../store/decisions.ts';
import type { DistantShelf } from '../store/engine.ts';
import { columns, decode, encode, type Found as Row, type Seal, toCounter, toSpending } from '../store/row.ts';
import { formatStanding, parseStanding } from '../store/standing.ts';

/** What is asked on one connection. */
export function createRows(seal: Seal) {
  const payments = async (client: Client, statement: Statement, values: readonly unknown[] = []): Promise<readonly Payment[]> =>
    (await client.ask<Row>(statement, values)).rows.map((row) => decode(row, seal));
  const spending = async (client: Client, isLocked: boolean) =>
    toSpending((await client.ask<Row>(isLocked ? selectLocked : selectSums)).rows[0] ?? missing('spending'));
  const counters = async (client: Client) => (await client.ask<Row>(selectCounters)).rows.map(toCounter);
  const standing = async (client: Client) =>
    (await client.ask<{ name: string; text: string }>(selectStanding)).rows.map(({ name, text }) => parseStanding(name, text));
  return {
    payments,
    /** Everybody who writes holds the row of sums first, so that one writes at a time. */
    shelfOn: (client: Client, isLocked: boolean): DistantShelf => ({
      read: async ({ paymentHash, openFor, reserved, books }) => {
        const sums = await spending(client, isLocked);
        const resource = typeof openFor === 'object' ? openFor.resource : null;
        const [[payment], open, reservedRows, counted, standingOnes] = await Promise.all(
          client.together(
            () =>
              [
                paymentHash === undefined ? [] : payments(client, byHash, [paymentHash]),
                openFor === undefined ? [] : payments(client, openForResource, [resource, paymentHash]),
                reserved ? payments(client, reservedRowsOf) : [],
                books ? counters(client) : [],
                books ? standing(client) : [],
              ] as const,
          ),
        );
        return { payment, open, reserved: reservedRows, spending: sums, counters: counted, standing: standingOnes };
      },
      since: (at) => payments(client, sinceRows, [at]),
    }),
    audit: async (client: Client): Promise<ClientAudit> => ({
      spending: await spending(client, false),
      payments: await payments(client, everything),
      counters: await counters(client),
      standing: await standing(client),
    }),
    /** Sends what was decided; what it answers comes with the end of the transaction. */
    write: (client: Client, decided: Decided<unknown>): readonly Promise<unknown>[] => [
      ...(decided.payments ?? []).map((payment) => {
        const row = encode(payment, seal);
        return client.ask(
          savePayment,
          columns.map((column) => row[column]),
        );
      }),
      ...(decided.counters ?? []).map(({ key, budget, host, tag, startAt, endAt, heldMsat, spentMsat }) =>
        client.ask(saveCounter, [key, budget, host ?? null, tag ?? null, startAt, endAt ?? null, `${heldMsat}`, `${spentMsat}`]),
      ),
      ...(decided.forgotten ?? []).map((key) => client.ask(forgetCounter, [key])),
      ...(decided.spending ? [client.ask(saveSums, toSums(decided.spending))] : []),
      ...(decided.standing ? [writeStanding(client, decided.standing)] : []),
    ],
  };
}

/** Rows by state, oldest first; all where no states are named. */
export const byStates: Statement = { name: 'payments by state', text: 'SELECT * FROM payment WHERE $1::text[] IS NULL OR state = ANY ($1) ORDER BY number' };

/** The row of a payment hash. */
export const byHash: Statement = { name: 'payment by hash', text: 'SELECT * FROM payment WHERE payment_hash = $1' };

/** Everything that bears on an origin, oldest first. */
export const bearingOn: Statement = {
  name: 'payments at origin',
  text: `SELECT * FROM payment WHERE origin = $1 AND state IN ('dispatched', 'unknown')
    UNION SELECT * FROM payment WHERE origin = $1 AND usable = 1 ORDER BY number`,
};

/** The states that an array of a statement holds; null for all. */
export function statesOf(states: readonly PaymentState[] | undefined): readonly string[] | null {
  return states === undefined ? null : states;
}

const openForResource: Statement = {
  name: 'open payments of resource',
  text: `SELECT * FROM payment WHERE resource = coalesce($1, (SELECT own.resource FROM payment AS own WHERE own.payment_hash = $2))
    AND state IN ('dispatched', 'unknown') ORDER BY number`,
};
const reservedRowsOf: Statement = { name: 'reserved payments', text: "SELECT * FROM payment WHERE state = 'reserved' ORDER BY number" };
const sinceRows: Statement = { name: 'payments since', text: 'SELECT * FROM payment WHERE created_at >= $1' };
const everything: Statement = { name: 'all payments', text: 'SELECT * FROM payment ORDER BY number' };
const selectSums: Statement = { name: 'sums', text: 'SELECT * FROM spending' };
const selectLocked: Statement = { name: 'sums locked', text: 'SELECT * FROM spending FOR UPDATE' };
const selectCounters: Statement = { name: 'counters', text: 'SELECT * FROM counter' };
const selectStanding: Statement = { name: 'standing budgets', text: 'SELECT name, text FROM budget ORDER BY name' };

const savePayment: Statement = {
  name: 'save payment',
  text: `INSERT INTO payment (${columns.join(', ')}) VALUES (${columns.map((_, index) => `$${index + 1}`).join(', ')})
    ON CONFLICT (payment_hash) DO UPDATE SET ${columns
      .filter((column) => column !== 'payment_hash')
      .map((column) => `${column} = excluded.${column}`)
      .join(', ')}`,
};
const saveCounter: Statement = {
  name: 'save counter',
  text: `INSERT INTO counter VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (key) DO UPDATE SET held_msat = excluded.held_msat, spent_msat = excluded.spent_msat`,
};
const forgetCounter: Statement = { name: 'forget counter', text: 'DELETE FROM counter WHERE key = $1' };
const saveSums: Statement = { name: 'save sums', text: 'UPDATE spending SET held_msat = $1, spent_msat = $2, stopped_by = $3, stop_note = $4' };
const putBudget: Statement = { name: 'put budget', text: 'INSERT INTO budget VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET text = excluded.text' };
const removeBudget: Statement = { name: 'remove budget', text: 'DELETE FROM budget WHERE name = $1' };

function writeStanding(client: Client, standing: NonNullable<Decided<unknown>['standing']>): Promise<unknown> {
  if ('remove' in standing) return client.ask(removeBudget, [standing.remove]);
  return client.ask(putBudget, [standing.put.name, formatStanding(standing.put)]);
}

function toSums({ heldMsat, spentMsat, stoppedBy, stopNote }: Spending): readonly unknown[] {
  return [`${heldMsat}`, `${spentMsat}`, stoppedBy ?? null, stopNote ?? null];
}

function missing(what: string): never {
  throw new Error(`the table ${what} has no row`);
}
