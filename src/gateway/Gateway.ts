/**
 * The gateway: a paywall in front of upstreams, as its configuration says. Whoever makes one brings receiver, keys and store, and closes
 * them afterwards.
 */
import { atMost, type Clock, type Random, systemClock, systemRandom } from '../core/Clock.ts';
import { type Reached, unwatched } from '../core/CrashPoint.ts';
import { FareboxError } from '../core/Errors.ts';
import type { Receiver } from '../lightning/Lightning.ts';
import { createEvents, type Events } from '../server/Events.ts';
import { createPaywall, type Paywall } from '../server/Paywall.ts';
import { startPruning } from '../server/Pruning.ts';
import type { Rates } from '../server/Rates.ts';
import type { RootKeys } from '../server/RootKeys.ts';
import { followSettlements, type Settlements, type SettlementsOptions, type Watched } from '../server/Settlements.ts';
import * as TopUps from '../server/TopUps.ts';
import type { Store } from '../store/Store.ts';
import { createTrust } from './ClientAddress.ts';
import type { GatewayConfig, RouteConfig } from './Config.ts';
import { isLoopback, type ListenAddress } from './ConfigFields.ts';
import { offerOf } from './ConfigRoutes.ts';
import { secretOf } from './ConfigSecrets.ts';
import { createTargets, type Targets } from './ConfigUpstreams.ts';
import type { TlsConfig } from './config/ConfigTls.ts';
import { assertSecret, createIntrospectionListener } from './Introspection.ts';
import { createListener, type Listener, type ListenerLimits } from './Listener.ts';
import { type Certificates, openCertificates } from './listener/Certificates.ts';
import { createRouter } from './Router.ts';
import { createRewrites, type Rewrites } from './routing/createRewrite.ts';
import { createSteps, type RequestOutcome, type ServedRoute } from './Steps.ts';
import { TimerWheel } from './TimerWheel.ts';
import { createUpstreams } from './upstream/createUpstreams.ts';
import { createGroups } from './upstream/Group.ts';

/** What a gateway is made from. */
export type GatewayOptions = {
  readonly config: GatewayConfig;
  /** Where payments arrive: the wallets that `lightning` names. */
  readonly receiver: Receiver;
  /** Others who are paid, by the names that `payees` has. */
  readonly payees?: Readonly<Record<string, Receiver>>;
  /** Whose settlements are followed, each wallet by itself; default: nobody's. */
  readonly wallets?: readonly Watched[];
  /** False: not before `follow` is called, where several processes share the work and one of them follows. Default: from the start. */
  readonly follows?: boolean;
  /** Where invoices and what is given away are counted; default: here. */
  readonly rates?: Rates | undefined;
  /** One of so many processes that share the limits of the configuration which cannot be counted together. Default: 1. */
  readonly processes?: number;
  readonly keys: RootKeys;
  /** Undefined where the configuration says `store: none`. */
  readonly store?: Store | undefined;
  readonly clock?: Clock;
  readonly random?: Random;
  /** What happens in the paywall is told here. */
  readonly events?: Events;
  /** Told of every request once it is over. Nothing in it is secret. */
  readonly log?: (outcome: RequestOutcome) => void;
  /** Told of every crash point that is reached; for tests. */
  readonly reached?: Reached;
};

/** Where a gateway is reached. */
export type Listening = {
  readonly url: string;
  /** Where services ask about credentials, where they may. */
  readonly introspectionUrl?: string;
};

/** A gateway. */
export type Gateway = {
  /** What happens in its paywall. */
  readonly events: Events;
  /** Begins to serve. @throws Error – the address is taken, or not this machine's; CONFIG_INVALID – that of the introspection is */
  readonly listen: () => Promise<Listening>;
  /** Follows what arrives in the wallets from now on. */
  readonly follow: () => void;
  /** Follows it no more. */
  readonly unfollow: () => Promise<void>;
  /**
   * Takes no more requests, lets running ones finish for as long as `timeouts.shutdown` says, and ends. Receiver and store stay open.
   * `isReplaced`: others take new connections; those that are open are asked to go to them, each with its next answer, and none is cut off before
   * `timeouts.keepAlive` is over as well, unless `hurry` aborts.
   */
  readonly close: (how?: { readonly isReplaced?: boolean; readonly hurry?: AbortSignal }) => Promise<void>;
};

