/**
 * The schema of `farebox.yaml`. Each field's comment is its documentation: what it is, its default, and when not to use it.
 *
 *     services:
 *       - name: translate
 *         upstream: http://localhost:3000
 *         routes:
 *           - path: /api/v1/translate
 *             price: 50 sat
 */
import { z } from 'zod';
import * as Fields from './ConfigFields.ts';
import { payeesSchema, walletsSchema } from './ConfigPayees.ts';
import { readSecretWord } from './ConfigSecrets.ts';
import { storeSchema } from './ConfigStore.ts';
import { type ConfigPath, type ConfigText, type Mistakes, nearest } from './ConfigText.ts';
import { upstreamSchema } from './ConfigUpstreams.ts';
import { groupShape } from './config/ConfigGroups.ts';
import { pageSchema } from './config/ConfigPage.ts';
import { readConditions, rewriteShape } from './config/ConfigRewrites.ts';
import { tlsSchema } from './config/ConfigTls.ts';
import { webhooksSchema } from './config/ConfigWebhooks.ts';
import { runningSchema } from './config/Running.ts';

/** A value with a reader of its own. What the reader throws becomes the mistake. */
export function field<T>(read: (value: unknown) => T) {
  return z.unknown().transform((value, context): T => {
    try {
      return read(value);
    } catch (error) {
      context.addIssue({ code: 'custom', message: value === undefined ? missing : (error as Error).message, input: undefined });
      return z.NEVER;
    }
  });
}

const missing = 'is missing';

const route = z.strictObject({
  /** What is served: a path exactly; `/api/*` for everything below `/api/` (not `/api` itself); `/users/{id}/orders` for any segment where a name stands; or `regex:/items/[0-9]+` for what an expression holds, as a whole path. No default. */
  path: field(Fields.readPattern),
  /** Which methods: one, or a list. Default: every method. Leave it out only where every method may cost the same. */
  methods: field(Fields.readMethods).optional(),
  /** Headers that a request must have to be of this route: `{ x-version: "2" }`, each with that very value. Default: none. Routes of one service that headers alone tell apart cost the same: what a token opens knows no headers. */
  headers: field(readConditions).optional(),
  /** Which of two routes takes a request that both would: the one with the higher number, from -1000 to 1000. Default: 0; of two alike, the more specific one. */
  priority: field(Fields.readPriority).optional(),
  /** What one payment costs, with its unit: `50 sat`, `2500 msat`. No default: a route has a price, or is `free`. */
  price: field(Fields.readPrice).optional(),
  /** `true`: served without payment. For health checks and documentation; not for what can be abused without a limit. Or `{ requests: 5, per: 1d }` beside a price: so many requests a period for each client address before it is asked to pay, `inAll` for all of them together (default: a thousand times as many), and `clients` for how many clients an address may have, each with a share of its own, told apart by trial tokens (default: 1). Default: nothing. */
  free: field(Fields.readFree).optional(),
  /** What one payment buys: `per-request` (one request), `pass: 1h` (any number of requests for an hour; the one that needs no store), `bucket: 1500` (so many requests of this route, for `price` in all), `bucket` or `credit` (the service's). Default: `per-request`. */
  terms: field(Fields.readTerms).optional(),
  /** What a request takes off the service's bucket. Default: 1. Only with `terms: bucket`. */
  weight: field(Fields.readCount).optional(),
  /** Reserves so many requests of one token at once and counts them in this process: faster, and a process that dies gives away that many for each token. Only with `terms: bucket` or `credit`. Default: the service's. */
  leased: field(Fields.readCount).optional(),
  /** When a request is charged. `on-success`: when its answer begins, and what fails costs nothing. `on-request`: when it is let through, before the upstream is asked; whatever becomes of it, nothing is given back, and the 402 says so. Default: the service's, or `on-success`. For what costs you as much when it fails. Not with a pass, of which nothing is used up. */
  consume: field(Fields.readOneOf(['on-success', 'on-request'])).optional(),
  /** What is sold, in words: `Translation API`. The invoice says `Translation API - 1 request`. Default: the service's title. */
  title: field(Fields.readLine).optional(),
  /** Instead of title and units, word for word. Default: none. Not for secrets: invoices are public. */
  description: field(Fields.readLine).optional(),
  /** `true`: ask for millisatoshis exactly. Default: round up to a whole satoshi, because three shipped clients cannot pay less than one. */
  exactMsat: z.boolean().optional(),
  /** Who is paid: a name under `payees`. Default: the service's. */
  payee: field(Fields.readLine).optional(),
  /** `settled`: serve what was paid once its wallet says that it was; a request more to the wallet for each payment. Default: the service's, or `preimage`: what proves a payment is its preimage, and nobody is asked. For wallets whose owner is not to be let in unpaid. */
  verify: field(Fields.readOneOf(['preimage', 'settled'])).optional(),
  /** What is served while the store does not answer. `passes-only`: passes, by the last list of what was revoked, for as long as `revocation.stale` says. Default: the service's, or `refuse`: nothing that is sold. For what had better be served to somebody whose pass was revoked a moment ago than to nobody. */
  outage: field(Fields.readOneOf(['refuse', 'passes-only'])).optional(),
  /** How long to wait for the upstream to begin its answer. Default: the service's. */
  timeout: field(Fields.readTimeoutMs).optional(),
  /** How many requests of this route all clients together may send: `100/s`; more are answered 429, without an invoice. Default: as many as come. For what the upstream cannot take more of. */
  rate: field(Fields.readRate).optional(),
  /** `true`: switched off; its requests are answered 503, and nobody is asked to pay. Default: the service's, or `false`. Another route that would take them as well does not get them. */
  disabled: z.boolean().optional(),
  ...rewriteShape(field),
});

