/**
 * Several upstreams behind one: who is asked next, who is left alone because it fails, and what is asked again of another.
 *
 *     there ─ so many failures in a row ─ left alone ─ after a pause, one request on trial ─ there, or left alone again
 *
 * What is asked again stands below the sale, which hears of one answer, or of none: a claim is never made, or charged, twice.
 *
 * @see RFC 9110, section 9.2.2; docs/wire.md, "The life of a claim"
 */
import type { Clock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { TimerWheel } from '../TimerWheel.ts';
import type { Wire } from '../tunnel/Wire.ts';
import type { AnswerHandler, Chunk, OnwardRequest, Sending, Upstreams, UpstreamTarget } from '../Upstream.ts';
import { isIdempotent } from './Call.ts';
import { HealthCheck, type HealthRules } from './HealthCheck.ts';

/** How a group is run. */
export type GroupRules = {
  readonly balance: 'round-robin' | 'least-busy';
  /** Undefined: nobody asks for their health. */
  readonly health: HealthRules | undefined;
  /** After so many failures in a row an upstream is left alone for so long. */
  readonly breaker: { readonly failures: number; readonly pauseMs: number };
  /** How many others are asked where one gives no answer. */
  readonly retries: number;
};

/** What a target is that stands for several. */
export type TargetGroup = GroupRules & {
  readonly members: readonly UpstreamTarget[];
  /** The path that all of them have in their address. */
  readonly basePath: string;
};

/** What a group needs. */
export type GroupSurroundings = {
  readonly clock: Clock;
  readonly timers: TimerWheel;
  /** Told when an upstream is found to be away. */
  readonly onAway: (origin: string, error: unknown) => void;
};

/** Upstreams some of which stand for several. */
export type GroupedUpstreams = Upstreams & {
  /** Begins to ask for the health of those that stand for several, until they are dropped. */
  readonly watch: (targets: Iterable<UpstreamTarget>) => void;
};

/** Puts groups in front of who carries requests. */
export function createGroups(inner: Upstreams, surroundings: GroupSurroundings): GroupedUpstreams {
  const groups = new Map<UpstreamTarget, Group>();
  const open = (target: UpstreamTarget, rules: TargetGroup): Group => {
    const group = groups.get(target) ?? new Group(rules, inner, surroundings);
    groups.set(target, group);
    return group;
  };
  return {
    send: (request, handler) => {
      const { upstream } = request;
      return (upstream.group === undefined ? inner : open(upstream, upstream.group)).send(request, handler);
    },
    watch: (targets) => {
      for (const target of targets) if (target.group !== undefined) open(target, target.group).start();
    },
    drop: (target) => {
      if (target.group === undefined) return inner.drop(target);
      groups.get(target)?.close();
      groups.delete(target);
    },
    close: async () => {
      for (const group of groups.values()) group.close();
      groups.clear();
      await inner.close();
    },
  };
}

/** One of several upstreams. */
class Member {
  readonly target: UpstreamTarget;
  /** Requests under way. */
  running = 0;
  /** Whether nobody has found it away by asking for its health. */
  isHealthy = true;
  #failures = 0;
  /** 0 while it is there. */
  #leftAloneUntilMs = 0;
  #isOnTrial = false;

  constructor(target: UpstreamTarget) {
    this.target = target;
  }

  isThere(nowMs: number): boolean {
    if (!this.isHealthy) return false;
    return this.#leftAloneUntilMs === 0 || (nowMs >= this.#leftAloneUntilMs && !this.#isOnTrial);
  }

  /** When it may be there again, as far as requests have shown. */
  get backAtMs(): number {
    return this.#leftAloneUntilMs;
  }

  begin(): void {
    this.running++;
    if (this.#leftAloneUntilMs > 0) this.#isOnTrial = true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#leftAloneUntilMs = 0;
    this.#isOnTrial = false;
  }

  /** Whether it is left alone from now on, and was not before. */
  failed(untilMs: number, most: number): boolean {
    this.#failures++;
    const wasThere = this.#leftAloneUntilMs === 0;
    if (wasThere && this.#failures < most) return false;
    // Requests that were under way when it was left alone say nothing new.
    if (wasThere || this.#isOnTrial) this.#leftAloneUntilMs = untilMs;
    this.#isOnTrial = false;
    return wasThere;
  }

  /** A request ended that showed nothing of it. */
  showedNothing(): void {
    this.#isOnTrial = false;
  }
}

/** See the head of this file. */
class Group {
  readonly rules: TargetGroup;
  readonly inner: Upstreams;
  readonly #surroundings: GroupSurroundings;
  readonly #members: readonly Member[];
  readonly #checks: readonly HealthCheck[];
  #next = 0;

  constructor(rules: TargetGroup, inner: Upstreams, surroundings: GroupSurroundings) {
    this.rules = rules;
    this.inner = inner;
    this.#surroundings = surroundings;
    this.#members = rules.members.map((target) => new Member(target));
    const { health } = rules;
    this.#checks =
      health === undefined
        ? []
        : this.#members.map((member) => {
            const tell = (isHealthy: boolean, error: unknown) => {
              member.isHealthy = isHealthy;
              if (!isHealthy) surroundings.onAway(member.target.origin, error);
            };
            return new HealthCheck({ target: member.target, path: rules.basePath + health.path }, health, inner, surroundings.timers, tell);
          });
  }

  send(request: OnwardRequest, handler: AnswerHandler): Sending {
    const attempt = new Attempt(this, request, handler);
    attempt.start();
    return attempt;
  }

  start(): void {
    for (const check of this.#checks) check.start();
  }

  close(): void {
    for (const check of this.#checks) check.close();
  }

  /** One that is there and has not been tried, as the balance has it. */
  choose(tried: readonly Member[]): Member | undefined {
    const nowMs = this.#surroundings.clock.nowMs();
    const count = this.#members.length;
    let best: Member | undefined;
    for (let index = 0; index < count; index++) {
      const member = this.#members[(this.#next + index) % count] as Member;
      if (!member.isThere(nowMs) || tried.includes(member)) continue;
      if (best === undefined || member.running < best.running) best = member;
      if (this.rules.balance === 'round-robin') break;
    }
    if (best !== undefined) this.#next = (this.#members.indexOf(best) + 1) % count;
    return best;
  }

  failed(member: Member, error: unknown): void {
    const { failures, pauseMs } = this.rules.breaker;
    if (member.failed(this.#surroundings.clock.nowMs() + pauseMs, failures)) this.#surroundings.onAway(member.target.origin, error);
  }

  /** What is said where none is there. */
  away(): FareboxError {
    const nowMs = this.#surroundings.clock.nowMs();
    const { health, breaker } = this.rules;
    const waits = this.#members.map((member) => (member.isHealthy ? Math.max(0, member.backAtMs - nowMs) || breaker.pauseMs : (health?.everyMs ?? 0)));
    return new FareboxError('UPSTREAM_AWAY', 'The servers behind this gateway are away. Send the same request again later; do not pay again.', {
      details: { retryAfterSeconds: Math.max(1, Math.ceil(Math.min(...waits) / 1000)) },
    });
  }
}

/** A request on its way to one of several, and to another where that does no harm. */
class Attempt implements AnswerHandler, Sending {
  readonly #group: Group;
  readonly #request: OnwardRequest;
  readonly #handler: AnswerHandler;
  readonly #tried: Member[] = [];
  /** That it is with; undefined once what it showed has been written down. */
  #member: Member | undefined;
  #sending: Sending | undefined;
  #isRunning = false;
  /** Something of an answer has been passed on. */
  #isAnswered = false;

  constructor(group: Group, request: OnwardRequest, handler: AnswerHandler) {
    this.#group = group;
    this.#request = request;
    this.#handler = handler;
  }

  start(): void {
    const member = this.#group.choose(this.#tried);
    if (member === undefined) this.#handler.onError(this.#group.away());
    else this.#sendTo(member);
  }

  pause(): void {
    this.#sending?.pause();
  }

  resume(): void {
    this.#sending?.resume();
  }

  abort(): void {
    this.#member?.showedNothing();
    this.#leave();
    this.#sending?.abort();
  }

  onLate(): void {
    if (this.#member !== undefined) this.#group.failed(this.#member, new Error('no answer in time'));
    this.#member = undefined;
  }

  onInformational(status: number, headers: readonly string[]): void {
    this.#isAnswered = true;
    this.#handler.onInformational(status, headers);
  }

  onHead(status: number, headers: readonly string[]): void {
    this.#isAnswered = true;
    if (this.#member !== undefined && isFailure(status)) this.#group.failed(this.#member, new Error(`it answered ${status}`));
    else this.#member?.succeeded();
    this.#member = undefined;
    this.#handler.onHead(status, headers);
  }

  /** What becomes of a tunnel is not an answer's any more. */
  onSwitch(headers: readonly string[], wire: Wire): void {
    this.#isAnswered = true;
    this.#member?.succeeded();
    this.#leave();
    this.#handler.onSwitch(headers, wire);
  }

  onChunk(chunk: Chunk, release?: () => void): void {
    this.#handler.onChunk(chunk, release);
  }

  onEnd(trailers: readonly string[]): void {
    this.#leave();
    this.#handler.onEnd(trailers);
  }

  onError(error: Error, isUnsent = false): void {
    const member = this.#member;
    this.#leave();
    if (member !== undefined) {
      // What the client broke off, and what we did not let out, says nothing of the upstream.
      if (FareboxError.is(error) || (this.#request.body?.errored ?? null) !== null) member.showedNothing();
      else this.#group.failed(member, error);
    }
    const isLeft = this.#tried.length <= this.#group.rules.retries && !this.#isAnswered && this.#mayRepeat(isUnsent);
    const other = isLeft ? this.#group.choose(this.#tried) : undefined;
    if (other === undefined) this.#handler.onError(error, isUnsent);
    else this.#sendTo(other);
  }

  #sendTo(member: Member): void {
    this.#tried.push(member);
    this.#member = member;
    this.#isRunning = true;
    member.begin();
    const number = this.#tried.length;
    const sending = this.#group.inner.send({ ...this.#request, upstream: member.target }, this);
    // It may have failed at once, and be with another by now.
    if (this.#tried.length === number) this.#sending = sending;
  }

  /** It has not gone out, or asks for what can be done twice and takes no body along that is gone. */
  #mayRepeat(isUnsent: boolean): boolean {
    const { method, body } = this.#request;
    if (body === null) return isUnsent || isIdempotent(method);
    return isUnsent && !body.readableDidRead && !body.destroyed;
  }

  #leave(): void {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    const member = this.#tried.at(-1);
    if (member !== undefined) member.running--;
    this.#member = undefined;
  }
}

/** What an upstream says when it cannot do its work now. */
function isFailure(status: number): boolean {
  return status === 502 || status === 503 || status === 504;
}
