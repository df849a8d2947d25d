/**
 * Handlers that do not answer as they should: whatever they do, the use is given back and works again.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import express from 'express';
import { Hono } from 'hono';
import { afterEach, describe, expect, test } from 'vitest';
import * as Amount from '../core/Amount.ts';
import * as Challenge from '../core/Challenge.ts';
import { createSandboxNetwork, type Sandbox } from '../lightning/sandbox.ts';
import { createPaywall, type Paywall } from '../server/Paywall.ts';
import { createRootKeys } from '../server/RootKeys.ts';
import { createMemoryStore } from '../store/memory.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { paywall as expressPaywall, principalOf as expressPrincipal } from './express.ts';
import { paywall as honoPaywall, principalOf as honoPrincipal } from './hono.ts';

const closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function open() {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const store = createMemoryStore({ clock });
  const receiver = sandbox.receiver('seller');
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(1)], network: receiver.network, realm: 'main' });
  const farebox = await createPaywall({ keys, receiver, store, clock, inUseWaitMs: 0 });
  closing.push(() => sandbox.close(), store.close, farebox.close);
  const idle = clock.timers();
  return { timers: () => clock.timers() - idle, sandbox, store, farebox };
}

async function listen(server: Server): Promise<string> {
  if (!server.listening) await once(server.listen(0, '127.0.0.1'), 'listening');
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function buy(url: string, sandbox: Sandbox, init: RequestInit = {}): Promise<string> {
  const unpaid = await fetch(url, init);
  const challenge = Challenge.choose(Challenge.parse(unpaid.headers.get('www-authenticate') ?? ''));
  if (!challenge) throw new Error(`no challenge: ${unpaid.status}`);
  const paid = await sandbox.payer('buyer').pay({ invoice: challenge.invoice, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 10 });
  if (paid.kind !== 'settled') throw new Error('not paid');
  return `L402 ${challenge.token}:${paid.preimage}`;
}

const price = { price: '10 sat' } as const;

/** Asks twice: the first time the handler fails, the second time it does not. */
async function failsThenWorks(url: string, sandbox: Sandbox, timers: () => number, init: RequestInit = {}) {
  const authorization = await buy(url, sandbox, init);
  const ask = () => fetch(url, { ...init, headers: { ...init.headers, authorization } });
  const first = await ask();
  const second = await ask();
  await second.text();
  expect(timers()).toBe(0);
  return [first.status, second.status];
}

function onlyOnce(): () => boolean {
  let count = 0;
  return () => count++ === 0;
}

