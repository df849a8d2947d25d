/**
 * A gateway on loopback between an upstream and a client that a test holds in its hands, with a paywall that says what the test wants.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse, request as send } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import type { Clock } from '../../src/core/Clock.ts';
import { createConfig } from '../../src/gateway/Config.ts';
import { assemble } from '../../src/gateway/Gateway.ts';
import { openCertificates } from '../../src/gateway/listener/Certificates.ts';
import { openTraces } from '../../src/gateway/running/Traces.ts';
import type { RequestOutcome } from '../../src/gateway/Steps.ts';
import type { UpstreamClient } from '../../src/gateway/upstream/createUpstreams.ts';
import type * as Path from '../../src/http/Path.ts';
import type { RequestView } from '../../src/http/RequestView.ts';
import type { Decision } from '../../src/server/Decision.ts';
import { createEvents, type PaywallEvent } from '../../src/server/Events.ts';
import type { Offer } from '../../src/server/Offer.ts';
import type { HeadOutcome, Sale } from '../../src/server/terms/Terms.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';

/** What the paywall is to say. */
export type Check = (request: RequestView, target: Path.Target, offer: Offer) => Decision | Promise<Decision>;

/** Everything that was opened, closed in turn at the end of a test. */
export type Closing = (() => unknown)[];

/** A gateway that listens. */
export type Stage = {
  readonly port: number;
  readonly url: string;
  readonly clock: FixedClock.FixedClock;
  readonly outcomes: RequestOutcome[];
  /** What was told of the certificate. */
  readonly troubles: readonly unknown[];
  /** How each request at an upstream began to be answered, and after how many seconds. */
  readonly waits: readonly (readonly ['ok' | 'failed', number])[];
  /** What was told of upstreams and sales. */
  readonly events: readonly PaywallEvent[];
  /** Resolves when that many things have been told. */
  readonly tells: (count: number) => Promise<readonly PaywallEvent[]>;
  /** Resolves when that many requests are over. */
  readonly over: (count: number) => Promise<readonly RequestOutcome[]>;
  /** Resolves when the gateway has noticed that a client left before its answer was whole. */
  readonly gone: () => Promise<void>;
  /** Takes another configuration, made of the same options. */
  readonly reload: (options: StageOptions) => void;
  readonly close: () => Promise<void>;
};

/** What a gateway is made of; see `openStage`. */
export type StageOptions = { readonly upstream: number; readonly routes?: readonly object[]; readonly service?: object; readonly top?: object };

/** A paywall that lets everything through and counts nothing. */
export const letThrough: Check = () => ({ kind: 'pass', principal: undefined, sale: undefined, headers: [] });

/** By whom the gateways of this test file reach their upstreams, where it says nothing else. */
let upstreamClient: UpstreamClient = 'farebox';

/** Chooses for the whole test file. */
export function reachUpstreamsBy(client: UpstreamClient): void {
  upstreamClient = client;
}

