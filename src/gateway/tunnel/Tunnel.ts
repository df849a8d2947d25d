/**
 * Client and upstream, joined: what the one sends goes to the other as it comes, at the pace of whoever reads it, until one of them leaves
 * or the time is over.
 *
 * An end of one direction is passed on, and so is a connection that breaks. Bytes are counted and frames watched, and nothing is changed; a
 * tunnel that the gateway ends says so to both, where a frame of its own can stand.
 */
import type { Clock } from '../../core/Clock.ts';
import type { Timer, TimerTarget, TimerWheel } from '../../core/TimerWheel.ts';
import { type CloseCode, closeFrame, FrameWatch } from './FrameWatch.ts';
import { type Bought, Looks, lookMs, type Standing, untilMs } from './Lasting.ts';
import type { Wire } from './Wire.ts';

/** What joining needs of the gateway. */
export type TunnelContext = {
  readonly clock: Clock;
  readonly timers: TimerWheel;
  /** No byte either way for so long ends it, and so does a side that takes none for so long. */
  readonly idleTimeoutMs: number;
  /** However busy it is, it lasts no longer. */
  readonly longestMs: number;
  readonly standing: Standing | undefined;
};

/**
 * How one ended. `delivered`: in order (a side had said that it closes), or because its time was over. `client-left`, `upstream-broke`: that
 * side was gone first, without a word.
 */
export type TunnelEnd = {
  readonly how: 'delivered' | 'client-left' | 'upstream-broke';
  readonly error: Error | undefined;
  /** From the client, and to it. */
  readonly bytesIn: number;
  readonly bytesOut: number;
};

/** See the head of this file. */
export class Tunnel implements TimerTarget {
  readonly #context: TunnelContext;
  readonly #looks: Looks;
  readonly #client: Side;
  readonly #upstream: Side;
  readonly #onOver: (end: TunnelEnd) => void;
  readonly #untilMs: number;
  #movedAtMs: number;
  #first: Side | undefined;
  #isOver = false;
  #timer: Timer | undefined;

  /** Begins at once. */
  constructor(context: TunnelContext, bought: Bought, wires: { readonly client: Wire; readonly upstream: Wire }, onOver: (end: TunnelEnd) => void) {
    this.#context = context;
    this.#looks = new Looks(bought, context.standing);
    this.#onOver = onOver;
    this.#client = new Side(wires.client);
    this.#upstream = new Side(wires.upstream);
    const nowMs = context.clock.nowMs();
    this.#movedAtMs = nowMs;
    this.#untilMs = untilMs(bought, nowMs, context.longestMs);
    this.#follow(this.#client, this.#upstream);
    this.#follow(this.#upstream, this.#client);
    this.#arm();
  }

  /** Ends it, with a word to both sides. */
  end(code: CloseCode, how: TunnelEnd['how'] = 'client-left'): void {
    if (this.#isOver) return;
    const [client, upstream] = [this.#client, this.#upstream];
    // What has gone to a side is what the other has sent.
    if (upstream.sent.isBetweenFrames && !upstream.sent.hasClosed) client.wire.write(closeFrame(code, false));
    if (client.sent.isBetweenFrames && !client.sent.hasClosed) upstream.wire.write(closeFrame(code, true));
    client.wire.end();
    upstream.wire.end();
    this.#over(how, undefined);
    // Whoever does not take it is not waited for.
    this.#context.timers.after(lookMs, { onTimer: () => this.#reset() });
  }

  onTimer(): void {
    const { clock, idleTimeoutMs } = this.#context;
    const nowMs = clock.nowMs();
    if (nowMs >= this.#untilMs) this.end(1008, 'delivered');
    else if (!this.#looks.mayGoOn()) this.end(1008, 'delivered');
    else if (this.#client.isStuckSince(nowMs - idleTimeoutMs)) this.end(1001, 'client-left');
    else if (this.#upstream.isStuckSince(nowMs - idleTimeoutMs)) this.end(1001, 'upstream-broke');
    else if (nowMs - this.#movedAtMs >= idleTimeoutMs) this.end(1001, 'delivered');
    else this.#arm();
  }

  #follow(from: Side, to: Side): void {
    from.wire.follow({
      onBytes: (bytes) => {
        if (this.#isOver) return;
        this.#movedAtMs = this.#context.clock.nowMs();
        from.sent.see(bytes);
        from.bytes += bytes.length;
        if (to.wire.write(bytes)) return;
        to.stuckSinceMs = this.#movedAtMs;
        from.wire.pause();
      },
      onDrain: () => {
        from.stuckSinceMs = undefined;
        if (!this.#isOver) to.wire.resume();
      },
      onEnd: () => {
        from.hasEnded = true;
        this.#first ??= from;
        if (!this.#isOver) to.wire.end();
      },
      onClose: (error) => {
        this.#first ??= from;
        if (this.#isOver) return;
        this.#over(this.#howItEnded(), from === this.#upstream ? error : undefined);
        // In the midst of it the other side is to see that it broke; in order, it may still take what is on its way, but not for ever.
        if (error === undefined) to.wire.end();
        else to.wire.reset();
        this.#context.timers.after(this.#context.idleTimeoutMs, { onTimer: () => this.#reset() });
      },
    });
  }

  #howItEnded(): TunnelEnd['how'] {
    if (this.#client.sent.hasClosed || this.#upstream.sent.hasClosed) return 'delivered';
    return this.#first === this.#upstream ? 'upstream-broke' : 'client-left';
  }

  #arm(): void {
    const { clock, timers, idleTimeoutMs } = this.#context;
    const nowMs = clock.nowMs();
    const leftMs = Math.max(1, Math.min(this.#untilMs - nowMs, this.#movedAtMs + idleTimeoutMs - nowMs));
    this.#timer = timers.after(this.#looks.areNeeded ? Math.min(lookMs, leftMs) : leftMs, this);
  }

  #over(how: TunnelEnd['how'], error: Error | undefined): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.#onOver({ how, error, bytesIn: this.#client.bytes, bytesOut: this.#upstream.bytes });
  }

  #reset(): void {
    this.#client.wire.reset();
    this.#upstream.wire.reset();
  }
}

/** One end and what has been seen of it. */
class Side {
  readonly wire: Wire;
  /** What it has sent. */
  readonly sent = new FrameWatch();
  bytes = 0;
  hasEnded = false;
  /** Since when it takes nothing of what is for it. */
  stuckSinceMs: number | undefined;

  constructor(wire: Wire) {
    this.wire = wire;
  }

  isStuckSince(ms: number): boolean {
    return this.stuckSinceMs !== undefined && this.stuckSinceMs <= ms;
  }
}
