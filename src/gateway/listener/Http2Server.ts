/**
 * The part of a listener that speaks HTTP/2: it is handed connections whose client does, and follows them until they end.
 *
 * @see RFC 9113, sections 3.3, 6.5.2 and 10.5
 */
import { performServerHandshake, type ServerOptions } from 'node:http2';
import type { Socket } from 'node:net';
import type { ListenerLimits } from '../Listener.ts';
import { Http2Connection, type Http2Surroundings } from './Http2Connection.ts';

/** See the head of this file. */
export class Http2Server {
  #surroundings: Http2Surroundings;
  #options: ServerOptions;
  readonly #connections = new Set<Http2Connection>();
  readonly #lookMs: number;
  #stopLooking: (() => void) | undefined;
  #isLeaving = false;
  #isClosing = false;

  constructor(surroundings: Http2Surroundings) {
    const { limits } = surroundings;
    this.#surroundings = surroundings;
    this.#options = optionsOf(limits);
    this.#lookMs = Math.min(5000, limits.headTimeoutMs, limits.requestTimeoutMs, limits.keepAliveTimeoutMs, limits.idleTimeoutMs);
  }

  /** Takes a connection on which the preface is waiting to be read, or to come. */
  take(socket: Socket): void {
    const connection = new Http2Connection(performServerHandshake(socket, this.#options), socket, this.#surroundings);
    this.#connections.add(connection);
    socket.on('close', () => this.#letGo(connection));
    if (this.#isClosing) return connection.close();
    if (this.#isLeaving) connection.leave();
    this.#look();
  }

  /** Bounds connections that come from now on otherwise. */
  adjust(limits: ListenerLimits): void {
    this.#surroundings = { ...this.#surroundings, limits };
    this.#options = optionsOf(limits);
  }

  /** Asks every client to go. @see Http2Connection.leave */
  leave(): void {
    this.#isLeaving = true;
    for (const connection of this.#connections) connection.leave();
  }

  /** Takes no more requests, and ends each connection with its last answer. */
  close(): void {
    this.#isClosing = true;
    // Whoever closes says himself for how long.
    this.#stopLooking?.();
    for (const connection of this.#connections) connection.close();
  }

  /** Ends all at once. */
  destroy(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  #letGo(connection: Http2Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    this.#stopLooking?.();
    this.#stopLooking = undefined;
  }

  /** One timer for all connections, while there are any. */
  #look(): void {
    const { clock } = this.#surroundings;
    this.#stopLooking ??= clock.after(this.#lookMs, () => {
      this.#stopLooking = undefined;
      for (const connection of this.#connections) connection.look(clock.nowMs());
      if (this.#connections.size > 0) this.#look();
    });
  }
}

function optionsOf({ headerBytes, streams }: ListenerLimits): ServerOptions {
  return {
    settings: { maxConcurrentStreams: streams, maxHeaderListSize: headerBytes, enablePush: false, enableConnectProtocol: true },
    // Every line counts 32 bytes beside its own: the bytes are the bound, and lines are counted where they are for HTTP/1.1.
    maxHeaderListPairs: Math.ceil(headerBytes / 32) + 4,
    // Requests beyond `streams` that are refused before their client has heard of the bound.
    maxSessionRejectedStreams: 100,
    maxSessionInvalidFrames: 100,
  };
}
