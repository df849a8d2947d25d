/**
 * The upstream of the measured gateway: answers every request with the same kilobyte of JSON under the headers that web frameworks set, and
 * costs as little as it can. Whoever asks for `?long` gets a hundred megabytes, at the pace at which they are taken.
 */

import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';
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
const longBytes = 100_000_000;
const piece = Buffer.alloc(65_536, 'x');
const longHead = `HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: ${longBytes}\r\n\r\n`;

function sendLong(socket: Socket): void {
  let left = longBytes;
  const more = () => {
    let isTaken = true;
    while (left > 0 && isTaken) {
      isTaken = socket.write(left < piece.length ? piece.subarray(0, left) : piece);
      left -= Math.min(left, piece.length);
    }
    if (left === 0) socket.off('drain', more);
  };
  socket.on('drain', more);
  socket.write(longHead, 'latin1');
  more();
}

const answer = `HTTP/1.1 200 OK\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n${body}`;

serve(async () => {
  const server = createServer({ noDelay: true }, (socket) => {
    let read = '';
    socket.setEncoding('latin1');
    socket.on('error', () => {});
    socket.on('data', (chunk: string) => {
      read += chunk;
      for (let end = read.indexOf('\r\n\r\n'); end >= 0; end = read.indexOf('\r\n\r\n')) {
        const isLong = read.lastIndexOf('?long ', end) >= 0;
        read = read.slice(end + 4);
        if (isLong) sendLong(socket);
        else socket.write(answer, 'latin1');
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { ready: { port: (server.address() as AddressInfo).port } };
});
