/**
 * The connections to one upstream: opened as they are needed, kept open between requests, the last one used taken first. Requests beyond
 * what may be open wait in line, so many of them and for so long.
 */
import type { Clock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { TimerTarget, TimerWheel } from '../../core/TimerWheel.ts';
import type { Wire } from '../tunnel/Wire.ts';
import type { AnswerHandler, OnwardRequest, Sending, UpstreamDepth, UpstreamLimits, UpstreamTarget } from '../Upstream.ts';
import { Call, type Queue } from './Call.ts';
import { Connection, type ConnectionOwner } from './Connection.ts';

/** See the head of this file. */
export class Pool implements ConnectionOwner, Queue, TimerTarget {
  readonly #target: UpstreamTarget;
  readonly #limits: UpstreamLimits;
  readonly #clock: Clock;
  readonly #timers: TimerWheel;
  readonly #all = new Set<Connection>();
  /** Connections that are tunnels by now: they count no more, and end with the pool. */
  readonly #tunnels = new Set<Wire>();
  /** Free ones, the last used at the end. Some of them may have ended. */
  #free: Connection[] = [];
  #opening = 0;
  readonly #waiting = new Set<Call>();
  #isSweeping = false;
  #isClosed = false;

  constructor(target: UpstreamTarget, limits: UpstreamLimits, clock: Clock, timers: TimerWheel) {
    this.#target = target;
    this.#limits = limits;
    this.#clock = clock;
    this.#timers = timers;
  }

  send(request: OnwardRequest, handler: AnswerHandler): Sending {
    const call = new Call(request, handler, this);
    if (request.isUpgrade === true && !this.#isClosed) {
      this.#open(call);
      return call;
    }
    const connection = this.#takeFree();
    if (connection) connection.carry(call);
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
    for (const connection of this.#all) connection.end();
    for (const wire of this.#tunnels) wire.reset();
    for (const call of this.#waiting) {
      this.leave(call);
      call.fail(new Error('the gateway is closing'));
    }
  }

  leave(call: Call): void {
    call.timer?.cancel();
    this.#waiting.delete(call);
  }

  onWaited(call: Call): void {
    this.leave(call);
    call.fail(busy(), 'unsent');
  }

  onOpen(connection: Connection): void {
    const { reservedFor } = connection;
    if (reservedFor === undefined) this.#opening--;
    if (reservedFor === undefined || reservedFor.isOver) this.onFree(connection);
    else connection.carry(reservedFor);
  }

  onFree(connection: Connection): void {
    for (const call of this.#waiting) {
      this.leave(call);
      connection.carry(call);
      return;
    }
    const keepMs = this.#keepMs(connection);
    if (keepMs <= 0) return connection.end();
    connection.freeUntilMs = this.#clock.nowMs() + keepMs;
    this.#free.push(connection);
    this.#sweepLater();
  }

  onEnded(connection: Connection, error: Error, stranded: Call | undefined): void {
    this.#all.delete(connection);
    if (connection.wasOpening) this.#onUnopened(connection, error);
    if (stranded !== undefined) this.#repeat(stranded, error);
    this.#openMore();
  }

  onHandedOver(connection: Connection, wire: Wire, onGone: (told: () => void) => void): void {
    this.#all.delete(connection);
    this.#tunnels.add(wire);
    onGone(() => this.#tunnels.delete(wire));
    this.#openMore();
  }

  /** Free connections that have had their time are closed. */
  onTimer(): void {
    this.#isSweeping = false;
    const nowMs = this.#clock.nowMs();
    const kept: Connection[] = [];
    for (const connection of this.#free) {
      if (connection.isOpen && connection.freeUntilMs > nowMs) kept.push(connection);
      else connection.end();
    }
    this.#free = kept;
    this.#sweepLater();
  }

  #takeFree(): Connection | undefined {
    for (let connection = this.#free.pop(); connection !== undefined; connection = this.#free.pop()) {
      if (connection.isOpen && connection.freeUntilMs > this.#clock.nowMs()) return connection;
      connection.end();
    }
    return undefined;
  }

  #wait(call: Call): void {
    this.#waiting.add(call);
    call.timer = this.#timers.after(this.#limits.queueTimeoutMs, call);
    this.#openMore();
  }

  #openMore(): void {
    while (!this.#isClosed && this.#waiting.size > this.#opening && this.#all.size < this.#limits.connections) {
      this.#opening++;
      this.#open(undefined);
    }
  }

  #open(reservedFor: Call | undefined): void {
    this.#all.add(new Connection(this.#target, this, this.#timers, this.#limits.connectTimeoutMs, reservedFor));
  }

  /** Each that waits has a try at a connection; the one that waits longest fails with the first that cannot be had. */
  #onUnopened({ reservedFor }: Connection, error: Error): void {
    if (reservedFor !== undefined) return reservedFor.fail(error, reservedFor.isRepeated ? undefined : 'unsent');
    this.#opening--;
    if (this.#waiting.size <= this.#opening) return;
    for (const call of this.#waiting) {
      this.leave(call);
      call.fail(error, 'unsent');
      return;
    }
  }

  /** Once more, on a connection that cannot have been closed in the meantime. */
  #repeat(call: Call, error: Error): void {
    if (this.#isClosed) return call.fail(error);
    call.isRepeated = true;
    this.#open(call);
  }

  /** Shorter than the upstream says: what it closes while a request is on its way costs one. */
  #keepMs({ keepAliveMs }: Connection): number {
    if (this.#isClosed) return 0;
    return keepAliveMs === undefined ? this.#limits.keepAliveMs : Math.min(keepAliveMs - marginMs, longestKeepMs);
  }

  #sweepLater(): void {
    if (this.#isSweeping || this.#free.length === 0) return;
    this.#isSweeping = true;
    this.#timers.after(sweepMs, this);
  }
}

const marginMs = 1000;
const longestKeepMs = 600_000;
const sweepMs = 1000;

/** No connection could be had for a request. */
export function busy(): FareboxError {
  return new FareboxError('UPSTREAM_BUSY', 'The server behind this gateway has as much to do as it may. Send the same request again later; do not pay again.', {
    details: { retryAfterSeconds: 1 },
  });
}
