/**
 * One connection of HTTP/2: its requests, and what its client may ask of it besides. Whoever opens streams to take them back, or asks for
 * acknowledgements without end, is told to calm down and cut off; whoever is silent for too long is let go.
 *
 * @see RFC 9113, sections 5.4, 6.8, 8.1 and 10.5; CVE-2023-44487; CVE-2025-8671
 */
import { constants, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Clock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Problem from '../../http/Problem.ts';
import type { ListenerLimits } from '../Listener.ts';
import type { Handler } from '../Reply.ts';
import { Allowance } from './Allowance.ts';
import { Http2Reply, type ReplyOwner } from './Http2Reply.ts';
import { headOf, lengthOf } from './Http2Request.ts';
import { upgradeOf } from './Http2Upgrade.ts';

/** What a connection needs of its listener. */
export type Http2Surroundings = {
  readonly limits: ListenerLimits;
  readonly clock: Clock;
  readonly handle: Handler;
  /** Told the other end's address where a connection was cut off, for its client asked for more than it may. */
  readonly onCutOff: (address: string) => void;
};

/** See the head of this file. */
export class Http2Connection implements ReplyOwner {
  readonly #session: ServerHttp2Session;
  readonly #socket: Socket;
  readonly #surroundings: Http2Surroundings;
  readonly #running = new Set<Http2Reply>();
  readonly #resets: Allowance;
  readonly #questions: Allowance;
  readonly #isSecure: boolean;
  readonly #remoteAddress: string;
  #hasAsked = false;
  #idleSinceMs: number;
  #isLeaving = false;
  /** Asked to go, and left so long. */
  #isGoing = false;

  constructor(session: ServerHttp2Session, socket: Socket, surroundings: Http2Surroundings) {
    const { clock } = surroundings;
    this.#session = session;
    this.#socket = socket;
    this.#surroundings = surroundings;
    this.#isSecure = 'encrypted' in socket;
    this.#remoteAddress = socket.remoteAddress ?? '';
    this.#idleSinceMs = clock.nowMs();
    this.#resets = new Allowance(maxResets, resetsPerSecond, clock);
    this.#questions = new Allowance(maxQuestions, questionsPerSecond, clock);
    session.on('error', ({ errno }: NodeJS.ErrnoException) => {
      if (errno !== undefined && floods.has(errno)) surroundings.onCutOff(this.#remoteAddress);
    });
    session.on('stream', (stream, headers, flags, lines) => {
      const reply = new Http2Reply(stream, headers[':method'] === 'HEAD', this);
      if (!this.#isLeaving) return this.#take(stream, reply, flags, lines as unknown as string[]);
      // Behind all that has come with it, and before the first answer.
      setImmediate(() => {
        session.close();
        this.#take(stream, reply, flags, lines as unknown as string[]);
      });
    });
    session.on('ping', () => this.#question(1));
    session.on('remoteSettings', () => this.#question(costOfSettings));
    // The half of a client that has ended is all that it had: no answer is worth its connection.
    socket.on('end', () => session.destroy());
  }

  /**
   * Asks the client to go with its next request, before that is answered: who asks one after the other loses none. Of those that cross it on the
   * way the client knows that they were not taken. The notice that would let them be taken (RFC 9113, section 6.8) is none that Node can send.
   */
  leave(): void {
    this.#isLeaving = true;
  }

  /** Lets what runs finish, and ends. */
  close(): void {
    this.#isGoing = true;
    this.#session.close();
  }

  /** Ends at once. */
  destroy(): void {
    this.#session.destroy();
    this.#socket.destroy();
  }

  /** Looks for what has taken too long. */
  look(nowMs: number): void {
    const { limits } = this.#surroundings;
    for (const reply of this.#running) {
      const { stream, startedAtMs, endedAtMs, isTunnel } = reply;
      // It is looked after where it ends.
      if (isTunnel) continue;
      // Both may speak for as long as they like, once the answer has begun: it is bounded by the time in which nothing moves.
      const isLate = !reply.hasBegun && !stream.readableEnded && nowMs - startedAtMs > limits.requestTimeoutMs;
      const isUnread = endedAtMs !== undefined && nowMs - endedAtMs > limits.idleTimeoutMs;
      if (isLate || isUnread) reply.leave();
    }
    if (this.#running.size > 0) return;
    if (nowMs - this.#idleSinceMs <= (this.#hasAsked ? limits.keepAliveTimeoutMs : limits.headTimeoutMs)) return;
    if (this.#isGoing) this.destroy();
    else this.close();
  }

  #take(stream: ServerHttp2Stream, reply: Http2Reply, flags: number, lines: readonly string[]): void {
    this.#hasAsked = true;
    // Taken back before it was looked at.
    if (stream.destroyed || stream.closed) return this.#reset();
    const { clock, handle } = this.#surroundings;
    reply.startedAtMs = clock.nowMs();
    this.#running.add(reply);
    // Node keeps to the bound once its client has confirmed that it knows of it, which it need not.
    if (lengthOf(lines) > this.#surroundings.limits.headerBytes) return reply.answer({ status: 431, headers: [], body: '' }, true);
    let head: ReturnType<typeof headOf>;
    try {
      head = headOf(lines);
    } catch (error) {
      reply.answer(Problem.answer(error as FareboxError), true);
      return;
    }
    const { isWebSocket } = head;
    const endsWithHead = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    if (isWebSocket && endsWithHead) {
      reply.answer(Problem.answer(new FareboxError('REQUEST_MALFORMED', 'A WebSocket does not end with its request.')), true);
      return;
    }
    const accepted = () => {
      reply.isTunnel = true;
    };
    handle({
      method: head.method,
      target: head.target,
      rawHeaders: head.rawHeaders,
      version: '2',
      isSecure: this.#isSecure,
      remoteAddress: this.#remoteAddress,
      bodyFollows: !endsWithHead && !isWebSocket,
      source: stream,
      sendContinue: head.waitsForContinue ? () => reply.inform(100, {}) : undefined,
      reply,
      upgrade: isWebSocket ? upgradeOf(stream, reply, accepted) : undefined,
    });
  }

  onEnded(reply: Http2Reply): void {
    reply.endedAtMs = this.#surroundings.clock.nowMs();
  }

  onOver(reply: Http2Reply): void {
    if (!this.#running.delete(reply)) return;
    if (this.#running.size === 0) this.#idleSinceMs = this.#surroundings.clock.nowMs();
    const { rstCode } = reply.stream;
    if (reply.hasEnded || (reply.isTunnel && rstCode === constants.NGHTTP2_NO_ERROR)) this.#resets.giveBack();
    else if (!reply.hasBrokenOff && rstCode !== undefined) this.#reset();
  }

  /** A request that its client has taken back, or made us take back. */
  #reset(): void {
    if (!this.#resets.take(1)) this.#calm();
  }

  #question(cost: number): void {
    if (!this.#questions.take(cost)) this.#calm();
  }

  #calm(): void {
    if (this.#session.destroyed) return;
    this.#surroundings.onCutOff(this.#remoteAddress);
    this.#session.destroy(new Error('the client asks for more than it may'), constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }
}

/** What the session is ended for by itself, as nghttp2 numbers it: too many frames that are invalid, control frames without end, headers without end. */
const floods: ReadonlySet<number> = new Set([-902, -904, -905]);

/** Requests that may be taken back at once, and how many more each second; each one that is answered allows another. */
const maxResets = 100;
const resetsPerSecond = 20;

/** Acknowledgements, which are as cheap to ask for as to give; settings are some work. */
const maxQuestions = 1000;
const questionsPerSecond = 500;
const costOfSettings = 20;
