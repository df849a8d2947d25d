/**
 * Carries a sale on a Node response that a handler writes as it likes: the first byte is held back until the sale is durable, and how the
 * answer ended is told to the sale. It decides nothing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
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

/** Sends a whole answer; to `HEAD` without its body. */
export function send({ request, response }: Pick<CarryContext, 'request' | 'response'>, answer: Answer): void {
  const body = Buffer.from(answer.body);
  response.writeHead(answer.status, [...answer.headers, ['Content-Length', String(body.length)] as const].flat());
  response.end(request.method === 'HEAD' ? undefined : body);
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
export function followEnd({ response, socket, onTrouble }: CarryContext, sale: Sale): void {
  if (response.destroyed) return void sale.end('client-left').catch(onTrouble);
  let clientLeft = false;
  const left = () => {
    clientLeft = true;
  };
  socket.once('end', left).once('error', left);
  response.once('finish', () => void sale.end('delivered').catch(onTrouble));
  response.once('close', () => {
    socket.off('end', left).off('error', left);
    // A socket that closed without the client's end or an error was closed on this side: the handler broke off.
    if (!response.writableFinished) void sale.end(clientLeft ? 'client-left' : 'upstream-broke').catch(onTrouble);
  });
}

/** Holds back what the handler writes until `sale.head` has said what follows from it; keeps it where the client has left before. */
export function carry(context: CarryContext, sale: Sale): void {
  const { request, response, onTrouble } = context;
  const plain = { writeHead: response.writeHead, write: response.write, end: response.end, flushHeaders: response.flushHeaders };
  let held: (() => unknown)[] = [];
  let phase: 'waiting' | 'deciding' | 'absent' | 'over' = 'waiting';
  let kept: KeptAnswer | undefined;

  const open = () => {
    phase = 'over';
    Object.assign(response, plain);
    followEnd(context, sale);
    const calls = held;
    held = [];
    for (const call of calls) call();
    response.emit('drain');
  };
  const replace = (error: FareboxError) => {
    phase = 'over';
    held = [];
    Object.assign(response, plain);
    if (!response.destroyed) {
      for (const name of response.getHeaderNames()) response.removeHeader(name);
      send(context, Answers.refusal(error));
    }
    mute(response);
  };
  const decide = async (status: number) => {
    try {
      const head = await sale.head(status);
      if (head.kind === 'lost') return replace(Answers.inUse());
      for (const [name, value] of head.headers) response.setHeader(name, value);
      open();
    } catch (error) {
      onTrouble(error);
      replace(
        FareboxError.is(error) ? error : new FareboxError('STORE_UNAVAILABLE', 'It could not be written down that this was paid. Ask again in a moment.'),
      );
    }
  };
  /** Takes one call of the handler: held back while the sale decides, kept where the client has left. */
  const take = (name: keyof typeof plain, args: readonly unknown[]): boolean => {
    if (phase === 'waiting') {
      phase = 'deciding';
      void decide(name === 'writeHead' ? (args[0] as number) : response.statusCode);
    }
    if (phase === 'deciding') held.push(() => (response[name] as Call)(...args));
    if (phase === 'absent') kept?.take(name, args);
    return phase !== 'deciding';
  };

  response.writeHead = ((...args: unknown[]) => [response, take('writeHead', args)][0]) as typeof response.writeHead;
  response.write = ((...args: unknown[]) => take('write', args)) as typeof response.write;
  response.end = ((...args: unknown[]) => [response, take('end', args)][0]) as typeof response.end;
  response.flushHeaders = () => void take('flushHeaders', []);
  response.once('close', () => {
    if (phase !== 'waiting') return;
    if (isSafe(request.method ?? '')) {
      phase = 'over';
      return void sale.unanswered('client-left').catch(onTrouble);
    }
    phase = 'absent';
    kept = keepAnswer(context, sale);
  });
}

type Call = (...args: unknown[]) => unknown;

type KeptAnswer = { readonly take: (name: string, args: readonly unknown[]) => void };

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
      const done = args.at(-1);
      if (typeof done === 'function') queueMicrotask(done as () => void);
      if (name !== 'end') return;
      cancel();
      const headers = response.getHeaderNames().flatMap((header) => [response.getHeader(header) ?? ''].flat().map((value) => [header, String(value)] as const));
      const answer = size <= maxKeptAnswerBytes ? { status: response.statusCode, headers, body: Buffer.concat(chunks) } : undefined;
      void sale.absent(response.statusCode, answer).catch(onTrouble);
    },
  };
}

/** Sets what `writeHead` was given, for an answer that is kept instead of sent. */
function setAll(response: ServerResponse, [status, ...rest]: readonly unknown[]): void {
  response.statusCode = status as number;
  const headers: unknown = rest.find((argument) => typeof argument === 'object' && argument !== null) ?? {};
  const flat = (Array.isArray(headers) ? headers.flat() : Object.entries(headers as object).flat()) as (string | string[])[];
  for (let i = 0; i + 1 < flat.length; i += 2) response.setHeader(String(flat[i]), flat[i + 1] as string);
}

/** Lets a handler write on into nothing: its answer was replaced. */
function mute(response: ServerResponse): void {
  Object.assign(response, { writeHead: () => response, write: () => true, end: () => response, flushHeaders: () => {} });
}
