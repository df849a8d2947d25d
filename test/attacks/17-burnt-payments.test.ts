/**
 * An upstream failure that burns the payment; a payment that is both given back and served. What a failure gave back buys one answer, and
 * what was answered is not given back.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { FareboxError } from '../../src/core/Errors.ts';
import * as Books from '../../src/store/Books.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/Store.ts';
import type * as FixedClock from '../../src/testing/FixedClock.ts';
import type { Bought, Shop } from '../conformance/shop/shop.ts';
import { timeoutMs } from '../conformance/shop/shop.ts';
import { answerText, startUpstream, type Upstream } from '../conformance/shop/upstream.ts';
import { answer, flags, frames, ok, openFrames, reset } from '../gateway/frames.ts';
import { ask, type Closing, closeAll, openStage, recordSale, sellWith } from '../gateway/harness.ts';
import { testBurntCalls } from './calls.ts';
import { buyThing, calls, enterCounted, expectEnded, fewThings, spendRest, things } from './counted.ts';
import { groupRoute } from './groupRoute.ts';
import { soon } from './soon.ts';
import { askUntilFree, auth, codeOf, enter, expectServed, names, path, standing } from './thief.ts';
import { agreed, close, enterLive, live, statusOf } from './webSockets.ts';

const doing = (what: string, at = path) => `${at}${at.includes('?') ? '&' : '?'}do=${what}`;

/** Every way in which an upstream fails, and what the buyer sees of it. */
const failures: readonly (readonly [string, (shop: Shop, bought: Bought, at?: string) => Promise<number>, number])[] = [
  ...[401, 403, 404, 405, 408, 429, 500, 501, 502, 503, 504].map((status) => [`a ${status}`, failing(`status-${status}`), status] as const),
  ['a reset', failing('reset'), 502],
  ['no answer in time', timesOut, 504],
];

function failing(what: string) {
  return async (shop: Shop, bought: Bought, at = path) => (await shop.get(doing(what, at), auth(bought.authorization))).status;
}

async function timesOut(shop: Shop, bought: Bought, at = path): Promise<number> {
  const asked = shop.get(doing('hold', at), auth(bought.authorization));
  await shop.upstream.sees(shop.upstream.seen.length + 1);
  shop.clock.advance(timeoutMs);
  return (await asked).status;
}

