/**
 * What operators have changed of the configuration, and taking it back.
 */
import { z } from 'zod';
import { FareboxError } from '../../core/Errors.ts';
import type { Changes } from '../../gateway/index.ts';
import { type Difference, defineChange, defineRead } from '../Operation.ts';
import { configChange, planConfig, withRoute, withService } from './configuring.ts';

const entry = z.object({
  service: z.string(),
  route: z.string().nullable().describe('Null: it is of the service itself.'),
  kind: z.enum(['set', 'added', 'removed']),
  field: z.string().nullable().describe('Of what is set; null otherwise.'),
  value: z.string().nullable().describe('As the configuration would write it; null where the field is taken away.'),
});

/** `changes.list` */
export const listChanges = defineRead({
  name: 'changes.list',
  scope: 'read',
  summary: 'List what was changed of the configuration.',
  description: 'Each wins over the configuration. What is not here is as the configuration says.',
  input: z.object({}),
  output: z.object({ file: z.string().nullable().describe('The file that they are kept in; null where nothing can be changed.'), changes: z.array(entry) }),
  run: async (_, { config, changing }) => ({ file: changing.file ?? null, changes: entriesOf(config().changes) }),
});

/** `changes.drop` */
export const dropChanges = defineChange({
  name: 'changes.drop',
  scope: 'admin',
  summary: 'Take changes back, so that the configuration holds again.',
  description: 'Of a service with its routes, of a route, or of some fields of one of them.',
  input: z.object({
    service: z.string().min(1).max(64).describe('The service.'),
    route: z.string().max(600).optional().describe('Of this route alone.'),
    fields: z.array(z.string().max(64)).max(32).optional().describe('These fields alone.'),
  }),
  output: z.object(configChange),
  plan: async ({ service, route, fields }, call) => {
    const target = route === undefined ? `changes of service ${service}` : `changes of route ${route} of ${service}`;
    const from = await call.changing.look();
    const { changes } = from;
    const known = changes.services[service];
    if (known === undefined || (route !== undefined && known.routes?.[route] === undefined))
      throw new FareboxError('ADMIN_TARGET_UNKNOWN', 'Nothing is changed there. List what is with changes.list.');
    const dropped = <Change extends Changes.RouteChange>(one: Change): Change | undefined =>
      fields === undefined ? undefined : { ...one, set: Object.fromEntries(Object.entries(one.set ?? {}).filter(([name]) => !fields.includes(name))) };
    const next = (before: Changes.Changes) => (route === undefined ? withService(before, service, dropped) : withRoute(before, { service, route }, dropped));
    return planConfig(call, { from, target, change: next, differ: () => difference(changes, next(changes)), output: () => ({}) });
  },
});

/** Entries that one has and the other has not. */
function difference(before: Changes.Changes, after: Changes.Changes): readonly Difference[] {
  const key = ({ service, route, kind, field }: z.input<typeof entry>) => [service, route, field ?? kind].filter((part) => part !== null).join(': ');
  const left = new Set(entriesOf(after).map(key));
  return entriesOf(before).flatMap((one) => (left.has(key(one)) ? [] : [{ field: key(one), before: one.value ?? one.kind, after: null }]));
}

function entriesOf({ services }: Changes.Changes): z.input<typeof entry>[] {
  return Object.entries(services).flatMap(([service, { routes = {}, ...own }]) => [
    ...entriesOfOne(service, null, own),
    ...Object.entries(routes).flatMap(([route, change]) => entriesOfOne(service, route, change)),
  ]);
}

function entriesOfOne(service: string, route: string | null, { added, removed, set = {} }: Changes.RouteChange): z.input<typeof entry>[] {
  const whole = added ? 'added' : removed ? 'removed' : undefined;
  return [
    ...(whole === undefined ? [] : [{ service, route, kind: whole, field: null, value: null } as const]),
    ...Object.entries(set).map(([field, value]) => ({ service, route, kind: 'set' as const, field, value: textOf(value) })),
  ];
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