const service = z.strictObject({
  /** Stands in every token; a token for one service is worth nothing at another. Never change it while tokens are out. No default. */
  name: field(Fields.readName),
  /** For people. Default: the name. */
  title: field(Fields.readLine).optional(),
  /** The requests' host, without a port, or `*.example.com` for any one label before it. Default: every host. Only where several names lead to one gateway. What is bought at one host of a wildcard is good at all of them; a host whose tokens are to be its own has a service of its own. */
  host: field(Fields.readHost).optional(),
  /** Where requests go: `http://localhost:3000`, or with a path that is put before theirs; or `{ url, ca, certificate, key }` for one behind an authority of your own, or one that wants to see a certificate. No default: a service has this, or `upstreams`. */
  upstream: upstreamSchema(field).optional(),
  ...groupShape(field),
  ...rewriteShape(field),
  /** `true`: the upstream gets the client's `Host` instead of its own. Default: `false`. Only for upstreams that tell tenants apart by it. */
  preserveHost: z.boolean().optional(),
  /** How long to wait for the upstream to begin an answer. Default: `timeouts.upstream`. */
  timeout: field(Fields.readTimeoutMs).optional(),
  /** Sold for all routes of the service that say `terms: bucket`: `{ units: 1500, price: 1000 sat, lasts: 30d }`. Default: none. */
  bucket: z
    .strictObject({
      /** How many units are in it; a request takes 1, or its route's `weight`. No default. */
      units: field(Fields.readCount),
      /** What it costs. No default. */
      price: field(Fields.readPrice),
      /** For how long, from the end of its invoice. Default: `30d`. */
      lasts: field(Fields.readDurationSeconds).optional(),
    })
    .optional(),
  /** A balance, sold for all routes of the service that say `terms: credit`, and spent at each one's own price: `{ amount: 10000 sat, price: 9000 sat, lasts: 30d }`. Default: none. */
  credit: z
    .strictObject({
      /** What can be spent of it. No default. */
      amount: field(Fields.readPrice),
      /** What it costs. Default: as much; less is a discount. */
      price: field(Fields.readPrice).optional(),
      /** For how long, from the end of its invoice. Default: `30d`. */
      lasts: field(Fields.readDurationSeconds).optional(),
    })
    .optional(),
  /** For every route with `terms: bucket` or `credit`: see there. Default: each request is counted in the store, and nothing is given away. */
  leased: field(Fields.readCount).optional(),
  /** When a request is charged, for every route that sells no pass: see there. Default: `on-success`. */
  consume: field(Fields.readOneOf(['on-success', 'on-request'])).optional(),
  /** Who is paid: a name under `payees`. Default: who `lightning` names. */
  payee: field(Fields.readLine).optional(),
  /** What a payment is known by, for every route: see there. Default: `preimage`. */
  verify: field(Fields.readOneOf(['preimage', 'settled'])).optional(),
  /** What is served while the store does not answer, for every route: see there. Default: `refuse`. */
  outage: field(Fields.readOneOf(['refuse', 'passes-only'])).optional(),
  /** What tokens of this service allow; a holder can narrow a token to some of them. Default: none. */
  capabilities: z.array(field(Fields.readName)).optional(),
  /** `true`: every route of it is switched off, but for those that say `false`. Default: `false`. */
  disabled: z.boolean().optional(),
  /** What is served of it, in any order: the most specific route wins. At least one. */
  routes: z.array(route).min(1),
});

