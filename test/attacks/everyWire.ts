/**
 * One shop and one client for every protocol that a request can come over, so that a row can be tried on each: an upstream of HTTP/2 that answers
 * whatever comes, a gateway with a real paywall before it, and one way to ask.
 *
 * A call of gRPC is told of a refusal by its own statuses; here it is said as the status of HTTP that stands for it.
 */
import { once } from 'node:events';
import { request as askHttp, type IncomingMessage } from 'node:http';
import { type ClientHttp2Stream, connect, createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { request as askHttps } from 'node:https';
import * as Amount from '../../src/core/Amount.ts';
import * as Challenge from '../../src/core/Challenge.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { createPaywall } from '../../src/server/Paywall.ts';
import type { PaywallOptions } from '../../src/server/PaywallOptions.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { type Closing, openStage, portOf } from '../gateway/harness.ts';
import { certificates, writeCertificates } from '../gateway/matrix.ts';

/** How a request comes. */
export const everyWire = [
  'HTTP/1.1',
  'HTTP/1.1 over TLS',
  'HTTP/2',
  'HTTP/2 over TLS',
  'gRPC',
  'gRPC over TLS',
  'a WebSocket over HTTP/1.1',
  'a WebSocket over HTTP/1.1 over TLS',
  'a WebSocket over HTTP/2',
  'a WebSocket over HTTP/2 over TLS',
] as const;
export type Wire = (typeof everyWire)[number];

/** What came of a request. `status`: 200 where it was served or let in. */
export type WireAnswer = { readonly status: number; readonly challenges: readonly string[]; readonly headers: Readonly<Record<string, unknown>> };

export type WireAsk = { readonly host?: string; readonly headers?: Readonly<Record<string, string>> };

/** Opens a shop that is asked over this wire. `services` are as in the file, with `upstream` put in where they have none. */
export async function openWireShop(
  closing: Closing,
  wire: Wire,
  { services, ...overrides }: { readonly services?: readonly object[] } & Partial<PaywallOptions> = {},
) {
  const isSecure = wire.endsWith('over TLS');
  const upstream = await openUpstream(closing);
  const sandbox = createSandboxNetwork();
  closing.push(() => sandbox.close());
  const store = createMemoryStore();
  let invoices = 0;
  const seller = sandbox.receiver('seller');
  const receiver: typeof seller = {
    ...seller,
    createInvoice: (...call) => {
      invoices++;
      return seller.createInvoice(...call);
    },
  };
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'test' });
  const paywall = await createPaywall({ keys, receiver, store, inUseWaitMs: 0, ...overrides });
  closing.push(() => paywall.close());
  const folder = isSecure ? writeCertificates(closing) : '';
  const target = { url: `http://127.0.0.1:${upstream.port}`, protocol: 'h2' };
  const stage = await openStage(closing, {
    upstream: 0,
    check: paywall.check,
    service: { upstream: target },
    top: {
      ...(services && { services: services.map((service) => ({ upstream: target, ...service })) }),
      ...(isSecure && { tls: { certificate: `${folder}/own.pem`, key: `${folder}/own.key` } }),
    },
  });
  const payer = sandbox.payer('buyer');
  const ask = askerOf(closing, wire, stage.port);
  return {
    upstream,
    store,
    ask,
    invoices: () => invoices,
    /** Buys what a path is sold for. */
    buy: async (path: string, how: WireAsk = {}): Promise<string> => {
      const { challenges } = await ask(path, how);
      const challenge = Challenge.choose(Challenge.parse(challenges));
      if (!challenge) throw new Error('no challenge');
      const paid = await payer.pay({ invoice: challenge.invoice, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 10 });
      if (paid.kind !== 'settled') throw new Error(paid.kind);
      return `L402 ${challenge.token}:${paid.preimage}`;
    },
  };
}

