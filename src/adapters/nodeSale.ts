/**
 * Carries a sale on a Node response that a handler writes as it likes: the first byte is held back until the sale is durable, and how the
 * answer ended is told to the sale. It decides nothing.
 *
 * Meanwhile the response behaves as it would without us: the head stands from the handler's first word on, a mistake is thrown where it is
 * made, and whoever wraps `write` and `end` behind the paywall (compression, sessions) wraps them for good.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { isHopByHop } from '../http/headers.ts';
import { type Answer, isSafe } from '../http/RequestView.ts';
import * as Answers from '../server/Answers.ts';
import { absentSeconds, maxKeptAnswerBytes, type Sale } from '../server/terms/Terms.ts';

/** What carrying needs. */
export type CarryContext = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The client's connection, taken before a handler reads the request to its end and lets go of it. */
  readonly socket: Socket;
  readonly clock: Clock;
  /** Told of errors that came too late to be answered. */
  readonly onTrouble: (error: unknown) => void;
};

/** Sends a whole answer; to `HEAD` without its body. Headers are set one by one: an array for `writeHead` is misread by what wraps it. */
export function send({ request, response }: Pick<CarryContext, 'request' | 'response'>, answer: Answer, { writeHead, end }: Writing = response): void {
  const body = Buffer.from(answer.body);
  const lines = new Map<string, string[]>();
  for (const [name, value] of answer.headers) lines.set(name.toLowerCase(), [...(lines.get(name.toLowerCase()) ?? []), value]);
  for (const [name] of answer.headers) {
    const values = lines.get(name.toLowerCase()) as string[];
    response.setHeader(name, values.length === 1 ? (values[0] as string) : values);
  }
  if (answer.status === 204 || answer.status === 304) response.removeHeader('Content-Length');
  else response.setHeader('Content-Length', String(body.length));
  (writeHead as Call).call(response, answer.status);
  (end as Call).call(response, request.method === 'HEAD' ? undefined : body);
}

/** Adds headers to the answer if it is a success (a status below 400). */
export function addOnSuccess(response: ServerResponse, headers: Answer['headers']): void {
  const { writeHead } = response;
  response.writeHead = ((status: number, ...rest: unknown[]) => {
    if (status < 400) for (const [name, value] of headers) response.setHeader(name, value);
    return (writeHead as Call).call(response, status, ...rest);
  }) as typeof writeHead;
}

/** Tells the sale how an answer that was begun has ended. */
export function followEnd(context: CarryContext, sale: Sale, client: Client = watchClient(context)): void {
  const { response, onTrouble } = context;
  if (response.destroyed) return void sale.end('client-left')?.catch(onTrouble);
  response.once('finish', () => void sale.end('delivered')?.catch(onTrouble));
  response.once('close', () => {
    if (!response.writableFinished) void sale.end(client.brokeOff() ? 'upstream-broke' : 'client-left')?.catch(onTrouble);
  });
}

