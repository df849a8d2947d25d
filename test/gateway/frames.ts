/**
 * A server of HTTP/2 that writes its frames one by one, for what no library would send.
 *
 * @see RFC 9113, sections 4.1 and 6
 */
import type { Socket } from 'node:net';
import { type Closing, openTcp } from './harness.ts';

/** Types of frames. */
export const frames = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const;

/** Flags of frames. */
export const flags = { endStream: 1, ack: 1, endHeaders: 4 } as const;

/** `:status: 200`, out of HPACK's own table. */
export const ok = Buffer.from([0x88]);

/** A frame as it came. */
export type Frame = { readonly type: number; readonly flags: number; readonly stream: number; readonly payload: Buffer };

/** A connection, beyond the preface. */
export type FrameConnection = {
  readonly number: number;
  readonly socket: Socket;
  readonly send: (type: number, flags: number, stream: number, payload?: Uint8Array) => void;
};

/** Says that it goes away, having taken nothing after this stream. */
export function goAway(connection: FrameConnection, lastStream: number, code = 0): void {
  connection.send(frames.goAway, 0, 0, numbers(lastStream, code));
}

/** Resets a stream. */
export function reset(connection: FrameConnection, stream: number, code: number): void {
  connection.send(frames.reset, 0, stream, numbers(code));
}

/** A whole answer of a few bytes. */
export function answer(connection: FrameConnection, stream: number, text = 'ok'): void {
  connection.send(frames.headers, flags.endHeaders, stream, ok);
  connection.send(frames.data, flags.endStream, stream, Buffer.from(text));
}

/** Listens; `onFrame` is told of every frame but settings and windows. @param settings - identifiers and values in turn */
export async function openFrames(
  closing: Closing,
  onFrame: (connection: FrameConnection, frame: Frame) => void,
  settings: readonly number[] = [],
): Promise<{ readonly port: number; readonly connections: FrameConnection[] }> {
  const connections: FrameConnection[] = [];
  const port = await openTcp(closing, (socket) => {
    const connection: FrameConnection = {
      number: connections.length + 1,
      socket,
      send: (type, flag, stream, payload = new Uint8Array(0)) => {
        const head = Buffer.alloc(9);
        head.writeUIntBE(payload.length, 0, 3);
        head.writeUInt8(type, 3);
        head.writeUInt8(flag, 4);
        head.writeUInt32BE(stream, 5);
        socket.write(Buffer.concat([head, payload]));
      },
    };
    connections.push(connection);
    let left = preface;
    let bytes = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      const skipped = Math.min(left, bytes.length);
      left -= skipped;
      bytes = bytes.subarray(skipped);
      for (let frame = readFrame(bytes); frame !== undefined; frame = readFrame(bytes)) {
        bytes = bytes.subarray(9 + frame.payload.length);
        if (frame.type === frames.settings && (frame.flags & flags.ack) === 0) connection.send(frames.settings, flags.ack, 0);
        else if (frame.type !== frames.settings && frame.type !== frames.windowUpdate) onFrame(connection, frame);
      }
    });
    const payload = Buffer.alloc(3 * settings.length);
    for (let index = 0; index < settings.length; index += 2) {
      payload.writeUInt16BE(settings[index] as number, 3 * index);
      payload.writeUInt32BE(settings[index + 1] as number, 3 * index + 2);
    }
    connection.send(frames.settings, 0, 0, payload);
  });
  return { port, connections };
}

/** `PRI * HTTP/2.0` and so on. */
const preface = 24;

function readFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 9) return undefined;
  const length = bytes.readUIntBE(0, 3);
  if (bytes.length < 9 + length) return undefined;
  return { type: bytes.readUInt8(3), flags: bytes.readUInt8(4), stream: bytes.readUInt32BE(5), payload: bytes.subarray(9, 9 + length) };
}

function numbers(...values: readonly number[]): Buffer {
  const payload = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) payload.writeUInt32BE(value, 4 * index);
  return payload;
}
