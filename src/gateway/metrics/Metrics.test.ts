import { describe, expect, test } from 'vitest';
import { fromMsat } from '../../core/Amount.ts';
import type { PaywallEvent } from '../../server/Events.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import type { RequestOutcome } from '../Steps.ts';
import { families } from './families.ts';
import { createMetrics, mostRoutes } from './Metrics.ts';
import { countedOnly, format, seriesOf, sum } from './Snapshot.ts';

const outcome: RequestOutcome = {
  method: 'GET',
  path: '/a',
  route: 'GET /a',
  status: 200,
  ended: 'delivered',
  durationMs: 7,
  error: undefined,
  client: '127.0.0.1',
  token: undefined,
  chargedMsat: undefined,
  requestId: undefined,
  answerBytes: undefined,
  payment: undefined,
};
const facts = { paymentHash: 'ab'.repeat(32), service: 'api', route: 'GET /a', amountMsat: fromMsat(5000n) };

function open() {
  const clock = FixedClock.create();
  let webSockets = 0;
  const metrics = createMetrics(clock, {
    webSockets: () => webSockets,
    upstreams: () => ({ connections: 7, waiting: 2 }),
    process: () => ({ cpuSeconds: 1.5, residentBytes: 1024 }),
  });
  metrics.know([{ offer: { route: 'GET /a', terms: { kind: 'bucket' } } as never }]);
  const hear = (event: object) => metrics.hear({ at: clock.nowMs(), ...event } as PaywallEvent);
  return { clock, metrics, hear, webSockets: (count: number) => (webSockets = count) };
}

describe('what is counted', () => {
  test('is every request by route and class of status, with what it took', () => {
    const { metrics } = open();
    for (const status of [200, 201, 402, 500, 0]) metrics.record({ ...outcome, status });
    metrics.record({ ...outcome, token: 'abcdef01', durationMs: 90_000 });
    metrics.record({ ...outcome, route: undefined, status: 404 });
    const said = metrics.snapshot();
    expect(said).toMatchObject({
      'farebox_requests_total{route="GET /a",status="2xx"}': 3,
      'farebox_requests_total{route="GET /a",status="4xx"}': 1,
      'farebox_requests_total{route="GET /a",status="5xx"}': 1,
      'farebox_requests_total{route="GET /a",status="none"}': 1,
      'farebox_requests_total{route="(none)",status="4xx"}': 1,
      'farebox_request_seconds_bucket{kind="free",le="0.005"}': 0,
      'farebox_request_seconds_bucket{kind="free",le="0.01"}': 3,
      'farebox_request_seconds_count{kind="challenge"}': 1,
      'farebox_request_seconds_count{kind="refused"}': 2,
      'farebox_request_seconds_bucket{kind="paid",le="60"}': 0,
      'farebox_request_seconds_bucket{kind="paid",le="+Inf"}': 1,
      'farebox_request_seconds_sum{kind="paid"}': 90,
    });
  });

  test('is every payment, its time since the 402, and what was done with it', () => {
    const { clock, metrics, hear } = open();
    hear({ kind: 'challenged', ...facts });
    clock.advance(3000);
    hear({ kind: 'settled', ...facts });
    hear({ kind: 'settled', ...facts, paymentHash: 'cd'.repeat(32), route: '' });
    hear({ kind: 'charged', ...facts });
    hear({ kind: 'given', service: 'api', route: 'GET /a' });
    hear({ kind: 'refused', code: 'CREDENTIAL_USED', status: 402, route: 'GET /a' });
    hear({ kind: 'trouble', what: 'the node', error: new Error('secret') });
    const said = metrics.snapshot();
    expect(said).toMatchObject({
      'farebox_challenges_total{service="api",route="GET /a"}': 1,
      'farebox_payments_total{service="api",terms="bucket"}': 1,
      'farebox_payments_total{service="api",terms="unknown"}': 1,
      'farebox_received_msat_total{service="api",terms="bucket"}': 5000,
      farebox_minted_to_paid_seconds_count: 1,
      farebox_minted_to_paid_seconds_sum: 3,
      'farebox_redemptions_total{service="api",terms="bucket",outcome="charged"}': 1,
      'farebox_redemptions_total{service="api",terms="bucket",outcome="given"}': 1,
      'farebox_refusals_total{code="CREDENTIAL_USED",status="402"}': 1,
      'farebox_trouble_total{what="the node"}': 1,
    });
    expect(JSON.stringify(said)).not.toMatch(/secret|abab/);
  });

  test('is what upstreams take to begin an answer, and how full they are', () => {
    const { metrics } = open();
    metrics.upstream('ok', 0.04);
    metrics.upstream('ok', 5.04);
    metrics.upstream('failed', 5.04);
    expect(metrics.snapshot()).toMatchObject({
      'farebox_upstream_seconds_bucket{outcome="ok",le="0.05"}': 1,
      'farebox_upstream_seconds_count{outcome="ok"}': 2,
      'farebox_upstream_seconds_sum{outcome="failed"}': 5.04,
      farebox_upstream_connections: 7,
      farebox_upstream_waiting: 2,
    });
  });

  test('is what is raised at present, and how often little was left of an account', () => {
    const { metrics, hear } = open();
    const alert = (alert: string, state: string, subject = 'x') => hear({ kind: 'alert', alert, subject, state, words: 'w' });
    alert('node-away', 'raised');
    alert('failures-rising', 'raised');
    alert('failures-rising', 'cleared');
    for (let account = 0; account < 1000; account++) alert('account-low', 'raised', String(account));
    expect(metrics.snapshot()).toMatchObject({
      'farebox_alerts{alert="node-away"}': 1,
      'farebox_alerts{alert="failures-rising"}': 0,
      farebox_accounts_low_total: 1000,
    });
    expect(Object.keys(metrics.snapshot()).filter((series) => series.includes('account-low'))).toEqual([]);
  });

  test('is who is left out, for as long as he is, and what is open', () => {
    const { metrics, hear, webSockets } = open();
    hear({ kind: 'left-out', upstream: 'http://a', why: 'it fails' });
    hear({ kind: 'left-out', upstream: 'http://b', why: 'it fails' });
    hear({ kind: 'back', upstream: 'http://a' });
    webSockets(3);
    const said = metrics.snapshot();
    expect(said).toMatchObject({ 'farebox_upstreams_left_out{upstream="http://b"}': 1, farebox_websockets_open: 3, farebox_processes: 1 });
    expect(said).not.toHaveProperty(seriesOf('farebox_upstreams_left_out', { upstream: 'http://a' }));
  });

  test('is bounded: what comes after the last place is counted together, and unpaid challenges are forgotten', () => {
    const { metrics, hear } = open();
    for (let index = 0; index < 10_000; index++) {
      const route = `GET /${'x'.repeat(100)}/${index}`;
      for (const status of [200, 301, 402, 500]) metrics.record({ ...outcome, route, status });
      hear({ kind: 'challenged', ...facts, route, paymentHash: index.toString(16).padStart(64, '0') });
      hear({ kind: 'passed', ...facts, route, service: `service-${index}` });
    }
    const said = metrics.snapshot();
    expect(Object.keys(said).filter((series) => series.startsWith('farebox_requests_total')).length).toBe(4 * (mostRoutes + 1));
    expect(said['farebox_requests_total{route="(other)",status="2xx"}']).toBe(10_000 - mostRoutes);
    expect(said['farebox_challenges_total{service="(other)",route="(other)"}']).toBe(10_000 - mostRoutes);
    expect(format(said).length).toBeLessThan(1_000_000);
    hear({ kind: 'challenged', ...facts });
    hear({ kind: 'settled', ...facts, paymentHash: '0'.repeat(64) });
    expect(metrics.snapshot(), 'the oldest of ten thousand and one').toMatchObject({ farebox_minted_to_paid_seconds_count: 0 });
  });

  test('is what store and node take, and nothing is changed about them', async () => {
    const { clock, metrics } = open();
    const failure = new Error('away');
    const driver = {
      name: 'store',
      claim: async (key: string) => {
        clock.advance(20);
        return key;
      },
      count: () => Promise.reject(failure),
      capabilities: { durable: true },
      changes: async function* () {
        yield 1;
      },
    };
    const timed = metrics.timed('farebox_store_seconds', driver);
    expect(await timed.claim('a')).toBe('a');
    await expect(timed.count()).rejects.toBe(failure);
    expect([timed.name, timed.capabilities, (await timed.changes().next()).value]).toEqual(['store', driver.capabilities, 1]);
    expect(metrics.snapshot()).toMatchObject({
      'farebox_store_seconds_bucket{call="claim",outcome="ok",le="0.01"}': 0,
      'farebox_store_seconds_bucket{call="claim",outcome="ok",le="0.025"}': 1,
      'farebox_store_seconds_count{call="count",outcome="failed"}': 1,
    });
  });
});

