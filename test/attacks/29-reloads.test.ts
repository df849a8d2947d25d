/**
 * A change of configuration that stalls requests, breaks them or is stalled by one; and one that is taken by halves. A stream that never ends is held open
 * while the configuration changes under it, wrong configurations are handed in, and processes of one gateway are asked for different answers.
 */
import { once } from 'node:events';
import { type ClientHttp2Stream, createServer, type Http2ServerResponse, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { fromFile } from '../../src/cli/serve/ConfigSource.ts';
import { createSupervisor, type Hooks } from '../../src/cli/workers/Supervisor.ts';
import { createConfig } from '../../src/gateway/Config.ts';
import { createGateway } from '../../src/gateway/Gateway.ts';
import { followFiles } from '../../src/gateway/running/FileFollowing.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { createRates } from '../../src/server/Rates.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { ask, type Closing, closeAll, deferred, letThrough, openRaw, openStage, openUpstream } from '../gateway/harness.ts';
import { askHttp2, openHttp2 } from '../gateway/http2.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const turns = async () => {
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
};

/** What comes on a stream, until it fits; 'broken off' where it ends before. */
function listen(stream: ClientHttp2Stream): (pattern: RegExp) => Promise<string> {
  let text = '';
  const watchers = new Set<() => void>();
  stream.setEncoding('utf8').on('error', () => {});
  stream.on('data', (chunk: string) => {
    text += chunk;
    for (const watch of watchers) watch();
  });
  return (pattern) =>
    new Promise((resolve) => {
      const watch = () => pattern.test(text) && resolve(text);
      watchers.add(watch);
      stream.on('close', () => resolve('broken off'));
      watch();
    });
}

const endlessly = (begin: () => void) => {
  begin();
  return new Promise(() => {});
};

/** An upstream over HTTP/2 in the clear. */
async function openHttp2Server(onRequest: (response: Http2ServerResponse) => void): Promise<number> {
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer((_, response) => onRequest(response));
  server.on('session', (session) => sessions.add(session));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  closing.push(() => {
    for (const session of sessions) session.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

/** A gateway whose one client hears a stream that goes on as long as it likes. */
async function openStream() {
  const opened = deferred<(text: string) => void>();
  let isFirst = true;
  const slow = await openUpstream(closing, (_, response) => {
    if (!isFirst) return response.end('the old one');
    isFirst = false;
    response.writeHead(200);
    opened.resolve((text) => response.write(text));
    return new Promise(() => {});
  });
  const next = await openUpstream(closing, (_, response) => response.end('the new one'));
  const stage = await openStage(closing, { upstream: slow.port });
  const client = await openRaw(closing, stage.port);
  client.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
  const say = await opened.promise;
  say('first');
  await client.until(/first/);
  return { stage, slow, next, client, say };
}

describe('a slow stream', () => {
  test('holds no change up', async () => {
    const { stage, next } = await openStream();
    stage.reload({ upstream: next.port });
    expect((await ask(stage.port, '/a')).text).toBe('the new one');
  });

  test('is not broken by one, nor by ten, whatever else changes with them', async () => {
    const { stage, next, client, say } = await openStream();
    for (let count = 0; count < 10; count++) {
      stage.reload({ upstream: next.port, top: { timeouts: { upstreamKeepAlive: `${4 + count}s` } } });
      await ask(stage.port, '/a');
    }
    say('last');
    const heard = await client.until(/last/).catch(() => 'broken off');
    expect(heard).toMatch(/last/);
  });
});

describe.each([undefined, 'h2'] as const)('a stream over HTTP/2, from an upstream of %s', (protocol) => {
  test('holds no change up, is not broken by ten, and leaves its session to the next', async () => {
    const opened = deferred<(text: string) => void>();
    const stream = (response: { write: (text: string) => unknown }) => {
      response.write('first');
      opened.resolve((text) => response.write(text));
    };
    const port = protocol === 'h2' ? await openHttp2Server(stream) : (await openUpstream(closing, (_, response) => endlessly(() => stream(response)))).port;
    const next = await openUpstream(closing, (_, response) => response.end('the new one'));
    const upstream = { url: `http://127.0.0.1:${port}`, ...(protocol && { protocol }) };
    const stage = await openStage(closing, { upstream: port, service: { upstream } });
    const session = openHttp2(closing, stage.port);
    const slow = session.request({ ':path': '/a' });
    const heard = listen(slow);
    (await opened.promise)('second');
    for (let count = 0; count < 10; count++) {
      stage.reload({ upstream: next.port, top: { limits: { upstreamConnections: 5 + count, streams: 50 + count } } });
      expect((await askHttp2(session, {})).text).toBe('the new one');
    }
    (await opened.promise)('last');
    expect(await heard(/last/)).toMatch(/^firstsecondlast$/);
  });
});

test('a WebSocket holds no change up, and goes on by what it was let in with', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  server.on('connection', (socket) => socket.on('message', (data) => socket.send(`echo of ${data}`)));
  closing.push(() => {
    for (const client of server.clients) client.terminate();
    return new Promise((resolve) => server.close(resolve));
  });
  const next = await openUpstream(closing, (_, response) => response.end('the new one'));
  const stage = await openStage(closing, { upstream: (server.address() as AddressInfo).port });
  const client = new WebSocket(stage.url.replace('http', 'ws'));
  closing.push(() => client.terminate());
  await once(client, 'open');
  for (let count = 0; count < 5; count++) {
    stage.reload({ upstream: next.port, top: { limits: { upstreamConnections: 5 + count } } });
    expect((await ask(stage.port, '/a')).text).toBe('the new one');
    client.send(`${count}`);
    expect(String((await once(client, 'message'))[0])).toBe(`echo of ${count}`);
  }
});

test('a request that waits for its decision goes by what it came under, and stalls nobody', async () => {
  const decided = deferred<void>();
  const [before, after] = [
    await openUpstream(closing, (_, response) => response.end('before')),
    await openUpstream(closing, (_, response) => response.end('after')),
  ];
  let held = 0;
  const stage = await openStage(closing, {
    upstream: before.port,
    check: async (...asked) => {
      if (held++ === 0) await decided.promise;
      return letThrough(...asked);
    },
  });
  const waiting = ask(stage.port, '/a');
  while (held === 0) await new Promise(setImmediate);
  stage.reload({ upstream: after.port });
  expect((await ask(stage.port, '/a')).text).toBe('after');
  decided.resolve();
  expect((await waiting).text).toBe('before');
});

test('what cannot change under requests is refused whole: nothing else of it is taken', async () => {
  const sandbox = createSandboxNetwork();
  const store = createMemoryStore();
  const upstream = await openUpstream(closing);
  const configOf = (price: string, over: object) =>
    createConfig({
      listen: '127.0.0.1:0',
      store: 'memory',
      services: [{ name: 'api', upstream: `http://127.0.0.1:${upstream.port}`, routes: [{ path: '/a', price, terms: 'pass: 1h' }] }],
      ...over,
    });
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'main' });
  const gateway = await createGateway({ config: configOf('1 sat', {}), receiver: sandbox.receiver('seller'), keys, store });
  closing.push(() => sandbox.close(), store.close, gateway.close);
  const port = Number(new URL((await gateway.listen()).url).port);
  for (const over of [{ store: 'other.db' }, { listen: '127.0.0.1:1' }, { realm: 'other' }]) {
    expect(() => gateway.reload(configOf('9 sat', over))).toThrow(expect.objectContaining({ code: 'CONFIG_FIXED' }));
  }
  const { amount } = JSON.parse((await ask(port, '/a')).text) as { amount: number };
  expect(amount).toBe(1);
});