describe.each(names)('%s', (name) => {
  test('every failure, one after the other, on one payment: none is charged, and the answer at the end is, once', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    // More often than anything is given back that a buyer could have provoked.
    for (const [what, fail, status] of failures.flatMap((failure) => Array<typeof failure>(4).fill(failure))) {
      expect(await fail(shop, bought), what).toBe(status);
      expect((await standing(shop)).charged, what).toBe(0);
    }
    await expectServed(shop, () => shop.get(path, auth(bought.authorization)));
    await shop.ended('delivered');
    expect(codeOf(await shop.get(path, auth(bought.authorization)))).toBe('CREDENTIAL_USED');
    expect(await shop.ledger()).toEqual(['received', 'earned']);
  });

  test('an upstream where nobody listens, as often as one likes', async () => {
    const shop = await enter(name);
    const bought = await shop.buy('/dead');
    for (let i = 0; i < 10; i++) {
      const got = await shop.get('/dead', auth(bought.authorization));
      expect([got.status, got.headers['l402-payment'], got.headers['payment-receipt']]).toEqual([502, 'not-charged', undefined]);
    }
    expect(await shop.ledger()).toEqual(['received']);
  });

  test('an answer that breaks off is given back, and what was given back is served whole once', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const asked = shop.get(doing('break'), auth(bought.authorization));
    await shop.ended('charged');
    shop.upstream.release();
    const got = await asked;
    expect([got.whole, got.body === answerText]).toEqual([false, false]);
    expect((await askUntilFree(shop, path, auth(bought.authorization))).status).toBe(200);
    await shop.ended('delivered');
    expect(codeOf(await shop.get(path, auth(bought.authorization)))).toBe('CREDENTIAL_USED');
    expect(await shop.ledger()).toEqual(['received', 'earned', 'reversed', 'earned']);
  });

  test('nothing of an answer goes out before it is written down that it was paid; what cannot be written down is not burnt', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const asked = shop.get(doing('hold'), auth(bought.authorization));
    await shop.upstream.sees(1);
    await shop.store.close();
    shop.upstream.release();
    const got = await asked;
    expect([got.status, codeOf(got), got.body.includes('hola'), got.headers['payment-receipt']]).toEqual([503, 'STORE_UNAVAILABLE', false, undefined]);
  });

  test('a store that fails before the upstream is asked: nothing is forwarded', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    await shop.store.close();
    const got = await shop.get(path, auth(bought.authorization));
    expect([got.status, codeOf(got), shop.upstream.seen.length]).toEqual([503, 'STORE_UNAVAILABLE', 0]);
  });

  test('a failure that was answered is not served as well: who waited for it gets the next attempt or none', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const first = shop.get(doing('hold'), auth(bought.authorization));
    await shop.upstream.sees(1);
    const others = await Promise.all([1, 2, 3].map(() => shop.get(path, auth(bought.authorization))));
    expect(others.map(codeOf)).toEqual(Array(3).fill('CREDENTIAL_IN_USE'));
    shop.clock.advance(timeoutMs);
    expect((await first).status).toBe(504);
    shop.upstream.release();
    await expectServed(shop, () => shop.get(path, auth(bought.authorization)));
    expect(await shop.ledger()).toEqual(['received', 'earned']);
  });

  test.each(things)('every failure, one after the other, takes nothing of what is counted: $what', async (thing) => {
    const shop = await enterCounted(name);
    const held = await buyThing(shop, thing);
    for (const [what, fail, status] of failures.flatMap((failure) => Array<typeof failure>(4).fill(failure))) {
      expect(await fail(shop, held, thing.path), what).toBe(status);
    }
    expect(await spendRest(shop, thing, held)).toEqual([calls, thing.usedUp]);
    expect((await Books.verify(shop.store.audit())).discrepancies).toEqual([]);
  });

  test.each(things)('what an answer took that broke off is there again, of the whole and of every part: $what', async (thing) => {
    const shop = await enterCounted(name);
    const held = await buyThing(shop, thing);
    for (let time = 1; time <= 2; time++) {
      const asked = shop.get(doing('break', thing.path), auth(held.authorization));
      await expectEnded(shop, 'charged', time);
      shop.upstream.release();
      expect((await asked).whole).toBe(false);
      await expectEnded(shop, 'released upstream-broke', time);
    }
    expect(await spendRest(shop, thing, held)).toEqual([calls, thing.usedUp]);
    const { discrepancies, columns } = await Books.verify(shop.store.audit());
    expect([discrepancies, columns.held.amountMsat]).toEqual([[], 0n]);
  });

  test.each(fewThings)('what cannot be counted is not forwarded, and what cannot be written down is not answered: $what', async (thing) => {
    const shop = await enterCounted(name);
    const held = await buyThing(shop, thing);
    const asked = shop.get(doing('hold', thing.path), auth(held.authorization));
    await shop.upstream.sees(1);
    await shop.store.close();
    shop.upstream.release();
    const late = await asked;
    expect([late.status, codeOf(late), late.body.includes('hola'), late.headers['payment-receipt']]).toEqual([503, 'STORE_UNAVAILABLE', false, undefined]);
    const next = await shop.get(thing.path, auth(held.authorization));
    expect([next.status, codeOf(next), shop.upstream.seen.length]).toEqual([503, 'STORE_UNAVAILABLE', 1]);
  });

  test.each(things)(
    'what was written down without a word of it, and could not be given back, is given back when the store answers again: $what',
    async (thing) => {
      const away = () => Promise.reject(new FareboxError('STORE_UNAVAILABLE', 'The store is away.'));
      let isAway = false;
      const store = async (clock: FixedClock.FixedClock): Promise<Store> => {
        const real = createMemoryStore({ clock });
        const settle: Store['settle'] = async (request) => {
          const outcome = await real.settle(request);
          return isAway ? away() : outcome;
        };
        return { ...real, settle, cancel: (request) => (isAway ? away() : real.cancel(request)) };
      };
      const shop = await enterCounted(name, {}, { store });
      const held = await buyThing(shop, thing);
      isAway = true;
      const got = await shop.get(thing.path, auth(held.authorization));
      expect([got.status, codeOf(got), got.body.includes('hola')]).toEqual([503, 'STORE_UNAVAILABLE', false]);
      isAway = false;
      shop.clock.advance(1000);
      await expectEnded(shop, 'released upstream');
      expect(await spendRest(shop, thing, held)).toEqual([calls, thing.usedUp]);
      expect((await Books.verify(shop.store.audit())).discrepancies).toEqual([]);
    },
  );

  test.each(things)('a failure that was answered is not served as well: $what', async (thing) => {
    const shop = await enterCounted(name);
    const held = await buyThing(shop, thing);
    const first = shop.get(doing('hold', thing.path), auth(held.authorization));
    await shop.upstream.sees(1);
    for (let call = 1; call < calls; call++) expect((await shop.get(thing.path, auth(held.authorization))).status).toBe(200);
    expect(codeOf(await shop.get(thing.path, auth(held.authorization)))).toBe('CREDENTIAL_IN_USE');
    shop.clock.advance(timeoutMs);
    expect((await first).status).toBe(504);
    shop.upstream.release();
    expect(await spendRest(shop, thing, held)).toEqual([1, thing.usedUp]);
  });
});

