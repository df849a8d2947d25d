/**
 * Several upstreams of one service: who is asked next, how it is seen that one is away, and what is asked again of another.
 *
 *     upstreams: [http://10.0.0.1:3000, http://10.0.0.2:3000]
 *     balance: least-busy
 *     health: { path: /health, every: 5s }
 *     breaker: { failures: 3, pause: 1s }
 *     retries: 1
 */
import { z } from 'zod';
import * as Fields from '../ConfigFields.ts';
import type { ConfigPath } from '../ConfigText.ts';
import { type UpstreamConfig, type UpstreamFile, upstreamSchema } from '../ConfigUpstreams.ts';
import type { BreakerOptions, GroupRules } from '../Upstream.ts';

/** The upstreams of a service, complete. */
export type GroupConfig = GroupRules & { readonly upstreams: readonly UpstreamConfig[] };

/** Keys of a service. `field` is that of the schema. */
export function groupShape(field: <T>(read: (value: unknown) => T) => z.ZodType<T>) {
  return {
    /** Several, instead of one: each an address, or one with what its TLS needs; all with the same path in it. A request goes to one of those that are there. Default: none. */
    upstreams: z.array(upstreamSchema(field)).min(1).optional(),
    /** Which of several: `round-robin`, each in turn; or `least-busy`, the one with the fewest requests under way. Default: `round-robin`. `least-busy` where requests take very different times. */
    balance: field(Fields.readOneOf(['round-robin', 'least-busy'])).optional(),
    /** Asks each upstream how it is, over and over: one that is not well gets no requests. Default: nobody asks, and what fails is noticed by `breaker` alone. */
    health: z
      .strictObject({
        /** What is asked for, with GET, behind the upstream's own path. No default. */
        path: field(readHealthPath),
        /** Time between two questions. Default: `5s`. */
        every: field(Fields.readTimeoutMs).optional(),
        /** No answer for so long is none. Default: `2s`. */
        timeout: field(Fields.readTimeoutMs).optional(),
        /** So many good answers in a row bring one back. Default: 2. */
        healthy: field(Fields.readCount).optional(),
        /** So many others in a row leave one out. Default: 3. */
        unhealthy: field(Fields.readCount).optional(),
        /** What a good answer is: a status, or a list of them. Default: 200 to 299. */
        status: field(readStatuses).optional(),
      })
      .optional(),
    /** What is seen of requests themselves: an upstream that fails one after another is left out for a while, then one request tries. Default, with several upstreams or with `health`: as each says. */
    breaker: z
      .strictObject({
        /** So many in a row: no connection, no answer in time, a connection that ended without one, or one of `status`. Default: 3. */
        failures: field(Fields.readCount).optional(),
        /** For how long the first time; each time that a try fails it is twice as long. Default: `1s`. */
        pause: field(Fields.readTimeoutMs).optional(),
        /** At most. Default: `1m`. */
        longestPause: field(Fields.readTimeoutMs).optional(),
        /** Which statuses are failures: one, or a list; `[]`: none. They are passed on as any other answer is. Default: `[502, 503, 504]`. */
        status: field(readStatuses).optional(),
      })
      .optional(),
    /** On how many others a request is tried that failed before anything of its answer had come, where that can do no harm: nothing of it, or nothing of its body, had gone out, or it is a GET, HEAD, OPTIONS, TRACE, PUT or DELETE without a body. Whatever is tried, it is charged once at most. Default: 1; 0 for none. */
    retries: field(readRetries).optional(),
  };
}

/** As the schema reads it. */
export type GroupFile = { readonly [Key in keyof ReturnType<typeof groupShape>]?: z.output<ReturnType<typeof groupShape>[Key]> } & {
  readonly upstream?: UpstreamFile | undefined;
};

/** Where a service's requests go. `group` is undefined where there is one upstream that nobody watches. */
export type Destination = { readonly upstream: UpstreamConfig; readonly group: GroupConfig | undefined };

