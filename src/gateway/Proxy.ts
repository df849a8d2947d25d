/**
 * One request on its way to the upstream and its answer on the way back, both streamed, each at the pace of whoever reads it.
 *
 *     waiting ─ head ─ holding (until the sale has decided) ─┬─ sending ─ over
 *        │                                                   └─ joined (a WebSocket's two ends) ─ over
 *        └ the client of an unsafe request leaves ─ absent ─ over
 *
 * The paywall's sale is told at every turn; what a turn means is decided there.
 *
 * @see docs/wire.md, "The life of a claim"
 */
import type { Clock } from '../core/Clock.ts';
import type { Reached } from '../core/CrashPoint.ts';
import { FareboxError } from '../core/Errors.ts';
import type { Timer, TimerTarget } from '../core/TimerWheel.ts';
import * as Problem from '../http/Problem.ts';
import { type Answer, isSafe } from '../http/RequestView.ts';
import * as Answers from '../server/Answers.ts';
import { type HeadOutcome, maxKeptAnswerBytes, type Sale } from '../server/terms/Terms.ts';
import { madePrivate, type ReturningHead, returningHead, returningTrailers, toPairs } from './Forwarding.ts';
import { type GrpcFollower, listenerFor } from './GrpcAnswer.ts';
import type { Incoming } from './Incoming.ts';
import type { Reply, ReplyFollower, Upgrade } from './Reply.ts';
import { changesAnswer, type Rewrite, returningHeaders } from './routing/Rewrite.ts';
import { whyNoAnswer } from './tunnel/Handshake.ts';
import { type Bought, type EventStream, eventStream, lookMs } from './tunnel/Lasting.ts';
import { Tunnel, type TunnelContext, type TunnelEnd } from './tunnel/Tunnel.ts';
import type { Wire } from './tunnel/Wire.ts';
import { settled, timedOut, undecided, unreachable, whatNow } from './Unanswered.ts';
import type { Chunk, OnwardRequest, Sending, Upstreams } from './Upstream.ts';

/** What carrying needs of the gateway. */
export type Carriage = TunnelContext & {
  readonly clock: Clock;
  readonly reached: Reached;
  readonly upstreams: Upstreams;
  /** No byte either way for so long after the head ends the exchange. */
  readonly idleTimeoutMs: number;
  /** Those that are tunnels, or wait to be. */
  readonly tunnels: Set<Tunnelling>;
  /** Told how long each request waited for the head of its answer; undefined: nobody counts. */
  readonly onUpstream: ObserveUpstream | undefined;
};

/** `failed`: there was no head. What is broken off from here is nobody's answer, and not told. */
export type ObserveUpstream = (outcome: 'ok' | 'failed', seconds: number) => void;

/** A tunnel, or a request for one. */
export type Tunnelling = {
  /** Ends it where it is open, with a word to both sides. */
  readonly end: () => void;
};

/** One exchange. */
export type ExchangeOptions = {
  readonly incoming: Incoming;
  readonly reply: Reply;
  /** Where the client waits to be let into a tunnel. */
  readonly upgrade: Upgrade | undefined;
  readonly onward: Omit<OnwardRequest, 'body'>;
  /** What is changed of the answer. */
  readonly rewrite: Rewrite;
  /** No head from the upstream for so long ends it. */
  readonly timeoutMs: number;
  /** Undefined where nothing is counted. */
  readonly sale: Sale | undefined;
  /** What does not end by itself goes on for as long as this is good. */
  readonly bought: Bought;
  /** Added to the answer if it is a success (a status below 400). */
  readonly headers: Answer['headers'];
  /** No cache may keep the answer for others. */
  readonly isPrivate?: boolean | undefined;
  /** Told once, when everything has been said to client, upstream and sale. */
  readonly onOver: (outcome: ExchangeOutcome) => void;
};

/** How an exchange ended. `error` is for logs: a broken upstream, or a sale that could not be ended as it should. */
export type ExchangeOutcome = {
  readonly kind: 'delivered' | 'client-left' | 'upstream-failed' | 'refused';
  /** As the client saw it; 0 where it saw none. */
  readonly status: number;
  readonly error: unknown;
  /** Of a tunnel: from the client, and to it. */
  readonly bytes?: { readonly in: number; readonly out: number };
};

/** Carries a request to the upstream and its answer back. Never throws; the client always gets an answer, or a connection that breaks. */
export function carry(carriage: Carriage, options: ExchangeOptions): void {
  new Exchange(carriage, options).start();
}

type Phase = 'waiting' | 'holding' | 'sending' | 'joined' | 'absent' | 'over';

