/**
 * Claims in memory: the state machine over a map.
 */
import type * as AccountLife from '../accountLife.ts';
import * as CallLife from '../callLife.ts';
import * as ClaimLife from '../claimLife.ts';
import * as Closings from '../closings.ts';
import type { ClaimOutcome, ClaimRef, ClaimRequest, CommitRequest, ReleaseRequest, StoredAnswer } from '../Store.ts';
import type { createClosings } from './closings.ts';
import { forget } from './forget.ts';

/**
 * Claims by key, each with the answer kept for a repetition.
 * @param kept - what is settled or cancelled with a claim, the clock and the ledger
 * @param closings - where it is written down how a payment ended
 */
export function createClaims(kept: AccountLife.Kept, closings: ReturnType<typeof createClosings>) {
  const { now, append } = kept;
  const lives = new Map<string, ClaimLife.ClaimLife>();
  const answers = new Map<string, StoredAnswer>();

  function take<Outcome>(key: string, step: ClaimLife.Step<Outcome>, answer?: StoredAnswer): Outcome {
    if (step.next) lives.set(key, step.next);
    if (step.answer === 'keep' && answer) answers.set(key, copyOf(answer));
    if (step.answer === 'drop') answers.delete(key);
    if (step.entry) append([step.entry]);
    return step.outcome;
  }

  return {
    claim: (request: ClaimRequest): ClaimOutcome => {
      const life = lives.get(request.key);
      const isEarned = life === undefined && request.entry !== undefined && Closings.isEarnedByClaim(closings.get(request.entry.paymentHash));
      const outcome = take(request.key, ClaimLife.claim(life, request, now(), isEarned));
      if (!ClaimLife.isRepetition(outcome)) return outcome;
      const answer = answers.get(request.key);
      return answer ? { ...outcome, answer: copyOf(answer) } : outcome;
    },
    heartbeat: (request: ClaimRef & { readonly leaseSeconds: number }) =>
      take(request.key, ClaimLife.heartbeat(lives.get(request.key), request, request.leaseSeconds, now())),
    commit: (request: CommitRequest) => take(request.key, CallLife.commit(lives.get(request.key), request, kept), request.answer),
    deliver: (ref: ClaimRef) => take(ref.key, ClaimLife.deliver(lives.get(ref.key), ref)),
    undelivered: (ref: ClaimRef) => take(ref.key, ClaimLife.undelivered(lives.get(ref.key), ref)),
    release: (request: ReleaseRequest) => take(request.key, CallLife.release(lives.get(request.key), request, kept)),
    state: (key: string) => ClaimLife.stateOf(lives.get(key), now()),
    prune: () => {
      const stale = forget(answers, (_, key) => {
        const life = lives.get(key);
        return !life || ClaimLife.isForgettable(life, now()) || ClaimLife.answerExpiresAt(life) < now();
      });
      return (
        stale +
        forget(
          lives,
          (life) => ClaimLife.isForgettable(life, now()),
          (life) => closings.close(Closings.ofClaim(life)),
        )
      );
    },
    all: (): Iterable<ClaimLife.ClaimLife> => lives.values(),
    byKey: (): ReadonlyMap<string, ClaimLife.ClaimLife> => lives,
    load: (key: string, life: ClaimLife.ClaimLife): void => void lives.set(key, life),
  };
}

function copyOf(answer: StoredAnswer): StoredAnswer {
  return { status: answer.status, headers: answer.headers.map(([name, value]) => [name, value] as const), body: answer.body.slice() };
}
