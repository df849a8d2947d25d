/**
 * What happens to a request, in order. Each step hands on what it found out, or ends the request with an answer.
 *
 *     take → path → route → paywall → carry
 *
 * The path is normalised once; that text is routed, priced, bound into the token and forwarded.
 */
import type { Clock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Path from '../http/Path.ts';
import * as Problem from '../http/Problem.ts';
import type { Answer, RequestView } from '../http/RequestView.ts';
import type { Decision } from '../server/Decision.ts';
import type { Offer } from '../server/Offer.ts';
import type { Paywall } from '../server/Paywall.ts';
import type { Trust } from './ClientAddress.ts';
import { onwardHeaders } from './Forwarding.ts';
import * as Incoming from './Incoming.ts';
import { type Carriage, carry } from './Proxy.ts';
import type { Handler, Taken } from './Reply.ts';
import { bodyTooLarge } from './RequestBody.ts';
import type { RouteKey, Router } from './Router.ts';
import { applyRules } from './routing/HeaderRules.ts';
import { onwardPath, type Rewrite } from './routing/Rewrite.ts';
import type { UpstreamTarget } from './Upstream.ts';

/** A route, ready to serve. */
export type ServedRoute = RouteKey & {
  /** Such as `GET /api/v1/translate`. */
  readonly name: string;
  /** Undefined: free. */
  readonly offer: Offer | undefined;
  readonly upstream: UpstreamTarget;
  readonly rewrite: Rewrite;
  readonly preserveHost: boolean;
  readonly timeoutMs: number;
};

/** What became of a request. The query is no part of it: people put secrets there. */
export type RequestOutcome = {
  readonly method: string;
  /** Normalised, or '' where it could not be read. */
  readonly path: string;
  readonly route: string | undefined;
  /** 0 where the client saw none. */
  readonly status: number;
  readonly ended: 'answered' | 'delivered' | 'client-left' | 'upstream-failed' | 'refused';
  readonly durationMs: number;
  /** For logs alone. */
  readonly error: unknown;
};

/** What the steps need of the gateway. */
export type StepsContext = Carriage & {
  readonly clock: Clock;
  readonly trust: Trust;
  readonly limits: Incoming.IncomingLimits;
  readonly router: Router<ServedRoute>;
  readonly paywall: Pick<Paywall, 'check'>;
  /** Told once for every request. */
  readonly onOver: (outcome: RequestOutcome) => void;
  /** Told of every request that has been taken, before `onOver`. */
  readonly onTaken: () => void;
};

/** The steps as one handler. It never throws. */
export function createSteps(context: StepsContext): Handler {
  return (taken) => {
    context.onTaken();
    const visit: Visit = { context, taken, startedAtMs: context.clock.nowMs(), path: '', route: undefined, incoming: undefined, over: false };
    try {
      const incoming = Incoming.from(taken, context.trust, context.limits);
      visit.incoming = incoming;
      if ((incoming.contentLength ?? 0) > context.limits.bodyBytes) throw bodyTooLarge(context.limits.bodyBytes);
      const target = Path.normalize(incoming.view.target);
      visit.path = target.path;
      const authority = target.authority ?? incoming.host;
      const route = context.router.find(Incoming.hostName(authority), routedMethod(incoming.view), target.path, incoming.rawHeaders);
      if (route === undefined) throw new FareboxError('ROUTE_UNKNOWN', `Nothing is served at ${incoming.view.method} ${target.path}.`);
      visit.route = route;
      const found: Found = { incoming, target, authority, route };
      if (route.offer === undefined) return passOn(visit, found, free);
      const decision = context.paywall.check(incoming.view, target, route.offer);
      if (!(decision instanceof Promise)) return carryOut(visit, found, decision);
      decision.then((decided) => carryOut(visit, found, decided)).catch((error: unknown) => refuse(visit, error));
    } catch (error) {
      refuse(visit, error);
    }
  };
}

/** A request on its way through the steps; the last fields fill as it goes. */
type Visit = {
  readonly context: StepsContext;
  readonly taken: Taken;
  readonly startedAtMs: number;
  path: string;
  route: ServedRoute | undefined;
  incoming: Incoming.Incoming | undefined;
  over: boolean;
};

type Found = {
  readonly incoming: Incoming.Incoming;
  readonly target: Path.Target;
  /** The host that was asked, '' where none was. */
  readonly authority: string;
  readonly route: ServedRoute;
};

type Pass = Pick<Decision & { readonly kind: 'pass' }, 'sale' | 'headers'>;

const free: Pass = { sale: undefined, headers: [] };

/** A browser's question whether it may ask goes where the request it asks for would go. */
function routedMethod(view: RequestView): string {
  if (view.method !== 'OPTIONS' || view.header('origin') === undefined) return view.method;
  return view.header('access-control-request-method') ?? view.method;
}

function carryOut(visit: Visit, found: Found, decision: Decision): void {
  if (decision.kind === 'pass') passOn(visit, found, decision);
  else if (decision.kind === 'repeat') repeat(visit, decision);
  else {
    send(visit, decision.answer);
    over(visit, decision.answer.status, 'answered', undefined);
  }
}

/** The answer of the first time again; whether it arrives is told to the sale. */
function repeat(visit: Visit, { sale, answer }: Decision & { readonly kind: 'repeat' }): void {
  let ended = false;
  const end = (how: 'delivered' | 'client-left') => () => {
    if (ended) return;
    ended = true;
    tell(visit, answer.status, how, sale.end(how));
  };
  const { reply } = visit.taken;
  reply.follow({ onSent: end('delivered'), onClose: end('client-left'), onDrain: () => {} });
  if (reply.isGone) end('client-left')();
  else send(visit, answer);
}

function passOn(visit: Visit, found: Found, { sale, headers }: Pass): void {
  const { context, taken } = visit;
  const { reply } = taken;
  const { incoming, target, authority, route } = found;
  if (reply.isGone) {
    tell(visit, 0, 'client-left', sale?.unanswered('client-left') ?? Promise.resolve());
    return;
  }
  const { rewrite, preserveHost } = route;
  const path = onwardPath(rewrite, target.path) + target.query;
  const onward = onwardHeaders(incoming, { host: authority, preserveHost, idempotencyKey: sale?.idempotencyKey });
  const changed = rewrite.request === undefined ? onward : applyRules(onward, rewrite.request);
  carry(context, {
    incoming,
    reply,
    onward: { method: incoming.view.method, upstream: route.upstream, path, headers: changed },
    rewrite,
    timeoutMs: route.timeoutMs,
    sale,
    headers,
    onOver: ({ kind, status, error }) => over(visit, status, kind, error),
  });
}

/** Ends a request that got no decision. What is no refusal of ours is a fault of ours, and says nothing of itself. */
function refuse(visit: Visit, error: unknown): void {
  if (FareboxError.is(error)) send(visit, Problem.answer(error));
  else send(visit, { status: 500, headers: [['Content-Type', 'application/problem+json']], body: `${JSON.stringify(fault)}\n` });
  over(visit, visit.taken.reply.status, 'refused', FareboxError.is(error) ? undefined : error);
}

const fault = { type: 'about:blank', title: 'Internal server error', status: 500 };

/** Sends a whole answer, and takes in what is left of the request. */
function send(visit: Visit, answer: Answer): void {
  const { incoming, taken, context } = visit;
  const body = incoming?.body;
  // What was refused before its framing was believed is not read any further.
  const close = incoming === undefined || body?.unasked === true;
  body?.destroy();
  if (body && !body.whole && !close) taken.reply.discardRest(context.clock);
  context.reached('gateway.answer.sending');
  taken.reply.answer(answer, close);
  context.reached('gateway.answer.sent');
}

/** Over, once the sale knows. */
function tell(visit: Visit, status: number, ended: RequestOutcome['ended'], told: Promise<void>): void {
  told.then(
    () => over(visit, status, ended, undefined),
    (error: unknown) => over(visit, status, ended, error),
  );
}

function over(visit: Visit, status: number, ended: RequestOutcome['ended'], error: unknown): void {
  if (visit.over) return;
  visit.over = true;
  const { context, path, route, taken, startedAtMs } = visit;
  const durationMs = context.clock.nowMs() - startedAtMs;
  context.onOver({ method: taken.method, path, route: route?.name, status, ended, durationMs, error });
}