/** Holds back what the handler writes until `sale.head` has said what follows from it; keeps it where the client has left before. */
export function carry(context: CarryContext, sale: Sale): void {
  const { request, response, onTrouble } = context;
  const plain: Writing = { writeHead: response.writeHead, write: response.write, end: response.end, flushHeaders: response.flushHeaders };
  const client = watchClient(context);
  let held: (readonly [name: keyof Writing, args: readonly unknown[]])[] = [];
  let phase: 'waiting' | 'deciding' | 'open' | 'absent' | 'muted' = 'waiting';
  let kept: KeptAnswer | undefined;
  let thaw = () => {};

  const pass = (name: keyof Writing, args: readonly unknown[]): unknown => {
    const answer = (plain[name] as Call).apply(response, args as unknown[]);
    if (name === 'write') client.onWrite(answer);
    return answer;
  };
  const open = (headers: Answer['headers']) => {
    thaw();
    for (const [name, value] of headers) response.setHeader(name, value);
    phase = 'open';
    followEnd(context, sale, client);
    try {
      for (const [name, args] of held) pass(name, args);
    } catch (error) {
      // Nothing that a handler wrote may end the process, nor be paid for where it cannot be sent.
      onTrouble(error);
      response.destroy();
    }
    held = [];
    if (!response.writableNeedDrain) response.emit('drain');
  };
  const replace = (error: FareboxError) => {
    thaw();
    phase = 'muted';
    held = [];
    if (response.headersSent) response.destroy();
    else if (!response.destroyed) {
      for (const name of response.getHeaderNames()) response.removeHeader(name);
      send(context, Answers.refusal(error), plain);
    }
    // Whoever waits for room writes on, into nothing.
    response.emit('drain');
  };
  const decide = async (status: number) => {
    try {
      const head = await sale.head(status);
      if (head.kind === 'lost') replace(Answers.inUse());
      else open(head.headers);
    } catch (error) {
      onTrouble(error);
      replace(FareboxError.is(error, 'STORE_UNAVAILABLE') ? error : Answers.notWritten(error));
      // Nothing was sent: what can still be given back is given back.
      await sale.unanswered('upstream').catch(onTrouble);
    }
  };
  /** Takes one call of the handler: held back while the sale decides, kept where the client has left. */
  const take = (name: keyof Writing, args: readonly unknown[]): unknown => {
    if (phase === 'open') return pass(name, args);
    if (phase === 'muted') return callBack(args);
    if (phase === 'absent') return kept?.take(name, args);
    if (name === 'writeHead') {
      if (phase === 'deciding') throw headersSent('write');
      setAll(response, args);
    } else if (name !== 'flushHeaders') assertChunk(name, args[0]);
    held.push([name, name === 'writeHead' ? [response.statusCode] : args]);
    if (phase === 'waiting') {
      phase = 'deciding';
      thaw = freeze(response);
      void decide(response.statusCode);
    }
    return false;
  };
  const onClose = () => {
    if (phase !== 'waiting') return;
    if (client.brokeOff()) {
      phase = 'muted';
      return void sale.unanswered('upstream').catch(onTrouble);
    }
    if (isSafe(request.method ?? '')) {
      phase = 'muted';
      return void sale.unanswered('client-left').catch(onTrouble);
    }
    phase = 'absent';
    kept = keepAnswer(context, sale);
  };

  response.writeHead = ((...args: unknown[]) => [response, take('writeHead', args)][0]) as typeof response.writeHead;
  response.write = ((...args: unknown[]) => take('write', args) !== false) as typeof response.write;
  response.end = ((...args: unknown[]) => [response, take('end', args)][0]) as typeof response.end;
  response.flushHeaders = () => void take('flushHeaders', []);
  response.once('close', onClose);
}

type Call = (...args: unknown[]) => unknown;

type Writing = Pick<ServerResponse, 'writeHead' | 'write' | 'end' | 'flushHeaders'>;

type Client = {
  /** Whether a connection that closed was given up on this side. */
  readonly brokeOff: () => boolean;
  /** Takes what `write` answered. */
  readonly onWrite: (hasRoom: unknown) => void;
};

/**
 * Looks at which side ends the connection. A client says so by an end or an error, or by taking no more until a time-out ends it; what
 * closes without any of these was closed here.
 */
function watchClient({ response, socket }: CarryContext): Client {
  let left = false;
  let destroyedHere = false;
  let full = false;
  const onLeft = () => {
    left = true;
  };
  const { destroy } = response;
  response.destroy = (error?: Error) => {
    destroyedHere = true;
    return destroy.call(response, error) as ServerResponse;
  };
  socket.once('end', onLeft).once('error', onLeft);
  response.on('drain', () => {
    full = false;
  });
  response.once('close', () => socket.off('end', onLeft).off('error', onLeft));
  return {
    brokeOff: () => !left && (destroyedHere || !full),
    onWrite: (hasRoom) => {
      full = hasRoom === false;
    },
  };
}

type KeptAnswer = { readonly take: (name: string, args: readonly unknown[]) => unknown };

