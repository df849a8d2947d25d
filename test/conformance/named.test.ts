/**
 * Calls of a bucket, a credit or a part that their client has named, by `Idempotency-Key`, over sockets: paid for once, and answered again where
 * the answer has not arrived.
 */
import { afterEach, describe, expect, test } from 'vitest';
import * as Amount from '../../src/core/Amount.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import { bucket } from '../../src/server/terms/Bucket.ts';
import { credit } from '../../src/server/terms/Credit.ts';
import { pass } from '../../src/server/terms/Pass.ts';
import * as Books from '../../src/store/Books.ts';
import { type Bought, credential, type Got, openShop, type Shop, type StandName, stands } from './shop/shop.ts';
import type { StandRoute } from './shop/stands.ts';
import { answerText } from './shop/upstream.ts';

const closing: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

describe.each(Object.keys(stands) as StandName[])('a call that its client has named, by Idempotency-Key, at %s', (stand) => {
  const seconds = 86_400;
  const routes = ({ url }: { readonly url: string }): readonly StandRoute[] => {
    const sold = (path: string, price: string, terms: Parameters<typeof soldBy>[2]) => soldBy(path, price, terms, url);
    const purse = credit({ creditMsat: Amount.parse('500 sat'), priceMsat: Amount.parse('400 sat'), seconds });
    return [sold('/pail/*', '100 sat', bucket({ units: 3 })), sold('/purse/*', '50 sat', purse), sold('/club/a', '100 sat', pass({ seconds }))];
  };
  /** What is good for three calls, and the first path that it is good on. */
  const things: readonly (readonly [what: string, path: string, part: readonly string[]])[] = [
    ['of a bucket', '/pail/a', []],
    ['of a part of a credit', '/purse/a', ['part=a', 'n_uses=3']],
    ['of a part of a pass', '/club/a', ['part=a', 'n_uses=3']],
  ];

  async function enter(path: string, part: readonly string[]) {
    const shop = await openShop(stand, {}, { routes });
    closing.push(shop.close);
    const bought = await shop.buy(path, { method: 'POST' });
    const held = credential(Macaroon.format(Macaroon.attenuate(bought.macaroon, part)), bought.preimage);
    const asking = (key: string | undefined, body = 'one') => ({
      method: 'POST',
      body,
      headers: { authorization: held.authorization, 'content-type': 'text/plain', ...(key !== undefined && { 'idempotency-key': key }) },
    });
    return { shop, asking, held };
  }

  /** How many calls are left, spent one by one under names of their own. */
  async function rest(shop: Shop, path: string, { authorization }: Pick<Bought, 'authorization'>): Promise<number> {
    for (let calls = 0; ; calls++) {
      const got = await shop.get(path, { method: 'POST', headers: { authorization, 'idempotency-key': `rest ${calls}` } });
      if (got.status !== 200) return calls;
    }
  }

  test.each(things)('is answered from what was kept where its client had left before the head: %s', async (_, path, part) => {
    const { shop, asking, held } = await enter(path, part);
    await shop.leave(`${path}?do=hold`, asking('mine'), 'seen');
    shop.upstream.release();
    await shop.ended('left');
    const got = await shop.get(`${path}?do=hold`, asking('mine'));
    expect([got.status, got.body, shop.upstream.seen.length]).toEqual([200, answerText, 1]);
    await shop.ended('delivered');
    expect([statusOf(await shop.get(`${path}?do=hold`, asking('mine'))), shop.upstream.seen.length]).toEqual(['422 IDEMPOTENCY_CONFLICT', 1]);
    expect(await rest(shop, path, held)).toBe(2);
    expect((await Books.verify(shop.store.audit())).discrepancies).toEqual([]);
  });

  test.each(things)('is answered again where its client left after the head, at most twice, and paid for once: %s', async (_, path, part) => {
    const { shop, asking, held } = await enter(path, part);
    for (let time = 1; time <= 3; time++) {
      await shop.leave(`${path}?do=stall`, asking('mine'), 'headed');
      await shop.ended('left', time);
      shop.upstream.release();
    }
    expect([statusOf(await shop.get(`${path}?do=stall`, asking('mine'))), shop.upstream.seen.length]).toEqual(['422 IDEMPOTENCY_CONFLICT', 3]);
    expect(new Set(shop.upstream.seen.map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
    expect(await rest(shop, path, held)).toBe(2);
    expect((await Books.verify(shop.store.audit())).discrepancies).toEqual([]);
  });

  test.each(things)(
    'is another call with another name, and with none; and with another body or target under its name it is refused: %s',
    async (_, path, part) => {
      const { shop, asking, held } = await enter(path, part);
      expect(statusOf(await shop.get(path, asking('mine')))).toBe('200');
      await shop.ended('delivered');
      for (const [target, body] of [
        [path, 'two'],
        [`${path}?other`, 'one'],
      ] as const)
        expect(statusOf(await shop.get(target, asking('mine', body)))).toBe('422 IDEMPOTENCY_CONFLICT');
      expect([statusOf(await shop.get(path, asking('yours'))), statusOf(await shop.get(path, asking(undefined)))]).toEqual(['200', '200']);
      expect([await rest(shop, path, held), shop.upstream.seen.length]).toEqual([0, 3]);
    },
  );

  test.each(things)('is free again when it fails, and is then whatever is asked first: %s', async (_, path, part) => {
    const { shop, asking, held } = await enter(path, part);
    for (let time = 0; time < 4; time++) expect(statusOf(await shop.get(`${path}?do=status-500`, asking('mine')))).toBe('500');
    expect(statusOf(await shop.get(path, asking('mine', 'two')))).toBe('200');
    const asked = shop.get(`${path}?do=break`, asking('broken'));
    await shop.ended('charged', 2);
    shop.upstream.release();
    expect((await asked).whole).toBe(false);
    await shop.ended('released upstream-broke');
    expect(statusOf(await shop.get(path, asking('broken')))).toBe('200');
    expect(await rest(shop, path, held)).toBe(1);
    expect((await Books.verify(shop.store.audit())).discrepancies).toEqual([]);
  });

  test('is owed its answer for ten minutes, and is another call when it is forgotten', async () => {
    const { shop, asking, held } = await enter('/pail/a', []);
    await shop.leave('/pail/a?do=stall', asking('mine'), 'headed');
    await shop.ended('left');
    shop.upstream.release();
    shop.clock.advance(601_000);
    expect(statusOf(await shop.get('/pail/a?do=stall', asking('mine')))).toBe('422 IDEMPOTENCY_CONFLICT');
    shop.clock.advance(2 * 3_600_000);
    await shop.store.prune();
    expect(statusOf(await shop.get('/pail/a', asking('mine')))).toBe('200');
    expect(await rest(shop, '/pail/a', held)).toBe(1);
  });

  test('that nothing is left for is not written down, however many names its client thinks of', async () => {
    const { shop, asking, held } = await enter('/pail/a', []);
    expect(await rest(shop, '/pail/a', held)).toBe(3);
    const claims = async () => {
      let count = 0;
      for await (const { table } of shop.store.export()) if (table === 'claims') count += 1;
      return count;
    };
    const before = await claims();
    for (let i = 0; i < 5; i++) expect(statusOf(await shop.get('/pail/a', asking(`fresh ${i}`)))).toBe('402 CREDENTIAL_USED');
    expect(await claims()).toBe(before);
  });

  test('is waited for while it runs, and refused where nothing is left for it: then its name is free', async () => {
    const { shop, asking, held } = await enter('/pail/a', []);
    const first = shop.get('/pail/a?do=hold', asking('mine'));
    await shop.upstream.sees(1);
    expect(statusOf(await shop.get('/pail/a?do=hold', asking('mine')))).toBe('409 CREDENTIAL_IN_USE');
    shop.upstream.release();
    expect(statusOf(await first)).toBe('200');
    expect(await rest(shop, '/pail/a', held)).toBe(2);
    for (let time = 0; time < 2; time++) expect(statusOf(await shop.get('/pail/a', asking('yours')))).toBe('402 CREDENTIAL_USED');
  });
});

function soldBy(path: string, price: string, terms: NonNullable<StandRoute['options']['terms']>, upstream: string): StandRoute {
  return { methods: ['GET', 'POST'], path, upstream, options: { price, terms, service: path.split('/')[1] as string } };
}

/** A status, and the code of a refusal. */
function statusOf({ status, body }: Got): string {
  const { code } = status >= 400 && body.startsWith('{') ? (JSON.parse(body) as { readonly code?: string }) : {};
  return code === undefined ? `${status}` : `${status} ${code}`;
}
