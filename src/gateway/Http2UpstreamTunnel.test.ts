/**
 * WebSockets to upstreams that take them as streams of HTTP/2, from clients over HTTP/1.1 and over HTTP/2.
 *
 * @see RFC 8441
 */
import { once } from 'node:events';
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';
import { join } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { type Closing, closeAll, deferred, openStage, openTcp, portOf, recordSale, sellWith, settled } from '../../test/gateway/harness.ts';
import { certificates, writeCertificates } from '../../test/gateway/matrix.ts';
import { closes, openTunnelBy, openTunnelUpstream, speakOn, ways } from '../../test/gateway/tunnels.ts';
import type { Principal } from '../server/Offer.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const pause = () => new Promise((resolve) => setImmediate(resolve));

/** A gateway in front of an upstream over HTTP/2 in the clear. */
function openGateway(port: number, options: Partial<Parameters<typeof openStage>[1]> = {}) {
  return openStage(closing, { upstream: 0, service: { upstream: { url: `http://127.0.0.1:${port}`, protocol: 'h2' } }, ...options });
}

describe.each(ways)('a client over %s', (way) => {
  /** A tunnel that is open, and both of its ends. */
  async function open(options: Partial<Parameters<typeof openStage>[1]> = {}) {
    const sale = recordSale();
    const upstream = await openTunnelUpstream(closing);
    const stage = await openGateway(upstream.port, { check: sellWith(sale), ...options });
    const client = await openTunnelBy(way, closing, stage.port);
    expect((await client.answer).status).toBe(200);
    return { sale, upstream, stage, client, stream: await upstream.reached(1) };
  }

  test('asks by CONNECT, without what HTTP/1.1 has, and is told what the upstream agreed to', async () => {
    const sale = recordSale();
    const upstream = await openTunnelUpstream(closing, (stream) =>
      stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat', 'x-of': 'the upstream', 'sec-websocket-accept': 'nonsense' }),
    );
    const stage = await openGateway(upstream.port, { check: sellWith(sale) });
    const client = await openTunnelBy(way, closing, stage.port, { 'sec-websocket-protocol': 'chat', 'x-of': 'the client' });
    const { status, head } = await client.answer;
    expect(status).toBe(200);
    for (const line of ['sec-websocket-protocol: chat', 'x-of: the upstream', 'l402-payment: charged']) expect(head).toContain(line);
    expect(head).not.toContain('nonsense');
    expect(upstream.heads[0]).toMatchObject({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'http',
      ':path': '/live?a=b',
      'sec-websocket-version': '13',
      'sec-websocket-protocol': 'chat',
      'x-of': 'the client',
      'idempotency-key': 'key-of-the-sale',
    });
    for (const name of ['sec-websocket-key', 'upgrade', 'connection']) expect(upstream.heads[0]).not.toHaveProperty(name);
    expect(sale.told).toEqual(['head 101']);
  });

  test('hears what the upstream says at once with its answer, and the other way round', async () => {
    const upstream = await openTunnelUpstream(closing, (stream) => {
      stream.respond({ ':status': 200 });
      stream.write('\x81\x02hi', 'latin1');
    });
    const stage = await openGateway(upstream.port);
    const client = await openTunnelBy(way, closing, stage.port);
    client.write('ahead');
    expect(await client.until('hi')).toBe('\x81\x02hi');
    while (upstream.received() !== 'ahead') await pause();
  });

  test('is let in when it is written down that it has paid, and not before', async () => {
    const written = deferred<{ kind: 'charged'; headers: [string, string][] }>();
    const sale = recordSale(() => written.promise);
    const upstream = await openTunnelUpstream(closing);
    const stage = await openGateway(upstream.port, { check: sellWith(sale) });
    const client = await openTunnelBy(way, closing, stage.port);
    let isIn = false;
    void client.answer.then(() => {
      isIn = true;
    });
    await sale.hears(/^head 101$/);
    for (let turn = 0; turn < 20; turn++) await pause();
    expect(isIn).toBe(false);
    written.resolve({ kind: 'charged', headers: [] });
    expect((await client.answer).status).toBe(200);
  });

  test.each([403, 404, 426, 500])('hears that the upstream refuses with %i, and the body goes along', async (status) => {
    const sale = recordSale(async () => ({ kind: 'not-charged', headers: [['L402-Payment', 'not-charged']] }));
    const upstream = await openTunnelUpstream(closing, (stream) => {
      stream.respond({ ':status': status, 'content-length': 4 });
      stream.end('nono');
    });
    const stage = await openGateway(upstream.port, { check: sellWith(sale) });
    const answer = await (await openTunnelBy(way, closing, stage.port)).answer;
    expect([answer.status, answer.body, answer.head.includes('l402-payment: not-charged')]).toEqual([status, 'nono', true]);
    expect(sale.told[0]).toBe(`head ${status}`);
  });

  test('that gets no answer in time is given back: 504', async () => {
    const sale = recordSale();
    const upstream = await openTunnelUpstream(closing, () => {});
    const stage = await openGateway(upstream.port, { check: sellWith(sale) });
    const client = await openTunnelBy(way, closing, stage.port);
    const stream = await upstream.reached(1);
    stage.clock.advance(60_100);
    expect((await client.answer).status).toBe(504);
    expect(sale.told).toEqual(['unanswered upstream']);
    while (!stream.destroyed) await pause();
    expect(stream.rstCode).toBe(8);
  });

  test('that leaves before its answer is given back, and the upstream is told', async () => {
    const sale = recordSale();
    const upstream = await openTunnelUpstream(closing, () => {});
    const stage = await openGateway(upstream.port, { check: sellWith(sale) });
    const client = await openTunnelBy(way, closing, stage.port);
    const stream = await upstream.reached(1);
    client.reset();
    expect(await sale.hears(/^unanswered/)).toBe('unanswered client-left');
    while (!stream.destroyed) await pause();
  });

  test('is asked for once more where the upstream says that it did nothing', async () => {
    const sale = recordSale();
    let asked = 0;
    const upstream = await openTunnelUpstream(closing, (stream) => {
      if (++asked < 3) stream.close(7);
      else stream.respond({ ':status': 200 });
    });
    const stage = await openGateway(upstream.port, { check: sellWith(sale) });
    expect((await (await openTunnelBy(way, closing, stage.port)).answer).status).toBe(200);
    expect([asked, sale.told]).toEqual([3, ['head 101']]);
  });

  test('hears of an upstream that always says so: 502, and nothing is charged', async () => {
    const sale = recordSale();
    const upstream = await openTunnelUpstream(closing, (stream) => stream.close(7));
    const stage = await openGateway(upstream.port, { check: sellWith(sale) });
    expect((await (await openTunnelBy(way, closing, stage.port)).answer).status).toBe(502);
    expect([upstream.streams.length, sale.told]).toEqual([4, ['unanswered upstream']]);
  });

  test('closes as WebSockets do, and has had what it paid for', async () => {
    const { sale, client, stream, upstream, stage } = await open();
    client.write(closes.client);
    while (upstream.received() !== closes.client) await pause();
    stream.end(closes.server, 'latin1');
    await client.until('\x88\x02\x03\xe8');
    client.end();
    expect(await sale.hears(/^end/)).toBe('end delivered');
    expect(await client.closed).toBe('clean');
    expect((await stage.over(1))[0]?.bytes).toEqual({ in: closes.client.length, out: closes.server.length });
    while (!stream.destroyed) await pause();
    expect(stream.rstCode).toBe(0);
  });

  test('ends one direction, and the other stays open', async () => {
    const { sale, client, stream, upstream } = await open();
    const ended = once(stream, 'end');
    client.write('last');
    client.end();
    await ended;
    expect([upstream.received(), sale.told]).toEqual(['last', ['head 101']]);
    stream.write('still here');
    await client.until('still here');
    stream.end('the end');
    await client.until('the end');
    expect(await client.closed).toBe('clean');
  });

  test('that breaks off is charged, and the upstream sees that it broke', async () => {
    const { sale, client, stream } = await open();
    client.reset();
    expect(await sale.hears(/^end/)).toBe('end client-left');
    while (!stream.destroyed) await pause();
    expect(stream.rstCode).toBe(8);
  });

  test.each([
    ['a reset without an error', (stream: ServerHttp2Stream) => stream.close(0)],
    ['a reset that cancels', (stream: ServerHttp2Stream) => void addAbortSignal(AbortSignal.abort(), stream)],
    ['a reset with an error', (stream: ServerHttp2Stream) => void stream.destroy(new Error('broken'))],
    ['the end of its connection', (stream: ServerHttp2Stream) => stream.session?.destroy()],
  ])('gets its payment back where the upstream breaks with %s', async (how, breakOff) => {
    const { sale, client, stream, stage } = await open();
    breakOff(stream);
    expect(await sale.hears(/^end/)).toBe('end upstream-broke');
    // By that word alone the end is one in order.
    if (how === 'a reset without an error') client.end();
    else expect(await client.closed).toBe('reset');
    expect((await stage.over(1))[0]?.ended).toBe('upstream-failed');
  });

  test.each(['client', 'upstream'] as const)('is held up by no more than a few buffers where the %s does not read', async (who) => {
    const { client, stream } = await open();
    const [reader, writer] = who === 'client' ? [client.stream, stream] : [stream, client.stream];
    reader.pause();
    let sent = 0;
    const chunk = Buffer.alloc(65_536);
    const write = () => {
      for (let goesOn = true; goesOn && sent < 256 * 1024 * 1024; sent += chunk.length) goesOn = writer.write(chunk);
    };
    writer.on('drain', write);
    write();
    await settled(() => sent);
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    let got = 0;
    reader.on('data', (bytes: Buffer) => {
      got += bytes.length;
    });
    writer.off('drain', write);
    reader.resume();
    while (got < sent) await pause();
  });

  test('lasts as long as what was bought, and both are told why', async () => {
    const sale = recordSale();
    const validUntil = 1_800_000_030;
    const principal = { validUntil, tokenId: 'ab'.repeat(32) } as Principal;
    const { stage, client, upstream } = await open({ check: () => ({ kind: 'pass', principal, sale, headers: [] }) });
    stage.clock.advance(validUntil * 1000 - stage.clock.nowMs() - 200);
    await pause();
    expect(stage.outcomes).toEqual([]);
    stage.clock.advance(300);
    await client.until('\x88\x02\x03\xf0');
    while (!upstream.received().endsWith('\x03\xf0')) await pause();
    expect((await stage.over(1))[0]?.ended).toBe('delivered');
  });

  test('in which nothing moves for so long is ended, and what moves keeps it open: a ping will do', async () => {
    const { stage, client, stream, upstream, sale } = await open({ top: { timeouts: { idle: '10s' } } });
    stage.clock.advance(6000);
    stream.write('\x89\x00', 'latin1');
    await client.until('\x89\x00');
    stage.clock.advance(6000);
    client.write('\x8a\x80\0\0\0\0');
    while (upstream.received() === '') await pause();
    stage.clock.advance(6000);
    expect(stage.outcomes).toEqual([]);
    stage.clock.advance(6000);
    await client.until('\x88\x02\x03\xe9');
    expect(await sale.hears(/^end/)).toBe('end delivered');
  });

  test('ends when the gateway does, with a word to both', async () => {
    const { stage, client, upstream } = await open();
    const closed = stage.close();
    await pause();
    stage.clock.advance(30_000);
    await client.until('\x88\x02\x03\xe9');
    while (!upstream.received().endsWith('\x03\xe9')) await pause();
    stage.clock.advance(1500);
    await closed;
  });

  test('goes to an upstream that takes none over HTTP/2 by HTTP/1.1, and where it speaks none of that: 502, and nothing is charged', async () => {
    const sale = recordSale();
    const upstream = await openTunnelUpstream(closing, undefined, {});
    const stage = await openGateway(upstream.port, { check: sellWith(sale) });
    const answer = await (await openTunnelBy(way, closing, stage.port)).answer;
    expect([answer.status, answer.body.includes('UPSTREAM_')]).toEqual([502, true]);
    expect([upstream.streams.length, sale.told]).toEqual([0, ['unanswered upstream']]);
  });
});

