/**
 * Admin beside a gateway: hand it to `createGateway` as one of its listeners.
 *
 *     createGateway({ …, beside: (surroundings) => [createAdmin({ config: config.admin, keys, surroundings, … })] })
 */
import { systemRandom } from '../core/Clock.ts';
import { createTrust } from '../gateway/ClientAddress.ts';
import type { AdminConfig, Beside, Surroundings } from '../gateway/index.ts';
import type { RootKeys } from '../server/RootKeys.ts';
import type { AuditLog } from './audit/AuditLog.ts';
import { createAuthentication } from './auth/Authentication.ts';
import { createRecent } from './books/Recent.ts';
import type { ConfigChanging } from './ConfigChanging.ts';
import { createAdminListener } from './http/AdminListener.ts';
import { type App, createApp, type Pages } from './http/App.ts';
import { createGuard } from './http/Guard.ts';
import type { AdminContext, Operation } from './Operation.ts';
import { operations as all } from './operations/index.ts';

/** What admin is made from. */
export type AdminOptions = {
  readonly config: AdminConfig;
  readonly keys: RootKeys;
  readonly surroundings: Surroundings;
  readonly changing: ConfigChanging;
  readonly audit: AuditLog;
  /** Answers what is no call; default: nothing. */
  readonly pages?: Pages | undefined;
  /** A wallet of play money to buy with; default: none. */
  readonly buyer?: AdminContext['buyer'];
  readonly random?: AdminContext['random'];
  /** Default: the whole table. */
  readonly operations?: readonly Operation[];
};

/** The listener, and the app behind it, which can be asked without one. */
export type Admin = Beside & { readonly app: App };

/** See the head of this file. */
export function createAdmin(options: AdminOptions): Admin {
  const { config, keys, surroundings, changing, audit, pages, buyer, random = systemRandom, operations = all } = options;
  const { clock, store, events, current, measured, paywall } = surroundings;
  const closing = new AbortController();
  const recent = createRecent(events);
  const authentication = createAuthentication({ keys, store, clock });
  const context: AdminContext = {
    clock,
    random,
    store,
    keys,
    events,
    config: () => current().config,
    changing,
    audit,
    measured,
    buyer,
    recent,
    introspect: paywall.introspect,
    endAccess: authentication.end,
    isStoreServing: store && (() => paywall.serves('refuse')),
  };
  const guardAt = (listen: AdminConfig['listen']) => createGuard({ ...config, listen, isProxy: createTrust(config.proxies) });
  let guard = guardAt(config.listen);
  const app = createApp({
    operations,
    context,
    authentication,
    guard: (arriving) => guard(arriving),
    isSecure: (host) => config.url?.startsWith('https:') === true && new URL(config.url).host === host.toLowerCase(),
    pages,
    origins: config.origins,
    closing: closing.signal,
    onFault: (error) => events.emit({ at: clock.nowMs(), kind: 'trouble', what: 'admin', error }),
  });
  const listener = createAdminListener(app, {
    clock,
    // Where any port would do, it is known only now.
    onListening: (at) => {
      guard = guardAt(at);
    },
    onClose: () => {
      closing.abort();
      recent.close();
    },
  });
  return { name: 'admin', path: '/', listener, listen: config.listen, outlives: false, app };
}
