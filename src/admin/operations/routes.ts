/**
 * What is served, and for how much.
 */
import { z } from 'zod';
import { FareboxError } from '../../core/Errors.ts';
import { Changes } from '../../gateway/index.ts';
import { defineChange, defineRead } from '../Operation.ts';
import { clearOf, configChange, differencesOf, findRoute, findService, planConfig, routeFields, routesIn, routeView, withRoute } from './configuring.ts';
import { route, viewOf } from './views.ts';

const named = {
  route: z.string().min(1).max(600).describe('The name of the route, as routes.list says it.'),
  service: z.string().max(64).optional().describe('Its service, where several have a route of that name.'),
};

const answered = { ...configChange, route: route.nullable().describe('As it will be served; null where it is not any more.') };

/** `routes.list` */
export const listRoutes = defineRead({
  name: 'routes.list',
  scope: 'read',
  summary: 'List the routes.',
  description: 'Each with its price and terms, as they are now, and which of its fields an operator has set.',
  input: z.object({ service: z.string().max(64).optional().describe('Of this service alone.') }),
  output: z.object({ routes: z.array(route) }),
  run: async ({ service }, { config }) => {
    const { routes, changes } = config();
    return { routes: routes.filter((one) => service === undefined || one.service === service).map((one) => viewOf(one, changes)) };
  },
});

/** `routes.create` */
export const createRoute = defineChange({
  name: 'routes.create',
  scope: 'admin',
  summary: 'Serve another path of a service.',
  description: 'Written as the configuration would write it, and checked as a whole with it. Nothing is changed where anything would be wrong.',
  input: z.object({
    service: z.string().min(1).max(64).describe('The service that it is to be of.'),
    path: z.string().min(1).max(600).describe('What is served: `/api/v1/translate`, `/api/*`, `/users/{id}`.'),
    methods: z.array(z.string().max(32)).min(1).max(16).optional().describe('Which methods; default: every one.'),
    ...routeFields,
  }),
  output: z.object(answered),
  plan: async ({ service, ...fields }, call) => {
    const from = await call.changing.look();
    const { value } = from;
    const owner = findService(value, service);
    const set = written(fields);
    const name = Changes.routeNameOf(owner, set) ?? fields.path;
    const at = { service, route: name };
    if (routesIn(owner).some((each) => Changes.routeNameOf(owner, each) === name))
      throw new FareboxError('ADMIN_CHANGE_CONFLICT', `There is a route "${name}" already. Change it with routes.change.`);
    return planConfig(call, {
      from,
      target: `route ${name} of ${service}`,
      // One that was removed before comes back as what is asked for now.
      change: (changes) => withRoute(changes, at, (before) => (before.removed ? { set: { ...cleared(before.set), ...set } } : { added: true, set })),
      differ: () => differencesOf(undefined, set),
      output: (prospect) => ({ route: routeView(prospect, at) }),
    });
  },
});

/** `routes.change` */
export const changeRoute = defineChange({
  name: 'routes.change',
  scope: 'operate',
  summary: 'Change price, terms or words of a route, or switch it off.',
  description: 'What is set wins over the configuration; what is not named stays. Tokens that are sold already are not touched.',
  input: z.object({ ...named, ...routeFields, clear: clearOf(routeFields) }),
  output: z.object(answered),
  plan: async ({ route: name, service, clear = [], ...fields }, call) => {
    const from = await call.changing.look();
    const { value } = from;
    const place = findRoute(value, name, service);
    const set = { ...implied(fields, place.value), ...written(fields), ...Object.fromEntries(clear.map((field) => [field, null])) };
    return planConfig(call, {
      from,
      target: `route ${name} of ${place.service}`,
      change: (changes) => withRoute(changes, place, (before) => ({ ...before, set: { ...before.set, ...set } })),
      differ: (after) => differencesOf(place.value, findRoute(after, name, place.service).value),
      output: (prospect) => ({ route: routeView(prospect, place) }),
    });
  },
});

/** `routes.remove` */
export const removeRoute = defineChange({
  name: 'routes.remove',
  scope: 'admin',
  summary: 'Serve a route no more.',
  description: 'Its requests go to another route that takes them, or are answered 404. To switch it off for a while, change `disabled` instead.',
  input: z.object(named),
  output: z.object(configChange),
  plan: async ({ route: name, service }, call) => {
    const from = await call.changing.look();
    const { value } = from;
    const place = findRoute(value, name, service);
    return planConfig(call, {
      from,
      target: `route ${name} of ${place.service}`,
      change: (changes) => withRoute(changes, place, ({ added }) => (added ? undefined : { removed: true })),
      differ: () => differencesOf(place.value, undefined),
      output: () => ({}),
    });
  },
});

/** Fields that were named, as the configuration writes them. */
function written(fields: { readonly [name: string]: unknown }): Changes.Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** A price ends what is free, and the other way round: with one of them the other goes. */
function implied({ price, free }: { readonly price?: unknown; readonly free?: unknown }, before: Changes.Fields): Changes.Fields {
  if (free === true) return Object.fromEntries(onSale.filter((name) => name in before).map((name) => [name, null]));
  return price !== undefined && before.free === true ? { free: null } : {};
}

const onSale = ['price', 'terms', 'weight', 'leased', 'consume', 'exactMsat', 'payee', 'verify', 'outage'] as const;

/** Fields set before, taken away. */
function cleared(set: Changes.Fields = {}): Changes.Fields {
  return Object.fromEntries(Object.keys(set).map((name) => [name, null]));
}
