/**
 * What is said of a gateway that runs: its logs, its health, its metrics, and what pages of other origins may ask of it.
 *
 *     logs: { format: json, access: /var/log/farebox/access.log }
 *     health: { listen: 127.0.0.1:8404 }
 *     metrics: { listen: 127.0.0.1:8405 }
 *     admin: { listen: 127.0.0.1:8406 }
 *     cors: { origins: [https://app.example.com] }
 */
import { basename } from 'node:path';
import { z } from 'zod';
import * as Fields from '../ConfigFields.ts';

/** How much is logged: what is below is left out. */
export type LogLevel = (typeof levels)[number];

/** What is logged, and how. */
export type LogsConfig = {
  /** `text`: for people. `json`: a line of JSON each. Undefined: text where a person reads standard output at a terminal, and JSON elsewhere. */
  readonly format: 'text' | 'json' | undefined;
  readonly level: LogLevel;
  /** A line for every request: beside everything else, into a file of its own (its absolute path), or not at all. */
  readonly access: boolean | { readonly path: string };
  /** Whether every request has an id that upstream, client and log are told. */
  readonly requestIds: boolean;
};

/** Where load balancers ask whether it runs, and whether it is ready. */
export type HealthConfig = { readonly listen: Fields.ListenAddress };

/** Where a scraper asks for what the gateway counts of itself. */
export type MetricsConfig = { readonly listen: Fields.ListenAddress };

/** Where an operator sees and changes the gateway. */
export type AdminConfig = {
  readonly listen: Fields.ListenAddress;
  /** Where it is reached from outside, where that is not the listener's own address: `https://admin.example.com`. */
  readonly url: string | undefined;
  /** Pages of other origins that may ask. */
  readonly origins: readonly string[];
  /** Addresses and blocks of the proxies that may hand requests on. */
  readonly proxies: readonly string[];
  /** Absolute: where every change is written down. */
  readonly audit: string;
};

/** Whose pages may ask, and read what is answered. */
export type CorsConfig = {
  /** Such as `https://app.example.com`, or `*` alone for everybody. */
  readonly origins: readonly string[];
  /** Whether their browsers may send cookies along. */
  readonly credentials: boolean;
  /** How long a browser remembers what it may ask. */
  readonly maxAgeSeconds: number;
};

const levels = ['debug', 'info', 'warn', 'error'] as const;

/** See the head of this file. `field` is that of the schema. */
export function runningSchema(field: <T>(read: (value: unknown) => T) => z.ZodType<T>) {
  return {
    logs: z.strictObject({
      /** `text` for people, or `json`: a line each. Default: text at a terminal, JSON where standard output goes elsewhere. */
      format: field(Fields.readOneOf(['text', 'json'])).optional(),
      /** `debug`, `info`, `warn` or `error`: what is below is left out. Default: `info`. `debug` says each step of a sale as well. */
      level: field(Fields.readOneOf(levels)).optional(),
      /** A line for every request: `true`, `false`, or the file that it goes to, as JSON. Default: `true`. A SIGHUP opens the file anew, after it was moved away. */
      access: field(readAccess).optional(),
      /** Gives every request an id, `X-Request-Id`, that upstream, client and log are told; one of a trusted proxy's is kept. Default: `true`. `false` where the id of somebody behind this gateway is to reach the client. */
      requestIds: z.boolean().optional(),
    }),
    health: z.strictObject({
      /** Where `/healthz` (it runs) and `/readyz` (it serves what it sells) are answered, on a listener of their own. Default: `127.0.0.1:8404`, this machine alone. */
      listen: field(Fields.readListen).optional(),
    }),
    metrics: z.strictObject({
      /** Where `/metrics` is answered as Prometheus reads it, on a listener of its own. Default: `127.0.0.1:8405`, this machine alone: what is earned stands there. */
      listen: field(Fields.readListen).optional(),
    }),
    admin: z.strictObject({
      /** Where an operator sees and changes the gateway, by token or by a link that signs in, on a listener of its own. Default: `127.0.0.1:8406`, this machine alone. */
      listen: field(Fields.readListen).optional(),
      /** Where it is reached through a proxy: `https://admin.example.com`. Default: at the listener's own address alone. */
      url: field(readAdminUrl).optional(),
      /** Pages of other origins that may ask, with a token: `https://tools.example.com`. Default: none. */
      origins: z.array(field(readOrigin)).optional(),
      /** Proxies that may hand requests on: addresses and blocks. Default: none, and what a proxy has marked as handed on is refused. Only with `url`. */
      proxies: z.array(field(Fields.readProxy)).optional(),
      /** The file in which every change is written down. Default: beside this one, `farebox.audit.jsonl`. */
      audit: field(Fields.readLine).optional(),
    }),
    cors: z.strictObject({
      /** Whose pages may ask and read the answers: `https://app.example.com`, or `*` alone for everybody. No default. */
      origins: z.array(field(readOrigin)).min(1),
      /** `true`: their browsers may send cookies along. Default: `false`. Not with `*`. */
      credentials: z.boolean().optional(),
      /** How long a browser remembers what it may ask. Default: `10m`. */
      maxAge: field(Fields.readDurationSeconds).optional(),
    }),
  };
}

