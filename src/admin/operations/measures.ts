/**
 * What the gateway has counted of itself since its start.
 */
import { z } from 'zod';
import { countsBy, timingOf, total } from '../books/Measured.ts';
import { defineRead } from '../Operation.ts';

/** How long something took. */
export const timing = z.object({
  count: z.int(),
  failed: z.int(),
  meanSeconds: z.number().nullable().describe('Null: nothing was measured.'),
  p95Seconds: z.number().nullable().describe('An estimate, from buckets.'),
});

/** `measures.show` */
export const showMeasures = defineRead({
  name: 'measures.show',
  scope: 'read',
  summary: 'Say what was counted since the gateway started.',
  description: 'How many 402s became payments, what was refused and why, what went wrong, and how long answers, node, upstreams and store took.',
  input: z.object({}),
  output: z.object({
    isMeasured: z.boolean().describe('False where the gateway counts nothing of itself.'),
    challenges: z.int().describe('Invoices that were asked for with a 402.'),
    paid: z.int().describe('Payments of which a wallet said that they have arrived.'),
    refusals: z.array(z.object({ code: z.string(), count: z.int() })).describe('By the code of the error, the most frequent first.'),
    troubles: z.array(z.object({ what: z.string(), count: z.int() })),
    upstreamsLeftOut: z.array(z.string()).describe('Upstreams that get no requests at present.'),
    latency: z.object({ whole: timing, node: timing, upstream: timing, store: timing }),
  }),
  run: async (_, { measured }) => {
    const snapshot = await measured();
    const whole = timingOf(snapshot, 'farebox_request_seconds', (labels) => labels.get('kind') === 'paid');
    return {
      isMeasured: Object.keys(snapshot).length > 0,
      challenges: total(snapshot, 'farebox_challenges_total'),
      paid: total(snapshot, 'farebox_payments_total'),
      refusals: countsBy(snapshot, 'farebox_refusals_total', 'code').map(([code, count]) => ({ code, count })),
      troubles: countsBy(snapshot, 'farebox_trouble_total', 'what').map(([what, count]) => ({ what, count })),
      upstreamsLeftOut: countsBy(snapshot, 'farebox_upstreams_left_out', 'upstream').map(([upstream]) => upstream),
      latency: {
        whole,
        node: timingOf(snapshot, 'farebox_node_seconds'),
        upstream: timingOf(snapshot, 'farebox_upstream_seconds'),
        store: timingOf(snapshot, 'farebox_store_seconds'),
      },
    };
  },
});