/** Completes it. `fail` is told the way within the service. */
export function readDestination(
  service: GroupFile,
  upstreamAt: (upstream: UpstreamFile, path: ConfigPath) => UpstreamConfig,
  fail: (path: ConfigPath, message: string) => void,
): Destination {
  const { upstream, upstreams, balance, health, breaker, retries } = service;
  if (upstream !== undefined && upstreams !== undefined) fail(['upstreams'], 'a service has `upstream` or `upstreams`, not both');
  const all = upstreams?.map((one, index) => upstreamAt(one, ['upstreams', index])) ?? (upstream === undefined ? [] : [upstreamAt(upstream, ['upstream'])]);
  const [first] = all;
  if (first === undefined) {
    fail([], '`upstream` is missing');
    return { upstream: nowhere, group: undefined };
  }
  for (const [index, one] of all.entries()) {
    if (one.basePath !== first.basePath)
      fail(
        ['upstreams', index],
        `all upstreams of a service have the same path: "${first.basePath || '/'}", as the first has, and not "${one.basePath || '/'}"`,
      );
    if (all.findIndex(({ origin }) => origin === one.origin) < index) fail(['upstreams', index], `${one.origin} stands here twice`);
  }
  if (all.length > mostMembers) fail(['upstreams'], `at most ${mostMembers} of them`);
  if (all.length === 1) {
    if (balance !== undefined) fail(['balance'], 'there is one upstream, and nothing to choose: name several under `upstreams`');
    if (retries !== undefined) fail(['retries'], 'there is one upstream, and no other to ask: name several under `upstreams`');
    if (health === undefined && breaker === undefined) return { upstream: first, group: undefined };
  }
  return {
    upstream: first,
    group: {
      upstreams: all,
      balance: balance ?? 'round-robin',
      health: health && {
        path: first.basePath + health.path,
        everyMs: health.every ?? 5000,
        timeoutMs: health.timeout ?? 2000,
        healthy: health.healthy ?? 2,
        unhealthy: health.unhealthy ?? 3,
        statuses: health.status ?? [],
      },
      breaker: readBreaker(breaker),
      retries: retries ?? 1,
    },
  };
}

/** In words, a line each. @param formatMs - a length of time */
export function explainDestination({ upstream, group }: Destination, formatMs: (ms: number) => string): readonly string[] {
  if (group === undefined) return [addressOf(upstream)];
  const { upstreams, balance, retries, breaker, health } = group;
  const { failures, pauseMs, longestPauseMs, statuses } = breaker;
  const tried = retries === 0 ? 'none is tried after another' : `${retries} more tried where one fails and it does no harm`;
  const lines = [
    upstreams.map(addressOf).join(', '),
    ...(upstreams.length > 1 ? [`  ${balance === 'round-robin' ? 'each in its turn' : 'the least busy one'}, ${tried}`] : []),
    `  left out after ${failures} failures in a row${statuses.length === 0 ? '' : ` (${statuses.join(', ')} among them)`}, for ${formatMs(pauseMs)} up to ${formatMs(longestPauseMs)}`,
  ];
  if (health === undefined) return lines;
  const { path, everyMs, timeoutMs, healthy, unhealthy } = health;
  const good = health.statuses.length === 0 ? '200 to 299' : health.statuses.join(' or ');
  return [
    ...lines,
    `  asked for ${path} every ${formatMs(everyMs)}, ${good} within ${formatMs(timeoutMs)} is good; ${unhealthy} others leave one out, ${healthy} good ones bring it back`,
  ];
}

function addressOf({ origin, basePath, protocol }: UpstreamConfig): string {
  const spoken = protocol === undefined ? '' : protocol === 'h2' ? ' over HTTP/2' : ' over HTTP/2 where it can';
  return `${origin}${basePath}${spoken}`;
}

function readBreaker(found: GroupFile['breaker']): BreakerOptions {
  const { failures = 3, pause = 1000, longestPause = 60_000, status = [502, 503, 504] } = found ?? {};
  return { failures, pauseMs: pause, longestPauseMs: Math.max(pause, longestPause), statuses: status };
}

const mostMembers = 64;
const nowhere: UpstreamConfig = { origin: 'http://localhost', basePath: '' };

function readHealthPath(value: unknown): string {
  if (typeof value !== 'string' || !/^\/[!-~]{0,1024}$/.test(value)) throw new Error('this is a path, such as "/healthz"');
  return value;
}

function readRetries(value: unknown): number {
  if (value === 0) return 0;
  const count = Fields.readCount(value);
  if (count > 10) throw new Error('at most 10 others are asked');
  return count;
}

function readStatuses(value: unknown): readonly number[] {
  const statuses: readonly unknown[] = Array.isArray(value) ? value : [value];
  return statuses.map((status) => {
    if (typeof status !== 'number' || !Number.isInteger(status) || status < 200 || status > 599) throw new Error('a status is a number from 200 to 599');
    return status;
  });
}
