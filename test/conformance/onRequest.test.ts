/**
 * What is charged on request (`consume: on-request`), over sockets, behind each stand: spent before the upstream is asked, and never given back, whatever
 * becomes of the request; the upstream is asked once for each use.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import * as Amount from '../../src/core/Amount.ts';
import { bucket } from '../../src/server/terms/Bucket.ts';
import { credit } from '../../src/server/terms/Credit.ts';
import { useKeyOf } from '../../src/server/Verifier.ts';
import * as Books from '../../src/store/Books.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/Store.ts';
import { type Bought, type Got, openShop, type StandName, stands, timeoutMs } from './shop/shop.ts';
import type { StandRoute } from './shop/stands.ts';
import { answerText } from './shop/upstream.ts';

const closing: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** What is sold: the path, how many requests of it there are, and what is left when one is gone. */
const things = [
  ['/single/a', 1, undefined],
  ['/pail/a', 3, '2'],
  ['/purse/a', 8, '350 sat'],
] as const;

const routes = ({ url, deadUrl }: { readonly url: string; readonly deadUrl: string }): readonly StandRoute[] => {
  const purse = credit({ creditMsat: Amount.parse('400 sat'), seconds: 86_400 });
  const sold = (path: string, options: Omit<StandRoute['options'], 'service' | 'consume'>, upstream = url): StandRoute => {
    return { methods: ['GET', 'POST'], path, upstream, options: { ...options, service: path.split('/')[1] as string, consume: 'on-request' } };
  };
  return [
    sold('/single/*', { price: '50 sat' }),
    sold('/pail/*', { price: '100 sat', terms: bucket({ units: 3 }) }),
    sold('/purse/*', { price: '50 sat', terms: purse }),
    sold('/dead/*', { price: '50 sat' }, deadUrl),
  ];
};

async function enter(stand: StandName, store?: (own: Store) => Store) {
  const shop = await openShop(stand, {}, { routes, ...(store && { store: async (clock) => store(createMemoryStore({ clock })) }) });
  closing.push(shop.close);
  return shop;
}

