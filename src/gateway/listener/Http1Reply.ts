/**
 * Answers over HTTP/1.1, by Node's own server: whole ones in one write, head and body together.
 *
 * @see RFC 9112, section 9.6
 */
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../core/Clock.ts';
import { linesOf } from '../../http/NodeRequest.ts';
import type { Answer } from '../../http/RequestView.ts';
import { hasBody, headersOf, type Reply, type ReplyFollower, type Taken } from '../Reply.ts';
import type { Chunk } from '../Upstream.ts';

/**
 * Node's response, which tells its turns to one object besides its listeners: a function an event and a request would cost more. An error that
 * nobody listens to is none of ours: the connection is gone, and its `close` says so.
 */
export class Http1Response extends ServerResponse {
  /** Told when its connection has it no more, whether it went out whole or not. */
  onOver: ((response: Http1Response) => void) | undefined;
  follower: ReplyFollower | undefined;

  override emit(event: string | symbol, ...values: unknown[]): boolean {
    // Those who wait for its end find it gone.
    if (event === 'close') this.#onClose();
    const isHeard = this.listenerCount(event) > 0 && super.emit(event, ...values);
    if (event === 'finish') this.follower?.onSent();
    else if (event === 'drain') this.follower?.onDrain();
    return isHeard;
  }

  #onClose(): void {
    const { onOver, follower } = this;
    this.onOver = undefined;
    this.follower = undefined;
    onOver?.(this);
    follower?.onClose();
  }
}

/** A request as Node has parsed it. `waitsForContinue`: the client sends its body when it is told to. */
export function takenBy(request: IncomingMessage, response: Http1Response, waitsForContinue: boolean): Taken {
  return {
    method: request.method ?? '',
    target: request.url ?? '',
    rawHeaders: request.rawHeaders,
    version: request.httpVersion,
    isSecure: 'encrypted' in request.socket,
    remoteAddress: request.socket.remoteAddress ?? '',
    bodyFollows: undefined,
    source: request,
    sendContinue: waitsForContinue ? () => response.writeContinue() : undefined,
    reply: new Http1Reply(response),
  };
}

/** See the head of this file. */
export class Http1Reply implements Reply {
  readonly #response: Http1Response;

  constructor(response: Http1Response) {
    this.#response = response;
  }

  get hasBegun(): boolean {
    return this.#response.headersSent;
  }

  get status(): number {
    return this.#response.headersSent ? this.#response.statusCode : 0;
  }

  get isGone(): boolean {
    return this.#response.destroyed;
  }

  follow(follower: ReplyFollower): void {
    this.#response.follower = follower;
  }

  begin(status: number, headers: readonly string[]): void {
    this.#response.writeHead(status, headers as string[]);
  }

  flush(): void {
    this.#response.flushHeaders();
  }

  write(chunk: Chunk, onWritten?: () => void): boolean {
    if (typeof chunk === 'string') return this.#response.write(chunk, 'latin1');
    if (onWritten === undefined) return this.#response.write(chunk);
    return this.#response.write(chunk, (error) => {
      if (!error) onWritten();
    });
  }

  end(last: Chunk | undefined, trailers: readonly (readonly [name: string, value: string])[]): void {
    if (trailers.length > 0) this.#response.addTrailers(trailers as [string, string][]);
    endWith(this.#response, last);
  }

  hint(headers: readonly string[]): void {
    const response = this.#response;
    if (response.destroyed || response.req.httpVersion !== '1.1') return;
    for (const link of linesOf(headers, 'link')) {
      try {
        response.writeEarlyHints({ link });
      } catch {
        // Node takes well-formed links alone; a hint that is none helps nobody.
      }
    }
  }

  breakOff(isLengthSaid: boolean): void {
    const response = this.#response;
    // An end without a length is a clean end: only a reset says that something is missing.
    const endsWithConnection = response.headersSent && !response.chunkedEncoding && !isLengthSaid;
    // Over TLS an end without its alert says so.
    if (endsWithConnection && response.socket && !('encrypted' in response.socket)) response.socket.resetAndDestroy();
    else response.destroy();
  }

  leave(): void {
    this.#response.destroy();
  }

  answer(answer: Answer, isLast: boolean): void {
    const response = this.#response;
    if (response.headersSent || response.destroyed) return;
    const { status, body } = answer;
    const headers = headersOf(answer);
    if (isLast) headers.push('Connection', 'close');
    response.writeHead(status, headers);
    if (!hasBody(status) || response.req.method === 'HEAD') response.end();
    else if (typeof body === 'string') endWithText(response, body);
    else endWith(response, Buffer.from(body.buffer, body.byteOffset, body.byteLength));
  }

  discardRest(clock: Clock): void {
    const request = this.#response.req;
    if (request.readableEnded || request.destroyed) return;
    let left = discardedBytes;
    const cancel = clock.after(discardMs, () => request.socket.destroy());
    request.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      // No more is read, and nothing is closed yet: a reset would take the answer from a client that is still writing.
      if (left < 0) request.pause();
    });
    const { socket } = request;
    // Once the answer has gone out, a request is no longer told that its connection has ended.
    const over = () => {
      cancel();
      socket.off('close', over);
    };
    request.once('end', over).once('close', over);
    socket.once('close', over);
    request.resume();
  }
}

/** Text of ASCII alone is its own latin-1, and goes out with the head as it is. */
function endWithText(response: ServerResponse, text: string): void {
  if (text.length <= joinedBytes && Buffer.byteLength(text) === text.length) response.end(text, 'latin1');
  else endWith(response, Buffer.from(text, 'utf8'));
}

/** Ends an answer with its only chunk. Small ones go out as one text with the head: one write, no list of buffers. */
function endWith(response: ServerResponse, chunk: Chunk | undefined): void {
  if (chunk === undefined || chunk.length === 0) response.end();
  else if (typeof chunk === 'string') response.end(chunk, 'latin1');
  else if (chunk.length <= joinedBytes) response.end(chunk.toString('latin1'), 'latin1');
  else response.end(chunk);
}

const joinedBytes = 16_384;
const discardedBytes = 4 * 1024 * 1024;
const discardMs = 5000;
