import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Buyer, codeOf, offerOf, openToolShop, type Result, type ToolShop, textOf } from '../../test/mcp/toolShop.ts';
import * as Amount from '../core/Amount.ts';
import { bucket } from '../server/terms/Bucket.ts';
import { credit } from '../server/terms/Credit.ts';
import { pass } from '../server/terms/Pass.ts';
import { principalOf } from './SellingTransport.ts';
import { paidTool, type SellToolsOptions, sellTools } from './sellTools.ts';
import type { ToolPrices } from './ToolOffers.ts';
import * as ToolPayment from './ToolPayment.ts';

let shop: ToolShop;
beforeEach(async () => {
  shop = await openToolShop();
});
afterEach(() => shop.close());

const ok = (text: string) => ({ content: [{ type: 'text' as const, text }] });

/** A server with a few tools, whose prices are told. `calls`: what its tools have seen. */
async function open(prices: ToolPrices, options: Partial<SellToolsOptions> = {}): Promise<Buyer & { readonly calls: string[] }> {
  const server = new McpServer({ name: 'shop', version: '1' });
  const calls: string[] = [];
  for (const name of ['search', 'search_deep', 'echo']) {
    server.registerTool(name, { description: `Does ${name}.`, inputSchema: { text: z.string().optional(), size: z.number().optional() } }, (args, extra) => {
      calls.push(JSON.stringify({ args, meta: extra._meta }));
      return ok(`${name}: ${args.text ?? ''}`);
    });
  }
  sellTools(server, { farebox: shop.farebox, prices, clock: shop.clock, ...options });
  return { ...(await shop.connect(server)), calls };
}

const receiptOf = (result: Result) => ToolPayment.parseReceipt(result._meta);
/** What became of payments; that an answer arrived is told a moment later. */
const kinds = () => shop.told.map(({ kind }) => kind).filter((kind) => kind !== 'delivered');

describe('a call that nobody has paid', () => {
  test('says in words, structured and in _meta what to pay and what to do then', async () => {
    const { call, calls } = await open({ search: '10 sat' });
    const asked = await call('search', { text: 'x' });
    const { invoice, token } = offerOf(asked);
    expect(asked.isError).toBe(true);
    const text = textOf(asked);
    for (const said of ['10 sat', 'search', invoice, token, 'l402_credential', 'nothing was charged']) expect(text).toContain(said);
    expect(asked.structuredContent).toMatchObject({ code: 'PAYMENT_REQUIRED', status: 'payment_required', amountMsat: '10000' });
    expect(calls).toEqual([]);
  });

  test('has no structured content where the tool says what that is', async () => {
    const server = new McpServer({ name: 'shop', version: '1' });
    const tool = { description: 'Adds.', outputSchema: { sum: z.number() } };
    paidTool(server, 'add', { farebox: shop.farebox, price: '10 sat', tool }, { a: z.number() }, ({ a }) => ({ content: [], structuredContent: { sum: a } }));
    const { client, call, buy } = await shop.connect(server);
    await client.listTools();
    expect((await call('add', { a: 1 })).structuredContent).toBeUndefined();
    expect((await call('add', { a: 1 }, { credential: await buy('add', { a: 1 }) })).structuredContent).toEqual({ sum: 1 });
  });
});

