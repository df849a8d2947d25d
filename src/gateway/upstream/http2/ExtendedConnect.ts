/**
 * A WebSocket to an upstream over one stream of HTTP/2: what the gateway has as a handshake of HTTP/1.1, said as CONNECT, and the answer said
 * as the 101 that it would be.
 *
 *     :method: CONNECT · :protocol: websocket · :path: /live          :status: 200
 *
 * @see RFC 8441, sections 4 and 5
 */
import { linesOf } from '../../../http/NodeRequest.ts';
import { acceptOf } from '../../tunnel/Handshake.ts';

/** What stands in a handshake of HTTP/1.1 alone. */
export const ofHandshake: ReadonlySet<string> = new Set(['sec-websocket-key', 'content-length']);

/**
 * An answer that lets in, as over HTTP/1.1: with the right answer to the key, which nobody sees over HTTP/2.
 * @param fields - of the answer; @param asked - of the request; names and values in turn
 */
export function asSwitch(fields: readonly string[], asked: readonly string[]): readonly string[] {
  const [key = ''] = linesOf(asked, 'sec-websocket-key');
  const lines = ['Connection', 'Upgrade', 'Upgrade', 'websocket', 'Sec-WebSocket-Accept', acceptOf(key)];
  for (let index = 0; index < fields.length; index += 2) {
    if (!notInSwitch.has(fields[index] as string)) lines.push(fields[index] as string, fields[index + 1] as string);
  }
  return lines;
}

/** What frames a body is ignored where there is none. @see RFC 9110, section 9.3.6 */
const notInSwitch: ReadonlySet<string> = new Set(['sec-websocket-accept', 'content-length', 'transfer-encoding', 'connection', 'upgrade']);
