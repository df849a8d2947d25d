import { once } from 'node:events';
import { Agent, type IncomingMessage, request as send } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { ask, type Closing, closeAll, deferred, openRaw, openServer, openStage, openUpstream, portOf, read } from '../../../test/gateway/harness.ts';
import { FareboxError } from '../../core/Errors.ts';
import { createSandboxNetwork } from '../../lightning/sandbox.ts';
import { createRootKeys } from '../../server/RootKeys.ts';
import { createMemoryStore } from '../../store/memory.ts';
import { createConfig } from '../Config.ts';
import { createGateway } from '../Gateway.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

/** An upstream that says its name, and whose connections are counted. */
async function openNamed(name: string) {
  const sockets: Socket[] = [];
  const server = await openServer(closing, (_, response) => response.end(name));
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket: Socket) => sockets.push(socket));
  return { port: portOf(server), sockets };
}

/** Asks on a connection that is kept. */
async function askOn(agent: Agent, port: number, path = '/a') {
  const request = send({ host: '127.0.0.1', port, path, agent }).end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return read(response);
}

function openAgent(connections: number): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  closing.push(() => agent.destroy());
  return agent;
}

describe('another configuration', () => {
  test('holds for the next request, on the same connection, and for none before', async () => {
    const [one, other] = [await openNamed('one'), await openNamed('other')];
    const stage = await openStage(closing, { upstream: one.port });
    const agent = openAgent(1);
    expect((await askOn(agent, stage.port)).text).toBe('one');
    stage.reload({ upstream: other.port, routes: [{ path: '/a', price: '2 sat' }] });
    expect((await askOn(agent, stage.port)).text).toBe('other');
    expect((await askOn(agent, stage.port, '/b')).status).toBe(404);
    expect(Object.values(agent.freeSockets).flat()).toHaveLength(1);
  });

  test('comes every few requests under load, and no request fails, waits or loses its connection', async () => {
    const [one, other] = [await openNamed('one'), await openNamed('other')];
    const stage = await openStage(closing, { upstream: one.port });
    const agent = openAgent(8);
    let asked = 0;
    const seen = { one: 0, other: 0 };
    const client = async () => {
      while (asked < 400) {
        if (++asked % 3 === 0) stage.reload({ upstream: asked % 2 === 0 ? one.port : other.port, top: { limits: { upstreamQueue: 1000 + (asked % 5) } } });
        const { status, text } = await askOn(agent, stage.port);
        expect(status).toBe(200);
        seen[text as 'one' | 'other'] += 1;
      }
    };
    await Promise.all(Array.from({ length: 8 }, client));
    expect(seen.one + seen.other).toBe(stage.outcomes.length);
    expect(Math.min(seen.one, seen.other)).toBeGreaterThan(20);
    expect(new Set(stage.outcomes.map(({ ended }) => ended))).toEqual(new Set(['delivered']));
    expect(Object.values(agent.freeSockets).flat().length).toBeLessThanOrEqual(8);
  });

  test('is not waited for by a stream that goes on, and does not break it', async () => {
    const chunks = deferred<(text: string, last?: boolean) => void>();
    const slow = await openUpstream(closing, (_, response) => {
      response.writeHead(200);
      chunks.resolve((text, last) => (last ? response.end(text) : response.write(text)));
      return new Promise(() => {});
    });
    const next = await openNamed('next');
    const stage = await openStage(closing, { upstream: slow.port });
    const client = await openRaw(closing, stage.port);
    client.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
    const say = await chunks.promise;
    say('before ');
    await client.until(/before /);
    for (let count = 0; count < 5; count++) {
      stage.reload({ upstream: next.port, top: { limits: { upstreamConnections: 5 + count } } });
      expect((await ask(stage.port, '/a')).text).toBe('next');
    }
    say('after ');
    await client.until(/after /);
    say('the end', true);
    await client.until(/the end\r\n0\r\n\r\n$/);
    // The connection of the stream is as good as any other.
    client.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until(/next/);
  });

  test('leaves connections to an upstream that has not changed, and closes those to one that is gone with its last request', async () => {
    const release = deferred<void>();
    const [kept, gone] = [await openNamed('kept'), await openUpstream(closing, (_, response) => release.promise.then(() => response.end('gone')))];
    const services = (withGone: boolean) => ({
      services: [
        { name: 'kept', upstream: `http://127.0.0.1:${kept.port}`, routes: [{ path: '/kept', price: '1 sat' }] },
        ...(withGone ? [{ name: 'gone', upstream: `http://127.0.0.1:${gone.port}`, routes: [{ path: '/gone', price: '1 sat' }] }] : []),
      ],
    });
    const stage = await openStage(closing, { upstream: 1, top: services(true) });
    await ask(stage.port, '/kept');
    gone.server.keepAliveTimeout = 60_000;
    const connected = once(gone.server, 'connection') as Promise<[Socket]>;
    const waiting = ask(stage.port, '/gone');
    const [socket] = await connected;
    const closed = new Promise((resolve) => socket.on('close', resolve));
    stage.reload({ upstream: 1, top: services(false) });
    expect((await ask(stage.port, '/kept')).text).toBe('kept');
    expect(kept.sockets).toHaveLength(1);
    expect(socket.destroyed).toBe(false);
    release.resolve();
    expect((await waiting).text).toBe('gone');
    await closed;
    expect((await ask(stage.port, '/gone')).status).toBe(404);
  });

  test('brings other limits, times and proxies with it', async () => {
    const upstream = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: upstream.port });
    const told = async () => {
      await ask(stage.port, '/a', { headers: ['X-Forwarded-For', '192.0.2.7'] });
      return upstream.seen.at(-1)?.lines.find(([name]) => name === 'X-Forwarded-For')?.[1];
    };
    expect(await told()).toBe('127.0.0.1');
    expect((await ask(stage.port, '/a', { method: 'POST', body: 'four' })).status).toBe(200);
    stage.reload({ upstream: upstream.port, top: { trustedProxies: ['127.0.0.1'], limits: { body: '3 B' } } });
    expect(await told()).toBe('192.0.2.7, 127.0.0.1');
    expect((await ask(stage.port, '/a', { method: 'POST', body: 'four' })).status).toBe(413);
  });
});

