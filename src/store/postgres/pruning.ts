/**
 * What a store forgets, a few hundred rows at a time so that nobody waits for it.
 */
import { graceSeconds } from '../claimLife.ts';
import * as Closings from '../closings.ts';
import type { Statement } from './client.ts';
import type { Connection } from './connection.ts';
import type { Group, Work } from './group.ts';

const batchSize = 200;

/** What deletes what is over, table by table; its answer is how many rows went. */
export function createPruning(connection: Connection, now: () => number): () => Promise<number> {
  const all = sweeps(connection, now);
  return async () => {
    let gone = 0;
    for (const sweep of all) {
      for (let went = batchSize; went >= batchSize; gone += went) went = await sweep();
    }
    return gone;
  };
}

/** Each deletes one batch. */
function sweeps({ read, write }: Connection, now: () => number): readonly (() => Promise<number>)[] {
  const over = () => now() - graceSeconds;
  const gone = (statement: Statement, at: number) => write('prune', { want: () => {}, take: (group) => group.forget(statement, at) });
  return [
    async () => {
      const candidates = await read<Candidate>(selectClaims, [over(), now()]);
      return candidates.length === 0 ? 0 : write('prune', forgetClaims(candidates, over, now));
    },
    async () => {
      const names = (await read<{ readonly reservation: string }>(selectReservations, [over()])).map(({ reservation }) => reservation);
      return names.length === 0 ? 0 : write('prune', forgetReservations(names, over));
    },
    () => gone(deleteAnswers, now()),
    () => gone(deleteCounters, now()),
    async () => {
      const candidates = await read<AccountCandidate>(selectAccounts, [over()]);
      return candidates.length === 0 ? 0 : write('prune', forgetAccounts(candidates, over));
    },
    () => gone(deleteLots, over()),
    () => gone(deleteDenials, over()),
  ];
}

type Candidate = { readonly key: string; readonly payment_hash: string | null };

const selectClaims = {
  name: 'select claims to forget',
  text: `SELECT key, payment_hash FROM claims
    WHERE expires_at <= $1::double precision AND (lease_ends_at IS NULL OR lease_ends_at <= $2::double precision) LIMIT ${batchSize}`,
};

/** Claims, their answers with them; how their payments ended is written down. Looked at once more under their locks. */
function forgetClaims(candidates: readonly Candidate[], over: () => number, now: () => number): Work<number> {
  return {
    want: ({ claims, closings }) => {
      for (const { key, payment_hash } of candidates) {
        claims.want(key);
        if (payment_hash !== null) closings.want(payment_hash);
      }
    },
    take: (group) => {
      let went = 0;
      for (const { key } of candidates) {
        const row = group.claims.get(key);
        if (!row || row.expires_at > over() || (row.lease_ends_at !== null && row.lease_ends_at > now())) continue;
        const { state, payment_hash, amount_msat } = row;
        if (payment_hash !== null) close(group, Closings.ofClaim({ state, payment: { paymentHash: payment_hash, amountMsat: BigInt(amount_msat ?? 0) } }));
        group.claims.drop(key);
        group.answers.drop(key);
        went += 1;
      }
      return went;
    },
  };
}

const selectReservations = {
  name: 'select reservations to forget',
  text: `SELECT reservation FROM reservations WHERE lease_ends_at <= $1::double precision LIMIT ${batchSize}`,
};

/** Reservations, their debits with them; the account keeps what they had spent. */
function forgetReservations(names: readonly string[], over: () => number): Work<number> {
  return {
    want: ({ holdings }) => {
      for (const name of names) holdings.wantReservation(name);
    },
    take: ({ holdings }) => {
      const { kept, dropReservation } = holdings;
      let went = 0;
      for (const name of names) {
        const life = kept.reservation(name);
        if (!life || life.leaseEndsAt > over()) continue;
        for (const { account, spent } of life.debits) {
          const found = kept.account(account);
          if (found) kept.setAccount(account, { ...found, forgotten: found.forgotten + spent });
        }
        dropReservation(name);
        went += 1;
      }
      return went;
    },
  };
}

type AccountCandidate = { readonly account: string; readonly payments: readonly string[] };

const selectAccounts = {
  name: 'select accounts to forget',
  text: `SELECT account, ARRAY(SELECT payment_hash FROM lots WHERE lots.account = accounts.account AND payment_hash IS NOT NULL) AS payments
    FROM accounts WHERE expires_at <= $1::double precision
    AND NOT EXISTS (SELECT 1 FROM debits WHERE debits.account = accounts.account) LIMIT ${batchSize}`,
};

/** Accounts that no reservation names any more; how their payments ended is written down. */
function forgetAccounts(candidates: readonly AccountCandidate[], over: () => number): Work<number> {
  return {
    want: ({ holdings, closings }) => {
      for (const { account, payments } of candidates) {
        holdings.wantAccount(account);
        for (const paymentHash of payments) closings.want(paymentHash);
      }
    },
    take: (group) => {
      const { kept, isNamed, dropAccount } = group.holdings;
      let went = 0;
      for (const { account, payments } of candidates) {
        const found = kept.account(account);
        const lots = kept.lots(account);
        // What was credited since it was chosen is not over.
        const isOver = found && found.expiresAt <= over() && lots.every(({ paymentHash }) => paymentHash === undefined || payments.includes(paymentHash));
        if (!isOver || isNamed(account)) continue;
        close(group, Closings.ofLots(lots));
        dropAccount(account);
        went += 1;
      }
      return went;
    },
  };
}

/** Writes down how payments ended. */
function close({ closings }: Group, closed: readonly Closings.ClosedPayment[]): void {
  for (const { paymentHash, closing } of closed) {
    const before = closings.get(paymentHash);
    const next = Closings.again(before && { kind: before.kind, amountMsat: BigInt(before.amount_msat), earnedMsat: BigInt(before.earned_msat) }, closing);
    closings.set(paymentHash, { payment_hash: paymentHash, kind: next.kind, amount_msat: `${next.amountMsat}`, earned_msat: `${next.earnedMsat}` });
  }
}

const deleteAnswers = deletion('answers', 'key', 'expires_at < $1::double precision');
const deleteCounters = deletion('counters', 'key', 'expires_at <= $1::double precision');
const deleteLots = deletion(
  'lots',
  'number',
  'expires_at <= $1::double precision AND NOT EXISTS (SELECT 1 FROM accounts WHERE accounts.account = lots.account)',
);
const deleteDenials = deletion('denials', 'seq', 'expires_at <= $1::double precision');

/** A batch by a condition, without those that somebody is at work on. */
function deletion(table: string, key: string, where: string): Statement {
  return {
    name: `forget ${table}`,
    text: `DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM ${table} WHERE ${where} LIMIT ${batchSize} FOR UPDATE SKIP LOCKED) RETURNING 1 AS gone`,
  };
}
