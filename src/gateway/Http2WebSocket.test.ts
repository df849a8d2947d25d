/**
 * WebSockets over streams of HTTP/2, to upstreams that speak HTTP/1.1: with Node's client, and a server that others wrote.
 *
 * @see RFC 8441
 */
import { once } from 'node:events';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { type Check, type Closing, closeAll, openStage, openTcp, recordSale, sellWith } from '../../test/gateway/harness.ts';
import { askHttp2, openHttp2, readAnswer } from '../../test/gateway/http2.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

async function openEcho() {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const seen: { readonly method: string | undefined; readonly keys: number; readonly url: string | undefined }[] = [];
  server.on('connection', (socket, { method, url, rawHeaders }) => {
    seen.push({ method, url, keys: rawHeaders.filter((name) => name.toLowerCase() === 'sec-websocket-key').length });
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  closing.push(() => {
    for (const client of server.clients) client.terminate();
    return new Promise((resolve) => server.close(resolve));
  });
  return { server, seen, port: (server.address() as AddressInfo).port };
}

async function openSession(port: number): Promise<ClientHttp2Session> {
  const session = openHttp2(closing, port);
  const [settings] = await once(session, 'remoteSettings');
  expect(settings.enableConnectProtocol).toBe(true);
  return session;
}

function ask(session: ClientHttp2Session, more: Record<string, string> = {}, endStream = false): ClientHttp2Stream {
  const lines = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/live?a=b', 'sec-websocket-version': '13', ...more };
  const stream = session.request(lines, { endStream });
  stream.on('error', () => {});
  return stream;
}

const hello = Buffer.from('\x81\x85\0\0\0\0hello', 'latin1');

test('bytes go both ways, beside requests on the same connection, and nothing of the key is seen', async () => {
  const sale = recordSale();
  const echo = await openEcho();
  const stage = await openStage(closing, { upstream: echo.port, check: sellWith(sale) });
  const session = await openSession(stage.port);
  const stream = ask(session, { 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==', 'sec-websocket-protocol': 'chat' });
  stream.write(hello);
  const [headers] = await once(stream, 'response');
  expect([headers[':status'], headers['sec-websocket-accept'], headers['sec-websocket-protocol'], headers['l402-payment'], headers.upgrade]).toEqual([
    200,
    undefined,
    'chat',
    'charged',
    undefined,
  ]);
  expect(String((await once(stream, 'data'))[0])).toBe('\ufffd\x05hello');
  expect(echo.seen).toEqual([{ method: 'GET', url: '/live?a=b', keys: 1 }]);
  expect((await askHttp2(session, { ':path': '/plain' })).status).toBe(426);
  stream.write(Buffer.from('\x88\x82\0\0\0\0\x03\xe8', 'latin1'));
  expect(((await once(stream, 'data'))[0] as Buffer).toString('latin1')).toBe('\x88\x02\x03\xe8');
  stream.end();
  await once(stream, 'close');
  expect(stream.rstCode).toBe(0);
  expect(sale.told.filter((told) => told.startsWith('end'))).toContain('end delivered');
  const outcome = stage.outcomes.find(({ path }) => path === '/live');
  expect([outcome?.method, outcome?.status, outcome?.ended, outcome?.bytes]).toEqual(['GET', 200, 'delivered', { in: 19, out: 11 }]);
});

test('402 is an ordinary answer, and the connection goes on', async () => {
  const echo = await openEcho();
  const check: Check = () => ({ kind: 'challenge', answer: { status: 402, headers: [['WWW-Authenticate', 'L402 macaroon="a", invoice="b"']], body: 'pay' } });
  const stage = await openStage(closing, { upstream: echo.port, check });
  const session = await openSession(stage.port);
  const answer = await readAnswer(ask(session));
  expect([answer.status, answer.text, answer.headers['www-authenticate']]).toEqual([402, 'pay', 'L402 macaroon="a", invoice="b"']);
  expect((await readAnswer(ask(session))).status).toBe(402);
  expect(echo.seen).toEqual([]);
});

test.each([
  ['a stream that has ended', {}, true, 400],
  ['another protocol', { ':protocol': 'connect-udp' }, false, 501],
] as const)('%s is refused', async (_, more, endStream, status) => {
  const echo = await openEcho();
  const stage = await openStage(closing, { upstream: echo.port });
  const session = await openSession(stage.port);
  expect((await readAnswer(ask(session, more, endStream))).status).toBe(status);
  expect(echo.seen).toEqual([]);
});

test('a client that takes its stream back is charged, and its upstream is let go; an upstream that breaks resets the stream', async () => {
  const sale = recordSale();
  const echo = await openEcho();
  const stage = await openStage(closing, { upstream: echo.port, check: sellWith(sale) });
  const session = await openSession(stage.port);
  const left = ask(session);
  await once(left, 'response');
  const [client] = echo.server.clients;
  left.close(8);
  await once(client as NonNullable<typeof client>, 'close');
  expect(await sale.hears(/^end/)).toBe('end client-left');
  sale.told.length = 0;
  const broken = ask(session);
  await once(broken, 'response');
  for (const each of echo.server.clients) (each as unknown as { _socket: { resetAndDestroy: () => void } })._socket.resetAndDestroy();
  await new Promise((resolve) => broken.on('close', resolve));
  expect(broken.rstCode).not.toBe(0);
  expect(await sale.hears(/^end/)).toBe('end upstream-broke');
});

test('a WebSocket outlasts the time that a whole request may take', async () => {
  const echo = await openEcho();
  const stage = await openStage(closing, { upstream: echo.port, top: { timeouts: { request: '10s', idle: '60s', head: '10s' } } });
  const stream = ask(await openSession(stage.port));
  await once(stream, 'response');
  for (let i = 0; i < 4; i++) {
    stage.clock.advance(6000);
    stream.write(hello);
    await once(stream, 'data');
  }
  expect(stage.outcomes).toEqual([]);
});

test('a client that does not read holds up its upstream', async () => {
  let sent = 0;
  const { acceptOf } = await import('./tunnel/Handshake.ts');
  const port = await openTcp(closing, (socket) => {
    socket.once('data', (head: Buffer) => {
      const key = /sec-websocket-key: (.*)\r\n/i.exec(head.toString())?.[1] ?? '';
      socket.write(`HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`);
      const chunk = Buffer.alloc(65_536);
      const more = () => {
        while (sent < 256 * 1024 * 1024 && socket.write(chunk)) sent += chunk.length;
        socket.once('drain', more);
      };
      more();
    });
  });
  const stage = await openStage(closing, { upstream: port });
  const stream = ask(await openSession(stage.port));
  await once(stream, 'response');
  for (let still = 0, last = -1; still < 5; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    still = sent === last ? still + 1 : 0;
    last = sent;
  }
  expect(sent).toBeLessThan(64 * 1024 * 1024);
  expect(sent).toBeGreaterThan(0);
});
