/**
 * What of a configuration is looked at once, at the start: what others stand on, and what cannot be exchanged under requests that run. Changed in a
 * file that is read anew, it takes a new start, and nothing else of that file is taken either.
 */
import { FareboxError } from '../../core/Errors.ts';
import type { GatewayConfig } from '../Config.ts';

/** Each by its key in the file. */
const fixed: { readonly [key: string]: (config: GatewayConfig) => unknown } = {
  listen: ({ listen }) => listen,
  tls: ({ tls }) => tls,
  lightning: ({ lightning, network }) => [network, lightning],
  payees: ({ payees }) => payees,
  sandbox: ({ sandboxPublic }) => sandboxPublic,
  realm: ({ realm }) => realm,
  keys: ({ keys }) => keys,
  passphrase: ({ passphrase }) => passphrase,
  store: ({ store }) => store,
  workers: ({ workers }) => workers,
  invoiceExpiry: ({ invoiceExpirySeconds }) => invoiceExpirySeconds,
  revocation: ({ revocation }) => revocation,
  introspection: ({ introspection }) => introspection,
  logs: ({ logs }) => logs,
  health: ({ health }) => health,
  metrics: ({ metrics }) => metrics,
  admin: ({ admin }) => admin,
  receipts: ({ receipts }) => receipts,
  traces: ({ traces }) => traces,
  webhooks: ({ webhooks }) => webhooks,
  page: ({ page }) => page,
  compat: ({ compat }) => compat,
  'limits.head': ({ limits }) => limits.headBytes,
};

/** @throws CONFIG_FIXED – the second differs from the first in what takes a new start; none of its values is repeated */
export function assertSameStart(running: GatewayConfig, next: GatewayConfig): void {
  const changed = Object.entries(fixed).flatMap(([key, of]) => (textOf(of(running)) === textOf(of(next)) ? [] : [key]));
  if (changed.length === 0) return;
  const keys = changed.map((key) => `"${key}"`).join(', ');
  throw new FareboxError(
    'CONFIG_FIXED',
    `${keys} cannot change while the gateway runs: start it again to take the new configuration. It goes on with the old one.`,
    {
      details: { changed },
    },
  );
}

function textOf(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? `${one}n` : one)) ?? '';
}
