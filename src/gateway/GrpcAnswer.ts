/**
 * An upstream's answer to a call of gRPC, on its way to the exchange. A call succeeds or fails by its status, which comes last: the head says
 * nothing, and is held until something does.
 *
 *     head ─ held ─ first message ─ …  ─ trailers           the call has brought something: paid
 *              └─── trailers: 0, 5, …                       answered, without a message: paid
 *              └─── trailers: 4, 8, 13, 14, or none         failed before it brought anything: given back
 *
 * Where nothing is decided by the head, it goes on at once; but one that ends the answer waits for that end, to go out in one piece.
 *
 * @see gRPC over HTTP2, "Responses"; docs/wire.md, "The life of a claim"
 */
import * as Grpc from '../http/Grpc.ts';
import type { Sale } from '../server/terms/Terms.ts';
import type { Incoming } from './Incoming.ts';
import type { Wire } from './tunnel/Wire.ts';
import type { AnswerHandler, Chunk } from './Upstream.ts';

/** What is told of an answer of gRPC's. */
export type GrpcFollower = AnswerHandler & {
  /** `worth`: the status of HTTP that it counts as. */
  readonly onHead: (status: number, headers: readonly string[], worth?: number) => void;
  /** `hasFailed`: the upstream says that it broke on its way. */
  readonly onEnd: (trailers: readonly string[], hasFailed?: boolean) => void;
};

/** Who is told of the answer to a request: whoever follows it, or, where it is a call of gRPC, somebody who puts it in words of HTTP before. */
export function listenerFor(follower: GrpcFollower, { isGrpc, view }: Incoming, sale: Sale | undefined): AnswerHandler {
  if (!isGrpc) return follower;
  return new GrpcAnswer(follower, sale?.consume === 'on-success', view.header('grpc-timeout') !== undefined);
}

/** See the head of this file. */
class GrpcAnswer implements AnswerHandler {
  readonly #follower: GrpcFollower;
  readonly #isDecidedByHead: boolean;
  readonly #hasDeadline: boolean;
  #held: readonly string[] | undefined;
  #isCall = false;

  /**
   * @param isDecidedByHead - whether something hangs on how the answer begins
   * @param hasDeadline - whether the caller has set one: then it is the caller who makes it pass
   */
  constructor(follower: GrpcFollower, isDecidedByHead: boolean, hasDeadline: boolean) {
    this.#follower = follower;
    this.#isDecidedByHead = isDecidedByHead;
    this.#hasDeadline = hasDeadline;
  }

  onInformational(status: number, headers: readonly string[]): void {
    this.#follower.onInformational(status, headers);
  }

  onSwitch(headers: readonly string[], wire: Wire): void {
    this.#follower.onSwitch(headers, wire);
  }

  onHead(status: number, headers: readonly string[]): void {
    this.#isCall = status === 200 && Grpc.isMessages(firstOf(headers, 'content-type'));
    // Whoever calls cannot read it, whatever it says of itself.
    if (!this.#isCall) return this.#follower.onHead(status, headers, status < 400 ? 502 : status);
    // Nothing of gRPC's has a length that is known beforehand, and none is to stand in the way of the trailers.
    const hasLength = firstOf(headers, 'content-length') !== undefined;
    const lines = hasLength ? headers.filter((_, index) => headers[index - (index % 2)]?.toLowerCase() !== 'content-length') : headers;
    if (this.#isDecidedByHead || hasStatus(lines)) this.#held = lines;
    else this.#follower.onHead(200, lines);
  }

  onChunk(chunk: Chunk, release?: () => void): void {
    this.#letGo(200);
    this.#follower.onChunk(chunk, release);
  }

  onEnd(trailers: readonly string[]): void {
    if (!this.#isCall) return this.#follower.onEnd(trailers);
    const held = this.#held;
    const status = Grpc.statusOf(hasStatus(trailers) ? trailers : (held ?? []));
    this.#letGo(worthOf(status, this.#hasDeadline));
    this.#follower.onEnd(trailers, held === undefined && hasBroken(status));
  }

  onError(error: Error): void {
    this.#follower.onError(error);
  }

  #letGo(worth: number): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#follower.onHead(200, held, worth);
  }
}

/** What a status without a message counts as, in words of HTTP. A deadline that its caller has set is the caller's doing, as a bad request is. */
function worthOf(status: number | undefined, hasDeadline: boolean): number {
  if (status === undefined || status === Grpc.code.internal) return 502;
  if (status === Grpc.code.unavailable) return 503;
  if (status === Grpc.code.resourceExhausted) return 429;
  if (status === Grpc.code.deadlineExceeded) return hasDeadline ? 499 : 504;
  return 200;
}

/** Whether an upstream that had begun says that it broke. What a caller can bring about, such as a deadline, is no break. */
function hasBroken(status: number | undefined): boolean {
  return status === undefined || status === Grpc.code.internal || status === Grpc.code.unavailable;
}

function hasStatus(lines: readonly string[]): boolean {
  return firstOf(lines, 'grpc-status') !== undefined;
}

function firstOf(lines: readonly string[], name: string): string | undefined {
  for (let index = 0; index < lines.length; index += 2) if (lines[index]?.toLowerCase() === name) return lines[index + 1];
  return undefined;
}
