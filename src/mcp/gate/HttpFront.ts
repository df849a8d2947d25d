/**
 * The gate over streamable HTTP: one endpoint, and for each client a session with a server of its own.
 *
 * Only requests that name a host of ours are taken, and from a browser only those of pages that are named, so that no page can reach a gate on this machine by
 * a name of its own (DNS rebinding). Sessions, messages, connections and the time that a session may lie idle are bounded.
 *
 * @see Model Context Protocol 2025-11-25, "Transports"
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { isInitializeRequest, type JSONRPCMessage, type RequestId } from '@modelcontextprotocol/sdk/types.js';
import type { Till } from '../Till.ts';
import { openPipe, type Pipe } from './Pipe.ts';

/** Where and for whom a gate listens. */
export type HttpFrontOptions = {
  readonly till: Till;
  /** A transport to a new session of the server that is sold. */
  readonly openServer: () => Transport;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Host names besides this machine's own, without port. */
  readonly hosts?: readonly string[];
  /** Origins of pages that may call, such as `https://app.example.com`; default: none. */
  readonly origins?: readonly string[];
  /** The client's address: the connection's other end, unless it is a proxy that is trusted. */
  readonly clientAddress?: (request: IncomingMessage) => string;
  readonly limits?: Partial<HttpLimits>;
};

/** What is borne. */
export type HttpLimits = {
  /** Sessions at once; default 100. */
  readonly sessions: number;
  /** Bytes of a message; default 4 MiB. */
  readonly messageBytes: number;
  /** Connections at once; default 1,000. */
  readonly connections: number;
  /** A session that nobody is connected to ends after that long; default half an hour. Sooner, after a minute, where all sessions are taken. */
  readonly idleMs: number;
};

/** A gate that listens. */
export type HttpFront = { readonly url: string; readonly close: () => Promise<void> };

const defaults: HttpLimits = { sessions: 100, messageBytes: 4 * 1024 * 1024, connections: 1000, idleMs: 1_800_000 };

/** A session that nobody has been connected to for so long gives way to a new one. */
const givesWayMs = 60_000;

/** The one path that is served. */
export const path = '/mcp';

type Session = {
  readonly transport: StreamableHTTPServerTransport;
  pipe: Pipe | undefined;
  /** Requests of HTTP that are open, and how many of them listen. */
  connected: number;
  listening: number;
  stopIdling: () => void;
  /** Unix milliseconds since when nobody is connected; undefined: somebody is. */
  idleSinceMs: number | undefined;
};

/** Listens. @throws Error – the address is taken, or none of this machine's */
export async function listen(options: HttpFrontOptions): Promise<HttpFront> {
  const limits = { ...defaults, ...options.limits };
  const front = new Front(options, limits);
  const server = createServer({ requestTimeout: 60_000, headersTimeout: 15_000, keepAliveTimeout: 60_000 }, (request, response) => {
    front.take(request, response).catch((error: unknown) => {
      options.till.onTrouble('a request', error);
      refuse(response, 500, 'This request could not be served.');
    });
  });
  server.maxConnections = limits.connections;
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(options.port, options.host, resolve));
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return { url: `http://${host}:${port}${path}`, close: () => front.close(server) };
}

class Front {
  readonly #options: HttpFrontOptions;
  readonly #limits: HttpLimits;
  readonly #hosts: ReadonlySet<string>;
  readonly #sessions = new Map<string, Session>();
  /** Sessions that are about to begin. */
  #beginning = 0;

  constructor(options: HttpFrontOptions, limits: HttpLimits) {
    this.#options = options;
    this.#limits = limits;
    const own = options.host.includes(':') ? `[${options.host}]` : options.host;
    this.#hosts = new Set(['localhost', '127.0.0.1', '[::1]', own, ...(options.hosts ?? [])].map((host) => host.toLowerCase()));
  }