describe('WebSockets', () => {
  const closing: Closing = [];
  afterEach(() => closeAll(closing));

  test('every way in which a handshake fails, on one payment: none is charged, and the one that succeeds is, once', async () => {
    const { shop, answer, dial } = await enterLive(closing);
    const { authorization } = await shop.buy(live);
    const failures: readonly (readonly [string | ((socket: { destroy: () => void }) => void), number])[] = [
      ...[401, 403, 404, 405, 408, 429, 500, 502, 503].map((status) => [`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`, status] as const),
      [(socket) => socket.destroy(), 502],
      [agreed.replace('Upgrade: websocket', 'Upgrade: h2c'), 502],
      [agreed.replace(/Accept: .*\r\n/, 'Accept: AAAA\r\n'), 502],
    ];
    for (const [how, status] of failures.flatMap((failure) => Array<typeof failure>(4).fill(failure))) {
      answer(how);
      const client = await dial(live, authorization);
      expect(await statusOf(client)).toBe(status);
      expect((await standing(shop)).charged).toBe(0);
    }
    answer(agreed);
    const client = await dial(live, authorization);
    expect(await statusOf(client)).toBe(101);
    expect(client.received()).toMatch(/\r\nL402-Payment: charged\r\n/);
    expect(await shop.ledger()).toEqual(['received', 'earned']);
    client.write(close.client);
    client.socket.end();
    await shop.ended('delivered');
    expect(await statusOf(await dial(live, authorization))).toBe(402);
  });

  test('nobody is let in before it is written down that it was paid, and what cannot be written down is not burnt', async () => {
    const { shop, answer, dial, sockets, reached } = await enterLive(closing);
    const { authorization } = await shop.buy(live);
    answer(() => {});
    const client = await dial(live, authorization);
    await reached(1);
    await shop.store.close();
    sockets[0]?.write(`${agreed}\x81\x02hi`, 'latin1');
    expect(await statusOf(client)).toBe(503);
    expect(client.received()).toMatch(/STORE_UNAVAILABLE/);
    expect(client.received()).not.toMatch(/ 101 |\nPayment-Receipt/);
  });

  test('one that its upstream breaks is given back, and what was given back is served', async () => {
    const { shop, dial, sockets } = await enterLive(closing);
    const { authorization } = await shop.buy(live);
    for (const [index, how] of ['reset', 'end', 'reset'].entries()) {
      const client = await dial(live, authorization);
      expect(await statusOf(client)).toBe(101);
      if (how === 'reset') sockets[index]?.resetAndDestroy();
      else sockets[index]?.end();
      expect(await soon(shop.ended('released upstream-broke', index + 1))).not.toBe('nothing happened');
    }
    const client = await dial(live, authorization);
    expect(await statusOf(client)).toBe(101);
    client.write(close.client);
    client.socket.end();
    await shop.ended('delivered');
    expect((await standing(shop)).charged).toBe(1);
    expect(await statusOf(await dial(live, authorization))).toBe(402);
  });
});