const timeouts = z.strictObject({
  /** For a connection to an upstream. Default: `5s`. */
  connect: field(Fields.readTimeoutMs).optional(),
  /** For an upstream to begin its answer. Default: `60s`. Longer for slow jobs: a payment is held that long. */
  upstream: field(Fields.readTimeoutMs).optional(),
  /** Without a byte either way while an answer is on its way or a WebSocket is open. Default: `5m`. */
  idle: field(Fields.readTimeoutMs).optional(),
  /** A WebSocket ends after that long, however busy it is; one that was paid for ends with what was bought, where that is sooner. Default: `24h`. */
  webSocket: field(Fields.readTimeoutMs).optional(),
  /** For a request's head to arrive. Default: `15s`. */
  head: field(Fields.readTimeoutMs).optional(),
  /** For a whole request to arrive, body included. Default: `5m`. */
  request: field(Fields.readTimeoutMs).optional(),
  /** Between two requests on a connection. Default: `60s`. Longer than the load balancer's in front, where there is one. */
  keepAlive: field(Fields.readTimeoutMs).optional(),
  /** A connection to an upstream that nobody uses is closed after that long, where the upstream does not say otherwise (`Keep-Alive: timeout=5`). Default: `4s`. Shorter than the upstream's own time, or it closes a connection on which a request is on its way. */
  upstreamKeepAlive: field(Fields.readTimeoutMs).optional(),
  /** For a request to get one of `limits.upstreamConnections`; then it is refused with 503. Default: `10s`. */
  upstreamQueue: field(Fields.readTimeoutMs).optional(),
  /** For the load balancers in front to notice that the gateway is about to stop: it says so (`/readyz`), and goes on taking requests for so long. Default: no time. Where they send requests for a while to whoever is leaving. */
  drain: field(Fields.readTimeoutMs).optional(),
  /** For running requests to finish when the gateway stops. Default: `30s`. */
  shutdown: field(Fields.readTimeoutMs).optional(),
});

const limits = z.strictObject({
  /** Of a request's body. Default: `100 MB`. */
  body: field(Fields.readBytes).optional(),
  /** Of a request's head. Default: `16 KiB`; a credential alone can have 6. */
  head: field(Fields.readBytes).optional(),
  /** Header lines in a request. Default: 100. */
  headerLines: field(Fields.readCount).optional(),
  /** Connections from clients. Default: 10000. */
  connections: field(Fields.readCount).optional(),
  /** WebSockets that are open at once; more are refused with 503 before they are asked to pay. Default: 5000. */
  webSockets: field(Fields.readCount).optional(),
  /** Requests under way at once on one connection of HTTP/2. Default: 100. More where one gRPC client holds many calls open. */
  streams: field(Fields.readCount).optional(),
  /** Connections to one upstream; requests beyond it wait. Default: 1024. */
  upstreamConnections: field(Fields.readCount).optional(),
  /** Requests that may wait for a connection to one upstream; more are refused with 503. Default: 10000. */
  upstreamQueue: field(Fields.readCount).optional(),
  /** How many requests one client address (IPv6: a /64) may send: `20/s`, paid or not; more are answered 429, without an invoice. Default: as many as come. Not behind a proxy that is not under `trustedProxies`: all are one address then. */
  requestsPerClient: field(Fields.readRate).optional(),
  /** How often one token may be used: `50/s`; more are answered 429, and nothing is taken off it. Default: as often as its holder likes. */
  requestsPerToken: field(Fields.readRate).optional(),
  /** Invoices that one client address can ask for in a minute. Default: 600. */
  invoicesPerClientPerMinute: field(Fields.readCount).optional(),
  /** Invoices that all clients can ask for in a minute. Default: 6000. What the node can make. */
  invoicesPerMinute: field(Fields.readCount).optional(),
});

const revocation = z.strictObject({
  /** How long passes are served by the last list of what was revoked while the store does not answer, on routes that say `outage: passes-only`; then they are answered 503 until it does. Default: `60s`, and at least `1s`. Longer where an outage is worse than a revoked pass that is served a while longer. */
  stale: field(Fields.readStale).optional(),
});

const introspection = z.strictObject({
  /** Where services ask, on a listener of its own. Default: `127.0.0.1:8403`, this machine alone. */
  listen: field(Fields.readListen).optional(),
  /** What they show to be let in, as `Authorization: Bearer <secret>`: the file that holds it, or itself out of the environment; at least 16 characters. No default. */
  secret: field(readSecretWord),
});

