/**
 * A wallet over streamable HTTP, for hosts on this machine: one endpoint, and a session for each.
 *
 * Whoever can call it can spend, so that every request shows the token that only the operator has seen; it names a host of this machine, and no page
 * of a browser is let in, so that none can reach it by a name of its own (DNS rebinding).
 *
 * @see Model Context Protocol, Transports, "Security Warning"
 */
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { Clock } from '../../core/Clock.ts';

/** Where a wallet listens, and for whom. */
export type HttpWalletOptions = {
  /** `127.0.0.1` or `::1`. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** What a request has to show: `Authorization: Bearer <token>`. */
  readonly token: string;
  readonly openSession: () => Server;
  readonly clock: Clock;
};

/** A wallet that listens. */
export type HttpWallet = { readonly url: string; readonly close: () => Promise<void> };

/** The one path that is served. */
const path = '/mcp';

/** Most sessions at once, and how long one may lie idle. */
const [maxSessions, idleMs] = [50, 1_800_000];

/** Longest message. */
const maxBytes = 16 * 1024 * 1024;

type Session = { readonly transport: StreamableHTTPServerTransport; readonly server: Server; open: number; stopIdling: () => void };

/** Listens. @throws Error – the address is taken */
export async function listenForHosts(options: HttpWalletOptions): Promise<HttpWallet> {
  const sessions = new Map<string, Session>();
  const http = createServer({ requestTimeout: 60_000, headersTimeout: 15_000 }, (request, response) => {
    serve(options, sessions, request, response).catch(() => refuse(response, 500, 'This request could not be served.'));
  });
  http.maxConnections = 200;
  await new Promise<void>((resolve, reject) => http.once('error', reject).listen(options.port, options.host, resolve));
  const { port } = http.address() as AddressInfo;
  return {
    url: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}${path}`,
    close: async () => {
      const closed = new Promise<void>((resolve) => http.close(() => resolve()));
      for (const { server, stopIdling } of sessions.values()) {
        stopIdling();
        await server.close();
      }
      http.closeAllConnections();
      await closed;
    },
  };
}

async function serve(options: HttpWalletOptions, sessions: Map<string, Session>, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { host = '', origin, authorization = '' } = request.headers;
  if (!/^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i.test(host)) return refuse(response, 403, 'This host is not served here.');
  if (origin !== undefined) return refuse(response, 403, 'Pages are not let in here.');
  if (!isToken(authorization, options.token)) return refuse(response, 401, 'Show the token that the wallet printed when it was started.', { 'www-authenticate': 'Bearer' });
  if ((request.url ?? '').split('?')[0] !== path) return refuse(response, 404, `There is ${path} here, and nothing else.`);
  const id = request.headers['mcp-session-id'];
  const session = id === undefined ? await begin(options, sessions) : sessions.get(String(id));
  if (session === 'full') return refuse(response, 503, 'All sessions are taken.', { 'retry-after': '30' });
  if (!session) return refuse(response, 404, 'Session not found');
  session.stopIdling();
  session.open += 1;
  response.once('close', () => {
    session.open -= 1;
    if (session.open === 0) session.stopIdling = options.clock.after(idleMs, () => void session.server.close());
  });
  await session.transport.handleRequest(request, response);
  if (session.transport.sessionId === undefined) await session.server.close();
}

/** A session that the transport names once it has been told to begin; one that is asked for anything else ends with its answer. */
async function begin({ openSession, clock }: HttpWalletOptions, sessions: Map<string, Session>): Promise<Session | 'full'> {
  if (sessions.size >= maxSessions) return 'full';
  const server = openSession();
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    maxRequestBodySize: maxBytes,
    onsessioninitialized: (id) => void sessions.set(id, session),
  });
  const session: Session = { transport, server, open: 0, stopIdling: clock.after(idleMs, () => void server.close()) };
  const ended = server.onclose;
  server.onclose = () => {
    session.stopIdling();
    if (transport.sessionId !== undefined) sessions.delete(transport.sessionId);
    ended?.();
  };
  // The types of the SDK know no `exactOptionalPropertyTypes`.
  await server.connect(transport as Transport);
  return session;
}

/** Compared by hashes of one length: how long it takes says nothing. */
function isToken(authorization: string, token: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(authorization.replace(/^Bearer +/i, '')), hash(token));
}

function refuse(response: ServerResponse, status: number, message: string, headers: { readonly [name: string]: string } = {}): void {
  if (response.headersSent) return void response.end();
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ jsonrpc: '2.0', error: { code: status === 404 ? -32_001 : -32_000, message }, id: null }));
}