const paid = ({ authorization }: Bought, more: { readonly [name: string]: string } = {}) => ({ headers: { authorization, ...more } });
const post = (bought: Bought, body = 'one', more: { readonly [name: string]: string } = {}) => {
  return { method: 'POST', body, ...paid(bought, { 'content-type': 'text/plain', ...more }) };
};
/** Asks, has the answer broken off when its head is there, and sees that it ended early. */
async function breakOff(url: string, bought: Bought, release: () => void): Promise<void> {
  const sent = request(url, { ...paid(bought), agent: false }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.on('error', () => {}).once('data', release);
  await new Promise<void>((resolve) => response.once('close', resolve));
  expect([response.statusCode, response.headers['l402-payment'], response.complete]).toEqual([200, 'charged', false]);
}

const codeOf = ({ status, body }: Got) => (status < 400 || body === '' ? '' : (JSON.parse(body) as { code?: string }).code);
const said = ({ status, headers }: Got) => [status, headers['l402-payment'], headers['l402-remaining'], typeof headers['payment-receipt']];

describe.each(Object.keys(stands) as StandName[])('%s', (stand) => {
  /** How many requests are left, each served whole. */
  async function rest(shop: Awaited<ReturnType<typeof enter>>, path: string, bought: Bought): Promise<number> {
    for (let calls = 0; ; calls++) {
      const got = await shop.get(path, paid(bought));
      if (got.status !== 200) return calls;
      await shop.ended('delivered');
    }
  }

  test.each(things)('the 402 says so: %s', async (path) => {
    const shop = await enter(stand);
    const { buys, detail } = JSON.parse((await shop.get(path)).body) as { readonly buys: { readonly consume?: string }; readonly detail: string };
    expect([buys.consume, detail]).toEqual(['on-request', expect.stringContaining('A request is charged when it is let through')]);
  });

  test.each(things)('is spent when the upstream is asked, and served: %s', async (path, calls, left) => {
    const shop = await enter(stand);
    const bought = await shop.buy(path);
    const asked = shop.get(`${path}?do=hold`, paid(bought));
    await shop.upstream.sees(1);
    expect(await shop.ledger()).toEqual(['received', 'earned']);
    shop.upstream.release();
    expect(said(await asked)).toEqual([200, 'charged', left, 'string']);
    await shop.ended('delivered');
    expect(await rest(shop, path, bought)).toBe(calls - 1);
    expect((await Books.verify(shop.store.audit())).discrepancies).toEqual([]);
  });

  test.each(things)('stays spent whatever the upstream says: %s', async (path, calls, left) => {
    for (const status of [500, 503, 429, 404, 422]) {
      const shop = await enter(stand);
      const bought = await shop.buy(path);
      expect(said(await shop.get(`${path}?do=status-${status}`, paid(bought)))).toEqual([status, 'charged', left, 'undefined']);
      expect([await rest(shop, path, bought), await shop.ledger()]).toEqual([calls - 1, ['received', ...Array(calls).fill('earned')]]);
    }
  });

  test.each(things)('stays spent where no head comes, or comes too late: %s', async (path, calls) => {
    const shop = await enter(stand);
    const bought = await shop.buy(path);
    const got = await shop.get(`${path}?do=reset`, paid(bought));
    expect([got.status, got.headers['l402-payment']]).toEqual([502, 'charged']);
    expect(await rest(shop, path, bought)).toBe(calls - 1);

    const late = await shop.buy(path);
    const seen = shop.upstream.seen.length;
    const asked = shop.get(`${path}?do=hold`, paid(late));
    await shop.upstream.sees(seen + 1);
    shop.clock.advance(timeoutMs);
    expect([(await asked).status, (await asked).headers['l402-payment']]).toEqual([504, 'charged']);
    expect(await rest(shop, path, late)).toBe(calls - 1);
    expect((await shop.ledger()).includes('reversed')).toBe(false);
  });

  test('stays spent where nobody listens', async () => {
    const shop = await enter(stand);
    const bought = await shop.buy('/dead/a');
    const got = await shop.get('/dead/a', paid(bought));
    expect([got.status, got.headers['l402-payment']]).toEqual([502, 'charged']);
    expect(codeOf(await shop.get('/dead/a', paid(bought)))).toBe('CREDENTIAL_USED');
  });

  test.each(things)('stays spent where an answer breaks off, or its client leaves, and nobody is asked again: %s', async (path, calls) => {
    const shop = await enter(stand);
    const bought = await shop.buy(path);
    await breakOff(`${shop.url}${path}?do=break`, bought, shop.upstream.release);
    expect(await rest(shop, path, bought)).toBe(calls - 1);

    for (const [what, when] of [
      ['hold', 'seen'],
      ['stall', 'headed'],
    ] as const) {
      const left = await shop.buy(path);
      const seen = shop.upstream.seen.length;
      await shop.leave(`${path}?do=${what}`, paid(left), when);
      await shop.ended('left', what === 'hold' ? 1 : 2);
      shop.upstream.release();
      expect(await rest(shop, path, left)).toBe(calls - 1);
      expect(shop.upstream.seen.length).toBe(seen + calls);
    }
  });

  test('an answer that came for a client that had left is kept for the same request, and no other one is', async () => {
    const shop = await enter(stand);
    const bought = await shop.buy('/single/a', { method: 'POST', body: 'one' });
    await shop.leave('/single/a?do=hold', post(bought), 'seen');
    shop.upstream.release();
    await shop.ended('left');
    expect(codeOf(await shop.get('/single/a?do=hold', post(bought, 'two')))).toBe('CREDENTIAL_USED');
    const again = await shop.get('/single/a?do=hold', post(bought));
    expect([again.status, again.body, again.headers['l402-payment'], shop.upstream.seen.length]).toEqual([200, answerText, 'charged', 1]);
    await shop.ended('delivered');
    expect(codeOf(await shop.get('/single/a?do=hold', post(bought)))).toBe('CREDENTIAL_USED');

    const failing = await shop.buy('/single/a', { method: 'POST', body: 'one' });
    await shop.leave('/single/a?do=stall', post(failing), 'headed');
    await shop.ended('left', 2);
    shop.upstream.release();
    expect([codeOf(await shop.get('/single/a?do=stall', post(failing))), shop.upstream.seen.length]).toEqual(['CREDENTIAL_USED', 2]);
  });

  test('what a gateway that was killed has left is not asked for again', async () => {
    const shop = await enter(stand);
    for (const bodyDigest of [undefined, createHash('sha256').digest('hex')]) {
      const bought = await shop.buy('/single/a');
      const seen = shop.upstream.seen.length;
      const key = useKeyOf(bought.macaroon.identifier);
      const request = createHash('sha256').update('GET /single/a').digest('hex');
      const claim = { key, request, leaseSeconds: 30, expiresAt: 2_000_000_000, repeat: { limit: 2, withinSeconds: 600 } };
      const held = await shop.store.claim(claim);
      if (held.kind !== 'granted') throw new Error('not granted');
      await shop.store.commit({ key, fence: held.fence, ...(bodyDigest !== undefined && { bodyDigest }) });
      expect(codeOf(await shop.get('/single/a', paid(bought)))).toBe('CREDENTIAL_IN_USE');
      shop.clock.advance(31_000);
      await new Promise((resolve) => setImmediate(resolve));
      expect([codeOf(await shop.get('/single/a', paid(bought))), shop.upstream.seen.length]).toEqual(['CREDENTIAL_USED', seen]);
    }
  });

  test('a request that its client has named is charged once, and asked once, however it ends', async () => {
    const shop = await enter(stand);
    const bought = await shop.buy('/pail/a', { method: 'POST', body: 'one' });
    const named = (key: string) => post(bought, 'one', { 'idempotency-key': key });
    expect(said(await shop.get('/pail/a?do=status-500', named('mine')))).toEqual([500, 'charged', '2', 'undefined']);
    expect(codeOf(await shop.get('/pail/a?do=status-500', named('mine')))).toBe('IDEMPOTENCY_CONFLICT');
    const first = shop.get('/pail/a?do=hold', named('yours'));
    await shop.upstream.sees(2);
    expect(codeOf(await shop.get('/pail/a?do=hold', named('yours')))).toBe('CREDENTIAL_IN_USE');
    shop.upstream.release();
    expect(said(await first)).toEqual([200, 'charged', '1', 'string']);
    expect([await rest(shop, '/pail/a', bought), shop.upstream.seen.length]).toEqual([0, 2]);
  });

  test('whoever asks while the last one is under way is told to wait; of many at once each use is served once', async () => {
    const shop = await enter(stand);
    const bought = await shop.buy('/single/a');
    const first = shop.get('/single/a?do=hold', paid(bought));
    await shop.upstream.sees(1);
    expect(codeOf(await shop.get('/single/a?do=hold', paid(bought)))).toBe('CREDENTIAL_IN_USE');
    shop.upstream.release();
    expect((await first).status).toBe(200);
    for (const [path, calls] of things) {
      const more = await shop.buy(path);
      const seen = shop.upstream.seen.length;
      const got = await Promise.all(Array.from({ length: 12 }, () => shop.get(path, paid(more))));
      expect([got.filter(({ status }) => status === 200).length, shop.upstream.seen.length]).toEqual([calls, seen + calls]);
    }
  });

  test.each(things)('nothing is forwarded that is not known to be spent, and that is given back: %s', async (path, calls) => {
    let isAway = false;
    const away = <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) => {
      return (...args: Args) => (isAway ? Promise.reject(new Error('gone')) : call(...args));
    };
    const shop = await enter(stand, (own) => ({ ...own, commit: away(own.commit), settle: away(own.settle) }));
    const bought = await shop.buy(path);
    isAway = true;
    const got = await shop.get(path, paid(bought));
    expect([got.status, codeOf(got), shop.upstream.seen.length]).toEqual([503, 'STORE_UNAVAILABLE', 0]);
    isAway = false;
    expect(await rest(shop, path, bought)).toBe(calls);
  });
});
