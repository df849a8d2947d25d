/**
 * Requests that ask to go on in another protocol, over HTTP/1.1. A WebSocket waits here for its answer: what its client says ahead goes nowhere
 * before the upstream has agreed, and a client that is not let in gets an ordinary answer, the last on its connection.
 *
 * Any other protocol is not spoken here, and its request is answered as if it had not asked.
 *
 * @see RFC 9110, section 7.8; RFC 6455, section 4.2
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../../core/Clock.ts';
import { linesOf } from '../../http/NodeRequest.ts';
import type { Taken, Upgrade } from '../Reply.ts';
import * as Handshake from '../tunnel/Handshake.ts';
import * as Wire from '../tunnel/Wire.ts';
import { Http1Response, takenBy } from './Http1Reply.ts';

/** Whether Node is to hand over the connection, where it asks (from 24.9 on). */
export function isUpgrade(request: IncomingMessage): boolean {
  return Handshake.isAsked(request.method ?? '', request.httpVersion, request.rawHeaders);
}

/** A connection that Node has handed over together with a request. */
export type HandedOver = {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  /** What came behind the request's head. */
  readonly rest: Buffer;
};

/** What waits for its answer, and what may become of it. */
export type Waiting = {
  readonly taken: Taken;
  readonly response: Http1Response;
};

/**
 * A request that waits. It is told of a client that leaves by its reply, as any other is.
 * @param onAccepted - told when the connection is a tunnel's
 */
export function wait({ request, socket, rest }: HandedOver, clock: Clock, onAccepted: () => void): Waiting {
  const response = new Http1Response(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  request.on('error', () => {});
  const ahead: Buffer[] = rest.length > 0 ? [rest] : [];
  let aheadBytes = rest.length;
  let isAnswered = false;
  // Read, because only then it is seen that the client leaves; kept, because nobody has agreed to it yet.
  const onData = (bytes: Buffer) => {
    if (isAnswered) return;
    ahead.push(bytes);
    aheadBytes += bytes.length;
    if (aheadBytes > maxAheadBytes) socket.pause();
  };
  let stopLingering = () => {};
  const onEnd = () => {
    stopLingering();
    socket.destroy();
  };
  const onDrain = () => response.emit('drain');
  socket.on('data', onData).on('end', onEnd).on('drain', onDrain);
  // What stood here for the request before it.
  socket.setTimeout(0);
  response.on('finish', () => {
    isAnswered = true;
    if (socket.destroyed) return;
    // What the client still says is taken in, so that it can read its answer; not for ever.
    socket.resume();
    socket.end();
    stopLingering = clock.after(lingerMs, () => socket.destroy());
    socket.once('error', stopLingering).once('close', stopLingering);
  });
  if (aheadBytes > maxAheadBytes) socket.pause();
  else socket.resume();
  const accept: Upgrade['accept'] = (headers) => {
    response.writeHead(101, ['Connection', 'Upgrade', 'Upgrade', 'websocket', ...headers]);
    response.flushHeaders();
    response.detachSocket(socket);
    // It has said all that it will.
    response.emit('close');
    socket.pause();
    socket.off('data', onData).off('end', onEnd).off('drain', onDrain);
    if (ahead.length > 0) socket.unshift(Buffer.concat(ahead));
    onAccepted();
    return Wire.over(socket);
  };
  const upgrade = isUpgrade(request) ? { key: linesOf(request.rawHeaders, 'sec-websocket-key')[0] ?? '', isKeyOurs: false, status: 101, accept } : undefined;
  return { taken: { ...takenBy(request, response, false), bodyFollows: false, upgrade }, response };
}

/** Puts a request back in front of its connection, without what it asked for beside an answer, so that it is read again as any other. */
export function putBack({ request, socket, rest }: HandedOver): void {
  const { method, url, httpVersion, rawHeaders } = request;
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    if (name.toLowerCase() !== 'upgrade') head += `${name}: ${rawHeaders[index + 1]}\r\n`;
  }
  socket.unshift(Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), rest]));
}

/** What a client may say ahead. */
const maxAheadBytes = 65_536;
const lingerMs = 5000;
