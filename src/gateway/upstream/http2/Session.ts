/**
 * One connection to an upstream over HTTP/2, shared by as many requests as the upstream takes at once.
 *
 *     connecting ─ (TLS, ALPN) ─ settings ─ ready ─ leaving (the upstream goes away; what it has taken still ends)        ended, at any moment
 *
 * @see RFC 9113, sections 3, 5.1.2 and 6.8; RFC 7301
 */
import { type ClientHttp2Session, connect, constants, type Settings } from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Timer, TimerTarget, TimerWheel } from '../../../core/TimerWheel.ts';
import type { UpstreamTarget } from '../../Upstream.ts';
import { dial } from '../dial.ts';
import type { Http2Call } from './Http2Call.ts';
import { Http2Stream, headOf, type StreamOwner } from './Http2Stream.ts';

/** Told of a session's turns. */
export type SessionOwner = {
  readonly onReady: (session: Session) => void;
  /** A stream is over, and another may take its place. */
  readonly onRoom: (session: Session) => void;
  /** What the upstream did nothing with, or, where it was left with a connection that had been used before, nobody knows; `isRefused` tells which. */
  readonly onLeft: (call: Http2Call, error: Error, isRefused: boolean) => void;
  /** The upstream speaks HTTP/1.1 alone. */
  readonly onHttp1: (session: Session) => void;
  readonly onEnded: (session: Session, error: Error) => void;
};

/** See the head of this file. */
export class Session implements StreamOwner, TimerTarget {
  /** Where nothing is under way: until when it is kept. */
  freeUntilMs = 0;
  readonly #owner: SessionOwner;
  readonly #authority: string;
  readonly #socket: Socket;
  readonly #connecting: Timer;
  readonly #timeoutMs: number;
  readonly #streams = new Set<Http2Stream>();
  #session: ClientHttp2Session | undefined;
  #isReady = false;
  #takesTunnels = false;
  #isLeaving = false;
  #isEnded = false;
  #isUsed = false;
  /** The last request that the upstream may have done something with, where it is going away. */
  #lastId = Number.POSITIVE_INFINITY;
  #most = 0;

  constructor(target: UpstreamTarget, owner: SessionOwner, timers: TimerWheel, timeoutMs: number) {
    this.#owner = owner;
    this.#timeoutMs = timeoutMs;
    const url = new URL(target.origin);
    const isSecure = url.protocol === 'https:';
    this.#authority = url.host;
    this.#socket = dial(url, target.secureContext, target.protocol === 'auto' ? ['h2', 'http/1.1'] : ['h2']);
    this.#socket.on(isSecure ? 'secureConnect' : 'connect', () => this.#onConnect(target, isSecure));
    this.#socket.on('error', (error) => this.#end(error));
    this.#socket.on('close', () => this.#end(new Error('the connection was closed')));
    this.#connecting = timers.after(timeoutMs, this);
  }

