/**
 * The line between one gateway and its store, which can be cut, and can lose what comes back: what was asked for has been done then, and
 * nobody hears of it.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** See the head of this file. */
export type Line = {
  readonly port: number;
  /** Ends every connection, and lets the next ones through. */
  readonly cut: () => void;
  /** Loses the n-th thing that comes from the store from now on, and whatever comes after it, by a cut. */
  readonly lose: (nth: number) => void;
  readonly close: () => Promise<void>;
};

/** A line to a port on loopback. */
export async function layLine(to: number): Promise<Line> {
  const sockets = new Set<Socket>();
  let countdown = 0;
  const cut = () => {
    countdown = 0;
    for (const socket of sockets) socket.destroy();
  };
  const hold = (socket: Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  };
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1');
    hold(near);
    hold(far);
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    near.on('data', (data) => far.write(data));
    far.on('data', (data) => {
      if (countdown > 0 && --countdown === 0) cut();
      else near.write(data);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    lose: (nth) => {
      countdown = nth;
    },
    close: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