describe('a snapshot', () => {
  test('is written as text with each family once, and a label’s quotes, backslashes and breaks escaped', () => {
    const route = 'GET /"a"\\b\nc';
    expect(format({ [seriesOf('farebox_requests_total', { route, status: '2xx' })]: 2, farebox_processes: 1 })).toBe(
      [
        '# HELP farebox_requests_total Requests that are over, by route and class of status.',
        '# TYPE farebox_requests_total counter',
        'farebox_requests_total{route="GET /\\"a\\"\\\\b\\nc",status="2xx"} 2',
        '# HELP farebox_processes Processes whose counts these are.',
        '# TYPE farebox_processes gauge',
        'farebox_processes 1',
        '',
      ].join('\n'),
    );
  });

  test('is added to others; of one that has ended stays what it counted', () => {
    const one = { 'farebox_challenges_total{service="a",route="b"}': 2, farebox_processes: 1, 'farebox_upstreams_left_out{upstream="u"}': 1 };
    expect(sum([one, one, {}])).toEqual({
      'farebox_challenges_total{service="a",route="b"}': 4,
      farebox_processes: 2,
      'farebox_upstreams_left_out{upstream="u"}': 2,
    });
    expect(countedOnly(one)).toEqual({ 'farebox_challenges_total{service="a",route="b"}': 2 });
  });

  test('holds no series without a family', () => {
    const { metrics, hear } = open();
    metrics.record(outcome);
    hear({ kind: 'challenged', ...facts });
    const names = new Set(
      families.flatMap(({ name, type }) => (type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name as string])),
    );
    for (const series of Object.keys(metrics.snapshot())) expect(names).toContain(series.replace(/\{.*/, ''));
  });
});