const compat = z.strictObject({
  /** `402`: answer a credential that is not valid with a new challenge, as the reference proxy does. Default: `401`, so that no client pays for a typing error. */
  invalidCredential: field(Fields.readOneOf([401, 402])).optional(),
  /** `skip`: pass over conditions that are not understood, as the specification says. Default: `refuse`, since a condition that is skipped narrows nothing. */
  unknownCaveats: field(Fields.readOneOf(['refuse', 'skip'])).optional(),
});

const running = runningSchema(field);

/** The whole file. */
export const configSchema = z.strictObject({
  /** Address and port. Default: `127.0.0.1:8402`, this machine alone. */
  listen: field(Fields.readListen).optional(),
  /** What clients are shown over TLS, which speaks HTTP/2 and HTTP/1.1: `{ certificate, key }`, read again when the files change; or `self-signed`, made at every start for a first try, and believed by nobody. TLS 1.2 at least. Default: none, requests come in the clear; credentials are worth money, so leave it out only on this machine, or behind a proxy that speaks TLS. */
  tls: tlsSchema(field).optional(),
  /** Where payments arrive: `sandbox`, or a wallet by its product, such as `lnd`; or a list of wallets, of which the next is asked where the one before is away. Default: `sandbox`. */
  lightning: walletsSchema(field).optional(),
  /** Others who are paid, by name, each with a wallet or a list of them; a service or a route says `payee: alice`. All on one network. Default: nobody. */
  payees: payeesSchema(field).optional(),
  /** `public`: let others reach a gateway on the sandbox, which sells for play money. Default: it refuses to listen beyond this machine. */
  sandbox: field(Fields.readOneOf(['public'])).optional(),
  /** Tells tenants with the same master keys apart: a token of one realm is worth nothing in another. Default: `main`. Never change it while tokens are out. */
  realm: field(Fields.readRealm).optional(),
  /** The file with the master keys, beside this one or by its whole path; or the keys themselves out of the environment: `${FAREBOX_KEYS}`. Default: `farebox.keys`. */
  keys: field(Fields.readKeys).optional(),
  /** What the key file is sealed under: the file that holds the passphrase, or the passphrase itself out of the environment: `${FAREBOX_PASSPHRASE}`. Default: what the start is told by `FAREBOX_PASSPHRASE`, `FAREBOX_PASSPHRASE_FILE` or a person at the terminal; a key file that is not sealed needs none. */
  passphrase: field(readSecretWord).optional(),
  /** Where claims, accounts, revocations and the ledger are kept: the path of a SQLite file, `postgres`, `redis`, `memory` (lost at the end; for tests), `none` (passes alone, no revocation, no ledger). Default: `farebox.db`. */
  store: storeSchema(field).optional(),
  /** How many processes of this machine serve: a number, or `auto` for one a core. They share the store, which cannot be `memory` then. Default: 1. */
  workers: field(Fields.readWorkers).optional(),
  /** How long an invoice can be paid. Default: `10m`. */
  invoiceExpiry: field(Fields.readDurationSeconds).optional(),
  /** What is sold. At least one. */
  services: z.array(service).min(1),
  /** Who carries requests to upstreams: `farebox`, our own HTTP/1.1 client, which refuses an answer that could be read in two ways; or `undici`, which is Node's. Default: `farebox`. `undici` where an upstream is refused that you trust and cannot mend. */
  upstreamClient: field(Fields.readOneOf(['farebox', 'undici'])).optional(),
  /** See each. */
  timeouts: timeouts.optional(),
  /** See each. */
  limits: limits.optional(),
  /** Proxies whose word on the client's address is believed: addresses and blocks. Default: none. Name nobody whom clients can reach past. */
  trustedProxies: z.array(field(Fields.readProxy)).optional(),
  /** See each. */
  revocation: revocation.optional(),
  /** Lets services ask what a credential is good for (RFC 7662). Default: nobody may ask. */
  introspection: introspection.optional(),
  /** What is logged, and how. Default: every request and every sale, as words at a terminal and as JSON elsewhere, without request ids. */
  logs: running.logs.optional(),
  /** Answers `/healthz` and `/readyz` for load balancers. Default: nowhere. */
  health: running.health.optional(),
  /** Answers `/metrics` for Prometheus. Default: nowhere, and nothing is counted for it. */
  metrics: running.metrics.optional(),
  /** Lets an operator see and change the gateway, by HTTP, `farebox admin` and its pages. Default: nobody can. */
  admin: running.admin.optional(),
  /** `signed`: paid answers carry a receipt that this gateway signs, `L402-Receipt`, and its keys are told to everybody at `/.well-known/farebox/receipts.json`. Default: `Payment-Receipt` alone, which nobody signs. It costs a signature for every paid answer. */
  receipts: field(Fields.readOneOf(['signed'])).optional(),
  /** `opentelemetry`: a span for each request, with the paywall's and the upstream's within it, goes to OpenTelemetry as the process that starts the gateway has set it up, and the trace goes on to the upstream. Needs `@opentelemetry/api` beside this package. Default: none. */
  traces: field(Fields.readOneOf(['opentelemetry'])).optional(),
  /** Who is told of payments and of what an operator should look at, by signed requests that are sent until they are taken. They need a store. Default: nobody. */
  webhooks: webhooksSchema(field).optional(),
  /** Which pages of other origins may ask and read. Default: preflights of what is sold are answered for everybody, and answers say what the upstream says. */
  cors: running.cors.optional(),
  /** The page on which people's browsers are asked to pay. Default: shown, without a name, to whoever asks for HTML. */
  page: pageSchema(field).optional(),
  /** Where specification and good sense part. */
  compat: compat.optional(),
});