describe('over HTTP/2', () => {
  const closing: Closing = [];
  afterEach(() => closeAll(closing));

  describe('calls of gRPC', () => testBurntCalls(closing));

  test('an answer that its upstream resets is given back, also where it says that nothing is wrong', async () => {
    const upstream = await openFrames(closing, (connection, { type, stream }) => {
      if (type !== frames.headers) return;
      connection.send(frames.headers, flags.endHeaders, stream, ok);
      connection.send(frames.data, 0, stream, Buffer.from('half of'));
      reset(connection, stream, 0);
    });
    const sale = recordSale();
    const service = { upstream: { url: `http://127.0.0.1:${upstream.port}`, protocol: 'h2' } };
    const stage = await openStage(closing, { upstream: 0, service, check: sellWith(sale) });
    await expect(ask(stage.port, '/a')).rejects.toThrow();
    await stage.over(1);
    expect(sale.told).toEqual(['head 200', 'end upstream-broke']);
  });

  test('what an upstream says that it did nothing with is asked for again, and one use pays for it', async () => {
    let count = 0;
    const upstream = await openFrames(closing, (connection, { type, stream }) => {
      if (type !== frames.headers) return;
      if (++count === 1) reset(connection, stream, 7);
      else answer(connection, stream);
    });
    const sale = recordSale();
    const service = { upstream: { url: `http://127.0.0.1:${upstream.port}`, protocol: 'h2' } };
    const stage = await openStage(closing, { upstream: 0, service, check: sellWith(sale) });
    expect((await ask(stage.port, '/a')).text).toBe('ok');
    await stage.over(1);
    expect(sale.told).toEqual(['head 200', 'end delivered']);
  });
});

