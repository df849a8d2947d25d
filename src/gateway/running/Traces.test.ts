import { propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { BasicTracerProvider, InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ask, type Closing, closeAll, closedPort, openStage, openUpstream, portOf, valuesOf } from '../../../test/gateway/harness.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Problem from '../../http/Problem.ts';

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const closing: Closing = [];

beforeAll(() => {
  trace.setGlobalTracerProvider(provider);
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
});
afterEach(async () => {
  await closeAll(closing);
  exporter.reset();
});
afterAll(async () => {
  await provider.shutdown();
  trace.disable();
  propagation.disable();
});

const top = { traces: 'opentelemetry' };
const traceId = '0af7651916cd43dd8448eb211c80319c';
const traceparent = `00-${traceId}-b7ad6b7169203331-01`;

function spans(): { readonly [name: string]: ReadableSpan } {
  return Object.fromEntries(exporter.getFinishedSpans().map((span) => [span.kind === SpanKind.SERVER ? 'request' : span.name, span]));
}

describe('traces', () => {
  test('have a span for the request, and within it the paywall’s and the upstream’s, which hears of its own', async () => {
    const { server, seen } = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: portOf(server), top });
    await ask(stage.port, '/words/hello?secret=1', { headers: ['Authorization', 'L402 AAAA:00'] });
    await stage.over(1);
    const { request, paywall, upstream } = spans();
    expect(request?.name).toBe('GET /*');
    expect(request?.attributes).toMatchObject({
      'http.request.method': 'GET',
      'url.path': '/words/hello',
      'http.route': '/*',
      'http.response.status_code': 200,
      'farebox.ended': 'delivered',
    });
    expect(paywall?.attributes).toEqual({ 'farebox.decision': 'pass' });
    expect(upstream?.attributes).toMatchObject({ 'server.address': '127.0.0.1', 'server.port': portOf(server), 'http.response.status_code': 200 });
    const root = request?.spanContext();
    expect([paywall?.parentSpanContext?.spanId, upstream?.parentSpanContext?.spanId]).toEqual([root?.spanId, root?.spanId]);
    const sent = upstream?.spanContext();
    expect(valuesOf(seen[0]?.lines ?? [], 'traceparent')).toEqual([`00-${sent?.traceId}-${sent?.spanId}-01`]);
    expect(JSON.stringify(exporter.getFinishedSpans().map(({ attributes }) => attributes))).not.toMatch(/secret|AAAA/);
  });

  test('of a stranger’s are not gone on with, and linked to', async () => {
    const { server, seen } = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: portOf(server), top });
    await ask(stage.port, '/', { headers: ['traceparent', traceparent, 'tracestate', 'a=b', 'baggage', 'user=1'] });
    await stage.over(1);
    const { request } = spans();
    expect(request?.parentSpanContext).toBeUndefined();
    expect(request?.spanContext().traceId).not.toBe(traceId);
    expect(request?.links.map(({ context }) => context.traceId)).toEqual([traceId]);
    const lines = seen[0]?.lines ?? [];
    expect([valuesOf(lines, 'traceparent').length, valuesOf(lines, 'tracestate'), valuesOf(lines, 'baggage')]).toEqual([1, [], []]);
  });

  test('that a trusted proxy has begun go on', async () => {
    const { server } = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: portOf(server), top: { ...top, trustedProxies: ['127.0.0.1'] } });
    await ask(stage.port, '/', { headers: ['traceparent', traceparent] });
    await stage.over(1);
    expect(spans().request?.spanContext().traceId).toBe(traceId);
    expect(spans().request?.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
  });

  test('of what is not paid for have no upstream; of what fails, an error', async () => {
    const payment = Problem.answer(new FareboxError('PAYMENT_REQUIRED', 'Pay.'));
    const unpaid = await openStage(closing, { upstream: await closedPort(), top, check: () => ({ kind: 'answer', answer: payment }) });
    await ask(unpaid.port, '/');
    await unpaid.over(1);
    expect(spans().upstream).toBeUndefined();
    expect([spans().paywall?.attributes['farebox.decision'], spans().request?.status.code]).toEqual(['answer', SpanStatusCode.UNSET]);
    exporter.reset();
    const broken = await openStage(closing, { upstream: await closedPort(), top });
    await ask(broken.port, '/');
    await broken.over(1);
    expect([spans().upstream?.status.code, spans().request?.status.code]).toEqual([SpanStatusCode.ERROR, SpanStatusCode.ERROR]);
  });

  test('are made by nobody where the configuration does not ask for them', async () => {
    const { server, seen } = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: portOf(server) });
    await ask(stage.port, '/', { headers: ['traceparent', traceparent] });
    await stage.over(1);
    expect(exporter.getFinishedSpans()).toEqual([]);
    expect(valuesOf(seen[0]?.lines ?? [], 'traceparent')).toEqual([traceparent]);
  });
});
