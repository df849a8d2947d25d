/**
 * Upstreams whose answers are timed: from when a request is handed to them, waiting for a connection and all, to the head of its answer.
 */
import type { Clock } from '../../core/Clock.ts';
import type { Wire } from '../tunnel/Wire.ts';
import type { AnswerHandler, Chunk, Reach, Upstreams } from '../Upstream.ts';

/** Told of every request. `failed`: there was no head. */
export type ObserveUpstream = (outcome: 'ok' | 'failed', seconds: number) => void;

/** The same upstreams, with an ear at each. What is broken off from here is nobody's answer, and not counted. */
export function measuredUpstreams(upstreams: Upstreams, observe: ObserveUpstream, clock: Clock): Upstreams {
  return { ...upstreams, send: (request, handler) => upstreams.send(request, new TimedHandler(handler, observe, clock)) };
}

class TimedHandler implements AnswerHandler {
  readonly #handler: AnswerHandler;
  readonly #observe: ObserveUpstream;
  readonly #clock: Clock;
  readonly #fromMs: number;
  #isTold = false;

  constructor(handler: AnswerHandler, observe: ObserveUpstream, clock: Clock) {
    this.#handler = handler;
    this.#observe = observe;
    this.#clock = clock;
    this.#fromMs = clock.nowMs();
  }

  onInformational(status: number, headers: readonly string[]): void {
    this.#handler.onInformational(status, headers);
  }

  onHead(status: number, headers: readonly string[]): void {
    this.#tell('ok');
    this.#handler.onHead(status, headers);
  }

  onSwitch(headers: readonly string[], wire: Wire): void {
    this.#tell('ok');
    this.#handler.onSwitch(headers, wire);
  }

  onChunk(chunk: Chunk, release?: () => void): void {
    this.#handler.onChunk(chunk, release);
  }

  onEnd(trailers: readonly string[]): void {
    this.#handler.onEnd(trailers);
  }

  onError(error: Error, reach?: Reach): void {
    this.#tell('failed');
    this.#handler.onError(error, reach);
  }

  #tell(outcome: 'ok' | 'failed'): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.#observe(outcome, Math.max(0, this.#clock.nowMs() - this.#fromMs) / 1000);
  }
}
