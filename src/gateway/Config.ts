/**
 * The configuration of a gateway: read from `farebox.yaml` (or a `satgate.yaml`, unchanged), checked as a whole, and completed with every
 * default, so that what runs is what `farebox check` shows.
 *
 * @see src/gateway/ConfigSchema.ts for every key
 */
import { readFile as readFileText } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import type { Msat } from '../core/Amount.ts';
import { FareboxError } from '../core/Errors.ts';
import type { RequestRate } from '../server/Limits.ts';
import { isLoopback, type KeysChoice, type ListenAddress } from './ConfigFields.ts';
import { type PayeesConfig, readPayees } from './ConfigPayees.ts';
import { readRoutes } from './ConfigRoutes.ts';
import { type ConfigFile, configSchema, readFile } from './ConfigSchema.ts';
import { type SecretChoice, secretAt } from './ConfigSecrets.ts';
import { readStore, type StoreChoice } from './ConfigStore.ts';
import { type ConfigPath, type ConfigText, createMistakes, type Environment, fromValue, type Mistakes, parse } from './ConfigText.ts';
import { filesOf, readUpstream, type UpstreamConfig, type UpstreamFile } from './ConfigUpstreams.ts';
import { applyChanges, type Changes, changesFileOf, none, parseChanges } from './config/Changes.ts';
import type { GroupConfig } from './config/ConfigGroups.ts';
import { type PageConfig, readPage } from './config/ConfigPage.ts';
import { filesOfRewrite, type RewriteConfig } from './config/ConfigRewrites.ts';
import { readTls, type TlsConfig } from './config/ConfigTls.ts';
import { readWebhooks, type WebhookConfig } from './config/ConfigWebhooks.ts';
import { type AdminConfig, type CorsConfig, type HealthConfig, type LogsConfig, type MetricsConfig, readRunning, whyNotOrigins } from './config/Running.ts';
import * as satgate from './import/satgate.ts';
import type { RouteKey } from './Router.ts';

/** A route, complete. */
export type RouteConfig = RouteKey & {
  /** Names it in ledger and logs, such as `GET /api/v1/translate`. */
  readonly name: string;
  readonly service: string;
  /** The first, where there are several. */
  readonly upstream: UpstreamConfig;
  /** Several, or one that is watched. */
  readonly group: GroupConfig | undefined;
  /** What is changed of requests and answers; undefined: nothing. */
  readonly rewrite: RewriteConfig | undefined;
  readonly preserveHost: boolean;
  /** Switched off for now: it takes its requests, and answers none of them. */
  readonly disabled: boolean;
  /** For the upstream to begin its answer. */
  readonly timeoutMs: number;
  /** Undefined: free. */
  readonly sale: SaleConfig | undefined;
  /** How many requests it takes of all clients together; undefined: as many as come. */
  readonly rate: RequestRate | undefined;
};

/** What one payment buys, complete. */
export type TermsConfig =
  | { readonly kind: 'per-request' }
  | { readonly kind: 'pass'; readonly seconds: number }
  /** `servicePriceMsat`: it is sold for the whole service, at that price. */
  | { readonly kind: 'bucket'; readonly units: number; readonly weight: number; readonly seconds: number; readonly servicePriceMsat: Msat | undefined }
  | { readonly kind: 'credit'; readonly creditMsat: Msat; readonly creditPriceMsat: Msat; readonly seconds: number };

/** What a route sells. */
export type SaleConfig = {
  /** Of a request, or of what is sold to this route alone. */
  readonly priceMsat: Msat;
  readonly terms: TermsConfig;
  /** Whole, as invoice and 402 say it. */
  readonly description: string;
  readonly capabilities: readonly string[];
  readonly exactMsat: boolean;
  /** Who is paid; undefined: who `lightning` names. */
  readonly payee: string | undefined;
  /** What a payment is known by: its preimage alone, or its wallet's word as well. */
  readonly verify: 'preimage' | 'settled';
  /** What is served while the store does not answer. */
  readonly outage: 'refuse' | 'passes-only';
  /** What each client has for nothing before it is asked to pay. */
  readonly free: { readonly requests: number; readonly seconds: number; readonly inAll: number | undefined; readonly clients: number | undefined } | undefined;
  /** For how many calls of one token units are reserved at once; undefined: each call by itself. */
  readonly leased: number | undefined;
  /** When what was paid for is spent. */
  readonly consume: 'on-success' | 'on-request';
};