test('of several processes none takes what another cannot', async () => {
  const clock = FixedClock.create();
  const all: { readonly hooks: Hooks; readonly heard: string[] }[] = [];
  const rates = createRates({}, clock);
  const supervisor = createSupervisor({
    count: 2,
    clock,
    text: 'before',
    rates: () => rates,
    tell: () => {},
    start: (_, hooks) => {
      const heard: string[] = [];
      all.push({ hooks, heard });
      return { pid: all.length, send: ({ kind }) => heard.push(kind), kill: () => {} };
    },
  });
  const starting = supervisor.start();
  all[0]?.hooks.onMessage({ kind: 'ready', url: 'http://127.0.0.1' });
  await turns();
  all[1]?.hooks.onMessage({ kind: 'ready', url: 'http://127.0.0.1' });
  await starting;
  const exchanged = supervisor.exchange('after').then(
    () => 'taken',
    () => 'refused',
  );
  all[0]?.hooks.onMessage({ kind: 'prepared', id: 1 });
  await turns();
  all[1]?.hooks.onMessage({ kind: 'prepared', id: 1, refused: { code: 'CONFIG_INVALID', message: 'no' } });
  expect(await exchanged).toBe('refused');
  expect(all.flatMap(({ heard }) => heard)).not.toContain('apply');
});

test('half of a file that is being written is not taken for a file', async () => {
  const clock = FixedClock.create();
  let text = 'whole';
  const taken: string[] = [];
  const following = followFiles({
    files: () => ['farebox.yaml'],
    clock,
    look: async () => text,
    onChange: async () => void taken.push(text),
  });
  await turns();
  for (const part of ['ha', 'half', 'half and half']) {
    text = part;
    clock.advance(1000);
    await turns();
  }
  clock.advance(1000);
  await turns();
  expect(taken).toEqual(['half and half']);
  await following.close();
});

test('a configuration of thousands of routes is read beside the requests that are served', async () => {
  const routes = Array.from({ length: 2000 }, (_, index) => `      - { path: /api/${index}, price: 1 sat }`);
  const text = ['services:', '  - name: api', '    upstream: http://localhost:3000', '    routes:', ...routes].join('\n');
  const upstream = await openUpstream(closing);
  const stage = await openStage(closing, { upstream: upstream.port });
  let isRead = false;
  const reading = fromFile('/srv/farebox.yaml', {})
    .parseAside(text)
    .then((config) => {
      isRead = true;
      return config;
    });
  expect([(await ask(stage.port, '/a')).status, isRead]).toEqual([200, false]);
  expect((await reading).routes).toHaveLength(2000);
});
