/**
 * A connection that is kept and asks for one thing after the other: as little of a client as there can be, so that what is timed is the server.
 *
 *     const line = await openLine(url);
 *     await line.ask(getBytes('/x', { Host: 'a' }), 402);
 */
import { once } from 'node:events';
import { connect } from 'node:net';

/** See the head of this file. */
export type Line = {
  /** Sends a whole request, one byte a character, and waits for the whole answer. @throws Error – another status than `expect`, no length, or a connection that ends */
  readonly ask: (request: string, expect: number) => Promise<void>;
  readonly close: () => void;
};

/** Opens one to a server on this machine that says how long its answers are. */
export async function openLine(url: string): Promise<Line> {
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  socket.setEncoding('latin1');
  let read = '';
  let onWhole: (status: number) => void = () => {};
  let onEnd: (error: Error) => void = () => {};
  socket.on('data', (chunk: string) => {
    read += chunk;
    const head = read.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(read.slice(0, head + 2))?.[1];
    if (length === undefined) return onEnd(new Error('an answer without a length'));
    if (read.length < head + 4 + Number(length)) return;
    const status = Number(read.slice(9, 12));
    read = '';
    onWhole(status);
  });
  socket.on('error', (error) => onEnd(error));
  socket.on('close', () => onEnd(new Error('the server closed the connection')));
  return {
    ask: (request, expect) =>
      new Promise((resolve, reject) => {
        onEnd = reject;
        onWhole = (status) => (status === expect ? resolve() : reject(new Error(`${status} instead of ${expect}`)));
        socket.write(request, 'latin1');
      }),
    close: () => socket.destroy(),
  };
}
