/**
 * Every protocol in front of the gateway and behind it: upstreams and clients that are not ours, which tell bodies by their hashes and say them
 * in trailers.
 *
 *     GET /plain     a few bytes            POST /up      takes a long body, answers with its hash
 *     GET /down      a long body            POST /both    sends a long body back as it comes
 *
 * Whoever asks for a WebSocket, anywhere, gets every message back.
 */
import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type ClientHttp2Session, connect, createServer as createHttp2Server, type Http2ServerRequest } from 'node:http2';
import type { AddressInfo, Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Agent, request as ask } from 'undici';
import { WebSocket, WebSocketServer } from 'ws';
import type { Closing } from './harness.ts';
import { openSecureServer } from './secure.ts';
import { speakOn } from './tunnels.ts';

/** How a request comes in, or goes out. `h2`: over TLS; `h2c`: in the clear. */
export type Protocol = 'h1' | 'h2' | 'h2c';

export const protocols: readonly Protocol[] = ['h1', 'h2', 'h2c'];

/** What goes through. */
export const kinds = ['plain', 'up', 'down', 'both'] as const;
export type Kind = (typeof kinds)[number];

/** What came of a request. */
export type Came = { readonly status: number; readonly bytes: number; readonly hash: string; readonly trailer: unknown };

export const certificates = JSON.parse(readFileSync(new URL('../vectors/tls.json', import.meta.url), 'utf8')) as Readonly<Record<string, string>>;
const own = { key: certificates.serverKey, cert: certificates.good };

/** Certificates as files; the answer is their folder. */
export function writeCertificates(closing: Closing): string {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-matrix-'));
  closing.push(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'ca.pem'), certificates.authority as string);
  writeFileSync(join(folder, 'own.pem'), certificates.good as string);
  writeFileSync(join(folder, 'own.key'), certificates.serverKey as string);
  return folder;
}

/** A long body: another byte at every place. */
export const long = Buffer.from(Uint32Array.from({ length: 400_000 }, (_, at) => Math.imul(at + 1, 2_654_435_761)).buffer);

export function hashOf(...parts: readonly Uint8Array[]): string {
  return parts.reduce<Hash>((hash, part) => hash.update(part), createHash('sha256')).digest('hex');
}

/** What is to come of a request. */
export function expected(kind: Kind): Came {
  const hash = hashOf(long);
  if (kind === 'down' || kind === 'both') return { status: 200, bytes: long.length, hash, trailer: hash };
  const text = Buffer.from(kind === 'up' ? hash : 'ok');
  return { status: 200, bytes: text.length, hash: hashOf(text), trailer: hashOf(text) };
}

/** What both of Node's servers have in common. */
type Incoming = Readable & { readonly url?: string | undefined };
type Outgoing = {
  writeHead: (status: number, headers: Record<string, string>) => unknown;
  write: (chunk: Buffer) => boolean;
  addTrailers: (trailers: Record<string, string>) => void;
  end: () => unknown;
  once: (event: 'drain', listener: () => void) => unknown;
};

async function answer(request: Incoming, response: Outgoing): Promise<void> {
  const sent = createHash('sha256');
  const send = async (chunk: Buffer) => {
    sent.update(chunk);
    if (!response.write(chunk)) await new Promise<void>((resolve) => response.once('drain', resolve));
  };
  response.writeHead(200, { 'Content-Type': 'application/octet-stream', Trailer: 'X-Hash' });
  if (request.url === '/plain') await send(Buffer.from('ok'));
  else if (request.url === '/down') for (let at = 0; at < long.length; at += 50_000) await send(long.subarray(at, at + 50_000));
  else if (request.url === '/both') for await (const chunk of request) await send(chunk as Buffer);
  else {
    const received = createHash('sha256');
    for await (const chunk of request) received.update(chunk as Buffer);
    await send(Buffer.from(received.digest('hex')));
  }
  response.addTrailers({ 'X-Hash': sent.digest('hex') });
  response.end();
}

/** Over HTTP/2, WebSockets are asked for by CONNECT, which a server has to say that it takes. */
const settings = { enableConnectProtocol: true };

function letIn({ stream }: Http2ServerRequest): void {
  stream.respond({ ':status': 200 });
  echo(speakOn(stream, true));
}

function echo(socket: WebSocket): void {
  socket.on('error', () => {}).on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
}

