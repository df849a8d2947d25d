/**
 * An upstream of long answers: `GET /<any>` gets so many bytes as it was started with, with their length, as fast as they are taken.
 */

import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';
import { serve } from '../harness/Program.ts';

const chunk = Buffer.alloc(65_536, 'farebox ');

serve(async ({ bytes }: { readonly bytes: number }) => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => answer(socket, bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { ready: { port: (server.address() as AddressInfo).port } };
});

function answer(socket: Socket, bytes: number): void {
  socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: ${bytes}\r\n\r\n`);
  let left = bytes;
  const more = () => {
    while (left > 0 && !socket.destroyed) {
      const part = left < chunk.length ? chunk.subarray(0, left) : chunk;
      left -= part.length;
      if (!socket.write(part)) return void socket.once('drain', more);
    }
  };
  more();
}
