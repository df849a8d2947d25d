/**
 * Answers that come item by item: Server-Sent Events, JSON lines, or CSV (RFC 4180) with a line of names first.
 */
import type { z } from 'zod';
import type { Clock } from '../../core/Clock.ts';

/** So often a line that says nothing keeps a stream of events open. */
const keepAliveMs = 15_000;

const types = { events: 'text/event-stream', rows: 'application/x-ndjson', csv: 'text/csv; charset=utf-8' } as const;

/** Items as a body. `stop` aborts when nobody reads it any more. */
export function streamed(
  items: AsyncIterable<unknown>,
  form: keyof typeof types,
  schema: z.ZodObject,
  { clock, stop, onFault }: { readonly clock: Clock; readonly stop: AbortController; readonly onFault: (error: unknown) => void },
): { readonly type: string; readonly body: ReadableStream<Uint8Array> } {
  const encoder = new TextEncoder();
  const columns = Object.keys(schema.shape);
  const format = (item: unknown) =>
    form === 'csv' ? csvLine(columns.map((name) => (item as { readonly [name: string]: unknown })[name])) : jsonLine(item, form);
  const iterator = items[Symbol.asyncIterator]();
  let forget = () => {};
  let isOver = false;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      if (form === 'csv') controller.enqueue(encoder.encode(csvLine(columns)));
      if (form !== 'events') return;
      const remind = () => {
        controller.enqueue(encoder.encode(':\n\n'));
        forget = clock.after(keepAliveMs, remind);
      };
      // The first one lets the head of the answer go out.
      remind();
    },
    pull: async (controller) => {
      try {
        const { done, value } = await iterator.next();
        // Nobody reads any more: there is nothing to close.
        if (isOver) return;
        if (!done) return controller.enqueue(encoder.encode(format(value)));
        forget();
        controller.close();
      } catch (error) {
        forget();
        if (isOver) return;
        onFault(error);
        controller.error(error);
      }
    },
    cancel: async () => {
      isOver = true;
      forget();
      stop.abort();
      await iterator.return?.();
    },
  });
  return { type: types[form], body };
}

function jsonLine(item: unknown, form: 'events' | 'rows'): string {
  const json = JSON.stringify(item);
  return form === 'events' ? `data: ${json}\n\n` : `${json}\n`;
}

/** What a spreadsheet would take for a formula is a text. */
function csvLine(values: readonly unknown[]): string {
  const cells = values.map((value) => {
    const text = value === null || value === undefined ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);
    const safe = typeof value === 'string' && /^[=+@\t\r]|^-(?!\d+$)/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  });
  return `${cells.join(',')}\r\n`;
}