/** Starts a gateway; `routes` are as in the file, and go to the upstream at this port unless `value` says otherwise. */
export async function openStage(closing: Closing, options: StageOptions & { readonly check?: Check }): Promise<Stage> {
  const configOf = ({ upstream, routes = [{ path: '/*', price: '1 sat' }], service, top }: StageOptions) =>
    createConfig({
      listen: '127.0.0.1:0',
      upstreamClient,
      services: [{ name: 'api', upstream: `http://127.0.0.1:${upstream}`, routes, ...service }],
      ...top,
    });
  const config = configOf(options);
  const clock = FixedClock.create();
  const outcomes: RequestOutcome[] = [];
  const watchers = new Set<() => void>();
  const paywall = { check: options.check ?? letThrough, close: async () => {} };
  const log = (outcome: RequestOutcome) => {
    outcomes.push(outcome);
    for (const watcher of watchers) watcher();
  };
  const events = createEvents();
  const told: PaywallEvent[] = [];
  events.on((event) => {
    told.push(event);
    for (const watcher of watchers) watcher();
  });
  const random = (length: number) => new Uint8Array(length);
  const troubles: unknown[] = [];
  const onTrouble = (error: unknown) => troubles.push(error);
  const tls = config.tls && (await openCertificates(config.tls, { clock, random, host: config.listen.host, onTrouble }));
  const traces = await openTraces(config.traces);
  const waits: ['ok' | 'failed', number][] = [];
  const gateway = assemble({ config, paywall, clock, random, events, log, tls, traces, onUpstream: (...wait) => waits.push(wait) });
  const { url } = await gateway.listen();
  let gone = false;
  const watch = (message: unknown) => {
    const { server, response } = message as { server: Server; response: ServerResponse };
    if (!server.listening || portOf(server) !== Number(new URL(url).port)) return;
    response.on('close', () => {
      // Behind everybody else who listens for the same.
      setImmediate(() => {
        gone ||= !response.writableFinished;
        for (const watcher of watchers) watcher();
      });
    });
  };
  subscribe('http.server.request.start', watch);
  closing.push(() => unsubscribe('http.server.request.start', watch));
  let closed: Promise<void> | undefined;
  const close = () => (closed ??= gateway.close());
  closing.push(close);
  const when = <T>(holds: () => boolean, value: T) =>
    new Promise<T>((resolve) => {
      const look = () => holds() && resolve(value);
      watchers.add(look);
      look();
    });
  return {
    port: Number(new URL(url).port),
    url,
    clock,
    outcomes,
    troubles,
    waits,
    events: told,
    tells: (count) => when(() => told.length >= count, told),
    over: (count) => when(() => outcomes.length >= count, outcomes),
    gone: () => when(() => gone, undefined),
    reload: (next) => gateway.reload(configOf(next)),
    close,
  };
}

/** A request as an upstream saw it. */
export type Seen = { readonly method: string; readonly url: string; readonly lines: readonly (readonly [string, string])[]; readonly body: Buffer };

/** Values of a header among lines. */
export function valuesOf(lines: readonly (readonly [string, string])[], name: string): readonly string[] {
  return lines.flatMap(([key, value]) => (key.toLowerCase() === name ? [value] : []));
}

/** Raw header lines as pairs. */
export function pairs(raw: readonly string[]): readonly (readonly [string, string])[] {
  return raw.flatMap((name, index) => (index % 2 === 0 ? [[name, raw[index + 1] as string] as const] : []));
}

/** Starts an upstream that remembers every whole request before it answers. */
export async function openUpstream(
  closing: Closing,
  answer: (request: IncomingMessage, response: ServerResponse, seen: Seen) => unknown = (_, response) => response.end('ok'),
) {
  const seen: Seen[] = [];
  const listener: RequestListener = async (request, response) => {
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const one = { method: request.method ?? '', url: request.url ?? '', lines: pairs(request.rawHeaders), body: Buffer.concat(chunks) };
      seen.push(one);
      await answer(request, response, one);
    } catch {
      response.destroy();
    }
  };
  const server = await openServer(closing, listener);
  return { port: portOf(server), seen, server };
}

/** Starts an HTTP server on loopback. */
export async function openServer(closing: Closing, listener: RequestListener): Promise<Server> {
  const server = createServer({ keepAliveTimeout: 0 }, listener);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return server;
}

/** Starts a TCP server on loopback, for upstreams that break the rules. */
export async function openTcp(closing: Closing, onSocket: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: TcpServer = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return portOf(server);
}

