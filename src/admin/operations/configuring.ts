/**
 * Changes of the configuration, as the operations on services and routes make them: what the changes file is to say, and what differs by it.
 */
import { z } from 'zod';
import { FareboxError } from '../../core/Errors.ts';
import { Changes } from '../../gateway/index.ts';
import type { Prospect, Standing } from '../ConfigChanging.ts';
import type { Call, Difference, Plan } from '../Operation.ts';
import { type RouteView, viewOf } from './views.ts';

/** Fields of a route that can be changed, as the configuration writes them. */
export const routeFields = {
  price: z.string().max(64).optional().describe('What one payment costs, with its unit: `50 sat`.'),
  free: z.boolean().optional().describe('Served without payment.'),
  terms: z.string().max(64).optional().describe('What one payment buys: `per-request`, `pass: 1h`, `bucket: 1500`, `bucket`, `credit`.'),
  weight: z.int().min(1).max(1_000_000_000).optional().describe('What a request takes off the bucket of the service.'),
  title: z.string().max(600).optional().describe('What is sold, in words.'),
  description: z.string().max(600).optional().describe('What the invoice says, word for word.'),
  exactMsat: z.boolean().optional().describe('Ask for millisatoshis exactly.'),
  consume: z.enum(['on-success', 'on-request']).optional().describe('When a request is charged.'),
  payee: z.string().max(64).optional().describe('Who is paid: a name under `payees`.'),
  verify: z.enum(['preimage', 'settled']).optional().describe('What a payment is known by.'),
  outage: z.enum(['refuse', 'passes-only']).optional().describe('What is served while the store does not answer.'),
  rate: z.string().max(64).optional().describe('How many requests all clients together may send: `100/s`.'),
  timeout: z.string().max(64).optional().describe('How long to wait for the upstream to begin its answer: `30s`.'),
  priority: z.int().min(-1000).max(1000).optional().describe('Which of two routes takes a request that both would: the higher one.'),
  disabled: z.boolean().optional().describe('Switched off: its requests are answered 503, and nobody is asked to pay.'),
} as const;

/** The same of a service. */
export const serviceFields = {
  title: routeFields.title,
  timeout: routeFields.timeout,
  consume: routeFields.consume,
  payee: routeFields.payee,
  verify: routeFields.verify,
  outage: routeFields.outage,
  disabled: z.boolean().optional().describe('Switched off, with every route of it that does not say otherwise.'),
} as const;

/** Fields to be taken away, so that their defaults hold. */
export const clearOf = <Name extends string>(fields: { readonly [name in Name]: unknown }) =>
  z
    .array(z.enum(Object.keys(fields) as [Name, ...Name[]]))
    .max(32)
    .optional()
    .describe('Fields to take away, so that their defaults hold.');

/** What a change of the configuration answers with, beside what every change does. */
export const configChange = {
  file: z.string().describe('The file that the change is kept in.'),
  takesEffect: z.enum(['now', 'within-seconds']),
};

/** Where a service and a route of it stand, found by what a caller named. */
export type Place = { readonly service: string; readonly route: string; readonly value: Changes.Fields };

/** Finds a route. @throws ADMIN_TARGET_UNKNOWN – there is none; REQUEST_MALFORMED – there are several of that name */
export function findRoute(value: unknown, route: string, service: string | undefined): Place {
  const found = servicesIn(value).flatMap((one) =>
    routesIn(one).flatMap((each) =>
      Changes.routeNameOf(one, each) === route && (service === undefined || one.name === service) ? [{ service: String(one.name), route, value: each }] : [],
    ),
  );
  const [only, other] = found;
  if (only === undefined)
    throw unknown(`There is no route "${route}"${service === undefined ? '' : ` of the service "${service}"`}. List them with routes.list.`);
  if (other !== undefined) throw new FareboxError('REQUEST_MALFORMED', `There are several routes "${route}": say which service.`);
  return only;
}

