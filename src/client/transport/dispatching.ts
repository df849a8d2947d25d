/**
 * Requests that go out through undici's `dispatch`, as a `fetch`: so the engine that pays needs to know of no other.
 */
import type { Dispatcher } from 'undici';
import type { Fetch } from '../Outgoing.ts';

/** Where the bytes of an answer go as they come. */
export type Sink = { readonly push: (chunk: Uint8Array) => void; readonly end: () => void; readonly fail: (error: Error) => void };

/** An answer whose body is still to come, and where it is put. */
export function responseOf(
  controller: Dispatcher.DispatchController,
  status: number,
  headers: IncomingHeaders,
  statusText = '',
): { response: Response; sink: Sink } {
  let stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  let isOver = false;
  const body = new ReadableStream<Uint8Array>(
    {
      start: (opened) => {
        stream = opened;
      },
      pull: () => controller.resume(),
      cancel: () => {
        isOver = true;
        controller.abort(new Error('the answer is not wanted'));
      },
    },
    { highWaterMark: 65_536, size: (chunk) => chunk.byteLength },
  );
  const sink: Sink = {
    push: (chunk) => {
      if (isOver) return;
      stream?.enqueue(new Uint8Array(chunk));
      if ((stream?.desiredSize ?? 1) <= 0) controller.pause();
    },
    end: () => {
      if (!isOver) stream?.close();
      isOver = true;
    },
    fail: (error) => {
      if (!isOver) stream?.error(error);
      isOver = true;
    },
  };
  const isEmpty = status === 204 || status === 205 || status === 304;
  return { response: new Response(isEmpty ? null : body, { status, statusText, headers: toHeaders(headers) }), sink };
}

type IncomingHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** A `fetch` over `dispatch`. `options`: what else the caller said of the request. `use` is told of each controller. */
export function fetchOver(
  dispatch: Dispatcher.Dispatch,
  options: Dispatcher.DispatchOptions,
  use: (controller: Dispatcher.DispatchController, context: unknown) => void,
): Fetch {
  return (_, { headers, body, signal }) =>
    new Promise((resolve, reject) => {
      let sink: Sink | undefined;
      const flat = [...new Headers(headers)].flat();
      dispatch(
        { ...options, headers: flat, body: (body ?? null) as Dispatcher.DispatchOptions['body'] & {} },
        {
          onRequestStart: (controller, context) => {
            use(controller, context);
            if (signal?.aborted) controller.abort(signal.reason);
            else signal?.addEventListener('abort', () => controller.abort(signal.reason), { once: true });
          },
          onResponseStart: (controller, status, incoming, statusText) => {
            // What informs beforehand is no answer.
            if (status < 200) return;
            const made = responseOf(controller, status, incoming, statusText);
            sink = made.sink;
            resolve(made.response);
          },
          onResponseData: (_controller, chunk) => sink?.push(chunk),
          onResponseEnd: () => sink?.end(),
          onResponseError: (_controller, error) => (sink ? sink.fail(error) : reject(error)),
        },
      );
    });
}

/** Headers as `dispatch` takes them, in one form. */
export function toHeaders(given: Dispatcher.DispatchOptions['headers']): Headers {
  const headers = new Headers();
  for (const [name, value] of pairsOf(given ?? {}))
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) headers.append(name, String(one));
  return headers;
}

function pairsOf(given: NonNullable<Dispatcher.DispatchOptions['headers']>): Iterable<readonly [string, unknown]> {
  if (Array.isArray(given) && !Array.isArray(given[0])) return given.flatMap((name, at) => (at % 2 === 0 ? [[String(name), given[at + 1]] as const] : []));
  if (Symbol.iterator in given) return given as Iterable<readonly [string, unknown]>;
  return Object.entries(given);
}

/** Headers as a handler of `dispatch` is given them. */
export function fromHeaders(headers: Headers): Record<string, string | string[]> {
  const cookies = headers.getSetCookie();
  return { ...Object.fromEntries(headers), ...(cookies.length > 0 && { 'set-cookie': cookies }) };
}
