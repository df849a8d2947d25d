/**
 * Whether a gateway runs, and whether it is to be sent requests, for load balancers and whoever supervises it: on a listener of its own, so that no
 * path of the seller's is hidden.
 *
 *     GET /healthz     200 {"status":"ok"}
 *     GET /readyz      200 {"status":"ready","store":"ok","lightning":"ok"}
 *                      503 {"status":"not-ready","notReady":["store"],"store":"away","lightning":"unknown"}
 *
 * Not ready: it drains, or the store is away and something is sold that would be answered 503 for it. A node that is away makes nobody unready: what was
 * paid for is served, and what is free; only new invoices are missing. One payee's that is away is enough to be told as `away`. Nothing is asked for the answer: it says what is known.
 */
import type { Clock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Problem from '../../http/Problem.ts';
import type { Answer } from '../../http/RequestView.ts';
import type { Events } from '../../server/Events.ts';
import type { Paywall } from '../../server/Paywall.ts';
import { createListener, type Listener } from '../Listener.ts';
import type { ServedRoute } from '../Steps.ts';
import { followNodes } from './Alerts.ts';
import { besideLimits } from './Beside.ts';

/** What the answers are made from. */
export type HealthOptions = {
  readonly clock: Clock;
  readonly events: Events;
  /** What the paywall knows of its store; undefined where there is none. */
  readonly serves: Paywall['serves'] | undefined;
  /** What is sold by now. */
  readonly sales: () => readonly Pick<ServedRoute, 'offer'>[];
};

/** See the head of this file. */
export type Health = {
  readonly listener: Listener;
  /** Not ready from now on. */
  readonly drain: () => void;
};

/** A listener that does not listen yet. */
export function createHealth({ clock, events, serves, sales }: HealthOptions): Health {
  let isDraining = false;
  const nodes = followNodes();
  events.on(nodes.hear);
  const readiness = (): Answer => {
    const isServed = serves === undefined || sales().every(({ offer }) => offer === undefined || isServedNow(offer, serves));
    const notReady = [...(isDraining ? ['draining'] : []), ...(isServed ? [] : ['store'])];
    const store = serves === undefined ? 'none' : serves('refuse') ? 'ok' : 'away';
    const isReady = notReady.length === 0;
    return json(isReady ? 200 : 503, { status: isReady ? 'ready' : 'not-ready', ...(isReady ? {} : { notReady }), store, lightning: nodes.standing() });
  };
  const listener = createListener(besideLimits, clock, ({ method, target, reply }) => {
    reply.answer(answerTo(method, target, readiness), true);
  });
  return {
    listener,
    drain: () => {
      isDraining = true;
    },
  };
}

/** What is counted needs the store itself; a pass, by its route's choice, the last list alone. */
function isServedNow({ terms, outage }: NonNullable<ServedRoute['offer']>, serves: Paywall['serves']): boolean {
  return serves(terms.kind === 'pass' ? outage : 'refuse');
}

function answerTo(method: string, target: string, readiness: () => Answer): Answer {
  const [path] = target.split('?', 1);
  if (path !== '/healthz' && path !== '/readyz') return Problem.answer(new FareboxError('ROUTE_UNKNOWN', 'Here are /healthz and /readyz alone.'));
  if (method !== 'GET' && method !== 'HEAD') {
    const refused = Problem.answer(new FareboxError('REQUEST_MALFORMED', 'Ask with GET or HEAD.'), [['Allow', 'GET, HEAD']]);
    return { ...refused, status: 405 };
  }
  return path === '/healthz' ? json(200, { status: 'ok' }) : readiness();
}

function json(status: number, value: object): Answer {
  const headers: Answer['headers'] = [
    ['Content-Type', 'application/json'],
    ['Cache-Control', 'no-store'],
  ];
  return { status, headers, body: `${JSON.stringify(value)}\n` };
}
