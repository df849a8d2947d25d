/**
 * Payments that arrive: none twice, none left out, whatever was missed, shown again or told in another order.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { openScene as open, type Scene, type SceneOptions, until } from '../../../test/lightning/nwc/Scene.ts';
import { no } from '../../../test/lightning/nwc/WalletService.ts';
import { secrets } from '../../../test/lightning/nwc.ts';
import { systemRandom } from '../../core/Clock.ts';
import { fromHex } from '../../core/internal/bytes.ts';
import type { Settlement } from '../Lightning.ts';
import { ciphersBetween } from './Encryption.ts';
import { publicKeyOf } from './Event.ts';

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const openScene = (options?: SceneOptions) => open(closing, options);
const client = publicKeyOf(fromHex(secrets.sell) as Uint8Array);
const now = 1_800_000_000;
const hashOf = (number: number) => number.toString(16).padStart(8, '0').repeat(8);

/** A watch, read one by one. */
function watch(scene: Scene, after?: string) {
  const calling = new AbortController();
  closing.push(async () => calling.abort());
  const all = scene
    .receiver()
    .watchSettlements({ ...(after === undefined ? {} : { after }), signal: calling.signal })
    [Symbol.asyncIterator]();
  return {
    next: async () => (await all.next()).value as Settlement,
    take: async (count: number) => {
      const taken: Settlement[] = [];
      while (taken.length < count) taken.push((await all.next()).value as Settlement);
      return taken;
    },
  };
}

/** Resolves once the watch has read the wallet's list. */
const listed = (scene: Scene, times = 1) => until(() => scene.relays[0].handed.filter(({ kind }) => kind === 23195).length >= times);

/** Sells one to the buyer. */
async function sell(scene: Scene, sat: number): Promise<string> {
  const { text, paymentHash } = await scene.seller.create(BigInt(sat) * 1000n, 'x', 600);
  await scene.buyer.pay(text, 10_000n, 60);
  return paymentHash;
}

/** A wallet that lists what it is told to. */
function listing(transactions: () => readonly object[]): SceneOptions {
  return {
    instead: async ({ method, params }) => {
      if (method !== 'list_transactions') return undefined;
      const offset = Number(params.offset ?? 0);
      return { result: { transactions: transactions().slice(offset, offset + Number(params.limit)) } };
    },
  };
}

const arrived = (number: number, more: object = {}) => ({
  type: 'incoming',
  state: 'settled',
  payment_hash: hashOf(number),
  amount: 1000,
  settled_at: now,
  ...more,
});

/** Tells of a payment as the wallet would. */
function tell(scene: Scene, payment: object, type = 'payment_received'): string {
  const cipher = ciphersBetween(fromHex(secrets.wallet) as Uint8Array, fromHex(client) as Uint8Array, systemRandom).nip44_v2;
  const text = cipher.encrypt(JSON.stringify({ notification_type: type, notification: payment }));
  const message = JSON.stringify(['EVENT', 'notifications', scene.service.write(23197, [['p', client]], text)]);
  scene.relays[0].say(message);
  return message;
}

describe('a watch', () => {
  test.each<[string, SceneOptions]>([
    ['NIP-44', {}],
    ['NIP-04', { schemes: ['nip04'] }],
    ['NIP-04, which nothing names', { schemes: ['nip04'], namesSchemes: false }],
  ])('hears of payments in %s', async (_, options) => {
    const scene = await openScene(options);
    const seen = watch(scene).next();
    await listed(scene);
    const paymentHash = await sell(scene, 50);
    expect(await seen).toMatchObject({ paymentHash, amountMsat: 50_000n, settledAt: now, description: 'x' });
  });

  test('tells the words of the invoice, and not what the wallet has made of them', async () => {
    const scene = await openScene(listing(() => []));
    const seen = watch(scene);
    const first = seen.next();
    await listed(scene);
    const { text, paymentHash } = await scene.seller.create(1000n, 'my words', 600);
    tell(scene, arrived(1, { payment_hash: paymentHash, invoice: text, description: 'other words' }));
    expect((await first).description).toBe('my words');
    for (const [number, more, words] of [
      [2, { invoice: text, description: 'its own words' }, 'its own words'],
      [3, { invoice: 'no invoice', description: 'its own words' }, 'its own words'],
      [4, { description: '' }, undefined],
    ] as const) {
      const next = seen.next();
      tell(scene, arrived(number, more));
      expect((await next).description).toBe(words);
    }
  });

  test('finds what nobody told of, now and then, where the wallet tells nothing by itself', async () => {
    const scene = await openScene({ notifies: false });
    const seen = watch(scene).next();
    await listed(scene);
    const paymentHash = await sell(scene, 50);
    let isSeen = false;
    const found = seen.finally(() => {
      isSeen = true;
    });
    await until(() => {
      scene.clock.advance(1000);
      return isSeen;
    });
    expect(await found).toMatchObject({ paymentHash });
  });

  test('finds what was told while the connection was lost', async () => {
    const scene = await openScene();
    const seen = watch(scene);
    const first = seen.next();
    await listed(scene);
    scene.relays[0].lie({ carry: ({ kind }) => (kind === 23197 ? [] : undefined) });
    const paymentHash = await sell(scene, 50);
    scene.relays[0].drop();
    expect(await first).toMatchObject({ paymentHash });
  });

  test('tells of nothing twice: neither over two relays, nor when it is shown again, nor when it is in the list as well', async () => {
    const scene = await openScene({ relayCount: 2 });
    const seen = watch(scene);
    const first = seen.next();
    await listed(scene);
    const one = await sell(scene, 50);
    expect((await first).paymentHash).toBe(one);
    const notification = scene.relays[0].handed.find(({ kind }) => kind === 23197);
    for (let shown = 0; shown < 5; shown++) scene.relays[0].say(JSON.stringify(['EVENT', 'notifications', notification]));
    scene.relays[0].drop();
    const second = seen.next();
    const other = await sell(scene, 51);
    expect((await second).paymentHash).toBe(other);
  });

  test('passes over what is no payment that has arrived, and what another key tells', async () => {
    const scene = await openScene(listing(() => []));
    const first = watch(scene).next();
    await listed(scene);
    tell(scene, arrived(1), 'payment_sent');
    tell(scene, arrived(2, { type: 'outgoing' }));
    tell(scene, arrived(3, { state: 'accepted', settled_at: null }));
    tell(scene, arrived(4, { payment_hash: '' }));
    tell(scene, { hello: 'world' });
    const forged = JSON.parse(tell(scene, arrived(5))) as [string, string, { pubkey: string; content: string }];
    scene.relays[0].say(JSON.stringify([forged[0], forged[1], { ...forged[2], content: 'x' }]));
    expect((await first).paymentHash).toBe(hashOf(5));
  });

  test('takes the wallet’s word for when, and where it has none, when it told', async () => {
    const scene = await openScene(listing(() => []));
    const seen = watch(scene);
    const first = seen.next();
    await listed(scene);
    tell(scene, arrived(1, { settled_at: now - 30 }));
    expect(await first).toMatchObject({ settledAt: now - 30 });
    tell(scene, arrived(2, { settled_at: undefined, state: undefined }));
    expect(await seen.next()).toMatchObject({ settledAt: now });
  });

  test('ends where the wallet lists nothing, and where the wallet is gone', async () => {
    const isUnavailable = { code: 'LIGHTNING_UNAVAILABLE' };
    await expect(watch(await openScene({ without: ['list_transactions'] })).next()).rejects.toMatchObject(isUnavailable);
    const refuses = await openScene({ instead: async () => no('RESTRICTED', 'no') });
    await expect(watch(refuses).next()).rejects.toMatchObject({ code: 'LIGHTNING_UNAUTHORIZED' });
    await expect(watch(await openScene(listing(() => [arrived(1, { settled_at: null })]))).next()).rejects.toMatchObject(isUnavailable);
    const scene = await openScene();
    const next = watch(scene).next();
    const rejected = expect(next).rejects.toMatchObject(isUnavailable);
    await listed(scene);
    await scene.relays[0].setDown(true);
    await rejected;
    await scene.relays[0].setDown(false);
  });
});

