/**
 * Which HTTP a client speaks on a connection in the clear: HTTP/2 begins with a text that is no request of HTTP/1.1.
 *
 * @see RFC 9113, sections 3.3 and 3.4
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../core/Clock.ts';

/** What every connection of HTTP/2 begins with. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/**
 * Looks at the first bytes of a connection, which are then there to be read again, by a connection that is paused. One that says nothing within `ms` is ended.
 * @param then - told once: whether it is HTTP/2
 */
export function readPreface(socket: Socket, clock: Clock, ms: number, then: (isHttp2: boolean) => void): void {
  const beganAtMs = clock.nowMs();
  let known = 0;
  const give = (isHttp2: boolean) => {
    socket.off('data', onData).off('end', end).off('timeout', end).off('error', end).setTimeout(0);
    then(isHttp2);
  };
  const end = () => socket.destroy();
  const onData = (chunk: Buffer) => {
    const count = Math.min(chunk.length, preface.length - known);
    const isLike = preface.compare(chunk, 0, count, known, known + count) === 0;
    socket.pause();
    const bytes = known === 0 ? chunk : Buffer.concat([preface.subarray(0, known), chunk]);
    if (isLike && bytes.length < preface.length) {
      // Not one byte more at a time than there is time in all.
      if (clock.nowMs() - beganAtMs > ms) return end();
      known = bytes.length;
      socket.resume();
      return;
    }
    socket.unshift(bytes);
    give(isLike);
  };
  socket.on('data', onData).on('end', end).on('timeout', end).on('error', end).setTimeout(ms);
}