class Exchange implements GrpcFollower, ReplyFollower, TimerTarget, Tunnelling {
  readonly #carriage: Carriage;
  readonly #options: ExchangeOptions;
  readonly #reply: Reply;
  #phase: Phase = 'waiting';
  #sending: Sending | undefined;
  #head: ReturningHead | undefined;
  /** The upstream's end, where it has agreed to a tunnel. */
  #wire: Wire | undefined;
  #status: number | undefined;
  #tunnel: Tunnel | undefined;
  #events: EventStream | undefined;
  /** Chunks that came while the sale decides, or for a client that left. */
  #kept: Chunk[] = [];
  #keptBytes = 0;
  /** The first chunk, until the head goes out with it. */
  #first: Chunk | undefined;
  #trailers: [string, string][] | undefined;
  #failure: Error | undefined;
  /** The answer came to its end, which says that the upstream broke. */
  #hasFailed = false;
  #clientLeft = false;
  /** The client takes no more for now. */
  #blocked = false;
  #askedAtMs = 0;
  #movedAtMs = 0;
  #timer: Timer | undefined;

  constructor(carriage: Carriage, options: ExchangeOptions) {
    this.#carriage = carriage;
    this.#options = options;
    this.#reply = options.reply;
  }

  start(): void {
    const { incoming, onward, sale } = this.#options;
    const { body } = incoming;
    this.#reply.follow(this);
    if (this.#options.upgrade) this.#carriage.tunnels.add(this);
    if (body) {
      body.onChunk = (chunk) => {
        this.#moved();
        sale?.onBody(chunk);
      };
    }
    this.#moved();
    this.#askedAtMs = this.#movedAtMs;
    this.#arm(this.#options.timeoutMs);
    if (body?.destroyed) this.#onNoHead(body.errored ?? new Error('the body was not there any more'));
    else {
      this.#carriage.reached('gateway.upstream.sending');
      this.#sending = this.#carriage.upstreams.send({ ...onward, body: body ?? null }, listenerFor(this, incoming, sale));
      this.#carriage.reached('gateway.upstream.sent');
    }
  }

  /** Early hints go on at once where nothing is counted. Where something is, nothing of an answer goes out before it has been decided on. */
  onInformational(status: number, headers: readonly string[]): void {
    if (status === 103 && this.#phase === 'waiting' && this.#options.sale === undefined) this.#reply.hint(headers);
  }

  onHead(status: number, headers: readonly string[], worth = status): void {
    if (this.#phase === 'over') return;
    this.#moved();
    this.#carriage.onUpstream?.('ok', this.#askedSeconds());
    this.#carriage.reached('gateway.head.received');
    this.#takeHead(worth, this.#readHead(status, headers));
  }

  onSwitch(headers: readonly string[], wire: Wire): void {
    if (this.#phase === 'over') return wire.reset();
    this.#moved();
    this.#carriage.onUpstream?.('ok', this.#askedSeconds());
    this.#carriage.reached('gateway.head.received');
    this.#wire = wire;
    const why = whyNoAnswer(headers, this.#options.upgrade?.key ?? '');
    if (why === undefined) this.#takeHead(101, this.#readHead(101, headers));
    else this.#onNoHead(new FareboxError('UPSTREAM_MALFORMED', `The server behind this gateway sent ${why}. ${whatNow(this.#options.sale)}`));
  }

  /** @param worth - the status of HTTP that the answer counts as */
  #takeHead(worth: number, head: ReturningHead | undefined): void {
    this.#head = head;
    if (head === undefined) this.#onNoHead(new Error('the upstream used a transfer coding beside chunked'));
    else if (this.#phase === 'absent') return;
    else if (this.#options.sale === undefined) this.#send(head.status < 400 ? this.#options.headers : []);
    else this.#decide(this.#options.sale, worth);
  }

  #readHead(status: number, lines: readonly string[]): ReturningHead | undefined {
    const head = returningHead(status, lines);
    const { rewrite, isPrivate } = this.#options;
    const changed = head !== undefined && changesAnswer(rewrite, status) ? { ...head, headers: returningHeaders(rewrite, head.headers) } : head;
    return changed !== undefined && isPrivate ? { ...changed, headers: madePrivate(changed.headers) } : changed;
  }

  onChunk(chunk: Chunk, release?: () => void): void {
    this.#moved();
    if (this.#phase === 'sending') this.#write(chunk, release);
    else if (this.#phase === 'holding' || this.#phase === 'absent') this.#keep(chunk);
  }

  onEnd(trailers: readonly string[], hasFailed = false): void {
    this.#hasFailed = hasFailed;
    this.#trailers = returningTrailers(trailers);
    if (this.#phase === 'sending') this.#finish();
    else if (this.#phase === 'absent') this.#endAbsent();
  }

  onError(error: Error): void {
    if ((this.#phase === 'waiting' || this.#phase === 'absent') && this.#head === undefined) this.#onUpstreamFailed();
    if (this.#phase === 'waiting') this.#onNoHead(error);
    else if (this.#phase === 'holding') this.#failure = error;
    else if (this.#phase === 'sending') this.#onBroken(error);
    else if (this.#phase === 'absent') this.#over('client-left', error, this.#options.sale?.unanswered('upstream'));
  }

  /** The head is there and nothing of it has gone out: the sale decides first, durably. */
  #decide(sale: Sale, status: number): void {
    const outcome = sale.head(status);
    if (!(outcome instanceof Promise)) return this.#decided(sale, outcome);
    this.#phase = 'holding';
    this.#sending?.pause();
    outcome.then(
      (known) => this.#decided(sale, known),
      (error: unknown) => {
        // Not known to be durable, and nothing was sent: what can still be given back is given back.
        const unavailable = FareboxError.is(error, 'STORE_UNAVAILABLE') ? error : undecided(error);
        this.#refuse(Answers.refusal(unavailable), error, sale.unanswered('upstream'));
      },
    );
  }

  #decided(sale: Sale, outcome: HeadOutcome): void {
    this.#carriage.reached('gateway.head.decided');
    if (outcome.kind === 'lost') this.#refuse(Answers.refusal(Answers.inUse()), undefined);
    else if (this.#clientLeft) this.#over('client-left', undefined, sale.end('client-left'));
    else if (this.#failure) this.#answerAfter(sale.end('upstream-broke'), unreachable(sale), this.#spent(), this.#failure);
    else this.#send(outcome.headers);
  }

  /** From here on bytes go to the client as they come. The head waits for the first of them, where that is there already. */
  #send(headers: Answer['headers']): void {
    for (const [name, value] of headers) this.#head?.headers.push(name, value);
    if (this.#wire) return this.#join(this.#wire);
    this.#phase = 'sending';
    const kept = this.#kept;
    this.#kept = [];
    for (const chunk of kept) this.#write(chunk);
    if (this.#trailers) this.#finish();
    else {
      this.#events = eventStream(this.#head as ReturningHead, this.#options.bought, this.#carriage.standing);
      if (this.#events) this.#armAnew(lookMs);
      else if (this.#carriage.idleTimeoutMs < this.#options.timeoutMs) this.#armAnew(this.#carriage.idleTimeoutMs);
      if (!this.#blocked) this.#sending?.resume();
      queueMicrotask(() => this.#flush());
    }
  }

  /** Client and upstream speak to each other from here on. */
  #join(upstream: Wire): void {
    const { upgrade, bought } = this.#options;
    this.#phase = 'joined';
    this.#timer?.cancel();
    this.#carriage.reached('gateway.first-byte.sending');
    let client: Wire;
    try {
      client = (upgrade as Upgrade).accept((this.#head as ReturningHead).headers);
    } catch (error) {
      return this.#onBroken(error as Error);
    }
    this.#status = upgrade?.status;
    this.#wire = undefined;
    this.#carriage.reached('gateway.first-byte.sent');
    this.#tunnel = new Tunnel(this.#carriage, bought, { client, upstream }, (end) => this.#onTunnelOver(end));
  }

  /** The gateway goes away. */
  end(): void {
    this.#tunnel?.end(1001);
  }

  #onTunnelOver({ how, error, bytesIn, bytesOut }: TunnelEnd): void {
    const kind = how === 'upstream-broke' ? 'upstream-failed' : how;
    this.#over(kind, error, this.#options.sale?.end(how), { in: bytesIn, out: bytesOut });
  }

  #write(chunk: Chunk, release?: () => void): void {
    if (!this.#reply.hasBegun && this.#first === undefined) {
      this.#first = chunk;
      return;
    }
    this.#flush();
    if (this.#phase === 'sending' && !this.#reply.write(chunk, release)) this.#block();
  }

  #block(): void {
    this.#blocked = true;
    this.#sending?.pause();
  }

  #flush(): void {
    if (this.#phase !== 'sending' || this.#reply.hasBegun || !this.#writeHead()) return;
    if (this.#first === undefined) this.#reply.flush();
    else if (!this.#reply.write(this.#first)) this.#block();
    this.#carriage.reached('gateway.first-byte.sent');
  }

  /** False where the upstream's head cannot be sent on. */
  #writeHead(): boolean {
    const { status, headers } = this.#head as ReturningHead;
    this.#carriage.reached('gateway.first-byte.sending');
    try {
      this.#reply.begin(status, headers);
      return true;
    } catch (error) {
      this.#onBroken(error as Error);
      return false;
    }
  }

  /** The upstream has said everything. */
  #finish(): void {
    this.#options.incoming.body?.destroy();
    this.#discardRest();
    const short = !this.#reply.hasBegun;
    const first = short ? this.#first : undefined;
    if (short && !this.#writeHead()) return;
    this.#carriage.reached('gateway.last-byte.sending');
    this.#reply.end(first, this.#trailers ?? []);
    if (short) this.#carriage.reached('gateway.first-byte.sent');
  }

  onSent(): void {
    if (this.#phase !== 'sending') return;
    this.#carriage.reached('gateway.last-byte.sent');
    this.#over('delivered', undefined, this.#options.sale?.end(this.#hasFailed ? 'upstream-broke' : 'delivered'));
  }

  onDrain(): void {
    this.#moved();
    this.#blocked = false;
    if (this.#phase === 'sending') this.#sending?.resume();
  }

  onClose(): void {
    const { sale, incoming } = this.#options;
    if (this.#phase === 'holding') this.#clientLeft = true;
    else if (this.#phase === 'sending') this.#over('client-left', undefined, sale?.end('client-left'));
    else if (this.#phase === 'waiting') {
      // Whoever cancels a call of gRPC has it cancelled everywhere.
      const safe = isSafe(incoming.view.method) || incoming.isGrpc;
      if (sale !== undefined && !safe && (incoming.body?.whole ?? true)) {
        this.#phase = 'absent';
        this.#armAnew(this.#options.timeoutMs);
      } else this.#over('client-left', undefined, sale?.unanswered('client-left'));
    }
  }

  /** No head came: the upstream failed, or the request never reached it whole. */
  #onNoHead(error: Error): void {
    const { sale, incoming } = this.#options;
    const fault = incoming.body?.errored;
    if (this.#phase === 'absent') this.#over('client-left', error, sale?.unanswered('upstream'));
    else if (FareboxError.is(fault)) this.#refuse(Problem.answer(fault, this.#spent()), undefined, sale?.unanswered('client-left'));
    else if (fault === error) this.#over('client-left', undefined, sale?.unanswered('client-left'));
    else this.#answerAfter(sale?.unanswered('upstream'), FareboxError.is(error) ? error : unreachable(sale), this.#charge(), error);
  }

  #onBroken(error: Error): void {
    const { sale } = this.#options;
    this.#over('upstream-failed', error, sale?.end('upstream-broke'));
    this.#reply.breakOff(this.#head?.contentLength !== undefined);
  }

  #keep(chunk: Chunk): void {
    this.#keptBytes += chunk.length;
    if (this.#phase === 'holding' || this.#keptBytes <= maxKeptAnswerBytes) this.#kept.push(chunk);
    else this.#kept = [];
  }

  /** The upstream has finished for a client that is gone. */
  #endAbsent(): void {
    const { status, headers } = this.#head as ReturningHead;
    const fits = this.#trailers !== undefined && this.#keptBytes <= maxKeptAnswerBytes;
    const kept = fits
      ? {
          status,
          headers: toPairs(headers),
          body: Buffer.concat(this.#kept.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : chunk))),
        }
      : undefined;
    this.#over('client-left', undefined, this.#options.sale?.absent(status, kept));
  }

  #moved(): void {
    this.#movedAtMs = this.#carriage.clock.nowMs();
  }

  /** Where the client sent too little, it did not fail. */
  #onUpstreamFailed(): void {
    this.#moved();
    if (!this.#options.incoming.body?.errored) this.#carriage.onUpstream?.('failed', this.#askedSeconds());
  }

  /** Until it moved last. */
  #askedSeconds(): number {
    return Math.max(0, this.#movedAtMs - this.#askedAtMs) / 1000;
  }

  #arm(ms: number): void {
    this.#timer = this.#carriage.timers.after(ms, this);
  }

  #armAnew(ms: number): void {
    this.#timer?.cancel();
    this.#arm(ms);
  }

  /** One timer an exchange, set again only when it runs out: moving bytes costs no timer. */
  onTimer(): void {
    const { sale, incoming } = this.#options;
    const limitMs = this.#phase === 'waiting' ? this.#options.timeoutMs : this.#carriage.idleTimeoutMs;
    const nowMs = this.#carriage.clock.nowMs();
    if (this.#phase === 'sending' && this.#events?.mayGoOn(nowMs) === false) return this.#endEvents();
    const leftMs = this.#movedAtMs + limitMs - nowMs;
    // While the sale decides, and while the client has yet to send its body, the upstream is not the one to wait for.
    const excused = this.#phase === 'holding' || (this.#phase === 'waiting' && (incoming.body?.starved ?? false));
    if (this.#phase === 'absent') {
      if (this.#head) this.#endAbsent();
      else this.#over('client-left', timedOut(sale), sale?.unanswered('upstream'));
    } else if (leftMs > 0 || excused) this.#arm(Math.min(leftMs > 0 ? leftMs : limitMs, this.#events ? lookMs : limitMs));
    else if (this.#phase === 'waiting') {
      this.#sending?.onLate?.();
      this.#answerAfter(sale?.unanswered('upstream'), timedOut(sale), this.#charge(), undefined);
    } else if (this.#blocked || this.#trailers) {
      this.#over('client-left', undefined, sale?.end('client-left'));
      this.#reply.leave();
    } else this.#onBroken(new Error(`no byte from the upstream within ${limitMs} ms`));
  }

  /** What was bought is over: so is the stream, between two chunks of it. Its client may ask again, and is asked to pay. */
  #endEvents(): void {
    this.#sending?.abort();
    this.#trailers ??= [];
    this.#finish();
  }

  /** What an answer says of the charge where the upstream has given none. */
  #charge(): Answer['headers'] {
    const isKept = this.#options.sale?.consume === 'on-success';
    return isKept ? [['L402-Payment', 'not-charged']] : this.#spent();
  }

  /** Said of what was charged before anybody answered. */
  #spent(): Answer['headers'] {
    return this.#options.sale?.consume === 'on-request' ? [['L402-Payment', 'charged']] : [];
  }

  /** Answers with a failure of the upstream once the sale knows of it, so that the same credential works again at once. */
  #answerAfter(told: Promise<void> | undefined, error: FareboxError, headers: Answer['headers'], cause: Error | undefined): void {
    this.#abort();
    const { retryAfterSeconds: after } = error.details;
    const retry = after === undefined ? [] : [['Retry-After', String(after)] as const];
    const answer = Problem.answer(error, [...headers, ...retry, ['Access-Control-Expose-Headers', Answers.exposedHeaders]]);
    const send = () => this.#sendInstead(answer);
    void settled(told).then((trouble) => {
      send();
      this.#isOver({ kind: 'upstream-failed', status: this.#seenStatus(), error: trouble ?? cause ?? error });
    });
  }

  /** Answers with something else than the upstream did. */
  #refuse(answer: Answer, error: unknown, told?: Promise<void>): void {
    this.#abort();
    this.#sendInstead(answer);
    void settled(told).then((trouble) => this.#isOver({ kind: 'refused', status: this.#seenStatus(), error: error ?? trouble }));
  }

  #over(kind: ExchangeOutcome['kind'], error: unknown, told: Promise<void> | undefined, bytes?: ExchangeOutcome['bytes']): void {
    this.#abort();
    const outcome = { kind, status: this.#seenStatus(), ...(bytes && { bytes }) };
    if (told === undefined) this.#isOver({ ...outcome, error });
    else void settled(told).then((trouble) => this.#isOver({ ...outcome, status: this.#seenStatus(), error: error ?? trouble }));
  }

  #isOver(outcome: ExchangeOutcome): void {
    if (this.#options.upgrade) this.#carriage.tunnels.delete(this);
    this.#carriage.reached('gateway.exchange.over');
    this.#options.onOver(outcome);
  }

  #abort(): void {
    this.#phase = 'over';
    this.#timer?.cancel();
    this.#wire?.reset();
    this.#kept = [];
    // After the whole answer this does nothing.
    if (this.#trailers === undefined) this.#sending?.abort();
    this.#options.incoming.body?.destroy();
  }

  #sendInstead(answer: Answer): void {
    this.#discardRest();
    this.#carriage.reached('gateway.answer.sending');
    this.#reply.answer(answer, this.#options.incoming.body?.unasked ?? false);
    this.#carriage.reached('gateway.answer.sent');
  }

  #discardRest(): void {
    const { body } = this.#options.incoming;
    if (body && !body.whole && !body.unasked) this.#reply.discardRest(this.#carriage.clock);
  }

  #seenStatus(): number {
    return this.#status ?? this.#reply.status;
  }
}
