/**
 * Claims in Redis: each is a cell that is read, given to the state machine and replaced.
 */
import type * as AccountLife from '../accountLife.ts';
import * as CallLife from '../callLife.ts';
import * as ClaimLife from '../claimLife.ts';
import * as Closings from '../closings.ts';
import type { ClaimOutcome, ClaimRef, ClaimRequest, ClaimState, CommitRequest, ReleaseRequest, StoredAnswer } from '../Store.ts';
import { createKept } from './accounts.ts';
import type { Asking } from './asking.ts';
import { formatCell, parseClaim } from './cells.ts';
import type { Keys } from './keys.ts';
import type { Draft } from './page.ts';
import { addHolder, holdersOf } from './payments.ts';
import type { Step, Steps } from './steps.ts';

/** Claims by key, each with the answer kept for a repetition. */
export function createClaims(steps: Steps, asking: Asking, keys: Keys, now: () => number) {
  function take<Outcome>(
    operation: Step<Outcome>['operation'],
    { key, ends }: { readonly key: string; readonly ends?: { readonly reservation: string } | undefined },
    decide: (life: ClaimLife.ClaimLife | undefined, draft: Draft) => ClaimLife.Step<Outcome>,
    answer?: StoredAnswer,
  ): Promise<Outcome> {
    const cell = keys.claim(key);
    return steps.take({
      operation,
      cells: [cell, ...(ends ? [keys.reservation(ends.reservation)] : [])],
      decide: (draft) => {
        const life = parseClaim(draft.read(cell));
        const step = decide(life, draft);
        if (step.next) writeClaim(draft, keys, key, life, step.next);
        if (step.next && step.answer === 'keep' && answer) {
          draft.run('SET', keys.answer(key), formatAnswer(answer));
          draft.run('ZADD', keys.expiring('answers'), `${ClaimLife.answerExpiresAt(step.next)}`, key);
        }
        if (step.answer === 'drop') {
          draft.run('DEL', keys.answer(key));
          draft.run('ZREM', keys.expiring('answers'), key);
        }
        if (step.entry) draft.append(step.entry);
        return step.outcome;
      },
    });
  }

  /** A step that may end a reservation too. */
  function withKept<Outcome>(step: (life: ClaimLife.ClaimLife | undefined, kept: AccountLife.Kept) => ClaimLife.Step<Outcome>) {
    return (life: ClaimLife.ClaimLife | undefined, draft: Draft): ClaimLife.Step<Outcome> => {
      const { kept, flush } = createKept(draft, keys, now);
      const taken = step(life, kept);
      flush();
      return taken;
    };
  }

  /** Kept under a fence that is ours: nobody else writes it while the lease runs. */
  async function answerOf(key: string): Promise<StoredAnswer | undefined> {
    const [text] = await asking.ask([['GET', keys.answer(key)]]);
    return typeof text === 'string' ? parseAnswer(text) : undefined;
  }

  return {
    claim: async (request: ClaimRequest): Promise<ClaimOutcome> => {
      const outcome = await take('claim', request, (life, draft) => {
        const isEarned = !life && request.entry !== undefined && Closings.isEarnedByClaim(holdersOf(draft, keys, request.entry.paymentHash).closing);
        return ClaimLife.claim(life, request, now(), isEarned);
      });
      if (!ClaimLife.isRepetition(outcome)) return outcome;
      const answer = await answerOf(request.key);
      return answer ? { ...outcome, answer } : outcome;
    },
    heartbeat: (request: ClaimRef & { readonly leaseSeconds: number }) =>
      take('heartbeat', request, (life) => ClaimLife.heartbeat(life, request, request.leaseSeconds, now())),
    commit: (request: CommitRequest) =>
      take(
        'commit',
        { key: request.key, ends: request.settles },
        withKept((life, kept) => CallLife.commit(life, request, kept)),
        request.answer,
      ),
    deliver: (ref: ClaimRef) => take('deliver', ref, (life) => ClaimLife.deliver(life, ref)),
    undelivered: (ref: ClaimRef) => take('undelivered', ref, (life) => ClaimLife.undelivered(life, ref)),
    release: (request: ReleaseRequest) =>
      take(
        'release',
        { key: request.key, ends: request.cancels },
        withKept((life, kept) => CallLife.release(life, request, kept)),
      ),
    state: async (key: string): Promise<ClaimState> => {
      const [text] = await asking.ask([['GET', keys.claim(key)]]);
      return ClaimLife.stateOf(parseClaim(typeof text === 'string' ? text : undefined), now());
    },
  };
}

/** Unix seconds from which on nothing under the key is of use to anybody. @see ClaimLife.isForgettable */
export function forgettableAt({ expiresAt, leaseEndsAt = 0 }: ClaimLife.ClaimLife): number {
  return Math.max(expiresAt + ClaimLife.graceSeconds, leaseEndsAt);
}

/** Puts a claim in place of what there was, with what else is kept of it. */
export function writeClaim(draft: Draft, keys: Keys, key: string, before: ClaimLife.ClaimLife | undefined, next: ClaimLife.ClaimLife): void {
  draft.write(keys.claim(key), formatCell(next));
  if (!before || forgettableAt(before) !== forgettableAt(next)) draft.run('ZADD', keys.expiring('claims'), `${forgettableAt(next)}`, key);
  if (next.payment && !before?.payment) addHolder(draft, keys, next.payment.paymentHash, 'claims', key);
}

function formatAnswer({ status, headers, body }: StoredAnswer): string {
  return JSON.stringify({ status, headers, body: Buffer.from(body).toString('base64') });
}

function parseAnswer(text: string): StoredAnswer {
  const { status, headers, body } = JSON.parse(text) as Omit<StoredAnswer, 'body'> & { readonly body: string };
  return { status, headers, body: new Uint8Array(Buffer.from(body, 'base64')) };
}
