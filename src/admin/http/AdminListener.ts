/**
 * The listener of admin: Node's own server in front of the app, bounded as those beside a gateway are.
 */
import { type IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Clock } from '../../core/Clock.ts';
import type { Beside } from '../../gateway/index.ts';
import type { App } from './App.ts';

/** A listener that does not listen yet. `onListening`: told where it does, before the first request. `onClose`: told as soon as it begins to end. */
export function createAdminListener(
  app: App,
  { clock, onListening, onClose }: { readonly clock: Clock; readonly onListening: (at: { host: string; port: number }) => void; readonly onClose: () => void },
): Beside['listener'] {
  const answer = getRequestListener(
    (request, env) => {
      const { httpVersion, socket } = env.incoming as IncomingMessage;
      return app(request, { version: httpVersion, peer: plain(socket.remoteAddress ?? '') });
    },
    { overrideGlobalObjects: false },
  );
  const server = new Server({ headersTimeout: 5000, requestTimeout: 15_000, keepAliveTimeout: 60_000, maxHeaderSize: 16_384, requireHostHeader: true }, answer);
  server.maxConnections = 256;
  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port }, () => {
          server.off('error', reject);
          const address = server.address() as AddressInfo;
          onListening({ host, port: address.port });
          resolve({ host: address.address, port: address.port });
        });
      }),
    adjust: () => {},
    leave: async () => {},
    setTls: () => {},
    close: (graceMs) =>
      new Promise((resolve) => {
        onClose();
        if (!server.listening) return resolve();
        const cancel = clock.after(graceMs, () => server.closeAllConnections());
        server.close(() => {
          cancel();
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

/** IPv4 inside IPv6 as IPv4. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}
