/**
 * An operator's changes of a configuration, kept in a file beside it: `farebox.yaml` has `farebox.changes.yaml`. A field that stands there wins over the
 * same field of the configuration; null takes one away; everything else holds as the configuration says. Neither file is ever rewritten for the other.
 *
 *     services:
 *       translate:
 *         set: { title: Translations }
 *         routes:
 *           GET /api/v1/translate: { set: { price: 60 sat } }
 *           GET /api/v1/old: { removed: true }
 *           POST /api/v1/new: { added: true, set: { path: /api/v1/new, methods: POST, price: 5 sat } }
 *
 * Routes stand by the name that the configuration gives them. A change of something that is not there is a mistake: it would be lost without a word.
 *
 * @see docs/decisions/0064-changes-beside-the-configuration.md
 */
import { stringify } from 'yaml';
import { z } from 'zod';
import { type ConfigPath, type ConfigText, createMistakes, type Mistakes, parse } from '../ConfigText.ts';

/** Values by field, in the form of the configuration; null takes a field away. */
export type Fields = { readonly [field: string]: unknown };

/** What is changed of a route. `added`: it stands in the changes alone. */
export type RouteChange = { readonly added?: true | undefined; readonly removed?: true | undefined; readonly set?: Fields | undefined };

/** The same of a service; routes by their names. */
export type ServiceChange = RouteChange & { readonly routes?: { readonly [route: string]: RouteChange } | undefined };

/** Services by their names. */
export type Changes = { readonly services: { readonly [service: string]: ServiceChange } };

/** Nothing is changed. */
export const none: Changes = { services: {} };

const fields = z.record(z.string(), z.unknown()).optional();
const routeChange = z.strictObject({ added: z.literal(true).optional(), removed: z.literal(true).optional(), set: fields });
const schema = z.strictObject({
  services: z.record(z.string(), routeChange.extend({ routes: z.record(z.string(), routeChange).optional() })),
});

/** The file of changes beside a configuration. */
export function changesFileOf(file: string): string {
  return `${file.replace(/\.ya?ml$/i, '')}.changes.yaml`;
}

/**
 * Reads the text of such a file. Nothing is filled in from the environment: who may set a price may not read the secrets of the machine.
 * @throws CONFIG_INVALID – it has another form
 */
export function parseChanges(text: string, file: string): Changes {
  const read = parse(text, file, undefined);
  if (read.value === null || read.value === undefined) return none;
  const outcome = schema.safeParse(read.value);
  if (outcome.success) return outcome.data;
  const mistakes = createMistakes(file, read);
  for (const { path, message } of outcome.error.issues) mistakes.add(path, message);
  mistakes.check();
  return none;
}

/** As a file: what changes nothing any more is left out. */
export function formatChanges(changes: Changes, file: string): string {
  return `# Changes made with farebox admin. Each wins over ${file}, field by field; take one back with: farebox admin changes drop\n${stringify(compact(changes), { lineWidth: 0 })}`;
}

/** Without what changes nothing. */
export function compact({ services }: Changes): Changes {
  const kept = Object.entries(services).map(([name, { routes = {}, ...service }]): [string, ServiceChange] => {
    const left = Object.entries(routes).filter(([, route]) => changesSomething(route));
    return [name, { ...withoutEmpty(service), ...(left.length > 0 && { routes: Object.fromEntries(left.map(([key, route]) => [key, withoutEmpty(route)])) }) }];
  });
  return { services: Object.fromEntries(kept.filter(([, service]) => changesSomething(service))) };
}

/** How many fields, routes and services are changed. */
export function countChanges({ services }: Changes): number {
  const countOf = ({ added, removed, set = {} }: RouteChange) => (added || removed ? 1 : Object.keys(set).length);
  return Object.values(services).reduce(
    (sum, service) => sum + countOf(service) + Object.values(service.routes ?? {}).reduce((routes, route) => routes + countOf(route), 0),
    0,
  );
}

/** A configuration with changes in it. Mistakes in what was changed name the file of the changes. */
export function applyChanges(text: ConfigText, changes: Changes, changesFile: string, mistakes: Mistakes): ConfigText {
  if (countChanges(changes) === 0) return text;
  const services = isGroup(text.value) && Array.isArray(text.value.services) ? (text.value.services as readonly unknown[]) : undefined;
  if (services === undefined) {
    mistakes.add([], `${changesFile} changes services, and there are none here: it goes with a configuration in the form of farebox.yaml`);
    return text;
  }
  const lost = (what: string) => mistakes.add(['services'], `${changesFile} changes ${what}, which is not there: take it out of that file`);
  const wanted = new Map(Object.entries(changes.services));
  const changed: Placed<ServicePlaced>[] = services.flatMap((service, index) => {
    const name = isGroup(service) && typeof service.name === 'string' ? service.name : undefined;
    const change = name === undefined ? undefined : wanted.get(name);
    if (name === undefined || change === undefined) return [{ value: service, from: index, fields: emptySet, routes: undefined }];
    if (change.added) mistakes.add(['services', index, 'name'], `${changesFile} adds a service "${name}" too`);
    wanted.delete(name);
    return change.removed ? [] : [changeService(service as Fields, index, change, (route) => lost(`the route ${route} of the service "${name}"`))];
  });
  for (const [name, change] of wanted) {
    if (change.added) changed.push(changeService({ name }, undefined, change, (route) => lost(`the route ${route} of the service "${name}"`)));
    else lost(`the service "${name}"`);
  }
  return placed(text, changed, changesFile);
}