describe('Express', () => {
  const openApp = (make: (app: express.Express, farebox: Paywall, first: () => boolean) => void, farebox: Paywall) => {
    const app = express();
    app.set('env', 'test');
    make(app, farebox, onlyOnce());
    return listen(createServer(app));
  };

  test('a handler that throws', async () => {
    const { farebox, sandbox, timers } = await open();
    const url = await openApp((app, paywall, first) => {
      app.get('/a', expressPaywall(paywall, price), (_, response) => {
        if (first()) throw new Error('no');
        response.json({ ok: true });
      });
    }, farebox);
    expect(await failsThenWorks(`${url}/a`, sandbox, timers)).toEqual([500, 200]);
  });

  test('a handler that hands its error on, and an error handler that answers', async () => {
    const { farebox, sandbox, timers } = await open();
    const url = await openApp((app, paywall, first) => {
      app.get('/a', expressPaywall(paywall, price), (_, response, next) => (first() ? next(new Error('no')) : response.send('x')));
      app.use(((_error, _request, response, _next) => response.status(503).json({ error: 'mine' })) as express.ErrorRequestHandler);
    }, farebox);
    expect(await failsThenWorks(`${url}/a`, sandbox, timers)).toEqual([503, 200]);
  });

  test('a body parser that came first: the body is known by what it left', async () => {
    const { farebox, sandbox, timers } = await open();
    const url = await openApp((app, paywall, first) => {
      app.use(express.json());
      app.post('/a', expressPaywall(paywall, price), (request, response) => void (first() ? response.status(500).end() : response.json(request.body)));
    }, farebox);
    const init = { method: 'POST', body: '{"a":1}', headers: { 'content-type': 'application/json' } };
    expect(await failsThenWorks(`${url}/a`, sandbox, timers, init)).toEqual([500, 200]);
  });

  test('a body that somebody read and threw away: a clear error, and the use is given back', async () => {
    const { farebox, sandbox, timers } = await open();
    const url = await openApp((app, paywall, first) => {
      app.use((request, _, next) => (first() ? next() : void request.resume().on('end', next)));
      app.post('/a', expressPaywall(paywall, price), (_, response) => void response.send('x'));
    }, farebox);
    const init = { method: 'POST', body: 'abc', headers: { 'content-type': 'text/plain' } };
    const authorization = await buy(`${url}/a`, sandbox, init);
    const ask = () => fetch(`${url}/a`, { ...init, headers: { ...init.headers, authorization } });
    const got = await ask();
    expect([got.status, await got.text()]).toEqual([500, expect.stringContaining('ADAPTER_BODY_UNREADABLE')]);
    expect(timers()).toBe(0);
  });

  test('who paid is known to the handler', async () => {
    const { farebox, sandbox } = await open();
    const url = await openApp((app, paywall) => {
      app.get('/a', expressPaywall(paywall, price), (request, response) => void response.json({ by: expressPrincipal(request)?.paymentHash }));
    }, farebox);
    const authorization = await buy(`${url}/a`, sandbox);
    expect(await (await fetch(`${url}/a`, { headers: { authorization } })).json()).toEqual({ by: expect.stringMatching(/^[0-9a-f]{64}$/) });
  });
});

describe('Hono', () => {
  const openApp = (make: (app: Hono, first: () => boolean) => void) => {
    const app = new Hono();
    make(app, onlyOnce());
    return listen(serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server);
  };

  test('a handler that throws, and an app that answers for it', async () => {
    const { farebox, sandbox, timers } = await open();
    const url = await openApp((app, first) => {
      app.onError((_, context) => context.text('mine', 503));
      app.get('/a', honoPaywall(farebox, price), (context) => {
        if (first()) throw new Error('no');
        return context.json({ by: honoPrincipal(context)?.service });
      });
    });
    expect(await failsThenWorks(`${url}/a`, sandbox, timers)).toEqual([503, 200]);
  });

  test('a handler that throws what nobody catches', async () => {
    const { farebox, sandbox, timers } = await open();
    const url = await openApp((app, first) => {
      app.get('/a', honoPaywall(farebox, price), (context) => {
        if (first()) throw 'not even an error';
        return context.text('x');
      });
    });
    expect(await failsThenWorks(`${url}/a`, sandbox, timers)).toEqual([500, 200]);
  });

  test('an empty answer, and one that is a stream', async () => {
    const { farebox, sandbox, timers } = await open();
    const url = await openApp((app, first) => {
      app.post('/a', honoPaywall(farebox, price), (context) => (first() ? context.body(null, 500) : context.body(null, 204)));
    });
    expect(await failsThenWorks(`${url}/a`, sandbox, timers, { method: 'POST', body: 'x' })).toEqual([500, 204]);
  });
});

test.each(['/a//b', '/a/./b', '/%61/b'])('a path in another spelling is refused: %s', async (path) => {
  const { farebox } = await open();
  const app = new Hono();
  app.get('/*', honoPaywall(farebox, price), (context) => context.text('x'));
  const url = await listen(serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server);
  const { request } = await import('node:http');
  const status = await new Promise((resolve) => request(url, { path, agent: false }, (response) => resolve(response.resume().statusCode)).end());
  // A runtime that resolves dots itself has made one path of two before anybody else reads it.
  expect([400, 402]).toContain(status);
  if (path === '/a//b') expect(status).toBe(400);
});
