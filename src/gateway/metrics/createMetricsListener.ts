/**
 * Where a scraper asks: `GET /metrics`, on a listener of its own, so that no path of the seller's is hidden and nobody who buys sees what is earned.
 *
 * A page in a browser on this machine must not read it through a name that resolves here: a request that names another host than the listener's is refused.
 */
import { isIP } from 'node:net';
import type { Clock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { linesOf } from '../../http/NodeRequest.ts';
import * as Problem from '../../http/Problem.ts';
import type { Answer } from '../../http/RequestView.ts';
import type { ListenAddress } from '../ConfigFields.ts';
import { createListener, type Listener } from '../Listener.ts';
import { besideLimits } from '../running/Beside.ts';
import { format, type Snapshot } from './Snapshot.ts';

/** A listener that does not listen yet. @param snapshot - of all processes; never fails */
export function createMetricsListener(listen: ListenAddress, snapshot: () => Promise<Snapshot>, clock: Clock): Listener {
  return createListener(besideLimits, clock, ({ method, target, rawHeaders, reply }) => {
    const refused = refusalOf(method, target, linesOf(rawHeaders, 'host'), listen.host);
    if (refused !== undefined) return reply.answer(refused, true);
    void snapshot().then((all) => reply.answer(metrics(all), true));
  });
}

function metrics(snapshot: Snapshot): Answer {
  const headers: Answer['headers'] = [
    ['Content-Type', 'text/plain; version=0.0.4; charset=utf-8'],
    ['Cache-Control', 'no-store'],
  ];
  return { status: 200, headers, body: format(snapshot) };
}

function refusalOf(method: string, target: string, hosts: readonly string[], ownHost: string): Answer | undefined {
  if (hosts.length !== 1 || !isOurs(hosts[0] as string, ownHost))
    return Problem.answer(new FareboxError('REQUEST_MALFORMED', 'Ask by the address that this listens on.'));
  const [path] = target.split('?', 1);
  if (path !== '/metrics') return Problem.answer(new FareboxError('ROUTE_UNKNOWN', 'Here is /metrics alone.'));
  if (method === 'GET' || method === 'HEAD') return undefined;
  return { ...Problem.answer(new FareboxError('REQUEST_MALFORMED', 'Ask with GET or HEAD.'), [['Allow', 'GET, HEAD']]), status: 405 };
}

/** An address, this machine's own name, or the name that the configuration listens by. */
function isOurs(authority: string, ownHost: string): boolean {
  const host = authority
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  return isIP(host) !== 0 || host === 'localhost' || host === ownHost.toLowerCase();
}
