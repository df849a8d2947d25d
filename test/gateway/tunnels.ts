/**
 * WebSockets with both ends in a test's hands: clients over HTTP/1.1 and over HTTP/2 that look alike, and upstreams that take them as streams of
 * HTTP/2.
 *
 * @see RFC 6455, section 1.3; RFC 8441, section 5
 */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream, type Settings } from 'node:http2';
import { addAbortSignal, type Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import { type Closing, openRaw, portOf } from './harness.ts';
import { openHttp2 } from './http2.ts';

/** How a WebSocket comes in. */
export const ways = ['HTTP/1.1', 'HTTP/2'] as const;

/** A frame that closes in order: a server's, and a client's. */
export const closes = { server: '\x88\x02\x03\xe8', client: '\x88\x82\0\0\0\0\x03\xe8' } as const;

const key = 'dGhlIHNhbXBsZSBub25jZQ==';

/** A client, which has sent its handshake. */
export type TunnelClient = {
  /** Resolves with the answer: its status, 200 where it was let in, its headers as text, and its body where it was not. */
  readonly answer: Promise<{ readonly status: number; readonly head: string; readonly body: string }>;
  readonly stream: Duplex;
  readonly write: (text: string) => void;
  /** What came behind the answer's head so far. */
  readonly received: () => string;
  /** Resolves when that ends with these bytes. */
  readonly until: (end: string) => Promise<string>;
  /** Ends what it sends. */
  readonly end: () => void;
  /** Breaks off. */
  readonly reset: () => void;
  readonly closed: Promise<'clean' | 'reset'>;
};

/** Asks for a WebSocket at a gateway. */
export function openTunnelBy(way: (typeof ways)[number], closing: Closing, port: number, headers: Record<string, string> = {}): Promise<TunnelClient> {
  return way === 'HTTP/1.1' ? openByHttp1(closing, port, headers) : openByHttp2(closing, port, headers);
}

async function openByHttp1(closing: Closing, port: number, headers: Record<string, string>): Promise<TunnelClient> {
  const raw = await openRaw(closing, port);
  // At the end of a test nobody waits for the other end.
  closing.push(() => raw.socket.resetAndDestroy());
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const own = ['Host: a', 'Connection: Upgrade', 'Upgrade: websocket', `Sec-WebSocket-Key: ${key}`, 'Sec-WebSocket-Version: 13'];
  raw.write(['GET /live?a=b HTTP/1.1', ...own, ...lines, '', ''].join('\r\n'));
  const behind = () => raw.received().replace(/^[\s\S]*?\r\n\r\n/, '');
  const answer = raw.until(/\r\n\r\n/).then(async (text) => {
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1]);
    if (status !== 101) await raw.closed;
    const head = text.slice(0, text.indexOf('\r\n\r\n')).toLowerCase();
    return { status: status === 101 ? 200 : status, head, body: status === 101 ? '' : behind() };
  });
  answer.catch(() => {});
  return {
    answer,
    stream: raw.socket,
    write: raw.write,
    received: behind,
    until: async (end) => {
      while (!behind().endsWith(end)) await once(raw.socket, 'data');
      return behind();
    },
    end: () => void raw.socket.end(),
    reset: () => void raw.socket.resetAndDestroy(),
    closed: raw.closed,
  };
}

async function openByHttp2(closing: Closing, port: number, headers: Record<string, string>): Promise<TunnelClient> {
  const session = openHttp2(closing, port);
  await once(session, 'remoteSettings');
  const stream = session.request(
    { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/live?a=b', 'sec-websocket-version': '13', ...headers },
    { endStream: false },
  );
  let text = '';
  stream.on('error', () => {});
  const closed = new Promise<'clean' | 'reset'>((resolve) => stream.on('close', () => resolve(stream.rstCode === 0 ? 'clean' : 'reset')));
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  const ended = new Promise((resolve) => stream.on('end', resolve));
  const answer = once(stream, 'response').then(async ([head]) => {
    const status = Number(head[':status']);
    if (status !== 200) await ended;
    const lines = Object.entries(head as IncomingHttpHeaders).map(([name, value]) => `${name}: ${value}`);
    return { status, head: lines.join('\r\n'), body: status === 200 ? '' : text };
  });
  answer.catch(() => {});
  return {
    answer,
    stream,
    write: (bytes) => void stream.write(bytes, 'latin1'),
    received: () => text,
    until: async (end) => {
      while (!text.endsWith(end)) await once(stream, 'data');
      return text;
    },
    end: () => void stream.end(),
    // Not by `close`, which ends what is sent in order first.
    reset: () => void addAbortSignal(AbortSignal.abort(), stream),
    closed,
  };
}

/** One end of a WebSocket over a stream, by ws, which has this for itself and calls it after its own handshakes. */
export function speakOn(stream: Duplex, isServer: boolean): WebSocket {
  const options = { allowSynchronousEvents: true, autoPong: true, closeTimeout: 30_000, maxPayload: 0, skipUTF8Validation: false };
  const socket = new (WebSocket as unknown as Speaking)(null, undefined, options);
  socket._isServer = isServer;
  socket.on('error', () => {});
  socket.setSocket(stream, Buffer.alloc(0), options);
  return socket;
}

type Speaking = new (
  address: null,
  protocols: undefined,
  options: object,
) => WebSocket & { _isServer: boolean; readonly setSocket: (stream: Duplex, head: Buffer, options: object) => void };

/** An upstream of HTTP/2, and what has been asked of it. */
export type TunnelUpstream = {
  readonly port: number;
  readonly sessions: readonly ServerHttp2Session[];
  readonly streams: readonly ServerHttp2Stream[];
  readonly heads: readonly Readonly<Record<string, unknown>>[];
  /** Everything that has come on any stream. */
  readonly received: () => string;
  /** Resolves when so many streams have come. */
  readonly reached: (count: number) => Promise<ServerHttp2Stream>;
};

/** Starts one in the clear. `onStream` answers, by default it lets in. */
export async function openTunnelUpstream(
  closing: Closing,
  onStream: (stream: ServerHttp2Stream, head: IncomingHttpHeaders) => void = (stream) => stream.respond({ ':status': 200 }),
  settings: Settings = { enableConnectProtocol: true },
): Promise<TunnelUpstream> {
  const sessions: ServerHttp2Session[] = [];
  const streams: ServerHttp2Stream[] = [];
  const heads: IncomingHttpHeaders[] = [];
  let received = '';
  const server = createServer({ settings });
  server.on('session', (session) => {
    session.on('error', () => {});
    sessions.push(session);
  });
  server.on('stream', (stream, head) => {
    stream.on('error', () => {});
    stream.on('data', (bytes: Buffer) => {
      received += bytes.toString('latin1');
    });
    streams.push(stream);
    heads.push(head);
    onStream(stream, head);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  closing.push(() => {
    for (const session of sessions) session.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const reached = async (count: number) => {
    while (streams.length < count) await new Promise((resolve) => setImmediate(resolve));
    return streams[count - 1] as ServerHttp2Stream;
  };
  return { port: portOf(server as never), sessions, streams, heads, received: () => received, reached };
}