/** What a file says, read and nothing filled in. */
export type ConfigFile = z.output<typeof configSchema>;

/** One service of it. */
export type ServiceFile = ConfigFile['services'][number];

/**
 * Holds a value against a schema and collects what is wrong with it. The answer is undefined where anything is.
 * @param schema - of strict objects, lists and fields
 */
export function readFile<Schema extends z.ZodType>(schema: Schema, text: ConfigText, mistakes: Mistakes): z.output<Schema> | undefined {
  const outcome = schema.safeParse(text.value);
  if (outcome.success) return outcome.data;
  for (const issue of outcome.error.issues.flatMap(meantBy)) {
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) mistakes.add([...issue.path, key], unknownKey(schema, issue.path, key), 'key');
    } else mistakes.add(issue.path, messageOf(issue));
  }
  return undefined;
}

/** Of what may be one of several, what is wrong with the one that was meant: the first whose form it has. */
function meantBy(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const hasForm = (issues: readonly z.core.$ZodIssue[]) => issues.every(({ code, path }) => code !== 'invalid_type' || path.length > 0);
  const meant = issue.errors.find(hasForm) ?? issue.errors[0] ?? [];
  return meant.flatMap((one) => meantBy({ ...one, path: [...issue.path, ...one.path] }));
}

function unknownKey(schema: z.ZodType, path: ConfigPath, key: string): string {
  const known = keysAt(schema, path);
  const meant = nearest(key, known);
  return `unknown key \`${key.slice(0, 64)}\`: ${meant === undefined ? `known here are ${known.join(', ')}` : `did you mean \`${meant}\`?`}`;
}

function messageOf(issue: z.core.$ZodIssue): string {
  const name = issue.path.findLast((key) => typeof key === 'string');
  const entry = issue.code === 'invalid_type' && typeof issue.path.at(-1) === 'number' ? 'an entry of ' : '';
  const about = name === undefined ? 'the file' : `${entry}\`${String(name)}\``;
  if (issue.code === 'custom') return `${about}${issue.message === missing ? ' ' : ': '}${issue.message}`;
  if (issue.code === 'too_small') return `${about} has nothing in it`;
  if (issue.code === 'invalid_value') return `${about} can only be ${issue.values.map(String).join(' or ')}`;
  if (issue.code !== 'invalid_type') return `${about}: ${issue.message}`;
  if (issue.input === undefined && issue.message.includes('received undefined')) return `${about} ${missing}`;
  return `${about} is ${{ object: 'a group of keys', array: 'a list', boolean: 'true or false' }[issue.expected as string] ?? `a ${issue.expected}`}`;
}

/** The keys that a schema knows at a path. */
function keysAt(schema: z.ZodType, path: ConfigPath): readonly string[] {
  let here: unknown = schema;
  for (const key of [...path, undefined]) {
    while (here instanceof z.ZodOptional || here instanceof z.ZodPipe) here = here instanceof z.ZodOptional ? here.unwrap() : here.out;
    if (here instanceof z.ZodUnion) here = here.options.find((option) => option instanceof z.ZodArray === (typeof key === 'number'));
    while (here instanceof z.ZodPipe) here = here.out;
    if (key === undefined) break;
    if (here instanceof z.ZodObject) here = here.shape[String(key)];
    else if (here instanceof z.ZodArray) here = here.element;
    else if (here instanceof z.ZodRecord) here = here.valueType;
  }
  return here instanceof z.ZodObject ? Object.keys(here.shape) : [];
}