describe('a cursor', () => {
  test('goes on over pages, in the order of arrival, whatever the order of the list', async () => {
    const all = Array.from({ length: 45 }, (_, number) => arrived(number + 1, { settled_at: now - ((number * 7) % 50) }));
    const scene = await openScene(listing(() => all));
    const taken = await watch(scene, `${now - 100}:`).take(45);
    expect(new Set(taken.map(({ paymentHash }) => paymentHash)).size).toBe(45);
    expect(taken.map(({ settledAt }) => settledAt)).toEqual(taken.map(({ settledAt }) => settledAt).toSorted());
  });

  test('asks the list from as long before as invoices live', async () => {
    const scene = await openScene();
    const receiver = scene.receiver();
    const calling = new AbortController();
    const from = async () => {
      const next = receiver
        .watchSettlements({ after: `${now}:`, signal: calling.signal })
        [Symbol.asyncIterator]()
        .next();
      next.catch(() => {});
      const before = scene.service.worked.length;
      await until(() => scene.service.worked.length > before);
      return scene.service.worked.at(-1)?.params.from;
    };
    expect(await from()).toBe(now - 3600);
    await receiver.createInvoice({ amountMsat: 1000n as never, description: 'x', expirySeconds: 86_400 });
    expect(await from()).toBe(now - 86_400);
    calling.abort();
  });

  test('does not lose what the wallet tells late, and tells nothing again', async () => {
    const kept = [arrived(2)];
    const scene = await openScene(listing(() => kept));
    const first = await watch(scene, `${now - 60}:`).next();
    expect(first.paymentHash).toBe(hashOf(2));
    kept.unshift(arrived(1, { settled_at: now - 20 }), arrived(3, { settled_at: now + 5 }));
    const next = await watch(scene, first.cursor).take(2);
    expect(next.map(({ paymentHash }) => paymentHash)).toEqual([hashOf(1), hashOf(3)]);
  });

  test('stays short, however much arrives at once', async () => {
    const all = Array.from({ length: 700 }, (_, number) => arrived(number + 1, { settled_at: now + Math.floor(number / 100) }));
    const scene = await openScene(listing(() => all));
    const taken = await watch(scene, `${now}:`).take(700);
    expect(new Set(taken.map(({ paymentHash }) => paymentHash)).size).toBe(700);
    for (const { cursor } of taken) expect(cursor.length).toBeLessThan(9000);
    all.push(arrived(1000, { settled_at: now + 7 }));
    expect((await watch(scene, taken.at(-1)?.cursor).next()).paymentHash).toBe(hashOf(1000));
  });

  test('ends with a wallet that turns no pages', async () => {
    const scene = await openScene({
      instead: async ({ method }) => (method === 'list_transactions' ? { result: { transactions: [arrived(1), arrived(2)] } } : undefined),
    });
    expect(await watch(scene, `${now}:`).take(2)).toHaveLength(2);
  });

  test.each(['', 'x', '1', ':', `${now}`, `${now}:abc`, `${now}:${'A'.repeat(16)}`, `-1:`, `1e9:`])('"%s" is none', async (after) => {
    const scene = await openScene();
    const next = scene.receiver().watchSettlements({ after, signal: new AbortController().signal })[Symbol.asyncIterator]().next();
    await expect(next).rejects.toThrow(RangeError);
  });
});
