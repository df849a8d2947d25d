/**
 * What a listener hands on for one request, and where the answer goes: the same for every protocol that requests come over. What is peculiar
 * to one of them stands in `listener/`.
 *
 *     begin ─ (flush) ─ write* ─ end       or answer, whole       breakOff and leave at any moment
 *
 * Headers are names and values in turn, one byte a character.
 */
import type { Readable } from 'node:stream';
import type { Clock } from '../core/Clock.ts';
import type { Answer } from '../http/RequestView.ts';
import type { Wire } from './tunnel/Wire.ts';
import type { Chunk } from './Upstream.ts';

/** A request as its listener has taken it: framed and parsed, and otherwise as it came. */
export type Taken = {
  readonly method: string;
  /** As received: a path with its query, or an absolute form. */
  readonly target: string;
  /** As received. Over HTTP/2 without pseudo-headers, and with the authority as `Host`. */
  readonly rawHeaders: readonly string[];
  /** `1.0`, `1.1`, `2`; anything else is refused. */
  readonly version: string;
  /** Whether it came over TLS. */
  readonly isSecure: boolean;
  /** The connection's other end, as the socket says it. */
  readonly remoteAddress: string;
  /** Whether a body follows; undefined: its headers say so, as those of HTTP/1.1 do. */
  readonly bodyFollows: boolean | undefined;
  /** Where the body is read. */
  readonly source: Readable;
  /** Where the client waits to be asked for its body: asks it. */
  readonly sendContinue: (() => void) | undefined;
  readonly reply: Reply;
  /** Where the client wants to go on as a WebSocket; what it asks with is in order. `reply` is for every other answer. */
  readonly upgrade?: Upgrade | undefined;
};

/** A client that waits to be let into a tunnel. */
export type Upgrade = {
  /** What its answer is made from, as in `Sec-WebSocket-Key`: the client's, or our own where its protocol has none. */
  readonly key: string;
  /** Then the upstream is told the key, and the client nothing of the answer to it. */
  readonly isKeyOurs: boolean;
  /** As the client sees it once it is let in: 101, or 200 over HTTP/2. */
  readonly status: number;
  /** Lets it in with these headers beside those of its protocol, and hands over its end. @throws Error – a header that cannot be sent; nothing has gone out */
  readonly accept: (headers: readonly string[]) => Wire;
};

/** Takes one request and answers it. */
export type Handler = (taken: Taken) => void;

/** Told what becomes of an answer. */
export type ReplyFollower = {
  /** Everything has been handed to the connection. */
  readonly onSent: () => void;
  /** The connection or stream has ended, be it after the last byte or before. */
  readonly onClose: () => void;
  /** The client takes bytes again. */
  readonly onDrain: () => void;
};

/** See the head of this file. */
export type Reply = {
  /** Whether the head has gone out. */
  readonly hasBegun: boolean;
  /** As the client saw it; 0 before the head has gone out. */
  readonly status: number;
  /** Nobody is there to hear it. */
  readonly isGone: boolean;
  /** One follower at a time. */
  readonly follow: (follower: ReplyFollower) => void;
  /** The head, which waits for what follows it at once. @throws Error – a header that cannot be sent; nothing has gone out */
  readonly begin: (status: number, headers: readonly string[]) => void;
  /** Lets the head go out by itself. */
  readonly flush: () => void;
  /** False: the client takes no more for now. `onWritten`: told when the bytes are with the connection, where they get there. */
  readonly write: (chunk: Chunk, onWritten?: () => void) => boolean;
  /** The end, with the last bytes if there are any left. */
  readonly end: (last: Chunk | undefined, trailers: readonly (readonly [name: string, value: string])[]) => void;
  /** Early hints: the links among these headers. */
  readonly hint: (headers: readonly string[]) => void;
  /** Breaks off an answer in such a way that its client sees that something is missing. */
  readonly breakOff: (isLengthSaid: boolean) => void;
  /** Ends it without another word. */
  readonly leave: () => void;
  /** A whole answer. To `HEAD` goes its head alone; to a client that has left, nothing. `isLast`: the connection can take no other request. */
  readonly answer: (answer: Answer, isLast: boolean) => void;
  /** Takes in what is left of the request, within bounds, so that the client can read its answer; beyond them the connection ends. */
  readonly discardRest: (clock: Clock) => void;
};

/** Whether answers with this status can have a body. */
export function hasBody(status: number): boolean {
  return status !== 204 && status !== 304;
}

/** The headers of a whole answer, with its length. Framing is ours to say, also where the answer was kept from an upstream that had said it. */
export function headersOf({ status, headers, body }: Answer): string[] {
  const lines: string[] = [];
  for (const [name, value] of headers) if (!framing.has(name.toLowerCase())) lines.push(name, value);
  // A status of gRPC's stands in place of a body.
  if (hasBody(status) && !lines.includes('Grpc-Status')) lines.push('Content-Length', String(Buffer.byteLength(body)));
  return lines;
}

const framing: ReadonlySet<string> = new Set(['connection', 'content-length', 'transfer-encoding']);
