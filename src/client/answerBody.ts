/**
 * An answer whose body tells how it ended: what buys one answer is used up when that answer has come whole, not when it began.
 *
 * @see docs/wire.md, "The client"
 */

import { type Deadline, within } from '../core/Clock.ts';

/** Told of a body as it is read. */
export type BodyWatch = {
  readonly onPart?: () => void;
  /** Called once. `isWhole`: read to its end, and not broken off by either side. The reader hears of the end when the promise resolves. */
  readonly onEnd?: (isWhole: boolean) => Promise<void>;
  /** How long the reader may wait for a part; then the answer breaks off with the error that `late` makes. */
  readonly idle?: Pick<Deadline, 'clock' | 'ms' | 'late'>;
};

/**
 * The same answer, its body watched; undefined where no answer like it can be made (a status or a phrase that `Response` does not take):
 * the caller then gets the answer as it is. Nothing is read before the caller reads.
 */
export function watchBody(response: Response, body: ReadableStream<Uint8Array>, { onPart, onEnd, idle }: BodyWatch): Response | undefined {
  const { status, statusText, headers, url } = response;
  try {
    new Response('', { status, statusText, headers });
  } catch {
    return undefined;
  }
  const reader = body.getReader();
  let isOver = false;
  const end = async (isWhole: boolean) => {
    if (isOver) return;
    isOver = true;
    await onEnd?.(isWhole);
  };
  /** The next part that has any bytes, or undefined at the end. */
  const next = async (): Promise<Uint8Array | undefined> => {
    for (;;) {
      const part = await (idle ? within({ ...idle, keepAlive: true }, () => reader.read()) : reader.read());
      if (part.done) return undefined;
      if (!ArrayBuffer.isView(part.value)) throw new TypeError('a part of the answer is not bytes');
      if (part.value.byteLength > 0) return part.value;
    }
  };
  const watched = new ReadableStream({
    type: 'bytes',
    pull: async (controller) => {
      const part = await next().catch(async (error: unknown) => {
        if (idle) void reader.cancel(error).catch(() => undefined);
        await end(false);
        throw error;
      });
      // Whoever reads no further ends a read that is under way, and that is no end of the answer.
      if (isOver) return;
      if (part) {
        onPart?.();
        // A copy: a stream of bytes takes its parts from whoever made them, and a pool's are not to be taken.
        controller.enqueue(new Uint8Array(part));
        return;
      }
      await end(true);
      controller.close();
      // A reader that brought a buffer of its own gets it back.
      controller.byobRequest?.respond(0);
    },
    cancel: async (reason) => {
      const told = end(false);
      try {
        await reader.cancel(reason);
      } finally {
        await told;
      }
    },
  });
  return withUrl(new Response(watched, { status, statusText, headers }), url);
}

/** An answer made by hand has no address, and neither would its copies. */
function withUrl(response: Response, url: string): Response {
  const clone = () => withUrl(Response.prototype.clone.call(response), url);
  return Object.defineProperties(response, { url: { value: url }, clone: { value: clone } });
}
