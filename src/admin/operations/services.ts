/**
 * What is sold: services, each with an upstream and its routes.
 */
import { z } from 'zod';
import { FareboxError } from '../../core/Errors.ts';
import { Changes } from '../../gateway/index.ts';
import { defineChange, defineRead } from '../Operation.ts';
import { clearOf, configChange, differencesOf, findService, planConfig, routeFields, routesIn, serviceFields, servicesIn, withService } from './configuring.ts';
import { servicesOf, service as shape } from './views.ts';

const answered = { ...configChange, service: shape.nullable().describe('As it will be; null where it is not any more.') };

const name = z.string().min(1).max(64);

/** `services.list` */
export const listServices = defineRead({
  name: 'services.list',
  scope: 'read',
  summary: 'List the services.',
  input: z.object({}),
  output: z.object({ services: z.array(shape) }),
  run: async (_, { config }) => ({ services: servicesOf(config()) }),
});

/** `services.create` */
export const createService = defineChange({
  name: 'services.create',
  scope: 'admin',
  summary: 'Sell another service.',
  description: 'With a first route; more are added with routes.create.',
  input: z.object({
    service: name.describe('Stands in every token; it is never changed.'),
    upstream: z.string().min(1).max(600).describe('Where requests go: `http://localhost:3000`.'),
    host: z.string().max(253).optional().describe("The requests' host; default: every host."),
    path: z.string().min(1).max(600).describe('What is served of it first.'),
    methods: z.array(z.string().max(32)).min(1).max(16).optional().describe('Which methods; default: every one.'),
    title: serviceFields.title,
    price: routeFields.price,
    free: routeFields.free,
    terms: routeFields.terms,
  }),
  output: z.object(answered),
  plan: async ({ service, upstream, host, title, ...first }, call) => {
    const from = await call.changing.look();
    const { value } = from;
    if (servicesIn(value).some((one) => one.name === service))
      throw new FareboxError('ADMIN_CHANGE_CONFLICT', `There is a service "${service}" already. Add to it with routes.create.`);
    const set = Object.fromEntries(Object.entries({ upstream, host, title }).filter(([, one]) => one !== undefined));
    const firstSet = Object.fromEntries(Object.entries(first).filter(([, one]) => one !== undefined));
    const route = Changes.routeNameOf(set, firstSet) ?? first.path;
    return planConfig(call, {
      from,
      target: `service ${service}`,
      change: (changes) => {
        if (changes.services[service]?.removed)
          throw new FareboxError('ADMIN_CHANGE_CONFLICT', `"${service}" was removed here: take that back with changes.drop.`);
        return withService(changes, service, () => ({ added: true, set, routes: { [route]: { added: true, set: firstSet } } }));
      },
      differ: () => [...differencesOf(undefined, { name: service, ...set }), ...differencesOf(undefined, firstSet)],
      output: ({ config }) => ({ service: servicesOf(config).find((one) => one.name === service) ?? null }),
    });
  },
});

/** `services.change` */
export const changeService = defineChange({
  name: 'services.change',
  scope: 'operate',
  summary: 'Change what holds for a whole service, or switch it off.',
  description: 'What is set wins over the configuration; what is not named stays. A route that says otherwise goes its own way.',
  input: z.object({ service: name.describe('Its name.'), ...serviceFields, clear: clearOf(serviceFields) }),
  output: z.object(answered),
  plan: async ({ service, clear = [], ...fields }, call) => {
    const from = await call.changing.look();
    const { value } = from;
    const before = findService(value, service);
    const named = Object.entries(fields).filter(([, one]) => one !== undefined);
    const set = { ...Object.fromEntries(named), ...Object.fromEntries(clear.map((field) => [field, null])) };
    return planConfig(call, {
      from,
      target: `service ${service}`,
      change: (changes) => withService(changes, service, (one) => ({ ...one, set: { ...one.set, ...set } })),
      differ: (after) => differencesOf(before, findService(after, service)),
      output: ({ config }) => ({ service: servicesOf(config).find((one) => one.name === service) ?? null }),
    });
  },
});

/** `services.remove` */
export const removeService = defineChange({
  name: 'services.remove',
  scope: 'admin',
  summary: 'Sell a service no more.',
  description: 'What was sold of it is worth nothing as long as it is gone. To switch it off for a while, change `disabled` instead.',
  input: z.object({ service: name.describe('Its name.') }),
  output: z.object(configChange),
  plan: async ({ service }, call) => {
    const from = await call.changing.look();
    const { value } = from;
    const before = findService(value, service);
    const routes = routesIn(before).map((route) => Changes.routeNameOf(before, route) ?? '');
    return planConfig(call, {
      from,
      target: `service ${service}`,
      change: (changes) => withService(changes, service, ({ added }) => (added ? undefined : { removed: true })),
      differ: () => [...differencesOf(before, undefined), { field: 'routes', before: routes.join(', '), after: null }],
      output: () => ({}),
    });
  },
});
