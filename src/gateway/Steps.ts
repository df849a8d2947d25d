/**
 * What happens to a request, in order. Each step hands on what it found out, or ends the request with an answer.
 *
 *     take → (limits) → path → route → (limits, preflight) → paywall → carry
 *
 * The path is normalised once; that text is routed, priced, bound into the token and forwarded.
 */
import type { Msat } from '../core/Amount.ts';
import type { Clock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Path from '../http/Path.ts';
import * as Problem from '../http/Problem.ts';
import type { Answer, RequestView } from '../http/RequestView.ts';
import * as Answers from '../server/Answers.ts';
import type { Decision } from '../server/Decision.ts';
import type { Offer, Principal } from '../server/Offer.ts';
import type { Paywall } from '../server/Paywall.ts';
import { plainAddress, type Trust } from './ClientAddress.ts';
import { madePrivate, onwardHeaders, toPairs } from './Forwarding.ts';
import * as Incoming from './Incoming.ts';
import { inOwnWords } from './listener/GrpcReply.ts';
import { type Carriage, carry } from './Proxy.ts';
import type { Handler, Taken } from './Reply.ts';
import { bodyTooLarge } from './RequestBody.ts';
import type { RouteKey, Router } from './Router.ts';
import { applyRules } from './routing/HeaderRules.ts';
import { onwardPath, type Rewrite } from './routing/Rewrite.ts';
import type { Edge, EdgeReply } from './running/EdgeReply.ts';
import { sendFollowed } from './running/Followed.ts';
import { type Limiter, within } from './running/Limiter.ts';
import type { OwnAnswer } from './running/ReceiptKeys.ts';
import { setRequestId } from './running/RequestIds.ts';
import type { Trace, Traces } from './running/Traces.ts';
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
  /** It takes its requests, and answers none of them. */
  readonly disabled?: boolean;
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
  /** Of a WebSocket: bytes from the client and to it. */
  readonly bytes?: { readonly in: number; readonly out: number };
  readonly durationMs: number;
  /** For logs alone. */
  readonly error: unknown;
  /** The client's address; its connection's where the request could not be read. */
  readonly client: string;
  /** The first 8 digits of its token's id, where one was verified. */
  readonly token: string | undefined;
  /** What it cost, where its answer says that it was charged, and one payment or balance was charged in money. */
  readonly chargedMsat: Msat | undefined;
  /** Where the configuration asks for logs, beyond that: */
  readonly requestId: string | undefined;
  /** Of the answer's body. */
  readonly answerBytes: number | undefined;
  /** `charged` or `not-charged`, as the answer's head says it; undefined where it says nothing. */
  readonly payment: string | undefined;
};

/** What the steps need of the gateway. */
export type StepsContext = Carriage & {
  readonly clock: Clock;
  readonly trust: Trust;
  readonly limits: Incoming.IncomingLimits;
  /** WebSockets that may be open at once. */
  readonly mostTunnels: number;
  /** Undefined: as many requests as come. */
  readonly limiter: Limiter | undefined;
  /** Undefined: nothing is added to answers. */
  readonly edge: Edge | undefined;
  readonly router: Router<ServedRoute>;
  /** What is answered here, before anything is looked for behind it; undefined: nothing. */
  readonly own: OwnAnswer | undefined;
  /** Undefined: nobody traces. */
  readonly traces: Traces | undefined;
  readonly paywall: Pick<Paywall, 'check'>;
  /** Told once for every request. */
  readonly onOver: (outcome: RequestOutcome) => void;
  /** Told of every request that has been taken, before `onOver`. */
  readonly onTaken: () => void;
};