/** Finds a service. @throws ADMIN_TARGET_UNKNOWN – there is none */
export function findService(value: unknown, name: string): Changes.Fields {
  const found = servicesIn(value).find((service) => service.name === name);
  if (found === undefined) throw unknown(`There is no service "${name}". List them with services.list.`);
  return found;
}

/** The services of a configuration as it is written. */
export function servicesIn(value: unknown): readonly Changes.Fields[] {
  const services = Changes.isGroup(value) ? value.services : undefined;
  return Array.isArray(services) ? services.filter(Changes.isGroup) : [];
}

/** The routes of a service as it is written. */
export function routesIn(service: Changes.Fields): readonly Changes.Fields[] {
  return Array.isArray(service.routes) ? service.routes.filter(Changes.isGroup) : [];
}

/** Changes with one service's changed. */
export function withService(
  changes: Changes.Changes,
  name: string,
  change: (service: Changes.ServiceChange) => Changes.ServiceChange | undefined,
): Changes.Changes {
  const next = change(changes.services[name] ?? {});
  const { [name]: _, ...others } = changes.services;
  return { services: next === undefined ? others : { ...others, [name]: next } };
}

/** The same for one route of it. */
export function withRoute(
  changes: Changes.Changes,
  { service, route }: Pick<Place, 'service' | 'route'>,
  change: (route: Changes.RouteChange) => Changes.RouteChange | undefined,
): Changes.Changes {
  return withService(changes, service, (one) => {
    const next = change(one.routes?.[route] ?? {});
    const { [route]: _, ...others } = one.routes ?? {};
    return { ...one, routes: next === undefined ? others : { ...others, [route]: next } };
  });
}

/** Plans a change of the configuration. @throws CONFIG_INVALID, CONFIG_FIXED, ADMIN_CHANGE_CONFLICT – see `ConfigChanging.foresee` */
export async function planConfig<More extends object>(
  { changing }: Call,
  {
    from,
    target,
    change,
    differ,
    output,
  }: {
    /** What was looked at: the differences are those from it. */
    readonly from: Standing;
    readonly target: string;
    readonly change: (changes: Changes.Changes) => Changes.Changes;
    /** What differs, found in the value as it would be. */
    readonly differ: (value: unknown) => readonly Difference[];
    readonly output: (prospect: Prospect) => More;
  },
): Promise<Plan<More & { file: string; takesEffect: 'now' | 'within-seconds' }>> {
  const prospect = await changing.foresee(from, change);
  return {
    target,
    differences: differ(prospect.value),
    output: { ...output(prospect), file: changing.file ?? '', takesEffect: changing.takesNow ? 'now' : 'within-seconds' },
    apply: prospect.apply,
  };
}

/** Fields that two groups have otherwise; null where one is not there. */
export function differencesOf(before: Changes.Fields | undefined, after: Changes.Fields | undefined): readonly Difference[] {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])].filter((name) => shown.has(name));
  return names.flatMap((field) => {
    const [was, is] = [textOf(before?.[field]), textOf(after?.[field])];
    return was === is ? [] : [{ field, before: was, after: is }];
  });
}

/** The route of a configuration as it would run, for an answer. */
export function routeView({ config }: Prospect, { service, route }: Pick<Place, 'service' | 'route'>): RouteView | null {
  const found = config.routes.find((one) => one.service === service && one.name === route);
  return found === undefined ? null : viewOf(found, config.changes);
}

/** What may be shown of a service or route: what else stands there, such as headers for an upstream, may be secret. */
const shown: ReadonlySet<string> = new Set([...Object.keys(routeFields), ...Object.keys(serviceFields), 'path', 'methods', 'host', 'upstream', 'name']);

function textOf(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return value;
  // Of an upstream with a key, where it is alone.
  if (Changes.isGroup(value) && 'url' in value) return String(value.url);
  return JSON.stringify(value);
}

function unknown(message: string): FareboxError {
  return new FareboxError('ADMIN_TARGET_UNKNOWN', message);
}
