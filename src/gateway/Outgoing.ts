/**
 * Answers on their way to the client: whole ones in one write, head and body together; and what happens to a request's body that nobody
 * reads any more.
 *
 * @see RFC 9112, section 9.6
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../core/Clock.ts';
import { linesOf } from '../http/NodeRequest.ts';
import type { Answer } from '../http/RequestView.ts';
import type { Chunk } from './Upstream.ts';

/** Sends a whole answer. To `HEAD` goes its head alone. A client that has left gets nothing, and nothing is thrown. */
export function sendAnswer(response: ServerResponse, answer: Answer, close: boolean): void {
  if (response.headersSent || response.destroyed) return;
  const { status, body } = answer;
  const headers: string[] = [];
  for (const [name, value] of answer.headers) if (!framing.has(name.toLowerCase())) headers.push(name, value);
  if (hasBody(status)) headers.push('Content-Length', String(Buffer.byteLength(body)));
  if (close) headers.push('Connection', 'close');
  response.writeHead(status, headers);
  if (!hasBody(status) || response.req.method === 'HEAD') response.end();
  else if (typeof body === 'string') endWithText(response, body);
  else endWith(response, Buffer.from(body.buffer, body.byteOffset, body.byteLength));
}

/** Sends early hints: the links of an upstream's 103. @param headers - names and values in turn */
export function sendHints(response: ServerResponse, headers: readonly string[]): void {
  for (const link of linesOf(headers, 'link')) {
    try {
      response.writeEarlyHints({ link });
    } catch {
      // Node takes well-formed links alone; a hint that is none helps nobody.
    }
  }
}

/** Text of ASCII alone is its own latin-1, and goes out with the head as it is. */
function endWithText(response: ServerResponse, text: string): void {
  if (text.length <= joinedBytes && Buffer.byteLength(text) === text.length) response.end(text, 'latin1');
  else endWith(response, Buffer.from(text, 'utf8'));
}

/** Ends an answer with its only chunk. Small ones go out as one text with the head: one write, no list of buffers. */
export function endWith(response: ServerResponse, chunk: Chunk | undefined): void {
  if (chunk === undefined || chunk.length === 0) response.end();
  else if (typeof chunk === 'string') response.end(chunk, 'latin1');
  else if (chunk.length <= joinedBytes) response.end(chunk.toString('latin1'), 'latin1');
  else response.end(chunk);
}

/** Sends some bytes of an answer; false where the client takes no more for now. */
export function writeTo(response: ServerResponse, chunk: Chunk): boolean {
  return typeof chunk === 'string' ? response.write(chunk, 'latin1') : response.write(chunk);
}

/** Whether answers with this status can have a body. */
export function hasBody(status: number): boolean {
  return status !== 204 && status !== 304;
}

/**
 * Takes in what is left of a request's body once its answer is decided, so that the client can read the answer and the connection can be
 * used again; within bounds, for nobody has paid for those bytes. Beyond them the connection ends.
 */
export function discardRest(request: IncomingMessage, clock: Clock): void {
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

/** Ours to say, also where the answer was kept from an upstream that had said them. */
const framing: ReadonlySet<string> = new Set(['connection', 'content-length', 'transfer-encoding']);

const joinedBytes = 16_384;
const discardedBytes = 4 * 1024 * 1024;
const discardMs = 5000;
