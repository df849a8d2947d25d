/**
 * The upstream of the measured gateway: answers every request with the same small JSON, and costs as little as it can.
 */

import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { serve } from '../harness/Program.ts';

const body = JSON.stringify({ translation: 'hola', from: 'en', to: 'es', words: 1, cached: false });
const answer = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

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
