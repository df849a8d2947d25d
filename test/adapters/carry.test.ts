/**
 * What the table of cases does not reach: how each adapter holds back, replaces, keeps and binds.
 */
import { once } from 'node:events';
import express from 'express';
import { type Context, Hono } from 'hono';
import { afterEach, describe, expect, test } from 'vitest';
import { paywall as expressPaywall, principalOf as expressPrincipal } from '../../src/adapters/express.ts';
import { paywall as honoPaywall, principalOf as honoPrincipal } from '../../src/adapters/hono.ts';
import { routeOffer } from '../../src/adapters/routeOffer.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import { pass } from '../../src/server/terms/Pass.ts';
import { get, openStall, paid, raw, rest, type Stall } from './stall.ts';

let stall: Stall | undefined;
afterEach(async () => {
  await stall?.close();
  stall = undefined;
});
const open = async (...given: Parameters<typeof openStall>) => {
  stall = await openStall(...given);
  return stall;
};

/** A promise and what resolves it. */
function latch() {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { release, released };
}

const lost: Parameters<typeof openStall> = [{}, (store) => ({ ...store, commit: async () => 'lost' as const })];
const broken: Parameters<typeof openStall> = [{}, (store) => ({ ...store, commit: () => Promise.reject(new Error('gone')) })];

