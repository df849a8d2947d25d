/**
 * Answers over HTTP/2, by the streams of Node's own sessions. A head waits for what follows it at once, so that a short answer knows whether
 * trailers come behind it.
 *
 * @see RFC 9113, sections 8.1, 8.2 and 8.5
 */
import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Clock } from '../../core/Clock.ts';
import { isHopByHop } from '../../http/headers.ts';
import { linesOf } from '../../http/NodeRequest.ts';
import type { Answer } from '../../http/RequestView.ts';
import { hasBody, headersOf, type Reply, type ReplyFollower } from '../Reply.ts';
import type { Chunk } from '../Upstream.ts';

type Trailers = readonly (readonly [name: string, value: string])[];

/** See the head of this file. `isHead`: the request's method was `HEAD`. */
export class Http2Reply implements Reply {
  readonly #stream: ServerHttp2Stream;
  readonly #isHead: boolean;
  readonly #onEnded: () => void;
  /** The head that waits to go out. */
  #head: OutgoingHttpHeaders | undefined;
  #status = 0;
  /** Its length is said, or it has no body: no trailers come. */
  #isFramed = false;
  /** The answer has no body, whatever is written. */
  #isBare = false;
  #trailers: Trailers = [];
  #follower: ReplyFollower | undefined;
  #isSent = false;
  #hasEnded = false;
  #hasBrokenOff = false;

  /** @param onEnded - told once everything of the answer has been said */
  constructor(stream: ServerHttp2Stream, isHead: boolean, onEnded: () => void) {
    this.#stream = stream;
    this.#isHead = isHead;
    this.#onEnded = onEnded;
  }

  get hasBegun(): boolean {
    return this.#status !== 0;
  }

  get status(): number {
    return this.#status;
  }

  get isGone(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }

  /** Whether everything of the answer has been said. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Whether we have ended it before. */
  get hasBrokenOff(): boolean {
    return this.#hasBrokenOff;
  }

  follow(follower: ReplyFollower): void {
    this.#follower = follower;
    this.#stream
      .on('close', () => follower.onClose())
      .on('drain', () => follower.onDrain())
      .on('finish', () => this.#sent());
  }

  begin(status: number, headers: readonly string[]): void {
    if (this.#status !== 0) throw new Error('the head has gone out already');
    const { head, hasLength } = headOf(status, headers);
    this.#head = head;
    this.#isBare = this.#isHead || !hasBody(status) || status === 205;
    this.#isFramed = hasLength || this.#isBare;
    this.#status = status;
  }

  flush(): void {
    this.#sendHead(!this.#isFramed);
  }

  write(chunk: Chunk): boolean {
    this.flush();
    if (this.#isBare || this.isGone) return true;
    return typeof chunk === 'string' ? this.#stream.write(chunk, 'latin1') : this.#stream.write(chunk);
  }

  end(last: Chunk | undefined, trailers: Trailers): void {
    this.#trailers = trailers;
    // A head that nothing follows ends the stream by itself: to gRPC that is another answer than one that ends later.
    this.#isBare ||= this.#head !== undefined && trailers.length === 0 && (last === undefined || last.length === 0);
    this.#sendHead(trailers.length > 0);
    this.#hasEnded = true;
    this.#onEnded();
    if (this.isGone) return;
    if (this.#isBare) this.#endBare();
    else if (last === undefined || last.length === 0) this.#stream.end();
    else if (typeof last === 'string') this.#stream.end(last, 'latin1');
    else this.#stream.end(last);
  }

  hint(headers: readonly string[]): void {
    const link = linesOf(headers, 'link');
    if (link.length > 0 && this.#status === 0) this.inform(103, { link: [...link] });
  }

  /** Says something before the answer. */
  inform(status: 100 | 103, headers: OutgoingHttpHeaders): void {
    if (this.isGone) return;
    try {
      this.#stream.additionalHeaders({ ...headers, ':status': status });
    } catch {
      // What cannot be said helps nobody.
    }
  }

  /** Not by `close`, which ends what was begun as if it were whole before it resets. */
  breakOff(): void {
    this.#hasBrokenOff = true;
    this.#stream.destroy(new Error('broken off'));
  }

  leave(): void {
    this.breakOff();
  }

  /** Only this stream is over with the answer, whatever `isLast` says; a client that is still sending is told to stop. */
  answer(answer: Answer, isLast: boolean): void {
    if (this.hasBegun || this.isGone) return;
    const { status, body } = answer;
    this.begin(status, headersOf(answer));
    if (isLast) this.#stopRest();
    this.end(typeof body === 'string' ? Buffer.from(body, 'utf8') : Buffer.from(body.buffer, body.byteOffset, body.byteLength), []);
  }

  discardRest(clock: Clock): void {
    const stream = this.#stream;
    if (stream.readableEnded || this.isGone) return;
    const cancel = clock.after(discardMs, () => this.leave());
    stream.once('close', cancel);
    this.#stopRest();
  }

  /** Nobody reads on; once the answer has gone out, its client is told so. */
  #stopRest(): void {
    const stream = this.#stream;
    if (stream.readableEnded) return;
    stream.on('data', () => {}).resume();
    const stop = () => {
      if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
    };
    // A stream without a body of its own has finished before its head is there, or, in Node 26, before that has gone out.
    if (this.#isHead) setImmediate(stop);
    else stream.once('finish', () => setImmediate(stop));
  }

  #sendHead(hasTrailers: boolean): void {
    const head = this.#head;
    if (head === undefined) return;
    this.#head = undefined;
    const stream = this.#stream;
    if (this.isGone) return;
    if (hasTrailers) stream.once('wantTrailers', () => this.#sendTrailers());
    stream.respond(head, { endStream: this.#isBare, waitForTrailers: hasTrailers });
  }

  #sendTrailers(): void {
    if (this.isGone) return;
    const lines = this.#trailers.flat();
    try {
      this.#stream.sendTrailers(collect(lines));
    } catch {
      this.breakOff();
    }
  }

  /** Node ends the stream of an answer without a body by itself, be it before its head was there. */
  #endBare(): void {
    if (this.#stream.writableFinished) queueMicrotask(() => this.#sent());
  }

  #sent(): void {
    if (!this.#hasEnded || this.#isSent) return;
    this.#isSent = true;
    this.#follower?.onSent();
  }
}

/** @throws Error – a header that cannot be sent */
function headOf(status: number, lines: readonly string[]): { readonly head: OutgoingHttpHeaders; readonly hasLength: boolean } {
  const head = collect(lines);
  head[':status'] = status;
  return { head, hasLength: head['content-length'] !== undefined };
}

/** Lines as Node takes them, without what belongs to a connection: in lower case, and those of one name together. */
function collect(lines: readonly string[]): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = Object.create(null);
  for (let index = 0; index < lines.length; index += 2) {
    const name = (lines[index] as string).toLowerCase();
    const value = lines[index + 1] as string;
    if (isHopByHop(name)) continue;
    if (!isName.test(name) || !isValue.test(value)) throw new Error(`the header ${JSON.stringify(name)} cannot be sent`);
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (many.has(name)) headers[name] = Array.isArray(before) ? [...before, value] : [String(before), value];
    else headers[name] = `${before}, ${value}`;
  }
  return headers;
}

/** A name in lower case; a pseudo-header is none. */
const isName = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not stand there
const isValue = /^[^\x00-\x08\x0a-\x1f\x7f\u0100-\uffff]*$/;

/** Of which several lines are not the same as one with commas. */
const many: ReadonlySet<string> = new Set(['set-cookie', 'www-authenticate', 'link']);

const discardMs = 5000;
