/**
 * Takes one long answer over HTTP/1.1 and throws it away; says how long it took, in nanoseconds, from the request to the last byte.
 */
import { connect } from 'node:net';
import { serve } from '../harness/Program.ts';

/** What to fetch: the bytes of the request, and how many bytes its body has to have. */
export type StreamDrive = { readonly port: number; readonly request: string; readonly bytes: number };

serve(() => ({ ready: undefined, answer: (drive: StreamDrive) => take(drive) }));

function take({ port, request, bytes }: StreamDrive): Promise<number> {
  return new Promise((resolve, reject) => {
    const begunAt = process.hrtime.bigint();
    let head = '';
    let taken = -1;
    const buffer = Buffer.allocUnsafeSlow(262_144);
    const socket = connect({
      port,
      host: '127.0.0.1',
      onread: {
        buffer,
        callback: (count) => {
          if (taken >= 0) taken += count;
          else {
            head += buffer.toString('latin1', 0, count);
            const end = head.indexOf('\r\n\r\n');
            if (end >= 0) taken = head.length - end - 4;
          }
          if (taken < bytes) return true;
          socket.destroy();
          if (head.startsWith('HTTP/1.1 200 ')) resolve(Number(process.hrtime.bigint() - begunAt));
          else reject(new Error(`not an answer: ${head.slice(0, 40)}`));
          return false;
        },
      },
    });
    socket.on('error', reject);
    socket.on('end', () => reject(new Error(`${taken} of ${bytes} bytes came`)));
    socket.write(request, 'latin1');
  });
}