describe('express', () => {
  const route = (s: Stall, handler: express.RequestHandler, options: object = {}) => {
    const app = express();
    app.all('/x', expressPaywall(s.paywall, { price: '1 sat', clock: s.clock, ...options }), handler);
    return app;
  };

  test.each([
    ['lost', lost, 409, 'CREDENTIAL_IN_USE'],
    ['not known', broken, 503, 'STORE_UNAVAILABLE'],
  ] as const)(
    'a claim that is %s at the head: nothing of the answer goes out, headers among it, and the handler writes on into nothing',
    async (_, given, status, code) => {
      const s = await open(...given);
      const over = latch();
      const url = await s.open(
        route(s, async (_request, response) => {
          response.setHeader('set-cookie', 'secret=1');
          for (let i = 0; i < 60; i++) {
            response.write('secret');
            await new Promise((resolve) => setImmediate(resolve));
          }
          response.end('secret');
          over.release();
        }),
      );
      const bought = await s.buy(`${url}/x`);
      const got = await get(`${url}/x`, paid(bought.authorization));
      await over.released;
      expect([got.status, JSON.parse(got.body).code, got.headers['set-cookie'], got.body.includes('secret')]).toEqual([status, code, undefined, false]);
    },
  );

  test('while the sale decides the handler is told to wait, and then to go on', async () => {
    const gate = latch();
    const s = await open({}, (store) => ({ ...store, commit: (request) => gate.released.then(() => store.commit(request)) }));
    const said: unknown[] = [];
    const url = await s.open(
      route(s, async (_, response) => {
        said.push(response.write('one '));
        if (!said[0]) await once(response, 'drain');
        said.push('drained', response.write('two'));
        response.end();
      }),
    );
    const bought = await s.buy(`${url}/x`);
    const asked = get(`${url}/x`, paid(bought.authorization));
    await rest();
    expect(said).toEqual([false]);
    gate.release();
    expect([(await asked).body, said]).toEqual(['one two', [false, 'drained', true]]);
  });

  test('nothing goes out before the commit', async () => {
    const gate = latch();
    const s = await open({}, (store) => ({ ...store, commit: (request) => gate.released.then(() => store.commit(request)) }));
    const url = await s.open(route(s, (_, response) => void response.writeHead(200).end('x')));
    const bought = await s.buy(`${url}/x`);
    const socket = await raw(url, `GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: ${bought.authorization}\r\n\r\n`);
    let received = '';
    socket.on('data', (chunk) => {
      received += String(chunk);
    });
    await rest();
    expect(received).toBe('');
    gate.release();
    await s.ended('delivered');
    socket.destroy();
  });

  test('a client that leaves while the commit is written has left', async () => {
    const gate = latch();
    const committing = latch();
    const s = await open({}, (store) => ({
      ...store,
      commit: (request) => {
        committing.release();
        return gate.released.then(() => store.commit(request));
      },
    }));
    const url = await s.open(route(s, (_, response) => void response.end('x')));
    const bought = await s.buy(`${url}/x`);
    const socket = await raw(url, `GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: ${bought.authorization}\r\n\r\n`);
    await committing.released;
    socket.destroy();
    await rest();
    gate.release();
    await s.ended('left');
    expect(s.timers()).toBe(0);
    expect((await get(`${url}/x`, paid(bought.authorization))).status).toBe(200);
  });

  const leavePost = async (url: string, authorization: string, began: Promise<void>) => {
    const socket = await raw(url, `POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nAuthorization: ${authorization}\r\n\r\n`);
    await began;
    socket.destroy();
    await rest();
  };

  test('a handler that never ends for a client that left is given up after a minute', async () => {
    const s = await open();
    const began = latch();
    const url = await s.open(route(s, () => began.release()));
    const bought = await s.buy(`${url}/x`, { method: 'POST' });
    await leavePost(url, bought.authorization, began.released);
    for (let i = 0; i < 61; i++) {
      s.clock.advance(1000);
      await rest();
    }
    expect([s.told.at(-1), s.timers()]).toEqual(['released client-left', 0]);
  });

  test('an answer for a client that left is kept with the status and headers of its writeHead', async () => {
    const s = await open();
    const [began, gate] = [latch(), latch()];
    const url = await s.open(
      route(s, async (_, response) => {
        began.release();
        await gate.released;
        response.writeHead(201, 'Made', { 'x-made': 'yes', 'set-cookie': ['a=1', 'b=2'] });
        response.end('made');
      }),
    );
    const bought = await s.buy(`${url}/x`, { method: 'POST' });
    await leavePost(url, bought.authorization, began.released);
    gate.release();
    await s.ended('left');
    const got = await get(`${url}/x`, paid(bought.authorization, { method: 'POST' }));
    expect([got.status, got.body, got.headers['x-made'], got.headers['set-cookie']]).toEqual([201, 'made', 'yes', ['a=1', 'b=2']]);
  });

  test('an answer over a megabyte is not kept: the handler is asked again', async () => {
    const s = await open();
    const [began, gate] = [latch(), latch()];
    let ran = 0;
    const url = await s.open(
      route(s, async (_, response) => {
        ran++;
        began.release();
        await gate.released;
        response.end('x'.repeat((1 << 20) + 1));
      }),
    );
    const bought = await s.buy(`${url}/x`, { method: 'POST' });
    await leavePost(url, bought.authorization, began.released);
    gate.release();
    await s.ended('left');
    expect((await get(`${url}/x`, paid(bought.authorization, { method: 'POST' }))).body.length).toBe((1 << 20) + 1);
    expect(ran).toBe(2);
  });

  test('a body that was looked at is still there for the handler', async () => {
    const s = await open();
    const app = express();
    app.post('/x', expressPaywall(s.paywall, { price: '1 sat', clock: s.clock }), express.json(), (request, response) => {
      if (request.query.stall) response.write('x');
      else response.json(request.body);
    });
    const url = await s.open(app);
    const body = JSON.stringify({ text: 'hello' });
    const bought = await s.buy(`${url}/x?stall=1`, { method: 'POST' });
    const socket = await raw(
      url,
      `POST /x?stall=1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nAuthorization: ${bought.authorization}\r\n\r\n${body}`,
    );
    await once(socket, 'data');
    socket.destroy();
    await s.ended('left');
    const seen: unknown[] = [];
    const again = await raw(
      url,
      `POST /x?stall=1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nAuthorization: ${bought.authorization}\r\n\r\n${body}`,
    );
    again.on('data', (chunk) => seen.push(String(chunk)));
    await s.ended('repeated');
    await once(again, 'data');
    again.destroy();
    expect(String(seen[0])).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('a receipt of a pass comes with success alone', async () => {
    const s = await open();
    const url = await s.open(route(s, (request, response) => void response.status(Number(request.query.status)).end(), { terms: pass({ seconds: 60 }) }));
    const bought = await s.buy(`${url}/x`);
    const receipts = await Promise.all(
      ['200', '404'].map(async (status) => typeof (await get(`${url}/x?status=${status}`, paid(bought.authorization))).headers['payment-receipt']),
    );
    expect(receipts).toEqual(['string', 'undefined']);
  });

  test.each(['/A/../x', '//x', '/%78', '/x/.'])('a path in another spelling is refused: %s', async (path) => {
    const s = await open();
    const app = express();
    app.use(expressPaywall(s.paywall, { price: '1 sat', clock: s.clock }), (_, response) => void response.end('x'));
    const url = await s.open(app);
    const socket = await raw(url, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    const [head] = (await once(socket, 'data')) as [Buffer];
    expect(String(head)).toMatch(/^HTTP\/1\.1 400 /);
    socket.destroy();
  });

  test('below a mount the whole path is bound, and the route of a pass', async () => {
    const s = await open();
    const app = express();
    const router = express.Router();
    router.get('/x', expressPaywall(s.paywall, { price: '1 sat', clock: s.clock }), (_, response) => void response.end('x'));
    router.get('/all/*rest', expressPaywall(s.paywall, { price: '1 sat', terms: pass({ seconds: 60 }), clock: s.clock }), (request, response) => {
      response.end(expressPrincipal(request)?.service);
    });
    app.use('/mounted', router);
    const url = await s.open(app);
    const pathOf = (token: string) => Macaroon.parse(token).caveats.find((caveat) => caveat.startsWith('api_path='));
    expect(pathOf((await s.buy(`${url}/mounted/x`)).token)).toBe('api_path=/mounted/x');
    const bought = await s.buy(`${url}/mounted/all/a`);
    expect(pathOf(bought.token)).toBe('api_path=/mounted/all/*');
    expect((await get(`${url}/mounted/all/b`, paid(bought.authorization))).body).toBe('api');
  });
});

describe('hono', () => {
  const route = (s: Stall, handler: (context: Context) => Response, options: object = {}) => {
    const app = new Hono();
    app.all('/x', honoPaywall(s.paywall, { price: '1 sat', ...options }), handler);
    return app;
  };

  test('a claim that is lost at the head: nothing of the answer goes out', async () => {
    const s = await open(...lost);
    const url = await s.open(route(s, (context) => context.text('secret')));
    const bought = await s.buy(`${url}/x`);
    const got = await get(`${url}/x`, paid(bought.authorization));
    expect([got.status, JSON.parse(got.body).code]).toEqual([409, 'CREDENTIAL_IN_USE']);
  });

  test('a receipt of a pass comes with success alone', async () => {
    const s = await open();
    const app = new Hono();
    app.get('/x', honoPaywall(s.paywall, { price: '1 sat', terms: pass({ seconds: 60 }) }), (context) => {
      return context.text(honoPrincipal(context)?.service ?? '', Number(context.req.query('status')) as 200);
    });
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    const got = await Promise.all(['200', '404'].map((status) => get(`${url}/x?status=${status}`, paid(bought.authorization))));
    expect(got.map(({ body, headers }) => [body, typeof headers['payment-receipt']])).toEqual([
      ['api', 'string'],
      ['api', 'undefined'],
    ]);
  });

  test('a path in another spelling is refused', async () => {
    const s = await open();
    const app = new Hono();
    app.use(honoPaywall(s.paywall, { price: '1 sat' }));
    app.all('*', (context) => context.text('x'));
    const url = await s.open(app);
    for (const path of ['//x', '/%78', '/a%2fx']) {
      const socket = await raw(url, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      const [head] = (await once(socket, 'data')) as [Buffer];
      expect(String(head)).toMatch(/^HTTP\/1\.1 400 /);
      socket.destroy();
    }
  });

  test('limits are counted on the socket, or on what the app says', async () => {
    const s = await open({ mintLimits: { perClientPerMinute: 1 } });
    const app = new Hono();
    app.get('/socket', honoPaywall(s.paywall, { price: '1 sat' }), (context) => context.text('x'));
    app.get('/said', honoPaywall(s.paywall, { price: '1 sat', clientAddress: (context) => context.req.header('x-who') ?? '' }), (context) => context.text('x'));
    const url = await s.open(app);
    expect((await get(`${url}/socket`)).status).toBe(402);
    expect((await get(`${url}/said`, { headers: { 'x-who': '127.0.0.1' } })).status).toBe(429);
    expect((await get(`${url}/said`, { headers: { 'x-who': '127.0.0.2' } })).status).toBe(402);
  });

  test('what a client left is called off, and an answer over a megabyte is not kept', async () => {
    const s = await open();
    let cancelled = 0;
    let ran = 0;
    const [began, gate] = [latch(), latch()];
    const app = new Hono();
    app.get('/x', honoPaywall(s.paywall, { price: '1 sat' }), () => {
      let n = 0;
      return new Response(
        new ReadableStream({
          pull: (controller) => (n++ < 1 ? controller.enqueue(new Uint8Array(10)) : new Promise<void>(() => {})),
          cancel: () => void cancelled++,
        }),
      );
    });
    app.post('/x', honoPaywall(s.paywall, { price: '1 sat' }), async (context) => {
      ran++;
      began.release();
      await gate.released;
      return context.text('x'.repeat((1 << 20) + 1));
    });
    const url = await s.open(app);
    const one = await s.buy(`${url}/x`);
    const socket = await raw(url, `GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: ${one.authorization}\r\n\r\n`);
    await once(socket, 'data');
    socket.destroy();
    await s.ended('left');
    await rest();
    expect(cancelled).toBe(1);
    const two = await s.buy(`${url}/x`, { method: 'POST' });
    const posting = await raw(url, `POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nAuthorization: ${two.authorization}\r\n\r\n`);
    await began.released;
    posting.destroy();
    await rest();
    gate.release();
    await s.ended('left', 2);
    expect((await get(`${url}/x`, paid(two.authorization, { method: 'POST' }))).body.length).toBe((1 << 20) + 1);
    expect(ran).toBe(2);
  });
});

test('what browsers may read of a 402 is said on it', async () => {
  const s = await open();
  const app = express();
  app.get('/x', expressPaywall(s.paywall, { price: '1 sat', clock: s.clock }), (_, response) => void response.end('x'));
  const got = await get(`${await s.open(app)}/x`);
  expect(got.headers['access-control-expose-headers']).toBe(
    'WWW-Authenticate, L402-Price, L402-Payment, L402-Remaining, L402-Free, L402-Trial, L402-Topup, L402-Carve, Payment-Receipt, L402-Receipt, Retry-After, Link',
  );
});

test('offers are remembered, and not without bound', () => {
  const offerOf = routeOffer({ price: '1 sat' });
  expect(offerOf('GET', '/a')).toBe(offerOf('GET', '/a'));
  for (let i = 0; i < 1000; i++) offerOf('GET', `/a${i}`);
  expect(offerOf('GET', '/late')).not.toBe(offerOf('GET', '/late'));
});
