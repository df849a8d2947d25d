/**
 * What one payment buys, over sockets: the gateway, and a client that keeps what it has bought, on each store.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { createFetch, paymentOf } from '../../src/client/index.ts';
import * as Amount from '../../src/core/Amount.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import { createConfig, type GatewayConfig } from '../../src/gateway/Config.ts';
import { createGateway } from '../../src/gateway/Gateway.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { bucket } from '../../src/server/terms/Bucket.ts';
import { credit } from '../../src/server/terms/Credit.ts';
import { pass } from '../../src/server/terms/Pass.ts';
import * as Books from '../../src/store/Books.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/Store.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import { type Bought, credential, type Got, openShop, type Shop, type StandName, stands } from './shop/shop.ts';
import type { StandRoute } from './shop/stands.ts';
import { answerText, startUpstream } from './shop/upstream.ts';

const closing: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const stores: readonly (readonly [name: string, open: () => Promise<Store>])[] = [
  ['memory', async () => createMemoryStore()],
  [
    'sqlite',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'farebox-bulk-'));
      closing.push(() => rmSync(folder, { recursive: true }));
      return createSqliteStore({ path: join(folder, 'farebox.db') });
    },
  ],
];

/** Everything that a service can sell at once, and another service. */
const everything = (upstream: string) => [
  {
    name: 'api',
    upstream,
    bucket: { units: 5, price: '100 sat' },
    credit: { amount: '1000 sat', price: '900 sat' },
    routes: [
      { path: '/single', price: '10 sat' },
      { path: '/pass', price: '100 sat', terms: 'pass: 1h' },
      { path: '/bucket', price: '100 sat', terms: 'bucket: 3' },
      { path: '/light', terms: 'bucket' },
      { path: '/heavy', terms: 'bucket', weight: 3 },
      { path: '/credit/*', price: '50 sat', terms: 'credit' },
    ],
  },
  { name: 'other', upstream, routes: [{ path: '/other', price: '20 sat' }] },
];

/** Services side by side, each with a credit of its own. */
const manyServices = (upstream: string) =>
  ['a', 'b', 'c', 'd', 'e'].map((name) => ({
    name,
    upstream,
    credit: { amount: '100 sat', price: '90 sat' },
    routes: [{ path: `/${name}/*`, price: '10 sat', terms: 'credit' }],
  }));

/** What the guide shows, and a second service beside it where a test names one. */
function configOf(example: string, upstream: string, other?: object): GatewayConfig {
  const made = { everything, manyServices }[example];
  if (made) return createConfig({ listen: '127.0.0.1:0', store: 'memory', services: made(upstream) });
  const text = readFileSync(new URL(`../../examples/selling/${example}.yaml`, import.meta.url), 'utf8');
  const { services } = parseYaml(text.replaceAll('http://localhost:3000', upstream)) as { services: object[] };
  return createConfig({ listen: '127.0.0.1:0', store: 'memory', services: [...services, ...(other ? [other] : [])] });
}

