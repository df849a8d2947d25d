/**
 * Answers to calls of gRPC: what is ours to say is said by a status, and an answer that breaks off ends with one.
 *
 * @see gRPC over HTTP2, "Responses"
 */
import type { Clock } from '../../core/Clock.ts';
import * as Grpc from '../../http/Grpc.ts';
import type { Answer } from '../../http/RequestView.ts';
import type { Reply, ReplyFollower, Taken } from '../Reply.ts';
import type { Chunk } from '../Upstream.ts';

/**
 * A request, to be answered in its own words. The metadata `token` of a call may be a macaroon: then it is called so, and nothing behind here
 * need know of it.
 */
export function inOwnWords(taken: Taken, clock: Clock): Taken {
  if (!Grpc.isCall(taken.version, taken.method, taken.rawHeaders)) return taken;
  return { ...taken, rawHeaders: nameMacaroons(taken.rawHeaders), reply: new GrpcReply(taken.reply, clock) };
}

/** See the head of this file. */
class GrpcReply implements Reply {
  readonly #reply: Reply;
  readonly #clock: Clock;

  constructor(reply: Reply, clock: Clock) {
    this.#reply = reply;
    this.#clock = clock;
  }

  get hasBegun(): boolean {
    return this.#reply.hasBegun;
  }

  get status(): number {
    return this.#reply.status;
  }

  get isGone(): boolean {
    return this.#reply.isGone;
  }

  follow(follower: ReplyFollower): void {
    this.#reply.follow(follower);
  }

  begin(status: number, headers: readonly string[]): void {
    this.#reply.begin(status, headers);
  }

  flush(): void {
    this.#reply.flush();
  }

  write(chunk: Chunk, onWritten?: () => void): boolean {
    return this.#reply.write(chunk, onWritten);
  }

  end(last: Chunk | undefined, trailers: readonly (readonly [name: string, value: string])[]): void {
    this.#reply.end(last, trailers);
  }

  hint(): void {
    // Early hints are for pages.
  }

  breakOff(isLengthSaid: boolean): void {
    if (!this.hasBegun) return this.#reply.breakOff(isLengthSaid);
    this.#reply.discardRest(this.#clock);
    this.#reply.end(undefined, [
      ['grpc-status', String(Grpc.code.unavailable)],
      ['grpc-message', 'the server behind this gateway broke off'],
    ]);
  }

  leave(): void {
    this.#reply.leave();
  }

  answer(answer: Answer, isLast: boolean): void {
    this.#reply.answer(Grpc.answerOf(answer), isLast);
  }

  discardRest(clock: Clock): void {
    this.#reply.discardRest(clock);
  }
}

function nameMacaroons(rawHeaders: readonly string[]): readonly string[] {
  return rawHeaders.map((text, index) =>
    index % 2 === 0 && text.toLowerCase() === 'token' && isMacaroon.test(rawHeaders[index + 1] ?? '') ? 'macaroon' : text,
  );
}

/** Hex of version 2 with an identifier. Other tokens are the upstream's to read. */
const isMacaroon = /^\s*0201(?:[0-9a-f]{2})+\s*$/i;
