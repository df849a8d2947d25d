/**
 * `farebox/express`: a price in front of an Express route.
 *
 * @example
 * app.get('/api/v1/translate', paywall(farebox, { price: '50 sat', title: 'Translation API' }), handler);
 */
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { type Clock, systemClock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { tapBody, viewOf } from '../http/NodeRequest.ts';
import * as Path from '../http/Path.ts';
import * as Problem from '../http/Problem.ts';
import type { Principal } from '../server/Offer.ts';
import type { Paywall } from '../server/Paywall.ts';
import type { Sale } from '../server/terms/Terms.ts';
import { addOnSuccess, type CarryContext, carry, followEnd, send } from './nodeSale.ts';
import { patternOf, type RouteOptions, routeOffer } from './routeOffer.ts';

export type { RouteOptions } from './routeOffer.ts';

const principals = new WeakMap<object, Principal>();

/** Who paid for this request, and for what; undefined where no paywall let it through. */
export function principalOf(request: Request): Principal | undefined {
  return principals.get(request);
}

/**
 * A middleware that lets paid requests through and answers 402 to all others. Put it in front of a body parser where there is one.
 * @param farebox - from `createPaywall`
 * @throws AMOUNT_MALFORMED, RangeError – a price, name or description that cannot be sold
 */
export function paywall(farebox: Paywall, options: RouteOptions & { readonly clock?: Clock }): RequestHandler {
  const offerOf = routeOffer(options);
  const clock = options.clock ?? systemClock;
  const onTrouble = (error: unknown) => farebox.events.emit({ at: clock.nowMs(), kind: 'trouble', what: 'an answer in Express', error });
  return (request: Request, response: Response, next: NextFunction) => {
    const context: CarryContext = { request, response, socket: request.socket, clock, onTrouble };
    check(farebox, offerOf(request.method, patternOf(routePathOf(request))), context, next).catch((error: unknown) => {
      if (FareboxError.is(error) && error.status !== 0 && !response.headersSent) send(context, Problem.answer(error));
      else next(error);
    });
  };
}

async function check(farebox: Paywall, offer: Parameters<Paywall['check']>[2], context: CarryContext, next: NextFunction): Promise<void> {
  const request = context.request as Request;
  const view = viewOf(request, request.ip ?? '', request.originalUrl);
  const target = Path.assertNormal(view.target);
  const decision = await farebox.check(view, target, offer);
  switch (decision.kind) {
    case 'answer':
    case 'challenge':
    case 'refuse':
      return send(context, decision.answer);
    case 'repeat':
      followEnd(context, decision.sale);
      return send(context, decision.answer);
    case 'pass':
      if (decision.principal) principals.set(request, decision.principal);
      if (decision.sale === undefined) addOnSuccess(context.response, decision.headers);
      else if (!(await begin(context, decision.sale))) return;
      return next();
  }
}

/** Puts the sale under the response; false where the client has left meanwhile, so that nothing is to be done any more. */
async function begin(context: CarryContext, sale: Sale): Promise<boolean> {
  const { request, response } = context;
  if (response.destroyed) {
    await sale.unanswered('client-left');
    return false;
  }
  try {
    tapBody(request, sale.onBody);
  } catch (error) {
    await sale.unanswered('upstream');
    throw error;
  }
  request.headers['idempotency-key'] = sale.idempotencyKey;
  carry(context, sale);
  return true;
}

/** The route's path as Express knows it: its own behind those of its routers, or everything below where it was mounted. */
function routePathOf(request: Request): string {
  const own: unknown = request.route?.path;
  return request.baseUrl + (typeof own === 'string' ? own.replace(/\/\*\w+$/, '/*') : '/*');
}