  async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { origin } = request.headers;
    if (!this.#isOurs(request.headers.host)) return refuse(response, 403, 'This host is not served here.');
    if (origin !== undefined && !(this.#options.origins ?? []).includes(origin)) return refuse(response, 403, 'Pages of this origin are not let in here.');
    if (origin !== undefined) allow(response, origin);
    if ((request.url ?? '').split('?')[0] !== path) return refuse(response, 404, `There is ${path} here, and nothing else.`);
    if (request.method === 'OPTIONS' && origin !== undefined) return void response.writeHead(204).end();
    const id = request.headers['mcp-session-id'];
    if (request.method !== 'POST') return this.#follow(request, response, typeof id === 'string' ? id : undefined);
    const body = await readJson(request, this.#limits.messageBytes);
    if (body === 'too-large') return refuse(response, 413, `A message is longer than ${this.#limits.messageBytes} bytes.`, { connection: 'close' });
    if (body === 'malformed') return refuse(response, 400, 'This is no JSON.', {}, -32700);
    if (id !== undefined) return this.#follow(request, response, String(id), body.value);
    if (!isInitializeRequest(body.value))
      return refuse(response, 400, 'A session begins with "initialize", and every later request names it (Mcp-Session-Id).');
    return this.#begin(request, response, body.value);
  }

  async close(server: Server): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    await Promise.all([...this.#sessions.values()].map(({ pipe }) => pipe?.close()));
    server.closeAllConnections();
    await closed;
  }

  #isOurs(host: string | undefined): boolean {
    return host !== undefined && this.#hosts.has(host.toLowerCase().replace(/:\d+$/, ''));
  }

  async #begin(request: IncomingMessage, response: ServerResponse, body: unknown): Promise<void> {
    if (this.#sessions.size + this.#beginning >= this.#limits.sessions && !this.#makeRoom()) {
      return refuse(response, 503, 'All sessions are taken. Try again in a moment.', { 'retry-after': '5' });
    }
    this.#beginning += 1;
    const id = randomUUID();
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: () => id, maxRequestBodySize: this.#limits.messageBytes });
    const session: Session = { transport, pipe: undefined, connected: 0, listening: 0, stopIdling: () => {}, idleSinceMs: undefined };
    let hasEnded = false;
    const clientAddress = this.#options.clientAddress?.(request) ?? request.socket.remoteAddress ?? '';
    try {
      session.pipe = await openPipe({
        till: this.#options.till,
        // The types of the SDK know no `exactOptionalPropertyTypes`.
        client: transport as Transport,
        server: this.#options.openServer(),
        clientAddress,
        isListening: () => session.listening > 0,
        onSilence: (request) => transport.closeSSEStream(request),
        onEnd: () => {
          hasEnded = true;
          session.stopIdling();
          this.#sessions.delete(id);
        },
      });
      if (hasEnded) return refuse(response, 502, 'The server has ended.');
      this.#sessions.set(id, session);
    } catch (error) {
      this.#options.till.onTrouble('the server that is sold', error);
      return refuse(response, 502, 'The server could not be started.');
    } finally {
      this.#beginning -= 1;
    }
    return this.#hand(session, request, response, body);
  }

  /** Ends the session that has been idle for longest, where one has been for long enough. */
  #makeRoom(): boolean {
    const idle = [...this.#sessions.values()].filter(({ idleSinceMs }) => idleSinceMs !== undefined);
    const [first] = idle.sort((one, other) => (one.idleSinceMs as number) - (other.idleSinceMs as number));
    if (first?.idleSinceMs === undefined || this.#options.till.clock.nowMs() - first.idleSinceMs < givesWayMs) return false;
    void first.pipe?.close();
    return true;
  }

  async #follow(request: IncomingMessage, response: ServerResponse, id: string | undefined, body?: unknown): Promise<void> {
    const session = id === undefined ? undefined : this.#sessions.get(id);
    if (id === undefined) return refuse(response, 400, 'Name a session (Mcp-Session-Id).');
    if (!session) return refuse(response, 404, 'Session not found', {}, -32001);
    return this.#hand(session, request, response, body);
  }

  /** Hands a request to its session, and sees how it ends. */
  async #hand(session: Session, request: IncomingMessage, response: ServerResponse, body: unknown): Promise<void> {
    session.stopIdling();
    session.idleSinceMs = undefined;
    session.connected += 1;
    if (request.method === 'GET') whenOpen(response, () => listens(session, response));
    response.once('close', () => {
      session.connected -= 1;
      if (!response.writableFinished) session.pipe?.left(idsOf(body));
      if (session.connected > 0) return;
      const { clock } = this.#options.till;
      session.idleSinceMs = clock.nowMs();
      session.stopIdling = clock.after(this.#limits.idleMs, () => void session.pipe?.close());
    });
    await session.transport.handleRequest(request, response, body);
  }
}

/** From now on the client hears what belongs to no request of its own. */
function listens(session: Session, response: ServerResponse): void {
  session.listening += 1;
  response.once('close', () => {
    session.listening -= 1;
  });
  session.pipe?.listening();
}

/** Calls back when the head of a success has been written. */
function whenOpen(response: ServerResponse, then: () => void): void {
  const { writeHead } = response;
  response.writeHead = ((...args: Parameters<typeof writeHead>) => {
    const written = writeHead.apply(response, args);
    if (response.statusCode === 200) then();
    return written;
  }) as typeof writeHead;
}

/** A message as JSON; it is read to the limit and no further. */
async function readJson(request: IncomingMessage, limit: number): Promise<{ readonly value: unknown } | 'too-large' | 'malformed'> {
  if (Number(request.headers['content-length'] ?? 0) > limit) return 'too-large';
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > limit) return 'too-large';
    chunks.push(chunk as Buffer);
  }
  try {
    return { value: JSON.parse(Buffer.concat(chunks).toString('utf8')) };
  } catch {
    return 'malformed';
  }
}

/** The numbers of the requests in a body: a message, or several. */
function idsOf(body: unknown): RequestId[] {
  const messages = (Array.isArray(body) ? body : [body]) as readonly (JSONRPCMessage | null | undefined)[];
  return messages.flatMap((message) => (message && 'method' in message && 'id' in message ? [message.id as RequestId] : []));
}

function allow(response: ServerResponse, origin: string): void {
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader('access-control-allow-methods', 'GET, POST, DELETE');
  response.setHeader('access-control-allow-headers', 'authorization, content-type, last-event-id, mcp-protocol-version, mcp-session-id');
  response.setHeader('access-control-expose-headers', 'mcp-session-id');
  response.setHeader('vary', 'origin');
}

function refuse(response: ServerResponse, status: number, message: string, headers: { readonly [name: string]: string } = {}, code = -32000): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers });
  response.end(`${JSON.stringify({ jsonrpc: '2.0', error: { code, message }, id: null })}\n`);
}
