/**
 * An answer as a model gets to see it: so much of it and no more, as text or, where it is none, in base64.
 */
import { concat, toBase64 } from '../../core/internal/bytes.ts';
import { plain } from './outside.ts';

/** What came, and how it is written down. */
export type Answer = {
  readonly status: number;
  /** As the server calls it; '' where it does not. */
  readonly contentType: string;
  readonly encoding: 'text' | 'base64';
  /** Whatever the server wrote. */
  readonly content: string;
  /** Length of the body in bytes, as far as it was read. */
  readonly bytes: number;
  /** Whether more came than `content` holds. */
  readonly isCut: boolean;
};

/** What is read of an answer that is longer than what is shown: so that a credential that buys one answer is used up by it, and free for no other. */
const maxReadBytes = 16 * 1024 * 1024;

/**
 * Reads an answer to its end.
 * @param maxChars - what is kept of it, in characters as they are written down
 */
export async function readAnswer(response: Response, maxChars: number): Promise<Answer> {
  const contentType = plain(response.headers.get('Content-Type') ?? '', 100);
  // No character takes more than four bytes.
  const { head, bytes } = await readHead(response, maxChars * 4);
  const text = isText(contentType) ? decode(head, contentType) : contentType === '' ? decode(head, '') : undefined;
  const common = { status: response.status, contentType, bytes };
  if (text !== undefined) return { ...common, encoding: 'text', content: cut(text, maxChars), isCut: text.length > maxChars || bytes > head.byteLength };
  const shown = head.subarray(0, Math.floor(maxChars / 4) * 3);
  return { ...common, encoding: 'base64', content: toBase64(shown), isCut: bytes > shown.byteLength };
}

async function readHead(response: Response, maxBytes: number): Promise<{ readonly head: Uint8Array; readonly bytes: number }> {
  const reader = response.body?.getReader();
  const parts: Uint8Array[] = [];
  let [kept, bytes] = [0, 0];
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.byteLength;
    if (kept < maxBytes) {
      parts.push(value.subarray(0, maxBytes - kept));
      kept += Math.min(value.byteLength, maxBytes - kept);
    }
    if (bytes > maxReadBytes) {
      await reader.cancel();
      break;
    }
  }
  return { head: concat(...parts), bytes };
}

function isText(contentType: string): boolean {
  return /^(?:text\/|application\/(?:[\w.-]+\+)?(?:json|xml|yaml|x-yaml|javascript|x-ndjson|jsonl|graphql|x-www-form-urlencoded)\b|image\/svg\+xml\b)/i.test(
    contentType,
  );
}

/** The text, or undefined where these bytes are none: what is cut in the middle of a character is still text. */
function decode(bytes: Uint8Array, contentType: string): string | undefined {
  const [, charset = 'utf-8'] = /;\s*charset="?([\w.:-]{1,40})/i.exec(contentType) ?? [];
  try {
    const text = new TextDecoder(charset, { fatal: contentType === '' }).decode(bytes, { stream: true });
    return contentType === '' && text.includes('\u0000') ? undefined : text;
  } catch {
    return undefined;
  }
}

/** No half of a pair of code units is left at the end. */
function cut(text: string, maxChars: number): string {
  const end = text.length > maxChars && /[\uD800-\uDBFF]/.test(text.charAt(maxChars - 1)) ? maxChars - 1 : maxChars;
  return text.slice(0, end);
}