/** The effective configuration. */
export type GatewayConfig = PayeesConfig & {
  /** The file it came from, for messages. */
  readonly file: string;
  /** What was changed of it in the file beside it. */
  readonly changes: Changes;
  readonly listen: ListenAddress;
  /** What clients are shown over TLS; undefined: requests come in the clear. */
  readonly tls: TlsConfig | undefined;
  /** Play money may be taken from others than this machine. */
  readonly sandboxPublic: boolean;
  readonly realm: string;
  /** Paths in it are absolute. */
  readonly keys: KeysChoice;
  /** What the key file is sealed under, where the configuration says so. */
  readonly passphrase: SecretChoice | undefined;
  /** Paths in it are absolute. */
  readonly store: StoreChoice;
  /** How many processes serve; `auto`: one a core. */
  readonly workers: number | 'auto';
  readonly invoiceExpirySeconds: number;
  readonly routes: readonly RouteConfig[];
  /** Who carries requests to upstreams. */
  readonly upstreamClient: 'farebox' | 'undici';
  readonly timeouts: {
    readonly connectMs: number;
    readonly idleMs: number;
    readonly webSocketMs: number;
    readonly headMs: number;
    readonly requestMs: number;
    readonly keepAliveMs: number;
    readonly drainMs: number;
    readonly shutdownMs: number;
    readonly upstreamKeepAliveMs: number;
    readonly upstreamQueueMs: number;
  };
  readonly limits: {
    readonly bodyBytes: number;
    readonly headBytes: number;
    readonly headerLines: number;
    readonly connections: number;
    readonly webSockets: number;
    readonly streams: number;
    readonly upstreamConnections: number;
    readonly upstreamQueue: number;
    readonly invoicesPerClientPerMinute: number;
    readonly invoicesPerMinute: number;
    /** Undefined: as many as come. */
    readonly requestsPerClient: RequestRate | undefined;
    readonly requestsPerToken: RequestRate | undefined;
  };
  readonly trustedProxies: readonly string[];
  readonly revocation: { readonly staleMs: number };
  /** Where services may ask about credentials, and with what; undefined: nowhere. */
  readonly introspection: IntrospectionConfig | undefined;
  /** Undefined: nothing was said of it, see the schema. */
  readonly logs: LogsConfig | undefined;
  /** Undefined: nowhere. */
  readonly health: HealthConfig | undefined;
  readonly metrics: MetricsConfig | undefined;
  /** Undefined: nowhere. */
  readonly admin: AdminConfig | undefined;
  readonly cors: CorsConfig | undefined;
  /** Undefined: nobody signs them. */
  readonly receipts: 'signed' | undefined;
  /** Undefined: nobody is told of each request's steps. */
  readonly traces: 'opentelemetry' | undefined;
  /** Who is told what happens. */
  readonly webhooks: readonly WebhookConfig[];
  /** Undefined: people are asked to pay as programs are. */
  readonly page: PageConfig | undefined;
  readonly compat: { readonly invalidCredential: 401 | 402; readonly unknownCaveats: 'refuse' | 'skip' };
};

/** See the schema. */
export type IntrospectionConfig = { readonly listen: ListenAddress; readonly secret: SecretChoice };

/** Where a configuration is read. */
export type ConfigSurroundings = {
  /** The file's name, for messages; default `farebox.yaml`. */
  readonly file?: string;
  /** What relative paths are relative to; default: the current folder. */
  readonly folder?: string;
  /** Fills `${NAME}` in; default: this process's. */
  readonly environment?: Environment;
  /** The text of the file of changes beside it; default: none, or where the file is read, what stands there. */
  readonly changes?: string | undefined;
};