/**
 * Makes a gateway that does not listen yet. Where its store does not answer yet, it serves nothing that is sold until it does, and tells so.
 * @throws CONFIG_INVALID – the sandbox is to be reached from other machines; a store, a payee or the secret of the introspection is missing
 */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, receiver, keys, store, clock = systemClock, random = systemRandom, events = createEvents(), reached = unwatched, processes = 1 } = options;
  checkReach(config, receiver);
  if (store === undefined && config.routes.some(({ sale }) => sale !== undefined && sale.terms.kind !== 'pass')) {
    throw new FareboxError('CONFIG_INVALID', 'What is sold by the request is counted in a store, and this gateway has none.');
  }
  const onTrouble = (error: unknown) => events.emit({ at: clock.nowMs(), kind: 'trouble', what: 'the certificate', error });
  const openTls = (choice: TlsConfig) => openCertificates(choice, { clock, random, host: config.listen.host, onTrouble });
  const payees = options.payees ?? {};
  const targets = createTargets();
  const rewrites = createRewrites();
  const routes = config.routes.map((route) => serve(route, payees, targets, rewrites));
  const secret = config.introspection && (await secretOf(config.introspection.secret, 'the introspection'));
  assertSecret(secret);
  const tls = config.tls && (await openTls(config.tls));
  const { invoicesPerClientPerMinute: perClientPerMinute, invoicesPerMinute: perMinute } = config.limits;
  const paywall = await createPaywall({
    keys,
    receiver,
    store,
    clock,
    random,
    events,
    mintLimits: { perClientPerMinute, perMinute },
    rates: options.rates,
    invoiceExpirySeconds: config.invoiceExpirySeconds,
    compat: config.compat,
    revocationStaleMs: config.revocation.staleMs,
    reached,
  });
  const trouble = (error: unknown) => events.emit({ at: clock.nowMs(), kind: 'trouble', what: 'forgetting what has expired', error });
  const pruning = store && startPruning(store, trouble, clock);
  const following = createFollowing(() =>
    followSettlements({
      wallets: options.wallets ?? [],
      store,
      clock,
      soldAs: wordsOf(routes),
      onSettled: (settled) => events.emit({ at: clock.nowMs(), kind: 'settled', ...settled }),
      onTrouble: (error) => events.emit({ at: clock.nowMs(), kind: 'trouble', what: 'following what arrives', error }),
    }),
  );
  if (options.follows ?? true) following.follow();
  const close = async () => {
    await Promise.all([pruning?.close(), following.unfollow()]);
    await paywall.close();
  };
  const parts = assemble({
    config: shareOf(config, processes),
    tls,
    routes,
    paywall: { ...paywall, close },
    clock,
    events,
    log: options.log ?? (() => {}),
    reached,
  });
  const gateway = { ...parts, ...following };
  if (config.introspection === undefined || secret === undefined) return gateway;
  const listener = createIntrospectionListener({ secret, introspect: paywall.introspect, router: createRouter(routes), clock, processes });
  return withIntrospection(gateway, listener, config.introspection.listen);
}

/** The gateway with a second listener, which begins and ends with it. */
function withIntrospection(gateway: Gateway, listener: Listener, { host, port }: ListenAddress): Gateway {
  return {
    ...gateway,
    listen: async () => {
      const { url } = await gateway.listen();
      try {
        const { host: at, port: number } = await listener.listen(host, port);
        return { url, introspectionUrl: `${urlOf(at, number)}/introspect` };
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        throw new FareboxError('CONFIG_INVALID', `Cannot listen on ${host}:${port} for introspection (${code}). Name another address under "introspection".`, {
          cause: error,
        });
      }
    },
    close: async (how) => {
      await Promise.all([listener.close(introspectionGraceMs), gateway.close(how)]);
    },
  };
}

/** A call is answered in less, or by a store that does not answer. */
const introspectionGraceMs = 2000;

/** The parts of a gateway around a paywall that is there already. */
export function assemble(parts: {
  readonly config: GatewayConfig;
  /** Default: those of the configuration, of which none names a payee. */
  readonly routes?: readonly ServedRoute[];
  readonly paywall: Pick<Paywall, 'check' | 'close'>;
  readonly clock: Clock;
  readonly events: Events;
  readonly log: (outcome: RequestOutcome) => void;
  readonly reached?: Reached;
  /** Undefined: in the clear. */
  readonly tls?: Certificates | undefined;
}): Gateway {
  const { config, paywall, clock, events, log, reached = unwatched } = parts;
  const { timeouts, limits } = config;
  const timers = new TimerWheel(clock);
  const bounds = {
    connections: limits.upstreamConnections,
    connectTimeoutMs: timeouts.connectMs,
    keepAliveMs: timeouts.upstreamKeepAliveMs,
    queue: limits.upstreamQueue,
    queueTimeoutMs: timeouts.upstreamQueueMs,
  };
  const targets = createTargets();
  const rewrites = createRewrites();
  const routes = parts.routes ?? config.routes.map((route) => serve(route, {}, targets, rewrites));
  const onAway = (origin: string, error: unknown) => events.emit({ at: clock.nowMs(), kind: 'trouble', what: `reaching ${origin}`, error });
  const carriers = createUpstreams(config.upstreamClient, bounds, clock, timers);
  const upstreams = createGroups(
    carriers,
    routes.map(({ upstream }) => upstream),
    { clock, timers, onAway },
  );
  const running = createCount();
  const steps = createSteps({
    clock,
    reached,
    upstreams,
    timers,
    idleTimeoutMs: timeouts.idleMs,
    trust: createTrust(config.trustedProxies),
    limits: { headerLines: limits.headerLines, bodyBytes: limits.bodyBytes },
    router: createRouter(routes),
    paywall,
    onTaken: running.up,
    onOver: (outcome) => {
      running.down();
      log(outcome);
    },
  });
  const listener = createListener(clientLimits(config), clock, steps, parts.tls?.pair);
  const following = parts.tls?.follow(listener.setTls);
  return {
    events,
    listen: async () => {
      const { host, port } = await listener.listen(config.listen.host, config.listen.port);
      upstreams.start();
      return { url: urlOf(host, port, parts.tls ? 'https' : 'http') };
    },
    follow: () => {},
    unfollow: async () => {},
    close: async ({ isReplaced = false, hurry } = {}) => {
      if (isReplaced) await listener.leave(timeouts.keepAliveMs, hurry);
      await following?.close();
      await listener.close(timeouts.shutdownMs);
      // Requests whose clients are gone finish for their sale's sake, within the same bound.
      await atMost(clock, timeouts.shutdownMs, running.none());
      await upstreams.close();
      await running.none();
      timers.close();
      await paywall.close();
    },
  };
}