/** What a route is called in the ledger, and here, from what stands in the configuration. */
export function routeNameOf(service: Fields, route: unknown): string | undefined {
  if (!isGroup(route) || typeof route.path !== 'string') return undefined;
  const { methods, headers, path } = route;
  const list = Array.isArray(methods) ? methods.join(',') : typeof methods === 'string' ? methods : '';
  const asked = isGroup(headers) ? Object.entries(headers).map(([name, value]) => `${name.toLowerCase()}: ${String(value)}`) : [];
  const host = typeof service.host === 'string' ? service.host.trim().toLowerCase() : '';
  return `${list === '' ? '' : `${list} `}${host}${path.trim()}${asked.length === 0 ? '' : ` with ${asked.join(', ')}`}`;
}

/** Whether it is a group of keys. */
export function isGroup(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Something with the place that it has in the configuration, where it has one, and the fields that were changed. */
type Placed<More> = { readonly value: unknown; readonly from: number | undefined; readonly fields: ReadonlySet<string> } & More;
type ServicePlaced = { readonly routes: readonly Placed<unknown>[] | undefined };

const emptySet: ReadonlySet<string> = new Set();

function changeService(service: Fields, from: number | undefined, change: ServiceChange, lost: (route: string) => void): Placed<ServicePlaced> {
  const wanted = new Map(Object.entries(change.routes ?? {}));
  const after = setFields(service, change.set);
  const before = Array.isArray(service.routes) ? (service.routes as readonly unknown[]) : [];
  const routes: Placed<unknown>[] = before.flatMap((route, index) => {
    const name = routeNameOf(service, route);
    const one = name === undefined ? undefined : wanted.get(name);
    // One that is added beside one that is there is told by whoever finds two of a name.
    if (name === undefined || one === undefined || one.added) return [{ value: route, from: index, fields: emptySet }];
    wanted.delete(name);
    return one.removed ? [] : [{ value: setFields(route as Fields, one.set), from: index, fields: new Set(Object.keys(one.set ?? {})) }];
  });
  for (const [name, one] of wanted) {
    if (one.added) routes.push({ value: setFields({}, one.set), from: undefined, fields: new Set(Object.keys(one.set ?? {})) });
    else lost(name);
  }
  return { value: { ...after, routes: routes.map(({ value }) => value) }, from, fields: new Set(Object.keys(change.set ?? {})), routes };
}

function setFields(group: Fields, set: Fields = {}): Fields {
  return Object.fromEntries(Object.entries({ ...group, ...set }).filter(([, value]) => value !== null));
}

/** The changed value, with the places of what was not changed. */
function placed(text: ConfigText, services: readonly Placed<ServicePlaced>[], changesFile: string): ConfigText {
  const originOf = (path: ConfigPath): ConfigPath | undefined => {
    const [top, index, key, number, field] = path;
    if (top !== 'services' || typeof index !== 'number') return path;
    const service = services[index];
    if (service?.from === undefined) return undefined;
    const rest = path.slice(2);
    if (key !== 'routes' || typeof number !== 'number' || service.routes === undefined)
      return service.fields.has(String(key)) ? undefined : [top, service.from, ...rest];
    const route = service.routes[number];
    if (route?.from === undefined || route.fields.has(String(field))) return undefined;
    return [top, service.from, 'routes', route.from, ...path.slice(4)];
  };
  const nameOf = (path: ConfigPath): ConfigPath => {
    if (originOf(path) !== undefined) return path;
    const [, index, key, number] = path;
    const service = services[index as number];
    const route = key === 'routes' && typeof number === 'number' ? service?.routes?.[number] : undefined;
    const name = (service?.value as Fields | undefined)?.name;
    const routeName = route === undefined ? undefined : routeNameOf(service?.value as Fields, route.value);
    return [`${changesFile}, service ${String(name)}${routeName === undefined ? '' : `, route ${routeName}`}`, ...path.slice(route === undefined ? 2 : 4)];
  };
  return {
    value: { ...(text.value as Fields), services: services.map(({ value }) => value) },
    placeOf: (path, part) => {
      const origin = originOf(path);
      return origin && text.placeOf(origin, part);
    },
    isFromEnvironment: (path) => {
      const origin = originOf(path);
      return origin !== undefined && text.isFromEnvironment(origin);
    },
    nameOf,
  };
}

function changesSomething({ added, removed, set = {}, routes = {} }: ServiceChange): boolean {
  return added === true || removed === true || Object.keys(set).length > 0 || Object.keys(routes).length > 0;
}

function withoutEmpty<Change extends RouteChange>({ set, ...change }: Change): Change {
  return { ...change, ...(set !== undefined && Object.keys(set).length > 0 && { set }) } as Change;
}
