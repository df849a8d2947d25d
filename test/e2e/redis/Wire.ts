/**
 * A wire to a server that can be cut, and that can swallow what comes back: what was sent has arrived then, and nobody hears of it.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** See the head of this file. */
export type Wire = {
  readonly port: number;
  /** Ends every connection, and lets the next ones through. */
  readonly cut: () => void;
  /** Lets nobody through, or does again. */
  readonly block: (isBlocked: boolean) => void;
  /** Swallows the next reply from the server, resolves when it has come, and then cuts. */
  readonly swallowNext: () => Promise<void>;
  /** How often a script was sent since this was last asked. */
  readonly scripts: () => number;
  readonly close: () => Promise<void>;
};

/** A wire to a port on loopback. */
export async function layWire(to: number): Promise<Wire> {
  const sockets = new Set<Socket>();
  let isBlocked = false;
  let swallowed: (() => void) | undefined;
  let scripts = 0;

  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const hold = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  };
  const server = createServer((near) => {
    hold(near);
    if (isBlocked) return near.destroy();
    const far = connect(to, '127.0.0.1');
    hold(far);
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    near.on('data', (data) => {
      scripts += data.toString('latin1').split('\r\nevalsha\r\n').length - 1;
      far.write(data);
    });
    far.on('data', (data) => {
      if (!swallowed) return void near.write(data);
      swallowed();
      swallowed = undefined;
      cut();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    block: (blocked) => {
      isBlocked = blocked;
      if (blocked) cut();
    },
    swallowNext: () =>
      new Promise((resolve) => {
        swallowed = resolve;
      }),
    scripts: () => {
      const count = scripts;
      scripts = 0;
      return count;
    },
    close: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
