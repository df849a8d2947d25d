/**
 * Admin over HTTP: every operation of the table, the document that describes them, and the sessions of the pages.
 *
 *     GET  /openapi.json                     for everybody who gets past the guard: nothing in it is anybody's
 *     POST /v1/session   {"link":"…"}        begins a session with what stands behind "#" in a sign-in link
 *     POST /v1/session/end                   ends it
 *     GET  /v1/<noun>/<verb>?…               what changes nothing
 *     POST /v1/<noun>/<verb> {…}             a change
 *     GET  anything else                     the pages, where there are some
 */
import { type Context, Hono } from 'hono';
import { getCookie } from 'hono/cookie';
import { cors } from 'hono/cors';
import { FareboxError } from '../../core/Errors.ts';
import { createMintLimiter } from '../../server/Limits.ts';
import { type Authentication, cookieName, proofHeader } from '../auth/Authentication.ts';
import { renewSeconds, sessionSeconds } from '../auth/Session.ts';
import { createDocument } from '../OpenApi.ts';
import { type AdminContext, methodOf, type Operation, pathOf } from '../Operation.ts';
import { run } from '../run.ts';
import { fromTexts } from '../Text.ts';
import type { Arriving } from './Guard.ts';
import * as Problem from './problem.ts';
import { streamed } from './streamed.ts';

/** What the listener knows of the connection that a request came over. */
export type Connection = { readonly version: string; readonly peer: string };

/** Answers the pages: what is asked for by GET and is no call. Undefined: there is nothing there. */
export type Pages = (path: string, request: Request) => Promise<Response | undefined>;

/** What the app is made from. */
export type AppOptions = {
  readonly operations: readonly Operation[];
  readonly context: AdminContext;
  readonly authentication: Authentication;
  readonly guard: (arriving: Arriving) => void;
  /** Whether the browser is to send the cookie over TLS alone: by the host that was asked. */
  readonly isSecure: (host: string) => boolean;
  readonly pages: Pages | undefined;
  /** Origins of others that may ask with a token. */
  readonly origins: readonly string[];
  /** Aborts when the listener ends: streams end with it. */
  readonly closing: AbortSignal;
  /** Told of faults of ours. */
  readonly onFault: (error: unknown) => void;
};

/** Answers a request. Never rejects. */
export type App = (request: Request, connection: Connection) => Promise<Response>;

type Environment = { Bindings: Connection };

/** Wrong tokens, sessions and links that one address may show in a minute, and all together. Whoever shows a good one is never held up by them. */
const strangers = { perClientPerMinute: 60, perMinute: 600 };

/** Of a call's body. */
const maxBodyBytes = 262_144;

