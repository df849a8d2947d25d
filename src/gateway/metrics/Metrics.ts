/**
 * What a gateway counts of itself while it works, for whoever watches it: fed by its events, by each request that is over, and by what its store and
 * its wallet take for an answer. No secret comes near it, and nothing that a stranger can choose becomes a label: routes, services, terms and codes are the
 * configuration's or ours.
 */
import type { Clock } from '../../core/Clock.ts';
import type { Alert, PaywallEvent } from '../../server/Events.ts';
import type { Offer } from '../../server/Offer.ts';
import type { ObserveUpstream } from '../Proxy.ts';
import type { RequestOutcome, ServedRoute } from '../Steps.ts';
import type { UpstreamDepth } from '../Upstream.ts';
import { type Count, createCounter, createHistogram, createHistograms } from './instruments.ts';
import type { Snapshot } from './Snapshot.ts';
import { seriesOf } from './Snapshot.ts';

/** See the head of this file. */
export type Metrics = {
  /** Told of every request that is over. */
  readonly record: (outcome: RequestOutcome) => void;
  /** Told of what happens in the paywall and behind it. */
  readonly hear: (event: PaywallEvent) => void;
  /** Told of every request that a pass let through, instead of the event. */
  readonly passed: (offer: Pick<Offer, 'service' | 'route'>) => void;
  /** The routes from now on: what is sold under which terms. */
  readonly know: (routes: readonly Pick<ServedRoute, 'offer'>[]) => void;
  /** The same driver, its calls timed. */
  readonly timed: <Driver extends object>(family: 'farebox_store_seconds' | 'farebox_node_seconds', driver: Driver) => Driver;
  /** Told how long each upstream took. */
  readonly upstream: ObserveUpstream;
  /** All of it now. */
  readonly snapshot: () => Snapshot;
};

/** What belongs to others, and is looked at when somebody asks. */
export type Gauges = {
  readonly webSockets: () => number;
  readonly upstreams: () => UpstreamDepth;
  /** Of this process: seconds of processor time, bytes of memory. */
  readonly process: () => { readonly cpuSeconds: number; readonly residentBytes: number };
};

/** Routes that have a place of their own; further ones are counted together. */
export const mostRoutes = 500;

/** Services and their terms likewise. */
const mostServices = 200;

/** Unpaid challenges whose time is remembered: of more, the oldest are forgotten, and their payments not timed. */
const mostUnpaid = 10_000;

const classes = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const;

