import { afterEach, describe, expect, it } from 'vitest';
import { openShop, sellOnce } from '../testing/Shop.ts';
import { payInvoice } from './index.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setup() {
  const shop = await openShop();
  closing.push(shop.close);
  sellOnce(shop.server);
  return shop;
}

describe('a client within another', () => {
  it('is bound by its own budget, by that around it, and counts to both', async () => {
    const { client, payer, store, url } = await setup();
    const agent = client.within({ name: 'agent', limits: [{ per: 'total', max: '130 sat' }], tags: ['job'] });
    const task = agent.within({ name: 'task', limits: [{ per: 'total', max: '60 sat' }] });
    expect((await task.fetch(url)).status).toBe(200);
    await expect(task.fetch(url)).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED', details: { budget: 'task' } });
    expect((await agent.fetch(url)).status).toBe(200);
    await expect(agent.fetch(url)).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED', details: { budget: 'agent' } });
    await expect(agent.within({ name: 'wide', limits: [{ per: 'total', max: '1 BTC' }] }).fetch(url)).rejects.toMatchObject({ details: { budget: 'agent' } });
    expect((await client.fetch(url)).status).toBe(200);
    expect((await store.list()).filter(({ preimage }) => preimage).map(({ budgets, tags }) => [budgets, tags])).toEqual([
      [['agent', 'task'], ['job']],
      [['agent'], ['job']],
      [[], []],
    ]);
    expect(payer.paid.length).toBe(3);
  });

  it('shares what was bought, and closes nothing of the one around it', async () => {
    const { client, server, payer, url } = await setup();
    const pass = ['services=shop:0', 'shop_path=/v1/*', 'shop_valid_until=1800086400', 'shop_terms=pass'];
    server.handle(({ paid }, response) => void (paid ? response.end('ok') : server.challenge(response, server.offer({ caveats: pass }))));
    const task = client.within({ name: 'task' });
    await Promise.all([task.fetch(url), client.fetch(url)]);
    await task.close();
    expect((await client.fetch(url)).status).toBe(200);
    expect(payer.paid.length).toBe(1);
  });

  it('is refused with a budget that is none', async () => {
    const { client } = await setup();
    expect(() => client.within({ name: '' })).toThrow(TypeError);
    expect(() => client.within({ name: 'task', limits: [{ per: 'day', max: '0 sat' }] })).toThrow(RangeError);
  });
});

describe('a bare invoice', () => {
  it('is paid once, within the limits of the client that pays it', async () => {
    const { client, server, payer } = await setup();
    const { invoice, paymentHash } = server.offer();
    const task = client.within({ name: 'task', limits: [{ per: 'total', max: '10 sat' }] });
    await expect(payInvoice(task, invoice)).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED', details: { budget: 'task' } });
    expect(await payInvoice(client, invoice)).toMatchObject({ reused: false, payment: { paymentHash, state: 'redeemed', usable: false } });
    expect(await payInvoice(client, invoice)).toMatchObject({ reused: true });
    expect(payer.paid.length).toBe(1);
  });
});
