/**
 * A request over HTTP/2 as its listener hands it on: in the words of HTTP/1.1, so that everything behind reads one language. The authority is
 * its `Host`, the crumbs of a cookie are one line, and every other line stays as it came.
 *
 * Node's session has refused before: names in upper case, pseudo-headers that are unknown, repeated, missing or behind others, what belongs to a
 * connection, several lengths, and a body that is not as long as it says.
 *
 * @see RFC 9113, sections 8.2.2, 8.2.3, 8.3 and 8.5
 */
import { METHODS } from 'node:http';
import { FareboxError } from '../../core/Errors.ts';

/** What a request's headers say. */
export type Http2Head = {
  readonly method: string;
  readonly target: string;
  /** Names and values in turn. */
  readonly rawHeaders: readonly string[];
  /** The client sends its body when it is told to. */
  readonly waitsForContinue: boolean;
  /** Asks for a tunnel in which a WebSocket is spoken; said as the GET that it would be over HTTP/1.1. @see RFC 8441, sections 4 and 5 */
  readonly isWebSocket: boolean;
};

/**
 * Reads headers as Node hands them on: names and values in turn, all of them.
 * @throws REQUEST_MALFORMED – two hosts, or a scheme that is none of HTTP's
 * @throws REQUEST_UNSUPPORTED – a method that no server knows, or a tunnel
 */
export function headOf(lines: readonly string[]): Http2Head {
  let method = '';
  let target = '';
  let scheme = '';
  let protocol: string | undefined;
  let authority: string | undefined;
  const rawHeaders: string[] = [];
  let cookieAt = -1;
  let waitsForContinue = false;
  for (let index = 0; index < lines.length; index += 2) {
    const name = lines[index] as string;
    const value = lines[index + 1] as string;
    if (name === ':method') method = value;
    else if (name === ':path') target = value;
    else if (name === ':scheme') scheme = value;
    else if (name === ':protocol') protocol = value;
    else if (name === ':authority') {
      authority = value;
      rawHeaders.push('host', value);
    } else if (name === 'host' && authority !== undefined) {
      if (value.toLowerCase() !== authority.toLowerCase()) throw malformed('The request names several hosts.');
    } else if (name === 'cookie' && cookieAt >= 0) rawHeaders[cookieAt] += `; ${value}`;
    else {
      rawHeaders.push(name, value);
      if (name === 'cookie') cookieAt = rawHeaders.length - 1;
      else if (name === 'expect') waitsForContinue = expects(value);
    }
  }
  const isWebSocket = method === 'CONNECT' && protocol === 'websocket';
  if (method === 'CONNECT' && !isWebSocket) throw unsupported('This server makes no tunnels but WebSockets.');
  if (!isWebSocket && protocol !== undefined) throw malformed('Only CONNECT names a protocol.');
  if (!methods.has(method)) throw unsupported('This server does not know the method of the request.');
  if (scheme !== 'http' && scheme !== 'https') throw malformed('This server speaks the schemes http and https alone.');
  if (isWebSocket) return { method: 'GET', target, rawHeaders: withoutKey(rawHeaders), waitsForContinue: false, isWebSocket };
  return { method, target, rawHeaders, waitsForContinue, isWebSocket };
}

/** HTTP/2 has no use for the key: one that is sent all the same would stand beside ours. */
function withoutKey(lines: readonly string[]): readonly string[] {
  const without: string[] = [];
  for (let index = 0; index < lines.length; index += 2) {
    if (lines[index] !== 'sec-websocket-key') without.push(lines[index] as string, lines[index + 1] as string);
  }
  return without;
}

/** How long headers are, as HTTP/2 counts them: each with 32 bytes beside its own. */
export function lengthOf(lines: readonly string[]): number {
  let length = 16 * lines.length;
  for (const part of lines) length += part.length;
  return length;
}

/** @throws REQUEST_UNSUPPORTED – something else is expected than to be asked for the body */
function expects(value: string): true {
  if (value.toLowerCase() !== '100-continue') throw unsupported('This server meets no expectation but 100-continue.');
  return true;
}

/** Those that the parser of HTTP/1.1 knows. */
const methods: ReadonlySet<string> = new Set(METHODS);

function malformed(message: string): FareboxError {
  return new FareboxError('REQUEST_MALFORMED', message);
}

function unsupported(message: string): FareboxError {
  return new FareboxError('REQUEST_UNSUPPORTED', message);
}
