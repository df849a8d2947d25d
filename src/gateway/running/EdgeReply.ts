/**
 * An answer on its way out past the edge: what is said on every one of them is added to its head, and what the log wants to know of it is kept.
 * There only where the configuration asks for any of it.
 */
import type { Clock, Random } from '../../core/Clock.ts';
import { linesOf } from '../../http/NodeRequest.ts';
import type { Answer } from '../../http/RequestView.ts';
import { plainAddress, type Trust } from '../ClientAddress.ts';
import type { GatewayConfig } from '../Config.ts';
import { hasBody, type Reply, type ReplyFollower, type Taken } from '../Reply.ts';
import type { Chunk } from '../Upstream.ts';
import { type Cors, createCors } from './Cors.ts';
import { createRequestIds, setRequestId } from './RequestIds.ts';

/** What is done at the edge, for every request. */
export type Edge = {
  readonly cors: Cors | undefined;
  /** The reply that stands in front of the request's own. */
  readonly open: (taken: Taken) => EdgeReply;
};

/** As configured; undefined where nothing is. */
export function createEdge({ logs, cors: corsConfig }: Pick<GatewayConfig, 'logs' | 'cors'>, trust: Trust, random: Random): Edge | undefined {
  if (logs === undefined && corsConfig === undefined) return undefined;
  const ids = logs?.requestIds === true ? createRequestIds(random) : undefined;
  const cors = corsConfig && createCors(corsConfig);
  return {
    cors,
    open: (taken) => new EdgeReply(taken, ids?.(taken.rawHeaders, trust(plainAddress(taken.remoteAddress))), cors),
  };
}

/** See the head of this file. */
export class EdgeReply implements Reply {
  readonly requestId: string | undefined;
  /** Of the body, as they were handed on. */
  bytes = 0;
  /** What the head says of the charge. */
  payment: string | undefined;
  readonly #inner: Reply;
  readonly #isHead: boolean;
  readonly #cors: Cors | undefined;
  readonly #origin: string | undefined;

  constructor({ reply, method, rawHeaders }: Taken, requestId: string | undefined, cors: Cors | undefined) {
    this.#inner = reply;
    this.#isHead = method === 'HEAD';
    this.requestId = requestId;
    this.#cors = cors;
    this.#origin = cors && linesOf(rawHeaders, 'origin')[0];
  }

  /** The request as it goes on from here: whatever is answered, by an answer or by letting it into a tunnel, comes past. */
  inFrontOf(taken: Taken): Taken {
    const { upgrade } = taken;
    return {
      ...taken,
      reply: this,
      ...(upgrade && { upgrade: { ...upgrade, accept: (headers) => upgrade.accept(this.#begin(headers)) } }),
    };
  }

  get hasBegun(): boolean {
    return this.#inner.hasBegun;
  }

  get status(): number {
    return this.#inner.status;
  }

  get isGone(): boolean {
    return this.#inner.isGone;
  }

  follow(follower: ReplyFollower): void {
    this.#inner.follow(follower);
  }

  begin(status: number, headers: readonly string[]): void {
    this.#inner.begin(status, this.#begin(headers));
  }

  flush(): void {
    this.#inner.flush();
  }

  write(chunk: Chunk, onWritten?: () => void): boolean {
    this.bytes += chunk.length;
    return this.#inner.write(chunk, onWritten);
  }

  end(last: Chunk | undefined, trailers: Parameters<Reply['end']>[1]): void {
    this.bytes += last?.length ?? 0;
    this.#inner.end(last, trailers);
  }

  hint(headers: readonly string[]): void {
    this.#inner.hint(headers);
  }

  breakOff(isLengthSaid: boolean): void {
    this.#inner.breakOff(isLengthSaid);
  }

  leave(): void {
    this.#inner.leave();
  }

  answer(answer: Answer, isLast: boolean): void {
    if (this.hasBegun || this.isGone) return;
    const headers = answer.headers.flat();
    this.payment = linesOf(headers, 'l402-payment')[0];
    if (!this.#isHead && hasBody(answer.status)) this.bytes += Buffer.byteLength(answer.body);
    const added = this.#added(headers, true);
    this.#inner.answer({ ...answer, headers: added.flatMap((name, index) => (index % 2 === 0 ? [[name, added[index + 1] as string] as const] : [])) }, isLast);
  }

  discardRest(clock: Clock): void {
    this.#inner.discardRest(clock);
  }

  #begin(headers: readonly string[]): string[] {
    this.payment = linesOf(headers, 'l402-payment')[0];
    return this.#added(headers, false);
  }

  #added(headers: readonly string[], isOurs: boolean): string[] {
    const named = this.requestId === undefined ? [...headers] : setRequestId(headers, this.requestId);
    const cors = this.#cors;
    if (cors === undefined) return named;
    const kept = named.filter((_, index) => !cors.isSaidHere(named[index - (index % 2)] as string));
    return [...kept, ...cors.headersFor(this.#origin, isOurs)];
  }
}
