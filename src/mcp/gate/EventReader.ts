/**
 * Reads a stream of server-sent events, chunk by chunk.
 *
 *     id: 7⏎ event: message⏎ data: {…}⏎ ⏎
 *
 * @see WHATWG HTML, "Server-sent events", "Interpreting an event stream"
 */
import { StringDecoder } from 'node:string_decoder';

/** One event. `data`: its lines, joined. */
export type StreamEvent = { readonly id: string | undefined; readonly event: string | undefined; readonly data: string };

/**
 * A reader of one stream.
 * @param maxLength - characters of an event; a longer one throws
 */
export function createEventReader(maxLength: number, onEvent: (event: StreamEvent) => void): { readonly take: (chunk: Buffer) => void } {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let isFirst = true;
  /** The last chunk ended with a CR: an LF that comes next belongs to it. */
  let endedWithReturn = false;
  let id: string | undefined;
  let event: string | undefined;
  let data: string[] = [];
  let length = 0;

  const tooLong = () => new Error(`an event is longer than ${maxLength} characters`);
  const end = () => {
    if (id !== undefined || data.length > 0) onEvent({ id, event, data: data.join('\n') });
    id = undefined;
    event = undefined;
    data = [];
    length = 0;
  };
  const readLine = (line: string) => {
    if (line === '') return end();
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    // With its end: lines that say nothing are held as well.
    length += line.length + 1;
    if (length > maxLength) throw tooLong();
    if (field === 'data') data.push(value);
    else if (field === 'event') event = value === '' ? undefined : value;
    else if (field === 'id' && !value.includes('\0')) id = value;
  };
  return {
    take: (chunk) => {
      let text = rest + decoder.write(chunk);
      if (text === '') return;
      if (isFirst && text.startsWith('\uFEFF')) text = text.slice(1);
      isFirst = false;
      let from = endedWithReturn && text[0] === '\n' ? 1 : 0;
      endedWithReturn = false;
      for (let at = nextBreak(text, from); at >= 0; at = nextBreak(text, from)) {
        readLine(text.slice(from, at));
        from = at + 1;
        if (text[at] === '\r' && text[from] === '\n') from += 1;
        else if (text[at] === '\r' && from === text.length) endedWithReturn = true;
      }
      rest = text.slice(from);
      if (length + rest.length > maxLength) throw tooLong();
    },
  };
}

function nextBreak(text: string, from: number): number {
  const feed = text.indexOf('\n', from);
  const back = text.indexOf('\r', from);
  return feed < 0 ? back : back < 0 ? feed : Math.min(feed, back);
}
