/**
 * Carries a sale on a web `Response`: tells the sale how its body ended, and keeps an answer whose client has left.
 */

import { maxKeptAnswerBytes, type Sale } from '../server/terms/Terms.ts';
import type { StoredAnswer } from '../store/Store.ts';

/** The whole body of a request, which can still be read afterwards. */
export async function bodyOf(request: Request): Promise<Uint8Array> {
  if (request.body === null || request.bodyUsed) return new Uint8Array(0);
  return new Uint8Array(await request.clone().arrayBuffer());
}

/** The same answer; the sale is told whether its body went out whole, broke on this side, or was given up by the client. */
export function followBody(response: Response, sale: Sale, onTrouble: (error: unknown) => void): Response {
  const { body } = response;
  if (body === null) {
    void sale.end('delivered').catch(onTrouble);
    return response;
  }
  const reader = body.getReader();
  const followed = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        await sale.end('delivered').catch(onTrouble);
        controller.close();
      } catch (error) {
        await sale.end('upstream-broke').catch(onTrouble);
        controller.error(error);
      }
    },
    cancel: async (reason) => {
      await sale.end('client-left').catch(onTrouble);
      await reader.cancel(reason).catch(() => {});
    },
  });
  return new Response(followed, { status: response.status, statusText: response.statusText, headers: response.headers });
}

/** An answer as it is kept, or undefined where it is larger than what is kept. */
export async function readBounded(response: Response): Promise<StoredAnswer | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size <= maxKeptAnswerBytes) chunks.push(chunk);
  }
  if (size > maxKeptAnswerBytes) return undefined;
  const body = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return { status: response.status, headers: [...response.headers], body };
}
