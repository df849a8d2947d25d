/**
 * A WebSocket of a page in Chromium, over a stream of HTTP/2, through the gateway to a server that others wrote.
 */
import { createServer, type IncomingMessage } from 'node:http';
import { afterAll, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { type Closing, closeAll, openStage, portOf } from '../gateway/harness.ts';
import { startBrowser } from './Browser.ts';

const closing: Closing = [];
afterAll(() => closeAll(closing));

test('text and bytes, both ways, and a close with a reason', async () => {
  const handshakes: IncomingMessage[] = [];
  const server = createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>page</title>'));
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket, request) => {
    handshakes.push(request);
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    for (const client of sockets.clients) client.terminate();
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const stage = await openStage(closing, { upstream: portOf(server), top: { tls: 'self-signed' } });
  const browser = await startBrowser({ believes: true });
  closing.push(browser.close);
  const page = await browser.context.newPage();
  await page.goto(`https://127.0.0.1:${stage.port}/page`);
  const said = await page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const heard: unknown[] = [];
        const socket = new WebSocket(url);
        socket.binaryType = 'arraybuffer';
        socket.onopen = () => {
          socket.send('hello');
          socket.send(new Uint8Array(200_000).fill(7));
        };
        socket.onmessage = ({ data }) => {
          heard.push(typeof data === 'string' ? data : new Uint8Array(data).filter((byte) => byte === 7).length);
          if (heard.length === 2) socket.close(4000, 'bye');
        };
        socket.onerror = () => resolve('an error');
        socket.onclose = ({ code, reason, wasClean }) => resolve([...heard, code, reason, wasClean]);
      }),
    `wss://127.0.0.1:${stage.port}/live`,
  );
  expect(said).toEqual(['hello', 200_000, 4000, 'bye', true]);
  // It came over HTTP/2, as the page did, and went on over HTTP/1.1.
  expect([handshakes[0]?.headers.via, handshakes[0]?.httpVersion, handshakes[0]?.headers['x-forwarded-proto']]).toEqual(['2 farebox', '1.1', 'https']);
  await stage.over(2);
  expect(stage.outcomes.find(({ path }) => path === '/live')).toMatchObject({ status: 200, ended: 'delivered' });
});
