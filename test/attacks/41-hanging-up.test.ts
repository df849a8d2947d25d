/**
 * Hanging up before the last byte, over and over, for the same payment; provoking upstream errors to keep a claim for ever.
 */
import { describe, expect, test } from 'vitest';
import type { Ask, Bought } from '../conformance/shop/shop.ts';
import { auth, codeOf, enter, names, path, refusalOf, standing } from './thief.ts';

const doing = (what: string) => `${path}&do=${what}`;
const post = (bought: Bought): Ask => ({ method: 'POST', body: 'one', headers: { 'content-type': 'text/plain', authorization: bought.authorization } });

describe.each(names)('%s', (name) => {
  test('all but the last byte, again and again: three times in all, and never again', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    for (let i = 1; i <= 3; i++) {
      await shop.leave(doing('stall'), auth(bought.authorization), 'headed');
      await shop.ended('left', i);
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
    await shop.ended('left');
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
    await shop.ended('left');
    shop.upstream.release();
    shop.clock.advance(590_000);
    await shop.leave(doing('stall'), auth(bought.authorization), 'headed');
    await shop.ended('left', 2);
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
      await shop.ended(i < 4 ? 'released client-left' : 'charged', i < 4 ? i : 1);
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
    await shop.ended('left');
    const again = await shop.get(doing('hold'), post(bought));
    expect([again.status, shop.upstream.seen.length]).toEqual([200, 1]);
    await shop.ended('delivered');
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
      await shop.ended('charged', i);
      shop.upstream.release();
      await asked;
      if (i < 4) await shop.ended('released upstream-broke', i);
    }
    await shop.ended('charged', 5);
    expect(await refusalOf(shop, path, auth(bought.authorization))).toBe('CREDENTIAL_USED');
    expect((await standing(shop)).charged).toBe(1);
  });

  test('all tricks in turn: so many attempts and no more, and one of them charged', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const released = { left: 0, error: 0, broke: 0 };
    for (let round = 0; round < 3; round++) {
      await shop.leave(doing('hold'), auth(bought.authorization), 'seen');
      await shop.ended('released client-left', ++released.left);
      shop.upstream.release();
      expect((await shop.get(doing('status-422'), auth(bought.authorization))).status).toBe(422);
      released.error++;
      const asked = shop.get(doing('break'), auth(bought.authorization));
      await shop.ended('charged', round + 1);
      shop.upstream.release();
      await asked;
      await shop.ended('released upstream-broke', ++released.broke);
    }
    expect(released).toEqual({ left: 3, error: 3, broke: 3 });
    await shop.leave(doing('hold'), auth(bought.authorization), 'seen');
    await shop.ended('charged', 4);
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
      await shop.ended('left', i);
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
});
