/**
 * WebSockets through the gateway: with a client and a server that others wrote, and over bare sockets where it matters what is on the wire.
 */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { type Check, type Closing, closeAll, deferred, letThrough, openRaw, openStage, openTcp, recordSale, sellWith } from '../../test/gateway/harness.ts';
import type { Principal } from '../server/Offer.ts';
import { acceptOf } from './tunnel/Handshake.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const handshake = (...more: readonly string[]) =>
  [
    'GET /live HTTP/1.1',
    'Host: a',
    'Connection: Upgrade',
    'Upgrade: websocket',
    `Sec-WebSocket-Key: ${key}`,
    'Sec-WebSocket-Version: 13',
    ...more,
    '',
    '',
  ].join('\r\n');
const agreed = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`;

/** A server of WebSockets that echoes, and remembers the handshakes. */
async function openEcho(options: object = {}) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });
  await once(server, 'listening');
  const handshakes: IncomingMessage[] = [];
  server.on('connection', (socket, request) => {
    handshakes.push(request);
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  closing.push(() => {
    for (const client of server.clients) client.terminate();
    return new Promise((resolve) => server.close(resolve));
  });
  return { server, handshakes, port: (server.address() as AddressInfo).port };
}

function connect(url: string, headers: { readonly [name: string]: string } = {}, protocols: string[] = []): WebSocket {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/live?feed=btc`, protocols, { headers });
  socket.on('error', () => {});
  closing.push(() => socket.terminate());
  return socket;
}

/** An upstream that holds its end of a connection in its hands. */
async function openHand(onHead: (socket: Socket, head: string) => void = (socket) => socket.write(agreed)) {
  const sockets: Socket[] = [];
  const heads: string[] = [];
  const port = await openTcp(closing, (socket) => {
    sockets.push(socket);
    let text = '';
    const read = (bytes: Buffer) => {
      text += bytes.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      socket.off('data', read);
      heads.push(text);
      onHead(socket, text);
    };
    socket.on('data', read);
  });
  return { port, sockets, heads };
}

const pause = () => new Promise((resolve) => setImmediate(resolve));

describe('with ws on both sides', () => {
  test('text, bytes and a close with a reason go through, with what both agreed on', async () => {
    const echo = await openEcho({ perMessageDeflate: true, handleProtocols: () => 'chat' });
    const stage = await openStage(closing, { upstream: echo.port });
    const socket = connect(stage.url, { 'x-a': 'b' }, ['chat', 'other']);
    await once(socket, 'open');
    expect([socket.protocol, socket.extensions]).toEqual(['chat', 'permessage-deflate']);
    socket.send('hello');
    expect((await once(socket, 'message'))[0].toString()).toBe('hello');
    const bytes = Buffer.alloc(3_000_000, 7);
    socket.send(bytes);
    expect(bytes.equals((await once(socket, 'message'))[0])).toBe(true);
    socket.close(4001, 'bye');
    expect((await once(socket, 'close')).map(String)).toEqual(['4001', 'bye']);
    const [seen] = echo.handshakes;
    expect([seen?.url, seen?.headers['x-a'], seen?.headers['x-forwarded-for'], seen?.headers.connection]).toEqual([
      '/live?feed=btc',
      'b',
      '127.0.0.1',
      'Upgrade',
    ]);
    const [outcome] = await stage.over(1);
    expect([outcome?.status, outcome?.ended]).toEqual([101, 'delivered']);
    expect(outcome?.bytes?.in).toBeGreaterThan(1000);
  });

  test('a server that closes says so to its client', async () => {
    const echo = await openEcho();
    const stage = await openStage(closing, { upstream: echo.port });
    const socket = connect(stage.url);
    await once(socket, 'open');
    for (const client of echo.server.clients) client.close(1011, 'broken');
    expect((await once(socket, 'close')).map(String)).toEqual(['1011', 'broken']);
    expect((await stage.over(1))[0]?.ended).toBe('delivered');
  });

  test('many at once, and other requests beside them', async () => {
    const echo = await openEcho();
    const stage = await openStage(closing, { upstream: echo.port, top: { limits: { upstreamConnections: 1 } } });
    const sockets = Array.from({ length: 20 }, () => connect(stage.url));
    await Promise.all(sockets.map((socket) => once(socket, 'open')));
    const answers = sockets.map((socket) => once(socket, 'message'));
    for (const [index, socket] of sockets.entries()) socket.send(`${index}`);
    expect((await Promise.all(answers)).map(([data]) => String(data))).toEqual(sockets.map((_, index) => `${index}`));
    // The one connection for requests is not among those that are tunnels.
    expect((await fetch(`${stage.url}/plain`)).status).toBe(426);
  });
});

