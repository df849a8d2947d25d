/**
 * A sandbox in another process: its calls over loopback HTTP.
 *
 * What a call throws says whether anything was sent: `details.sent` is false when the connection was refused, and only then. A
 * payment goes over a connection of its own, since one that was kept open may break without telling what became of the request.
 */
import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { type Code, codes, FareboxError } from '../../core/Errors.ts';
import { isLoopbackHost } from './Loopback.ts';
import { type Backend, type CallName, calls, decode, encode, type ReplyOf, type RequestOf, refusal } from './Wire.ts';

/** Where a sandbox is, and what lets one in. */
export type SandboxAddress = {
  /** As `startSandbox` gave it, such as `http://127.0.0.1:7402`; loopback only, for the token goes over it in the clear. */
  readonly url: string;
  /** As `startSandbox` gave it. A secret. */
  readonly token: string;
};

/**
 * Calls over HTTP. Nothing is sent before the first call.
 * @throws RangeError – a url that is not `http:` on loopback
 */
export function createConnection({ url, token }: SandboxAddress): Backend {
  const line: Line = {
    base: loopbackUrl(url),
    token,
    kept: new Agent({ keepAlive: true }),
    fresh: new Agent({ keepAlive: false }),
    closing: new AbortController(),
  };
  const backend = {} as { [C in CallName]: (request: RequestOf<C>, signal?: AbortSignal) => Promise<ReplyOf<C>> };
  for (const name of Object.keys(calls) as CallName[]) {
    const call = (request: unknown, signal?: AbortSignal) => ask(line, name, request, signal);
    Object.assign(backend, { [name]: call });
  }
  return {
    ...backend,
    close: async () => {
      line.closing.abort();
      line.kept.destroy();
      line.fresh.destroy();
    },
  };
}

/** Whether every attempt to connect was refused, so that nothing can have been sent. */
export function isRefusedConnection(error: unknown): boolean {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.every(isRefusedConnection);
  return error instanceof Error && 'syscall' in error && error.syscall === 'connect' && 'code' in error && error.code === 'ECONNREFUSED';
}

type Line = { readonly base: URL; readonly token: string; readonly kept: Agent; readonly fresh: Agent; readonly closing: AbortController };

/** A reply that is longer is not read on: the whole book is long, and nothing else. */
const maxReplyBytes = (name: CallName) => (name === 'audit' || name === 'settlements' ? 256 : 4) * 1024 * 1024;

function loopbackUrl(url: string): URL {
  const base = URL.canParse(url) ? new URL(url) : undefined;
  if (base?.protocol !== 'http:' || !isLoopbackHost(base.host))
    throw new RangeError(`url of a sandbox is http on loopback, such as http://127.0.0.1:7402, not ${url}`);
  return base;
}

async function ask<C extends CallName>(line: Line, name: C, request: unknown, signal: AbortSignal | undefined): Promise<ReplyOf<C>> {
  if (line.closing.signal.aborted) throw unavailable(line, 'this connection is closed', { sent: false });
  const stop = signal ? AbortSignal.any([signal, line.closing.signal]) : line.closing.signal;
  const body = encode(request);
  try {
    const { status, text } = await post(line, name, body, stop);
    const reply = status === 200 ? decode(calls[name].reply, text) : undefined;
    if (reply === undefined) throw refusalOf(line, status, text);
    return reply as ReplyOf<C>;
  } catch (error) {
    signal?.throwIfAborted();
    if (FareboxError.is(error)) throw error;
    throw unavailable(line, codeOf(error), isRefusedConnection(error) ? { sent: false } : {}, error);
  }
}

/** Sends once; once more where a kept connection had gone stale, but never a payment. */
async function post(line: Line, name: CallName, body: string, signal: AbortSignal): Promise<{ readonly status: number; readonly text: string }> {
  for (let again = name !== 'pay'; ; again = false) {
    const request = httpRequest(new URL(`/v1/${name}`, line.base), {
      method: 'POST',
      agent: name === 'pay' ? line.fresh : line.kept,
      headers: { authorization: `Bearer ${line.token}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      signal,
    });
    try {
      const response = await responseTo(request, body);
      return { status: response.statusCode ?? 0, text: await textOf(response, maxReplyBytes(name)) };
    } catch (error) {
      request.destroy();
      if (!again || !request.reusedSocket || signal.aborted) throw error;
    }
  }
}

function responseTo(request: ClientRequest, body: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('response', resolve);
    request.end(body);
  });
}

async function textOf(response: IncomingMessage, maxBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response) {
    length += (part as Buffer).length;
    if (length > maxBytes) throw new Error('the reply is too long');
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** The error that the sandbox named; where it named none that is known, it is not a sandbox that answered. */
function refusalOf(line: Line, status: number, text: string): FareboxError {
  const named = status === 200 ? undefined : decode(refusal, text)?.error;
  if (named !== undefined && Object.hasOwn(codes, named.code)) return new FareboxError(named.code as Code, named.message);
  return unavailable(line, `it answered ${status} and nothing that can be read`);
}

function unavailable(line: Line, why: string, details: { readonly sent?: boolean } = {}, cause?: unknown): FareboxError {
  const message = `The sandbox at ${line.base.origin} cannot be reached: ${why}. Is "farebox sandbox" running there?`;
  return new FareboxError('LIGHTNING_UNAVAILABLE', message, { details: details.sent === undefined ? {} : { sent: details.sent }, cause });
}

function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.message : String(error);
}
