/**
 * The gateway: a paywall in front of upstreams, as its configuration says. Whoever makes one brings receiver, keys and store, and closes
 * them afterwards.
 */
import { atMost, type Clock, type Random, systemClock, systemRandom, wait } from '../core/Clock.ts';
import { type Reached, unwatched } from '../core/CrashPoint.ts';
import { FareboxError } from '../core/Errors.ts';
import { TimerWheel } from '../core/TimerWheel.ts';
import type { Receiver } from '../lightning/Lightning.ts';
import { createEvents, type Events } from '../server/Events.ts';
import type { MintLimits, RequestRate } from '../server/Limits.ts';
import { createPaywall, type Paywall } from '../server/Paywall.ts';
import type { PaywallOptions } from '../server/PaywallOptions.ts';
import { startPruning } from '../server/Pruning.ts';
import { createRates, type Rates } from '../server/Rates.ts';
import type { RootKeys } from '../server/RootKeys.ts';
import type { Watched } from '../server/Settlements.ts';
import { createReceiptSigner } from '../server/SignedReceipts.ts';
import type { Store } from '../store/Store.ts';
import type { GatewayConfig, RouteConfig } from './Config.ts';
import { isLoopback } from './ConfigFields.ts';
import { offerOf } from './ConfigRoutes.ts';
import { secretOf } from './ConfigSecrets.ts';
import type { Targets } from './ConfigUpstreams.ts';
import type { TlsConfig } from './config/ConfigTls.ts';
import { assertSecret, createIntrospectionListener } from './Introspection.ts';
import { createListener, type ListenerLimits } from './Listener.ts';
import { type Certificates, openCertificates } from './listener/Certificates.ts';
import { startCounting } from './metrics/counting.ts';
import { createMetricsListener } from './metrics/createMetricsListener.ts';
import type { Snapshot } from './metrics/Snapshot.ts';
import type { ObserveUpstream, Tunnelling } from './Proxy.ts';
import { openPage } from './page/openPage.ts';
import type { Router } from './Router.ts';
import { createRewrites, type Rewrites } from './routing/createRewrite.ts';
import { watchForAlerts } from './running/Alerts.ts';
import { type Beside, urlOf, withListeners } from './running/Beside.ts';
import { assertSameStart } from './running/FixedAtStart.ts';
import { beginFollowing, createFollowing } from './running/Following.ts';
import { createGenerations, type Generation } from './running/Generation.ts';
import { createHealth } from './running/Health.ts';
import { createReceiptKeys, type OwnAnswer } from './running/ReceiptKeys.ts';
import { openTraces, type Traces } from './running/Traces.ts';
import { createWords } from './running/Words.ts';
import { createSteps, type RequestOutcome, type ServedRoute } from './Steps.ts';
import type { UpstreamDepth } from './Upstream.ts';
import { readyWebhooks } from './webhooks/startWebhooks.ts';

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
  /** Makes further listeners that begin and end with the gateway. */
  readonly beside?: (surroundings: Surroundings) => readonly Beside[];
  /** One of several processes: adds what the others counted to what this one did, and fails never. Default: it is alone. */
  readonly measured?: (own: Snapshot) => Promise<Snapshot>;
  /** Told of every crash point that is reached; for tests. */
  readonly reached?: Reached;
};

/** Where a gateway is reached. */
export type Listening = {
  readonly url: string;
  /** Where it is asked whether it is ready, where it may be. */
  readonly healthUrl?: string;
  /** Where services ask about credentials, where they may. */
  readonly introspectionUrl?: string;
  /** Where a scraper asks for its metrics, where it may. */
  readonly metricsUrl?: string;
  /** Where an operator sees and changes it, where he may. */
  readonly adminUrl?: string;
};

