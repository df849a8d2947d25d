import { once } from 'node:events';
import { type IncomingMessage, request as send } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { ask, type Closing, closeAll, openUpstream } from '../../../test/gateway/harness.ts';
import { createSandboxNetwork } from '../../lightning/sandbox.ts';
import { createRootKeys } from '../../server/RootKeys.ts';
import { createMemoryStore } from '../../store/memory.ts';
import { createConfig } from '../Config.ts';
import { createGateway, type GatewayOptions } from '../Gateway.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'main' });

/** A gateway whose metrics may be asked for. */
async function open(more: Partial<GatewayOptions> = {}) {
  const upstream = await openUpstream(closing);
  const sandbox = createSandboxNetwork();
  const store = createMemoryStore();
  const config = createConfig({
    listen: '127.0.0.1:0',
    store: 'memory',
    metrics: { listen: '127.0.0.1:0' },
    services: [
      {
        name: 'api',
        upstream: `http://127.0.0.1:${upstream.port}`,
        routes: [
          { path: '/a', price: '2 sat' },
          { path: '/free', free: true },
        ],
      },
    ],
  });
  const gateway = await createGateway({ config, receiver: sandbox.receiver('seller'), wallets: [], keys, store, ...more });
  closing.push(() => sandbox.close(), store.close, gateway.close);
  const { url, metricsUrl = '' } = await gateway.listen();
  return { port: Number(new URL(url).port), metrics: Number(new URL(metricsUrl).port), metricsUrl };
}

test('a sale shows where a scraper asks, and nowhere else', async () => {
  const { port, metrics, metricsUrl } = await open();
  expect(metricsUrl).toBe(`http://127.0.0.1:${metrics}/metrics`);
  expect((await ask(port, '/free')).status).toBe(200);
  expect((await ask(port, '/a')).status).toBe(402);
  const { status, lines, text } = await ask(metrics, '/metrics');
  expect([status, lines[0]]).toEqual([200, ['Content-Type', 'text/plain; version=0.0.4; charset=utf-8']]);
  expect(text).toContain('farebox_requests_total{route="/free",status="2xx"} 1');
  expect(text).toContain('farebox_challenges_total{service="api",route="/a"} 1');
  expect(text).toMatch(/^farebox_node_seconds_count\{call="createInvoice",outcome="ok"\} 1$/m);
  expect(text).not.toMatch(/[0-9a-f]{32}/);
  expect((await ask(port, '/metrics')).status, 'the seller’s paths are hidden by nothing').toBe(404);
  expect((await ask(metrics, '/')).status).toBe(404);
  expect((await ask(metrics, '/metrics', { method: 'POST' })).status).toBe(405);
});

test('a page of another origin does not read it through a name that resolves here', async () => {
  const { metrics } = await open();
  for (const host of ['evil.example', `evil.example:${metrics}`, '127.0.0.1.evil.example', 'localhost.evil.example', 'localhost:1:2']) {
    expect(await statusFor(metrics, host), host).toBe(400);
  }
  for (const host of [`127.0.0.1:${metrics}`, 'localhost', `[::1]:${metrics}`]) {
    expect(await statusFor(metrics, host), host).toBe(200);
  }
  expect((await ask(metrics, '/metrics', { headers: ['Host', 'evil.example'] })).status, 'two of them').toBe(400);
});

/** What is answered to whoever asks by this name. */
async function statusFor(port: number, host: string): Promise<number | undefined> {
  const request = send({ host: '127.0.0.1', port, path: '/metrics', headers: { Host: host }, agent: false }).end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

test('one of several processes says what all of them counted', async () => {
  const { metrics } = await open({ measured: async (own) => ({ ...own, farebox_processes: 4 }) });
  expect((await ask(metrics, '/metrics')).text).toMatch(/^farebox_processes 4$/m);
});
