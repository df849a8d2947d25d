/**
 * Hanging up before the last byte, over and over, for the same payment; provoking upstream errors to keep a claim for ever.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { bucket } from '../../src/server/terms/Bucket.ts';
import { type Ask, type Bought, timeoutMs } from '../conformance/shop/shop.ts';
import { startUpstream, type Upstream } from '../conformance/shop/upstream.ts';
import { type Closing, closeAll } from '../gateway/harness.ts';
import { testCancelledCalls, testCutRequests } from './calls.ts';
import { buyThing, calls, enterCounted, expectEnded, fewThings, spendRest, things } from './counted.ts';
import { groupRoute } from './groupRoute.ts';
import { askUntilFree, auth, codeOf, enter, names, narrowed, path, refusalOf, standing } from './thief.ts';
import { close, ends, enterLive, live, statusOf } from './webSockets.ts';

const doing = (what: string) => `${path}&do=${what}`;
const post = (bought: Bought): Ask => ({ method: 'POST', body: 'one', headers: { 'content-type': 'text/plain', authorization: bought.authorization } });

describe.each(names)('%s', (name) => {
  test('all but the last byte, again and again: three times in all, and never again', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    for (let i = 1; i <= 3; i++) {
      await shop.leave(doing('stall'), auth(bought.authorization), 'headed');
      await expectEnded(shop, 'left', i);
      shop.upstream.release();
    }
    for (let i = 0; i < 5; i++) expect(await refusalOf(shop, doing('stall'), auth(bought.authorization))).toBe('CREDENTIAL_USED');
    expect(shop.upstream.seen.length).toBe(3);
    expect((await standing(shop)).charged).toBe(1);
  });

  test('hanging up earns another request nothing: another query, path, method or body is used up at once', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path, { method: 'POST', body: 'one', headers: { 'content-type': 'text/plain' } });
    await shop.leave(doing('stall'), post(bought), 'headed');
    await expectEnded(shop, 'left');
    shop.upstream.release();
    for (const [target, ask] of [
      [`${doing('stall')}&page=2`, post(bought)],
      [path, post(bought)],
      [doing('stall'), { ...post(bought), body: 'two' }],
      [doing('stall'), { ...post(bought), body: '' }],
    ] as const)
      expect(await refusalOf(shop, target, ask), target).toBe('CREDENTIAL_USED');
    expect(shop.upstream.seen.length).toBe(1);
  });

  test('ten minutes are ten minutes from the first answer, however often one comes back', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    await shop.leave(doing('stall'), auth(bought.authorization), 'headed');
    await expectEnded(shop, 'left');
    shop.upstream.release();
    shop.clock.advance(590_000);
    await shop.leave(doing('stall'), auth(bought.authorization), 'headed');
    await expectEnded(shop, 'left', 2);
    shop.upstream.release();
    shop.clock.advance(11_000);
    expect(await refusalOf(shop, doing('stall'), auth(bought.authorization))).toBe('CREDENTIAL_USED');
    expect(shop.upstream.seen.length).toBe(2);
  });

  test('before the head, of a safe request: given back three times, then charged', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    for (let i = 1; i <= 4; i++) {
      await shop.leave(doing('hold'), auth(bought.authorization), 'seen');
      await expectEnded(shop, i < 4 ? 'released client-left' : 'charged', i < 4 ? i : 1);
      shop.upstream.release();
    }
    for (let i = 0; i < 3; i++) expect(await refusalOf(shop, `${path}&i=${i}`, auth(bought.authorization))).toBe('CREDENTIAL_USED');
    expect([shop.upstream.seen.length, (await standing(shop)).charged]).toEqual([4, 1]);
  });

  test('before the head, of another request: the work is done once, and its answer given twice more at most', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path, { method: 'POST', body: 'one', headers: { 'content-type': 'text/plain' } });
    await shop.leave(doing('hold'), post(bought), 'seen');
    shop.upstream.release();
    await expectEnded(shop, 'left');
    const again = await shop.get(doing('hold'), post(bought));
    expect([again.status, shop.upstream.seen.length]).toEqual([200, 1]);
    await expectEnded(shop, 'delivered');
    expect(await refusalOf(shop, doing('hold'), post(bought))).toBe('CREDENTIAL_USED');
    expect([shop.upstream.seen.length, (await standing(shop)).charged]).toEqual([1, 1]);
  });

  test('errors that a buyer can provoke are given back three times, by whatever status', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const payments: unknown[] = [];
    for (const status of [400, 422, 409, 410]) payments.push((await shop.get(doing(`status-${status}`), auth(bought.authorization))).headers['l402-payment']);
    expect(payments).toEqual(['not-charged', 'not-charged', 'not-charged', 'charged']);
    for (let i = 0; i < 3; i++) expect(await refusalOf(shop, path, auth(bought.authorization))).toBe('CREDENTIAL_USED');
    expect(shop.upstream.seen.length).toBe(4);
  });

  test('answers that break off are given back three times', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    for (let i = 1; i <= 4; i++) {
      const asked = shop.get(doing('break'), auth(bought.authorization));
      await shop.upstream.sees(i);
      await expectEnded(shop, 'charged', i);
      shop.upstream.release();
      await asked;
      if (i < 4) await expectEnded(shop, 'released upstream-broke', i);
    }
    await expectEnded(shop, 'charged', 5);
    expect(await refusalOf(shop, path, auth(bought.authorization))).toBe('CREDENTIAL_USED');
    expect((await standing(shop)).charged).toBe(1);
  });

  test('all tricks in turn: so many attempts and no more, and one of them charged', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const released = { left: 0, error: 0, broke: 0 };
    for (let round = 0; round < 3; round++) {
      await shop.leave(doing('hold'), auth(bought.authorization), 'seen');
      await expectEnded(shop, 'released client-left', ++released.left);
      shop.upstream.release();
      expect((await shop.get(doing('status-422'), auth(bought.authorization))).status).toBe(422);
      released.error++;
      const asked = shop.get(doing('break'), auth(bought.authorization));
      await expectEnded(shop, 'charged', round + 1);
      shop.upstream.release();
      await asked;
      await expectEnded(shop, 'released upstream-broke', ++released.broke);
    }
    expect(released).toEqual({ left: 3, error: 3, broke: 3 });
    await shop.leave(doing('hold'), auth(bought.authorization), 'seen');
    await expectEnded(shop, 'charged', 4);
    shop.upstream.release();
    for (const what of ['hold', 'status-422', 'break', 'stall', 'answer'])
      expect(await refusalOf(shop, doing(what), auth(bought.authorization))).toBe('CREDENTIAL_USED');
    expect([shop.upstream.seen.length, (await standing(shop)).charged]).toEqual([10, 1]);
  });

  test('another idempotency key, or the same one, begins nothing anew', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    for (let i = 1; i <= 3; i++) {
      await shop.leave(doing('stall'), auth(bought.authorization, { 'idempotency-key': `k${i}` }), 'headed');
      await expectEnded(shop, 'left', i);
      shop.upstream.release();
    }
    for (const key of ['k1', 'k4', ''])
      expect(await refusalOf(shop, doing('stall'), auth(bought.authorization, { 'idempotency-key': key }))).toBe('CREDENTIAL_USED');
    expect(shop.upstream.seen.length).toBe(3);
  });

  test('the upstream’s own errors give back as often as they come, until the token ends', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    for (let hours = 0; hours < 24; hours += 6) {
      expect((await shop.get(doing('status-500'), auth(bought.authorization))).status).toBe(500);
      shop.clock.advance(6 * 3_600_000);
      await shop.store.prune();
    }
    shop.clock.advance(601_000);
    const got = await shop.get(doing('status-500'), auth(bought.authorization));
    expect([got.status, codeOf(got), shop.upstream.seen.length]).toEqual([402, 'CREDENTIAL_EXPIRED', 4]);
  });

  test.each(things)('before the head, of what is counted: given back three times, whatever is written behind it, and then paid for: $what', async (thing) => {
    const shop = await enterCounted(name);
    const held = await buyThing(shop, thing);
    for (let i = 1; i <= 3 + calls; i++) {
      // A limit of one's own each time, which would be a fresh count of what was given back.
      const authorization = narrowed(held, `part=w${i}`, 'n_uses=1');
      await shop.leave(`${thing.path}?do=hold`, auth(authorization), 'seen');
      await expectEnded(shop, i <= 3 ? 'released client-left' : 'charged', i <= 3 ? i : i - 3);
      shop.upstream.release();
    }
    expect(await spendRest(shop, thing, held)).toEqual([0, thing.usedUp]);
    expect(shop.upstream.seen.length).toBe(3 + calls);
  });

  test.each(fewThings)('behind the head, and before it of a request that may have done something: paid for each time: $what', async (thing) => {
    const shop = await enterCounted(name);
    const held = await buyThing(shop, thing);
    await shop.leave(`${thing.path}?do=stall`, auth(held.authorization), 'headed');
    await expectEnded(shop, 'left');
    shop.upstream.release();
    const post: Ask = { method: 'POST', body: 'one', headers: { 'content-type': 'text/plain', authorization: held.authorization } };
    await shop.leave(`${thing.path}?do=hold`, post, 'seen');
    shop.upstream.release();
    await expectEnded(shop, 'left', 2);
    expect(await spendRest(shop, thing, held)).toEqual([calls - 2, thing.usedUp]);
    expect(shop.upstream.seen.length).toBe(calls);
  });

  test.each(things)(
    'of what is counted and named by its client: its answer three times in all, for what one call takes; another name is another call: $what',
    async (thing) => {
      const shop = await enterCounted(name);
      const held = await buyThing(shop, thing);
      for (let call = 1; call <= calls; call++) {
        const named = auth(held.authorization, { 'idempotency-key': `call ${call}` });
        for (let time = 1; time <= 3; time++) {
          await shop.leave(`${thing.path}?do=stall`, named, 'headed');
          await expectEnded(shop, 'left', 3 * (call - 1) + time);
          shop.upstream.release();
        }
        for (let time = 0; time < 3; time++) expect(await refusalOf(shop, `${thing.path}?do=stall`, named)).toBe('IDEMPOTENCY_CONFLICT');
      }
      expect(await refusalOf(shop, thing.path, auth(held.authorization, { 'idempotency-key': 'one more' }))).toBe(thing.usedUp);
      expect(shop.upstream.seen.length).toBe(3 * calls);
    },
  );

  test.each(things)('errors that a buyer can provoke, of what is counted: given back three times by whatever status: $what', async (thing) => {
    const shop = await enterCounted(name);
    const held = await buyThing(shop, thing);
    const payments: unknown[] = [];
    for (const status of [400, 422, 409, 410, 413, 451]) {
      payments.push((await shop.get(`${thing.path}?do=status-${status}`, auth(held.authorization))).headers['l402-payment']);
    }
    expect(payments).toEqual([...Array(3).fill('not-charged'), ...Array(calls).fill('charged')]);
    expect(await spendRest(shop, thing, held)).toEqual([0, thing.usedUp]);
    expect(shop.upstream.seen.length).toBe(3 + calls);
  });

  test.each(fewThings)('answers that break off, and all tricks in turn, of what is counted: so many attempts and no more: $what', async (thing) => {
    const shop = await enterCounted(name);
    const held = await buyThing(shop, thing);
    for (let round = 1; round <= 3; round++) {
      await shop.leave(`${thing.path}?do=hold`, auth(held.authorization), 'seen');
      await expectEnded(shop, 'released client-left', round);
      shop.upstream.release();
      expect((await shop.get(`${thing.path}?do=status-422`, auth(held.authorization))).headers['l402-payment']).toBe('not-charged');
      const asked = shop.get(`${thing.path}?do=break`, auth(held.authorization));
      await expectEnded(shop, 'charged', round);
      shop.upstream.release();
      await asked;
      await expectEnded(shop, 'released upstream-broke', round);
    }
    for (let call = 1; call <= calls; call++) {
      const asked = askUntilFree(shop, `${thing.path}?do=break`, auth(held.authorization));
      await expectEnded(shop, 'charged', 3 + 2 * call - 1);
      shop.upstream.release();
      await asked;
      await expectEnded(shop, 'charged', 3 + 2 * call);
    }
    for (const what of ['hold', 'status-422', 'break', 'stall', 'answer', 'status-500'])
      expect(await refusalOf(shop, `${thing.path}?do=${what}`, auth(held.authorization))).toBe(thing.usedUp);
    expect(shop.upstream.seen.length).toBe(9 + calls);
  });

  test('of what is charged on request: the upstream is asked once for each use, whatever is tried with it', async () => {
    const onRequest = { service: 'dear', consume: 'on-request' as const };
    const shop = await enter(
      name,
      {},
      {
        routes: ({ url }) => [
          { methods: ['GET', 'POST'], path: '/dear/one', upstream: url, options: { ...onRequest, price: '50 sat' } },
          { methods: ['GET', 'POST'], path: '/dear/three', upstream: url, options: { ...onRequest, price: '50 sat', terms: bucket({ units: 3 }) } },
        ],
      },
    );
    let left = 0;
    for (const [what, when] of [
      ['hold', 'seen'],
      ['stall', 'headed'],
    ] as const) {
      for (const [place, uses] of [
        ['/dear/one', 1],
        ['/dear/three', 3],
      ] as const) {
        const bought = await shop.buy(place);
        const seen = shop.upstream.seen.length;
        for (let use = 1; use <= uses; use++) {
          await shop.leave(`${place}?do=${what}`, auth(bought.authorization, { 'idempotency-key': `use ${use}` }), when);
          await expectEnded(shop, 'left', ++left);
          shop.upstream.release();
          // The same again, by its name and without one, and others, until nothing is left.
          const again = await shop.get(`${place}?do=${what}`, auth(bought.authorization, { 'idempotency-key': `use ${use}` }));
          expect([402, 422]).toContain(again.status);
        }
        for (const how of ['hold', 'status-500', 'status-422', 'break', 'answer']) {
          expect(await refusalOf(shop, `${place}?do=${how}`, auth(bought.authorization))).toBe('CREDENTIAL_USED');
        }
        expect(shop.upstream.seen.length).toBe(seen + uses);
      }
    }
    const failing = await shop.buy('/dear/three');
    const seen = shop.upstream.seen.length;
    for (const status of [500, 404, 422]) await shop.get(`/dear/three?do=status-${status}`, auth(failing.authorization));
    expect([await refusalOf(shop, '/dear/three', auth(failing.authorization)), shop.upstream.seen.length]).toEqual(['CREDENTIAL_USED', seen + 3]);
    expect((await shop.ledger()).includes('reversed')).toBe(false);
  });
});

describe('WebSockets', () => {
  const closing: Closing = [];
  afterEach(() => closeAll(closing));

  test('hung up on without a word, again and again: three times in all, charged once', async () => {
    const { shop, dial, heads } = await enterLive(closing);
    const { authorization } = await shop.buy(live);
    for (let i = 1; i <= 3; i++) {
      const client = await dial(live, authorization);
      expect(await statusOf(client)).toBe(101);
      client.socket.resetAndDestroy();
      await expectEnded(shop, 'left', i);
    }
    for (let i = 0; i < 3; i++) expect(await statusOf(await dial(live, authorization))).toBe(402);
    expect([heads.length, (await standing(shop)).charged]).toEqual([3, 1]);
  });

  test('left before the upstream has answered: given back three times, then charged', async () => {
    const { shop, dial, answer, reached } = await enterLive(closing);
    const { authorization } = await shop.buy(live);
    answer(() => {});
    for (let i = 1; i <= 4; i++) {
      const client = await dial(live, authorization);
      await reached(i);
      client.socket.destroy();
      await expectEnded(shop, i < 4 ? 'released client-left' : 'charged', i < 4 ? i : 1);
    }
    expect(await statusOf(await dial(live, authorization))).toBe(402);
    expect((await standing(shop)).charged).toBe(1);
  });

  test('one that was closed in order is not opened again', async () => {
    const { shop, dial, sockets } = await enterLive(closing);
    const { authorization } = await shop.buy(live);
    const client = await dial(live, authorization);
    expect(await statusOf(client)).toBe(101);
    client.write(close.client);
    sockets[0]?.write(close.server, 'latin1');
    await client.until(ends.inOrder);
    client.socket.resetAndDestroy();
    await expectEnded(shop, 'delivered');
    expect(await statusOf(await dial(live, authorization))).toBe(402);
  });
});

describe('over HTTP/2', () => {
  const closing: Closing = [];
  afterEach(() => closeAll(closing));
  testCancelledCalls(closing);
  testCutRequests(closing);
});

describe('several upstreams that do the same', () => {
  async function enterGroup(options: object = {}) {
    const other = await startUpstream();
    others.push(other);
    const shop = await enter('gateway', {}, { routes: ({ url }) => [groupRoute(path, [url, other.url], options)] });
    const sees = () => Promise.race([shop.upstream, other].map(({ seen, sees }) => sees(seen.length + 1)));
    return { shop, sees, seen: () => shop.upstream.seen.length + other.seen.length };
  }

  const others: Upstream[] = [];
  afterEach(async () => {
    for (const other of others.splice(0)) await other.close();
  });

  test('errors that a buyer provokes, over and over with one payment, take the upstreams from nobody else', async () => {
    for (const what of ['reset', 'status-503', 'hold']) {
      const { shop, sees } = await enterGroup({ breaker: { failures: 2, pause: '1h', longestPause: '1h' } });
      const bought = await shop.buy(path);
      for (let time = 1; time <= 12; time++) {
        const asked = sees();
        const provoked = shop.get(doing(what), auth(bought.authorization));
        await Promise.race([asked, provoked]);
        if (what === 'hold') shop.clock.advance(timeoutMs);
        expect((await provoked).status, `${what}, time ${time}`).toBeGreaterThan(500);
      }
      const another = await shop.buy(path);
      expect((await shop.get(path, auth(another.authorization))).status, what).toBe(200);
    }
  });

  test('provoked errors cost the upstreams half as many requests again, and a few, and not twice as many', async () => {
    const { shop, seen } = await enterGroup({ breaker: { failures: 1_000_000 } });
    const bought = await shop.buy(path);
    for (let time = 1; time <= 60; time++) expect((await shop.get(doing('reset'), auth(bought.authorization))).status).toBe(502);
    expect(seen()).toBe(60 + 10 + 30);
  });
});