test('WebSockets have connections of their own, which do not count, and are shared as the upstream allows', async () => {
  const upstream = await openTunnelUpstream(closing, undefined, { enableConnectProtocol: true, maxConcurrentStreams: 2 });
  const stage = await openGateway(upstream.port, { top: { limits: { upstreamConnections: 1 } } });
  const clients = await Promise.all([0, 1, 2].map(() => openTunnelBy('HTTP/1.1', closing, stage.port)));
  for (const client of clients) expect((await client.answer).status).toBe(200);
  expect(upstream.sessions).toHaveLength(2);
  const asked = fetch(`${stage.url}/plain`);
  const stream = await upstream.reached(4);
  stream.end('ok');
  expect(await (await asked).text()).toBe('ok');
  expect(upstream.sessions).toHaveLength(3);
});

test('an upstream that goes away lets its WebSockets go on, and takes no more', async () => {
  const upstream = await openTunnelUpstream(closing);
  const stage = await openGateway(upstream.port);
  const first = await openTunnelBy('HTTP/1.1', closing, stage.port);
  await first.answer;
  upstream.sessions[0]?.goaway(0);
  (await upstream.reached(1)).write('on');
  await first.until('on');
  const second = await openTunnelBy('HTTP/1.1', closing, stage.port);
  expect((await second.answer).status).toBe(200);
  expect(upstream.sessions).toHaveLength(2);
});

