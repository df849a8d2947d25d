import { describe, expect, test } from 'vitest';
import * as Amount from '../../core/Amount.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import type { Principal } from '../Offer.ts';
import type { Use } from './ClaimedSale.ts';
import { createOwed } from './Owed.ts';
import { beginSale } from './SpentSale.ts';
import type { Sale, SaleNews } from './Terms.ts';

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
  terms: 'bucket',
  units: 3n,
  isBound: true,
  parts: [],
  useKey: 'cc'.repeat(32),
  carved: undefined,
  topUp: undefined,
};

/** A use that says what the test wants, and writes down what is asked of it. */
function open(says: Partial<Use> = {}) {
  const clock = FixedClock.create();
  const asked: string[] = [];
  const news: SaleNews[] = [];
  const use: Use = {
    idempotencyKey: 'key',
    principal,
    facts: { paymentHash: principal.paymentHash, service: 'api', route: 'GET /x', amountMsat: Amount.fromSat(1) },
    isRepeat: false,
    headers: [['L402-Remaining', '2']],
    hold: async () => asked.push('hold'),
    commit: async ({ note, bodyDigest, answer }) => {
      asked.push(['commit', note, bodyDigest?.slice(0, 4), answer && 'kept'].filter((part) => part !== undefined).join(', '));
      return 'committed';
    },
    release: async ({ note, limit }) => {
      asked.push(`release, ${note}, ${limit ?? 'always'}`);
      return 'released';
    },
    deliver: async () => void asked.push('deliver'),
    leave: async () => void asked.push('leave'),
    ...says,
  };
  const owed = createOwed(clock);
  const context = { clock, leaseSeconds: 30, onNews: (one: SaleNews) => news.push(one), owe: owed.add };
  return { clock, asked, news: () => news.map(({ kind }) => kind), begin: (consume: Sale['consume']) => beginSale(context, use, consume) };
}

async function begun(stage: ReturnType<typeof open>): Promise<Sale> {
  const sale = await stage.begin('on-request');
  if (sale instanceof FareboxError) throw sale;
  return sale;
}

const turns = async () => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

describe('a use that is spent on request', () => {
  test('is committed before anybody is asked, and its request is told apart by no body', async () => {
    const stage = open();
    const sale = await begun(stage);
    expect([stage.asked, stage.news(), sale.consume]).toEqual([['commit, let through'], ['charged'], 'on-request']);
  });

  test('is spent on success where its offer says so', async () => {
    const stage = open();
    const sale = await stage.begin('on-success');
    expect([stage.asked, sale instanceof FareboxError || sale.consume]).toEqual([[], 'on-success']);
  });

  test('was spent before where it is answered again', async () => {
    const stage = open({ isRepeat: true });
    const sale = await stage.begin('on-request');
    expect([stage.asked, sale instanceof FareboxError || sale.consume]).toEqual([[], 'on-success']);
  });

  test.each([200, 399, 400, 401, 404, 408, 422, 429, 500, 503])('is charged whatever the upstream says, and says what is left: %i', async (status) => {
    const stage = open();
    const sale = await begun(stage);
    const head = await sale.head(status);
    await sale.end('delivered');
    const names = head.kind === 'lost' ? [] : head.headers.map(([name]) => name);
    expect([head.kind, names]).toEqual(['charged', ['L402-Payment', 'L402-Remaining', ...(status < 400 ? ['Payment-Receipt'] : [])]]);
    expect([stage.asked, stage.news(), stage.clock.timers()]).toEqual([['commit, let through', 'deliver'], ['charged', 'delivered'], 0]);
  });

  test.each<readonly [string, (sale: Sale) => Promise<unknown>, readonly string[]]>([
    ['no head', (sale) => sale.unanswered('upstream'), ['charged']],
    ['a client that leaves before the head', (sale) => sale.unanswered('client-left'), ['charged', 'left']],
    ['an answer that breaks off', async (sale) => [await sale.head(200), await sale.end('upstream-broke')], ['charged']],
    ['a client that leaves after the head', async (sale) => [await sale.head(200), await sale.end('client-left')], ['charged', 'left']],
    ['a failure for a client that has left', (sale) => sale.absent(503, { status: 503, headers: [], body: new Uint8Array(0) }), ['charged', 'left']],
    ['an answer too long to be kept', (sale) => sale.absent(200, undefined), ['charged', 'left']],
  ])('is never given back, nor answered again: %s', async (_, end, news) => {
    const stage = open();
    const sale = await begun(stage);
    await end(sale);
    expect([stage.asked, stage.news(), stage.clock.timers()]).toEqual([['commit, let through', 'deliver'], news, 0]);
    await sale.unanswered('upstream');
    await sale.end('upstream-broke');
    expect([stage.asked.length, await sale.head(200)]).toEqual([2, { kind: 'lost' }]);
  });

  test('keeps the answer that came for a client that had left, for the same request', async () => {
    const stage = open();
    const sale = await begun(stage);
    sale.onBody(Buffer.from('one'));
    await sale.absent(200, { status: 200, headers: [], body: new Uint8Array(0) });
    expect([stage.asked, stage.clock.timers()]).toEqual([['commit, let through', 'commit, 200 for a client that left, 7692, kept', 'leave'], 0]);
  });

  test('is held while it is under way', async () => {
    const stage = open();
    const sale = await begun(stage);
    for (let i = 0; i < 2; i++) {
      stage.clock.advance(10_000);
      await turns();
    }
    await sale.unanswered('upstream');
    expect(stage.asked).toEqual(['commit, let through', 'hold', 'hold', 'deliver']);
  });

  test('that somebody else has is let through to nobody', async () => {
    const stage = open({ commit: async () => 'lost' });
    const refused = await stage.begin('on-request');
    expect([refused instanceof FareboxError && refused.code, stage.news(), stage.clock.timers()]).toEqual(['CREDENTIAL_IN_USE', [], 0]);
  });

  test('of which nobody knows whether it is spent is let through to nobody, and given back as soon as the store is there', async () => {
    let isAway = true;
    const away = async () => {
      throw new Error('gone');
    };
    const released: string[] = [];
    const stage = open({
      commit: away,
      release: async ({ note, limit }) => {
        if (isAway) throw new Error('gone');
        released.push(`${note} ${limit ?? 'always'}`);
        return 'released';
      },
    });
    await expect(stage.begin('on-request')).rejects.toThrow('gone');
    isAway = false;
    stage.clock.advance(1000);
    await turns();
    expect([released, stage.news(), stage.clock.timers()]).toEqual([['not-forwarded always'], [], 0]);
  });
});