/** Everything at nought. */
export function createMetrics(clock: Clock, gauges: Gauges): Metrics {
  const requests = new Map<string, Float64Array>();
  const unpaid = new Map<string, number>();
  const leftOut = new Set<string>();
  const soldAs = new Map<string, string>();
  const durations = createHistograms('farebox_request_seconds', ['kind'], 8);
  const kinds = { paid: durations.of('paid'), free: durations.of('free'), challenge: durations.of('challenge'), refused: durations.of('refused') };
  const challenges = createCounter('farebox_challenges_total', ['service', 'route'], mostRoutes);
  const payments = createCounter('farebox_payments_total', ['service', 'terms'], mostServices);
  const received = createCounter('farebox_received_msat_total', ['service', 'terms'], mostServices);
  const mintedToPaid = createHistogram('farebox_minted_to_paid_seconds');
  const redemptions = createCounter('farebox_redemptions_total', ['service', 'terms', 'outcome'], mostServices * 8);
  const refusals = createCounter('farebox_refusals_total', ['code', 'status'], 100);
  const trouble = createCounter('farebox_trouble_total', ['what'], 50);
  const upstreamSeconds = createHistograms('farebox_upstream_seconds', ['outcome'], 2);
  const upstreamOutcomes = { ok: upstreamSeconds.of('ok'), failed: upstreamSeconds.of('failed') };
  const drivers = {
    farebox_store_seconds: createHistograms('farebox_store_seconds', ['call', 'outcome'], 60),
    farebox_node_seconds: createHistograms('farebox_node_seconds', ['call', 'outcome'], 20),
  };
  const lowAccounts = createCounter('farebox_accounts_low_total', [], 1);
  const raised = new Map<string, Set<string>>([
    ['node-away', new Set()],
    ['failures-rising', new Set()],
  ]);
  const alert = ({ alert: name, subject, state }: Alert): void => {
    // Of accounts there are any number, and nothing ends it.
    if (name === 'account-low') return lowAccounts.add(1);
    const subjects = raised.get(name) ?? new Set();
    raised.set(name, subjects);
    if (state === 'raised') subjects.add(subject);
    else subjects.delete(subject);
  };
  const termsOf = (route: string) => soldAs.get(route) ?? 'unknown';
  // By route: a pass is used again and again, and its three labels need not be put together each time.
  const passes = new Map<string, { readonly service: string; readonly place: Count }>();

  return {
    record: ({ route = '(none)', status, durationMs, token }) => {
      let counts = requests.get(route);
      if (counts === undefined) {
        const place = requests.size < mostRoutes ? route : '(other)';
        counts = requests.get(place) ?? new Float64Array(classes.length);
        requests.set(place, counts);
      }
      const index = status >= 100 && status < 600 ? Math.trunc(status / 100) : 0;
      counts[index] = (counts[index] as number) + 1;
      const kind = status === 402 ? kinds.challenge : token !== undefined ? kinds.paid : status < 400 ? kinds.free : kinds.refused;
      kind.observe(durationMs / 1000);
    },
    hear: (event) => {
      switch (event.kind) {
        case 'challenged':
          challenges.add(1, event.service, event.route);
          unpaid.set(event.paymentHash, event.at);
          if (unpaid.size > mostUnpaid) for (const oldest of unpaid.keys()) return void unpaid.delete(oldest);
          return;
        case 'settled': {
          const terms = termsOf(event.route);
          payments.add(1, event.service, terms);
          received.add(Number(event.amountMsat), event.service, terms);
          const mintedAtMs = unpaid.get(event.paymentHash);
          unpaid.delete(event.paymentHash);
          if (mintedAtMs !== undefined) mintedToPaid.observe(Math.max(0, event.at - mintedAtMs) / 1000);
          return;
        }
        case 'refused':
          return refusals.add(1, event.code, String(event.status));
        case 'trouble':
          return trouble.add(1, event.what);
        case 'alert':
          return alert(event);
        case 'left-out':
          return void leftOut.add(event.upstream);
        case 'back':
          return void leftOut.delete(event.upstream);
        case 'passed':
          return;
        default:
          redemptions.add(1, event.service, termsOf(event.route), event.kind);
      }
    },
    passed: ({ service, route }) => {
      let counted = passes.get(route);
      if (counted?.service !== service) {
        counted = { service, place: redemptions.of(service, termsOf(route), 'passed') };
        if (soldAs.has(route)) passes.set(route, counted);
      }
      counted.place.count++;
    },
    know: (routes) => {
      soldAs.clear();
      passes.clear();
      for (const { offer } of routes) if (offer !== undefined) soldAs.set(offer.route, offer.terms.kind);
    },
    timed: (family, driver) => timed(driver, drivers[family].of, clock),
    upstream: (outcome, seconds) => upstreamOutcomes[outcome].observe(seconds),
    snapshot: () => {
      const into: Record<string, number> = {};
      for (const [route, counts] of requests) {
        for (const [index, count] of counts.entries())
          if (count > 0) into[seriesOf('farebox_requests_total', { route, status: classes[index] as string })] = count;
      }
      const all = [
        durations,
        upstreamSeconds,
        challenges,
        payments,
        received,
        redemptions,
        refusals,
        trouble,
        lowAccounts,
        drivers.farebox_store_seconds,
        drivers.farebox_node_seconds,
      ];
      for (const { write } of all) write(into);
      mintedToPaid.write(into, '');
      for (const [name, subjects] of raised) into[seriesOf('farebox_alerts', { alert: name })] = subjects.size;
      for (const upstream of leftOut) into[seriesOf('farebox_upstreams_left_out', { upstream })] = 1;
      const { cpuSeconds, residentBytes } = gauges.process();
      const { connections, waiting } = gauges.upstreams();
      into.farebox_upstream_connections = connections;
      into.farebox_upstream_waiting = waiting;
      into.farebox_websockets_open = gauges.webSockets();
      into.farebox_processes = 1;
      into.farebox_process_cpu_seconds_total = cpuSeconds;
      into.farebox_process_resident_bytes = residentBytes;
      return into;
    },
  };
}

/** A driver whose calls are timed: those that answer with a promise. What streams has no end to be timed. */
function timed<Driver extends object>(driver: Driver, histogram: ReturnType<typeof createHistograms>['of'], clock: Clock): Driver {
  const copy: Record<string, unknown> = Object.fromEntries(Object.entries(driver));
  for (const [name, call] of Object.entries(driver)) {
    if (typeof call !== 'function' || name === 'close') continue;
    copy[name] = (...args: readonly unknown[]): unknown => {
      const fromMs = clock.nowMs();
      const answer: unknown = call.apply(driver, args);
      if (!(answer instanceof Promise)) return answer;
      const end = (outcome: 'ok' | 'failed') => () => histogram(name, outcome).observe(Math.max(0, clock.nowMs() - fromMs) / 1000);
      answer.then(end('ok'), end('failed'));
      return answer;
    };
  }
  return copy as Driver;
}