/** The steps as one handler. Each request goes to its end by what is current when it comes. It never throws. */
export function createSteps(current: () => StepsContext): Handler {
  return (from) => {
    const context = current();
    context.onTaken();
    const edge = context.edge?.open(from);
    const taken = inOwnWords(edge === undefined ? from : edge.inFrontOf(from), context.clock);
    const startedAtMs = context.clock.nowMs();
    const visit: Visit = {
      context,
      taken,
      edge,
      startedAtMs,
      path: '',
      route: undefined,
      incoming: undefined,
      principal: undefined,
      trace: undefined,
      over: false,
    };
    try {
      const incoming = Incoming.from(taken, context.trust, context.limits);
      visit.incoming = incoming;
      visit.trace = context.traces?.begin(incoming, startedAtMs);
      if ((incoming.contentLength ?? 0) > context.limits.bodyBytes) throw bodyTooLarge(context.limits.bodyBytes);
      const { limiter } = context;
      if (limiter === undefined) route(visit, incoming);
      else
        within(
          limiter.client(incoming.view.clientAddress),
          () => route(visit, incoming),
          (error) => refuse(visit, error),
        );
    } catch (error) {
      refuse(visit, error);
    }
  };
}

/** A request on its way through the steps; the last fields fill as it goes. */
type Visit = {
  readonly context: StepsContext;
  readonly taken: Taken;
  readonly edge: EdgeReply | undefined;
  readonly startedAtMs: number;
  path: string;
  route: ServedRoute | undefined;
  incoming: Incoming.Incoming | undefined;
  principal: Principal | undefined;
  trace: Trace | undefined;
  over: boolean;
};

type Found = {
  readonly incoming: Incoming.Incoming;
  readonly target: Path.Target;
  /** The host that was asked, '' where none was. */
  readonly authority: string;
  readonly route: ServedRoute;
};

type Pass = Pick<Decision & { readonly kind: 'pass' }, 'principal' | 'branches' | 'sale' | 'headers' | 'isPrivate'>;

const free: Pass = { principal: undefined, sale: undefined, headers: [] };

function busy(): FareboxError {
  const message = 'As many WebSockets are open here as may be. Ask again in a moment; nothing was charged.';
  return new FareboxError('UPSTREAM_BUSY', message, { details: { retryAfterSeconds: 1 } });
}

/** @throws ROUTE_UNKNOWN – nothing is served there */
function route(visit: Visit, incoming: Incoming.Incoming): void {
  const { context } = visit;
  const target = Path.normalize(incoming.view.target);
  visit.path = target.path;
  const authority = target.authority ?? incoming.host;
  const found = context.router.find(Incoming.hostName(authority), routedMethod(incoming.view), target.path, incoming.rawHeaders);
  const own = context.own?.(incoming.view.method, target.path);
  if (own !== undefined) return answer(visit, own);
  if (found === undefined) throw new FareboxError('ROUTE_UNKNOWN', `Nothing is served at ${incoming.view.method} ${target.path}.`);
  visit.route = found;
  if (found.disabled) throw new FareboxError('ROUTE_DISABLED', `${visit.taken.method} ${target.path} is switched off for now. Nothing was charged.`);
  // Before the paywall: nobody is to pay for what there is no room for.
  if (visit.taken.upgrade !== undefined && context.tunnels.size >= context.mostTunnels) throw busy();
  const { limiter } = context;
  const goOn = () => check(visit, { incoming, target, authority, route: found });
  if (limiter === undefined) goOn();
  else within(limiter.route(found.name), goOn, (error) => refuse(visit, error));
}

function check(visit: Visit, found: Found): void {
  const { context } = visit;
  const { incoming, target, route } = found;
  const cors = context.edge?.cors;
  if (cors !== undefined && Answers.isPreflight(incoming.view)) return answer(visit, cors.preflight(incoming.view));
  if (route.offer === undefined) return passOn(visit, found, free);
  visit.trace?.asks();
  const decision = context.paywall.check(incoming.view, target, route.offer);
  if (!(decision instanceof Promise)) carryOut(visit, found, decision);
  else decision.then((decided) => carryOut(visit, found, decided)).catch((error: unknown) => refuse(visit, error));
}

/** A browser's question whether it may ask goes where the request it asks for would go. */
function routedMethod(view: RequestView): string {
  if (view.method !== 'OPTIONS' || view.header('origin') === undefined) return view.method;
  return view.header('access-control-request-method') ?? view.method;
}

