/**
 * What has to be refused is asked for, one way after the other, and the answers are put in words.
 */
import { printable } from '../Terminal.ts';
import { finding, type Outcome, ok, unknown, unreachableCode } from './Probe.ts';
import { isServed } from './Purse.ts';
import type { Visit } from './Visit.ts';
import { type Ask, headerOf, type Reply, Silence } from './Wire.ts';

/** One way to ask. */
export type Case = readonly [what: string, ask: Ask];

/** How a case ended. */
type End = { readonly what: string } & (
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'served'; readonly saw: string }
  | { readonly kind: 'untold'; readonly why: string; readonly exitCode: number }
);

/** What a success on another spelling of the target means is found out by comparing it; on the target itself it is what is sold. */
export type Where = 'at the target' | 'elsewhere';

/**
 * Asks in all ways.
 * @param goOn - whether to ask on behind one that was served
 */
export async function mustRefuse(visit: Visit, cases: readonly Case[], where: Where = 'at the target', goOn: () => boolean = () => true): Promise<Outcome> {
  const ends: End[] = [];
  for (const [what, ask] of cases) {
    const end = await tryOne(visit, what, ask, where);
    ends.push(end);
    if (end.kind === 'served' && !goOn()) break;
  }
  return concluded(ends);
}

/** In words: `3 tried: 401, 402 twice`. */
export function counted(statuses: readonly number[]): string {
  const counts = new Map<number, number>();
  for (const status of statuses) counts.set(status, (counts.get(status) ?? 0) + 1);
  const words = [...counts].sort(([a], [b]) => a - b).map(([status, count]) => (count === 1 ? `${status}` : `${status} × ${count}`));
  return words.join(', ');
}

/** Where an answer leads, fit to be shown. */
export function locationOf(reply: Reply): string {
  return printable(headerOf(reply, 'location') ?? 'nowhere').slice(0, 80);
}

/** Bad gateway, unavailable, time-out of a gateway. */
const undecided: readonly number[] = [502, 503, 504];

async function tryOne(visit: Visit, what: string, ask: Ask, where: Where): Promise<End> {
  try {
    const reply = await follow(visit, what, ask, where);
    if (typeof reply === 'string') return { what, kind: 'untold', why: `${what}: ${reply}`, exitCode: 0 };
    const { status } = reply;
    if (status === 429) return { what, kind: 'untold', why: `${what}: 429, too many requests`, exitCode: unreachableCode };
    // Whoever stands between has answered, or the server could not look: nothing was decided about what was asked.
    if (undecided.includes(status)) return { what, kind: 'untold', why: `${what}: ${status}`, exitCode: unreachableCode };
    if (!isServed(reply)) return { what, kind: 'refused', status };
    if (where === 'at the target') return { what, kind: 'served', saw: `${what}: ${status}, ${reply.body.length} bytes` };
    return await judged(visit, what, reply);
  } catch (error) {
    if (error instanceof Silence) return { what, kind: 'untold', why: `${what}: no answer, ${error.message}`, exitCode: unreachableCode };
    throw error;
  }
}

async function judged(visit: Visit, what: string, reply: Reply): Promise<End> {
  const { status, body } = reply;
  switch (await visit.compare(reply)) {
    case 'nothing':
      return { what, kind: 'refused', status };
    case 'sold':
      return { what, kind: 'served', saw: `${what}: ${status} with what is sold, ${body.length} bytes` };
    case 'perhaps':
      return { what, kind: 'served', saw: `${what}: ${status} without payment, ${body.length} bytes: look at it` };
    case 'other':
      return { what, kind: 'untold', why: `${what}: ${status} without payment, ${body.length} bytes that are not those sold: look at it`, exitCode: 0 };
  }
}

/** The answer, behind two redirects at most, none of which leaves this server; a text where it does. */
async function follow(visit: Visit, what: string, ask: Ask, where: Where): Promise<Reply | string> {
  let reply = await visit.try(what, ask);
  for (let hops = 0; reply.status >= 300 && reply.status < 400 && reply.status !== 304; hops++) {
    const next = URL.parse(headerOf(reply, 'location') ?? '', visit.url.href);
    if (where === 'at the target' || next === null || next.origin !== visit.url.origin || hops === 2) return `${reply.status} to ${locationOf(reply)}`;
    reply = await visit.ask({ ...ask, target: next.pathname + next.search });
  }
  return reply;
}

function concluded(ends: readonly End[]): Outcome {
  const served = ends.flatMap((end) => (end.kind === 'served' ? [end.saw] : []));
  if (served.length > 0) return finding(...served);
  const untold = ends.flatMap((end) => (end.kind === 'untold' ? [end] : []));
  const refused = ends.flatMap((end) => (end.kind === 'refused' ? [end.status] : []));
  const ways = `${ends.length} ${ends.length === 1 ? 'way' : 'ways'}`;
  if (untold.length > 0) {
    const [first] = untold;
    const more = untold.length > 1 ? `; and ${untold.length - 1} more of ${ways}` : '';
    return unknown(`${first?.why}${more}`, Math.max(...untold.map(({ exitCode }) => exitCode)));
  }
  return ok(`${ways} refused: ${counted(refused)}`);
}