/** What bounds a client. */
function clientLimits({ limits, timeouts }: GatewayConfig): ListenerLimits {
  return {
    headerBytes: limits.headBytes,
    connections: limits.connections,
    streams: limits.streams,
    headTimeoutMs: timeouts.headMs,
    requestTimeoutMs: timeouts.requestMs,
    keepAliveTimeoutMs: timeouts.keepAliveMs,
    idleTimeoutMs: timeouts.idleMs,
  };
}

/** Bounds that each process keeps by itself are parts of the configured ones. */
function shareOf(config: GatewayConfig, processes: number): GatewayConfig {
  const part = (limit: number) => Math.ceil(limit / processes);
  const { limits } = config;
  return { ...config, limits: { ...limits, connections: part(limits.connections), upstreamConnections: part(limits.upstreamConnections) } };
}

/** Follows from when it is told to, until it is told not to. */
function createFollowing(begin: () => Settlements): Pick<Gateway, 'follow' | 'unfollow'> {
  let settlements: Settlements | undefined;
  return {
    follow: () => {
      settlements ??= begin();
    },
    unfollow: async () => {
      const before = settlements;
      settlements = undefined;
      await before?.close();
    },
  };
}

function urlOf(host: string, port: number, scheme: 'http' | 'https' = 'http'): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function checkReach(config: GatewayConfig, receiver: Receiver): void {
  if (receiver.network !== 'sandbox' || config.sandboxPublic || isLoopback(config.listen.host)) return;
  throw new FareboxError(
    'CONFIG_INVALID',
    `The sandbox takes play money: listen on 127.0.0.1, or write "sandbox: public" to sell for it on ${config.listen.host}.`,
  );
}

/** A route as it is served. @throws CONFIG_INVALID – its payee is nobody's, or what its upstream's TLS or its headers need cannot be read */
function serve(route: RouteConfig, payees: Readonly<Record<string, Receiver>>, targets: Targets, rewrites: Rewrites): ServedRoute {
  const { host, pattern, methods, headers, priority, name, preserveHost, timeoutMs, sale } = route;
  const payee = sale?.payee;
  const receiver = payee === undefined ? undefined : payees[payee];
  if (payee !== undefined && receiver === undefined) throw new FareboxError('CONFIG_INVALID', `Nobody was handed in as the payee "${payee}" of ${name}.`);
  const offer = sale && offerOf(route, sale, receiver);
  const upstream = route.group === undefined ? targets.of(route.upstream) : targets.ofGroup(route.group);
  return { host, pattern, methods, headers, priority, name, upstream, rewrite: rewrites(route), preserveHost, timeoutMs, offer };
}

/** Which route an invoice was for, by its words; where several have the same ones, their common service, or nothing. */
function wordsOf(routes: readonly ServedRoute[]): SettlementsOptions['soldAs'] {
  const known = new Map<string, { readonly service: string; readonly route: string }>();
  for (const { offer } of routes) {
    if (offer === undefined) continue;
    const { description, service, route } = offer;
    for (const words of [description, ...(offer.terms.holds === undefined ? [] : [TopUps.describe(offer)])]) {
      const other = known.get(words);
      if (other === undefined) known.set(words, { service, route });
      else if (other.service === service) known.set(words, { service, route: '' });
      else known.set(words, { service: '', route: '' });
    }
  }
  return (description) => known.get(description);
}

/** How many requests are under way, and a promise of none. */
function createCount(): { readonly up: () => void; readonly down: () => void; readonly none: () => Promise<void> } {
  let count = 0;
  let waiting: (() => void)[] = [];
  return {
    up: () => {
      count++;
    },
    down: () => {
      if (--count > 0) return;
      for (const resolve of waiting) resolve();
      waiting = [];
    },
    none: () => (count === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}