function carryOut(visit: Visit, found: Found, decision: Decision): void {
  if ('principal' in decision) visit.principal = decision.principal;
  visit.trace?.decided(decision.kind);
  if (decision.kind === 'pass') passOn(visit, found, decision);
  else if (decision.kind === 'repeat') repeat(visit, decision.isPrivate ? { ...decision, answer: keptPrivate(decision.answer) } : decision);
  else if (decision.kind === 'answer' && decision.follow !== undefined) follow(visit, decision.answer, decision.follow);
  else answer(visit, decision.answer);
}

function answer(visit: Visit, made: Answer): void {
  send(visit, made);
  over(visit, made.status, 'answered', undefined);
}

/** An answer that goes on for as long as its client hears it. */
function follow(visit: Visit, { status, headers, body }: Answer, texts: (gone: AbortSignal) => AsyncIterable<string>): void {
  const rest = visit.incoming?.body;
  rest?.destroy();
  if (rest && !rest.whole) visit.taken.reply.discardRest(visit.context.clock);
  void sendFollowed(visit.taken.reply, { status, headers, body }, texts).then(
    (ended) => over(visit, visit.taken.reply.status, ended, undefined),
    (error: unknown) => over(visit, visit.taken.reply.status, 'refused', error),
  );
}

function keptPrivate(kept: Answer): Answer {
  return { ...kept, headers: toPairs(madePrivate(kept.headers.flat())) };
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

function passOn(visit: Visit, found: Found, pass: Pass): void {
  const { sale, headers, isPrivate } = pass;
  const { context, taken, edge } = visit;
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
  const { upgrade } = taken;
  if (upgrade?.isKeyOurs === true) changed.push('Sec-WebSocket-Key', upgrade.key);
  const named = edge?.requestId === undefined ? changed : setRequestId(changed, edge.requestId);
  carry(context, {
    incoming,
    reply,
    upgrade,
    onward: {
      method: incoming.view.method,
      upstream: route.upstream,
      path,
      headers: visit.trace?.goesOn(named, route.upstream.origin) ?? named,
      isUpgrade: upgrade !== undefined,
    },
    rewrite,
    timeoutMs: route.timeoutMs,
    sale,
    bought: pass,
    headers,
    isPrivate,
    onOver: ({ kind, status, error, bytes }) => over(visit, status, kind, error, bytes),
  });
}

/** Ends a request that got no decision. What is no refusal of ours is a fault of ours, and says nothing of itself. */
function refuse(visit: Visit, error: unknown): void {
  if (FareboxError.is(error)) send(visit, error.details.retryAfterSeconds === undefined ? Problem.answer(error) : Answers.refusal(error));
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
function tell(visit: Visit, status: number, ended: RequestOutcome['ended'], told: Promise<void> | undefined): void {
  if (told === undefined) return over(visit, status, ended, undefined);
  told.then(
    () => over(visit, status, ended, undefined),
    (error: unknown) => over(visit, status, ended, error),
  );
}

function over(visit: Visit, status: number, ended: RequestOutcome['ended'], error: unknown, bytes?: RequestOutcome['bytes']): void {
  if (visit.over) return;
  visit.over = true;
  const { context, path, route, taken, edge, incoming, principal, startedAtMs } = visit;
  const outcome: RequestOutcome = {
    method: taken.method,
    path,
    route: route?.name,
    status,
    ended,
    durationMs: context.clock.nowMs() - startedAtMs,
    error,
    client: incoming?.view.clientAddress ?? plainAddress(taken.remoteAddress),
    token: principal?.tokenId.slice(0, 8),
    chargedMsat: edge?.payment === 'charged' ? chargedMsat(visit) : undefined,
    requestId: edge?.requestId,
    ...(bytes && { bytes }),
    answerBytes: edge?.bytes,
    payment: edge?.payment,
  };
  visit.trace?.isOver(outcome);
  context.onOver(outcome);
}

/** Of a bucket, units are taken and no money. */
function chargedMsat({ principal, route, incoming }: Visit): Msat | undefined {
  if (principal?.terms === 'per-request') return principal.amountMsat;
  return principal?.terms === 'credit' && incoming !== undefined ? route?.offer?.price.of(incoming.view).amountMsat : undefined;
}
