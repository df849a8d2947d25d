import { once } from 'node:events';
import express, { type NextFunction, type Request, type Response } from 'express';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { paywall } from '../../src/adapters/express.ts';
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

describe('express', () => {
  test('a write that Node refuses after the head: no unhandled rejection, nothing charged', async () => {
    const s = await open();
    const app = express();
    app.get('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), (_, response) => {
      response.writeHead(200);
      response.write('a');
      response.write(undefined as never);
      response.end();
    });
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    void get(`${url}/x`, paid(bought.authorization)).catch(() => undefined);
    await s.ended('charged');
    await rest();
    expect(rejections).toEqual([]);
  });

  test('a header that Node refuses: 500 as without a paywall, and nothing is charged', async () => {
    const s = await open();
    const app = express();
    app.get('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), (_, response) => {
      response.writeHead(200, { 'x-name': 'a\nb' });
      response.end('x');
    });
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    const got = await get(`${url}/x`, paid(bought.authorization));
    await rest();
    expect([got.status, s.told.filter((one) => one === 'delivered')]).toEqual([500, []]);
    expect((await s.store.totals()).sales).toBe(0);
  });

  test('an answer, then an exception: the answer that was charged is the answer that is sent', async () => {
    const s = await open();
    const app = express();
    app.get('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), (_, response) => {
      response.json({ good: true });
      throw new Error('in the log line after it');
    });
    app.use((_error: Error, _request: Request, response: Response, next: NextFunction) =>
      response.headersSent ? next() : void response.status(500).end('oops'),
    );
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    const got = await get(`${url}/x`, paid(bought.authorization));
    expect([got.status, got.headers['l402-payment'], got.body]).toEqual([200, 'charged', '{"good":true}']);
  });

  test('headersSent is true once the handler has answered', async () => {
    const s = await open();
    const app = express();
    app.get('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), (_, response) => {
      response.json({ good: true });
      if (!response.headersSent) response.status(204).end();
    });
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    const got = await get(`${url}/x`, paid(bought.authorization));
    expect([got.status, got.body]).toEqual([200, '{"good":true}']);
  });

  test('a middleware that wraps write and end behind the paywall, as compression and sessions do, loses nothing', async () => {
    const s = await open();
    const app = express();
    const shout = (_: Request, response: Response, next: NextFunction) => {
      const { write, end } = response;
      response.write = ((chunk: string) => write.call(response, chunk.toUpperCase(), 'utf8')) as typeof write;
      response.end = ((chunk?: string) =>
        chunk === undefined ? (end as () => Response).call(response) : end.call(response, chunk.toUpperCase(), 'utf8')) as typeof end;
      next();
    };
    app.get('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), shout, async (_, response) => {
      response.write('one ');
      await new Promise((resolve) => setTimeout(resolve, 20));
      response.write('two ');
      response.end('three');
    });
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    const got = await get(`${url}/x`, paid(bought.authorization));
    expect([got.status, got.body]).toEqual([200, 'ONE TWO THREE']);
  });

  test('one that holds back end until later, as express-session does: the answer ends', async () => {
    const s = await open();
    const app = express();
    const later = (_: Request, response: Response, next: NextFunction) => {
      const { end } = response;
      response.end = ((...args: never[]) => {
        response.write('');
        setTimeout(() => (end as (...given: never[]) => Response).apply(response, args), 20);
        return response;
      }) as typeof end;
      next();
    };
    app.get('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), later, (_, response) => {
      response.write('whole');
      response.end();
    });
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    const got = await Promise.race([get(`${url}/x`, paid(bought.authorization)), new Promise((resolve) => setTimeout(resolve, 1500, 'hangs'))]);
    expect(got).toMatchObject({ status: 200, body: 'whole' });
  });

  test('a body that something read before: the claim is given back, and no heartbeat goes on', async () => {
    const s = await open();
    const app = express();
    app.use(async (request, _, next) => {
      for await (const _chunk of request);
      next();
    });
    app.post('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), (_, response) => void response.end('x'));
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`, { method: 'POST' });
    const got = await get(`${url}/x`, paid(bought.authorization, { method: 'POST', body: 'one' }));
    await rest();
    expect([got.status, s.timers()]).toEqual([500, 0]);
    expect((await get(`${url}/x`, paid(bought.authorization, { method: 'POST' }))).status).toBe(200);
  });

  test('a store that does not say whether a commit happened: the heartbeat ends, and the credential is good when the lease is over', async () => {
    let fails = 1;
    const s = await open({}, (store) => ({ ...store, commit: (request) => (fails-- > 0 ? Promise.reject(new Error('gone')) : store.commit(request)) }));
    const app = express();
    app.get('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), (_, response) => void response.end('x'));
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    expect((await get(`${url}/x`, paid(bought.authorization))).status).toBe(503);
    await rest();
    for (let i = 0; i < 40; i++) {
      s.clock.advance(1000);
      await rest();
    }
    expect((await get(`${url}/x`, paid(bought.authorization))).status).toBe(200);
  });

  test('a client that left while the claim was made: the handler is not run, the claim is given back, no heartbeat', async () => {
    let arrived = () => {};
    const claiming = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const s = await open({}, (store) => ({
      ...store,
      claim: async (request) => {
        arrived();
        await gate;
        return store.claim(request);
      },
    }));
    let ran = 0;
    const app = express();
    app.get('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), (_, response) => {
      ran++;
      if (!response.destroyed) response.end('x');
    });
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    const socket = await raw(url, `GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: ${bought.authorization}\r\n\r\n`);
    await claiming;
    socket.destroy();
    await rest();
    go();
    await rest();
    expect([ran, s.timers()]).toEqual([0, 0]);
    expect((await get(`${url}/x`, paid(bought.authorization))).status).toBe(200);
  });

  test('the handler breaks off before the head: released as often as it happens, since no answer came', async () => {
    const s = await open();
    let broken = true;
    const app = express();
    app.get('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), (_, response) => void (broken ? response.destroy() : response.end('x')));
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    for (let i = 0; i < 5; i++) {
      await get(`${url}/x`, paid(bought.authorization)).catch(() => undefined);
      await rest();
    }
    broken = false;
    expect((await get(`${url}/x`, paid(bought.authorization))).status).toBe(200);
    expect(s.told.filter((one) => one.startsWith('released'))).toEqual(Array(5).fill('released upstream'));
  });

  test('garbage behind the request cannot turn a client that leaves into an upstream that broke', async () => {
    const s = await open();
    const app = express();
    app.get('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), (_, response) => void response.write('all that was paid for'));
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`);
    const socket = await raw(url, `GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: ${bought.authorization}\r\n\r\n`);
    await once(socket, 'data');
    await s.ended('charged');
    socket.write('\0\0\0 garbage\r\n\r\n');
    await once(socket, 'close');
    await rest();
    expect(s.told.filter((one) => one === 'left' || one.startsWith('released'))).toEqual(['left']);
  });

  test('the kept answer of res.json can be read when it is asked for', async () => {
    const s = await open();
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    let seen = () => {};
    const began = new Promise<void>((resolve) => {
      seen = resolve;
    });
    const app = express();
    app.post('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), async (_, response) => {
      seen();
      await gate;
      response.json({ good: true });
    });
    const url = await s.open(app);
    const bought = await s.buy(`${url}/x`, { method: 'POST' });
    const socket = await raw(url, `POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nAuthorization: ${bought.authorization}\r\n\r\n`);
    await began;
    socket.destroy();
    await rest();
    go();
    await s.ended('left');
    const got = await get(`${url}/x`, paid(bought.authorization, { method: 'POST' })).catch((error: Error) => error);
    expect(got).toMatchObject({ status: 200, body: '{"good":true}' });
  });

  test('a long parameter in a mounted path gets its 402', async () => {
    const s = await open();
    const app = express();
    app.use('/u/:id', paywall(s.paywall, { price: '1 sat', clock: s.clock }), (_, response) => void response.end('x'));
    const url = await s.open(app);
    expect((await get(`${url}/u/${'a'.repeat(2000)}/x`)).status).toBe(402);
  });

  test('a pass for a wide route is no pass for a dearer one inside it', async () => {
    const s = await open();
    const app = express();
    app.get('/a/premium', paywall(s.paywall, { price: '1000 sat', clock: s.clock }), (_, response) => void response.end('premium'));
    app.get('/a/*rest', paywall(s.paywall, { price: '1 sat', terms: pass({ seconds: 3600 }), clock: s.clock }), (_, response) => void response.end('cheap'));
    const url = await s.open(app);
    const bought = await s.buy(`${url}/a/x`);
    expect((await get(`${url}/a/x`, paid(bought.authorization))).body).toBe('cheap');
    expect((await get(`${url}/a/premium`, paid(bought.authorization))).status).toBe(402);
  });

  test('a preflight is answered, and nothing that is for sale with it', async () => {
    const s = await open();
    const app = express();
    app.all('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), (_, response) => void response.end('the goods'));
    const url = await s.open(app);
    const got = await get(`${url}/x`, { method: 'OPTIONS', headers: { origin: 'http://a', 'access-control-request-method': 'GET' } });
    expect(got.body).not.toContain('the goods');
  });

  test('a middleware that reads writeHead as pairs (on-headers before 1.1) leaves the challenge as it is', async () => {
    const s = await open();
    const app = express();
    app.use((_, response, next) => {
      const { writeHead } = response;
      response.writeHead = ((status: number, headers?: unknown) => {
        if (Array.isArray(headers)) for (const one of headers as string[]) response.setHeader(one[0] as string, one[1] as string);
        return writeHead.call(response, status);
      }) as typeof writeHead;
      next();
    });
    app.get('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), (_, response) => void response.end('x'));
    const url = await s.open(app);
    const got = await get(`${url}/x`);
    expect([got.status, got.lines.length]).toEqual([402, 2]);
  });
});