describe('a call that was paid', () => {
  test('is served once, with a receipt in _meta and in words; the tool sees no credential', async () => {
    const { call, buy, calls } = await open({ search: '10 sat' });
    const credential = await buy('search', { text: 'x' });
    const served = await call('search', { text: 'x' }, { credential, meta: { other: 1 } });
    expect(textOf(served)).toMatch(/^search: x\nPaid over Lightning: payment [0-9a-f]{64}/);
    expect(receiptOf(served)).toMatchObject({ payment: 'charged', reference: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(calls[0]).toContain('farebox/idempotency-key');
    expect(calls[0]).not.toContain(credential.slice(0, 40));
    expect(codeOf(await call('search', { text: 'x' }, { credential }))).toBe('CREDENTIAL_USED');
    expect(calls).toHaveLength(1);
    expect(kinds()).toEqual(['challenged', 'charged', 'refused', 'challenged']);
  });

  test('may carry its credential as an argument, which the tool does not see', async () => {
    const { call, buy, calls } = await open({ search: '10 sat' });
    const credential = await buy('search', { text: 'x' });
    const served = await call('search', { text: 'x', l402_credential: credential });
    expect(served.isError).toBeUndefined();
    expect(calls[0]).toContain('"args":{"text":"x"}');
  });

  test('is told to the handler', async () => {
    const server = new McpServer({ name: 'shop', version: '1' });
    paidTool(server, 'who', { farebox: shop.farebox, price: '10 sat' }, {}, (_, extra) => ok(principalOf(extra)?.paymentHash ?? 'nobody'));
    const { call, buy } = await shop.connect(server);
    const served = await call('who', {}, { credential: await buy('who') });
    expect(served.content[0]?.text).toBe(receiptOf(served)?.reference);
  });
});

describe('terms', () => {
  test('a pass opens one tool, for all arguments', async () => {
    const { call, buy } = await open({ 'search*': { price: '10 sat', terms: pass({ seconds: 3600 }) } });
    const credential = await buy('search', { text: 'a' });
    for (const text of ['a', 'b']) expect(receiptOf(await call('search', { text }, { credential }))).toBeDefined();
    expect(codeOf(await call('search_deep', {}, { credential }))).toBe('CREDENTIAL_WRONG_SERVICE');
  });

  test('a bucket counts calls', async () => {
    const { call, buy } = await open({ search: { price: '10 sat', terms: bucket({ units: 2 }) } });
    const credential = await buy('search');
    const left = [];
    for (const text of ['a', 'b']) left.push((await call('search', { text }, { credential }))._meta?.[ToolPayment.receiptKey]);
    expect(left).toMatchObject([{ remaining: '1' }, { remaining: '0' }]);
    expect(codeOf(await call('search', { text: 'c' }, { credential }))).toBe('CREDENTIAL_USED');
  });

  test('a credit is spent on all tools of its service, at the price of each call', async () => {
    const terms = credit({ creditMsat: Amount.fromSat(100) });
    const price = ({ size }: ToolPayment.JsonObject) => `${Number(size ?? 1)} sat`;
    const { call, buy } = await open({ search: { price, terms }, search_deep: { price: '50 sat', terms } });
    const credential = await buy('search', { size: 1 });
    const remaining = async (tool: string, args: ToolPayment.JsonObject) =>
      ((await call(tool, args, { credential }))._meta?.[ToolPayment.receiptKey] as { remaining?: string } | undefined)?.remaining;
    expect([await remaining('search', { size: 20 }), await remaining('search_deep', {}), await remaining('search', { size: 31 })]).toEqual([
      '80 sat',
      '30 sat',
      undefined,
    ]);
  });

  test('a quota is given away first', async () => {
    const { call } = await open({ search: { price: '10 sat', free: { requests: 2, seconds: 60 } } });
    const metas = [];
    for (let i = 0; i < 3; i++) metas.push((await call('search'))._meta);
    expect(metas).toMatchObject([{ 'farebox/free': { left: 1 } }, { 'farebox/free': { left: 0 } }, { [ToolPayment.paymentKey]: {} }]);
  });

  test('capabilities stand in the token', async () => {
    const { call } = await open({ search: { price: '10 sat', capabilities: ['read'] } });
    expect(atob(offerOf(await call('search')).token)).toContain('tools_capabilities=read');
  });
});

describe('prices', () => {
  test('by arguments, of which 0 is free', async () => {
    const { call } = await open({ search: { price: ({ size }) => `${Number(size ?? 0)} sat` } });
    expect(textOf(await call('search', { size: 7 }))).toContain('Price: 7 sat');
    expect(textOf(await call('search'))).toBe('search: ');
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('secret of the database');
      },
    ],
    ['is none', () => 'a lot'],
    ['is negative', () => Amount.parse('-1 sat')],
  ])('a price that %s serves nobody', async (_, price) => {
    const { call, calls } = await open({ search: { price } });
    const refused = await call('search');
    expect([codeOf(refused), refused.isError, calls]).toEqual(['PRICE_UNKNOWN', true, []]);
    expect(JSON.stringify(refused)).not.toContain('secret');
  });

  test('the most exact name wins, and "free" is one', async () => {
    const { call } = await open({ '*': '1 sat', 'search*': '2 sat', search_deep: '3 sat', echo: 'free' });
    expect(textOf(await call('search'))).toContain('2 sat');
    expect(textOf(await call('search_deep'))).toContain('3 sat');
    expect(textOf(await call('echo'))).toBe('echo: ');
  });

  test('a tool that is not there is not sold by a pattern', async () => {
    const { client } = await open({ '*': '1 sat' });
    await expect(client.callTool({ name: 'made-up' })).rejects.toThrow('Unknown tool');
    expect(shop.told).toEqual([]);
  });

  test.each([{ search: '10' }, { search: '0 sat' }, { '': '1 sat' }, { 'a*': { price: 0n as Amount.Msat } }] as ToolPrices[])(
    'that cannot be sold are refused at once (%#)',
    async (prices) => {
      await expect(open(prices)).rejects.toThrow();
    },
  );
});