/** A gateway. */
export type Gateway = {
  /** What happens in its paywall. */
  readonly events: Events;
  /** What it has counted by now; nothing where its configuration does not ask for metrics. */
  readonly measure: () => Snapshot;
  /** Begins to serve. @throws Error – the address is taken, or not this machine's; CONFIG_INVALID – that of the introspection is */
  readonly listen: () => Promise<Listening>;
  /** Follows what arrives in the wallets from now on. */
  readonly follow: () => void;
  /** Follows it no more. */
  readonly unfollow: () => Promise<void>;
  /**
   * Makes another configuration ready, and changes nothing yet. Taken, it holds for every request that comes from then on; those under way go on by
   * what they began with, and no connection is dropped.
   * @throws CONFIG_INVALID – it cannot be served: everything goes on as before
   * @throws CONFIG_FIXED – something has changed that takes a new start: everything goes on as before
   */
  readonly prepare: (config: GatewayConfig) => { readonly take: () => void };
  /** Both steps at once. @throws CONFIG_INVALID, CONFIG_FIXED – see `prepare` */
  readonly reload: (config: GatewayConfig) => void;
  /**
   * Is ready no more; after `timeouts.drain` takes no more requests, lets running ones finish for as long as `timeouts.shutdown` says, and ends. Receiver
   * and store stay open.
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
  const { config, keys, clock = systemClock, random = systemRandom, events = createEvents(), reached = unwatched, processes = 1 } = options;
  const tunnels = new Set<Tunnelling>();
  let assembled: Assembled | undefined;
  const upstreams = () => assembled?.depth() ?? { connections: 0, waiting: 0 };
  const counting = startCounting(options, { clock, events, webSockets: () => tunnels.size, upstreams });
  const { receiver, payees, store, measure } = counting;
  const watch = watchForAlerts(events, clock);
  const log = (outcome: RequestOutcome) => {
    watch(outcome);
    counting.log(outcome);
  };
  checkReach(config, receiver);
  if (store === undefined) assertUncounted(config);
  const secret = config.introspection && (await secretOf(config.introspection.secret, 'the introspection'));
  assertSecret(secret);
  const hooks = await readyWebhooks(config.webhooks);
  const trouble = (what: string) => (error: unknown) => events.emit({ at: clock.nowMs(), kind: 'trouble', what, error });
  const openTls = (choice: TlsConfig) => openCertificates(choice, { clock, random, host: config.listen.host, onTrouble: trouble('the certificate') });
  const tls = config.tls && (await openTls(config.tls));
  const people = await openPage(config.page);
  const traces = await openTraces(config.traces);
  const ownRates = createRates(mintLimitsOf(config), clock);
  const rates = options.rates ?? ownRates;
  const signer = config.receipts && createReceiptSigner({ keys, clock });
  const given = { keys, receiver, store, clock, random, events, rates, receipts: signer, page: people.page, onPassed: counting.onPassed, reached };
  const paywall = await createPaywall(paywallOf(config, given));
  const pruning = store && startPruning(store, trouble('forgetting what has expired'), clock);
  const words = createWords();
  const following = createFollowing(() => beginFollowing({ wallets: options.wallets ?? [], hooks, store, clock, random, events, soldAs: words.find, trouble }));
  const close = async () => {
    await Promise.all([pruning?.close(), following.unfollow()]);
    await paywall.close();
  };
  try {
    assembled = assemble({
      config: shareOf(config, processes),
      tls,
      payees,
      paywall: { ...paywall, close },
      clock,
      random,
      events,
      rates,
      log,
      reached,
      own: signer && createReceiptKeys(signer.keySet),
      traces,
      onUpstream: counting.onUpstream,
      tunnels,
      onGeneration: (generation) => {
        counting.know(generation.routes);
        ownRates.adjust(mintLimitsOf(generation.config));
        words.add(generation.routes);
      },
    });
  } catch (error) {
    await close();
    throw error;
  }
  if (options.follows ?? true) following.follow();
  const { current, depth: _, ...parts } = assembled;
  const prepare: Gateway['prepare'] = (next) => {
    assertSameStart(config, next);
    if (store === undefined) assertUncounted(next);
    return parts.prepare(shareOf(next, processes));
  };
  const gateway: Gateway = { ...parts, ...following, measure, prepare, reload: (next) => prepare(next).take(), close: people.closing(parts.close) };
  const measured = async () => (options.measured ?? (async (own) => own))(measure());
  const surroundings: Surroundings = { clock, events, paywall, store, current, measured, prepare };
  return withListenersOf(gateway, config, { ...surroundings, processes, secret, further: options.beside?.(surroundings) ?? [] });
}

/** What listeners beside the gateway's own are made from. */
export type Surroundings = Pick<GatewayOptions, 'store'> & {
  readonly clock: Clock;
  readonly events: Events;
  readonly paywall: Pick<Paywall, 'introspect' | 'serves'>;
  /** What requests go by now. */
  readonly current: () => Pick<Generation, 'config' | 'routes' | 'router'>;
  /** What all processes have counted. */
  readonly measured: () => Promise<Snapshot>;
  /** Makes another configuration ready; see `Gateway.prepare`. */
  readonly prepare: Gateway['prepare'];
};

/** The gateway with the listeners beside its own that its configuration names. */
function withListenersOf(
  gateway: Gateway,
  config: GatewayConfig,
  surroundings: Surroundings & { readonly processes: number; readonly secret: string | undefined; readonly further: readonly Beside[] },
): Gateway {
  const { clock, events, paywall, store, processes, secret, current, measured, further } = surroundings;
  const beside: Beside[] = [...further];
  if (config.introspection !== undefined && secret !== undefined) {
    const router: Router<ServedRoute> = { find: (...asked) => current().router.find(...asked) };
    const listener = createIntrospectionListener({ secret, introspect: paywall.introspect, router, clock, processes });
    beside.push({ name: 'introspection', path: '/introspect', listener, listen: config.introspection.listen, outlives: false });
  }
  if (config.metrics !== undefined) {
    const { listen } = config.metrics;
    beside.push({ name: 'metrics', path: '/metrics', listener: createMetricsListener(listen, measured, clock), listen, outlives: true });
  }
  if (config.health === undefined) return beside.length === 0 ? gateway : withListeners(gateway, beside, () => {});
  const { listener, drain } = createHealth({ clock, events, serves: store && paywall.serves, sales: () => current().routes });
  return withListeners(gateway, [...beside, { name: 'health', path: '/', listener, listen: config.health.listen, outlives: true }], drain);
}

/** The parts of a gateway, and what requests go by. */
type Assembled = Gateway & { readonly current: () => Generation; readonly depth: () => UpstreamDepth };

/** The parts of a gateway around a paywall that is there already. */
export function assemble(parts: {
  readonly config: GatewayConfig;
  /** By the names that routes have for them; default: nobody. */
  readonly payees?: Readonly<Record<string, Receiver>>;
  readonly paywall: Pick<Paywall, 'check' | 'close'> & Partial<Pick<Paywall, 'standing'>>;
  readonly clock: Clock;
  readonly random?: Random;
  readonly events: Events;
  /** Default: counted here. */
  readonly rates?: Pick<Rates, 'take'>;
  readonly log: (outcome: RequestOutcome) => void;
  readonly reached?: Reached;
  /** What the gateway answers itself; default: nothing. */
  readonly own?: OwnAnswer | undefined;
  /** Default: nobody traces. */
  readonly traces?: Traces | undefined;
  readonly onUpstream?: ObserveUpstream | undefined;
  /** Where those that are open stand; default: here alone. */
  readonly tunnels?: Set<Tunnelling>;
  /** Undefined: in the clear. */
  readonly tls?: Certificates | undefined;
  /** Told of each as it becomes the current one. */
  readonly onGeneration?: (generation: Generation) => void;
}): Assembled {
  const { config, payees = {}, paywall, clock, random = systemRandom, events, log, reached = unwatched, onGeneration = () => {} } = parts;
  const { tunnels = new Set<Tunnelling>(), own, traces, onUpstream } = parts;
  const timers = new TimerWheel(clock);
  const rates = parts.rates ?? createRates({}, clock);
  const shared = { paywall, clock, random, timers, tunnels, reached, own, traces, onUpstream, rates, log };
  const generations = createGenerations(config, {
    serve: ({ routes, limits }, targets) => {
      const rewrites = createRewrites(routes.filter(({ headers = [] }) => headers.length > 0));
      return routes.map((route) => serve(route, payees, { targets, rewrites }, limits.requestsPerToken));
    },
    ...shared,
    onStanding: (standing) => events.emit({ at: clock.nowMs(), ...standing }),
  });
  onGeneration(generations.current());
  const listener = createListener(
    clientLimits(config),
    clock,
    createSteps(() => generations.current().context),
    parts.tls?.pair,
    (address) => generations.current().context.trust(address),
  );
  const following = parts.tls?.follow(listener.setTls);
  const prepare: Gateway['prepare'] = (next) => {
    const prepared = generations.prepare(next);
    return { take: () => takeOver(prepared, next) };
  };
  const takeOver = (prepared: { readonly take: () => void }, next: GatewayConfig): void => {
    prepared.take();
    listener.adjust(clientLimits(next));
    onGeneration(generations.current());
  };
  return {
    events,
    measure: () => ({}),
    current: generations.current,
    depth: generations.depth,
    prepare,
    reload: (next) => prepare(next).take(),
    listen: async () => {
      const { host, port } = await listener.listen(config.listen.host, config.listen.port);
      generations.begin();
      return { url: urlOf(host, port, parts.tls ? 'https' : 'http') };
    },
    follow: () => {},
    unfollow: async () => {},
    close: async ({ isReplaced = false, hurry } = {}) => {
      const { timeouts } = generations.current().config;
      if (!isReplaced && timeouts.drainMs > 0) await wait(clock, timeouts.drainMs, undefined, true);
      if (isReplaced) {
        await listener.leave(timeouts.keepAliveMs, hurry);
        // They would never leave of their own accord, and have had that long.
        endAll(tunnels);
      }
      await following?.close();
      // A moment before everything else ends, so that they hear of it.
      const cancel = clock.after(Math.max(0, timeouts.shutdownMs - 1000), () => endAll(tunnels));
      await listener.close(timeouts.shutdownMs);
      cancel();
      // Requests whose clients are gone finish for their sale's sake, within the same bound.
      await atMost(clock, timeouts.shutdownMs, generations.none());
      await generations.close();
      await generations.none();
      timers.close();
      await paywall.close();
    },
  };
}

function endAll(tunnels: Iterable<Tunnelling>): void {
  for (const tunnel of tunnels) tunnel.end();
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

/** What bounds what is sold, and how it is read. */
function mintLimitsOf({ limits }: GatewayConfig): MintLimits {
  return { perClientPerMinute: limits.invoicesPerClientPerMinute, perMinute: limits.invoicesPerMinute };
}

/** @throws CONFIG_INVALID – something is sold that has to be counted, and there is nowhere to */
function assertUncounted({ routes }: GatewayConfig): void {
  if (routes.every(({ sale }) => sale === undefined || sale.terms.kind === 'pass')) return;
  throw new FareboxError('CONFIG_INVALID', 'What is sold by the request is counted in a store, and this gateway has none.');
}

/** Bounds that each process keeps by itself are parts of the configured ones. */
function shareOf(config: GatewayConfig, processes: number): GatewayConfig {
  const part = (limit: number) => Math.ceil(limit / processes);
  const { limits } = config;
  return {
    ...config,
    limits: { ...limits, connections: part(limits.connections), webSockets: part(limits.webSockets), upstreamConnections: part(limits.upstreamConnections) },
  };
}

/** What a paywall goes by, as the configuration says it. */
function paywallOf(config: GatewayConfig, given: PaywallOptions): PaywallOptions {
  const { invoiceExpirySeconds, compat, revocation } = config;
  return { ...given, invoiceExpirySeconds, compat, revocationStaleMs: revocation.staleMs };
}

function checkReach(config: GatewayConfig, receiver: Receiver): void {
  if (receiver.network !== 'sandbox' || config.sandboxPublic || isLoopback(config.listen.host)) return;
  throw new FareboxError(
    'CONFIG_INVALID',
    `The sandbox takes play money: listen on 127.0.0.1, or write "sandbox: public" to sell for it on ${config.listen.host}.`,
  );
}

/** What routes share of where they lead. */
type Ways = { readonly targets: Targets; readonly rewrites: Rewrites };

/** A route as it is served. @throws CONFIG_INVALID – its payee is nobody's, or what its upstream's TLS or its headers need cannot be read */
function serve(route: RouteConfig, payees: Readonly<Record<string, Receiver>>, ways: Ways, tokenRate: RequestRate | undefined): ServedRoute {
  const { host, pattern, methods, headers, priority, name, preserveHost, timeoutMs, disabled, sale } = route;
  const payee = sale?.payee;
  const receiver = payee === undefined ? undefined : payees[payee];
  if (payee !== undefined && receiver === undefined) throw new FareboxError('CONFIG_INVALID', `Nobody was handed in as the payee "${payee}" of ${name}.`);
  const offer = sale && { ...offerOf(route, sale, receiver), payee, tokenRate };
  const upstream = route.group === undefined ? ways.targets.of(route.upstream) : ways.targets.ofGroup(route.group);
  return { host, pattern, methods, headers, priority, name, upstream, rewrite: ways.rewrites(route), preserveHost, timeoutMs, disabled, offer };
}
