/**
 * One incoming request over what its listener has parsed of it: the raw header lines as they came, and a body that is read when somebody asks.
 *
 * Node's parser refuses what could be read in two ways (both lengths, folded lines, a bare LF, bad chunk sizes). What it lets through and a
 * server behind us could still read otherwise is refused here.
 *
 * @see RFC 9112, sections 3.2, 5.2, 6.1 and 7
 */
import { FareboxError } from '../core/Errors.ts';
import * as Grpc from '../http/Grpc.ts';
import { linesOf } from '../http/NodeRequest.ts';
import type { RequestView } from '../http/RequestView.ts';
import { clientAddress, plainAddress, type Trust } from './ClientAddress.ts';
import type { Taken } from './Reply.ts';
import { RequestBody } from './RequestBody.ts';
import { keyOf, namesWebSocket } from './tunnel/Handshake.ts';

/** A request on its way through the gateway. */
export type Incoming = {
  readonly view: RequestView;
  /** Names and values in turn, as received. */
  readonly rawHeaders: readonly string[];
  /** Of HTTP: `1.0`, `1.1` or `2`. */
  readonly version: string;
  /** Whether it came over TLS. */
  readonly isSecure: boolean;
  /** Whether it is a call of gRPC. */
  readonly isGrpc: boolean;
  /** The connection's other end. */
  readonly peer: string;
  /** Whether that is a proxy that is believed. */
  readonly viaTrusted: boolean;
  /** The `Host` line, '' where there is none. */
  readonly host: string;
  /** Undefined where the request has none. */
  readonly body: RequestBody | undefined;
  /** As declared; undefined for a chunked body. */
  readonly contentLength: number | undefined;
};

/** What of a request is not taken. */
export type IncomingLimits = {
  /** Header lines; more are refused. */
  readonly headerLines: number;
  /** Of a body, in bytes. */
  readonly bodyBytes: number;
};

/**
 * Takes a request as its listener parsed it.
 * @throws REQUEST_MALFORMED – what two servers could read differently: several hosts, chunks in HTTP/1.0, another version, a WebSocket among others
 * @throws REQUEST_UNSUPPORTED – a transfer coding beside chunked
 */
export function from(taken: Taken, trust: Trust, limits: IncomingLimits): Incoming {
  const { rawHeaders } = taken;
  const lines = (name: string) => linesOf(rawHeaders, name);
  const host = checkHead(taken, lines, limits);
  const contentLength = declaredLength(lines);
  const hasBody = taken.bodyFollows ?? (contentLength === undefined ? lines('transfer-encoding').length > 0 : contentLength > 0);
  const body = hasBody ? new RequestBody(taken.source, limits.bodyBytes, taken.sendContinue) : undefined;
  const peer = plainAddress(taken.remoteAddress);
  const viaTrusted = trust(peer);
  return {
    view: {
      method: taken.method,
      target: taken.target,
      isSecure: taken.isSecure || (viaTrusted && lines('x-forwarded-proto').at(-1)?.toLowerCase() === 'https'),
      clientAddress: viaTrusted ? clientAddress(peer, trust, lines) : peer,
      header: (name) => oneValue(lines(name)),
      headerLines: lines,
      readBody: async (limit) => (body === undefined ? nothing : body.collect(limit)),
    },
    rawHeaders,
    version: taken.version,
    isSecure: taken.isSecure,
    isGrpc: Grpc.isCall(taken.version, taken.method, rawHeaders),
    peer,
    viaTrusted,
    host,
    body,
    contentLength,
  };
}

/**
 * The host of a `Host` value or an authority, in lower case, without port and without the root's dot; undefined for ''.
 * @throws REQUEST_MALFORMED – no host and port
 */
export function hostName(authority: string): string | undefined {
  if (authority === '') return undefined;
  const match = /^([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/.exec(authority);
  if (!match) throw malformed('The host of the request is no host name.');
  const name = (match[1] as string).toLowerCase();
  return name.endsWith('.') ? name.slice(0, -1) : name;
}

const nothing = new Uint8Array(0);

/** Lines of one name are one value, as the upstream will read them: a price that hangs on a header is not to see a part of it. */
function oneValue(values: readonly string[]): string | undefined {
  return values.length > 1 ? values.join(', ') : values[0];
}

/** What stands before the body; the answer is the host. */
function checkHead({ version, rawHeaders, upgrade }: Taken, lines: RequestView['headerLines'], limits: IncomingLimits): string {
  if (rawHeaders.length > 2 * limits.headerLines) throw malformed(`A request may have ${limits.headerLines} header lines here.`);
  if (version !== '1.1' && version !== '1.0' && version !== '2') throw malformed('This server speaks HTTP/2, HTTP/1.1 and HTTP/1.0 alone.');
  const hosts = lines('host');
  if (hosts.length > 1) throw malformed('The request names several hosts.');
  const codings = lines('transfer-encoding');
  if (codings.length > 0) {
    if (version === '1.0') throw malformed('HTTP/1.0 has no transfer codings.');
    if (codings.length > 1 || codings[0]?.toLowerCase() !== 'chunked') throw unsupported('The one transfer coding that is read here is chunked.');
  }
  if (upgrade !== undefined) {
    if (!upgrade.isKeyOurs) keyOf(rawHeaders);
  } else if (version !== '1.0' && namesWebSocket(lines('upgrade'))) {
    // Whoever ignored this would answer something else than was asked for, and be paid for it.
    throw malformed('A WebSocket begins with GET, without a body, and with "Upgrade: websocket", alone and named by Connection.');
  }
  return hosts[0] ?? '';
}

/** Node has checked that it is a number, and the only one. */
function declaredLength(lines: RequestView['headerLines']): number | undefined {
  const value = lines('content-length')[0];
  return value === undefined ? undefined : Number(value);
}

function malformed(message: string): FareboxError {
  return new FareboxError('REQUEST_MALFORMED', message);
}

function unsupported(message: string): FareboxError {
  return new FareboxError('REQUEST_UNSUPPORTED', message);
}
