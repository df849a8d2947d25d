/**
 * Every line of wire.md §4's table, the life of a claim, over sockets, behind each stand: one table of cases, the same answers.
 */
import { createHash } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { useKeyOf } from '../../src/server/Verifier.ts';
import { type Bought, type Got, openShop, type Shop, type StandName, stands, timeoutMs } from './shop/shop.ts';
import { answerText } from './shop/upstream.ts';

const path = '/api/v1/translate?text=hello&target=es';
const doing = (what: string) => `${path}&do=${what}`;
const names = Object.keys(stands) as StandName[];

let shop: Shop | undefined;
afterEach(async () => {
  await shop?.close();
  shop = undefined;
});

const paid = (bought: Bought, more: { [name: string]: string } = {}) => ({ headers: { authorization: bought.authorization, ...more } });
const post = (bought: Bought, body = 'one') => ({ method: 'POST', body, ...paid(bought, { 'content-type': 'text/plain' }) });
const codeOf = ({ body }: Got) => (body === '' ? '' : (JSON.parse(body) as { code?: string }).code);

/** Sends what does not succeed, then finds the credential good: nothing was charged, and one good answer is. */
async function stillGood(open: Shop, bought: Bought): Promise<void> {
  const got = await open.get(path, paid(bought));
  expect([got.status, got.headers['l402-payment'], got.body]).toEqual([200, 'charged', answerText]);
  await open.ended('delivered');
  expect((await open.ledger()).filter((kind) => kind === 'earned').length).toBe((await open.ledger()).filter((kind) => kind === 'reversed').length + 1);
  expect((await open.get(path, paid(bought))).status).toBe(402);
}

