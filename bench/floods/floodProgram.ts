/**
 * Clients that mean no good, in a process of their own, on this machine alone, bounded in number and ended by whoever began them.
 */
import { connect, type Socket } from 'node:net';
import { serve } from '../harness/Program.ts';
import { endHeaders, endStream, frame, getBlock, initialWindowSize, preface, reset, setting } from './frames.ts';

/** What they do. */
export type FloodKind =
  | 'idle'
  | 'slow-heads'
  | 'slow-bodies'
  | 'not-reading'
  | 'not-reading-long'
  | 'idle-h2'
  | 'rapid-reset'
  | 'continuation'
  | 'not-reading-h2';

/** To begin: how many connections. To end: none. */
export type FloodQuestion = { readonly kind: FloodKind; readonly port: number; readonly connections: number; readonly path: string } | 'end';

/** How many connections stand, and how often the server has ended one. */
export type FloodAnswer = { readonly open: number; readonly ended: number };

/** Of this machine as well, on Linux, and another one than that of the others: who is cut off again and again is not let in for a while. */
const floodAddress = '127.0.0.2';

let sockets = new Set<Socket>();
let timers: NodeJS.Timeout[] = [];
let ended = 0;

serve(() => ({ ready: undefined, answer: (question: FloodQuestion) => (question === 'end' ? end() : begin(question)), close: () => void end() }));

function end(): FloodAnswer {
  for (const timer of timers) clearInterval(timer);
  timers = [];
  const answer = { open: sockets.size, ended };
  const before = sockets;
  sockets = new Set();
  ended = 0;
  for (const socket of before) socket.destroy();
  return answer;
}

async function begin({ kind, port, connections, path }: FloodQuestion & object): Promise<FloodAnswer> {
  const kept = sockets;
  const open = async (): Promise<void> => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: floodAddress });
    socket.on('error', () => {});
    const isOpen = await new Promise<boolean>((resolve) => socket.once('connect', () => resolve(true)).once('close', () => resolve(false)));
    if (!isOpen) return;
    kept.add(socket);
    socket.on('close', () => {
      if (sockets !== kept) return;
      ended++;
      kept.delete(socket);
      // Whoever floods comes again, at the latest as soon as this process gets to it.
      if (begins[kind].comesAgain) setImmediate(open);
    });
    begins[kind].on(socket, path);
  };
  // Not all at once: the queue of new connections is the system's, and not what is measured.
  for (let at = 0; at < connections; at += 200) await Promise.all(Array.from({ length: Math.min(200, connections - at) }, open));
  return { open: kept.size, ended };
}

type Begin = { readonly on: (socket: Socket, path: string) => void; readonly comesAgain?: boolean };

const host = '127.0.0.1';

const begins: { readonly [Kind in FloodKind]: Begin } = {
  /** One answer, and then nothing more. */
  idle: { on: (socket, path) => void socket.resume().write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`) },
  'slow-heads': {
    on: (socket, path) => {
      socket.resume().write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n`);
      every(1000, socket, () => 'X-Slow: 1\r\n');
    },
    comesAgain: true,
  },
  'slow-bodies': {
    on: (socket, path) => {
      socket.resume().write(`POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1000000\r\n\r\n`);
      every(1000, socket, () => 'x');
    },
    comesAgain: true,
  },
  /** Asks again and again, and takes nothing. */
  'not-reading': { on: (socket, path) => void socket.pause().write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`.repeat(500)) },
  /** Asks for one long answer, and takes nothing of it. */
  'not-reading-long': { on: (socket, path) => void socket.pause().write(`GET ${path}?long HTTP/1.1\r\nHost: ${host}\r\n\r\n`) },
  'idle-h2': {
    on: (socket, path) => void socket.resume().write(Buffer.concat([preface, frame('settings', 0, 0), request(1, path)])),
  },
  'rapid-reset': {
    on: (socket, path) => {
      socket.resume().write(Buffer.concat([preface, frame('settings', 0, 0)]));
      let stream = 1;
      every(5, socket, () => {
        const parts: Buffer[] = [];
        for (let i = 0; i < 100; i++, stream += 2) parts.push(request(stream, path), reset(stream));
        return Buffer.concat(parts);
      });
    },
    comesAgain: true,
  },
  continuation: {
    on: (socket, path) => {
      socket.resume().write(Buffer.concat([preface, frame('settings', 0, 0), frame('headers', endStream, 1, getBlock(path, host))]));
      const more = frame('continuation', 0, 1, Buffer.concat([Buffer.from([0x00, 1]), Buffer.from('x'), Buffer.from([100]), Buffer.alloc(100, 'a')]));
      const many = Buffer.concat(Array.from({ length: 200 }, () => more));
      every(5, socket, () => many);
    },
    comesAgain: true,
  },
  'not-reading-h2': {
    on: (socket, path) => {
      const requests = Array.from({ length: 100 }, (_, at) => request(2 * at + 1, path));
      socket.pause().write(Buffer.concat([preface, frame('settings', 0, 0, setting(initialWindowSize, 0)), ...requests]));
    },
  },
};

function request(stream: number, path: string): Buffer {
  return frame('headers', endStream | endHeaders, stream, getBlock(path, host));
}

/** While the connection stands, and takes what it is given. */
function every(ms: number, socket: Socket, bytes: () => string | Buffer): void {
  const timer = setInterval(() => {
    if (socket.destroyed) clearInterval(timer);
    else if (socket.writableLength === 0) socket.write(bytes());
  }, ms);
  timers.push(timer);
}