test('a list of tools says what each costs, in _meta and in words, and takes a credential', async () => {
  const { client } = await open({ search: '10 sat', search_deep: { price: () => '5 sat', from: '2 sat' }, echo: 'free' });
  const { tools } = await client.listTools();
  const [search, deep, echo] = tools;
  expect(search?.description).toBe('Does search.\n\nPaid tool: costs 10 sat a call, paid over Lightning (L402). Call it without payment to be told how.');
  expect(ToolPayment.parseAdvertisement(search?._meta)).toEqual({ saidSat: 10, model: 'per_call', rails: ['l402'] });
  expect(search?.inputSchema.properties).toHaveProperty('l402_credential');
  expect(deep?.description).toContain('from 2 sat');
  expect(echo).toMatchObject({ description: 'Does echo.' });
  expect(echo?._meta).toBeUndefined();
});

describe('nothing is charged', () => {
  async function openFailing(handler: (attempt: number) => Promise<Result> | Result) {
    const server = new McpServer({ name: 'shop', version: '1' });
    let attempts = 0;
    paidTool(
      server,
      'work',
      { farebox: shop.farebox, price: '10 sat', clock: shop.clock, timeoutMs: 5000 },
      {},
      async () => (await handler(++attempts)) as never,
    );
    return shop.connect(server);
  }

  test('where the tool says that it failed; the credential works again', async () => {
    const { call, buy } = await openFailing((attempt) => (attempt === 1 ? { ...ok('no'), isError: true } : ok('yes')));
    const credential = await buy('work');
    const failed = await call('work', {}, { credential });
    expect([failed.isError, receiptOf(failed)?.payment, textOf(failed)]).toEqual([true, 'not-charged', expect.stringContaining('Not charged')]);
    expect(receiptOf(await call('work', {}, { credential }))?.payment).toBe('charged');
    expect(kinds()).toEqual(['challenged', 'released', 'charged']);
  });

  test('where it throws; but for somebody who makes it fail over and over', async () => {
    const { call, buy } = await openFailing(() => {
      throw new Error('broken');
    });
    const credential = await buy('work');
    const said = [];
    for (let i = 0; i < 5; i++) {
      const result = await call('work', {}, { credential });
      said.push(receiptOf(result)?.payment ?? codeOf(result));
    }
    expect(said).toEqual(['not-charged', 'not-charged', 'not-charged', 'charged', 'CREDENTIAL_USED']);
  });

  test('where it takes too long', async () => {
    let started = () => {};
    const running = new Promise<void>((resolve) => {
      started = resolve;
    });
    const { call, buy } = await openFailing((attempt) => {
      started();
      return attempt === 1 ? new Promise(() => {}) : ok('yes');
    });
    const credential = await buy('work');
    const slow = call('work', {}, { credential });
    await running;
    shop.clock.advance(6000);
    expect(codeOf(await slow)).toBe('UPSTREAM_TIMEOUT');
    expect(receiptOf(await call('work', {}, { credential }))?.payment).toBe('charged');
  });

  test('where the client takes it back, and what the tool answers all the same goes nowhere', async () => {
    let finish: (result: Result) => void = () => {};
    let started: () => void = () => {};
    const running = new Promise<void>((resolve) => {
      started = resolve;
    });
    const { client, call, buy } = await openFailing((attempt) => {
      started();
      return attempt === 1
        ? new Promise<Result>((resolve) => {
            finish = resolve;
          })
        : ok('yes');
    });
    const credential = await buy('work');
    const stop = new AbortController();
    const slow = client.callTool({ name: 'work', arguments: {}, _meta: { [ToolPayment.paymentKey]: { scheme: 'l402', proof: credential } } }, undefined, {
      signal: stop.signal,
    });
    await running;
    stop.abort();
    await expect(slow).rejects.toThrow();
    finish(ok('too late'));
    expect(receiptOf(await call('work', {}, { credential }))?.payment).toBe('charged');
    expect(kinds()).toEqual(['challenged', 'released', 'charged']);
  });
});

