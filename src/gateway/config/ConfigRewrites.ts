/**
 * How a request goes on changed, and its answer comes back: prefixes taken off and put on, headers set, added and removed.
 *
 *     stripPrefix: /api
 *     addPrefix: /v2
 *     requestHeaders: { set: { X-Api-Key: "${UPSTREAM_KEY}" }, remove: [Cookie] }
 *     responseHeaders: { add: { Cache-Control: no-store } }
 *
 * @see RFC 9110, sections 5.1, 5.5 and 7.6.1
 */
import { z } from 'zod';
import { changesRequest, isClientClaim, isHopByHop, isOurs, namesOurScheme } from '../../http/headers.ts';
import * as Path from '../../http/Path.ts';
import type { SecretChoice } from '../ConfigSecrets.ts';
import { isHeaderValue } from '../routing/HeaderRules.ts';
import * as Pattern from '../routing/Pattern.ts';
import type { HeaderCondition } from '../routing/RouteKey.ts';

/** What is changed of requests and answers, complete. */
export type RewriteConfig = {
  /** '' for nothing. */
  readonly stripPrefix: string;
  /** '' for nothing; put behind the upstream's own path. */
  readonly addPrefix: string;
  readonly requestHeaders: HeaderRulesConfig | undefined;
  readonly responseHeaders: HeaderRulesConfig | undefined;
};

/** Rules for the headers of a message. What is set or added may be secret. */
export type HeaderRulesConfig = {
  readonly set: readonly HeaderLine[];
  readonly add: readonly HeaderLine[];
  readonly remove: readonly string[];
};

/** A header's name as it is sent, and its value. */
export type HeaderLine = { readonly name: string; readonly value: SecretChoice };

/** The files that hold what is set or added. */
export function filesOfRewrite({ requestHeaders, responseHeaders }: RewriteConfig): readonly string[] {
  const lines = [requestHeaders, responseHeaders].flatMap((rules) => (rules ? [...rules.set, ...rules.add] : []));
  return lines.flatMap(({ value }) => (value.kind === 'file' ? [value.path] : []));
}

/** Keys of a route and of a service. `field` is that of the schema. */
export function rewriteShape(field: <T>(read: (value: unknown) => T) => z.ZodType<T>) {
  const rules = (side: 'request' | 'response') =>
    z.strictObject({
      /** By name: the one value that goes on, whatever was there. `${NAME}` is filled in; `file:<path>` is what a file holds. Default: none. */
      set: field((value) => readLines(value, side)).optional(),
      /** By name: a value, or a list of them, beside what was there. Default: none. */
      add: field((value) => readLines(value, side)).optional(),
      /** Names that do not go on. Default: none. */
      remove: field((value) => readNames(value, side)).optional(),
    });
  return {
    /** Taken off the beginning of every path before it goes on: `/api`. What is priced and what tokens are bound to is the path as the client sends it. Default: nothing, or the service's. */
    stripPrefix: field(readPrefix).optional(),
    /** Put before what is left, behind the upstream's own path: `/v2`. Default: nothing, or the service's. */
    addPrefix: field(readPrefix).optional(),
    /** What is changed of the headers that go on to the upstream: `{ set: { X-Api-Key: "file:api.key" }, add: …, remove: [Cookie] }`. Default: nothing, or the service's. Not for what belongs to a connection, says who the client is, or is the gateway's to say. */
    requestHeaders: rules('request').optional(),
    /** What is changed of the headers of the upstream's answers; answers of the gateway's own stay as they are. Default: nothing, or the service's. */
    responseHeaders: rules('response').optional(),
  };
}

/** As the schema reads it. */
export type RewriteFile = { readonly [Key in keyof ReturnType<typeof rewriteShape>]?: z.output<ReturnType<typeof rewriteShape>[Key]> };

/**
 * A route's rewrite: its own keys, and its service's where it has none.
 * @returns undefined where nothing is changed
 */
export function readRewrite(
  service: RewriteFile,
  route: RewriteFile,
  pattern: string,
  absolute: (path: string) => string,
  fail: (key: string, message: string) => void,
): RewriteConfig | undefined {
  const stripPrefix = route.stripPrefix ?? service.stripPrefix ?? '';
  const addPrefix = route.addPrefix ?? service.addPrefix ?? '';
  if (stripPrefix !== '' && !Path.isBelow(stripPrefix, Pattern.startOf(pattern))) {
    const key = route.stripPrefix === undefined ? 'path' : 'stripPrefix';
    fail(key, `"${stripPrefix}" cannot be taken off every path of ${pattern.slice(0, 64)}: not all of them are said to begin so`);
  }
  const requestHeaders = complete(route.requestHeaders ?? service.requestHeaders, absolute);
  const responseHeaders = complete(route.responseHeaders ?? service.responseHeaders, absolute);
  if (stripPrefix === '' && addPrefix === '' && requestHeaders === undefined && responseHeaders === undefined) return undefined;
  return { stripPrefix, addPrefix, requestHeaders, responseHeaders };
}

/** The rules as the schema reads them, completed once: routes of a service share them. */
function complete(found: RewriteFile['requestHeaders'], absolute: (path: string) => string): HeaderRulesConfig | undefined {
  if (found === undefined) return undefined;
  const known = completed.get(found);
  if (known) return known;
  const lines = (read: readonly HeaderLine[] = []) =>
    read.map(({ name, value }): HeaderLine => ({ name, value: value.kind === 'file' ? { kind: 'file', path: absolute(value.path) } : value }));
  const rules: HeaderRulesConfig = { set: lines(found.set), add: lines(found.add), remove: found.remove ?? [] };
  completed.set(found, rules);
  return rules;
}

