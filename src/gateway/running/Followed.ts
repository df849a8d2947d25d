/**
 * An answer that goes on: its head and its body at once, and then what follows, text by text, until that ends or its client has gone.
 */
import type { Answer } from '../../http/RequestView.ts';
import type { Reply } from '../Reply.ts';

/** Sends it. The answer says who ended it. @param texts - what follows; its signal aborts when the client has gone */
export async function sendFollowed(
  reply: Reply,
  { status, headers, body }: Answer,
  texts: (gone: AbortSignal) => AsyncIterable<string>,
): Promise<'answered' | 'client-left'> {
  const gone = new AbortController();
  let hasEnded = false;
  const onClose = () => {
    if (!hasEnded) gone.abort();
  };
  reply.follow({ onSent: () => {}, onDrain: () => {}, onClose });
  if (reply.isGone) return 'client-left';
  reply.begin(status, headers.flat());
  reply.write(Buffer.from(body));
  for await (const text of texts(gone.signal)) {
    if (gone.signal.aborted) break;
    reply.write(text);
  }
  if (gone.signal.aborted) return 'client-left';
  hasEnded = true;
  reply.end(undefined, []);
  return 'answered';
}