describe('over TLS', () => {
  const vectors = JSON.parse(readFileSync(new URL('../../test/vectors/tls.json', import.meta.url), 'utf8')) as Record<string, string>;
  const folder = mkdtempSync(join(tmpdir(), 'farebox-wss-'));
  const ca = join(folder, 'ca.pem');
  writeFileSync(ca, vectors.authority ?? '');
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    ['good', 'hello'],
    ['selfSigned', '502'],
    ['otherHost', '502'],
  ])('on both sides; an upstream with the certificate %s: %s', async (certificate, expected) => {
    const server = createServer({ key: vectors.serverKey, cert: vectors[certificate] });
    const echo = new WebSocketServer({ server });
    let handshakes = 0;
    echo.on('connection', (socket) => {
      handshakes++;
      socket.on('message', (data) => socket.send(data));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    closing.push(() => {
      for (const client of echo.clients) client.terminate();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const stage = await openStage(closing, { upstream: 0, service: { upstream: { url, ca } }, top: { tls: 'self-signed' } });
    const socket = new WebSocket(`wss://127.0.0.1:${stage.port}/live`, { rejectUnauthorized: false });
    socket.on('error', () => {});
    closing.push(() => socket.terminate());
    const opened = new Promise((resolve) => {
      socket.on('open', () => socket.send('hello'));
      socket.on('message', (data) => resolve(String(data)));
      socket.on('unexpected-response', (_, response) => resolve(String(response.statusCode)));
    });
    expect([await opened, handshakes]).toEqual([expected, expected === 'hello' ? 1 : 0]);
    socket.close();
  });
});

describe('the handshake', () => {
  test('is paid for first: 402 with a challenge, as an ordinary answer, and nothing is asked behind it', async () => {
    const hand = await openHand();
    const check: Check = () => ({ kind: 'challenge', answer: { status: 402, headers: [['WWW-Authenticate', 'L402 macaroon="a", invoice="b"']], body: 'pay' } });
    const stage = await openStage(closing, { upstream: hand.port, check });
    const socket = connect(stage.url);
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
    expect([response.statusCode, response.headers['www-authenticate'], response.headers.connection]).toEqual([402, 'L402 macaroon="a", invoice="b"', 'close']);
    response.resume();
    await once(response, 'end');
    expect(hand.sockets).toEqual([]);
    expect((await stage.over(1))[0]?.ended).toBe('answered');
  });

  test('is written down as paid before the client is let in', async () => {
    const written = deferred<{ kind: 'charged'; headers: [string, string][] }>();
    const sale = recordSale(() => written.promise);
    const hand = await openHand((socket) => socket.write(`${agreed}\x81\x02hi`, 'latin1'));
    const stage = await openStage(closing, { upstream: hand.port, check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write(handshake());
    await sale.hears(/^head 101$/);
    await pause();
    expect(client.received()).toBe('');
    written.resolve({
      kind: 'charged',
      headers: [
        ['L402-Payment', 'charged'],
        ['Payment-Receipt', 'abc'],
      ],
    });
    const text = await client.until(/hi$/);
    expect(text).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
    for (const line of [
      'Connection: Upgrade',
      'Upgrade: websocket',
      `Sec-WebSocket-Accept: ${acceptOf(key)}`,
      'L402-Payment: charged',
      'Payment-Receipt: abc',
    ]) {
      expect(text).toContain(`\r\n${line}\r\n`);
    }
    expect(text).not.toMatch(/content-length|transfer-encoding/i);
    expect(hand.heads[0]).toContain('\r\nIdempotency-Key: key-of-the-sale\r\n');
  });

  test.each([401, 404, 426, 500])('that the upstream refuses with %i is answered so, and its body goes along', async (status) => {
    const sale = recordSale(async () => ({ kind: 'not-charged', headers: [['L402-Payment', 'not-charged']] }));
    const hand = await openHand((socket) => socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 4\r\nSec-WebSocket-Version: 13\r\n\r\nnono`));
    const stage = await openStage(closing, { upstream: hand.port, check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write(handshake());
    const text = await client.until(/nono$/);
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(text).toMatch(/\r\nConnection: close\r\n/);
    expect(text).toMatch(/\r\nL402-Payment: not-charged\r\n/);
    await sale.hears(/^head/);
    client.socket.end();
    expect(await client.closed).toBe('clean');
  });

  test.each([
    ['another protocol', agreed.replace('Upgrade: websocket', 'Upgrade: h2c')],
    ['no protocol', agreed.replace('Upgrade: websocket\r\n', '')],
    ['several protocols', agreed.replace('Upgrade: websocket', 'Upgrade: websocket, h2c')],
    ['a connection that stays HTTP', agreed.replace('Connection: Upgrade', 'Connection: keep-alive')],
    ['an answer to another key', agreed.replace(acceptOf(key), acceptOf('AAAAAAAAAAAAAAAAAAAAAA=='))],
    ['no answer to the key', agreed.replace(/Sec-WebSocket-Accept.*\r\n/, '')],
    ['two answers to the key', agreed.replace('\r\n\r\n', `\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`)],
    ['a length', agreed.replace('\r\n\r\n', '\r\nContent-Length: 5\r\n\r\n')],
    ['chunks', agreed.replace('\r\n\r\n', '\r\nTransfer-Encoding: chunked\r\n\r\n')],
  ])('a 101 with %s is none: 502, and nothing is charged', async (_, answer) => {
    const sale = recordSale();
    const hand = await openHand((socket) => socket.write(answer));
    const stage = await openStage(closing, { upstream: hand.port, check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write(handshake());
    expect(await client.until(/UPSTREAM_/)).toMatch(/^HTTP\/1\.1 502 /);
    expect(sale.told).toEqual(['unanswered upstream']);
    while (!hand.sockets[0]?.destroyed) await pause();
  });

  test('a 101 to a request that did not ask is refused as ever', async () => {
    const hand = await openHand();
    const stage = await openStage(closing, { upstream: hand.port });
    const client = await openRaw(closing, stage.port);
    client.write(`GET /live HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: ${key}\r\n\r\n`);
    expect(await client.until(/UPSTREAM_MALFORMED/)).toMatch(/^HTTP\/1\.1 502 /);
  });

  test('whose client leaves before its answer is given back, and the upstream is let go', async () => {
    const sale = recordSale();
    const hand = await openHand(() => {});
    const stage = await openStage(closing, { upstream: hand.port, check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write(handshake());
    while (hand.heads.length === 0) await pause();
    client.socket.destroy();
    await sale.hears(/^unanswered client-left$/);
    while (!hand.sockets[0]?.destroyed) await pause();
  });

  test('that gets no answer in time is given back: 504', async () => {
    const sale = recordSale();
    const hand = await openHand(() => {});
    const stage = await openStage(closing, { upstream: hand.port, check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write(handshake());
    while (hand.heads.length === 0) await pause();
    stage.clock.advance(60_100);
    expect(await client.until(/UPSTREAM_TIMEOUT/)).toMatch(/^HTTP\/1\.1 504 /);
    expect(sale.told).toEqual(['unanswered upstream']);
  });

  test.each([
    ['without Connection', handshake().replace('Connection: Upgrade', 'Connection: keep-alive')],
    ['among other protocols', handshake().replace('Upgrade: websocket', 'Upgrade: h2c, websocket')],
    ['on two lines', handshake('Upgrade: websocket')],
    ['with a version behind its name', handshake().replace('Upgrade: websocket', 'Upgrade: websocket/13')],
    ['without a key', handshake().replace(/Sec-WebSocket-Key.*\r\n/, '')],
    ['with two keys', handshake(`Sec-WebSocket-Key: ${key}`)],
    ['with a short key', handshake().replace(key, 'AAAA')],
    ['with a key that is none', handshake().replace(key, 'dGhlIHNhbXBsZSBub25jZR==')],
    ['by POST', handshake().replace('GET', 'POST')],
    ['with a body', `${handshake('Content-Length: 2')}hi`],
    ['with a body in chunks', `${handshake('Transfer-Encoding: chunked')}2\r\nhi\r\n0\r\n\r\n`],
    ['with two hosts', handshake('Host: b')],
  ])('%s is refused before anybody pays or is asked', async (_, bytes) => {
    let checks = 0;
    const hand = await openHand();
    const check: Check = (...asked) => {
      checks++;
      return letThrough(...asked);
    };
    const stage = await openStage(closing, { upstream: hand.port, check });
    const client = await openRaw(closing, stage.port);
    client.write(bytes);
    expect(await client.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 400 /);
    client.socket.end();
    await client.closed;
    expect([client.received().match(/HTTP\/1\.1 /g)?.length, checks, hand.sockets.length]).toEqual([1, 0, 0]);
  });

  test.each([
    ['HTTP/1.0, which has no upgrades', handshake().replace('HTTP/1.1', 'HTTP/1.0')],
    ['another protocol', handshake().replace('Upgrade: websocket', 'Upgrade: h2c')],
    ['another protocol, and a body', `${handshake('Content-Length: 2').replace('Upgrade: websocket', 'Upgrade: h2c').replace('GET', 'POST')}hi`],
  ])('%s: answered as if it had not been asked', async (_, bytes) => {
    const hand = await openHand((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    const stage = await openStage(closing, { upstream: hand.port });
    const client = await openRaw(closing, stage.port);
    client.write(bytes);
    expect(await client.until(/ok$/)).toMatch(/^HTTP\/1\.1 200 /);
    expect(hand.heads[0]).not.toMatch(/\r\nUpgrade:/i);
    expect(hand.heads[0]).toMatch(/\r\nConnection: keep-alive\r\n/);
  });

  test('so many and no more, before anybody pays; when one ends, the next may come', async () => {
    let checks = 0;
    const echo = await openEcho();
    const check: Check = (...asked) => {
      checks++;
      return letThrough(...asked);
    };
    const stage = await openStage(closing, { upstream: echo.port, check, top: { limits: { webSockets: 1 } } });
    const first = connect(stage.url);
    await once(first, 'open');
    const [, refused] = (await once(connect(stage.url), 'unexpected-response')) as [unknown, IncomingMessage];
    expect([refused.statusCode, refused.headers['retry-after'], checks]).toEqual([503, '1', 1]);
    refused.resume();
    first.close();
    await stage.over(2);
    await once(connect(stage.url), 'open');
  });
});

describe('what is said ahead', () => {
  test('goes nowhere before the upstream has agreed, and then before anything else', async () => {
    const sale = recordSale();
    const hand = await openHand(() => {});
    const stage = await openStage(closing, { upstream: hand.port, check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write(`${handshake()}GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n`);
    while (hand.heads.length === 0) await pause();
    client.write('one');
    await pause();
    expect(hand.heads[0]).not.toContain('hidden');
    let text = '';
    hand.sockets[0]?.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
    await pause();
    expect(text).toBe('');
    hand.sockets[0]?.write(agreed);
    await client.until(/101[\s\S]*\r\n\r\n/);
    client.write('two');
    while (!text.includes('two')) await pause();
    expect(text).toBe('GET /hidden HTTP/1.1\r\nHost: a\r\n\r\nonetwo');
    expect(stage.outcomes).toEqual([]);
  });

  test('goes nowhere at all where the upstream refuses, and is no request of its own', async () => {
    let text = '';
    const hand = await openHand((socket) => {
      socket.on('data', (bytes: Buffer) => {
        text += bytes.toString();
      });
      socket.write('HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnono');
    });
    const stage = await openStage(closing, { upstream: hand.port });
    const client = await openRaw(closing, stage.port);
    client.write(`${handshake()}GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n`);
    await client.until(/nono$/);
    client.write('GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n');
    client.socket.end();
    expect(await client.closed).toBe('clean');
    expect([text, client.received().match(/HTTP\/1\.1 /g)?.length, stage.outcomes.length]).toEqual(['', 1, 1]);
  });

  test('is bounded: a client that says more waits until it is heard', async () => {
    const hand = await openHand(() => {});
    const stage = await openStage(closing, { upstream: hand.port });
    const client = await openRaw(closing, stage.port);
    client.write(handshake());
    const bytes = Buffer.alloc(16 * 1024 * 1024, 1);
    const isTaken = new Promise((resolve) => client.socket.write(bytes, resolve));
    while (hand.heads.length === 0) await pause();
    expect(await Promise.race([isTaken, new Promise((resolve) => setTimeout(resolve, 100, 'not taken'))])).toBe('not taken');
    let got = 0;
    hand.sockets[0]?.on('data', (more: Buffer) => {
      got += more.length;
    });
    hand.sockets[0]?.write(agreed);
    await isTaken;
    while (got < bytes.length) await pause();
  });

  test('behind a request that is still being answered, a handshake waits its turn', async () => {
    const hand = await openHand(() => {});
    const stage = await openStage(closing, { upstream: hand.port });
    const client = await openRaw(closing, stage.port);
    client.write(`GET /first HTTP/1.1\r\nHost: a\r\n\r\n${handshake()}`);
    while (hand.heads.length === 0) await pause();
    await pause();
    expect(hand.heads.map((head) => head.split(' ')[1])).toEqual(['/first']);
    hand.sockets[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst');
    while (hand.heads.length === 1) await pause();
    hand.sockets[1]?.write(`${agreed}second`);
    const text = await client.until(/second$/);
    expect(text.match(/HTTP\/1\.1 \d{3}/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 101']);
  });
});

describe('a tunnel', () => {
  /** One that is open, and both of its ends. */
  async function open(options: Partial<Parameters<typeof openStage>[1]> = {}) {
    const sale = recordSale();
    const hand = await openHand();
    const stage = await openStage(closing, { upstream: hand.port, check: sellWith(sale), ...options });
    const client = await openRaw(closing, stage.port);
    client.write(handshake());
    await client.until(/101[\s\S]*\r\n\r\n/);
    const upstream = hand.sockets[0] as Socket;
    let text = '';
    upstream.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
    });
    return { sale, hand, stage, client, upstream, sent: () => text };
  }
  const close = '\x88\x02\x03\xe8';
  const [closing1000, goingAway, notAllowed] = ['\x88\x02\x03\xe8', '\x88\x02\x03\xe9$', '\x88\x02\x03\xf0$'].map((text) => new RegExp(text)) as [
    RegExp,
    RegExp,
    RegExp,
  ];
  const maskedClose = '\x88\x82\0\0\0\0\x03\xe8';

  test('a client that leaves without a word is charged, and its upstream is let go', async () => {
    const { sale, client, upstream, stage } = await open();
    upstream.on('end', () => upstream.end());
    client.socket.end();
    expect(await sale.hears(/^end/)).toBe('end client-left');
    expect((await stage.over(1))[0]?.ended).toBe('client-left');
    expect(await client.closed).toBe('clean');
  });

  test('a client that closes as WebSockets do has had what it paid for', async () => {
    const { sale, client, upstream } = await open();
    upstream.once('data', () => upstream.end(close, 'latin1'));
    client.write(maskedClose);
    await client.until(closing1000);
    client.socket.end();
    expect(await sale.hears(/^end/)).toBe('end delivered');
  });

  test.each(['a reset', 'an end without a word'])('an upstream that breaks with %s gives the payment back, and the client sees it', async (how) => {
    const { sale, client, upstream, stage } = await open();
    if (how === 'a reset') upstream.resetAndDestroy();
    else upstream.end();
    if (how === 'a reset') expect(await client.closed).toBe('reset');
    else client.socket.end();
    expect(await sale.hears(/^end/)).toBe('end upstream-broke');
    expect((await stage.over(1))[0]?.ended).toBe('upstream-failed');
  });

  test('a client that is reset resets its upstream', async () => {
    const { client, upstream, sale } = await open();
    const error = once(upstream, 'error');
    client.socket.resetAndDestroy();
    expect(((await error)[0] as NodeJS.ErrnoException).code).toBe('ECONNRESET');
    await sale.hears(/^end client-left$/);
  });

  test('an end of one direction leaves the other open', async () => {
    const { client, upstream, sale, sent } = await open();
    upstream.allowHalfOpen = true;
    client.write('last');
    client.socket.end();
    await once(upstream, 'end');
    expect([sent(), sale.told]).toEqual(['last', ['head 101']]);
    upstream.write('still here');
    await client.until(/still here$/);
    upstream.end('the end');
    await client.until(/the end$/);
    expect(await client.closed).toBe('clean');
  });

  test.each(['client', 'upstream'] as const)('holds no more than fits into a few buffers where the %s does not read', async (who) => {
    const { client, upstream } = await open();
    const [reader, writer] = who === 'client' ? [client.socket, upstream] : [upstream, client.socket];
    reader.pause();
    let sent = 0;
    let got = 0;
    const chunk = Buffer.alloc(65_536);
    for (let still = 0, last = -1; still < 5; ) {
      while (sent < 256 * 1024 * 1024 && writer.write(chunk)) sent += chunk.length;
      await new Promise((resolve) => setTimeout(resolve, 20));
      still = sent === last ? still + 1 : 0;
      last = sent;
    }
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    reader.on('data', (bytes: Buffer) => {
      got += bytes.length;
    });
    reader.resume();
    while (got < sent) await pause();
  });

  test('in which nothing moves for so long ends with a word to both, and so does one whose client takes nothing', async () => {
    const idle = await open({ top: { timeouts: { idle: '10s' } } });
    idle.stage.clock.advance(6000);
    idle.client.write('x');
    while (idle.sent() === '') await pause();
    idle.stage.clock.advance(6000);
    expect(idle.stage.outcomes).toEqual([]);
    idle.stage.clock.advance(6000);
    expect(await idle.sale.hears(/^end/)).toBe('end delivered');
    // In the midst of what could be a frame of the client's, nothing is said to the upstream.
    expect(await idle.client.until(goingAway)).toMatch(/101/);
    expect(idle.sent()).toBe('x');
  });

  test('lasts no longer than the operator says, however busy it is', async () => {
    const { stage, client, sale, sent } = await open({ top: { timeouts: { webSocket: '60s', idle: '50s' } } });
    for (let i = 1; i <= 5; i++) {
      stage.clock.advance(11_000);
      client.write('\x81\x80\0\0\0\0');
      while (sent().length < 6 * i) await pause();
    }
    expect(stage.outcomes).toEqual([]);
    stage.clock.advance(6000);
    await client.until(notAllowed);
    expect(await sale.hears(/^end/)).toBe('end delivered');
    while (!sent().endsWith('\x88\x82\0\0\0\0\x03\xf0')) await pause();
  });

  test('lasts as long as what was bought', async () => {
    const sale = recordSale();
    const validUntil = 1_800_000_030;
    const principal = { validUntil, tokenId: 'ab'.repeat(32) } as Principal;
    const { stage, client } = await open({ check: () => ({ kind: 'pass', principal, sale, headers: [] }) });
    const leftMs = validUntil * 1000 - stage.clock.nowMs();
    stage.clock.advance(leftMs - 200);
    await pause();
    expect(stage.outcomes).toEqual([]);
    stage.clock.advance(300);
    await client.until(notAllowed);
    expect((await stage.over(1))[0]?.ended).toBe('delivered');
  });

  test('ends when the gateway does, after the time that running requests have, and with a word', async () => {
    const { stage, client, sale, hand } = await open();
    const closed = stage.close();
    await pause();
    expect(sale.told).toEqual(['head 101']);
    stage.clock.advance(30_000);
    await client.until(goingAway);
    expect(await sale.hears(/^end/)).toBe('end client-left');
    stage.clock.advance(1500);
    await closed;
    while (!hand.sockets[0]?.destroyed) await pause();
  });
});