describe('over TLS', () => {
  /** An upstream for both protocols, with ws behind HTTP/1.1. */
  async function openBoth(takesTunnels: boolean) {
    const server = createSecureServer({
      key: certificates.serverKey,
      cert: certificates.good,
      allowHTTP1: true,
      settings: { enableConnectProtocol: takesTunnels },
    });
    const spoken: string[] = [];
    const echo = new WebSocketServer({ server: server as never });
    echo.on('connection', (socket) => {
      spoken.push('h1');
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    });
    server.on('stream', (stream) => {
      stream.on('error', () => {});
      spoken.push('h2');
      stream.respond({ ':status': 200 });
      const socket = speakOn(stream, true);
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    });
    const sockets = new Set<{ destroy: () => void }>();
    server.on('connection', (socket) => sockets.add(socket));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    closing.push(() => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    });
    return { port: portOf(server as never), spoken };
  }

  test.each([
    ['h2', true, 'h2'],
    ['auto', true, 'h2'],
    ['h2', false, 'h1'],
    ['auto', false, 'h1'],
  ] as const)('protocol: %s, and the upstream takes WebSockets over HTTP/2: %s', async (protocol, takesTunnels, expected) => {
    const folder = writeCertificates(closing);
    const { port, spoken } = await openBoth(takesTunnels);
    const upstream = { url: `https://localhost:${port}`, protocol, ca: join(folder, 'ca.pem') };
    const stage = await openStage(closing, { upstream: 0, service: { upstream } });
    for (let turn = 0; turn < 2; turn++) {
      const socket = new WebSocket(`ws://127.0.0.1:${stage.port}/live`);
      socket.on('error', () => {});
      closing.push(() => socket.terminate());
      await once(socket, 'open');
      const bytes = Buffer.alloc(1_000_000, 7);
      socket.send(bytes);
      expect(bytes.equals((await once(socket, 'message'))[0] as Buffer)).toBe(true);
      socket.close(4001, 'bye');
      expect((await once(socket, 'close')).map(String)).toEqual(['4001', 'bye']);
    }
    expect(spoken).toEqual([expected, expected]);
  });
});

test('an upstream in HTTP/1.1 alone is asked over HTTP/1.1 by "auto"', async () => {
  // Nothing of TLS is answered: no connection, and nothing is charged.
  const sale = recordSale();
  const port = await openTcp(closing, (socket) => socket.destroy());
  const stage = await openStage(closing, { upstream: 0, check: sellWith(sale), service: { upstream: { url: `https://localhost:${port}`, protocol: 'auto' } } });
  expect((await (await openTunnelBy('HTTP/1.1', closing, stage.port)).answer).status).toBe(502);
  expect(sale.told).toEqual(['unanswered upstream']);
});
