import { expect, test } from 'vitest';
import { countsBy, timingOf, total } from './Measured.ts';

const snapshot = {
  'farebox_refusals_total{code="RATE_LIMITED",status="429"}': 3,
  'farebox_refusals_total{code="STORE_UNAVAILABLE",status="503"}': 5,
  'farebox_node_seconds_bucket{call="createInvoice",outcome="ok",le="0.01"}': 90,
  'farebox_node_seconds_bucket{call="createInvoice",outcome="ok",le="0.1"}': 97,
  'farebox_node_seconds_bucket{call="createInvoice",outcome="ok",le="+Inf"}': 98,
  'farebox_node_seconds_sum{call="createInvoice",outcome="ok"}': 1.96,
  'farebox_node_seconds_count{call="createInvoice",outcome="ok"}': 98,
  'farebox_node_seconds_bucket{call="createInvoice",outcome="failed",le="+Inf"}': 2,
  'farebox_node_seconds_sum{call="createInvoice",outcome="failed"}': 0.04,
  'farebox_node_seconds_count{call="createInvoice",outcome="failed"}': 2,
  'farebox_upstreams_left_out{upstream="a \\"b\\" \\\\ c"}': 1,
};

test('counts by a label, the most first; a label is read as it was before it was escaped', () => {
  expect(countsBy(snapshot, 'farebox_refusals_total', 'code')).toEqual([
    ['STORE_UNAVAILABLE', 5],
    ['RATE_LIMITED', 3],
  ]);
  expect(total(snapshot, 'farebox_refusals_total')).toBe(8);
  expect(countsBy(snapshot, 'farebox_upstreams_left_out', 'upstream')).toEqual([['a "b" \\ c', 1]]);
});

test('how long things took: mean, failures, and the bucket that holds the 95th of a hundred', () => {
  expect(timingOf(snapshot, 'farebox_node_seconds')).toEqual({ count: 100, failed: 2, meanSeconds: 0.02, p95Seconds: 0.1 });
  expect(timingOf(snapshot, 'farebox_store_seconds')).toEqual({ count: 0, failed: 0, meanSeconds: null, p95Seconds: null });
});