/** See the head of this file. */
export function createApp(options: AppOptions): App {
  const { operations, authentication, context, pages, onFault } = options;
  const app = new Hono<Environment>();
  const strangersLeft = createMintLimiter(strangers, context.clock);
  const bounded = async <T>({ env }: Context<Environment>, found: Promise<T>): Promise<T> => {
    try {
      return await found;
    } catch (error) {
      const retryAfterSeconds = FareboxError.is(error, 'ADMIN_UNAUTHORIZED') ? strangersLeft(env.peer) : 0;
      if (retryAfterSeconds === 0) throw error;
      throw new FareboxError('RATE_LIMITED', 'Too many wrong tokens came from there. Ask again later.', { details: { retryAfterSeconds } });
    }
  };
  const document = `${JSON.stringify(createDocument(operations))}\n`;
  app.use(async (c, next) => {
    const { headers } = c.req.raw;
    const header = (name: string) => headers.get(name) ?? undefined;
    options.guard({ method: c.req.method, path: c.req.path, ...c.env, header, names: [...headers.keys()] });
    await next();
  });
  // With a token, and without a session: a cookie of this site goes along with no page of another.
  if (options.origins.length > 0)
    app.use(cors({ origin: [...options.origins], allowMethods: ['GET', 'POST'], allowHeaders: ['Authorization', 'Content-Type'], maxAge: 600 }));
  app.get('/openapi.json', (c) => c.body(document, 200, { 'Content-Type': 'application/json' }));
  app.post('/v1/session', async (c) => {
    const { link } = await bodyOf(c.req.raw);
    if (typeof link !== 'string') throw malformed('There is no "link".');
    const session = await bounded(c, authentication.signIn(link));
    const { cookie, proof } = authentication.showOf(session);
    c.header('Set-Cookie', cookieLine(cookie, options.isSecure(c.req.header('host') ?? '')));
    return c.json({ proof, scope: session.scope, endsAt: session.startedAt + sessionSeconds });
  });
  const identify = (c: Context<Environment>) =>
    bounded(c, authentication.identify({ authorization: c.req.header('authorization'), cookie: getCookie(c, cookieName), proof: c.req.header(proofHeader) }));
  app.post('/v1/session/end', async (c) => {
    await bodyOf(c.req.raw);
    const { session } = await identify(c);
    if (session === undefined) throw malformed('This is no session: a token is ended with tokens.end.');
    await authentication.end(session.id, session.startedAt + sessionSeconds);
    c.header('Set-Cookie', `${cookieName}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0`);
    return c.json({ ended: true });
  });
  for (const operation of operations) {
    const [method, path] = [methodOf(operation), pathOf(operation)];
    app.on(method, path, async (c) => {
      const { caller, session } = await identify(c);
      const now = Math.floor(context.clock.nowMs() / 1000);
      if (session !== undefined && now - session.seenAt >= renewSeconds) {
        const { cookie } = authentication.showOf({ ...session, seenAt: now });
        c.header('Set-Cookie', cookieLine(cookie, options.isSecure(c.req.header('host') ?? '')));
      }
      const input = method === 'GET' ? fromTexts(operation.input, new Map(Object.entries(c.req.queries()))) : await bodyOf(c.req.raw);
      const stop = new AbortController();
      const signal = AbortSignal.any([stop.signal, options.closing, c.req.raw.signal]);
      const outcome = await run(operation, input, { ...context, caller, signal });
      if (outcome.kind === 'whole') return c.json(outcome.value as object);
      const { form } = operation as Operation & { readonly kind: 'stream' };
      const isCsv = form === 'rows' && (input as { readonly format?: unknown }).format === 'csv';
      const { type, body } = streamed(outcome.items, isCsv ? 'csv' : form, operation.output, { clock: context.clock, stop, onFault });
      return c.body(body, 200, { 'Content-Type': type });
    });
    app.all(path, () => Problem.wrongMethod(method));
  }
  app.notFound(async (c) => {
    const page = c.req.method === 'GET' || c.req.method === 'HEAD' ? await pages?.(c.req.path, c.req.raw) : undefined;
    return page ?? Problem.answer(new FareboxError('ROUTE_UNKNOWN', 'There is no such call. Every one stands in /openapi.json.'));
  });
  app.onError((error) => {
    if (!FareboxError.is(error)) onFault(error);
    return Problem.answer(error);
  });
  return async (request, connection) => secured(await app.fetch(request, connection));
}

/** What browsers are told of every answer; a page says more of itself. */
function secured(answer: Response): Response {
  const said: readonly (readonly [string, string])[] = [
    ['Cache-Control', 'no-store'],
    ['Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'"],
    ['Cross-Origin-Opener-Policy', 'same-origin'],
    ['Cross-Origin-Resource-Policy', 'same-origin'],
    ['Referrer-Policy', 'no-referrer'],
    ['X-Content-Type-Options', 'nosniff'],
    ['X-Frame-Options', 'DENY'],
  ];
  const headers = new Headers(answer.headers);
  for (const [name, value] of said) if (!headers.has(name)) headers.set(name, value);
  return new Response(answer.body, { status: answer.status, headers });
}

function cookieLine(value: string, isSecure: boolean): string {
  return `${cookieName}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${sessionSeconds}${isSecure ? '; Secure' : ''}`;
}

/** A body of JSON. Another type is refused: a page of another origin can send some without being asked. */
async function bodyOf(request: Request): Promise<{ readonly [name: string]: unknown }> {
  const type = request.headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/json') throw malformed('Send application/json.');
  const text = await textOf(request);
  let value: unknown;
  try {
    value = JSON.parse(text === '' ? '{}' : text);
  } catch {
    throw malformed('The body is no JSON.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('The body is no JSON object.');
  return value as { readonly [name: string]: unknown };
}

async function textOf(request: Request): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > maxBodyBytes) throw new FareboxError('REQUEST_BODY_TOO_LARGE', `A call has ${maxBodyBytes} bytes at most.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function malformed(message: string): FareboxError {
  return new FareboxError('REQUEST_MALFORMED', message);
}
