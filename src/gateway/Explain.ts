/**
 * The effective configuration in words, as `farebox check` shows it: every default filled in, no secret in it.
 */
import { basename } from 'node:path';
import * as Amount from '../core/Amount.ts';
import type { RequestRate } from '../server/Limits.ts';
import type { GatewayConfig, RouteConfig } from './Config.ts';
import { isLoopback, type ListenAddress } from './ConfigFields.ts';
import { withoutSecrets } from './ConfigLightning.ts';
import { explainWallets } from './ConfigPayees.ts';
import { invoiceMsat, termsOf } from './ConfigRoutes.ts';
import { withoutText } from './ConfigSecrets.ts';
import { explainStore, withoutAddress } from './ConfigStore.ts';
import type { UpstreamConfig } from './ConfigUpstreams.ts';
import { changesFileOf, countChanges } from './config/Changes.ts';
import { explainDestination } from './config/ConfigGroups.ts';
import { explainPage } from './config/ConfigPage.ts';
import { explainRewrite, withoutValues } from './config/ConfigRewrites.ts';
import { explainTls, withoutKey } from './config/ConfigTls.ts';
import { explainWebhook, withoutWebhookSecrets } from './config/ConfigWebhooks.ts';
import type { CorsConfig, LogsConfig } from './config/Running.ts';
import { receiptKeysPath } from './running/ReceiptKeys.ts';

/** As JSON holds it: amounts as text, no keys. */
export function toJson(config: GatewayConfig): unknown {
  const { introspection, keys, store, lightning, passphrase, payees, routes, tls, webhooks, ...rest } = config;
  return {
    ...rest,
    lightning: lightning.map(withoutSecrets),
    payees: Object.fromEntries(Object.entries(payees).map(([name, wallets]) => [name, wallets.map(withoutSecrets)])),
    keys: keys.kind === 'file' ? keys : { kind: 'text' },
    ...(introspection && { introspection: { ...introspection, secret: withoutText(introspection.secret) } }),
    ...(tls && { tls: withoutKey(tls) }),
    ...(passphrase && { passphrase: withoutText(passphrase) }),
    store: withoutAddress(store),
    ...(webhooks.length > 0 && { webhooks: webhooks.map(withoutWebhookSecrets) }),
    routes: routes.map(({ sale, rewrite, upstream, group, ...route }) => ({
      ...route,
      upstream: withoutUpstreamKey(upstream),
      ...(group && { group: { ...group, upstreams: group.upstreams.map(withoutUpstreamKey) } }),
      ...(rewrite && { rewrite: withoutValues(rewrite) }),
      ...(sale && { sale: { ...withTexts(sale), terms: withTexts(sale.terms) } }),
    })),
  };
}

function withoutUpstreamKey({ tls, ...upstream }: UpstreamConfig): unknown {
  return { ...upstream, ...(tls && { tls: { ...tls, key: tls.key && withoutText(tls.key) } }) };
}

/** Amounts as decimal text, which JSON holds exactly. */
function withTexts(value: object): object {
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, typeof inner === 'bigint' ? String(inner) : inner]));
}

/** As a person reads it. Ends in a line break. */
export function explain(config: GatewayConfig): string {
  const { introspection, listen, store, timeouts, limits, compat } = config;
  const addressOf = ({ host, port }: ListenAddress) =>
    `${formatHost(host)}:${port} (${isLoopback(host) ? 'this machine alone' : 'everybody who can reach it'})`;
  const facts: readonly (readonly [string, string])[] = [
    ['listens on', addressOf(listen)],
    ...(config.tls === undefined ? [] : [['TLS', explainTls(config.tls)] as const]),
    ['lightning', explainWallets(config.lightning)],
    ...Object.entries(config.payees).map(([name, wallets]): [string, string] => [`payee ${name}`, explainWallets(wallets)]),
    ['realm', config.realm],
    ['keys', explainKeys(config)],
    ['store', explainStore(store)],
    ...(config.workers === 1 ? [] : [['workers', config.workers === 'auto' ? 'a process a core' : `${config.workers} processes`] as const]),
    [
      'invoices',
      `can be paid for ${formatMs(config.invoiceExpirySeconds * 1000)}; ${limits.invoicesPerClientPerMinute} a minute a client, ${limits.invoicesPerMinute} in all`,
    ],
    ...explainRates(limits),
    ['trusts', config.trustedProxies.length === 0 ? 'no proxy' : config.trustedProxies.join(', ')],
    [
      'requests',
      `head ${formatBytes(limits.headBytes)} and ${limits.headerLines} lines, body ${formatBytes(limits.bodyBytes)}, within ${formatMs(timeouts.requestMs)}`,
    ],
    [
      'upstreams',
      `connect within ${formatMs(timeouts.connectMs)}, idle for ${formatMs(timeouts.idleMs)} at most, ${limits.upstreamConnections} connections each, ${limits.upstreamQueue} requests waiting for ${formatMs(timeouts.upstreamQueueMs)}${config.upstreamClient === 'undici' ? ', by undici' : ''}`,
    ],
    ['websockets', `${limits.webSockets} at once, each for ${formatMs(timeouts.webSocketMs)} at most`],
    ...(store.kind === 'none' ? [] : [['revocation', `the last list is good for ${formatMs(config.revocation.staleMs)} where the store is away`] as const]),
    ...(introspection === undefined ? [] : [['services', `ask about credentials on ${addressOf(introspection.listen)}`] as const]),
    ...(config.health === undefined ? [] : [['health', `asked on ${addressOf(config.health.listen)}`] as const]),
    ...(config.metrics === undefined ? [] : [['metrics', `asked on ${addressOf(config.metrics.listen)}`] as const]),
    ...(config.admin === undefined ? [] : [['admin', `sees and changes it on ${addressOf(config.admin.listen)}`] as const]),
    ...(countChanges(config.changes) === 0
      ? []
      : [['changes', `${countChanges(config.changes)} from ${basename(changesFileOf(config.file))} win over this file`] as const]),
    ...(config.receipts === undefined ? [] : [['receipts', `signed; their keys at ${receiptKeysPath}`] as const]),
    ...(config.traces === undefined ? [] : [['traces', 'of each request, for OpenTelemetry'] as const]),
    ...config.webhooks.map((webhook): [string, string] => ['webhook', explainWebhook(webhook)]),
    ...(config.cors === undefined ? [] : [['pages', explainCors(config.cors)] as const]),
    ...(config.logs === undefined ? [] : [['logs', explainLogs(config.logs)] as const]),
    ['people', explainPage(config.page)],
    ['compat', `an invalid credential gets ${compat.invalidCredential}; unknown caveats: ${compat.unknownCaveats}`],
  ];
  const services = [...new Set(config.routes.map(({ service }) => service))];
  return [config.file, ...facts.map(([name, value]) => `  ${name.padEnd(12)}${value}`), '', ...services.flatMap((name) => explainService(config, name))].join(
    '\n',
  );
}

