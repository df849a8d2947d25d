/**
 * `farebox/lightning/webln` in Chromium: a wallet on the page that pays out of the sandbox, and what it and its user may do with a payment; then the
 * whole purchase, with the paying `fetch` in the page.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Browser, startBrowser } from './Browser.ts';
import { bundlePage, openNetwork, type SiteOptions, startSite } from './Site.ts';
import { type Visit, visit as visitSite } from './Visit.ts';
import type { Manner } from './wallet.ts';

const open: { readonly close: () => Promise<unknown> }[] = [];
let browser: Browser;
let script: string;

beforeAll(async () => {
  [browser, script] = await Promise.all([startBrowser(), bundlePage()]);
  process.stderr.write(`Chromium ${browser.version}\n`);
});

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

afterAll(() => browser?.close());

/** Longer than a wallet is given. */
const timeOverMs = 61_000;

/** A visitor of a site, with a wallet of that manner. `start` opens another site, which is paid on the same network. */
async function setup(manner: Manner, says?: readonly ('yes' | 'no')[]) {
  const network = openNetwork();
  open.push(network.sandbox);
  const start = async (options: Pick<SiteOptions, 'sharesWith'> = {}) => {
    const site = await startSite({ sandbox: network.sandbox, script, ...options });
    open.push(site);
    return site;
  };
  const { url } = await start();
  const visit = await visitSite(browser.context, url, network, { manner, ...(says ? { says } : {}) });
  open.push(visit);
  return { visit, start, invoice: async () => (await network.invoice()).invoice };
}

/** Begins something in which the wallet never answers, and lets the time for it pass. */
async function overTime<T>(visit: Visit, begun: Promise<T>): Promise<T> {
  await visit.silence();
  await visit.advance(timeOverMs);
  return begun;
}

describe('the driver', () => {
  test('pays where the user says yes, and knows it by its preimage', async () => {
    const { visit, invoice } = await setup('asks');
    expect(await visit.pay(await invoice())).toEqual({
      kind: 'settled',
      preimage: expect.stringMatching(/^[0-9a-f]{64}$/),
      amountMsat: '50000',
      feeMsat: '5000',
    });
    expect(await visit.spentMsat()).toBe(51_000n);
  });

  test('has failed for certain where the user says no', async () => {
    const { visit, invoice } = await setup('asks', ['no']);
    expect(await visit.pay(await invoice())).toMatchObject({ kind: 'failed', reason: 'rejected' });
    expect(await visit.spentMsat()).toBe(0n);
  });

  test('does not know what became of a payment that the wallet has taken and says nothing more about', async () => {
    const { visit, invoice } = await setup('hangs');
    expect(await overTime(visit, visit.pay(await invoice()))).toMatchObject({ kind: 'unknown', message: expect.stringContaining('within 60 s') });
    expect(await visit.spentMsat()).toBe(51_000n);
  });

  test('does not believe a wallet whose preimage proves nothing', async () => {
    const { visit, invoice } = await setup('lies');
    expect(await visit.pay(await invoice())).toMatchObject({ kind: 'unknown', message: expect.stringContaining('without a proof') });
    expect(await visit.spentMsat()).toBe(0n);
  });

  test('has sent nothing to a wallet that stays locked, and sends nothing when it is unlocked too late', async () => {
    const { visit, invoice } = await setup('locked');
    expect(await overTime(visit, visit.pay(await invoice()))).toMatchObject({ kind: 'failed', reason: 'rejected' });
    await visit.unlock();
    expect([await visit.orders(), await visit.spentMsat()]).toEqual([0, 0n]);
  });
});

describe('a purchase', () => {
  const translated = { status: 200, body: '{"translation":"hola"}', paidMsat: '50000', feeMsat: '5000', reused: false };

  test('on the page’s own site: paid for by the request, or once for an hour', async () => {
    const { visit } = await setup('asks');
    expect(await visit.buy('/api/v1/translate')).toEqual(translated);
    expect(await visit.buy('/api/v1/translate')).toEqual(translated);
    const words = { status: 200, body: '{"hello":"hola"}', paidMsat: '40000' };
    expect(await visit.buy('/api/v1/words')).toMatchObject({ ...words, reused: false });
    expect(await visit.buy('/api/v1/words')).toMatchObject({ ...words, reused: true });
    expect([await visit.orders(), await visit.spentMsat()]).toEqual([3, 143_000n]);
  });

  test('from another site that lets pages read it', async () => {
    const { visit, start } = await setup('asks');
    const { url } = await start({ sharesWith: '*' });
    expect(await visit.buy(`${url}/api/v1/translate`)).toEqual(translated);
  });

  test('from another site that does not: it ends before anything is paid', async () => {
    const { visit, start } = await setup('asks');
    const { url } = await start();
    expect(await visit.buy(`${url}/api/v1/translate`)).toMatchObject({ code: 'TypeError' });
    expect([await visit.orders(), await visit.spentMsat()]).toEqual([0, 0n]);
  });

  test('that leads elsewhere is handed back as the browser has it, which does not tell a page where', async () => {
    const { visit } = await setup('asks');
    expect(await visit.buy('/moved')).toEqual({ status: 0, body: '' });
    expect(await visit.orders()).toBe(0);
  });

  test('that the user declines costs nothing, and can be had once they agree', async () => {
    const { visit } = await setup('asks', ['no', 'yes']);
    expect(await visit.buy('/api/v1/translate')).toMatchObject({ code: 'PAYMENT_FAILED' });
    expect(await visit.spentMsat()).toBe(0n);
    expect(await visit.buy('/api/v1/translate')).toEqual(translated);
  });

  test.each<[Manner, number]>([
    ['hangs', 51_000],
    ['lies', 0],
  ])('with a wallet that %s is held: the wallet is not asked again', async (manner, spent) => {
    const { visit } = await setup(manner);
    const begun = visit.buy('/api/v1/translate');
    expect(await (manner === 'hangs' ? overTime(visit, begun) : begun)).toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    expect(await visit.buy('/api/v1/translate')).toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    expect([await visit.orders(), await visit.spentMsat()]).toEqual([1, BigInt(spent)]);
  });

  test('with a wallet that stays locked costs nothing, and can be had once it is unlocked', async () => {
    const { visit } = await setup('locked');
    expect(await overTime(visit, visit.buy('/api/v1/translate'))).toMatchObject({ code: 'PAYMENT_FAILED' });
    await visit.unlock();
    expect([await visit.orders(), await visit.spentMsat()]).toEqual([0, 0n]);
    expect(await visit.buy('/api/v1/translate')).toEqual(translated);
  });
});