/** A port on which nobody listens. */
export async function closedPort(): Promise<number> {
  const server = createTcpServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const port = portOf(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export function portOf(server: Server | TcpServer): number {
  return (server.address() as AddressInfo).port;
}

/** An answer as a client got it. */
export type Got = {
  readonly status: number;
  readonly lines: readonly (readonly [string, string])[];
  readonly body: Buffer;
  readonly trailers: readonly (readonly [string, string])[];
  readonly text: string;
};

/** Sends a request on a connection of its own and reads the whole answer. */
export async function ask(
  port: number,
  path: string,
  options: { readonly method?: string; readonly headers?: readonly string[]; readonly body?: Buffer | string } = {},
): Promise<Got> {
  const framed = options.body === undefined || options.headers?.includes('Transfer-Encoding') || options.headers?.includes('Content-Length');
  const headers = ['Host', '127.0.0.1', ...(options.headers ?? []), ...(framed ? [] : ['Content-Length', String(Buffer.byteLength(options.body ?? ''))])];
  const request = send({ host: '127.0.0.1', port, path, method: options.method ?? 'GET', headers, agent: false, setHost: false });
  request.end(options.body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return read(response);
}

/** Reads a whole answer. @throws Error – it breaks off */
export async function read(response: IncomingMessage): Promise<Got> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  return { status: response.statusCode ?? 0, lines: pairs(response.rawHeaders), body, trailers: pairs(response.rawTrailers), text: body.toString() };
}

/** A client that writes bytes as they are. */
export type RawClient = {
  readonly socket: Socket;
  readonly write: (text: string) => void;
  /** Everything that came so far. */
  readonly received: () => string;
  /** Resolves when what came matches. */
  readonly until: (pattern: RegExp) => Promise<string>;
  /** Resolves when the other side has closed: cleanly, or with a reset. */
  readonly closed: Promise<'clean' | 'reset'>;
};

/** Opens a connection. */
export async function openRaw(closing: Closing, port: number): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  closing.push(() => socket.destroy());
  let text = '';
  let reset = false;
  const watchers = new Set<() => void>();
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    for (const watcher of watchers) watcher();
  });
  socket.on('error', () => {
    reset = true;
  });
  const closed = new Promise<'clean' | 'reset'>((resolve) => socket.on('close', () => resolve(reset ? 'reset' : 'clean')));
  return {
    socket,
    write: (data) => void socket.write(data, 'latin1'),
    received: () => text,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => pattern.test(text) && resolve(text);
        watchers.add(look);
        look();
        void closed.then(() => reject(new Error(`closed after ${JSON.stringify(text)}`)));
      }),
    closed,
  };
}

/** A sale that writes down what it is told. */
export type RecordedSale = Sale & {
  readonly told: string[];
  readonly bodies: Buffer[];
  readonly kept: Parameters<Sale['absent']>[1][];
  /** Resolves when that has been told. */
  readonly hears: (pattern: RegExp) => Promise<string>;
};

/** Makes one; `head` says what comes of the head. */
export function recordSale(
  head: (status: number) => Promise<HeadOutcome> = async () => ({ kind: 'charged', headers: [['L402-Payment', 'charged']] }),
  consume: Sale['consume'] = 'on-success',
): RecordedSale {
  const told: string[] = [];
  const bodies: Buffer[] = [];
  const kept: Parameters<Sale['absent']>[1][] = [];
  const watchers = new Set<() => void>();
  const tell = (what: string) => {
    told.push(what);
    for (const watcher of watchers) watcher();
  };
  return {
    told,
    bodies,
    kept,
    idempotencyKey: 'key-of-the-sale',
    consume,
    onBody: (chunk) => bodies.push(Buffer.from(chunk)),
    head: (status) => {
      tell(`head ${status}`);
      return head(status);
    },
    end: async (how) => tell(`end ${how}`),
    unanswered: async (why) => tell(`unanswered ${why}`),
    absent: async (status, answer) => {
      kept.push(answer);
      tell(`absent ${status} ${answer ? 'kept' : 'not kept'}`);
    },
    hears: (pattern) =>
      new Promise((resolve) => {
        const look = () => {
          const found = told.find((one) => pattern.test(one));
          if (found !== undefined) resolve(found);
        };
        watchers.add(look);
        look();
      }),
  };
}

/** A paywall that sells everything with this sale. */
export function sellWith(sale: Sale): Check {
  return () => ({ kind: 'pass', principal: undefined, sale, headers: [] });
}

/** A promise and its ends. */
export function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void; readonly reject: (error: unknown) => void } {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** Waits until a number stands still: what is to be seen is that nothing happens any more. */
export async function settled(number: () => number): Promise<void> {
  for (let still = 0, last = -1; still < 5; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    still = number() === last ? still + 1 : 0;
    last = number();
  }
}

/** Closes everything, last opened first. */
export async function closeAll(closing: Closing): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close();
}

export type { Clock };
