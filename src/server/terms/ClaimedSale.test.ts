import { describe, expect, test } from 'vitest';
import * as Amount from '../../core/Amount.ts';
import type { Store } from '../../store/Store.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import type { Principal } from '../Offer.ts';
import { createClaimedSale, type Use } from './ClaimedSale.ts';
import { createOwed } from './Owed.ts';
import { claimedUse } from './PerRequest.ts';
import type { SaleNews } from './Terms.ts';

const useKey = 'cc'.repeat(32);

const principal: Principal = {
  paymentHash: 'aa'.repeat(32),
  tokenId: 'bb'.repeat(32),
  fingerprint: '00000000',
  mintedAt: 1,
  validUntil: 2_000_000_000,
  mintedUntil: 2_000_000_000,
  service: 'api',
  tier: 0,
  capabilities: [],
  amountMsat: Amount.fromSat(1),
  terms: 'per-request',
  units: undefined,
  isBound: true,
  parts: [],
  useKey,
  carved: undefined,
  topUp: undefined,
};

/** A sale whose store says what the test wants, and writes down what it is asked. */
function open(says: Partial<Store> = {}) {
  const clock = FixedClock.create();
  const asked: string[] = [];
  const news: SaleNews[] = [];
  const say = (name: keyof Store, answer: unknown) => async (request: { readonly reason?: string; readonly limit?: number }) => {
    asked.push([name, request.reason, request.limit].filter((part) => part !== undefined).join(' '));
    return (says[name] ? (says[name] as (request: unknown) => unknown)(request) : answer) as never;
  };
  const store = {
    heartbeat: say('heartbeat', true),
    commit: say('commit', 'committed'),
    release: say('release', 'released'),
    deliver: say('deliver', undefined),
    undelivered: say('undelivered', undefined),
  } as unknown as Store;
  const owed = createOwed(clock);
  const context = { store, clock, leaseSeconds: 30, inUseWaitMs: 0, onNews: (one: SaleNews) => news.push(one), owe: owed.add };
  return {
    clock,
    asked,
    news: () => news.map(({ kind }) => kind),
    sale: createClaimedSale(context, claimedUse(context, { key: useKey, fence: 1 }, principal, 'GET /x', false)),
  };
}

const turns = async () => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

describe('the heartbeat', () => {
  test.each<readonly [string, (sale: ReturnType<typeof open>['sale']) => Promise<unknown>]>([
    ['delivered', async (sale) => [await sale.head(200), await sale.end('delivered')]],
    ['left', async (sale) => [await sale.head(200), await sale.end('client-left')]],
    ['broken', async (sale) => [await sale.head(200), await sale.end('upstream-broke')]],
    ['a head that is no success', async (sale) => sale.head(500)],
    ['no head', (sale) => sale.unanswered('upstream')],
    ['absent', (sale) => sale.absent(200, undefined)],
  ])('ends with the sale: %s', async (_, end) => {
    const { clock, sale } = open();
    await end(sale);
    expect(clock.timers()).toBe(0);
  });

  test('a renewal that is under way when the sale ends is the last one', async () => {
    let done = (_: boolean) => {};
    const { clock, sale } = open({ heartbeat: () => new Promise((resolve) => (done = resolve)) });
    clock.advance(10_000);
    await sale.unanswered('upstream');
    done(true);
    await turns();
    expect(clock.timers()).toBe(0);
  });

  test('goes on after a renewal that failed', async () => {
    const { clock, asked } = open({ heartbeat: () => Promise.reject(new Error('gone')) });
    for (let i = 0; i < 3; i++) {
      clock.advance(10_000);
      await turns();
    }
    expect(asked).toEqual(['heartbeat', 'heartbeat', 'heartbeat']);
  });
});

describe('the head', () => {
  test('a claim that somebody else has is lost, whatever the status, and nothing is told of it', async () => {
    for (const status of [200, 500]) {
      const { sale, news, clock } = open({ commit: async () => 'lost', release: async () => 'lost' });
      expect(await sale.head(status)).toEqual({ kind: 'lost' });
      expect([news(), clock.timers()]).toEqual([[], 0]);
    }
  });

  test('after the end there is no head, and the store is not asked', async () => {
    const { sale, asked } = open();
    await sale.unanswered('upstream');
    expect([await sale.head(200), asked]).toEqual([{ kind: 'lost' }, ['release upstream']]);
  });

  test('what was charged without success brings no receipt', async () => {
    const { sale } = open({ release: async () => 'committed' });
    expect(await sale.head(422)).toEqual({ kind: 'charged', headers: [['L402-Payment', 'charged']] });
  });

  test.each([
    [200, 'commit'],
    [399, 'commit'],
    [400, 'release client-error 3'],
    [401, 'release seller'],
    [403, 'release seller'],
    [404, 'release seller'],
    [405, 'release seller'],
    [406, 'release client-error 3'],
    [408, 'release upstream'],
    [409, 'release client-error 3'],
    [429, 'release upstream'],
    [499, 'release client-error 3'],
    [500, 'release upstream'],
    [501, 'release upstream'],
    [599, 'release upstream'],
  ])('%i: %s', async (status, call) => {
    const { sale, asked } = open();
    await sale.head(status);
    expect(asked).toEqual([call]);
  });
});

test('calls come one after the other: an end does not overtake its head', async () => {
  let committed = (_: 'committed') => {};
  const { sale, asked, news } = open({ commit: () => new Promise((resolve) => (committed = resolve)) });
  const head = sale.head(200);
  const end = sale.end('client-left');
  await turns();
  expect(asked).toEqual(['commit']);
  committed('committed');
  await Promise.all([head, end]);
  expect([asked, news()]).toEqual([
    ['commit', 'undelivered'],
    ['charged', 'left'],
  ]);
});