/**
 * Reads a configuration file.
 * @throws CONFIG_INVALID – no such file, or every mistake in it, each with line and column
 */
export async function loadConfig(file: string, surroundings: Omit<ConfigSurroundings, 'file'> = {}): Promise<GatewayConfig> {
  const [text, changes] = [await readConfigText(file), await readChangesText(file)];
  return parseConfig(text, { folder: dirname(resolve(file)), changes, ...surroundings, file });
}

/** What stands in the file of changes beside a configuration; undefined where there is none. @throws CONFIG_INVALID – it cannot be read */
export async function readChangesText(file: string): Promise<string | undefined> {
  try {
    return await readFileText(changesFileOf(file), 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new FareboxError('CONFIG_INVALID', `${changesFileOf(file)} cannot be read (${code ?? 'unreadable'}).`, { cause: error });
  }
}

/** What stands in a configuration file. @throws CONFIG_INVALID – no such file, or it cannot be read */
export async function readConfigText(file: string): Promise<string> {
  try {
    return await readFileText(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    const message = code === 'ENOENT' ? `There is no ${file}. Make one with: farebox init` : `${file} cannot be read (${code}).`;
    throw new FareboxError('CONFIG_INVALID', message, { cause: error });
  }
}

/** The files that a configuration stands on, and that are read anew with it. */
export function filesOfConfig({ file, routes }: GatewayConfig): readonly string[] {
  const ofRoute = ({ upstream, group, rewrite }: RouteConfig) => [
    ...(group?.upstreams ?? [upstream]).flatMap(filesOf),
    ...(rewrite ? filesOfRewrite(rewrite) : []),
  ];
  return [...new Set([file, ...routes.flatMap(ofRoute)])];
}

/**
 * Reads the text of a configuration file: YAML, of ours or of SatGate's.
 * @throws CONFIG_INVALID – every mistake in it, each with line and column
 */
export function parseConfig(text: string, surroundings: ConfigSurroundings = {}): GatewayConfig {
  const { file = 'farebox.yaml', environment = process.env } = surroundings;
  return complete(parse(text, file, environment), { ...surroundings, file });
}

/** What a configuration says with its changes, as in the file and nothing filled in: values of the environment are in it. @throws CONFIG_INVALID – it is no YAML */
export function readValue(text: string, surroundings: ConfigSurroundings = {}): unknown {
  const { file = 'farebox.yaml', environment = process.env } = surroundings;
  return changedText(parse(text, file, environment), { ...surroundings, file }).text.value;
}

/** A file in another form, rewritten into ours. `pathOf`: where something of ours stands in theirs. */
export type Rewritten = { readonly value: unknown; readonly pathOf: (path: ConfigPath) => ConfigPath };

/**
 * Reads a file in another form, of which `rewrite` makes one of ours; mistakes are told at their places in theirs.
 * @throws CONFIG_INVALID – every mistake in it, each with line and column; what `rewrite` throws
 */
export function parseRewritten(
  text: string,
  rewrite: (value: unknown, mistakes: Mistakes) => Rewritten,
  surroundings: ConfigSurroundings & { readonly file: string },
): GatewayConfig {
  const { file, environment = process.env } = surroundings;
  const theirs = parse(text, file, environment);
  return completeRewritten(theirs, rewrite, surroundings);
}

/** The same, from a value in that other form. @throws CONFIG_INVALID – see there */
export function createRewritten(
  value: unknown,
  rewrite: (value: unknown, mistakes: Mistakes) => Rewritten,
  surroundings: ConfigSurroundings & { readonly file: string },
): GatewayConfig {
  return completeRewritten(fromValue(value), rewrite, surroundings);
}

function completeRewritten(
  theirs: ConfigText,
  rewrite: (value: unknown, mistakes: Mistakes) => Rewritten,
  surroundings: ConfigSurroundings & { readonly file: string },
): GatewayConfig {
  const mistakes = createMistakes(surroundings.file, theirs);
  const { value, pathOf } = rewrite(theirs.value, mistakes);
  mistakes.check();
  const placed: ConfigText = {
    value,
    placeOf: (path, part) => theirs.placeOf(pathOf(path), part),
    isFromEnvironment: (path) => theirs.isFromEnvironment(pathOf(path)),
    nameOf: pathOf,
  };
  return complete(placed, surroundings);
}

/**
 * Makes a configuration from a value in the form of the file, such as `{ services: [{ name, upstream, routes: [{ path, price }] }] }`.
 * @throws CONFIG_INVALID – every mistake in it, each with the way to it
 */
export function createConfig(value: unknown, surroundings: ConfigSurroundings = {}): GatewayConfig {
  return complete(fromValue(value), surroundings);
}

/** A configuration with the changes beside it. @throws CONFIG_INVALID – they have another form, or change what is not there */
function changedText(
  text: ConfigText,
  { file = 'farebox.yaml', changes: written }: ConfigSurroundings,
): { readonly text: ConfigText; readonly changes: Changes } {
  if (written === undefined) return { text, changes: none };
  const name = basename(changesFileOf(file));
  const changes = parseChanges(written, name);
  const mistakes = createMistakes(file, text);
  const changed = applyChanges(text, changes, name, mistakes);
  mistakes.check();
  return { text: changed, changes };
}

function complete(original: ConfigText, surroundings: ConfigSurroundings): GatewayConfig {
  const { file = 'farebox.yaml', folder = '.' } = surroundings;
  const { text, changes } = changedText(original, surroundings);
  const mistakes = createMistakes(file, text);
  const foreign = satgate.recognizes(text.value) ? satgate.read(text, mistakes) : undefined;
  mistakes.check();
  const found = foreign ? foreign.config : readFile(configSchema, text, mistakes);
  const at: Mistakes = foreign ? { ...mistakes, add: (path, message, part) => mistakes.add(foreign.pathOf(path), message, part) } : mistakes;
  const config = found && withDefaults(found, file, text, (path) => (path.startsWith('~/') ? join(homedir(), path.slice(2)) : resolve(folder, path)), at);
  if (config) checkWhole(config, at, foreign === undefined && found?.keys?.kind === 'text' && !text.isFromEnvironment(['keys']));
  mistakes.check();
  return { ...(config as GatewayConfig), changes };
}

function withDefaults(
  found: ConfigFile,
  file: string,
  text: ConfigText,
  absolute: (path: string) => string,
  mistakes: Mistakes,
): Omit<GatewayConfig, 'changes'> {
  const payees = readPayees(found, { text, absolute, mistakes });
  const upstreamAt = (upstream: UpstreamFile, path: ConfigPath) => readUpstream(upstream, path, { text, absolute, mistakes });
  const { timeouts = {}, compat = {}, keys = { kind: 'file', path: 'farebox.keys' } } = found;
  return {
    file,
    listen: found.listen ?? { host: '127.0.0.1', port: 8402 },
    tls: readTls(found.tls, ['tls'], text, absolute),
    ...payees,
    sandboxPublic: found.sandbox === 'public',
    realm: found.realm ?? 'main',
    keys: keys.kind === 'file' ? { kind: 'file', path: absolute(keys.path) } : keys,
    passphrase: found.passphrase === undefined ? undefined : secretAt(found.passphrase, ['passphrase'], text, absolute),
    store: readStore(found.store, text, absolute, mistakes),
    workers: found.workers ?? 1,
    invoiceExpirySeconds: found.invoiceExpiry ?? 600,
    routes: readRoutes(found.services, { timeoutMs: timeouts.upstream ?? 60_000, payees, upstreamAt, absolute }, mistakes),
    upstreamClient: found.upstreamClient ?? 'farebox',
    timeouts: timeoutsOf(timeouts),
    limits: limitsOf(found.limits ?? {}),
    trustedProxies: found.trustedProxies ?? [],
    introspection: readIntrospection(found, text, absolute),
    ...readRunning(found, absolute, file),
    receipts: found.receipts,
    traces: found.traces,
    webhooks: readWebhooks(found.webhooks, text, absolute, mistakes),
    page: readPage(found.page, absolute),
    revocation: { staleMs: found.revocation?.stale ?? 60_000 },
    compat: { invalidCredential: compat.invalidCredential ?? 401, unknownCaveats: compat.unknownCaveats ?? 'refuse' },
  };
}

function timeoutsOf(timeouts: NonNullable<ConfigFile['timeouts']>): GatewayConfig['timeouts'] {
  return {
    connectMs: timeouts.connect ?? 5000,
    idleMs: timeouts.idle ?? 300_000,
    webSocketMs: timeouts.webSocket ?? 86_400_000,
    headMs: timeouts.head ?? 15_000,
    requestMs: timeouts.request ?? 300_000,
    keepAliveMs: timeouts.keepAlive ?? 60_000,
    drainMs: timeouts.drain ?? 0,
    shutdownMs: timeouts.shutdown ?? 30_000,
    upstreamKeepAliveMs: timeouts.upstreamKeepAlive ?? 4000,
    upstreamQueueMs: timeouts.upstreamQueue ?? 10_000,
  };
}

function limitsOf(limits: NonNullable<ConfigFile['limits']>): GatewayConfig['limits'] {
  return {
    bodyBytes: limits.body ?? 100_000_000,
    headBytes: limits.head ?? 16_384,
    headerLines: limits.headerLines ?? 100,
    connections: limits.connections ?? 10_000,
    webSockets: limits.webSockets ?? 5000,
    streams: limits.streams ?? 100,
    upstreamConnections: limits.upstreamConnections ?? 1024,
    upstreamQueue: limits.upstreamQueue ?? 10_000,
    invoicesPerClientPerMinute: limits.invoicesPerClientPerMinute ?? 600,
    invoicesPerMinute: limits.invoicesPerMinute ?? 6000,
    requestsPerClient: limits.requestsPerClient,
    requestsPerToken: limits.requestsPerToken,
  };
}

function readIntrospection({ introspection }: ConfigFile, text: ConfigText, absolute: (path: string) => string): IntrospectionConfig | undefined {
  if (introspection === undefined) return undefined;
  const { listen = { host: '127.0.0.1', port: 8403 }, secret } = introspection;
  return { listen, secret: secretAt(secret, ['introspection', 'secret'], text, absolute) };
}

/** What no field shows alone. */
function checkWhole(config: Omit<GatewayConfig, 'changes'>, mistakes: Mistakes, keysInFile: boolean): void {
  const fail = (path: ConfigPath, message: string) => mistakes.add(path, message);
  if (keysInFile) fail(['keys'], 'keys do not belong in a configuration file: name the file that holds them, or an environment variable');
  if (config.network === 'sandbox' && !config.sandboxPublic && !isLoopback(config.listen.host)) {
    fail(['listen'], `the sandbox takes play money: listen on 127.0.0.1, or write "sandbox: public" to sell for it on ${config.listen.host}`);
  }
  if (config.workers !== 1 && config.store.kind === 'memory') {
    fail(
      ['workers'],
      'each process would have a memory of its own, and serve what another has served: name a store that they share, such as "store: farebox.db"',
    );
  }
  if (config.workers !== 1 && config.tls?.kind === 'self-signed') {
    fail(['tls'], 'each process would show a certificate of its own: name the files of one, or serve with one process');
  }
  const wrongOrigins = config.cors && whyNotOrigins(config.cors);
  if (wrongOrigins !== undefined) fail(['cors', 'origins'], wrongOrigins);
  if (config.store.kind === 'none' && config.webhooks.length > 0) fail(['webhooks'], 'without a store nobody can tell what was told: name a store');
  const counted = config.routes.find(({ sale }) => sale !== undefined && sale.terms.kind !== 'pass');
  if (config.store.kind === 'none' && counted) {
    fail(
      ['store'],
      `without a store nobody can tell how much of a payment was used, and ${counted.name} sells ${counted.sale?.terms.kind}: name a store, or sell a pass`,
    );
  }
}