function explainRates({ requestsPerClient, requestsPerToken }: GatewayConfig['limits']): readonly (readonly [string, string])[] {
  const rates = [requestsPerClient && `${formatRate(requestsPerClient)} a client`, requestsPerToken && `${formatRate(requestsPerToken)} a token`].filter(
    (one) => one !== undefined,
  );
  return rates.length === 0 ? [] : [['rates', `requests: ${rates.join(', ')}`]];
}

function formatRate({ requests, perMs }: RequestRate): string {
  return `${requests}/${formatMs(perMs).replace(/^1(?=[a-z])/, '')}`;
}

function explainCors({ origins, credentials }: CorsConfig): string {
  return `of ${origins.includes('*') ? 'everybody' : origins.join(', ')} may ask and read${credentials ? ', with cookies' : ''}`;
}

function explainLogs({ format, level, access, requestIds }: LogsConfig): string {
  const requests = access === false ? 'no requests' : access === true ? 'requests' : `requests into ${access.path}`;
  return `${format ?? 'text at a terminal, JSON elsewhere'}; ${level} and above, ${requests}, ${requestIds ? 'with' : 'without'} ids`;
}

function explainKeys({ keys, passphrase }: GatewayConfig): string {
  if (keys.kind === 'text') return 'from the environment';
  if (passphrase === undefined) return keys.path;
  return `${keys.path}, sealed under a passphrase ${passphrase.kind === 'file' ? `in ${passphrase.path}` : 'from the environment'}`;
}

function explainService(config: GatewayConfig, service: string): readonly string[] {
  const routes = config.routes.filter((route) => route.service === service);
  const rows = routes.map((route) => [route.methods?.join(',') ?? 'any', addressOf(route), ...priceOf(route), ...waysOf(route)]);
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const { host, ...destination } = routes[0] as RouteConfig;
  const [first, ...more] = explainDestination(destination, formatMs);
  return [
    `${service}${host === undefined ? '' : ` at ${host}`} -> ${first}`,
    ...more,
    ...rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd()),
    '',
  ];
}

function addressOf({ pattern, headers = [], priority = 0 }: RouteConfig): string {
  return [pattern, ...headers.map(([name, value]) => `${name}: ${value}`), ...(priority === 0 ? [] : [`(priority ${priority})`])].join(' ');
}

/** What a route changes on the way. */
function waysOf({ rewrite }: RouteConfig): readonly string[] {
  return rewrite === undefined ? [] : [`goes on ${explainRewrite(rewrite).join(', ')}`];
}

function priceOf({ sale, rate, disabled }: RouteConfig): readonly string[] {
  if (disabled) return ['off'];
  const bounded = rate === undefined ? [] : [`${formatRate(rate)} at most`];
  if (sale === undefined) return rate === undefined ? ['free'] : ['free', '', bounded.join()];
  const { terms } = sale;
  const words = [`"${sale.description}"`, ...bounded];
  if (sale.free !== undefined) {
    const { requests, seconds, clients = 1 } = sale.free;
    words.push(`${requests} free each ${formatMs(seconds * 1000)} for a client${clients > 1 ? `, of whom an address may have ${clients}` : ''}`);
  }
  if (sale.payee !== undefined) words.push(`paid to ${sale.payee}`);
  if (sale.verify === 'settled') words.push('when its wallet says so');
  if (sale.outage === 'passes-only') words.push('passes also while the store is away');
  if (terms.kind === 'credit') words.push(`${Amount.format(sale.priceMsat)} a request`);
  if (terms.kind === 'bucket' && terms.weight > 1) words.push(`${terms.weight} units a request`);
  if (sale.consume === 'on-request') words.push('charged also where it fails');
  if (sale.leased !== undefined) words.push(`${sale.leased} requests counted ahead`);
  return [Amount.format(invoiceMsat(sale)), termsOf(terms).units, words.join(', ')];
}

function formatHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function formatMs(ms: number): string {
  const units: readonly (readonly [string, number])[] = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ];
  const [unit, size] = units.find(([, length]) => ms % length === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
}

function formatBytes(bytes: number): string {
  const units: readonly (readonly [string, number])[] = [
    ['MB', 1e6],
    ['KiB', 1024],
    ['KB', 1000],
  ];
  const [unit, size] = units.find(([, length]) => bytes % length === 0) ?? ['B', 1];
  return `${bytes / size} ${unit}`;
}
