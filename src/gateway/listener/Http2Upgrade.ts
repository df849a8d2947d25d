/**
 * A WebSocket over one stream of HTTP/2: asked for by CONNECT, let in by 200, and without the key and its answer that HTTP/1.1 has.
 *
 * @see RFC 8441, section 5
 */
import type { ServerHttp2Stream } from 'node:http2';
import { systemRandom } from '../../core/Clock.ts';
import type { Upgrade } from '../Reply.ts';
import * as Wire from '../tunnel/Wire.ts';
import type { Http2Reply } from './Http2Reply.ts';

/** @param onAccepted - told when the stream is a tunnel's */
export function upgradeOf(stream: ServerHttp2Stream, reply: Http2Reply, onAccepted: () => void): Upgrade {
  return {
    key: Buffer.from(systemRandom(16)).toString('base64'),
    isKeyOurs: true,
    status: 200,
    accept: (headers) => {
      const lines: string[] = [];
      for (let index = 0; index < headers.length; index += 2) {
        const name = headers[index] as string;
        if (name.toLowerCase() !== 'sec-websocket-accept') lines.push(name, headers[index + 1] as string);
      }
      reply.begin(200, lines);
      reply.flush();
      onAccepted();
      return Wire.over(stream, () => reply.breakOff());
    },
  };
}
