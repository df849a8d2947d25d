/**
 * Clients of HTTP/2 for tests: Node's own, and one that writes frames as they are, right or wrong.
 *
 * @see RFC 9113, sections 4.1 and 6; RFC 7541, section 6.2.2
 */
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import type { Closing } from './harness.ts';

/** An answer as Node's client got it. */
export type Http2Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  /** Statuses and links of what came before the answer. */
  readonly hints: readonly Readonly<Record<string, unknown>>[];
  readonly body: Buffer;
  readonly text: string;
  /** The code of a reset, 0 where there was none. */
  readonly reset: number;
};

/** Opens a session of Node's client. */
export function openHttp2(closing: Closing, port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  closing.push(() => session.destroy());
  return session;
}

/** Reads a whole answer; one that breaks off has what came of it. */
export async function readAnswer(stream: ClientHttp2Stream): Promise<Http2Answer> {
  const chunks: Buffer[] = [];
  const hints: Record<string, unknown>[] = [];
  let headers: Record<string, unknown> = {};
  let trailers: Record<string, unknown> = {};
  stream
    .on('headers', (lines) => hints.push(lines))
    .on('response', (lines) => {
      headers = lines;
    })
    .on('trailers', (lines) => {
      trailers = lines;
    })
    .on('data', (chunk: Buffer) => chunks.push(chunk))
    .on('error', () => {});
  await new Promise((resolve) => stream.on('close', resolve));
  const body = Buffer.concat(chunks);
  return { status: Number(headers[':status'] ?? 0), headers, trailers, hints, body, text: body.toString(), reset: stream.rstCode ?? 0 };
}

/** Asks on a session of Node's and reads the whole answer. */
export async function askHttp2(session: ClientHttp2Session, headers: Record<string, string | string[]>, body?: Buffer | string): Promise<Http2Answer> {
  const stream = session.request({ ':path': '/a', ...headers }, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  return readAnswer(stream);
}

/** Kinds of frames. */
export const kinds = { data: 0, headers: 1, priority: 2, reset: 3, settings: 4, push: 5, ping: 6, goaway: 7, window: 8, continuation: 9 } as const;

/** Flags of frames. */
export const flags = { endStream: 1, ack: 1, endHeaders: 4 } as const;

/** A frame. */
export type Frame = { readonly kind: number; readonly flags: number; readonly stream: number; readonly payload: Buffer };

/** A frame as bytes. */
export function frame(kind: number, flag: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = kind;
  head[4] = flag;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Headers as a block: each as it is, nothing compressed, nothing remembered. */
export function block(lines: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(
    lines.flatMap(([name, value]) => [Buffer.from([0]), lengthOf(name), Buffer.from(name, 'latin1'), lengthOf(value), Buffer.from(value, 'latin1')]),
  );
}

function lengthOf({ length }: string): Buffer {
  const bytes = [Math.min(length, 127)];
  for (let left = length - 127; bytes[0] === 127 && left >= 0; left = left < 128 ? -1 : Math.floor(left / 128))
    bytes.push(left < 128 ? left : (left % 128) + 128);
  return Buffer.from(bytes);
}

/** What every request has. */
export function requestLines(path = '/a', method = 'GET', authority = 'a'): (readonly [string, string])[] {
  return [
    [':method', method],
    [':scheme', 'http'],
    [':authority', authority],
    [':path', path],
  ];
}

/** A client that writes frames as they are. */
export type RawHttp2 = {
  readonly socket: Socket;
  readonly write: (...frames: readonly Buffer[]) => void;
  /** What came so far. */
  readonly frames: readonly Frame[];
  /** Resolves with the first frame that fits; rejects where the connection ends before. */
  readonly until: (fits: (frame: Frame) => boolean) => Promise<Frame>;
  readonly closed: Promise<void>;
};

/** Opens one, which has said the preface and its settings. `confirms`: it answers those of the server. */
export async function openRawHttp2(closing: Closing, port: number, settings: Buffer = Buffer.alloc(0), confirms = true): Promise<RawHttp2> {
  const socket = connectTcp({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  closing.push(() => socket.destroy());
  const frames: Frame[] = [];
  const watchers = new Set<() => void>();
  let waiting: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    waiting = Buffer.concat([waiting, chunk]);
    while (waiting.length >= 9 && waiting.length >= 9 + waiting.readUIntBE(0, 3)) {
      const length = waiting.readUIntBE(0, 3);
      const one = { kind: waiting[3] as number, flags: waiting[4] as number, stream: waiting.readUInt32BE(5), payload: waiting.subarray(9, 9 + length) };
      waiting = waiting.subarray(9 + length);
      frames.push(one);
      if (confirms && one.kind === kinds.settings && (one.flags & flags.ack) === 0) socket.write(frame(kinds.settings, flags.ack, 0));
    }
    for (const watcher of watchers) watcher();
  });
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(kinds.settings, 0, 0, settings)]));
  return {
    socket,
    write: (...parts) => void socket.write(Buffer.concat(parts)),
    frames,
    until: (fits) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = frames.find(fits);
          if (found) resolve(found);
        };
        watchers.add(look);
        look();
        void closed.then(() => reject(new Error(`closed after frames of the kinds ${frames.map(({ kind }) => kind).join(' ')}`)));
      }),
    closed,
  };
}

/** Whether a frame ends a stream or connection with that code. */
export function ends(kind: typeof kinds.reset | typeof kinds.goaway, code: number, stream?: number): (frame: Frame) => boolean {
  return (one) => one.kind === kind && one.payload.readUInt32BE(kind === kinds.goaway ? 4 : 0) === code && (stream === undefined || one.stream === stream);
}
