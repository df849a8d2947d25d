/**
 * Reads the bodies of answers that no caller gets to see: so much and so long, whatever the server sends.
 */
import type { Clock } from '../core/Clock.ts';
import { concat, toUtf8 } from '../core/internal/bytes.ts';

/** Longest body that is read, in bytes. */
export const maxBytes = 65_536;

/** Longest time that is spent on one. */
const maxMs = 2000;

/**
 * The JSON of a short body that says that it is JSON; undefined for any other. The body has ended or been cancelled when it returns.
 */
export async function readJson(response: Response, clock: Clock): Promise<unknown> {
  const isJson = /^application\/(?:[^;\s]+\+)?json\b/i.test(response.headers.get('Content-Type') ?? '');
  const bytes = await read(response, clock);
  const text = isJson && bytes ? toUtf8(bytes) : undefined;
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Reads and drops a short body, so that its connection can be used again; cancels a long one. */
export async function drain(response: Response, clock: Clock): Promise<void> {
  await read(response, clock);
}

/** The body, or undefined where it is too long, too slow or breaks off. */
async function read(response: Response, clock: Clock): Promise<Uint8Array | undefined> {
  const reader = response.body?.getReader();
  if (!reader) return new Uint8Array();
  let length = 0;
  const chunks: Uint8Array[] = [];
  const cancel = () => void reader.cancel().catch(() => undefined);
  let late = false;
  const callOff = clock.after(maxMs, () => {
    late = true;
    cancel();
  });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (late) return undefined;
      if (done) return concat(...chunks);
      length += value.byteLength;
      if (length > maxBytes) {
        cancel();
        return undefined;
      }
      chunks.push(value);
    }
  } catch {
    return undefined;
  } finally {
    callOff();
  }
}