describe('several upstreams that do the same', () => {
  /** Two of them behind the gateway, and what both saw. */
  async function enterGroup(options: object = {}) {
    const other = await startUpstream();
    others.push(other);
    const shop = await enter('gateway', {}, { routes: ({ url }) => [groupRoute(path, [url, other.url], options)] });
    return { shop, other, seen: () => [...shop.upstream.seen, ...other.seen] };
  }

  /** One that breaks what it gets, by this, and one that does not; the first has the first turn. */
  async function enterBroken(answer: (response: ServerResponse) => void) {
    const names: (string | undefined)[] = [];
    const broken = createServer((request, response) => {
      names.push(request.headers['idempotency-key']?.toString());
      answer(response);
    });
    await once(broken.listen(0, '127.0.0.1'), 'listening');
    others.push({ close: async () => void broken.close() });
    const brokenUrl = `http://127.0.0.1:${(broken.address() as AddressInfo).port}`;
    const shop = await enter('gateway', {}, { routes: ({ url }) => [groupRoute(path, [brokenUrl, url], {})] });
    return { shop, names };
  }

  const others: Pick<Upstream, 'close'>[] = [];
  afterEach(async () => {
    for (const other of others.splice(0)) await other.close();
  });

  test('what one breaks and another answers is one use, under one name, paid for once', async () => {
    const { shop, names } = await enterBroken((response) => response.socket?.destroy());
    const bought = await shop.buy(path);
    const got = await shop.get(path, auth(bought.authorization));
    expect([got.status, got.body, got.headers['l402-payment']]).toEqual([200, answerText, 'charged']);
    await shop.ended('delivered');
    expect(names).toEqual(shop.upstream.seen.map(({ headers }) => headers['idempotency-key']));
    expect([names.length, names[0] === undefined, shop.asked().filter((one) => one === 'claim').length]).toEqual([1, false, 1]);
    expect(codeOf(await shop.get(path, auth(bought.authorization)))).toBe('CREDENTIAL_USED');
    expect(await shop.ledger()).toEqual(['received', 'earned']);
    expect((await Books.verify(shop.store.audit())).discrepancies).toEqual([]);
  });

  test('what all of them break is given back, and served once afterwards', async () => {
    const { shop, seen } = await enterGroup();
    const bought = await shop.buy(path);
    for (let time = 1; time <= 4; time++) {
      const got = await shop.get(doing('reset'), auth(bought.authorization));
      expect([got.status, got.headers['l402-payment']]).toEqual([502, 'not-charged']);
    }
    expect((await standing(shop)).charged).toBe(0);
    const before = seen().length;
    expect((await shop.get(path, auth(bought.authorization))).status).toBe(200);
    await shop.ended('delivered');
    expect([seen().length - before, codeOf(await shop.get(path, auth(bought.authorization)))]).toEqual([1, 'CREDENTIAL_USED']);
    expect(await shop.ledger()).toEqual(['received', 'earned']);
  });

  test('an answer that has begun comes from one of them alone, and is given back where it breaks', async () => {
    const { shop, names } = await enterBroken((response) => {
      response.writeHead(200, { 'content-length': 100 }).write('{"tr');
      setImmediate(() => response.socket?.destroy());
    });
    const bought = await shop.buy(path);
    const got = await soon(shop.get(path, auth(bought.authorization)));
    expect([got !== 'nothing happened' && got.whole, names.length, shop.upstream.seen.length]).toEqual([false, 1, 0]);
    expect(await soon(shop.ended('released upstream-broke'))).toBeUndefined();
    expect(await shop.ledger()).toEqual(['received', 'earned', 'reversed']);
    // Of this one the head never came whole.
    const other = await enterBroken((response) => {
      response.socket?.write('HTTP/1.1 200 OK\r\nContent-');
      setImmediate(() => response.socket?.destroy());
    });
    const held = await other.shop.buy(path);
    expect([(await other.shop.get(path, auth(held.authorization))).status, other.names.length, other.shop.upstream.seen.length]).toEqual([502, 1, 0]);
    expect(await other.shop.ledger()).toEqual(['received']);
  });

  test('what may have been done is not done again elsewhere', async () => {
    const { shop, seen } = await enterGroup();
    const text = { 'content-type': 'text/plain' };
    for (const [count, content] of [{}, { body: 'one', headers: text }].entries()) {
      const bought = await shop.buy(path, { method: 'POST', ...content });
      const got = await shop.get(doing('reset'), { method: 'POST', ...content, ...auth(bought.authorization, content.headers) });
      expect([got.status, got.headers['l402-payment'], seen().length]).toEqual([502, 'not-charged', count + 1]);
    }
  });

  test('none of them to be reached: said at once, as often as one likes, and nothing is charged', async () => {
    const { shop, other } = await enterGroup({ breaker: { failures: 1, pause: '10s' } });
    const bought = await shop.buy(path);
    for (const upstream of [shop.upstream, other]) await upstream.close();
    for (let time = 1; time <= 5; time++) {
      const got = await shop.get(path, auth(bought.authorization));
      expect([got.status, got.headers['l402-payment']]).toEqual([time === 1 ? 502 : 503, 'not-charged']);
    }
    expect(await shop.ledger()).toEqual(['received']);
  });
});
