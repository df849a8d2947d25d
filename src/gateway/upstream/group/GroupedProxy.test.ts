import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import {
  ask,
  type Closing,
  closeAll,
  closedPort,
  deferred,
  letThrough,
  openRaw,
  openServer,
  openStage,
  openTcp,
  openUpstream,
  portOf,
  recordSale,
  type Stage,
  sellWith,
  valuesOf,
} from '../../../../test/gateway/harness.ts';

import { createEvents } from '../../../server/Events.ts';
import * as FixedClock from '../../../testing/FixedClock.ts';
import { createConfig } from '../../Config.ts';
import { assemble } from '../../Gateway.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const urlAt = (port: number) => `http://127.0.0.1:${port}`;
const codeOf = (text: string) => (JSON.parse(text) as { code: string }).code;
const standings = ({ events }: Stage) => events.flatMap((event) => (event.kind === 'left-out' || event.kind === 'back' ? [event.kind] : []));

/** An upstream that reads a whole request and ends the connection. */
async function openBreaking(write = '') {
  const seen: string[] = [];
  const port = await openTcp(closing, (socket: Socket) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      seen.push(text);
      socket.end(write);
      setImmediate(() => socket.destroy());
    });
  });
  return { port, seen };
}

describe.each(['farebox', 'undici'] as const)('several upstreams, by %s', (upstreamClient) => {
  async function open(ports: readonly number[], options: object = {}, sale = recordSale()) {
    const service = { upstream: undefined, upstreams: ports.map(urlAt), ...options };
    const stage = await openStage(closing, { upstream: 0, service, check: sellWith(sale), top: { upstreamClient } });
    return { stage, sale };
  }

  test.each(['GET', 'POST'])('where one is away another answers a %s: one sale, one outcome, every byte', async (method) => {
    const upstream = await openUpstream(closing, (_request, response, { body }) => response.end(body));
    const { stage, sale } = await open([await closedPort(), upstream.port]);
    const body = method === 'GET' ? undefined : 'a body';
    const answer = await ask(stage.port, '/a', { method, ...(body !== undefined && { body }) });
    expect([answer.status, answer.text, valuesOf(answer.lines, 'l402-payment')]).toEqual([200, body ?? '', ['charged']]);
    expect(await stage.over(1)).toMatchObject([{ status: 200, ended: 'delivered', error: undefined }]);
    expect([sale.told, Buffer.concat(sale.bodies).toString()]).toEqual([['head 200', 'end delivered'], body ?? '']);
  });

  test('where one breaks off, another gets the same request with the same key', async () => {
    const breaking = await openBreaking();
    const upstream = await openUpstream(closing);
    const { stage, sale } = await open([breaking.port, upstream.port]);
    expect((await ask(stage.port, '/a?b=c')).text).toBe('ok');
    await stage.over(1);
    const keyOf = /^idempotency-key: key-of-the-sale\r$/im;
    expect([breaking.seen.length, keyOf.test(breaking.seen[0] ?? ''), upstream.seen.length]).toEqual([1, true, 1]);
    expect([valuesOf(upstream.seen[0]?.lines ?? [], 'idempotency-key'), upstream.seen[0]?.url]).toEqual([['key-of-the-sale'], '/a?b=c']);
    expect(sale.told).toEqual(['head 200', 'end delivered']);
  });

  test('what may have been done is done once: a POST that went out goes nowhere else', async () => {
    const breaking = await openBreaking();
    const upstream = await openUpstream(closing);
    const { stage, sale } = await open([breaking.port, upstream.port]);
    const answer = await ask(stage.port, '/a', { method: 'POST', body: 'a body' });
    await stage.over(1);
    expect([answer.status, codeOf(answer.text), valuesOf(answer.lines, 'l402-payment')]).toEqual([502, 'UPSTREAM_UNREACHABLE', ['not-charged']]);
    expect([breaking.seen.length, upstream.seen.length, sale.told]).toEqual([1, 0, ['unanswered upstream']]);
  });

  test('all of them away: 503 with the time of the next try, nothing charged, and back without a word once they are', async () => {
    const { stage, sale } = await open([await closedPort(), await closedPort()], { breaker: { failures: 1, pause: '10s' } });
    const first = await ask(stage.port, '/a');
    expect([first.status, codeOf(first.text)]).toEqual([502, 'UPSTREAM_UNREACHABLE']);
    const second = await ask(stage.port, '/a');
    expect([second.status, codeOf(second.text), valuesOf(second.lines, 'retry-after'), valuesOf(second.lines, 'l402-payment')]).toEqual([
      503,
      'UPSTREAM_AWAY',
      ['10'],
      ['not-charged'],
    ]);
    await stage.over(2);
    expect([sale.told, standings(stage)]).toEqual([Array(2).fill('unanswered upstream'), ['left-out', 'left-out']]);
  });

  test('no answer in time leaves one out; the request is not asked for again, for its time is over', async () => {
    const asking = deferred<void>();
    const silent = await openTcp(closing, (socket) => socket.on('data', () => asking.resolve()));
    const upstream = await openUpstream(closing);
    const { stage, sale } = await open([silent, upstream.port], { breaker: { failures: 1 } });
    const asked = ask(stage.port, '/a');
    await asking.promise;
    stage.clock.advance(60_000);
    expect((await asked).status).toBe(504);
    expect([sale.told, standings(stage), upstream.seen.length]).toEqual([['unanswered upstream'], ['left-out'], 0]);
    for (let i = 0; i < 3; i++) expect((await ask(stage.port, '/a')).status).toBe(200);
  });
});

