/**
 * The handshake of a WebSocket: a request that is in order, and an answer that belongs to it.
 *
 *     GET /live HTTP/1.1                     HTTP/1.1 101 Switching Protocols
 *     Connection: Upgrade                    Connection: Upgrade
 *     Upgrade: websocket                     Upgrade: websocket
 *     Sec-WebSocket-Key: <16 bytes>          Sec-WebSocket-Accept: <SHA-1 of the key and a fixed text>
 *
 * The version, what is spoken inside and its extensions are for client and upstream to agree on.
 *
 * @see RFC 6455, sections 4.1, 4.2 and 1.3; RFC 9110, section 7.8
 */
import { createHash } from 'node:crypto';
import { FareboxError } from '../../core/Errors.ts';
import { linesOf } from '../../http/NodeRequest.ts';

/** Whether a list of protocols, which may stand on several lines, has WebSocket in it. */
export function namesWebSocket(upgrade: readonly string[]): boolean {
  return upgrade.some((value) => /(?:^|[\s,])websocket(?:[\s,/]|$)/i.test(value));
}

/** Whether a request asks for a WebSocket and nothing else, in the one way in which all read it. */
export function isAsked(method: string, version: string, rawHeaders: readonly string[]): boolean {
  if (method !== 'GET' || version !== '1.1') return false;
  const [protocol, ...others] = linesOf(rawHeaders, 'upgrade');
  if (protocol?.toLowerCase() !== 'websocket' || others.length > 0) return false;
  if (linesOf(rawHeaders, 'transfer-encoding').length > 0) return false;
  return linesOf(rawHeaders, 'content-length').every((length) => Number(length) === 0);
}

/** The key of a handshake. @throws REQUEST_MALFORMED – there is none, or several, or it is no key */
export function keyOf(rawHeaders: readonly string[]): string {
  const [key, ...others] = linesOf(rawHeaders, 'sec-websocket-key');
  if (key === undefined || others.length > 0 || !/^[A-Za-z0-9+/]{21}[AQgw]==$/.test(key)) {
    throw new FareboxError('REQUEST_MALFORMED', 'A WebSocket begins with one Sec-WebSocket-Key of 16 bytes.');
  }
  return key;
}

/** Why an upstream's 101 is no answer to the handshake with this key; undefined where it is one. */
export function whyNoAnswer(headers: readonly string[], key: string): string | undefined {
  const protocols = linesOf(headers, 'upgrade');
  if (protocols.length !== 1 || protocols[0]?.toLowerCase() !== 'websocket') return 'another protocol than was asked for';
  const options = linesOf(headers, 'connection').join(',').split(',');
  if (!options.some((option) => option.trim().toLowerCase() === 'upgrade')) return 'a 101 that does not end HTTP';
  const accepted = linesOf(headers, 'sec-websocket-accept');
  if (accepted.length !== 1 || accepted[0] !== acceptOf(key)) return 'a 101 that answers another handshake';
  return undefined;
}

/** What a server says to a key. */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}