describe.each(stores)('on %s', (_, openStore) => {
  async function open(example: string, withOther = false) {
    const sandbox = createSandboxNetwork();
    const store = await openStore();
    const upstream = await startUpstream();
    const config = configOf(
      example,
      upstream.url,
      withOther ? { name: 'other', upstream: upstream.url, routes: [{ path: '/other', price: '20 sat' }] } : undefined,
    );
    const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'main' });
    const gateway = await createGateway({ config, receiver: sandbox.receiver('seller'), keys, store });
    closing.push(() => sandbox.close(), store.close, upstream.close, gateway.close);
    const { url } = await gateway.listen();
    const pay = createFetch({ payer: sandbox.payer('buyer'), maxPerRequest: '10000 sat', maxTotal: '50000 sat' });
    let payments = 0;
    /** Gets a path, and says what is left and whether it was paid for just now. */
    const get = async (path: string) => {
      const response = await pay(url + path);
      await response.arrayBuffer();
      const payment = paymentOf(response);
      if (payment && !payment.reused) payments += 1;
      const free = response.headers.get('L402-Free');
      if (free !== null) return `${response.status} free ${free}`;
      return `${response.status} ${response.headers.get('L402-Remaining') ?? response.headers.get('L402-Payment') ?? 'pass'} ${payment?.reused ? 'kept' : 'paid'}`;
    };
    const books = async () => {
      const { columns, discrepancies } = await Books.verify(store.audit());
      expect(discrepancies).toEqual([]);
      return columns;
    };
    return { url, get, books, payments: () => payments, payer: sandbox.payer('buyer') };
  }

  const translate = '/api/v1/translate';

  test('per-request: one payment, one request', async () => {
    const { get, payments } = await open('per-request');
    expect([await get(translate), await get(translate)]).toEqual(['200 charged paid', '200 charged paid']);
    expect(payments()).toBe(2);
  });

  test('pass: one payment, any number of requests', async () => {
    const { get, payments } = await open('pass');
    expect([await get('/api/v1/batch/a'), await get('/api/v1/batch/b'), await get('/api/v1/batch/a')]).toEqual([
      '200 pass paid',
      '200 pass kept',
      '200 pass kept',
    ]);
    expect(payments()).toBe(1);
  });

  test('bucket: so many requests of its route, and then another payment', async () => {
    const { get, books, payments } = await open('bucket');
    expect(await get(translate)).toBe('200 1499 paid');
    for (let call = 0; call < 50; call++) await Promise.all(Array.from({ length: 29 }, () => get(translate)));
    const last = [];
    for (let call = 0; call < 50; call++) last.push(await get(translate));
    expect(last.at(-2)).toBe('200 0 kept');
    expect(last.at(-1)).toBe('200 1499 paid');
    expect(payments()).toBe(2);
    const { received, earned, unspent } = await books();
    expect([received.amountMsat, earned.amountMsat, unspent.amountMsat]).toEqual([2_000_000n, 1_000_666n, 999_334n]);
  }, 60_000);

  test('bucket of a service: spent on its routes by their weight', async () => {
    const { get, payments } = await open('service-bucket');
    const document = '/api/v1/document';
    expect([await get(translate), await get(document), await get(translate)]).toEqual(['200 1499 paid', '200 1479 kept', '200 1478 kept']);
    for (let call = 0; call < 73; call++) await get(document);
    expect([await get(translate), await get(document)]).toEqual(['200 17 kept', '200 1480 paid']);
    expect(payments()).toBe(2);
  });

  test('credit: spent across a service at its own prices, and nothing of it at another', async () => {
    const { get, books, payments } = await open('credit', true);
    expect(await get(translate)).toBe('200 9993 sat paid');
    expect(await get('/api/v1/document')).toBe('200 9853 sat kept');
    expect(await get('/other')).toBe('200 charged paid');
    expect(await get(translate)).toBe('200 9846 sat kept');
    expect(payments()).toBe(2);
    const { received, earned } = await books();
    expect([received.amountMsat, earned.amountMsat]).toEqual([9_020_000n, 138_600n + 20_000n]);
  });

  test('free quota: so many requests for nothing, and then a price', async () => {
    const { get, payments } = await open('free-quota');
    const got = [];
    for (let call = 0; call < 6; call++) got.push(await get(translate));
    expect(got).toEqual([4, 3, 2, 1, 0].map((left) => `200 free ${left}`).concat('200 charged paid'));
    expect(payments()).toBe(1);
  });

  test('what one service sells in several ways is bought once each, and none of it is given up where another is asked for', async () => {
    const { get, payments } = await open('everything');
    expect(await get('/credit/a')).toBe('200 950 sat paid');
    expect(await get('/light')).toBe('200 4 paid');
    expect(await get('/pass')).toMatch(/^200 .* paid$/);
    expect(await get('/bucket')).toBe('200 2 paid');
    expect(await get('/other')).toBe('200 charged paid');
    expect(payments()).toBe(5);
    expect([await get('/heavy'), await get('/credit/b'), await get('/bucket')]).toEqual(['200 1 kept', '200 900 sat kept', '200 1 kept']);
    expect([await get('/light'), await get('/single'), await get('/pass')]).toEqual(['200 0 kept', '200 890 sat kept', expect.stringMatching(/kept$/)]);
    expect(payments()).toBe(5);
  });

  test('what is kept for many services of one origin is found, whichever is asked for', async () => {
    const { get, payments } = await open('manyServices');
    for (const left of ['90 sat paid', '80 sat kept', '70 sat kept'])
      for (const service of ['a', 'b', 'c', 'd', 'e']) expect(await get(`/${service}/${left.slice(0, 2)}`), service).toBe(`200 ${left}`);
    expect(payments()).toBe(5);
  });

  test('four helpers at once, each with a part of one credit, spend no more than their parts, and all no more than the credit', async () => {
    const { url, books, payer } = await open('credit');
    const sandboxed = await fetch(`${url}/api/v1/document`);
    const { macaroon, invoice } = (await sandboxed.json()) as { macaroon: string; invoice: string };
    const preimage = await payDirectly(invoice);
    const helpers = ['one', 'two', 'three', 'four'].map((word) =>
      Macaroon.format(Macaroon.attenuate(Macaroon.parse(macaroon), [`part=${word}`, 'max_sats=3000'])),
    );
    const calls = helpers.flatMap((token) => Array.from({ length: 25 }, () => token));
    const answers = await Promise.all(
      calls.map(async (token) => {
        const response = await fetch(`${url}/api/v1/document`, { headers: { authorization: `L402 ${token}:${preimage}` } });
        await response.arrayBuffer();
        return { token, status: response.status };
      }),
    );
    for (const helper of helpers) expect(answers.filter(({ token, status }) => token === helper && status === 200).length).toBeLessThanOrEqual(21);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(71);
    // Used up, narrowed, or for a moment set aside for others.
    for (const { status } of answers) expect([200, 402, 403, 409]).toContain(status);
    const { earned, unspent, held } = await books();
    expect([earned.amountMsat, unspent.amountMsat, held.amountMsat]).toEqual([8_946_000n, 54_000n, 0n]);

    async function payDirectly(text: string): Promise<string> {
      const paid = await payer.pay({ invoice: text, maxFeeMsat: 10_000n as never, timeoutSeconds: 10 });
      if (paid.kind !== 'settled') throw new Error(paid.kind);
      return paid.preimage;
    }
  });
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
