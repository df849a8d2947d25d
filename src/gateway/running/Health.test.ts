import { afterEach, expect, test } from 'vitest';
import { ask, type Closing, closeAll, openUpstream } from '../../../test/gateway/harness.ts';
import { FareboxError } from '../../core/Errors.ts';
import { createSandboxNetwork } from '../../lightning/sandbox.ts';
import { createRootKeys } from '../../server/RootKeys.ts';
import { createMemoryStore } from '../../store/memory.ts';
import type { Store } from '../../store/Store.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import { createConfig } from '../Config.ts';
import { createGateway } from '../Gateway.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'main' });

/** A gateway that says how it is, on a store that may be away. */
async function open(routes: readonly object[], { upstream = 1, isNodeDown = false, top = {} } = {}) {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const memory = createMemoryStore({ clock });
  const away = { store: false };
  const denials: Store['denials'] = (after) =>
    away.store ? Promise.reject(new FareboxError('STORE_UNAVAILABLE', 'The store is away.')) : memory.denials(after);
  const config = createConfig({
    listen: '127.0.0.1:0',
    store: 'memory',
    health: { listen: '127.0.0.1:0' },
    ...top,
    services: [{ name: 'api', upstream: `http://127.0.0.1:${upstream}`, routes }],
  });
  if (isNodeDown) await sandbox.setFault({ node: 'seller', kind: 'node-down' });
  const gateway = await createGateway({
    config,
    receiver: sandbox.receiver('seller'),
    payees: { alice: sandbox.receiver('alice') },
    keys,
    store: { ...memory, denials },
    clock,
  });
  let closed: Promise<void> | undefined;
  const close = () => (closed ??= gateway.close());
  closing.push(() => sandbox.close(), memory.close, close);
  const { url, healthUrl = '' } = await gateway.listen();
  const [port, health] = [Number(new URL(url).port), Number(new URL(healthUrl).port)];
  const ready = async () => {
    const { status, text } = await ask(health, '/readyz');
    return [status, JSON.parse(text) as unknown];
  };
  const later = async () => {
    clock.advance(500);
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
  };
  return { gateway, clock, sandbox, away, port, health, ready, later, close };
}

test('it runs, it is ready, and nothing else is there', async () => {
  const { health, ready, port } = await open([{ path: '/a', price: '1 sat' }]);
  expect(await ready()).toEqual([200, { status: 'ready', store: 'ok', lightning: 'unknown' }]);
  const alive = await ask(health, '/healthz?x=1');
  expect([alive.status, alive.text]).toEqual([200, '{"status":"ok"}\n']);
  expect((await ask(health, '/readyz', { method: 'HEAD' })).text).toBe('');
  expect((await ask(health, '/readyz', { method: 'POST' })).status).toBe(405);
  expect((await ask(health, '/a')).status).toBe(404);
  expect((await ask(port, '/healthz')).status, 'the seller’s paths are hidden by nothing').toBe(404);
});

test('a store that is away makes it unready where something is sold that is answered 503 then', async () => {
  const counted = await open([{ path: '/a', price: '1 sat', outage: 'passes-only' }]);
  const passes = await open([{ path: '/a', price: '1 sat', terms: 'pass: 1h', outage: 'passes-only' }]);
  const free = await open([{ path: '/a', free: true }]);
  for (const { away, later } of [counted, passes, free]) {
    away.store = true;
    await later();
  }
  expect(await counted.ready()).toEqual([503, { status: 'not-ready', notReady: ['store'], store: 'away', lightning: 'unknown' }]);
  expect(await passes.ready()).toEqual([200, { status: 'ready', store: 'away', lightning: 'unknown' }]);
  expect(await free.ready()).toEqual([200, { status: 'ready', store: 'away', lightning: 'unknown' }]);
  counted.away.store = false;
  await counted.later();
  expect(await counted.ready()).toEqual([200, { status: 'ready', store: 'ok', lightning: 'unknown' }]);
});

test('a node that is away is told, and makes nobody unready: it starts, and serves what needs no invoice', async () => {
  const upstream = await openUpstream(closing);
  const { sandbox, port, ready } = await open(
    [
      { path: '/a', price: '1 sat' },
      { path: '/free', free: true },
    ],
    { upstream: upstream.port, isNodeDown: true },
  );
  expect((await ask(port, '/free')).status).toBe(200);
  expect((await ask(port, '/a')).status).toBe(503);
  expect(await ready()).toEqual([200, { status: 'ready', store: 'ok', lightning: 'away' }]);
  await sandbox.clearFaults('seller');
  expect((await ask(port, '/a')).status).toBe(402);
  expect(await ready()).toEqual([200, { status: 'ready', store: 'ok', lightning: 'ok' }]);
});

test('of several who are paid, the one that is away is told by name and as long as it is, whatever the others do', async () => {
  const { gateway, sandbox, port, ready } = await open(
    [
      { path: '/ours', price: '1 sat' },
      { path: '/hers', price: '1 sat', payee: 'alice' },
    ],
    { top: { payees: { alice: 'sandbox' } } },
  );
  const told: string[] = [];
  gateway.events.on((event) => {
    if (event.kind === 'alert') told.push(`${event.subject} ${event.state}`);
  });
  await sandbox.setFault({ node: 'alice', kind: 'node-down' });
  for (const path of ['/hers', '/ours', '/hers', '/ours']) await ask(port, path);
  expect(told).toEqual(['alice raised']);
  expect(await ready()).toMatchObject([200, { lightning: 'away' }]);
  await sandbox.clearFaults('alice');
  await ask(port, '/hers');
  expect(told).toEqual(['alice raised', 'alice cleared']);
  expect(await ready()).toMatchObject([200, { lightning: 'ok' }]);
});

test('it is unready as soon as it drains, and says so until the last request is over', async () => {
  let release = () => {};
  const upstream = await openUpstream(closing, (_, response) => new Promise<void>((resolve) => (release = () => resolve(void response.end('done')))));
  const { port, health, ready, close } = await open([{ path: '/free', free: true }], { upstream: upstream.port });
  const asked = new Promise((resolve) => upstream.server.once('request', resolve));
  const running = ask(port, '/free');
  await asked;
  await new Promise(setImmediate);
  const closed = close();
  expect(await ready()).toMatchObject([503, { notReady: ['draining'] }]);
  expect((await ask(health, '/healthz')).status).toBe(200);
  release();
  expect((await running).text).toBe('done');
  await closed;
  await expect(ask(health, '/healthz')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('it goes on taking requests for as long as load balancers may need to notice', async () => {
  const upstream = await openUpstream(closing);
  const { clock, port, ready, close } = await open([{ path: '/free', free: true }], { upstream: upstream.port, top: { timeouts: { drain: '10s' } } });
  const closed = close();
  expect(await ready()).toMatchObject([503, { notReady: ['draining'] }]);
  clock.advance(9999);
  expect((await ask(port, '/free')).status).toBe(200);
  clock.advance(1);
  await closed;
  await expect(ask(port, '/free')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
