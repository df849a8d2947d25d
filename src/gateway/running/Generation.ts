/**
 * What requests go by, as one value: routes, offers, upstreams, limits, timeouts, proxies. A request takes the one that is current when it comes and
 * keeps it to its end, so that a change stalls nobody and is stalled by nobody.
 *
 *     prepared ─ current ─ (another is) ─ its last request is over ─ gone
 *
 * Connections to upstreams that have not changed are handed on to the next one; those that nobody uses any more are closed with the last request
 * that did.
 */
import type { Clock, Random } from '../../core/Clock.ts';
import type { Reached } from '../../core/CrashPoint.ts';
import type { TimerWheel } from '../../core/TimerWheel.ts';
import type { Paywall } from '../../server/Paywall.ts';
import type { Rates } from '../../server/Rates.ts';
import { createTrust } from '../ClientAddress.ts';
import type { GatewayConfig } from '../Config.ts';
import { createTargets, type Targets } from '../ConfigUpstreams.ts';
import { createRouter, type Router } from '../Router.ts';
import type { RequestOutcome, ServedRoute, StepsContext } from '../Steps.ts';
import { totalDepth, type UpstreamDepth } from '../Upstream.ts';
import { createUpstreams } from '../upstream/createUpstreams.ts';
import type { Standing } from '../upstream/group/Group.ts';
import { createGroups, type GroupedUpstreams } from '../upstream/group/Groups.ts';
import { createEdge } from './EdgeReply.ts';
import { createLimiter } from './Limiter.ts';

/** See the head of this file. */
export type Generation = {
  readonly config: GatewayConfig;
  readonly routes: readonly ServedRoute[];
  readonly router: Router<ServedRoute>;
  readonly context: StepsContext;
};

/** What every generation of a gateway shares. */
export type GenerationsOptions = {
  /** The routes of a configuration. @throws CONFIG_INVALID – a payee or a file that there is not */
  readonly serve: (config: GatewayConfig, targets: Targets) => readonly ServedRoute[];
  readonly paywall: Pick<Paywall, 'check'> & Partial<Pick<Paywall, 'standing'>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerWheel;
  /** Of every generation: they are bounded together, and end together. */
  readonly tunnels: StepsContext['tunnels'];
  readonly reached: Reached;
  readonly own: StepsContext['own'];
  readonly traces: StepsContext['traces'];
  readonly onUpstream: StepsContext['onUpstream'];
  readonly rates: Pick<Rates, 'take'>;
  readonly log: (outcome: RequestOutcome) => void;
  /** Told of each of several upstreams that is left out and comes back. */
  readonly onStanding: (standing: Standing) => void;
};

/** One after the other. */
export type Generations = {
  /** By which the next request goes. */
  readonly current: () => Generation;
  /** From now on the gateway listens, and those who are several are asked for their health. */
  readonly begin: () => void;
  /** Makes the next one, and changes nothing yet. @throws CONFIG_INVALID – it cannot be served; everything goes on as before */
  readonly prepare: (config: GatewayConfig) => { readonly take: () => void };
  /** Resolves when no request is under way. */
  readonly none: () => Promise<void>;
  /** How many are alive: the current one, and those before it that have requests under way. */
  readonly alive: () => number;
  /** How full the upstreams are. */
  readonly depth: () => UpstreamDepth;
  /** Closes every connection to upstreams. */
  readonly close: () => Promise<void>;
};

/** Begins with the first. @throws CONFIG_INVALID – see `serve` */
export function createGenerations(first: GatewayConfig, options: GenerationsOptions): Generations {
  const alive = new Set<Kept>();
  const shelves = new Map<string, GroupedUpstreams>();
  let waiting: (() => void)[] = [];

  /** Upstreams are kept by what bounds them, so that an unchanged bound keeps its connections. */
  const shelfOf = ({ upstreamClient, limits, timeouts }: GatewayConfig): { readonly name: string; readonly upstreams: GroupedUpstreams } => {
    const bounds = {
      connections: limits.upstreamConnections,
      connectTimeoutMs: timeouts.connectMs,
      keepAliveMs: timeouts.upstreamKeepAliveMs,
      queue: limits.upstreamQueue,
      queueTimeoutMs: timeouts.upstreamQueueMs,
    };
    const name = JSON.stringify([upstreamClient, bounds]);
    const { clock, timers } = options;
    const upstreams = shelves.get(name) ?? createGroups(createUpstreams(upstreamClient, bounds, clock, timers), options);
    shelves.set(name, upstreams);
    return { name, upstreams };
  };

  const make = (config: GatewayConfig, before: Kept | undefined): Kept => {
    const targets = createTargets(before?.targets.known);
    const routes = options.serve(config, targets);
    const router = createRouter(routes);
    const trust = createTrust(config.trustedProxies);
    const { name, upstreams } = shelfOf(config);
    const context: StepsContext = {
      clock: options.clock,
      reached: options.reached,
      timers: options.timers,
      upstreams,
      idleTimeoutMs: config.timeouts.idleMs,
      longestMs: config.timeouts.webSocketMs,
      standing: options.paywall.standing,
      tunnels: options.tunnels,
      onUpstream: options.onUpstream,
      mostTunnels: config.limits.webSockets,
      trust,
      limits: { headerLines: config.limits.headerLines, bodyBytes: config.limits.bodyBytes },
      limiter: createLimiter(config, options.rates),
      edge: createEdge(config, trust, options.random),
      router,
      own: options.own,
      traces: options.traces,
      paywall: options.paywall,
      onTaken: () => {
        kept.running++;
      },
      onOver: (outcome) => {
        kept.running--;
        if (kept.running === 0) onIdle(kept);
        options.log(outcome);
      },
    };
    const kept: Kept = { generation: { config, routes, router, context }, targets, shelf: name, running: 0 };
    return kept;
  };

  const onIdle = (kept: Kept): void => {
    if (kept !== current) retire(kept);
    if (waiting.length === 0 || [...alive].some(({ running }) => running > 0)) return;
    for (const resolve of waiting) resolve();
    waiting = [];
  };

  const retire = (kept: Kept): void => {
    if (!alive.delete(kept)) return;
    const upstreams = shelves.get(kept.shelf);
    const others = [...alive].filter(({ shelf }) => shelf === kept.shelf);
    if (others.length === 0) {
      shelves.delete(kept.shelf);
      void upstreams?.close();
      return;
    }
    const used = new Set(others.flatMap(({ targets }) => [...targets.known.values()]));
    for (const target of kept.targets.known.values()) if (!used.has(target)) upstreams?.drop(target);
  };

  let hasBegun = false;
  const watch = ({ shelf, targets }: Kept) => {
    if (hasBegun) shelves.get(shelf)?.watch(targets.known.values());
  };

  let current = make(first, undefined);
  alive.add(current);
  return {
    current: () => current.generation,
    begin: () => {
      hasBegun = true;
      watch(current);
    },
    prepare: (config) => {
      const next = make(config, current);
      return {
        take: () => {
          const before = current;
          alive.add(next);
          current = next;
          watch(next);
          if (before.running === 0) retire(before);
        },
      };
    },
    none: () => ([...alive].every(({ running }) => running === 0) ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
    alive: () => alive.size,
    depth: () => totalDepth([...shelves.values()].map((upstreams) => upstreams.depth?.())),
    close: async () => {
      await Promise.all([...shelves.values()].map((upstreams) => upstreams.close()));
    },
  };
}

/** A generation with what is to be closed after it. */
type Kept = {
  readonly generation: Generation;
  readonly targets: Targets;
  readonly shelf: string;
  running: number;
};
