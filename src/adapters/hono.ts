/**
 * `farebox/hono`: a price in front of a Hono route, on any runtime that Hono runs on.
 *
 * @example
 * app.get('/api/v1/translate', paywall(farebox, { price: '50 sat', title: 'Translation API' }), handler);
 */
import type { Context, MiddlewareHandler } from 'hono';
import { type Clock, systemClock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { linesOf as nodeLinesOf } from '../http/NodeRequest.ts';
import * as Path from '../http/Path.ts';
import * as Problem from '../http/Problem.ts';
import type { RequestView } from '../http/RequestView.ts';
import type { Principal } from '../server/Offer.ts';
import type { Paywall } from '../server/Paywall.ts';
import { type CarryContext, carry, respond } from './honoSale.ts';
import { patternOf, type RouteOptions, routeOffer } from './routeOffer.ts';
import { followBody, peekBody } from './webSale.ts';

export type { RouteOptions } from './routeOffer.ts';

const principals = new WeakMap<Context, Principal>();

/** Who paid for this request, and for what; undefined where no paywall let it through. */
export function principalOf(context: Context): Principal | undefined {
  return principals.get(context);
}

/**
 * A middleware that lets paid requests through and answers 402 to all others.
 * @param farebox - from `createPaywall`
 * @param options.clientAddress - where limits are counted; default: what `@hono/node-server` says of the socket; give one on other runtimes, where all clients share one limit without it
 * @throws AMOUNT_MALFORMED, RangeError – a price, name or description that cannot be sold
 */
export function paywall(
  farebox: Paywall,
  options: RouteOptions & { readonly clientAddress?: (context: Context) => string; readonly clock?: Clock },
): MiddlewareHandler {
  const offerOf = routeOffer(options);
  const addressOf = options.clientAddress ?? socketAddress;
  const clock = options.clock ?? systemClock;
  const onTrouble = (error: unknown) => farebox.events.emit({ at: clock.nowMs(), kind: 'trouble', what: 'an answer in Hono', error });
  return async (context, next) => {
    const view = viewOf(context, addressOf(context));
    const carried: CarryContext = { context, view, clock, onTrouble };
    try {
      const target = Path.assertNormal(view.target);
      const decision = await farebox.check(view, target, offerOf(context.req.method, patternOf(context.req.routePath)));
      if (decision.kind === 'challenge' || decision.kind === 'refuse' || decision.kind === 'answer') return respond(context, view, decision.answer);
      if (decision.kind === 'repeat') return followBody(respond(context, view, decision.answer), decision.sale, clock, onTrouble);
      if (decision.principal) principals.set(context, decision.principal);
      if (decision.sale) return await carry(carried, decision.sale, next);
      await next();
      // `header` copies an answer whose headers are fixed, as those of `fetch` are.
      if (context.finalized && context.res.status < 400) for (const [name, value] of decision.headers) context.header(name, value);
      return undefined;
    } catch (error) {
      if (FareboxError.is(error) && error.status !== 0) return respond(context, view, Problem.answer(error));
      throw error;
    }
  };
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
    readBody: (limit) => peekBody(context.req.raw, limit),
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
