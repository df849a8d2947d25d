/**
 * Claims in PostgreSQL: the row is read under its lock, the state machine applied and the row written, within one transaction.
 */
import * as CallLife from '../callLife.ts';
import * as ClaimLife from '../claimLife.ts';
import { type ClaimRow, fromRow, toRow } from '../claimRow.ts';
import type { ClaimOutcome, ClaimRef, ClaimRequest, ClaimState, CommitRequest, ReleaseRequest, StoredAnswer } from '../Store.ts';
import { keptIn } from './accounts.ts';
import type { Read } from './book.ts';
import type { Group, Work } from './group.ts';

/** Claims by key; what a step earns is appended to the ledger. */
export function createClaims(now: () => number) {
  return {
    claim: (request: ClaimRequest): Work<ClaimOutcome> => ({
      want: ({ claims, answers, closings }) => {
        claims.want(request.key);
        // The lock of the claim is theirs too.
        answers.want(request.key, false);
        if (request.entry) closings.want(request.entry.paymentHash, false);
      },
      take: (group) => {
        const life = lifeOf(group, request.key);
        const isEarned = life === undefined && request.entry !== undefined && isClosedAsEarned(group, request.entry.paymentHash);
        const outcome = take(group, request.key, ClaimLife.claim(life, request, now(), isEarned));
        if (!ClaimLife.isRepetition(outcome)) return outcome;
        const answer = answerOf(group, request.key);
        return answer ? { ...outcome, answer } : outcome;
      },
    }),
    heartbeat: (request: ClaimRef & { readonly leaseSeconds: number }): Work<boolean> =>
      step(request.key, (life) => ClaimLife.heartbeat(life, request, request.leaseSeconds, now())),
    commit: (request: CommitRequest): Work<'committed' | 'lost'> =>
      withReservation(
        request.settles,
        step(request.key, (life, group) => CallLife.commit(life, request, keptIn(group, now)), request.answer),
      ),
    deliver: (ref: ClaimRef): Work<void> => step(ref.key, (life) => ClaimLife.deliver(life, ref)),
    undelivered: (ref: ClaimRef): Work<void> => step(ref.key, (life) => ClaimLife.undelivered(life, ref)),
    release: (request: ReleaseRequest): Work<'released' | 'committed' | 'lost'> =>
      withReservation(
        request.cancels,
        step(request.key, (life, group) => CallLife.release(life, request, keptIn(group, now))),
      ),
  };
}

/** What is known of a claim, of one moment. */
export async function claimStateOf(read: Read, key: string, now: number): Promise<ClaimState> {
  const [row] = await read<ClaimRow>(selectClaim, [key]);
  return ClaimLife.stateOf(row && fromRow(row), now);
}

const selectClaim = { name: 'read claim', text: 'SELECT * FROM claims WHERE key = $1' };

/** A step of one claim. */
function step<Outcome>(
  key: string,
  of: (life: ClaimLife.ClaimLife | undefined, group: Group) => ClaimLife.Step<Outcome>,
  answer?: StoredAnswer,
): Work<Outcome> {
  return {
    want: ({ claims }) => claims.want(key),
    take: (group) => take(group, key, of(lifeOf(group, key), group), answer),
  };
}

/** The same, where a reservation ends with it. */
function withReservation<Outcome>(ends: { readonly reservation: string } | undefined, work: Work<Outcome>): Work<Outcome> {
  if (ends === undefined) return work;
  return {
    ...work,
    want: (group) => {
      work.want(group);
      group.holdings.wantReservation(ends.reservation);
    },
  };
}

function lifeOf({ claims }: Group, key: string): ClaimLife.ClaimLife | undefined {
  const row = claims.get(key);
  return row && fromRow(row);
}

function take<Outcome>({ claims, answers, append }: Group, key: string, step: ClaimLife.Step<Outcome>, answer?: StoredAnswer): Outcome {
  if (step.next) claims.set(key, toRow(key, step.next));
  if (step.next && step.answer === 'keep' && answer) {
    const { status, headers, body } = answer;
    const expires_at = ClaimLife.answerExpiresAt(step.next);
    answers.set(key, { key, status, headers: JSON.stringify(headers), body: `\\x${Buffer.from(body).toString('hex')}`, expires_at });
  }
  if (step.answer === 'drop') answers.drop(key);
  if (step.entry) append([step.entry]);
  return step.outcome;
}

function answerOf({ answers }: Group, key: string): StoredAnswer | undefined {
  const row = answers.get(key);
  if (!row) return undefined;
  const body = typeof row.body === 'string' ? Buffer.from(row.body.slice(2), 'hex') : row.body;
  return { status: row.status, headers: JSON.parse(row.headers), body: Uint8Array.from(body) };
}

function isClosedAsEarned({ closings }: Group, paymentHash: string): boolean {
  const closing = closings.get(paymentHash);
  return closing?.kind === 'claim' && BigInt(closing.earned_msat) !== 0n;
}
