/**
 * Anonymous requests that each cost an invoice: limits for each client and for all of them, and nothing that grows with what is not paid.
 */
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { Receiver } from '../../src/lightning/Lightning.ts';
import type { PaywallOptions } from '../../src/server/PaywallOptions.ts';
import type { Ask, Shop } from '../conformance/shop/shop.ts';
import { testStrangersOnEveryWire } from './everyWireRows.ts';
import { isFar } from './stores.ts';
import { enter, path, wires } from './thief.ts';

/** A gateway behind a proxy that it trusts, through which clients come from wherever they say. */
const openBehindProxy = (overrides: Partial<PaywallOptions>): Promise<Shop> => enter('gateway', overrides, { gateway: { trustedProxies: ['127.0.0.1'] } });
/** A server's own line has a timer or two now and then; whoever is not paid leaves none. */
/** One timer looks after all connections of HTTP/2. */
const timersOf = (name: string) => (isFar ? 3 : name === 'gateway over HTTP/2' ? 2 : 1);
const from = (address: string): Ask => ({ headers: { 'x-forwarded-for': address } });

describe.each(wires)('behind %s', (name) => {
  test('a client gets so many invoices a minute, whatever it asks for, and one more when its time has come', async () => {
    const { get, invoices, clock, upstream } = await enter(name, { mintLimits: { perClientPerMinute: 4 } });
    const asks: readonly (readonly [string, Ask?])[] = [
      [path],
      [path, { method: 'HEAD' }],
      [path, { method: 'POST', body: 'x' }],
      ['/api/v1/premium', { headers: { authorization: 'Bearer one' } }],
      ['/deep/a', { headers: { 'user-agent': 'another', cookie: 'session=2' } }],
      ['/deep/b', { headers: { connection: 'close' } }],
      [path],
    ];
    const answers = [];
    for (const [where, ask] of asks) answers.push(await get(where, ask));
    expect(answers.map(({ status }) => status)).toEqual([402, 402, 402, 402, 429, 429, 429]);
    for (const { status, headers, lines, body } of answers.slice(4)) {
      expect([status, headers['retry-after'], lines]).toEqual([429, '15', []]);
      expect(JSON.parse(body)).toMatchObject({ code: 'RATE_LIMITED', retryAfterSeconds: 15 });
    }
    expect(invoices()).toBe(4);
    clock.advance(14_999);
    expect((await get(path)).status).toBe(429);
    clock.advance(1);
    expect([(await get(path)).status, (await get(path)).status]).toEqual([402, 429]);
    clock.advance(3_600_000);
    // An hour of silence saves up no more than a minute's worth.
    const later = [];
    for (let index = 0; index < 6; index++) later.push((await get(path)).status);
    expect(later).toEqual([402, 402, 402, 402, 429, 429]);
    expect(invoices()).toBe(9);
    expect(upstream.seen).toEqual([]);
  });

  test('all clients together get so many', async () => {
    const { get, invoices } = await enter(name, { mintLimits: { perMinute: 3 } });
    const all = await Promise.all(Array.from({ length: 20 }, () => get(path)));
    expect(all.map(({ status }) => status).sort()).toEqual([402, 402, 402, ...Array(17).fill(429)]);
    expect(invoices()).toBe(3);
  });

  test('who has paid is served while strangers are told to wait', async () => {
    const { get, buy } = await enter(name, { mintLimits: { perMinute: 2, perClientPerMinute: 2 } });
    const [first, second] = [await buy(path), await buy('/pass')];
    expect((await get(path)).status).toBe(429);
    expect((await get(path, { headers: { authorization: first.authorization } })).status).toBe(200);
    expect((await get('/pass', { headers: { authorization: second.authorization } })).status).toBe(200);
  });

  test('an unpaid challenge writes nothing to the store, reads nothing there, and leaves no timer', async () => {
    const { get, asked, clock, store, buy } = await enter(name);
    const idle = clock.timers();
    await Promise.all(Array.from({ length: 100 }, (_, index) => get(`${path}&n=${index}`)));
    expect(asked()).toEqual([]);
    expect(clock.timers() - idle).toBeLessThan(timersOf(name));
    expect(await store.totals()).toMatchObject({ receivedMsat: 0n, payments: 0 });
    // The same watch sees a purchase.
    const { authorization } = await buy(path);
    await get(path, { headers: { authorization } });
    expect(asked()).toContain('claim');
  });

  test('a node that does not answer holds nobody for longer than its time', async () => {
    let waiting = 0;
    const hanging = (own: Receiver): Receiver => ({
      ...own,
      createInvoice: () => {
        waiting++;
        return new Promise(() => {});
      },
    });
    const { get, clock } = await enter(name, { mintLimits: { perMinute: 5 }, nodeTimeoutMs: 3000 }, { receiver: hanging });
    const idle = clock.timers();
    const all = Array.from({ length: 30 }, () => get(path));
    const refused = all.map((answer) => answer.then(({ status }) => status === 429));
    while (waiting < 5) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(3000);
    const statuses = (await Promise.all(all)).map(({ status }) => status);
    expect(statuses.sort()).toEqual([...Array(25).fill(429), ...Array(5).fill(503)]);
    expect((await Promise.all(refused)).filter(Boolean).length).toBe(25);
    expect(waiting).toBe(5);
    expect(clock.timers() - idle).toBeLessThan(timersOf(name));
  });
});

