/**
 * One connection to an upstream: one request at a time, and whatever is not as it must be ends it.
 *
 *     connecting ─ idle ─ busy ─ idle ─ …        ended, at any moment
 *                            └─ a tunnel, of which nothing is known here any more
 *
 * Bytes are read into memory that connections share, and parsed before anybody else reads: nothing of them is kept but what is copied. Where
 * much comes at once a connection reads into memory of its own, which is handed on.
 */
import type { OnReadOpts, Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { Timer, TimerTarget, TimerWheel } from '../../core/TimerWheel.ts';
import * as Wire from '../tunnel/Wire.ts';
import type { Reach, UpstreamTarget } from '../Upstream.ts';
import { type Call, type Carrier, textBytes } from './Call.ts';
import { dial } from './dial.ts';
import { type Piece, shared, takePiece } from './ReadMemory.ts';
import { BodyWriter, formatHead } from './RequestWriter.ts';
import { ResponseParser } from './ResponseParser.ts';

/** Told of a connection's turns. */
export type ConnectionOwner = {
  readonly onOpen: (connection: Connection) => void;
  /** Its answer is whole, and another request may follow. */
  readonly onFree: (connection: Connection) => void;
  /** It has ended. `stranded`: what it was carrying, and of which nobody knows whether the upstream saw it. */
  readonly onEnded: (connection: Connection, error: Error, stranded: Call | undefined) => void;
  /** It has become a tunnel. `onGone`: tells when that is over. */
  readonly onHandedOver: (connection: Connection, wire: Wire.Wire, onGone: (told: () => void) => void) => void;
};

/** See the head of this file. */
export class Connection implements Carrier, TimerTarget {
  /** Where it is free, until when the upstream is thought to keep it open. */
  freeUntilMs = 0;
  /** What it was opened for, where that is to go nowhere else. */
  readonly reservedFor: Call | undefined;
  readonly #owner: ConnectionOwner;
  readonly #host: string;
  readonly #socket: Socket;
  readonly #isStream: boolean;
  readonly #listeners = {
    data: (bytes: Buffer) => this.#onRead(bytes, bytes.length),
    drain: () => this.#writer?.onDrain(),
    end: () => this.#onEnd(),
    error: (error: Error) => this.#end(error),
    close: () => this.#end(new Error('the connection was closed')),
  };
  readonly #parser = new ResponseParser();
  readonly #timeoutMs: number;
  readonly #connecting: Timer;
  #call: Call | undefined;
  #writer: BodyWriter | undefined;
  #wasOpen = false;
  #isUsed = false;
  #isPaused = false;
  #isStopped = false;
  #isEnded = false;
  /** What it reads into while a long answer comes. */
  #piece: Piece | undefined;
  #isLong = false;
  #hasRead = false;

  constructor(target: UpstreamTarget, owner: ConnectionOwner, timers: TimerWheel, timeoutMs: number, reservedFor?: Call) {
    this.#owner = owner;
    this.reservedFor = reservedFor;
    const url = new URL(target.origin);
    this.#host = url.host;
    this.#timeoutMs = timeoutMs;
    // What may become a tunnel is a stream like others, and each of its directions ends by itself.
    this.#isStream = reservedFor?.request.isUpgrade === true;
    const reading = this.#isStream ? undefined : { onRead: (bytes: Buffer, count: number) => this.#onRead(bytes, count), into: () => this.#readInto() };
    this.#socket = open(url, target.secureContext, reading);
    if (this.#isStream) this.#socket.on('data', this.#listeners.data);
    this.#socket.on(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => this.#onConnect());
    this.#socket.on('drain', this.#listeners.drain).on('end', this.#listeners.end);
    this.#socket.on('error', this.#listeners.error).on('close', this.#listeners.close);
    this.#connecting = timers.after(timeoutMs, this);
  }

  get isOpen(): boolean {
    return !this.#isEnded;
  }

  /** Whether it ended before it was open. */
  get wasOpening(): boolean {
    return !this.#wasOpen;
  }

  /** For how long the upstream says that it keeps a free connection open; undefined where it does not say. */
  get keepAliveMs(): number | undefined {
    return this.#parser.keepAliveMs;
  }

  /** Sends a request on it, which is free. */
  carry(call: Call): void {
    const { request } = call;
    let head: string;
    try {
      head = formatHead(request, this.#host);
    } catch (error) {
      call.fail(error as Error);
      this.#owner.onFree(this);
      return;
    }
    this.#call = call;
    call.ride(this);
    this.#parser.expect(request.method, call, this.#isStream && request.isUpgrade === true);
    if (request.body === null) this.#socket.write(head, 'latin1');
    else {
      this.#writer = new BodyWriter(this.#socket, request, request.body, head, { onBodyFailed: (error) => this.#fail(error) });
      this.#writer.start();
    }
  }

  /** Reading goes on until something has come: a short answer costs no stop, and an upstream that breaks is noticed. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    if (!this.#isStopped || this.#isEnded) return;
    this.#isStopped = false;
    this.#socket.resume();
  }

  lend(bytes: Buffer): (() => void) | undefined {
    return this.#piece?.bytes === bytes ? this.#piece.lend() : undefined;
  }

  drop(): void {
    this.#call = undefined;
    this.#end(new Error('nobody waits for the answer any more'));
  }

  /** Closes it. What it carries fails. */
  end(): void {
    this.#end(new Error('the gateway closed the connection'));
  }

  /** No connection within the time. */
  onTimer(): void {
    this.#end(new Error(`no connection within ${this.#timeoutMs} ms`));
  }

  #onConnect(): void {
    if (this.#isEnded) return;
    this.#connecting.cancel();
    this.#wasOpen = true;
    this.#owner.onOpen(this);
  }

  #onRead(bytes: Buffer, count: number): void {
    if (this.#isEnded) return;
    // Nobody has asked for anything: whoever asked next would be given this for an answer.
    if (this.#call === undefined) return this.#end(new Error('bytes that nobody asked for'));
    const wasPaused = this.#isPaused;
    this.#hasRead = true;
    let read: number;
    try {
      read = this.#parser.read(bytes, 0, count);
    } catch (error) {
      return this.#fail(error as Error, 'begun');
    }
    if (this.#isEnded) return;
    if (this.#parser.switchedHead !== undefined) return this.#handOver(this.#parser.switchedHead, bytes.subarray(read, count));
    this.#isLong = count > textBytes && !this.#parser.isOver;
    if (this.#parser.isOver) this.#onWhole();
    else if (wasPaused && this.#isPaused) {
      this.#isStopped = true;
      this.#socket.pause();
    }
  }

  /** Asked for before the first read, and after every one: what to read into from now on; undefined: the same as before. */
  #readInto(): Buffer | undefined {
    if (!this.#hasRead) return shared;
    this.#hasRead = false;
    const before = this.#piece;
    if (before === undefined && !this.#isLong) return undefined;
    if (before !== undefined && this.#isLong && !before.isLent) return undefined;
    before?.leave();
    this.#piece = this.#isLong && !this.#isEnded ? takePiece() : undefined;
    return this.#piece?.bytes ?? shared;
  }

  /** From here on it is a tunnel's. `rest`: its first bytes, which came with the head. */
  #handOver(headers: readonly string[], rest: Buffer): void {
    const call = this.#call;
    this.#call = undefined;
    this.#isEnded = true;
    this.#parser.stop();
    const socket = this.#socket.pause();
    const { data, drain, end, error, close } = this.#listeners;
    socket.off('data', data).off('drain', drain).off('end', end).off('error', error).off('close', close);
    if (rest.length > 0) socket.unshift(rest);
    const wire = Wire.over(socket);
    this.#owner.onHandedOver(this, wire, (whenGone) => socket.once('close', whenGone));
    call?.switchTo(headers, wire);
  }

  #onEnd(): void {
    if (this.#call !== undefined && this.#parser.end()) this.#onWhole();
    else this.#end(new Error(this.#parser.isUntouched ? 'the connection ended without an answer' : 'the connection ended before the answer was whole'));
  }

  /** The answer is. Where the request is not, or something stands behind the answer, the connection has had its day. */
  #onWhole(): void {
    const isSent = this.#writer?.isWhole ?? true;
    this.#writer?.stop();
    this.#writer = undefined;
    this.#call = undefined;
    this.#isUsed = true;
    if (!isSent || !this.#parser.isReusable) return this.#end(new Error('the answer was the last on its connection'));
    this.resume();
    this.#owner.onFree(this);
  }

  /** What it carries fails with this; so does the connection. */
  #fail(error: Error, reach?: Reach): void {
    const call = this.#call;
    this.#call = undefined;
    this.#end(error);
    call?.fail(error, reach);
  }

  #end(error: Error): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#connecting.cancel();
    this.#writer?.stop();
    const call = this.#call;
    this.#call = undefined;
    call?.ride(undefined);
    // The upstream may have closed it while it was free, before it saw the request.
    const reach = this.#parser.isUntouched ? undefined : 'begun';
    const isStale = this.#isUsed && this.#parser.isUntouched && call?.isRepeatable === true;
    this.#parser.stop();
    this.#socket.destroy();
    this.#owner.onEnded(this, error, isStale ? call : undefined);
    if (!isStale) call?.fail(error, reach);
  }
}

/** TLS may hand out what one connection has read in the midst of what another does: each has memory of its own, of the size of a record. */
const recordBytes = 16_384;

/** How bytes are read: what is told of them, and what they are read into. */
type Reading = { readonly onRead: (bytes: Buffer, count: number) => void; readonly into: () => Buffer | undefined };

/** @param reading - undefined: a stream like others, of which each direction ends by itself */
function open(url: URL, secureContext: SecureContext | undefined, reading: Reading | undefined): Socket {
  const how = reading === undefined ? ({ allowHalfOpen: true } as const) : { onread: readingInto(url.protocol === 'https:', reading) };
  return dial(url, secureContext, ['http/1.1'], how);
}

function readingInto(isSecure: boolean, { onRead, into }: Reading): OnReadOpts {
  return {
    buffer: isSecure ? Buffer.allocUnsafeSlow(recordBytes) : (into as () => Buffer),
    callback: (count, bytes) => {
      onRead(bytes as Buffer, count);
      return true;
    },
  };
}
