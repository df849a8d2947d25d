/**
 * What is measured: every family by its name, in the order in which it is written. The table in `docs/guide/watching.md` says the same, and a test keeps
 * the two equal.
 */

/** One family of series. */
export type Family = {
  /** Of a histogram without `_bucket`, `_sum` and `_count`. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
};

/** See the head of this file. */
export const families = [
  { name: 'farebox_requests_total', type: 'counter', labels: ['route', 'status'], help: 'Requests that are over, by route and class of status.' },
  { name: 'farebox_request_seconds', type: 'histogram', labels: ['kind'], help: 'From a request to the end of its answer.' },
  {
    name: 'farebox_upstream_seconds',
    type: 'histogram',
    labels: ['outcome'],
    help: 'From a request to an upstream, waiting for a connection and all, to the head of its answer.',
  },
  { name: 'farebox_challenges_total', type: 'counter', labels: ['service', 'route'], help: 'Invoices that were asked for with a 402.' },
  { name: 'farebox_payments_total', type: 'counter', labels: ['service', 'terms'], help: 'Payments that a wallet said have arrived.' },
  { name: 'farebox_received_msat_total', type: 'counter', labels: ['service', 'terms'], help: 'What arrived with them, in millisatoshi.' },
  { name: 'farebox_minted_to_paid_seconds', type: 'histogram', labels: [], help: 'From a 402 to its payment, where one process saw both.' },
  {
    name: 'farebox_redemptions_total',
    type: 'counter',
    labels: ['service', 'terms', 'outcome'],
    help: 'What became of what was bought: passed (a pass was used), charged, delivered, left, repeated, released, topped-up, given (for nothing).',
  },
  { name: 'farebox_refusals_total', type: 'counter', labels: ['code', 'status'], help: 'Requests that the paywall refused, by the code of the error.' },
  { name: 'farebox_store_seconds', type: 'histogram', labels: ['call', 'outcome'], help: 'What a call of the store took.' },
  { name: 'farebox_node_seconds', type: 'histogram', labels: ['call', 'outcome'], help: 'What a call of the Lightning node or wallet took.' },
  { name: 'farebox_trouble_total', type: 'counter', labels: ['what'], help: 'What went wrong beside requests.' },
  { name: 'farebox_accounts_low_total', type: 'counter', labels: [], help: 'How often 80, 90 or 100 % of what a token bought were used.' },
  { name: 'farebox_alerts', type: 'gauge', labels: ['alert'], help: 'Alerts that are raised at present, by processes that say so.' },
  { name: 'farebox_upstreams_left_out', type: 'gauge', labels: ['upstream'], help: 'Upstreams that get no requests at present, by processes that say so.' },
  { name: 'farebox_upstream_connections', type: 'gauge', labels: [], help: 'Connections to upstreams that are open.' },
  { name: 'farebox_upstream_waiting', type: 'gauge', labels: [], help: 'Requests that wait for a connection to an upstream.' },
  { name: 'farebox_websockets_open', type: 'gauge', labels: [], help: 'WebSockets that are open.' },
  { name: 'farebox_processes', type: 'gauge', labels: [], help: 'Processes whose counts these are.' },
  { name: 'farebox_process_cpu_seconds_total', type: 'counter', labels: [], help: 'Processor time of these processes.' },
  { name: 'farebox_process_resident_bytes', type: 'gauge', labels: [], help: 'Memory of these processes.' },
] as const satisfies readonly Family[];

/** The name of a family. */
export type FamilyName = (typeof families)[number]['name'];