describe('a configuration that cannot be taken', () => {
  const route = { path: '/a', price: '1 sat', terms: 'pass: 1h' };

  async function openGateway() {
    const sandbox = createSandboxNetwork();
    const store = createMemoryStore();
    const upstream = await openUpstream(closing);
    const configOf = (over: object, routes: readonly object[] = [route]) =>
      createConfig({ listen: '127.0.0.1:0', store: 'memory', services: [{ name: 'api', upstream: `http://127.0.0.1:${upstream.port}`, routes }], ...over });
    const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'main' });
    const gateway = await createGateway({ config: configOf({}), receiver: sandbox.receiver('seller'), keys, store });
    closing.push(() => sandbox.close(), store.close, gateway.close);
    const port = Number(new URL((await gateway.listen()).url).port);
    const price = async () => ((await (await fetch(`http://127.0.0.1:${port}/a`)).json()) as { amount?: number; code?: string }).amount;
    return { gateway, configOf, price };
  }

  test.each([
    ['listen', { listen: '127.0.0.1:1' }],
    ['store', { store: 'none' }],
    ['payees', { payees: { alice: 'sandbox' } }],
    ['keys', { keys: 'other.keys' }],
    ['realm', { realm: 'other' }],
    ['invoiceExpiry', { invoiceExpiry: '5m' }],
    ['logs', { logs: { level: 'debug' } }],
    ['health', { health: {} }],
    ['limits.head', { limits: { head: '8 KiB' } }],
  ])('%s takes a new start, and nothing else of the file is taken either', async (key, over) => {
    const { gateway, configOf, price } = await openGateway();
    const next = configOf(over, [{ ...route, price: '5 sat' }]);
    const refused = (error: unknown) => FareboxError.is(error, 'CONFIG_FIXED') && JSON.stringify(error.details.changed) === JSON.stringify([key]);
    expect(() => gateway.reload(next)).toThrow(expect.toSatisfy(refused));
    expect(await price()).toBe(1);
    gateway.reload(configOf({}, [{ ...route, price: '5 sat' }]));
    expect(await price()).toBe(5);
  });

  test('an authority that cannot be read is told, and everything goes on', async () => {
    const { gateway, configOf, price } = await openGateway();
    const services = [{ name: 'api', upstream: { url: 'https://api.internal', ca: 'no-such-file.pem' }, routes: [{ ...route, price: '5 sat' }] }];
    expect(() => gateway.reload(configOf({ services }))).toThrow(/no-such-file\.pem, cannot be read \(ENOENT\)/);
    expect(await price()).toBe(1);
  });

  test('what was prepared changes nothing until it is taken', async () => {
    const { gateway, configOf, price } = await openGateway();
    const { take } = gateway.prepare(configOf({}, [{ ...route, price: '5 sat' }]));
    expect(await price()).toBe(1);
    take();
    expect(await price()).toBe(5);
  });
});