test('two calls with one credential at the same instant: one is served', async () => {
  const { call, buy, calls } = await open({ search: '10 sat' });
  const credential = await buy('search');
  const results = await Promise.all([1, 2, 3].map(() => call('search', {}, { credential })));
  expect(results.filter(({ isError }) => !isError)).toHaveLength(1);
  expect(calls).toHaveLength(1);
  const refused = results.filter(({ isError }) => isError).map(codeOf);
  for (const code of refused) expect(['CREDENTIAL_IN_USE', 'CREDENTIAL_USED']).toContain(code);
});

test('a server of the lower kind is sold like any other', async () => {
  const server = new Server({ name: 'low', version: '1' }, { capabilities: { tools: {} } });
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [{ name: 'a', inputSchema: { type: 'object' as const } }] }));
  server.setRequestHandler(CallToolRequestSchema, ({ params }) => ok(`called ${params.name}`));
  sellTools(server, { farebox: shop.farebox, prices: { '*': '3 sat' } });
  const { client, call, buy } = await shop.connect(server);
  expect((await client.listTools()).tools[0]?.description).toContain('3 sat');
  expect(textOf(await call('a', {}, { credential: await buy('a') }))).toMatch(/^called a\nPaid/);
});

test('a server that is connected, or sells already, is not sold', async () => {
  const server = new McpServer({ name: 'shop', version: '1' });
  server.registerTool('a', {}, () => ok('a'));
  await shop.connect(server);
  expect(() => sellTools(server, { farebox: shop.farebox, prices: {} })).toThrow(/before server.connect/);
  const other = new McpServer({ name: 'shop', version: '1' });
  sellTools(other, { farebox: shop.farebox, prices: {} });
  expect(() => sellTools(other, { farebox: shop.farebox, prices: {} })).toThrow(/sells already/);
});

test('a paid tool that gets another name costs the same', async () => {
  const server = new McpServer({ name: 'shop', version: '1' });
  const registered = paidTool(server, 'old', { farebox: shop.farebox, price: '10 sat' }, {}, () => ok('x'));
  registered.update({ name: 'new' });
  const { call } = await shop.connect(server);
  expect(textOf(await call('new'))).toContain('Price: 10 sat');
});
