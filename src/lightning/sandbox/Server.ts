/**
 * A sandbox that other processes on this machine can reach: loopback HTTP with a bearer token.
 *
 * A web page that is open on the same machine can send requests here too, so one with an `Origin`, with a `Host` that is not
 * loopback, or without `Content-Type: application/json` is refused before its body is read.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemRandom } from '../../core/Clock.ts';
import { type Reached, unwatched } from '../../core/CrashPoint.ts';
import { FareboxError } from '../../core/Errors.ts';
import { equal, fromUtf8, toBase64Url } from '../../core/internal/bytes.ts';
import { sha256 } from '../../core/internal/sha256.ts';
import type { SandboxAddress } from './Connection.ts';
import { createSandbox } from './Drivers.ts';
import { isLoopbackAddress, isLoopbackHost } from './Loopback.ts';
import { createNetwork, type NetworkOptions } from './Network.ts';
import type { Sandbox } from './Sandbox.ts';
import { type Backend, type CallName, calls, decode, encode } from './Wire.ts';

/** How a sandbox is started. */
export type SandboxServerOptions = NetworkOptions & {
  /** The file of its books, or `:memory:`. One process has it open. */
  readonly path: string;
  /** `127.0.0.1` (default), another address of 127.0.0.0/8, or `::1`; nothing else. */
  readonly host?: string;
  /** Default 0: any that is free. */
  readonly port?: number;
  /** What lets others in: at least 16 characters that a header can carry. Default: a new one. */
  readonly token?: string;
};

/** A sandbox that runs. */
export type RunningSandbox = SandboxAddress & {
  /** The same sandbox, without HTTP. */
  readonly network: Sandbox;
  /** Breaks every connection and lets go of the file. */
  readonly close: () => Promise<void>;
};

/**
 * Opens the books and listens.
 *
 * @throws RangeError – a host that is not loopback, a token that is too short
 * @throws SANDBOX_UNAVAILABLE – the file or the port cannot be had
 */
export async function startSandbox(options: SandboxServerOptions): Promise<RunningSandbox> {
  const { host = '127.0.0.1', port = 0, random = systemRandom, token = toBase64Url(random(32)), reached = unwatched } = options;
  if (!isLoopbackAddress(host)) throw new RangeError(`host of a sandbox is loopback, such as 127.0.0.1, not ${host}: whoever reaches it can take its money`);
  if (!/^[\x21-\x7e]{16,}$/.test(token)) throw new RangeError('token is at least 16 visible ASCII characters');
  const backend = createNetwork(options);
  const tokenDigest = sha256(fromUtf8(token));
  // No time-out on idle connections: a client that reuses one must not race with its end.
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => void answer({ backend, tokenDigest, reached }, request, response));
  try {
    const address = await listen(server, host, port);
    return {
      url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
      token,
      network: createSandbox(backend, options.clock),
      close: async () => {
        await backend.close();
        await stop(server);
      },
    };
  } catch (cause) {
    await backend.close();
    throw new FareboxError('SANDBOX_UNAVAILABLE', `The sandbox cannot listen on ${host}, port ${port}. Name another port.`, { cause });
  }
}

/** A request is a few names and an invoice. */
const maxRequestBytes = 64 * 1024;

function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server.address() as AddressInfo));
  });
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

type Serving = { readonly backend: Backend; readonly tokenDigest: Uint8Array; readonly reached: Reached };

async function answer({ backend, tokenDigest, reached }: Serving, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const leaving = new AbortController();
  response.on('close', () => leaving.abort());
  try {
    const name = admit(request, tokenDigest);
    const body = await bodyOf(request);
    const asked = decode(calls[name].request, body);
    if (asked === undefined) throw new Refusal(400, 'REQUEST_MALFORMED', `The request does not fit the call ${name}.`);
    reached('sandbox.call.received');
    const call = backend[name] as (request: unknown, signal: AbortSignal) => Promise<unknown>;
    const reply = await call(asked, leaving.signal);
    reached('sandbox.reply.sending');
    send(response, 200, reply);
    reached('sandbox.reply.sent');
  } catch (error) {
    if (leaving.signal.aborted) return;
    const { status, code, message } = refusalFor(error);
    send(response, status, { error: { code, message } });
  }
}

/** Who may ask, and for what. The token is compared by digest, in a time that does not depend on how much of it fits. */
function admit(request: IncomingMessage, tokenDigest: Uint8Array): CallName {
  const { host = '', origin, authorization = '' } = request.headers;
  if (!isLoopbackHost(host)) throw new Refusal(403, 'LIGHTNING_UNAUTHORIZED', 'The Host is not loopback.');
  if (origin !== undefined) throw new Refusal(403, 'LIGHTNING_UNAUTHORIZED', 'Web pages may not use the sandbox.');
  const given = /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '';
  if (!equal(sha256(fromUtf8(given)), tokenDigest)) throw new Refusal(401, 'LIGHTNING_UNAUTHORIZED', 'The token is not the one of this sandbox.');
  const name = /^\/v1\/([A-Za-z]+)$/.exec(request.url ?? '')?.[1] ?? '';
  if (!Object.hasOwn(calls, name)) throw new Refusal(404, 'REQUEST_MALFORMED', 'There is no such call.');
  if (request.method !== 'POST') throw new Refusal(405, 'REQUEST_MALFORMED', 'Every call is a POST.');
  if (!/^application\/json\s*(?:;|$)/i.test(request.headers['content-type'] ?? ''))
    throw new Refusal(415, 'REQUEST_MALFORMED', 'A request is application/json.');
  return name as CallName;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request) {
    length += (part as Buffer).length;
    if (length > maxRequestBytes) throw new Refusal(413, 'REQUEST_BODY_TOO_LARGE', `A request has at most ${maxRequestBytes} bytes.`);
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString('utf8');
}

function send(response: ServerResponse, status: number, value: unknown): void {
  const body = encode(value);
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store', 'content-length': Buffer.byteLength(body) };
  // What is left of a body that was refused would be read as the next request.
  if (status !== 200) response.setHeader('connection', 'close');
  response.writeHead(status, headers).end(body);
}

class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

function refusalFor(error: unknown): { readonly status: number; readonly code: string; readonly message: string } {
  if (error instanceof Refusal) return error;
  if (FareboxError.is(error)) return { status: error.status >= 400 ? error.status : 500, code: error.code, message: error.message };
  if (error instanceof RangeError || error instanceof TypeError) return { status: 400, code: 'REQUEST_MALFORMED', message: error.message };
  return { status: 500, code: 'LIGHTNING_UNAVAILABLE', message: `The sandbox failed within: ${error instanceof Error ? error.message : String(error)}` };
}