test('of HTTP/2 as well: where one is away another gets a POST with its body', async () => {
  const server = createHttp2Server((request, response) => void request.pipe(response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  closing.push(() => void server.close());
  const upstreams = [await closedPort(), (server.address() as AddressInfo).port].map((port) => ({ url: urlAt(port), protocol: 'h2' }));
  const sale = recordSale();
  const stage = await openStage(closing, { upstream: 0, service: { upstream: undefined, upstreams }, check: sellWith(sale) });
  expect((await ask(stage.port, '/a', { method: 'POST', body: 'a body' })).text).toBe('a body');
  await stage.over(1);
  expect([sale.told, Buffer.concat(sale.bodies).toString()]).toEqual([['head 200', 'end delivered'], 'a body']);
});

test('a configuration that is taken keeps what is known of a group that has not changed, and asks nobody any more for one that is gone', async () => {
  const upstream = await openUpstream(closing);
  const dead = urlAt(await closedPort());
  const group = { upstreams: [urlAt(upstream.port), dead], breaker: { failures: 1 }, health: { path: '/health', every: '1h' } };
  const file = (about: object, timeout: string) => ({
    listen: '127.0.0.1:0',
    services: [{ name: 'api', ...about, timeout, routes: [{ path: '/*', price: '1 sat' }] }],
  });
  const clock = FixedClock.create();
  const told: string[] = [];
  const events = createEvents();
  events.on(({ kind }) => told.push(kind));
  const paywall = { check: letThrough, close: async () => {} };
  const random = (length: number) => new Uint8Array(length).fill(255);
  const gateway = assemble({ config: createConfig(file(group, '10s')), paywall, clock, random, events, log: () => {} });
  closing.push(gateway.close);
  const port = Number(new URL((await gateway.listen()).url).port);
  expect((await ask(port, '/a')).status).toBe(200);
  expect(told).toEqual(['left-out']);
  gateway.reload(createConfig(file(group, '20s')));
  for (let i = 0; i < 3; i++) expect((await ask(port, '/a')).status).toBe(200);
  expect(told).toEqual(['left-out']);
  gateway.reload(createConfig(file({ upstreams: [urlAt(upstream.port)] }, '20s')));
  expect((await ask(port, '/a')).status).toBe(200);
  clock.advance(3_600_000);
  expect((await ask(port, '/a')).status).toBe(200);
  expect(upstream.seen.filter(({ url }) => url === '/health')).toEqual([]);
});

test('an answer that has begun is not asked for again', async () => {
  const breaking = await openBreaking('HTTP/1.1 200 OK\r\nContent-');
  const upstream = await openUpstream(closing);
  const stage = await openStage(closing, { upstream: 0, service: { upstream: undefined, upstreams: [urlAt(breaking.port), urlAt(upstream.port)] } });
  expect([(await ask(stage.port, '/a')).status, upstream.seen.length]).toEqual([502, 0]);
});

test('a body that nothing was taken of goes to another upstream over a connection that took its head', async () => {
  // The head goes out before the body is there; the upstream ends, and the body comes afterwards.
  const breaking = await openBreaking();
  const asked = deferred<void>();
  const server = await openServer(closing, (request, response) => {
    asked.resolve();
    request.pipe(response);
  });
  const stage = await openStage(closing, { upstream: 0, service: { upstream: undefined, upstreams: [urlAt(breaking.port), urlAt(portOf(server))] } });
  const client = await openRaw(closing, stage.port);
  client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n');
  await asked.promise;
  client.write('a body');
  expect(await client.until(/a body\r\n0\r\n\r\n$/)).toMatch(/^HTTP\/1\.1 200 /);
  expect(breaking.seen.length).toBe(1);
});

describe('asking how they are', () => {
  const certificates = JSON.parse(readFileSync(new URL('../../../../test/vectors/tls.json', import.meta.url), 'utf8')) as Readonly<Record<string, string>>;

  async function openSecure(options: ServerOptions) {
    const paths: (string | undefined)[] = [];
    const watchers = new Set<() => void>();
    const server = createServer({ key: certificates.serverKey, cert: certificates.good, ...options }, (request, response) => {
      paths.push(request.url);
      for (const watcher of watchers) watcher();
      response.writeHead(request.url === '/health' ? 204 : 200).end();
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    closing.push(() => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    const sees = (count: number) =>
      new Promise<void>((resolve) => {
        const look = () => paths.length >= count && resolve();
        watchers.add(look);
        look();
      });
    return { origin: `https://localhost:${portOf(server)}`, paths, sees };
  }

  test('goes over the TLS of each, and begins without a request', async () => {
    const folder = mkdtempSync(`${tmpdir()}/farebox-group-`);
    closing.push(() => rmSync(folder, { recursive: true }));
    for (const [name, text = ''] of [
      ['ca.pem', certificates.authority],
      ['me.pem', certificates.forClients],
      ['me.key', certificates.serverKey],
    ])
      writeFileSync(`${folder}/${name}`, text);
    const wanting = { requestCert: true, rejectUnauthorized: true, ca: certificates.authority as string };
    const [good, strange] = [await openSecure(wanting), await openSecure(wanting)];
    const known = { url: good.origin, ca: `${folder}/ca.pem`, certificate: `${folder}/me.pem`, key: `${folder}/me.key` };
    const service = { upstream: undefined, upstreams: [known, strange.origin], health: { path: '/health', unhealthy: 1, every: '1s' } };
    const stage = await openStage(closing, { upstream: 0, service });
    stage.clock.advance(10);
    await good.sees(1);
    expect(await stage.tells(1)).toMatchObject([{ kind: 'left-out', upstream: strange.origin }]);
    expect([good.paths, strange.paths]).toEqual([['/health'], []]);
    for (let i = 0; i < 3; i++) expect((await ask(stage.port, '/a')).status).toBe(200);
  });
});
