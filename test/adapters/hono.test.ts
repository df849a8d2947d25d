import { once } from 'node:events';
import { Hono } from 'hono';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { paywall, principalOf } from '../../src/adapters/hono.ts';
import { pass } from '../../src/server/terms/Pass.ts';
import { get, openStall, paid, raw, rest, type Stall } from './stall.ts';

let stall: Stall | undefined;
const rejections: unknown[] = [];
const onRejection = (error: unknown) => void rejections.push(error);
beforeEach(() => {
  rejections.length = 0;
  process.on('unhandledRejection', onRejection);
});
afterEach(async () => {
  await stall?.close();
  stall = undefined;
  process.off('unhandledRejection', onRejection);
});
const open = async (...given: Parameters<typeof openStall>) => {
  stall = await openStall(...given);
  return stall;
};

describe('hono', () => {
  test('HEAD: the answer ends, so that no heartbeat goes on and the use is over', async () => {
    const s = await open();
    const app = new Hono();
    app.get('/x', paywall(s.paywall, { price: '1 sat' }), (context) => context.json({ good: true }));
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    expect((await get(`${url}/x`, paid(bought.authorization, { method: 'HEAD' }))).status).toBe(200);
    await rest();
    expect([s.told.at(-1), s.timers()]).toEqual(['delivered', 0]);
  });

  test('an answer that a middleware outside replaces: no heartbeat goes on', async () => {
    const s = await open();
    const app = new Hono();
    app.use(async (context, next) => {
      await next();
      if (context.req.query('not-modified')) context.res = new Response(null, { status: 304 });
    });
    app.get('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), (context) => context.json({ good: true }));
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    expect((await get(`${url}/x?not-modified=1`, paid(bought.authorization))).status).toBe(304);
    for (let i = 0; i < 62; i++) {
      s.clock.advance(1000);
      await rest();
    }
    expect(s.timers()).toBe(0);
  });

  test('a handler that throws what is no Error: given back, no heartbeat', async () => {
    const s = await open();
    const app = new Hono();
    app.get('/x', paywall(s.paywall, { price: '1 sat' }), () => {
      throw 'a text';
    });
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    await get(`${url}/x`, paid(bought.authorization)).catch(() => undefined);
    await rest();
    expect([s.told.at(-1), s.timers()]).toEqual(['released upstream', 0]);
  });

  test('a handler that forgets to answer: charged for nothing never', async () => {
    const s = await open();
    const app = new Hono();
    app.get('/x', paywall(s.paywall, { price: '1 sat' }), (() => undefined) as never);
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    const got = await get(`${url}/x`, paid(bought.authorization));
    await rest();
    expect([got.status, s.told.includes('charged')]).toEqual([500, false]);
  });

  test('a client that leaves in the middle of its body: given back, no heartbeat', async () => {
    const s = await open();
    const app = new Hono();
    app.post('/x', paywall(s.paywall, { price: '1 sat' }), async (context) => context.text(await context.req.text()));
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`, { method: 'POST' });
    const socket = await raw(url, `POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\nAuthorization: ${bought.authorization}\r\n\r\nhalf`);
    await rest();
    socket.destroy();
    await rest();
    expect(s.timers()).toBe(0);
    expect((await get(`${url}/x`, paid(bought.authorization, { method: 'POST' }))).status).toBe(200);
  });

  test('one Response object for every request: the second is not charged for a 503', async () => {
    const s = await open();
    const app = new Hono();
    const same = new Response('x');
    app.get('/x', paywall(s.paywall, { price: '1 sat' }), () => same);
    const url = await s.open(app);
    const first = await s.buy(`${url}/x`);
    await get(`${url}/x`, paid(first.authorization));
    const second = await s.buy(`${url}/x`);
    const got = await get(`${url}/x`, paid(second.authorization));
    await rest();
    expect([got.status >= 500, s.timers(), (await s.store.totals()).sales]).toEqual([true, 0, 1]);
  });

  test('a pass in front of a handler that hands on what fetch gave it', async () => {
    const s = await open();
    const upstream = await s.open((_, response) => void response.end('fetched'));
    const app = new Hono();
    app.get('/x', paywall(s.paywall, { price: '1 sat', terms: pass({ seconds: 60 }) }), () => fetch(upstream));
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    const got = await get(`${url}/x`, paid(bought.authorization));
    expect([got.status, got.body, typeof got.headers['payment-receipt']]).toEqual([200, 'fetched', 'string']);
  });

  test('a client that leaves while the commit is written: the same request is answered again', async () => {
    let arrived = () => {};
    const committing = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    let first = true;
    const s = await open({}, (store) => ({
      ...store,
      commit: async (request) => {
        if (first) {
          first = false;
          arrived();
          await gate;
        }
        return store.commit(request);
      },
    }));
    const app = new Hono();
    app.get('/x', paywall(s.paywall, { price: '1 sat' }), (context) => context.text('x'));
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    const socket = await raw(url, `GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: ${bought.authorization}\r\n\r\n`);
    await committing;
    socket.destroy();
    await rest();
    go();
    await rest();
    expect(s.told.filter((one) => one === 'left' || one === 'delivered')).toEqual(['left']);
    expect((await get(`${url}/x`, paid(bought.authorization))).status).toBe(200);
  });

  test('a store that does not say whether a commit happened: no heartbeat goes on', async () => {
    let fails = 1;
    const s = await open({}, (store) => ({ ...store, commit: (request) => (fails-- > 0 ? Promise.reject(new Error('gone')) : store.commit(request)) }));
    const app = new Hono();
    app.get('/x', paywall(s.paywall, { price: '1 sat' }), (context) => context.text('x'));
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    expect((await get(`${url}/x`, paid(bought.authorization))).status).toBe(503);
    await rest();
    expect(s.timers()).toBe(0);
  });

  test('a handler that never ends for a client that left a POST is given up after a minute', async () => {
    const s = await open();
    let seen = () => {};
    const began = new Promise<void>((resolve) => {
      seen = resolve;
    });
    const app = new Hono();
    app.post('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), () => {
      seen();
      return new Promise<Response>(() => {});
    });
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`, { method: 'POST' });
    const socket = await raw(url, `POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nAuthorization: ${bought.authorization}\r\n\r\n`);
    await began;
    socket.destroy();
    await rest();
    for (let i = 0; i < 62; i++) {
      s.clock.advance(1000);
      await rest();
    }
    expect([s.told.at(-1), s.timers()]).toEqual(['released client-left', 0]);
  });

  test('principalOf knows who paid where the runtime keeps request headers as they came', async () => {
    const s = await open();
    let who: unknown;
    const app = new Hono();
    app.get('/x', paywall(s.paywall, { price: '1 sat' }), (context) => {
      who = principalOf(context);
      return context.text('x');
    });
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    const request = new Request('http://a/x', { headers: { authorization: bought.authorization } });
    Object.assign(request.headers, {
      set: () => {
        throw new TypeError('immutable');
      },
    });
    expect((await app.request(request)).status).toBe(200);
    expect(who).toBeDefined();
  });

  test('a preflight is answered, and nothing that is for sale with it', async () => {
    const s = await open();
    const app = new Hono();
    app.all('/x', paywall(s.paywall, { price: '1 sat' }), (context) => context.text('the goods'));
    const url = await s.open(app);
    const got = await get(`${url}/x`, { method: 'OPTIONS', headers: { origin: 'http://a', 'access-control-request-method': 'GET' } });
    expect(got.body).not.toContain('the goods');
  });

  test('a method that no token can name is refused before it is sold', async () => {
    const s = await open();
    const app = new Hono();
    app.all('/x', paywall(s.paywall, { price: '1 sat' }), (context) => context.text('x'));
    const url = await s.open(app);
    void url;
    const got = await app.request('http://a/x', { method: 'patch' });
    expect(got.status).not.toBe(402);
  });

  test('streaming: a body that breaks is given back, one that is left stays paid', async () => {
    const s = await open();
    const app = new Hono();
    app.get('/x', paywall(s.paywall, { price: '1 sat' }), () => {
      let n = 0;
      return new Response(
        new ReadableStream({
          pull: (controller) => (n++ < 1 ? controller.enqueue(new Uint8Array(10)) : new Promise<void>(() => {})),
        }),
      );
    });
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    const socket = await raw(url, `GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: ${bought.authorization}\r\n\r\n`);
    await once(socket, 'data');
    socket.destroy();
    await s.ended('left');
    await rest();
    expect(s.timers()).toBe(0);
  });

  test('a body is read at the pace of the handler, and not into memory', async () => {
    const s = await open();
    let pulled = 0;
    let atStart = -1;
    const app = new Hono();
    app.post('/x', paywall(s.paywall, { price: '1 sat' }), async (context) => {
      atStart = pulled;
      for await (const _ of context.req.raw.body ?? []);
      return context.text('x');
    });
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`, { method: 'POST' });
    const body = new ReadableStream<Uint8Array>({ pull: (controller) => (pulled++ < 64 ? controller.enqueue(new Uint8Array(1 << 16)) : controller.close()) });
    const request = new Request('http://a/x', { method: 'POST', headers: { authorization: bought.authorization }, body, duplex: 'half' } as RequestInit);
    expect((await app.request(request)).status).toBe(200);
    expect(atStart).toBeLessThan(8);
  });
});
