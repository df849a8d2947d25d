/**
 * Several upstreams that do the same: which of them gets the next request, and which are left out.
 */
import type { Clock, Random } from '../../../core/Clock.ts';
import { FareboxError } from '../../../core/Errors.ts';
import type { UpstreamGroup, UpstreamTarget } from '../../Upstream.ts';
import { Breaker, type Failure, type Leave } from './Breaker.ts';
import { RetryBudget } from './RetryBudget.ts';

/** One of them is left out, or is not any more. */
export type Standing =
  /** `pauseMs`: until one request tries; undefined: until it answers well to the question how it is. */
  | { readonly kind: 'left-out'; readonly upstream: string; readonly why: string; readonly pauseMs?: number }
  | { readonly kind: 'back'; readonly upstream: string };

/** What a group needs of the gateway. */
export type GroupSurroundings = {
  readonly clock: Clock;
  readonly random: Random;
  readonly onStanding: (standing: Standing) => void;
};

/** One of several. */
export type Member = {
  readonly target: UpstreamTarget;
  readonly breaker: Breaker;
  /** Requests under way. */
  busy: number;
  /** As it said when it was asked last. */
  isHealthy: boolean;
};

/** See the head of this file. */
export class Group {
  readonly members: readonly Member[];
  readonly options: UpstreamGroup;
  readonly budget: RetryBudget;
  /** The gateway ends: whatever fails from now on says nothing of anybody. */
  isClosed = false;
  readonly #onStanding: GroupSurroundings['onStanding'];
  /** Whose turn it is. */
  #next: number;

  constructor(options: UpstreamGroup, { clock, random, onStanding }: GroupSurroundings) {
    this.options = options;
    this.members = options.members.map((target) => ({ target, breaker: new Breaker(options.breaker, clock, random), busy: 0, isHealthy: true }));
    this.budget = new RetryBudget(clock);
    this.#onStanding = onStanding;
    // Processes that start together do not all begin with the same one.
    this.#next = (random(1)[0] ?? 0) % options.members.length;
  }

  /** Requests under way. */
  get busy(): number {
    return this.members.reduce((sum, { busy }) => sum + busy, 0);
  }

  /**
   * Who gets a request.
   * @param tried - those that have had it already
   * @param isRepeatable - whether it could go to another one if this one broke it
   * @returns undefined: nobody can
   */
  pick(tried: readonly Member[], isRepeatable: boolean): Member | undefined {
    const { length } = this.members;
    let picked: Member | undefined;
    for (let step = 0; step < length; step++) {
      const member = this.members[(this.#next + step) % length] as Member;
      if (!member.isHealthy || tried.includes(member) || !member.breaker.admits(isRepeatable || this.#isAlone(member))) continue;
      if (picked === undefined || member.busy < picked.busy) picked = member;
      if (this.options.balance === 'round-robin') break;
    }
    if (picked !== undefined) this.#next = (this.members.indexOf(picked) + 1) % length;
    return picked;
  }

  /** A request has been answered. */
  succeeded({ breaker, target }: Member, leave: Leave): void {
    if (breaker.succeeded(leave)) this.#onStanding({ kind: 'back', upstream: target.origin });
  }

  /** It has not. */
  failed(member: Member, leave: Leave, failure: Failure): void {
    const pauseMs = member.breaker.failed(leave, failure, () => !failure.isProvocable || this.#canSpare(member));
    if (pauseMs === undefined || leave.isTrial) return;
    this.#onStanding({ kind: 'left-out', upstream: member.target.origin, why: failure.why, pauseMs });
  }

  /** What one has said when it was asked how it is. */
  setHealthy(member: Member, isHealthy: boolean, why: string): void {
    if (member.isHealthy === isHealthy) return;
    member.isHealthy = isHealthy;
    const upstream = member.target.origin;
    // Whoever says of itself that it is well has a fresh start.
    if (isHealthy) member.breaker.reset();
    this.#onStanding(isHealthy ? { kind: 'back', upstream } : { kind: 'left-out', upstream, why });
  }

  /** What is said where nobody can be asked. */
  away(): FareboxError {
    const everyMs = this.options.health?.everyMs ?? 1000;
    const leftMs = Math.min(...this.members.map(({ breaker, isHealthy }) => (isHealthy ? breaker.leftMs : everyMs)));
    return new FareboxError('UPSTREAM_AWAY', 'No server behind this gateway can be reached now. Send the same request again later; do not pay again.', {
      details: { retryAfterSeconds: Math.max(1, Math.ceil(leftMs / 1000)) },
    });
  }

  #isAlone(member: Member): boolean {
    return this.members.every((other) => other === member || !isUsed(other));
  }

  /** What a request may have provoked takes out no more than half of them, and never the last one: somebody might ask for it. */
  #canSpare(member: Member): boolean {
    const others = this.members.filter((other) => other !== member && isUsed(other)).length;
    return others > 0 && 2 * others >= this.members.length;
  }
}

function isUsed({ breaker, isHealthy }: Member): boolean {
  return isHealthy && !breaker.isOut;
}
