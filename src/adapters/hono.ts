/**
 * `farebox/hono`: a price in front of a Hono route, on any runtime that Hono runs on.
 *
 * @example
 * app.get('/api/v1/translate', paywall(farebox, { price: '50 sat', title: 'Translation API' }), handler);
 */
import type { Context, MiddlewareHandler } from 'hono';
import { FareboxError } from '../core/Errors.ts';
import { linesOf as nodeLinesOf } from '../http/NodeRequest.ts';
import * as Path from '../http/Path.ts';
import * as Problem from '../http/Problem.ts';
import { type Answer, isSafe, type RequestView } from '../http/RequestView.ts';
import * as Answers from '../server/Answers.ts';
import type { Principal } from '../server/Offer.ts';
import type { Paywall } from '../server/Paywall.ts';
import type { Sale } from '../server/terms/Terms.ts';
import { patternOf, type RouteOptions, routeOffer } from './routeOffer.ts';
import { bodyOf, followBody, readBounded } from './webSale.ts';

export type { RouteOptions } from './routeOffer.ts';

const principals = new WeakMap<object, Principal>();

/** Who paid for this request, and for what; undefined where no paywall let it through. */
export function principalOf(context: Context): Principal | undefined {
  return principals.get(context.req.raw);
}

/**
 * A middleware that lets paid requests through and answers 402 to all others.
 * @param farebox - from `createPaywall`
 * @param options.clientAddress - where limits are counted; default: what `@hono/node-server` says of the socket
 * @throws AMOUNT_MALFORMED, RangeError – a price, name or description that cannot be sold
 */
export function paywall(farebox: Paywall, options: RouteOptions & { readonly clientAddress?: (context: Context) => string }): MiddlewareHandler {
  const offerOf = routeOffer(options);
  const addressOf = options.clientAddress ?? socketAddress;
  const onTrouble = (error: unknown) => farebox.events.emit({ at: Date.now(), kind: 'trouble', what: 'an answer in Hono', error });
  return async (context, next) => {
    const view = viewOf(context, addressOf(context));
    try {
      const target = Path.normalize(view.target);
      if (!Path.isNormal(view.target)) {
        throw new FareboxError('REQUEST_MALFORMED', `This path has another spelling, which is the one that is sold: ${target.path}`);
      }
      const decision = await farebox.check(view, target, offerOf(context.req.method, patternOf(context.req.routePath)));
      if (decision.kind === 'challenge' || decision.kind === 'refuse') return respond(context, view, decision.answer);
      if (decision.kind === 'repeat') return followBody(respond(context, view, decision.answer), decision.sale, onTrouble);
      if (decision.principal) principals.set(context.req.raw, decision.principal);
      const { sale } = decision;
      if (sale === undefined) {
        await next();
        if (context.res.status < 400) for (const [name, value] of decision.headers) context.res.headers.set(name, value);
        return undefined;
      }
      await handle(context, sale, next, onTrouble);
      const handled = context.res;
      context.res = undefined;
      context.res = await settle(context, view, handled, sale, onTrouble);
      return undefined;
    } catch (error) {
      if (FareboxError.is(error) && error.status !== 0) return respond(context, view, Problem.answer(error));
      throw error;
    }
  };
}

/** Lets the handler answer under a sale; where it throws instead, the use is given back. */
async function handle(context: Context, sale: Sale, next: () => Promise<void>, onTrouble: (error: unknown) => void): Promise<void> {
  const { raw } = context.req;
  const left = () => void sale.unanswered('client-left').catch(onTrouble);
  try {
    sale.onBody(await bodyOf(raw));
    setHeader(context, 'idempotency-key', sale.idempotencyKey);
    if (isSafe(raw.method)) raw.signal.addEventListener('abort', left);
    await next();
  } catch (error) {
    await sale.unanswered('upstream').catch(onTrouble);
    throw error;
  } finally {
    raw.signal.removeEventListener('abort', left);
  }
}

/** What becomes of the handler's answer: sent when the sale is durable, kept where the client has left, replaced where it cannot be. */
async function settle(context: Context, view: RequestView, handled: Response, sale: Sale, onTrouble: (error: unknown) => void): Promise<Response> {
  try {
    if (context.req.raw.signal.aborted) {
      if (isSafe(view.method)) await sale.unanswered('client-left');
      else await sale.absent(handled.status, await readBounded(handled));
      return new Response(null, { status: 499 });
    }
    const head = await sale.head(handled.status);
    if (head.kind === 'lost') return respond(context, view, Answers.refusal(Answers.inUse()));
    const headers = new Headers(handled.headers);
    for (const [name, value] of head.headers) headers.set(name, value);
    return followBody(new Response(handled.body, { status: handled.status, statusText: handled.statusText, headers }), sale, onTrouble);
  } catch (error) {
    onTrouble(error);
    await handled.body?.cancel().catch(() => {});
    return respond(context, view, Answers.refusal(FareboxError.is(error) ? error : Answers.notWritten(error)));
  }
}

/** Sets a header of the request that the handler reads; where the runtime keeps requests as they came, on a copy. */
function setHeader(context: Context, name: string, value: string): void {
  try {
    context.req.raw.headers.set(name, value);
  } catch {
    const headers = new Headers(context.req.raw.headers);
    headers.set(name, value);
    context.req.raw = new Request(context.req.raw, { headers });
  }
}

function viewOf(context: Context, clientAddress: string): RequestView {
  const { raw } = context.req;
  const path = raw.url.indexOf('/', raw.url.indexOf('://') + 3);
  return {
    method: raw.method,
    target: path < 0 ? '/' : raw.url.slice(path),
    clientAddress,
    header: (name) => raw.headers.get(name) ?? undefined,
    headerLines: (name) => linesOf(context, name),
    readBody: async (limit) => {
      const body = await bodyOf(raw);
      return body.length > limit ? undefined : body;
    },
  };
}

/** Every line of a header. A web `Headers` joins them; Node's joined form drops all but the first `Authorization`, so its raw ones are read. */
function linesOf(context: Context, name: string): readonly string[] {
  const raw = (context.env as { incoming?: { rawHeaders?: readonly string[] } } | undefined)?.incoming?.rawHeaders;
  if (raw) return nodeLinesOf(raw, name);
  const value = context.req.raw.headers.get(name);
  return value === null ? [] : [value];
}

function socketAddress(context: Context): string {
  return (context.env as { incoming?: { socket?: { remoteAddress?: string } } } | undefined)?.incoming?.socket?.remoteAddress ?? '';
}

/**
 * A whole answer. On Node a header that repeats is given to Node's own response, line by line, since web `Headers` join lines and two
 * clients read the first line alone; elsewhere they are joined.
 */
function respond(context: Context, view: RequestView, answer: Answer): Response {
  const headers = new Headers();
  const { outgoing } = (context.env ?? {}) as { outgoing?: { setHeader?: (name: string, values: readonly string[]) => void } };
  for (const [name, value] of answer.headers) {
    const lines = answer.headers.filter(([other]) => other === name).map(([, line]) => line);
    if (lines.length > 1 && outgoing?.setHeader) outgoing.setHeader(name, lines);
    else headers.append(name, value);
  }
  return new Response(view.method === 'HEAD' || answer.body.length === 0 ? null : answer.body, { status: answer.status, headers });
}
