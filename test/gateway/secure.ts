/**
 * Upstreams over TLS that speak HTTP/1.1 and HTTP/2, as their client likes.
 */
import { once } from 'node:events';
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse, type SecureServerOptions } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Closing } from './harness.ts';

/** Listens on loopback; the answer is the port. `onConnect`: of requests for tunnels, where the settings say that they are taken. */
export async function openSecureServer(
  closing: Closing,
  options: SecureServerOptions,
  listener: (request: Http2ServerRequest, response: Http2ServerResponse) => void,
  onConnect: (request: Http2ServerRequest) => void = () => {},
): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createSecureServer({ allowHTTP1: true, ...options }, listener);
  server.on('connect', onConnect);
  server.on('connection', (socket: Socket) => sockets.add(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}