/** Starts an upstream; the answer is how the configuration names it. `ca`: the file of whom to believe. */
export async function openUpstreamBy(closing: Closing, protocol: Protocol, ca: string): Promise<object | string> {
  const listener = (request: Incoming, response: Outgoing) => void answer(request, response).catch(() => {});
  if (protocol === 'h2') {
    const port = await openSecureServer(closing, { ...own, allowHTTP1: false, settings }, listener as never, letIn);
    return { url: `https://localhost:${port}`, protocol: 'h2', ca };
  }
  const server = (protocol === 'h1' ? createServer(listener) : createHttp2Server({ settings }, listener as never)) as unknown as Server;
  if (protocol === 'h1') new WebSocketServer({ server: server as never }).on('connection', echo);
  else server.on('connect', letIn);
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return protocol === 'h1' ? url : { url, protocol: 'h2' };
}

/** A client of somebody else's for a gateway. */
export function openClientOf(closing: Closing, protocol: Protocol, port: number): (kind: Kind) => Promise<Came> {
  if (protocol === 'h1') {
    const agent = new Agent();
    closing.push(() => agent.destroy());
    return (kind) => askByUndici(agent, `http://127.0.0.1:${port}`, kind);
  }
  const session = openSession(closing, protocol, port);
  return (kind) => askByHttp2(session, kind);
}

function openSession(closing: Closing, protocol: Protocol, port: number): ClientHttp2Session {
  const session = protocol === 'h2' ? connect(`https://localhost:${port}`, { ca: certificates.authority }) : connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  closing.push(() => session.destroy());
  return session;
}

/** A WebSocket of somebody else's to a gateway, open. */
export async function openWebSocketOf(closing: Closing, protocol: Protocol, port: number): Promise<WebSocket> {
  if (protocol === 'h1') {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/live`);
    closing.push(() => socket.terminate());
    await once(socket, 'open');
    return socket;
  }
  const session = openSession(closing, protocol, port);
  await once(session, 'remoteSettings');
  const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/live', 'sec-websocket-version': '13' }, { endStream: false });
  const [head] = await once(stream, 'response');
  if (head[':status'] !== 200) throw new Error(`refused with ${head[':status']}`);
  return speakOn(stream, false);
}

/** Sends a long body in messages, and closes; the answer is what came back, and how it was closed. */
export async function sendBack(socket: WebSocket): Promise<{ readonly hash: string; readonly texts: readonly string[]; readonly closed: readonly string[] }> {
  const [got, texts]: [Buffer[], string[]] = [[], []];
  const closed = once(socket, 'close');
  socket.on('message', (data, isBinary) => {
    if (isBinary) got.push(data as Buffer);
    else texts.push(String(data));
    if (texts.length === 2) socket.close(4001, 'bye');
  });
  socket.send('first');
  for (let at = 0; at < long.length; at += 30_000) socket.send(long.subarray(at, at + 30_000));
  socket.send('last');
  return { closed: (await closed).map(String), hash: hashOf(...got), texts };
}

const takesBody = (kind: Kind) => kind === 'up' || kind === 'both';

async function* pieces(): AsyncGenerator<Buffer> {
  for (let at = 0; at < long.length; at += 30_000) yield long.subarray(at, at + 30_000);
}

async function askByUndici(dispatcher: Agent, origin: string, kind: Kind): Promise<Came> {
  const { statusCode, body, trailers } = await ask(`${origin}/${kind}`, {
    dispatcher,
    method: takesBody(kind) ? 'POST' : 'GET',
    ...(takesBody(kind) && { body: Readable.from(pieces()) }),
  });
  const got = Buffer.from(await body.arrayBuffer());
  return { status: statusCode, bytes: got.length, hash: hashOf(got), trailer: trailers['x-hash'] };
}

async function askByHttp2(session: ClientHttp2Session, kind: Kind): Promise<Came> {
  const stream = session.request({ ':method': takesBody(kind) ? 'POST' : 'GET', ':path': `/${kind}` }, { endStream: !takesBody(kind) });
  let status = 0;
  let trailer: unknown;
  stream.on('response', (head) => {
    status = Number(head[':status']);
  });
  stream.on('trailers', (trailers) => {
    trailer = trailers['x-hash'];
  });
  if (takesBody(kind)) Readable.from(pieces()).pipe(stream);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  const got = Buffer.concat(chunks);
  return { status, bytes: got.length, hash: hashOf(got), trailer };
}
