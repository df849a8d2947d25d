/**
 * What stands between a gateway and those it works with so that it is counted: the same receiver, store and log, with an ear at each. Where nobody
 * asks for metrics, neither a scraper nor an operator, they are handed through as they are.
 */
import type { Clock } from '../../core/Clock.ts';
import type { Receiver } from '../../lightning/Lightning.ts';
import type { Events } from '../../server/Events.ts';
import type { Store } from '../../store/Store.ts';
import type { GatewayOptions } from '../Gateway.ts';
import type { ObserveUpstream } from '../Proxy.ts';
import type { RequestOutcome } from '../Steps.ts';
import type { UpstreamDepth } from '../Upstream.ts';
import { createMetrics, type Metrics } from './Metrics.ts';
import type { Snapshot } from './Snapshot.ts';

/** See the head of this file. */
export type Counting = {
  readonly receiver: Receiver;
  readonly payees: Readonly<Record<string, Receiver>>;
  readonly store: Store | undefined;
  readonly log: (outcome: RequestOutcome) => void;
  readonly know: Metrics['know'];
  readonly onUpstream: ObserveUpstream | undefined;
  readonly onPassed: Metrics['passed'] | undefined;
  readonly measure: () => Snapshot;
};

/** Counts from now on, where the configuration asks for it. */
export function startCounting(
  options: Pick<GatewayOptions, 'config' | 'receiver' | 'payees' | 'store' | 'log'>,
  to: { readonly clock: Clock; readonly events: Events; readonly webSockets: () => number; readonly upstreams: () => UpstreamDepth },
): Counting {
  const { config, receiver, payees = {}, store, log = () => {} } = options;
  if (config.metrics === undefined && config.admin === undefined) {
    return { receiver, payees, store, log, know: () => {}, onUpstream: undefined, onPassed: undefined, measure: () => ({}) };
  }
  const metrics = createMetrics(to.clock, { webSockets: to.webSockets, upstreams: to.upstreams, process: processGauges });
  to.events.on(metrics.hear, { exceptPassed: true });
  const timed = (one: Receiver) => metrics.timed('farebox_node_seconds', one);
  return {
    receiver: timed(receiver),
    payees: Object.fromEntries(Object.entries(payees).map(([name, payee]) => [name, timed(payee)])),
    store: store && metrics.timed('farebox_store_seconds', store),
    log: (outcome) => {
      metrics.record(outcome);
      log(outcome);
    },
    know: metrics.know,
    onUpstream: metrics.upstream,
    onPassed: metrics.passed,
    measure: metrics.snapshot,
  };
}

function processGauges(): { readonly cpuSeconds: number; readonly residentBytes: number } {
  const { user, system } = process.cpuUsage();
  return { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() };
}
