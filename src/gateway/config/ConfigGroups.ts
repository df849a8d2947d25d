/**
 * Several upstreams of one service: who is asked next, how it is seen that one is away, and what is asked again of another.
 *
 *     upstreams: [http://10.0.0.1:3000, http://10.0.0.2:3000]
 *     balance: least-busy
 *     health: { path: /healthz, every: 10s }
 *     breaker: { failures: 5, pause: 10s }
 *     retries: 1
 */
import { z } from 'zod';
import * as Fields from '../ConfigFields.ts';
import type { ConfigPath } from '../ConfigText.ts';
import { type UpstreamConfig, type UpstreamFile, upstreamSchema } from '../ConfigUpstreams.ts';
import type { GroupRules } from '../upstream/Group.ts';

/** The upstreams of a service, complete. */
export type GroupConfig = GroupRules & { readonly upstreams: readonly UpstreamConfig[] };

/** Keys of a service. `field` is that of the schema. */
export function groupShape(field: <T>(read: (value: unknown) => T) => z.ZodType<T>) {
  return {
    /** Several, instead of one: each an address, or one with what its TLS needs; all with the same path in it. A request goes to one of those that are there. Default: none. */
    upstreams: z.array(upstreamSchema(field)).min(1).optional(),
    /** Which of several: `round-robin`, each in turn; or `least-busy`, the one with the fewest requests under way. Default: `round-robin`. `least-busy` where requests take very different times. */
    balance: field(Fields.readOneOf(['round-robin', 'least-busy'])).optional(),
    /** Asks each upstream, over and over, whether it is there: one that is not gets no requests. Default: nobody asks, and what fails is noticed by `breaker` alone. */
    health: z
      .strictObject({
        /** What is asked for, with GET, behind the upstream's own path: it is there where the answer is a success (2xx or 3xx). No default. */
        path: field(readHealthPath),
        /** How often. Default: `10s`. */
        every: field(Fields.readTimeoutMs).optional(),
        /** How long to wait for the answer. Default: `2s`. */
        timeout: field(Fields.readTimeoutMs).optional(),
        /** After so many failures in a row it is away. Default: 2. */
        failures: field(Fields.readCount).optional(),
        /** After so many successes in a row it is there again. Default: 1. */
        successes: field(Fields.readCount).optional(),
      })
      .optional(),
    /** What is seen of requests themselves: an upstream that fails one after another (no answer, 502, 503 or 504) gets none for a while, then one on trial. Default, with several upstreams or with `health`: 5 failures, 10s. */
    breaker: z
      .strictObject({
        /** In a row. Default: 5. */
        failures: field(Fields.readCount).optional(),
        /** Until one request is let through again, and all of them where it succeeds. Default: `10s`. */
        pause: field(Fields.readTimeoutMs).optional(),
      })
      .optional(),
    /** How many others are asked where one gives no answer, and asking again does no harm: the request never went out, or changes nothing and has no body. Default: 1; 0 for none. */
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
        path: health.path,
        everyMs: health.every ?? 10_000,
        timeoutMs: health.timeout ?? 2000,
        failures: health.failures ?? 2,
        successes: health.successes ?? 1,
      },
      breaker: { failures: breaker?.failures ?? 5, pauseMs: breaker?.pause ?? 10_000 },
      retries: retries ?? 1,
    },
  };
}

/** In words. */
export function explainDestination({ upstream, group }: Destination): string {
  if (group === undefined) return addressOf(upstream);
  const { upstreams, balance, health, breaker, retries } = group;
  const words = [
    ...(upstreams.length > 1 ? [balance, `${retries} asked again`] : []),
    health === undefined ? 'nobody asks for its health' : `GET ${health.path} each ${health.everyMs} ms`,
    `${breaker.failures} failures end it for ${breaker.pauseMs} ms`,
  ];
  return `${upstreams.map(addressOf).join(', ')} (${words.join(', ')})`;
}

function addressOf({ origin, basePath, protocol }: UpstreamConfig): string {
  const spoken = protocol === undefined ? '' : protocol === 'h2' ? ' over HTTP/2' : ' over HTTP/2 where it can';
  return `${origin}${basePath}${spoken}`;
}

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