const completed = new WeakMap<object, HeaderRulesConfig>();

/** Which headers a request must have to be of a route: `{ x-version: "2" }`. By lower-case name, in the names' order. */
export function readConditions(value: unknown): readonly HeaderCondition[] {
  const conditions = entriesOf(value).map(([written, said]): HeaderCondition => {
    const name = readName(written).toLowerCase();
    const isPassedOn = !isHopByHop(name) && !isRefused(name) && !isClientClaim(name) && !changesRequest(name) && !notToAsk.has(name);
    if (!isPassedOn || name.includes('_'))
      throw new Error(`"${written}" cannot tell routes apart: it does not go on to the upstream as the client sends it, or means something to the gateway`);
    return [name, readValue(written, said)];
  });
  if (conditions.length === 0) throw new Error('there is no header here');
  if (conditions.length > 8) throw new Error('a route asks for 8 headers at most');
  if (new Set(conditions.map(([name]) => name)).size < conditions.length) throw new Error('a header stands here twice');
  return conditions.sort(([one], [other]) => (one < other ? -1 : 1));
}

/** In words, without a value. */
export function explainRewrite({ stripPrefix, addPrefix, requestHeaders, responseHeaders }: RewriteConfig): readonly string[] {
  const names = (what: string, rules: HeaderRulesConfig | undefined) => {
    if (rules === undefined) return [];
    const parts = [
      ...rules.set.map(({ name }) => `${name} set`),
      ...rules.add.map(({ name }) => `${name} added`),
      ...rules.remove.map((name) => `${name} removed`),
    ];
    return parts.length === 0 ? [] : [`${what}: ${parts.join('; ')}`];
  };
  return [
    ...(stripPrefix === '' ? [] : [`without ${stripPrefix}`]),
    ...(addPrefix === '' ? [] : [`behind ${addPrefix}`]),
    ...names('requests', requestHeaders),
    ...names('answers', responseHeaders),
  ];
}

/** The same without the values, which may be secret. */
export function withoutValues(rewrite: RewriteConfig): unknown {
  const names = (rules: HeaderRulesConfig | undefined) =>
    rules && { set: rules.set.map(({ name }) => name), add: rules.add.map(({ name }) => name), remove: rules.remove };
  return { ...rewrite, requestHeaders: names(rewrite.requestHeaders), responseHeaders: names(rewrite.responseHeaders) };
}

function readPrefix(value: unknown): string {
  if (typeof value !== 'string') throw new Error('a prefix is text, such as "/v2"');
  const written = value.trim();
  const { path, query } = Path.normalize(written);
  if (query !== '' || path !== written || !/^(?:\/[^/]+)+$/.test(path))
    throw new Error(`"${written.slice(0, 64)}" is not a prefix: write "/v2", without a "/" at its end`);
  return path;
}

function readLines(value: unknown, side: 'request' | 'response'): readonly HeaderLine[] {
  return entriesOf(value).flatMap(([written, said]) => {
    const name = readName(written);
    checkName(name, side);
    const values = Array.isArray(said) ? said : [said];
    return values.map((one) => {
      const text = readValue(name, one);
      const line: HeaderLine = { name, value: text.startsWith('file:') ? { kind: 'file', path: text.slice('file:'.length) } : { kind: 'text', text } };
      return line;
    });
  });
}

function readNames(value: unknown, side: 'request' | 'response'): readonly string[] {
  const names = (Array.isArray(value) ? value : [value]).map(readName);
  for (const name of names) checkName(name, side);
  return names;
}

function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('write names and values: { X-Name: value }');
  return Object.entries(value);
}

function readName(value: unknown): string {
  if (typeof value !== 'string' || !/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/.test(value))
    throw new Error(`${JSON.stringify(String(value).slice(0, 64))} is no header's name`);
  return value;
}

/** The value is repeated nowhere: it may be a secret. */
function readValue(name: string, value: unknown): string {
  const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
  if (typeof text !== 'string') throw new Error(`${name} has no value here: write text`);
  if (!isHeaderValue(text)) throw new Error(`what stands here for ${name} can stand in no header: one line of Latin letters, signs and digits`);
  if (namesOurScheme(text)) throw new Error(`what stands here for ${name} is a credential or a challenge of the gateway's own kind`);
  return text;
}

function checkName(written: string, side: 'request' | 'response'): void {
  const name = written.toLowerCase();
  if (isHopByHop(name)) throw new Error(`"${written}" belongs to one connection, and is set by who opens it`);
  if (isRefused(name) || (side === 'response' && name === 'www-authenticate')) throw new Error(`"${written}" is the gateway's to say`);
  if (side === 'response') return;
  if (isClientClaim(name)) throw new Error(`"${written}" says who the client is: the gateway writes it, from what it saw`);
  if (changesRequest(name)) throw new Error(`"${written}" makes servers take a request for another one than was priced`);
}

function isRefused(name: string): boolean {
  const plain = name.replaceAll('_', '-');
  return isOurs(name) || ofMessages.has(plain) || plain.startsWith('sec-websocket-') || plain.startsWith('grpc-');
}

/** What frames a message, says where it goes, or stands for a sale; beside these, a WebSocket's handshake, and how a call of gRPC ended. */
const ofMessages: ReadonlySet<string> = new Set(['content-length', 'expect', 'host', 'idempotency-key', 'trailer', 'via']);

const notToAsk: ReadonlySet<string> = new Set(['access-control-request-method', 'authorization', 'cookie', 'origin']);
