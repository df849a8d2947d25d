/**
 * Calls operations of a gateway over HTTP: what the command line and the tools of agents stand on.
 */
import { type Code, codes, FareboxError } from '../core/Errors.ts';
import { isLoopback } from '../gateway/ConfigFields.ts';
import { methodOf, type Operation, pathOf } from './Operation.ts';

/** See the head of this file. */
export type AdminClient = {
  /** @throws what admin refuses; REQUEST_FAILED – it cannot be reached, or answers what it should not */
  readonly call: (operation: Operation, input: object, signal?: AbortSignal) => Promise<{ readonly [name: string]: unknown }>;
  /** The items of a stream, as they come. @throws as `call` */
  readonly items: (operation: Operation & { readonly kind: 'stream' }, input: object, signal?: AbortSignal) => AsyncIterable<unknown>;
};

/** What a client needs. */
export type AdminClientOptions = {
  /** Such as `http://127.0.0.1:8406`. */
  readonly url: string;
  readonly token: string;
  /** Default: the runtime's. */
  readonly fetch?: (request: Request) => Promise<Response>;
};

/** Whether nobody on the way reads what is sent to a URL: it goes over TLS, or stays on this machine. */
export function isUnread(url: string): boolean {
  const { protocol, hostname } = URL.canParse(url) ? new URL(url) : { protocol: '', hostname: '' };
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname.replace(/^\[(.*)\]$/, '$1')));
}

/** Whoever reads a token could do what it may. @throws CONFIG_INVALID – it could be read on the way to that URL */
export function assertUnread(url: string): void {
  if (isUnread(url)) return;
  throw new FareboxError(
    'CONFIG_INVALID',
    `No token is sent to ${url.slice(0, 200)}: anybody on the way could read it. Name admin by https, or by a tunnel to this machine, such as http://127.0.0.1:8406.`,
  );
}

/** See the head of this file. @throws CONFIG_INVALID – see `assertUnread` */
export function createAdminClient({ url, token, fetch: ask = fetch }: AdminClientOptions): AdminClient {
  assertUnread(url);
  const send = async (operation: Operation, input: object, signal?: AbortSignal): Promise<Response> => {
    const request = requestOf(operation, input, { url, token, signal });
    let answer: Response;
    try {
      answer = await ask(request);
    } catch (error) {
      if (signal?.aborted) throw new FareboxError('REQUEST_ABORTED', 'It was called off.', { cause: error });
      throw new FareboxError('REQUEST_FAILED', `No gateway answers at ${url}. Is it running, with "admin" in its configuration?`, { cause: error });
    }
    if (!answer.ok) throw await refusalOf(answer);
    return answer;
  };
  return {
    call: async (operation, input, signal) => {
      const answer = await send(operation, input, signal);
      const value: unknown = await answer.json().catch(() => undefined);
      if (typeof value !== 'object' || value === null) throw new FareboxError('REQUEST_FAILED', `What answers at ${url} is no admin of Farebox.`);
      return value as { readonly [name: string]: unknown };
    },
    items: async function* (operation, input, signal) {
      const answer = await send(operation, input, signal);
      for await (const line of linesOf(answer)) {
        const json = operation.form === 'events' ? /^data: (.*)$/.exec(line)?.[1] : line;
        if (json !== undefined && json !== '') yield JSON.parse(json) as unknown;
      }
    },
  };
}

/** A call as a request: input in the query, or as JSON. */
export function requestOf(
  operation: Operation,
  input: object,
  { url, token, signal }: { readonly url: string; readonly token: string; readonly signal?: AbortSignal | undefined },
): Request {
  const at = new URL(pathOf(operation), url);
  const headers = { Authorization: `Bearer ${token}`, Accept: 'application/json' };
  const init = { headers, redirect: 'error' as const, ...(signal && { signal }) };
  if (methodOf(operation) === 'POST') {
    return new Request(at, { ...init, method: 'POST', headers: { ...headers, 'Content-Type': 'application/json' }, body: JSON.stringify(input) });
  }
  for (const [name, value] of Object.entries(input)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) at.searchParams.append(name, typeof one === 'object' ? JSON.stringify(one) : String(one));
  }
  return new Request(at, init);
}

/** A refusal, as it was thrown there. */
async function refusalOf(answer: Response): Promise<FareboxError> {
  const problem = (await answer.json().catch(() => ({}))) as { readonly code?: unknown; readonly detail?: unknown; readonly mistakes?: unknown };
  const { code, detail, mistakes } = problem;
  const known = typeof code === 'string' && Object.hasOwn(codes, code) ? (code as Code) : 'REQUEST_FAILED';
  const message = typeof detail === 'string' ? detail : `The gateway answered ${answer.status}.`;
  const details = Array.isArray(mistakes) ? { mistakes: mistakes.map(String) } : {};
  return new FareboxError(known, message, { details });
}

async function* linesOf(answer: Response): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of answer.body ?? []) {
    const lines = `${rest}${decoder.decode(chunk as Uint8Array, { stream: true })}`.split('\n');
    rest = lines.pop() as string;
    yield* lines;
  }
  if (rest !== '') yield rest;
}