test.each([
  ['unanswered', 'release client-left 3'],
  ['end', 'release upstream-broke 3'],
])('what a buyer can provoke is capped: %s', async (step, call) => {
  const { sale, asked } = open();
  if (step === 'unanswered') await sale.unanswered('client-left');
  else {
    await sale.head(200);
    await sale.end('upstream-broke');
  }
  expect(asked.at(-1)).toBe(call);
});

describe('what cannot be given back, since the store is away, is given back when it is there again', () => {
  const ends: readonly (readonly [string, (sale: ReturnType<typeof open>['sale']) => Promise<unknown>, string])[] = [
    ['a head of which nobody knows whether it was written down', async (sale) => sale.head(200), 'release upstream'],
    ['a failure', async (sale) => sale.head(500), 'release upstream'],
    ['no head', (sale) => sale.unanswered('upstream'), 'release upstream'],
    ['a client that left', (sale) => sale.unanswered('client-left'), 'release client-left 3'],
    ['a client that left before a failure', (sale) => sale.absent(422, undefined), 'release client-error 3'],
  ];
  test.each(ends)('%s', async (_, end, asks) => {
    let isAway = true;
    const away = async () => {
      if (isAway) throw new Error('gone');
      return 'released' as const;
    };
    const { clock, sale, asked, news } = open({ commit: away as never, release: away });
    await expect(end(sale)).rejects.toThrow('gone');
    clock.advance(1000);
    await turns();
    expect(news()).toEqual([]);
    isAway = false;
    const before = asked.length;
    clock.advance(1000);
    await turns();
    expect([asked.slice(before), news(), clock.timers()]).toEqual([[asks], ['released'], 0]);
  });

  test('an answer that broke off', async () => {
    let isAway = true;
    const { clock, sale, asked, news } = open({
      release: async () => {
        if (isAway) throw new Error('gone');
        return 'released';
      },
    });
    await sale.head(200);
    await expect(sale.end('upstream-broke')).rejects.toThrow('gone');
    isAway = false;
    clock.advance(1000);
    await turns();
    expect([asked.at(-1), news().at(-1), clock.timers()]).toEqual(['release upstream-broke 3', 'released', 0]);
  });
});

describe('what is counted in this process', () => {
  function openAtOnce(commits: 'committed' | 'lost' = 'committed') {
    const clock = FixedClock.create();
    const asked: string[] = [];
    const news: SaleNews[] = [];
    const ask =
      <Answer>(name: string, answer: Answer) =>
      async ({ note }: { readonly note?: string } = {}) => {
        asked.push(note === undefined ? name : `${name} ${note}`);
        return answer;
      };
    const use: Use = {
      ...{ idempotencyKey: '0'.repeat(32), principal, isRepeat: false, headers: [['L402-Remaining', '7']], hold: undefined },
      facts: { paymentHash: '', service: 'api', route: 'GET /x', amountMsat: Amount.fromSat(1) },
      atOnce: {
        commit: () => {
          asked.push('commit at once');
          return commits;
        },
        end: () => asked.push('end at once'),
      },
      ...{ commit: ask('commit', 'committed'), release: ask('release', 'released'), deliver: ask('deliver', undefined), leave: ask('leave', undefined) },
    };
    const sale = createClaimedSale({ clock, leaseSeconds: 30, onNews: (one) => news.push(one), owe: () => {} }, use);
    return { sale, asked, clock, news: () => news.map(({ kind }) => kind) };
  }

  test('is decided and delivered without a turn, and holds nothing meanwhile', () => {
    const { sale, asked, clock, news } = openAtOnce();
    const head = sale.head(200);
    expect(head).toMatchObject({
      kind: 'charged',
      headers: [
        ['L402-Payment', 'charged'],
        ['L402-Remaining', '7'],
        ['Payment-Receipt', expect.any(String)],
      ],
    });
    expect([sale.end('delivered'), sale.end('delivered') instanceof Promise]).toEqual([undefined, true]);
    expect([asked, news(), clock.timers()]).toEqual([['commit at once', 'end at once'], ['charged', 'delivered'], 0]);
  });

  test('is lost at once, and nothing is told of it', () => {
    const { sale, asked, news } = openAtOnce('lost');
    expect([sale.head(200), sale.head(200), news()]).toEqual([{ kind: 'lost' }, expect.any(Promise), []]);
    expect(asked).toEqual(['commit at once']);
  });

  test('waits as ever for what is given back, and for a client that left', async () => {
    const failed = openAtOnce();
    expect(await failed.sale.head(503)).toMatchObject({ kind: 'not-charged' });
    const broken = openAtOnce();
    void broken.sale.head(200);
    await broken.sale.end('upstream-broke');
    const left = openAtOnce();
    void left.sale.head(200);
    await left.sale.end('client-left');
    const gone = openAtOnce();
    await gone.sale.unanswered('upstream');
    expect(await gone.sale.head(200)).toEqual({ kind: 'lost' });
    expect([failed.asked, broken.asked, left.asked, gone.asked]).toEqual([
      ['release upstream'],
      ['commit at once', 'release upstream-broke'],
      ['commit at once', 'leave'],
      ['release upstream'],
    ]);
    expect([failed.news(), broken.news(), left.news()]).toEqual([['released'], ['charged', 'released'], ['charged', 'left']]);
  });
});