/** Collects what a handler writes for a client that has left, and hands it to the sale; gives up on a handler that does not finish. */
function keepAnswer({ response, clock, onTrouble }: CarryContext, sale: Sale): KeptAnswer {
  const chunks: Buffer[] = [];
  let size = 0;
  const cancel = clock.after(absentSeconds * 1000, () => void sale.unanswered('client-left').catch(onTrouble));
  const keep = (chunk: unknown, encoding: unknown) => {
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) return;
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8') : Buffer.from(chunk);
    size += bytes.length;
    if (size <= maxKeptAnswerBytes) chunks.push(bytes);
  };
  return {
    take: (name, args) => {
      if (name === 'writeHead') setAll(response, args);
      else keep(args[0], args[1]);
      callBack(args);
      if (name !== 'end') return true;
      cancel();
      const names = response.getHeaderNames().filter((header) => !isHopByHop(header) && header !== 'content-length');
      const headers = names.flatMap((header) => [response.getHeader(header) ?? ''].flat().map((value) => [header, String(value)] as const));
      const answer = size <= maxKeptAnswerBytes ? { status: response.statusCode, headers, body: Buffer.concat(chunks) } : undefined;
      void sale.absent(response.statusCode, answer).catch(onTrouble);
      return true;
    },
  };
}

/** Sets what `writeHead` was given, so that a mistake in it is thrown to whoever made it. */
function setAll(response: ServerResponse, [status, ...rest]: readonly unknown[]): void {
  const code = Number(status);
  if (!(code >= 100 && code <= 999)) throw new RangeError(`${String(status)} is no status code`);
  response.statusCode = Math.trunc(code);
  if (typeof rest[0] === 'string') response.statusMessage = rest[0];
  const given: unknown = rest.find((argument) => typeof argument === 'object' && argument !== null) ?? {};
  const pairs = Array.isArray(given) ? pairsOf(given) : Object.entries(given as { [name: string]: string });
  const set = new Set<string>();
  for (const [name, value] of pairs) {
    if (set.has(name.toLowerCase())) response.appendHeader(name, value);
    else response.setHeader(name, value);
    set.add(name.toLowerCase());
  }
}

/** A list of names and values in turn, or of pairs. */
function pairsOf(list: readonly unknown[]): [string, string][] {
  if (Array.isArray(list[0])) return list as [string, string][];
  return list.flatMap((name, index) => (index % 2 === 0 ? [[String(name), list[index + 1] as string] as [string, string]] : []));
}

/** From the first word of the handler on the head stands. The answer lets go of it again. */
function freeze(response: ServerResponse): () => void {
  const { statusCode, statusMessage, setHeader, appendHeader, removeHeader } = response;
  const refuse = () => {
    throw headersSent('set');
  };
  Object.defineProperty(response, 'headersSent', { configurable: true, get: () => true });
  Object.assign(response, { setHeader: refuse, appendHeader: refuse, removeHeader: refuse });
  return () => {
    Reflect.deleteProperty(response, 'headersSent');
    Object.assign(response, { setHeader, appendHeader, removeHeader, statusCode, statusMessage });
  };
}

/** What Node throws. */
function headersSent(what: string): Error {
  return Object.assign(new Error(`Cannot ${what} headers after they are sent to the client`), { code: 'ERR_HTTP_HEADERS_SENT' });
}

function assertChunk(name: string, chunk: unknown): void {
  if (typeof chunk === 'string' || chunk instanceof Uint8Array) return;
  if (name === 'end' && (chunk === undefined || chunk === null || typeof chunk === 'function')) return;
  throw Object.assign(new TypeError('The "chunk" argument must be of type string or an instance of Buffer or Uint8Array'), { code: 'ERR_INVALID_ARG_TYPE' });
}

/** Tells whoever waits for what was written that it is gone. */
function callBack(args: readonly unknown[]): true {
  const done = args.at(-1);
  if (typeof done === 'function') queueMicrotask(done as () => void);
  return true;
}