/** One client: what asks over a wire, for whatever gateway. */
export function askerOf(closing: Closing, wire: Wire, port: number): (path: string, how?: WireAsk) => Promise<WireAnswer> {
  const isSecure = wire.endsWith('over TLS');
  const tls = isSecure ? { ca: certificates.authority, servername: 'localhost' } : {};
  if (wire.includes('HTTP/1.1')) {
    const upgrade = wire.startsWith('a WebSocket')
      ? { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version': '13' }
      : {};
    return async (path, { host = 'localhost', headers = {} } = {}) => {
      const options = { host: '127.0.0.1', port, path, agent: false as const, headers: { Host: host, ...upgrade, ...headers }, ...tls };
      const request = (isSecure ? askHttps : askHttp)(options).end();
      closing.push(() => request.destroy());
      const response = await new Promise<IncomingMessage>((resolve, reject) => request.on('response', resolve).on('upgrade', resolve).on('error', reject));
      const lets = response.statusCode === 101;
      if (lets) closing.push(() => response.socket.destroy());
      else await once(response.resume(), 'end');
      const challenges = response.headersDistinct['www-authenticate'] ?? [];
      return { status: lets ? 200 : (response.statusCode ?? 0), challenges, headers: response.headers };
    };
  }
  const session = connect(`${isSecure ? 'https' : 'http'}://localhost:${port}`, tls);
  session.on('error', () => {});
  closing.push(() => session.destroy());
  return async (path, { host = 'localhost', headers = {} } = {}) => {
    if (!session.remoteSettings) await once(session, 'remoteSettings');
    const named = { ':authority': host, ':path': path, ...headers };
    if (wire.startsWith('gRPC')) return askGrpc(session.request({ ...named, ':method': 'POST', te: 'trailers', 'content-type': 'application/grpc' }));
    if (!wire.startsWith('a WebSocket')) return answerOf(session.request(named), false);
    return answerOf(session.request({ ...named, ':method': 'CONNECT', ':protocol': 'websocket', 'sec-websocket-version': '13' }, { endStream: false }), true);
  };
}

/** An empty message, in its five bytes. */
const message = Buffer.alloc(5);

async function askGrpc(stream: ClientHttp2Stream): Promise<WireAnswer> {
  let trailers: IncomingHttpHeaders = {};
  stream.on('trailers', (lines) => {
    trailers = lines;
  });
  stream.end(message);
  const { headers } = await answerOf(stream, false);
  const said = { ...headers, ...trailers };
  return { status: httpStatusOf(said['grpc-status'], said['grpc-message']), challenges: linesOf(said['www-authenticate']), headers: said };
}

async function answerOf(stream: ClientHttp2Stream, isTunnel: boolean): Promise<WireAnswer> {
  stream.on('error', () => {});
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  const status = Number(headers[':status']);
  if (!isTunnel || status !== 200) {
    // Nothing more comes: up to Node 22.22, a session with a stream that was closed before it was ended never comes back from its own end.
    if (isTunnel) stream.end();
    stream.resume();
    if (!stream.closed) await new Promise((resolve) => stream.on('close', resolve));
  }
  return { status, challenges: linesOf(headers['www-authenticate']), headers };
}

/** Node joins the lines of one name by a comma; a challenge of ours begins with its scheme. */
function linesOf(value: unknown): readonly string[] {
  if (value === undefined) return [];
  return String(value).split(/, (?=L402 |LSAT )/);
}

/** What a status of gRPC stands for. @see docs/wire.md, "The challenge a server sends" */
function httpStatusOf(status: unknown, words: unknown): number {
  if (status === '13' && words === 'payment required') return 402;
  return { '0': 200, '3': 400, '5': 404, '7': 403, '8': 429, '12': 404, '14': 503, '16': 401 }[String(status)] ?? 500;
}

/** A request as the upstream saw it. */
export type WireSeen = { readonly path: string; readonly headers: Readonly<Record<string, unknown>> };

async function openUpstream(closing: Closing) {
  const seen: WireSeen[] = [];
  const server = createServer({ settings: { enableConnectProtocol: true } });
  const sessions = new Set<{ destroy: () => void }>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {});
    seen.push({ path: String(headers[':path']), headers });
    if (headers[':method'] === 'CONNECT') {
      stream.respond({ ':status': 200 });
      stream.resume().on('end', () => stream.end());
    } else if (headers['content-type'] !== 'application/grpc') {
      stream.respond({ ':status': 200 });
      stream.end('ok');
    } else {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.resume().end(message);
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  closing.push(() => {
    for (const session of sessions) session.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return { port: portOf(server as never), seen };
}
