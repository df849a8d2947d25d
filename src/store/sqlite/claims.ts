/**
 * Claims in SQLite: the row is read, the state machine applied and the row written within one transaction.
 */
import type * as AccountLife from '../accountLife.ts';
import * as CallLife from '../callLife.ts';
import * as ClaimLife from '../claimLife.ts';
import { type ClaimRow, columns, fromRow, toRow } from '../claimRow.ts';
import type { ClaimOutcome, ClaimRef, ClaimRequest, CommitRequest, ReleaseRequest, StoredAnswer } from '../Store.ts';
import type { Connection } from './connection.ts';

/**
 * Claims by key. Every function runs inside a transaction.
 * @param kept - what is settled or cancelled with a claim, the clock and the ledger
 */
export function createClaims(connection: Connection, kept: AccountLife.Kept) {
  const { now, append } = kept;
  const select = connection.prepare('SELECT * FROM claims WHERE key = ?');
  const upsert = connection.prepare(upsertSql);
  const selectEarned = connection.prepare("SELECT 1 FROM closings WHERE payment_hash = ? AND kind = 'claim' AND earned_msat <> '0'");
  const selectAnswer = connection.prepare('SELECT status, headers, body FROM answers WHERE key = ?');
  const upsertAnswer = connection.prepare('INSERT OR REPLACE INTO answers (key, status, headers, body, expires_at) VALUES (?, ?, ?, ?, ?)');
  const deleteAnswer = connection.prepare('DELETE FROM answers WHERE key = ?');

  function lifeOf(key: string): ClaimLife.ClaimLife | undefined {
    const row = select.get(key) as ClaimRow | undefined;
    return row && fromRow(row);
  }

  function take<Outcome>(key: string, step: ClaimLife.Step<Outcome>, answer?: StoredAnswer): Outcome {
    if (step.next) upsert.run(...valuesOf(toRow(key, step.next)));
    if (step.next && step.answer === 'keep' && answer) {
      upsertAnswer.run(key, answer.status, JSON.stringify(answer.headers), answer.body, ClaimLife.answerExpiresAt(step.next));
    }
    if (step.answer === 'drop') deleteAnswer.run(key);
    if (step.entry) append([step.entry]);
    return step.outcome;
  }

  function answerOf(key: string): StoredAnswer | undefined {
    const row = selectAnswer.get(key) as AnswerRow | undefined;
    return row && { status: row.status, headers: JSON.parse(row.headers), body: row.body };
  }

  return {
    claim: (request: ClaimRequest): ClaimOutcome => {
      const life = lifeOf(request.key);
      const isEarned = life === undefined && request.entry !== undefined && selectEarned.get(request.entry.paymentHash) !== undefined;
      const outcome = take(request.key, ClaimLife.claim(life, request, now(), isEarned));
      if (!ClaimLife.isRepetition(outcome)) return outcome;
      const answer = answerOf(request.key);
      return answer ? { ...outcome, answer } : outcome;
    },
    heartbeat: (request: ClaimRef & { readonly leaseSeconds: number }) =>
      take(request.key, ClaimLife.heartbeat(lifeOf(request.key), request, request.leaseSeconds, now())),
    commit: (request: CommitRequest) => take(request.key, CallLife.commit(lifeOf(request.key), request, kept), request.answer),
    deliver: (ref: ClaimRef) => take(ref.key, ClaimLife.deliver(lifeOf(ref.key), ref)),
    undelivered: (ref: ClaimRef) => take(ref.key, ClaimLife.undelivered(lifeOf(ref.key), ref)),
    release: (request: ReleaseRequest) => take(request.key, CallLife.release(lifeOf(request.key), request, kept)),
    state: (key: string) => ClaimLife.stateOf(lifeOf(key), now()),
  };
}

const upsertSql = `INSERT INTO claims (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})
  ON CONFLICT (key) DO UPDATE SET ${columns.slice(1).map((column) => `${column} = excluded.${column}`)}`;

type AnswerRow = { readonly status: number; readonly headers: string; readonly body: Uint8Array };

function valuesOf(row: ClaimRow) {
  return columns.map((column) => row[column]);
}
