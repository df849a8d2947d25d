/**
 * Asks each of several upstreams how it is, again and again, whether or not there are requests: `GET` of one path, over connections of its own,
 * so that no question waits behind requests.
 */
import type { Random } from '../../../core/Clock.ts';
import type { Timer, TimerTarget, TimerWheel } from '../../../core/TimerWheel.ts';
import type { Wire } from '../../tunnel/Wire.ts';
import type { AnswerHandler, Chunk, HealthOptions, Sending, Upstreams, UpstreamTarget } from '../../Upstream.ts';
import type { Group, Member } from './Group.ts';

/** What the questions need of the gateway. */
export type HealthSurroundings = {
  readonly upstreams: Pick<Upstreams, 'send' | 'drop'>;
  readonly timers: TimerWheel;
  readonly random: Random;
};

/** Begins to ask. The answer ends it. */
export function startHealthChecks(group: Group, options: HealthOptions, surroundings: HealthSurroundings): () => void {
  const checks = group.members.map((member) => new Check(group, member, options, surroundings));
  return () => {
    for (const check of checks) check.stop();
  };
}

/** The questions to one of them, one at a time. */
class Check implements TimerTarget {
  readonly #group: Group;
  readonly #member: Member;
  readonly #options: HealthOptions;
  readonly #surroundings: HealthSurroundings;
  /** The same upstream, with connections of its own. */
  readonly #target: UpstreamTarget;
  #question: Question | undefined;
  #timer: Timer;
  /** Answers of the kind of the last one, in a row. */
  #count = 0;
  #wasGood = true;

  constructor(group: Group, member: Member, options: HealthOptions, surroundings: HealthSurroundings) {
    this.#group = group;
    this.#member = member;
    this.#options = options;
    this.#surroundings = surroundings;
    this.#target = { ...member.target };
    // Not all of them at the same moment, and soon after the start.
    this.#timer = surroundings.timers.after(((surroundings.random(1)[0] ?? 0) / 256) * Math.min(options.everyMs, soonMs), this);
  }

  stop(): void {
    this.#timer.cancel();
    this.#question?.end();
    this.#surroundings.upstreams.drop(this.#target);
  }

  onTimer(): void {
    if (this.#question?.isOpen) return this.#hear('no answer in time when it was asked how it is');
    this.#question?.end();
    this.#timer = this.#surroundings.timers.after(this.#options.timeoutMs, this);
    const question = new Question((heard) => this.#hear(typeof heard === 'number' ? this.#faultOf(heard) : heard.message));
    this.#question = question;
    question.ask(this.#surroundings.upstreams, this.#target, this.#options.path);
  }

  /** What is wrong with a status; undefined: nothing. */
  #faultOf(status: number): string | undefined {
    const { statuses } = this.#options;
    const isGood = statuses.length === 0 ? status >= 200 && status < 300 : statuses.includes(status);
    return isGood ? undefined : `status ${status} when it was asked how it is`;
  }

  #hear(fault: string | undefined): void {
    if (fault !== undefined) this.#question?.end();
    this.#timer.cancel();
    this.#timer = this.#surroundings.timers.after(this.#options.everyMs, this);
    const isGood = fault === undefined;
    this.#count = this.#wasGood === isGood ? this.#count + 1 : 1;
    this.#wasGood = isGood;
    if (this.#count >= (isGood ? this.#options.healthy : this.#options.unhealthy)) this.#group.setHealthy(this.#member, isGood, fault ?? '');
  }
}

/** One question. It is answered when the status is there; the body is read for the connection's sake, where it is short. */
class Question implements AnswerHandler {
  readonly #onHeard: (heard: number | Error) => void;
  #sending: Sending | undefined;
  #bytes = 0;
  /** Nothing has been heard yet. */
  isOpen = true;

  constructor(onHeard: (heard: number | Error) => void) {
    this.#onHeard = onHeard;
  }

  ask(upstreams: Pick<Upstreams, 'send'>, upstream: UpstreamTarget, path: string): void {
    this.#sending = upstreams.send({ method: 'GET', upstream, path, headers, body: null }, this);
  }

  /** Nobody wants to know any more. */
  end(): void {
    this.isOpen = false;
    this.#sending?.abort();
  }

  onInformational(): void {}

  onHead(status: number): void {
    this.#hear(status);
  }

  /** Nobody has asked for that. */
  onSwitch(_: readonly string[], wire: Wire): void {
    wire.reset();
  }

  onChunk(chunk: Chunk, release?: () => void): void {
    this.#bytes += chunk.length;
    release?.();
    if (this.#bytes > mostBytes) this.end();
  }

  onEnd(): void {}

  onError(error: Error): void {
    this.#hear(error);
  }

  #hear(heard: number | Error): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#onHeard(heard);
  }
}

const headers = ['User-Agent', 'farebox'];
const soonMs = 1000;
const mostBytes = 65_536;