/** As the schema reads them. */
export type RunningFile = { readonly [Key in keyof ReturnType<typeof runningSchema>]?: z.output<ReturnType<typeof runningSchema>[Key]> | undefined };

/** Completes them. Undefined is what the file says nothing of. */
export function readRunning(
  { logs, health, metrics, admin, cors }: RunningFile,
  absolute: (path: string) => string,
  file: string,
): {
  readonly logs: LogsConfig | undefined;
  readonly health: HealthConfig | undefined;
  readonly metrics: MetricsConfig | undefined;
  readonly admin: AdminConfig | undefined;
  readonly cors: CorsConfig | undefined;
} {
  const access = logs?.access ?? true;
  return {
    logs: logs && {
      format: logs.format,
      level: logs.level ?? 'info',
      access: typeof access === 'string' ? { path: absolute(access) } : access,
      requestIds: logs.requestIds ?? true,
    },
    health: health && { listen: health.listen ?? { host: '127.0.0.1', port: 8404 } },
    metrics: metrics && { listen: metrics.listen ?? { host: '127.0.0.1', port: 8405 } },
    admin: admin && {
      listen: admin.listen ?? { host: '127.0.0.1', port: 8406 },
      url: admin.url,
      origins: admin.origins ?? [],
      proxies: admin.proxies ?? [],
      audit: absolute(admin.audit ?? `${basename(file).replace(/\.[^.]*$/, '')}.audit.jsonl`),
    },
    cors: cors && { origins: cors.origins, credentials: cors.credentials ?? false, maxAgeSeconds: cors.maxAge ?? 600 },
  };
}

/** What is wrong with origins together; undefined where nothing is. */
export function whyNotOrigins({ origins, credentials }: CorsConfig): string | undefined {
  if (!origins.includes('*')) return undefined;
  if (origins.length > 1) return '"*" is everybody: nobody else is named beside it';
  return credentials ? 'browsers send cookies to origins that are named, and not where "*" is everybody' : undefined;
}

function readAccess(value: unknown): boolean | string {
  return typeof value === 'boolean' ? value : Fields.readLine(value);
}

/** Where a proxy stands for the listener: an origin, and no `*`. */
function readAdminUrl(value: unknown): string {
  const origin = readOrigin(value);
  if (origin === '*') throw new Error('this is where the listener is reached: write "https://admin.example.com"');
  return origin;
}

function readOrigin(value: unknown): string {
  const written = Fields.readLine(value);
  if (written === '*') return written;
  const url = /^https?:\/\//i.test(written) && URL.canParse(written) ? new URL(written) : undefined;
  if (url === undefined || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '' || url.pathname !== '/' || written.endsWith('/'))
    throw new Error('an origin is a scheme, a host and at most a port: write "https://app.example.com", or "*" for everybody');
  return url.origin;
}
