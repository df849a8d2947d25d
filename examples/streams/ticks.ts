/**
 * An API that knows nothing of payments: a tick every tenth of a second, over a WebSocket at `/live/socket` and as events at `/live/events`.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

/** Opens it on a port of the system's; `close` ends it. */
export async function openTicks() {
  const server = createServer((request, response) => {
    if (request.url !== '/live/events') return void response.writeHead(404).end();
    // Whoever comes back says where it was.
    let count = Number(request.headers['last-event-id'] ?? 0);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const timer = setInterval(() => response.write(`id: ${++count}\ndata: tick ${count}\n\n`), 100);
    response.on('close', () => clearInterval(timer));
  });
  new WebSocketServer({ server, path: '/live/socket' }).on('connection', (socket) => {
    let count = 0;
    const timer = setInterval(() => socket.send(`tick ${++count}`), 100);
    socket.on('close', () => clearInterval(timer)).on('error', () => {});
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async (): Promise<void> => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
