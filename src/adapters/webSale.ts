/**
 * Carries a sale on a web `Response`: tells the sale how its body ended, and keeps an answer whose client has left.
 */
import type { Clock } from '../core/Clock.ts';
import { absentSeconds, maxKeptAnswerBytes, type Sale } from '../server/terms/Terms.ts';
import type { StoredAnswer } from '../store/Store.ts';

/** The same request, whose body `see` is shown as a handler reads it: a body is never held in memory. */
export function tapBody(request: Request, see: (chunk: Uint8Array) => void): Request {
  if (request.body === null || request.bodyUsed) return request;
  const seen = new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      see(chunk);
      controller.enqueue(chunk);
    },
  });
  return new Request(request, { body: request.body.pipeThrough(seen), duplex: 'half' } as RequestInit);
}

/** The whole body of a request, at most `limit` bytes (undefined where it is longer), which can still be read afterwards. */
export async function peekBody(request: Request, limit: number): Promise<Uint8Array | undefined> {
  if (request.body === null || request.bodyUsed) return new Uint8Array(0);
  const bytes = await readAtMost(request.clone().body as ReadableStream<Uint8Array>, limit);
  return bytes;
}

/** The same answer; the sale is told whether its body went out whole, broke on this side, or was given up by the client. */
export function followBody(response: Response, sale: Sale, clock: Clock, onTrouble: (error: unknown) => void): Response {
  const { body } = response;
  const end = (how: Parameters<Sale['end']>[0]) => sale.end(how)?.catch(onTrouble);
  if (body === null) {
    void end('delivered');
    return response;
  }
  const reader = body.getReader();
  // Whoever drops an answer unread says nothing: an answer that nobody reads for so long has no reader.
  let cancelIdle = () => {};
  const rearm = () => {
    cancelIdle();
    cancelIdle = clock.after(absentSeconds * 1000, () => void end('client-left'));
  };
  rearm();
  const followed = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      cancelIdle();
      try {
        const { done, value } = await reader.read();
        if (!done) {
          rearm();
          return controller.enqueue(value);
        }
        await end('delivered');
        controller.close();
      } catch (error) {
        await end('upstream-broke');
        controller.error(error);
      }
    },
    cancel: async (reason) => {
      cancelIdle();
      await end('client-left');
      await reader.cancel(reason).catch(() => {});
    },
  });
  return new Response(followed, { status: response.status, statusText: response.statusText, headers: response.headers });
}

/** An answer as it is kept, or undefined where it is larger than what is kept. */
export async function readBounded(response: Response): Promise<StoredAnswer | undefined> {
  const body = response.body === null ? new Uint8Array(0) : await readAtMost(response.body, maxKeptAnswerBytes);
  return body && { status: response.status, headers: [...response.headers], body };
}

/** Everything that a stream gives, or undefined where that is over the limit; the rest of it is then called off. */
async function readAtMost(stream: ReadableStream<Uint8Array>, limit: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > limit) return undefined;
    chunks.push(chunk);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
