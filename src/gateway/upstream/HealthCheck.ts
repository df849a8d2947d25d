/**
 * Asks an upstream over and over whether it is there. Until it has been asked, it is taken to be.
 */
import type { Timer, TimerTarget, TimerWheel } from '../TimerWheel.ts';
import type { Wire } from '../tunnel/Wire.ts';
import type { AnswerHandler, Chunk, Sending, Upstreams, UpstreamTarget } from '../Upstream.ts';

/** How it is asked. */
export type HealthRules = {
  /** Behind the upstream's own path. */
  readonly path: string;
  readonly everyMs: number;
  readonly timeoutMs: number;
  /** So many in a row, and it is away. */
  readonly failures: number;
  /** So many in a row, and it is there again. */
  readonly successes: number;
};

/** See the head of this file. */
export class HealthCheck implements AnswerHandler, TimerTarget {
  readonly #of: { readonly target: UpstreamTarget; readonly path: string };
  readonly #rules: HealthRules;
  readonly #upstreams: Upstreams;
  readonly #timers: TimerWheel;
  readonly #tell: (isHealthy: boolean, error: unknown) => void;
  #timer: Timer | undefined;
  #sending: Sending | undefined;
  #isAsking = false;
  #isHealthy = true;
  /** Answers in a row that say otherwise. */
  #contrary = 0;
  #isClosed = false;

  /** @param tell - told when it goes away, and when it comes back */
  constructor(
    of: { readonly target: UpstreamTarget; readonly path: string },
    rules: HealthRules,
    upstreams: Upstreams,
    timers: TimerWheel,
    tell: (isHealthy: boolean, error: unknown) => void,
  ) {
    this.#of = of;
    this.#rules = rules;
    this.#upstreams = upstreams;
    this.#timers = timers;
    this.#tell = tell;
  }

  start(): void {
    if (!this.#isClosed && this.#timer === undefined) this.onTimer();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#sending?.abort();
  }

  onTimer(): void {
    if (this.#isAsking) return this.#judge(false, new Error(`no answer within ${this.#rules.timeoutMs} ms`));
    // What is left of the last answer is wanted no more.
    this.#sending?.abort();
    this.#isAsking = true;
    this.#timer = this.#timers.after(this.#rules.timeoutMs, this);
    const { target, path } = this.#of;
    this.#sending = this.#upstreams.send({ method: 'GET', upstream: target, path, headers: ['User-Agent', 'farebox-health'], body: null }, this);
  }

  onInformational(): void {}

  onHead(status: number): void {
    this.#judge(status >= 200 && status < 400, new Error(`it answered ${status}`));
  }

  onSwitch(_: readonly string[], wire: Wire): void {
    wire.reset();
  }

  onChunk(_: Chunk, release?: () => void): void {
    release?.();
  }

  onEnd(): void {}

  onError(error: Error): void {
    this.#judge(false, error);
  }

  #judge(isHealthy: boolean, error: unknown): void {
    if (!this.#isAsking || this.#isClosed) return;
    this.#isAsking = false;
    this.#timer?.cancel();
    this.#timer = this.#timers.after(this.#rules.everyMs, this);
    this.#contrary = isHealthy === this.#isHealthy ? 0 : this.#contrary + 1;
    if (this.#contrary < (isHealthy ? this.#rules.successes : this.#rules.failures)) return;
    if (isHealthy === this.#isHealthy) return;
    this.#contrary = 0;
    this.#isHealthy = isHealthy;
    this.#tell(isHealthy, error);
  }
}
