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
import { followStream, type StreamFollower } from '../StreamEvents.ts';
import type { Chunk } from '../Upstream.ts';

type Trailers = readonly (readonly [name: string, value: string])[];

/** Told of a reply's turns. */
export type ReplyOwner = {
  /** Everything of the answer has been said. */
  readonly onEnded: (reply: Http2Reply) => void;
  /** Its stream has ended. */
  readonly onOver: (reply: Http2Reply) => void;
};

/** See the head of this file. `isHead`: the request's method was `HEAD`. */
export class Http2Reply implements Reply, StreamFollower {
  /** For its owner: when the request came, and when everything of its answer had been said. */
  startedAtMs = 0;
  endedAtMs: number | undefined;
  /** For its owner: its stream is a tunnel by now. */
  isTunnel = false;
  readonly stream: ServerHttp2Stream;
  readonly #isHead: boolean;
  readonly #owner: ReplyOwner;
  /** The head that waits to go out: names and values in turn. */
  #head: string[] | undefined;
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

  constructor(stream: ServerHttp2Stream, isHead: boolean, owner: ReplyOwner) {
    this.stream = stream;
    this.#isHead = isHead;
    this.#owner = owner;
    followStream(stream, this);
  }

  onEvent(event: string | symbol): boolean {
    if (event === 'close') this.#onClose();
    else if (event === 'finish') this.#sent();
    else if (event === 'drain') this.#follower?.onDrain();
    else if (event === 'wantTrailers') this.#sendTrailers();
    else if (event === 'aborted') this.#onAborted();
    else return false;
    return true;
  }

  get hasBegun(): boolean {
    return this.#status !== 0;
  }

  get status(): number {
    return this.#status;
  }

  get isGone(): boolean {
    return this.stream.destroyed || this.stream.closed;
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
  }

  begin(status: number, headers: readonly string[]): void {
    if (this.#status !== 0) throw new Error('the head has gone out already');
    const head = linesFrom(headers, status);
    this.#head = head;
    this.#isBare = this.#isHead || !hasBody(status) || status === 205;
    this.#isFramed = this.#isBare || placeOf(head, 'content-length') >= 0;
    this.#status = status;
  }

  flush(): void {
    this.#sendHead(!this.#isFramed);
  }

  write(chunk: Chunk): boolean {
    this.flush();
    if (this.#isBare || this.isGone) return true;
    return typeof chunk === 'string' ? this.stream.write(chunk, 'latin1') : this.stream.write(chunk);
  }

  end(last: Chunk | undefined, trailers: Trailers): void {
    this.#trailers = trailers;
    // A head that nothing follows ends the stream by itself: to gRPC that is another answer than one that ends later.
    this.#isBare ||= this.#head !== undefined && trailers.length === 0 && (last === undefined || last.length === 0);
    this.#sendHead(trailers.length > 0);
    this.#hasEnded = true;
    this.#owner.onEnded(this);
    if (this.isGone) return;
    if (this.#isBare) this.#endBare();
    else if (last === undefined || last.length === 0) this.stream.end();
    else if (typeof last === 'string') this.stream.end(last, 'latin1');
    else this.stream.end(last);
  }

  hint(headers: readonly string[]): void {
    const link = linesOf(headers, 'link');
    if (link.length > 0 && this.#status === 0) this.inform(103, { link: [...link] });
  }

  /** Says something before the answer. */
  inform(status: 100 | 103, headers: OutgoingHttpHeaders): void {
    if (this.isGone) return;
    try {
      this.stream.additionalHeaders({ ...headers, ':status': status });
    } catch {
      // What cannot be said helps nobody.
    }
  }

  /** Not by `close`, which ends what was begun as if it were whole before it resets. */
  breakOff(): void {
    this.#hasBrokenOff = true;
    this.stream.destroy(new Error('broken off'));
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
    const stream = this.stream;
    if (stream.readableEnded || this.isGone) return;
    const cancel = clock.after(discardMs, () => this.leave());
    stream.once('close', cancel);
    this.#stopRest();
  }

  /** Nobody reads on; once the answer has gone out, its client is told so. */
  #stopRest(): void {
    const stream = this.stream;
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
    const stream = this.stream;
    if (this.isGone) return;
    stream.respond(takesLines ? head : collect(head), { endStream: this.#isBare, waitForTrailers: hasTrailers });
  }

  #sendTrailers(): void {
    if (this.isGone) return;
    try {
      this.stream.sendTrailers(collect(linesFrom(this.#trailers.flat())));
    } catch {
      this.breakOff();
    }
  }

  /** Node ends the stream of an answer without a body by itself, be it before its head was there. */
  #endBare(): void {
    if (this.stream.writableFinished) queueMicrotask(() => this.#sent());
  }

  /** Node would end the body of a request that was taken back without an error as if it were whole. */
  #onAborted(): void {
    if (!this.#hasBrokenOff) this.stream.destroy();
  }

  /** What Node keeps of a stream it keeps for long: it is to keep nothing of the request with it. */
  #onClose(): void {
    const follower = this.#follower;
    this.#follower = undefined;
    this.#head = undefined;
    this.#owner.onOver(this);
    follower?.onClose();
  }

  #sent(): void {
    if (!this.#hasEnded || this.#isSent) return;
    this.#isSent = true;
    this.#follower?.onSent();
  }
}

/** Lines as they go out, without what belongs to a connection: in lower case, and those of one name together. @throws Error – one that cannot be sent */
function linesFrom(lines: readonly string[], status?: number): string[] {
  const sent: string[] = status === undefined ? [] : [':status', String(status)];
  for (let index = 0; index < lines.length; index += 2) {
    const name = (lines[index] as string).toLowerCase();
    const value = lines[index + 1] as string;
    if (isHopByHop(name)) continue;
    if (!isName.test(name) || !isValue.test(value)) throw new Error(`the header ${JSON.stringify(name)} cannot be sent`);
    const at = many.has(name) ? -1 : placeOf(sent, name);
    if (at < 0) sent.push(name, value);
    else sent[at + 1] += `, ${value}`;
  }
  return sent;
}

/** Where a name stands among names and values in turn; -1 where it does not. */
function placeOf(lines: readonly string[], name: string): number {
  for (let index = 0; index < lines.length; index += 2) if (lines[index] === name) return index;
  return -1;
}

/** Lines as Node takes them where it does not take them as they are. */
function collect(lines: readonly string[]): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = Object.create(null);
  for (let index = 0; index < lines.length; index += 2) {
    const name = lines[index] as string;
    const value = lines[index + 1] as string;
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else headers[name] = Array.isArray(before) ? [...before, value] : [String(before), value];
  }
  return headers;
}

/** Node 22.20 and 24.7 are the first to take a head in lines. */
const takesLines = atLeast(process.versions.node);

function atLeast(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 24 || (major === 24 && minor >= 7) || (major === 22 && minor >= 20);
}

/** A name in lower case; a pseudo-header is none. */
const isName = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not stand there
const isValue = /^[^\x00-\x08\x0a-\x1f\x7f\u0100-\uffff]*$/;

/** Of which several lines are not the same as one with commas. */
const many: ReadonlySet<string> = new Set(['set-cookie', 'www-authenticate', 'link']);

const discardMs = 5000;