describe('behind a proxy', () => {
  test('one client’s greed is no other’s, and one address in many spellings is one client', async () => {
    const { get, invoices } = await openBehindProxy({ mintLimits: { perClientPerMinute: 2 } });
    const statuses = [];
    for (const address of ['203.0.113.1', '203.0.113.1:4711', '::ffff:203.0.113.1', '203.0.113.1', '203.0.113.2'])
      statuses.push((await get(path, from(address))).status);
    expect(statuses).toEqual([402, 402, 429, 429, 402]);
    expect(invoices()).toBe(3);
  });

  test('an IPv6 network of one customer is one client', async () => {
    const { get, invoices } = await openBehindProxy({ mintLimits: { perClientPerMinute: 2 } });
    const mine = ['2001:db8:0:1::1', '2001:DB8:0:1:ffff::2', '[2001:0db8:0000:0001:1:2:3:4]:443', '2001:db8:0:1::', '2001:db8:0:1:a:b:c:d'];
    const statuses = [];
    for (const address of [...mine, '2001:db8:0:2::1']) statuses.push((await get(path, from(address))).status);
    expect(statuses).toEqual([402, 402, 429, 429, 429, 402]);
    expect(invoices()).toBe(3);
  });

  test('no more than ten thousand clients are remembered, and those who come after still get no invoice for nothing', async () => {
    const { get, invoices, url } = await openBehindProxy({ mintLimits: { perClientPerMinute: 1, perMinute: 2 } });
    expect((await get(path, from('192.0.2.1'))).status).toBe(402);
    // Its own bucket is empty for a minute: longer than that of all clients together.
    expect((await get(path, from('192.0.2.1'))).headers['retry-after']).toBe('60');
    const addresses = Array.from({ length: 10_001 }, (_, index) => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`);
    expect(await flood(Number(new URL(url).port), addresses)).toEqual({ 402: 1, 429: 10_000 });
    expect((await get(path, from('192.0.2.1'))).headers['retry-after']).toBe('30');
    expect(invoices()).toBe(2);
  });
});

/** As many as a client may send ahead of their answers. */
const ahead = 30;

/** A request from each address, all on one connection, some of them sent ahead; the answers by their status. */
function flood(port: number, addresses: readonly string[]): Promise<{ readonly [status: string]: number }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let text = '';
    let answered = 0;
    let asked = 0;
    const ask = () => {
      const next = addresses.slice(asked, answered + ahead);
      asked += next.length;
      socket.write(next.map((address) => `GET ${path} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ${address}\r\n\r\n`).join(''));
    };
    const counts: { [status: string]: number } = {};
    socket.setEncoding('latin1').on('error', reject);
    socket.on('data', (chunk: string) => {
      text += chunk;
      const heads = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)];
      const last = heads.at(-1);
      if (last === undefined) return;
      for (const [, status = ''] of heads) counts[status] = (counts[status] ?? 0) + 1;
      answered += heads.length;
      text = text.slice(last.index + last[0].length);
      if (answered < addresses.length) return ask();
      socket.destroy();
      resolve(counts);
    });
    ask();
  });
}

describe('a gateway that bounds requests', () => {
  test('makes no invoice, asks no store and reaches no upstream for one that is too many, whatever it brings', async () => {
    const { get, buy, invoices, upstream, asked } = await enter('gateway', {}, { gateway: { limits: { requestsPerClient: '3/m' } } });
    const { authorization } = await buy('/pass');
    const answers = [];
    for (const headers of [{}, {}, {}, { authorization }, { authorization: 'L402 garbage' }]) answers.push(await get('/pass', { headers }));
    const before = asked().length;
    expect(answers.map(({ status }) => status)).toEqual([402, 402, 429, 429, 429]);
    expect(answers.slice(2).map(({ lines, headers }) => [lines, headers['retry-after']])).toEqual(Array(3).fill([[], '20']));
    expect([invoices(), upstream.seen.length]).toEqual([3, 0]);
    await get('/pass');
    expect(asked().length).toBe(before);
  });
});

describe('on every protocol', testStrangersOnEveryWire);
