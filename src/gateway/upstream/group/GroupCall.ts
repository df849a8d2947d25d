/**
 * One request to one of several upstreams, and to another one where the first has failed and it can do no harm. Whoever sends it sees one request
 * with one outcome.
 *
 *     picked ─ sent ─ head ─ whole         failed before the head, repeatable, within the budget ─ picked …
 *
 * It is repeated before the first byte of an answer alone, and only
 * - where nothing of it went out, or
 * - where its method does the same once or twice, and it has no body, or
 * - where nothing of its body went out: no server has done what it did not wholly get.
 *
 * @see RFC 9110, section 9.2.2
 */
import { FareboxError } from '../../../core/Errors.ts';
import type { RequestBody } from '../../RequestBody.ts';
import type { Wire } from '../../tunnel/Wire.ts';
import type { AnswerHandler, Chunk, OnwardRequest, Reach, Sending, Upstreams } from '../../Upstream.ts';
import { isIdempotent } from '../Call.ts';
import type { Failure, Leave } from './Breaker.ts';
import type { Group, Member } from './Group.ts';

/** See the head of this file. */
export class GroupCall implements AnswerHandler, Sending {
  readonly #group: Group;
  readonly #upstreams: Pick<Upstreams, 'send'>;
  readonly #request: OnwardRequest;
  readonly #handler: AnswerHandler;
  readonly #tried: Member[] = [];
  /** Where it is now. */
  #member: Member | undefined;
  /** Until that one's answer says how it is. */
  #leave: Leave | undefined;
  #sending: Sending | undefined;
  /** Something of an answer has been passed on. */
  #hasBegun = false;
  #isOver = false;
  #isPaused = false;

  constructor(group: Group, upstreams: Pick<Upstreams, 'send'>, request: OnwardRequest, handler: AnswerHandler) {
    this.#group = group;
    this.#upstreams = upstreams;
    this.#request = request;
    this.#handler = handler;
  }

  start(): void {
    const { method, body } = this.#request;
    this.#group.budget.count();
    const member = this.#group.pick(this.#tried, body === null && isIdempotent(method));
    if (member === undefined) this.#handler.onError(this.#group.away(), 'unsent');
    else this.#send(member);
  }

  pause(): void {
    this.#isPaused = true;
    this.#sending?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#sending?.resume();
  }

  onLate(): void {
    this.#judge({ isProvocable: true, why: 'no answer in time' });
  }

  abort(): void {
    this.#isOver = true;
    this.#judge(undefined);
    this.#depart();
    this.#sending?.abort();
  }

  onInformational(status: number, headers: readonly string[]): void {
    this.#hasBegun = true;
    this.#handler.onInformational(status, headers);
  }

  onHead(status: number, headers: readonly string[]): void {
    this.#hasBegun = true;
    if (this.#group.options.breaker.statuses.includes(status)) this.#judge({ isProvocable: true, why: `status ${status}` });
    else this.#acquit();
    this.#handler.onHead(status, headers);
  }

  onSwitch(headers: readonly string[], wire: Wire): void {
    this.#acquit();
    this.#depart();
    this.#handler.onSwitch(headers, wire);
  }

  onChunk(chunk: Chunk, release?: () => void): void {
    this.#handler.onChunk(chunk, release);
  }

  onEnd(trailers: readonly string[]): void {
    this.#judge(undefined);
    this.#depart();
    this.#handler.onEnd(trailers);
  }

  onError(error: Error, reach?: Reach): void {
    if (this.#isOver) return;
    const isOurs = this.#group.isClosed || isNobodysFault(error, this.#request.body);
    const isBusy = FareboxError.is(error, 'UPSTREAM_BUSY');
    this.#judge(isOurs || isBusy || this.#hasBegun ? undefined : { isProvocable: reach !== 'unsent', why: error.message });
    this.#depart();
    const next = isOurs ? undefined : this.#findNext(reach);
    if (next === undefined) this.#handler.onError(error, reach);
    else this.#send(next);
  }

  #send(member: Member): void {
    this.#member = member;
    this.#leave = member.breaker.begin();
    member.busy++;
    this.#tried.push(member);
    const tries = this.#tried.length;
    const sending = this.#upstreams.send({ ...this.#request, upstream: member.target }, this);
    // It may have failed at once, and be on its way to another one.
    if (this.#tried.length > tries) return;
    this.#sending = sending;
    if (this.#isPaused) sending.pause();
  }

  #findNext(reach: Reach | undefined): Member | undefined {
    if (this.#hasBegun || reach === 'begun' || this.#tried.length > this.#group.options.retries) return undefined;
    const { method, body } = this.#request;
    if (!(body === null ? reach === 'unsent' || isIdempotent(method) : isUntouched(body))) return undefined;
    const next = this.#group.pick(this.#tried, false);
    // What nobody has got is no load to anybody.
    return next !== undefined && (reach === 'unsent' || this.#group.budget.take(this.#group.busy)) ? next : undefined;
  }

  /** It is well where it is. */
  #acquit(): void {
    if (this.#member !== undefined && this.#leave !== undefined) this.#group.succeeded(this.#member, this.#leave);
    this.#leave = undefined;
  }

  /** What has become of it where it is; undefined: nothing that says anything. */
  #judge(failure: Failure | undefined): void {
    const [member, leave] = [this.#member, this.#leave];
    this.#leave = undefined;
    if (member === undefined || leave === undefined) return;
    if (failure === undefined) member.breaker.said(leave);
    else this.#group.failed(member, leave, failure);
  }

  #depart(): void {
    if (this.#member !== undefined) this.#member.busy--;
    this.#member = undefined;
  }
}

/** Whether all of a body is still to be had. */
function isUntouched(body: RequestBody): boolean {
  return !body.destroyed && !body.readableDidRead && !body.readableEnded;
}

/** Whether no upstream is to blame: what the client sent cannot be sent on, or never came. */
function isNobodysFault(error: Error, body: RequestBody | null): boolean {
  return error instanceof TypeError || body?.errored === error || (body?.destroyed === true && !body.readableEnded);
}
