import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { openShop, type Shop } from '../../../../test/conformance/shop/shop.ts';
import { portOf } from '../../../../test/gateway/harness.ts';
import * as Amount from '../../../core/Amount.ts';
import { bucket } from '../../../server/terms/Bucket.ts';
import * as Books from '../../../store/Books.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** An upstream that can be killed, in the midst of whatever it does, and started again where it was. */
async function openMortal(onRequest: RequestListener) {
  let server: Server;
  let port = 0;
  const start = async () => {
    server = createServer(onRequest);
    await once(server.listen(port, '127.0.0.1'), 'listening');
    port = portOf(server);
  };
  const kill = () => {
    const ended = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    return ended;
  };
  await start();
  closing.push(kill);
  return { url: `http://127.0.0.1:${port}`, start, kill };
}

test('one of several is killed and started again under load: nothing fails that did not have to, and the books balance', async () => {
  /** The names of what was begun, by upstream. */
  const begun: [string[], string[]] = [[], []];
  const listenAs =
    (index: 0 | 1): RequestListener =>
    async (request, response) => {
      let body = '';
      try {
        for await (const chunk of request) body += chunk;
      } catch {
        return;
      }
      begun[index].push(`${request.method} ${request.url} ${body}`);
      // Some of them are at work when the end comes.
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      response.end(`from ${index}`);
    };
  const [first, second] = [await openMortal(listenAs(0)), await openMortal(listenAs(1))];
  const units = 100_000;
  const shop: Shop = await openShop(
    'gateway',
    {},
    {
      routes: () => [
        {
          methods: ['GET', 'POST'],
          path: '/work',
          upstream: first.url,
          group: { upstreams: [first.url, second.url] },
          options: { price: '1 sat', terms: bucket({ units, weight: 1, servicePriceMsat: Amount.parse('100 sat'), seconds: 86_400 }), service: 'work' },
        },
      ],
    },
  );
  closing.push(shop.close);
  const { authorization } = await shop.buy('/work');

  let number = 0;
  let isOver = false;
  const answers = { GET: 0, POST: 0 };
  const lost: string[] = [];
  const wrong: string[] = [];
  const watchers = new Set<() => void>();
  const client = async (method: 'GET' | 'POST') => {
    while (!isOver) {
      const name = String(++number);
      const got = await shop.get(`/work?${name}`, { method, headers: { authorization, connection: 'close' }, ...(method === 'POST' && { body: name }) });
      if (got.status === 200 && /^from [01]$/.test(got.body)) answers[method]++;
      else if (method === 'POST' && got.status === 502 && got.headers['l402-payment'] === 'not-charged') lost.push(name);
      else if (!got.whole && method === 'GET') wrong.push(`broken off: ${name}`);
      else wrong.push(`${method} ${name}: ${got.status} ${got.body}`);
      for (const watcher of watchers) watcher();
    }
  };
  const more = (count: number) => {
    const until = answers.GET + answers.POST + count;
    return new Promise<void>((resolve) => {
      const look = () => answers.GET + answers.POST >= until && resolve();
      watchers.add(look);
    });
  };
  const clients = [...Array<'GET'>(12).fill('GET'), ...Array<'POST'>(4).fill('POST')].map(client);
  await more(100);
  for (const mortal of [first, second, first]) {
    await mortal.kill();
    await more(100);
    await mortal.start();
    const back = shop.paywall.events;
    const isBack = new Promise<void>((resolve) => {
      const off = back.on(({ kind }) => {
        if (kind !== 'back') return;
        off();
        resolve();
      });
    });
    shop.clock.advance(1000);
    await isBack;
    await more(100);
  }
  isOver = true;
  await Promise.all(clients);

  expect(wrong).toEqual([]);
  // What may have been done when its upstream died is not done again; no more was lost than clients were sending at the time, three times.
  expect(lost.length).toBeLessThanOrEqual(3 * 4);
  const posted = begun.flat().filter((name) => name.startsWith('POST'));
  expect(new Set(posted).size).toBe(posted.length);
  expect(Math.min(...begun.map((names) => names.length))).toBeGreaterThan(50);
  const { discrepancies, columns } = await Books.verify(shop.store.audit());
  expect([discrepancies, columns.held.amountMsat]).toEqual([[], 0n]);
  const last = await shop.get('/work', { headers: { authorization } });
  expect([last.status, last.headers['l402-remaining']]).toEqual([200, String(units - answers.GET - answers.POST - 1)]);
});
