/**
 * The program behind `Load.ts`: an HTTP/1.1 client over plain connections on this machine that sends prepared bytes, one request at a time
 * on each connection, and counts the answers by status. Connections stay open from one drive to the next. It trusts the server to be ours:
 * answers have a `Content-Length` or no body.
 */
import { connect, type Socket } from 'node:net';
import { quantile } from './Comparison.ts';
import type { Drive, Driven } from './Load.ts';
import { serve } from './Program.ts';

/** A connection; what it reads belongs to the drive that it is working for. */
type Connection = { readonly socket: Socket; read: string; sentAtMs: number; onAnswer: (status: number) => void; onEnd: (error: Error) => void };

const idle = new Map<number, Connection[]>();

serve(() => ({ ready: undefined, answer: (drive: Drive) => send(drive) }));

/** Sends them all and waits for every answer. */
function send({ port, requests, count = requests.length, connections, withinMs }: Drive): Promise<Driven> {
  return new Promise((resolve, reject) => {
    const statuses: { [status: number]: number } = {};
    const working = take(port, Math.min(connections, count));
    const tookMs = new Float64Array(count);
    let sent = 0;
    let answered = 0;
    let isOver = false;
    const end = (error: Error | undefined) => {
      isOver = true;
      clearTimeout(late);
      for (const connection of working) {
        if (error) connection.socket.destroy();
        connection.onAnswer = connection.onEnd = () => {};
      }
      if (error) return reject(error);
      idle.set(port, [...working, ...(idle.get(port) ?? [])]);
      resolve({ statuses, p50Ms: quantile([...tookMs], 0.5), p99Ms: quantile([...tookMs], 0.99) });
    };
    // It never sleeps while it works: waking it is dear, would be counted as the server's, and would happen the more often the slower the server is.
    const stayAwake = () => {
      if (!isOver) setImmediate(stayAwake);
    };
    setImmediate(stayAwake);
    const late = setTimeout(() => end(new Error(`${answered} of ${count} answers within ${withinMs} ms`)), withinMs);
    const next = (connection: Connection) => {
      if (sent === count) return;
      connection.sentAtMs = performance.now();
      connection.socket.write(requests[sent++ % requests.length] as string, 'latin1');
    };
    for (const connection of working) {
      connection.onEnd = end;
      connection.onAnswer = (status) => {
        statuses[status] = (statuses[status] ?? 0) + 1;
        tookMs[answered] = performance.now() - connection.sentAtMs;
        if (++answered === count) end(undefined);
        else next(connection);
      };
      next(connection);
    }
  });
}

/** That many connections to a port, open ones first. */
function take(port: number, count: number): readonly Connection[] {
  const open = (idle.get(port) ?? []).filter(({ socket }) => !socket.destroyed);
  idle.set(port, open.slice(count));
  return [...open.slice(0, count), ...Array.from({ length: Math.max(0, count - open.length) }, () => openConnection(port))];
}

function openConnection(port: number): Connection {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const connection: Connection = { socket, read: '', sentAtMs: 0, onAnswer: () => {}, onEnd: () => {} };
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    connection.read += chunk;
    const answer = readAnswer(connection.read);
    if (answer === undefined) return;
    connection.read = connection.read.slice(answer.length);
    connection.onAnswer(answer.status);
  });
  socket.on('error', (error) => connection.onEnd(error));
  socket.on('close', () => connection.onEnd(new Error('the server closed a connection')));
  return connection;
}

/** The first whole answer in the text, or undefined where it is not there yet. */
function readAnswer(text: string): { readonly status: number; readonly length: number } | undefined {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return undefined;
  const said = /\r\ncontent-length: *(\d+)\r\n/i.exec(text.slice(0, head + 2));
  const length = head + 4 + Number(said?.[1] ?? 0);
  return text.length < length ? undefined : { status: Number(text.slice(9, 12)), length };
}