describe.each(names)('%s', (name) => {
  const openOne = async (...given: Parameters<typeof openShop> extends [unknown, ...infer Rest] ? Rest : never) => {
    shop = await openShop(name, ...given);
    return shop;
  };

  test('no success head: nobody listens', async () => {
    const open = await openOne();
    const bought = await open.buy('/dead');
    for (let i = 0; i < 5; i++) {
      const got = await open.get('/dead', paid(bought));
      expect([got.status, got.headers['l402-payment'], got.headers['payment-receipt']]).toEqual([502, 'not-charged', undefined]);
    }
    expect(await open.ledger()).toEqual(['received']);
  });

  test('no success head: reset', async () => {
    const open = await openOne();
    const bought = await open.buy(path);
    const got = await open.get(doing('reset'), paid(bought));
    expect([got.status, got.headers['l402-payment']]).toEqual([502, 'not-charged']);
    await stillGood(open, bought);
  });

  test('no success head: a time-out, with the upstream aborted', async () => {
    const open = await openOne();
    const bought = await open.buy(path);
    const asked = open.get(doing('hold'), paid(bought));
    await open.upstream.sees(1);
    open.clock.advance(timeoutMs);
    const got = await asked;
    expect([got.status, got.headers['l402-payment']]).toEqual([504, 'not-charged']);
    await open.upstream.isGivenUp();
    await stillGood(open, bought);
  });

  test.each([408, 429, 500, 501, 502, 503, 504, 401, 403, 404, 405])('released, and as often as it happens: %i', async (status) => {
    const open = await openOne();
    const bought = await open.buy(path);
    for (let i = 0; i < 5; i++) {
      const got = await open.get(doing(`status-${status}`), paid(bought));
      expect([got.status, got.headers['l402-payment'], got.headers['payment-receipt']]).toEqual([status, 'not-charged', undefined]);
    }
    await stillGood(open, bought);
  });

  test.each([400, 409, 410, 422])('another 4xx: released at most 3 times, then committed: %i', async (status) => {
    const open = await openOne();
    const bought = await open.buy(path);
    const said: (string | string[] | undefined)[] = [];
    for (let i = 0; i < 4; i++) said.push((await open.get(doing(`status-${status}`), paid(bought))).headers['l402-payment']);
    expect(said).toEqual(['not-charged', 'not-charged', 'not-charged', 'charged']);
    expect((await open.get(path, paid(bought))).status).toBe(402);
    expect(await open.ledger()).toEqual(['received', 'earned']);
  });

  test.each([200, 201, 204, 206, 301, 302, 304])('a success head is committed before its first byte: %i', async (status) => {
    const open = await openOne();
    const bought = await open.buy(path);
    const got = await open.get(doing(`status-${status}`), paid(bought));
    expect([got.status, got.headers['l402-payment'], typeof got.headers['payment-receipt']]).toEqual([status, 'charged', 'string']);
    expect(await open.ledger()).toEqual(['received', 'earned']);
    await open.ended('delivered');
    expect((await open.get(path, paid(bought))).status).toBe(402);
  });

  test('a commit that is not known to have happened sends nothing of the answer', async () => {
    const open = await openOne();
    const bought = await open.buy(path);
    const asked = open.get(doing('hold'), paid(bought));
    await open.upstream.sees(1);
    await open.store.close();
    open.upstream.release();
    const got = await asked;
    expect([got.status, codeOf(got), got.headers['retry-after'], got.headers['payment-receipt']]).toEqual([503, 'STORE_UNAVAILABLE', '5', undefined]);
  });

  test('the upstream breaks after its head: released, at most 3 times a token', async () => {
    const open = await openOne();
    const bought = await open.buy(path);
    for (let i = 1; i <= 4; i++) {
      const asked = open.get(doing('break'), paid(bought));
      await open.upstream.sees(i);
      await open.ended('charged', i);
      open.upstream.release();
      expect([(await asked).status, (await asked).whole]).toEqual([200, false]);
      await open.ended(i < 4 ? 'released upstream-broke' : 'charged', i < 4 ? i : 5);
    }
    expect(await open.ledger()).toEqual(['received', 'earned', 'reversed', 'earned', 'reversed', 'earned', 'reversed', 'earned']);
    expect((await open.get(path, paid(bought))).status).toBe(402);
  });

  test('the client leaves a safe request before the head: given up, and released at most 3 times', async () => {
    const open = await openOne();
    const bought = await open.buy(path);
    for (let i = 1; i <= 4; i++) {
      await open.leave(doing('hold'), paid(bought), 'seen');
      await open.ended(i < 4 ? 'released client-left' : 'charged', i < 4 ? i : 1);
      open.upstream.release();
    }
    expect((await open.get(path, paid(bought))).status).toBe(402);
    expect(await open.ledger()).toEqual(['received', 'earned']);
  });

  test('the client leaves another request before the head: finished, kept, committed; the same request gets the kept answer', async () => {
    const open = await openOne();
    const bought = await open.buy(path, { method: 'POST', body: 'one' });
    await open.leave(doing('hold'), post(bought), 'seen');
    open.upstream.release();
    await open.ended('left');
    const again = await open.get(doing('hold'), post(bought));
    expect([again.status, again.body, again.headers['l402-payment'], open.upstream.seen.length]).toEqual([200, answerText, 'charged', 1]);
    await open.ended('delivered');
    expect((await open.get(doing('hold'), post(bought))).status).toBe(402);
    expect(await open.ledger()).toEqual(['received', 'earned', 'repeated']);
  });

  test('the client leaves after the head: committed; the same request is answered again, at most twice in 10 minutes', async () => {
    const open = await openOne();
    const bought = await open.buy(path, { method: 'POST', body: 'one' });
    for (let i = 1; i <= 3; i++) {
      await open.leave(doing('stall'), post(bought), 'headed');
      await open.ended('left', i);
      open.upstream.release();
    }
    const got = await open.get(doing('stall'), post(bought));
    expect([got.status, codeOf(got), open.upstream.seen.length]).toEqual([402, 'CREDENTIAL_USED', 3]);
    expect(await open.ledger()).toEqual(['received', 'earned', 'repeated', 'repeated']);
  });

  test('after the head, another body, path or method is another request', async () => {
    const open = await openOne();
    const bought = await open.buy(path, { method: 'POST', body: 'one' });
    await open.leave(doing('stall'), post(bought), 'headed');
    await open.ended('left');
    open.upstream.release();
    expect((await open.get(doing('stall'), post(bought, 'two'))).status).toBe(402);
    expect((await open.get(doing('hold'), post(bought))).status).toBe(402);
    expect(open.upstream.seen.length).toBe(1);
    const same = open.get(doing('stall'), post(bought));
    await open.upstream.sees(2);
    open.upstream.release();
    expect([(await same).status, (await same).body]).toEqual([200, answerText]);
  });

  test('after 10 minutes it is not answered again', async () => {
    const open = await openOne();
    const bought = await open.buy(path);
    await open.leave(doing('stall'), paid(bought), 'headed');
    await open.ended('left');
    open.upstream.release();
    open.clock.advance(601_000);
    expect((await open.get(doing('stall'), paid(bought))).status).toBe(402);
  });

  test('a retry while the first call runs waits a moment for the outcome, and gets what it leaves', async () => {
    const open = await openOne({ inUseWaitMs: 2000 });
    const bought = await open.buy(path);
    const first = open.get(doing('hold'), paid(bought));
    await open.upstream.sees(1);
    const second = open.get(doing('hold'), paid(bought));
    let answered = false;
    void second.then(() => {
      answered = true;
    });
    while (!answered) {
      open.clock.advance(500);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect([(await second).status, codeOf(await second)]).toEqual([409, 'CREDENTIAL_IN_USE']);
    open.upstream.release();
    expect((await first).status).toBe(200);
  });

  test('two requests with one credential at the same instant: exactly one is served', async () => {
    const open = await openOne();
    const bought = await open.buy(path);
    const got = await Promise.all(Array.from({ length: 8 }, () => open.get(path, paid(bought))));
    expect(got.filter(({ status }) => status === 200).length).toBe(1);
    expect(got.every(({ status }) => [200, 402, 409].includes(status))).toBe(true);
    expect(open.upstream.seen.length).toBe(1);
  });

  test('killed before the commit: released when the lease ends; killed after: one more complete answer', async () => {
    const open = await openOne();
    const bought = await open.buy(path);
    const key = useKeyOf(bought.macaroon.identifier);
    const claim = { key, request: 'x', leaseSeconds: 30, expiresAt: 2_000_000_000, repeat: { limit: 2, withinSeconds: 600 } };
    await open.store.claim(claim);
    expect((await open.get(path, paid(bought))).status).toBe(409);
    open.clock.advance(31_000);
    expect((await open.get(path, paid(bought))).status).toBe(200);
    await open.ended('delivered');

    const second = await open.buy(path);
    const held = await open.store.claim({ ...claim, key: useKeyOf(second.macaroon.identifier), request: requestDigest(`GET ${path}`) });
    if (held.kind !== 'granted') throw new Error('not granted');
    await open.store.commit({ key: useKeyOf(second.macaroon.identifier), fence: held.fence, bodyDigest: emptyDigest });
    expect((await open.get(path, paid(second))).status).toBe(409);
    open.clock.advance(31_000);
    const again = await open.get(path, paid(second));
    expect([again.status, again.body]).toEqual([200, answerText]);
    await open.ended('delivered', 2);
    expect((await open.get(path, paid(second))).status).toBe(402);
    expect((await open.ledger()).filter((kind) => kind === 'repeated').length).toBe(1);
  });

  test('a long answer keeps its claim: the lease is renewed while the upstream works', async () => {
    const open = await openOne({ leaseSeconds: 3 });
    const bought = await open.buy(path);
    const first = open.get(doing('hold'), paid(bought));
    await open.upstream.sees(1);
    for (let i = 0; i < 4; i++) {
      open.clock.advance(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await open.get(path, paid(bought))).status).toBe(409);
    open.upstream.release();
    expect((await first).status).toBe(200);
  });

  test('the upstream gets one Idempotency-Key for all attempts with a token, and it is no secret', async () => {
    const open = await openOne();
    const bought = await open.buy(path);
    await open.get(doing('status-500'), paid(bought, { 'idempotency-key': 'mine' }));
    await open.get(path, paid(bought));
    const keys = open.upstream.seen.map(({ headers }) => headers['idempotency-key']);
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(keys[1]).toBe(keys[0]);
    expect(`${bought.preimage}${bought.token}`).not.toContain(keys[0]);
  });
});

const requestDigest = (text: string) => createHash('sha256').update(text).digest('hex');
const emptyDigest = requestDigest('');
