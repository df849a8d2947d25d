/**
 * A line between a client and a server that can be cut at a commit: before the server hears of it, or once it has made it and before the
 * client hears of that.
 */
import { connect, createServer, type Server as Listener, type Socket } from 'node:net';

/** A line that passes everything on until it is told otherwise. */
export type Cutter = {
  readonly port: number;
  /** Cuts the line on which the next commit is asked for. */
  readonly cutAtCommit: (when: 'before' | 'after') => void;
  /** How many lines were cut. */
  readonly cuts: () => number;
  readonly close: () => Promise<void>;
};

/** A line to a port of this machine. */
export async function startCutter(to: number): Promise<Cutter> {
  const open = new Set<Socket>();
  let waiting: 'before' | 'after' | undefined;
  let cuts = 0;
  const listener = createServer((near) => {
    const far = connect(to, '127.0.0.1');
    let deaf = false;
    const both = [near, far];
    for (const socket of both) {
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        open.delete(socket);
        for (const each of both) each.destroy();
      });
    }
    near.on('data', (data) => {
      const cut = data.includes('COMMIT') ? waiting : undefined;
      if (cut === 'before') near.destroy();
      else far.write(data);
      if (cut === undefined) return;
      waiting = undefined;
      cuts += 1;
      deaf = true;
    });
    far.on('data', (data) => {
      if (!deaf) near.write(data);
      else if (data.includes('COMMIT')) near.destroy();
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  return {
    port: portOf(listener),
    cuts: () => cuts,
    cutAtCommit: (when) => {
      waiting = when;
    },
    close: () =>
      new Promise((resolve) => {
        listener.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

function portOf(listener: Listener): number {
  const address = listener.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
