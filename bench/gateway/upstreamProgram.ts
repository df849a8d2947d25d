/**
 * The upstream of the measured gateway: answers every request with the same kilobyte of JSON under the headers that web frameworks set, and
 * costs as little as it can.
 */

import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { serve } from '../harness/Program.ts';

const words = Array.from({ length: 12 }, (_, at) => ({ id: at, source: 'Good morning, world', target: 'Buenos días, mundo', isCached: at % 2 === 0 }));
const body = Buffer.from(JSON.stringify({ from: 'en', to: 'es', words }), 'utf8')
  .toString('latin1')
  .slice(0, 1024);
const headers = [
  'X-Powered-By: Express',
  'Content-Type: application/json; charset=utf-8',
  `Content-Length: ${body.length}`,
  'ETag: W/"400-Y3VyaW91cywgYXJlIHlvdT8"',
  'Date: Thu, 01 Jan 2026 00:00:00 GMT',
  'Connection: keep-alive',
  'Keep-Alive: timeout=5',
];
const answer = `HTTP/1.1 200 OK\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n${body}`;

serve(async () => {
  const server = createServer({ noDelay: true }, (socket) => {
    let read = '';
    socket.setEncoding('latin1');
    socket.on('error', () => {});
    socket.on('data', (chunk: string) => {
      read += chunk;
      for (let end = read.indexOf('\r\n\r\n'); end >= 0; end = read.indexOf('\r\n\r\n')) {
        read = read.slice(end + 4);
        socket.write(answer, 'latin1');
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { ready: { port: (server.address() as AddressInfo).port } };
});