  get hasRoom(): boolean {
    return this.#isReady && !this.#isLeaving && !this.#isEnded && this.#streams.size < this.#most;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Whether the upstream has said that it takes WebSockets as streams. @see RFC 8441, section 3 */
  get takesTunnels(): boolean {
    return this.#takesTunnels;
  }

  /** Whether nothing is under way. */
  get isFree(): boolean {
    return this.#streams.size === 0;
  }

  /** Sends a request on it, which has room. */
  carry(call: Http2Call): void {
    const { request } = call;
    let stream: ReturnType<ClientHttp2Session['request']>;
    try {
      const head = headOf(request, this.#authority);
      const session = this.#session as ClientHttp2Session;
      stream = session.request(head, { endStream: request.body === null && request.isUpgrade !== true });
    } catch (error) {
      this.#isLeaving ||= this.#session?.closed === true;
      if (this.#isLeaving) this.#owner.onLeft(call, error as Error, true);
      else call.fail(error as Error);
      return;
    }
    this.#streams.add(new Http2Stream(stream, call, this));
  }

  onStreamEnded(stream: Http2Stream, left: { readonly call: Http2Call; readonly error: Error } | undefined): void {
    this.#streams.delete(stream);
    if (left === undefined) this.#isUsed = true;
    else this.#onLeft(stream, left.error, left.call);
    if (this.#isEnded) return;
    if (this.#isLeaving && this.isFree) this.end();
    else this.#owner.onRoom(this);
  }

  /** Closes it. What it carries fails. */
  end(): void {
    this.#end(new Error('the gateway closed the connection'));
  }

  /** No connection within the time. */
  onTimer(): void {
    this.#end(new Error(`no connection within ${this.#timeoutMs} ms`));
  }

  #onConnect({ origin, protocol }: UpstreamTarget, isSecure: boolean): void {
    if (this.#isEnded) return;
    const spoken = isSecure ? (this.#socket as TLSSocket).alpnProtocol : 'h2';
    if (spoken !== 'h2' && protocol === 'auto') {
      this.#owner.onHttp1(this);
      return this.end();
    }
    if (spoken !== 'h2') return this.#end(new Error('the upstream does not speak HTTP/2 over TLS'));
    const session = connect(origin, {
      createConnection: () => this.#socket,
      settings: { enablePush: false, initialWindowSize: streamWindowBytes, maxHeaderListSize: headBytes },
      maxHeaderListPairs: headerPairs,
      maxSessionMemory: memoryMegabytes,
      peerMaxConcurrentStreams: mostStreams,
    });
    this.#session = session;
    session.on('connect', () => session.setLocalWindowSize(sessionWindowBytes));
    session.on('remoteSettings', (settings) => this.#onSettings(settings));
    session.on('goaway', (code, lastId) => this.#onGoAway(code, lastId));
    session.on('error', (error) => this.#end(error));
    session.on('close', () => this.#end(new Error('the connection was closed')));
  }

  #onSettings({ maxConcurrentStreams = mostStreams, enableConnectProtocol = false }: Settings): void {
    if (this.#isEnded) return;
    this.#most = Math.min(maxConcurrentStreams, mostStreams);
    this.#takesTunnels = enableConnectProtocol;
    if (this.#isReady) return this.#owner.onRoom(this);
    this.#connecting.cancel();
    this.#isReady = true;
    this.#owner.onReady(this);
  }

  /** What it has not taken by now it never will; what it has may still end well. */
  #onGoAway(_code: number, lastId: number): void {
    this.#isLeaving = true;
    this.#lastId = lastId;
    if (this.isFree) this.end();
  }

  #onLeft(stream: Http2Stream, error: Error, call: Http2Call): void {
    const { id, resetCode } = stream;
    const isRefused = id === undefined || id > this.#lastId || resetCode === constants.NGHTTP2_REFUSED_STREAM;
    if (isRefused && call.isWholeStill) {
      call.refusals++;
      this.#owner.onLeft(call, error, true);
    } else if (this.#isEnded && this.#isUsed && call.isRepeatable) this.#owner.onLeft(call, error, false);
    else call.fail(error);
  }

  #end(error: Error): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#connecting.cancel();
    this.#owner.onEnded(this, error);
    // Each by itself: up to 22.22, Node never comes back from destroying them all where a stream was answered and closed before its request was whole.
    for (const stream of [...this.#streams]) stream.cancel();
    this.#session?.destroy();
    this.#socket.destroy();
  }
}

/** What an upstream may send ahead of a client that does not read, and on all streams together. */
const streamWindowBytes = 262_144;
const sessionWindowBytes = 4 * 1024 * 1024;
/** As with HTTP/1.1. */
const headBytes = 65_536;
const headerPairs = 2000;
/** For all streams of a session; Node would refuse streams at ten. */
const memoryMegabytes = 256;
/** Beyond this, another connection serves better. */
const mostStreams = 256;
