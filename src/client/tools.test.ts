import { afterEach, describe, expect, it } from 'vitest';
import * as Amount from '../core/Amount.ts';
import { answer } from '../testing/LyingServer.ts';
import { openShop, type ShopOptions, sellOnce } from '../testing/Shop.ts';
import { type AgentToolsOptions, createAgentTools } from './tools.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setup({ tools: toolOptions, ...options }: ShopOptions & { tools?: Partial<AgentToolsOptions> } = {}) {
  const shop = await openShop(options);
  closing.push(shop.close);
  const tools = createAgentTools({ client: shop.client, clock: shop.clock, allowPrivate: ['127.0.0.1'], ...toolOptions });
  const call = (name: string, input: unknown) => {
    const tool = tools.find((one) => one.name === name);
    if (!tool) throw new Error(`there is no tool ${name}`);
    return tool.run(input);
  };
  return { ...shop, tools, call };
}

describe('quote', () => {
  it('says the price, what it buys and whether the budget covers it, and pays nothing', async () => {
    const { server, call, payer, url } = await setup();
    sellOnce(server);
    const { text, structured, isError } = await call('quote', { url });
    expect(text).toMatch(
      /^GET http:\/\/127\.0\.0\.1:\d+\/v1\/translate costs 50 sat\. It buys one answer\. The budget covers it, and leaves 10 sat for the fee/,
    );
    expect(structured).toMatchObject({ kind: 'priced', price: '50 sat', priceMsat: '50000', feeRoom: '10 sat', allowed: true, terms: 'per-request' });
    expect([isError, payer.paid]).toEqual([false, []]);
  });
});

describe('fetch', () => {
  it('buys, and says what was paid and what came, the answer between two lines that only it has', async () => {
    const { server, call, payer, url } = await setup();
    sellOnce(server);
    const { text, structured, isError } = await call('fetch', { url, max: '60 sat' });
    const [, number] = /^\[outside ([0-9a-f]{32})\]$/m.exec(text) ?? [];
    expect(text.split('\n').slice(-3)).toEqual([`[outside ${number}]`, '{"ok":true}', `[end of outside ${number}]`]);
    expect(text).toMatch(/^Paid 50 sat and a fee of 0 sat \(payment [0-9a-f]{64}\)\.\nStatus 200, application\/json, 11 bytes\./);
    expect(structured).toMatchObject({ status: 200, payment: { amount: '50 sat', reused: false }, untrusted: { content: '{"ok":true}' } });
    expect([isError, payer.paid.length]).toEqual([false, 1]);
  });

  it('pays no more than max, which stands within the operator’s limits and cannot raise them', async () => {
    const { server, call, payer, url } = await setup();
    sellOnce(server);
    const low = await call('fetch', { url, max: '20 sat' });
    expect(low.text).toMatch(
      /^BUDGET_EXCEEDED: This costs 50 sat, and `max` of this call is 20 sat, fee included\. Nothing was paid\.\nWhere it is worth that/,
    );
    server.handle((_, response) => server.challenge(response, server.offer({ amountMsat: Amount.fromSat(500) })));
    const high = await call('fetch', { url, max: '1 BTC' });
    expect(high.text).toMatch(/^BUDGET_EXCEEDED: .*60 sat/);
    expect(high.text).toContain('no tool can change one');
    expect([low.isError, high.isError, payer.paid]).toEqual([true, true, []]);
  });

  it('sends what it is asked to, except for what is not for a model to send', async () => {
    const { server, call, url } = await setup();
    server.handle((_, response) => answer(response));
    await call('fetch', { url, method: 'POST', headers: [{ name: 'Content-Type', value: 'text/plain' }], body: 'hello' });
    expect(server.requests.map(({ method, headers, body }) => [method, headers['content-type'], String(Buffer.from(body))])).toEqual([
      ['POST', 'text/plain', 'hello'],
    ]);
    for (const name of ['Authorization', 'cookie', 'Host', 'L402-Topup', 'Proxy-Authorization', 'X-Forwarded-For', 'Macaroon', 'Transfer-Encoding']) {
      const { structured, isError } = await call('fetch', { url, headers: [{ name, value: 'ask' }] });
      expect([name, isError, structured.error]).toMatchObject([name, true, { code: 'INPUT_MALFORMED' }]);
    }
    expect(server.requests.length).toBe(1);
  });

  it.each([
    ['nothing', undefined],
    ['no object', 'https://example.com'],
    ['a property too many', { url: 'http://127.0.0.1/', maxPerRequest: '1 BTC' }],
    ['a property of objects', JSON.parse('{"url":"http://127.0.0.1/","__proto__":{}}')],
    ['another scheme', { url: 'file:///etc/passwd' }],
    ['a user', { url: 'http://me:you@127.0.0.1/' }],
    ['an amount without a unit', { url: 'http://127.0.0.1/', max: '50' }],
    ['a body of a GET', { url: 'http://127.0.0.1/', body: 'x' }],
    ['a method that is none', { url: 'http://127.0.0.1/', method: 'CONNECT' }],
    ['a line break in a header', { url: 'http://127.0.0.1/', headers: [{ name: 'X-A', value: 'a\r\nAuthorization: b' }] }],
  ])('takes no input with %s', async (_, input) => {
    const { call, server } = await setup();
    const { structured, isError } = await call('fetch', input);
    expect(isError).toBe(true);
    expect(structured.error).toMatchObject({ code: 'INPUT_MALFORMED' });
    expect(server.requests).toEqual([]);
  });
});
