/**
 * The sessions to one upstream: opened as they are needed, filled one after the other, kept open between requests. Requests beyond what may be
 * open wait in line, so many of them and for so long.
 */
import type { Clock } from '../../../core/Clock.ts';
import type { TimerTarget, TimerWheel } from '../../../core/TimerWheel.ts';
import type { AnswerHandler, OnwardRequest, Reach, Sending, UpstreamDepth, UpstreamLimits, Upstreams, UpstreamTarget } from '../../Upstream.ts';
import type { Call, Queue } from '../Call.ts';
import { busy } from '../Pool.ts';
import { Http2Call } from './Http2Call.ts';
import { Session, type SessionOwner } from './Session.ts';

/** See the head of this file. */
export class Http2Pool implements SessionOwner, Queue, TimerTarget {
  readonly #target: UpstreamTarget;
  readonly #limits: UpstreamLimits;
  readonly #clock: Clock;
  readonly #timers: TimerWheel;
  /** For an upstream that turns out to speak HTTP/1.1 alone, or to take no WebSockets over HTTP/2. */
  readonly #http1: Upstreams['send'];
  readonly #all = new Set<Session>();
  readonly #waiting = new Set<Http2Call>();
  #opening = 0;
  #isHttp1 = false;
  #isSweeping = false;
  #isClosed = false;

  constructor(target: UpstreamTarget, limits: UpstreamLimits, clock: Clock, timers: TimerWheel, http1: Upstreams['send']) {
    this.#target = target;
    this.#limits = limits;
    this.#clock = clock;
    this.#timers = timers;
    this.#http1 = http1;
  }

  send(request: OnwardRequest, handler: AnswerHandler): Sending {
    if (this.#isHttp1) return this.#http1(request, handler);
    const call = new Http2Call(request, handler, this);
    const session = this.#findRoom();
    if (session) this.#carry(session, call);
    else if (this.#isClosed) call.fail(new Error('the gateway is closing'));
    else if (this.#waiting.size >= this.#limits.queue) call.fail(busy(), 'unsent');
    else this.#wait(call);
    return call;
  }

  depth(): UpstreamDepth {
    return { connections: this.#all.size, waiting: this.#waiting.size };
  }

  /** Ends every connection, and whatever is under way or waits. */
  close(): void {
    this.#isClosed = true;
    for (const session of this.#all) session.end();
    this.#failWaiting(new Error('the gateway is closing'));
  }

  leave(call: Call): void {
    call.timer?.cancel();
    this.#waiting.delete(call as Http2Call);
  }

  onWaited(call: Call): void {
    this.leave(call);
    call.fail(busy(), reachOf(call as Http2Call));
  }

  onReady(session: Session): void {
    this.#opening--;
    this.onRoom(session);
  }

  onRoom(session: Session): void {
    for (const call of this.#waiting) {
      if (!session.hasRoom) break;
      this.leave(call);
      this.#carry(session, call);
    }
    this.#openMore();
    if (!session.isFree) return;
    session.freeUntilMs = this.#clock.nowMs() + this.#limits.keepAliveMs;
    this.#sweepLater();
  }

  onLeft(call: Http2Call, error: Error, isRefused: boolean): void {
    if (this.#isClosed) return call.fail(error);
    if (!isRefused) call.isRepeated = true;
    this.#wait(call);
    for (const session of this.#all) if (session.hasRoom) return this.onRoom(session);
  }

  /** From now on over HTTP/1.1, for as long as the gateway runs. */
  onHttp1(): void {
    this.#isHttp1 = true;
    for (const call of [...this.#waiting]) {
      this.leave(call);
      this.#carryByHttp1(call);
    }
  }

  onEnded(session: Session, error: Error): void {
    this.#all.delete(session);
    if (!session.isReady) {
      this.#opening--;
      // Where others are open or on their way, those who wait wait for them; but one has had its try.
      this.#failWaiting(error, this.#all.size === 0 ? Number.POSITIVE_INFINITY : 1);
    }
    this.#openMore();
  }

  /** Sessions that nobody has used for their time are closed. */
  onTimer(): void {
    this.#isSweeping = false;
    for (const session of this.#all) if (session.isReady && session.isFree && session.freeUntilMs <= this.#clock.nowMs()) session.end();
    this.#sweepLater();
  }

  #findRoom(): Session | undefined {
    for (const session of this.#all) if (session.hasRoom) return session;
    return undefined;
  }

  /** What has room takes it, unless it is a WebSocket and the upstream has not said that it takes these: then as if it spoke HTTP/1.1 alone. */
  #carry(session: Session, call: Http2Call): void {
    if (call.request.isUpgrade === true && !session.takesTunnels) this.#carryByHttp1(call);
    else session.carry(call);
  }

  #carryByHttp1(call: Http2Call): void {
    const sending = this.#http1(call.request, {
      onInformational: (status, headers) => call.onInformational(status, headers),
      onSwitch: (headers, wire) => call.switchTo(headers, wire),
      onHead: (status, headers) => call.onHead(status, headers),
      onChunk: (chunk, release) => call.pass(chunk, release),
      onEnd: (trailers) => call.onEnd(trailers),
      onError: (error, reach) => call.fail(error, reach),
    });
    call.ride({ pause: () => sending.pause(), resume: () => sending.resume(), drop: () => sending.abort(), lend: () => undefined });
  }

  #wait(call: Http2Call): void {
    this.#waiting.add(call);
    call.timer = this.#timers.after(this.#limits.queueTimeoutMs, call);
    this.#openMore();
  }

  /** Those who have waited longest, so many of them. */
  #failWaiting(error: Error, most = Number.POSITIVE_INFINITY): void {
    for (const call of [...this.#waiting].slice(0, most)) {
      this.leave(call);
      call.fail(error, reachOf(call));
    }
  }

  #openMore(): void {
    while (!this.#isClosed && !this.#isHttp1 && this.#waiting.size > this.#opening * expectedStreams && this.#all.size < this.#limits.connections) {
      this.#opening++;
      this.#all.add(new Session(this.#target, this, this.#timers, this.#limits.connectTimeoutMs));
    }
  }

  #sweepLater(): void {
    if (this.#isSweeping || this.#isClosed || this.#all.size === 0) return;
    this.#isSweeping = true;
    this.#timers.after(sweepMs, this);
  }
}

/** One that waits anew may have been seen. */
function reachOf(call: Http2Call): Reach | undefined {
  return call.isRepeated ? undefined : 'unsent';
}

/** What an upstream takes at once at least, by the recommendation of RFC 9113, section 6.5.2. */
const expectedStreams = 100;
const sweepMs = 1000;
