/**
 * What thieves try on a tool that is sold: the credential of a cheap tool on a dear one, that of cheap arguments on dear ones, one answer mistaken for
 * another, work without pay by failing or taking back, calls that nobody counts, and a gate on this machine reached by a page. The rows 4, 10, 17, 26, 32,
 * 33 and 40, as they are with tools.
 */
import { request as send } from 'node:http';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { SellingTransport } from '../../src/mcp/SellingTransport.ts';
import { sellTools } from '../../src/mcp/sellTools.ts';
import { createTill, type TillOptions } from '../../src/mcp/Till.ts';
import * as ToolPayment from '../../src/mcp/ToolPayment.ts';
import { pass } from '../../src/server/terms/Pass.ts';
import { type Closing, openHttpGate } from '../mcp/gates.ts';
import { type Buyer, codeOf, openToolShop, type ToolShop } from '../mcp/toolShop.ts';

let shop: ToolShop;
const closing: Closing = [];
beforeEach(async () => {
  shop = await openToolShop();
});
afterEach(async () => {
  await shop.close();
  for (const close of closing.splice(0).reverse()) await close();
});

/** What the tools have seen, all of it. */
type Seen = { readonly tool: string; readonly all: string };

const prices: TillOptions['prices'] = {
  '*': '1 sat',
  dear: '1000 sat',
  month: { price: '5 sat', terms: pass({ seconds: 3600 }) },
  sized: { price: ({ size }) => `${Number(size ?? 1)} sat` },
  free: 'free',
  freely_failing: 'free',
  broken: {
    price: () => {
      throw new Error('password of the database: hunter2');
    },
  },
};

/** A server whose tools wait until they are let go, where `waits` says so. */
function openServer(options: Partial<TillOptions> = {}, waits = false) {
  const server = new McpServer({ name: 'shop', version: '1' });
  const seen: Seen[] = [];
  const begun: (() => void)[] = [];
  const go = Promise.withResolvers<void>();
  for (const tool of ['cheap', 'dear', 'month', 'sized', 'free', 'broken', 'failing', 'freely_failing', 'slow']) {
    server.registerTool(tool, { inputSchema: z.looseObject({}) }, async (args, extra) => {
      seen.push({ tool, all: JSON.stringify([args, extra._meta, extra.requestInfo]) });
      for (const tell of begun.splice(0)) tell();
      if (waits && tool === 'slow') await go.promise;
      if (tool.endsWith('failing')) return { content: [{ type: 'text', text: 'no' }], isError: true };
      return { content: [{ type: 'text', text: `${tool} has done its work` }] };
    });
  }
  sellTools(server, { farebox: shop.farebox, prices, clock: shop.clock, ...options });
  return { server, seen, letGo: go.resolve, begins: () => new Promise<void>((resolve) => begun.push(resolve)) };
}

async function open(options?: Partial<TillOptions>): Promise<Buyer & { readonly seen: readonly Seen[] }> {
  const { server, seen } = openServer(options);
  return { ...(await shop.connect(server)), seen };
}

const invoices = () => shop.told.filter(({ kind }) => kind === 'challenged').length;
const served = (seen: readonly Seen[]) => seen.map(({ tool }) => tool);

describe('a credential for something else', () => {
  test.each([
    ['a cheap tool, on a dear one', 'cheap', {}, 'dear', {}],
    ['a pass for a cheap tool, on a dear one', 'month', {}, 'dear', {}],
    ['a small size, on a large one', 'sized', { size: 1 }, 'sized', { size: 500 }],
    ['no size, on a large one', 'sized', {}, 'sized', { size: 500 }],
    ['a size, on a text that reads as it', 'sized', { size: 1 }, 'sized', { size: '1' }],
    ['one text, on another at the same price', 'cheap', { text: 'a' }, 'cheap', { text: 'b' }],
    ['arguments, on those with one more', 'cheap', { text: 'a' }, 'cheap', { text: 'a', all: true }],
    ['arguments, on those in another order of a list', 'cheap', { list: [1, 2] }, 'cheap', { list: [2, 1] }],
  ])('%s', async (_, tool, args, dear, dearArgs) => {
    const { call, buy, seen } = await open();
    const credential = await buy(tool, args);
    expect(codeOf(await call(dear, dearArgs, { credential }))).toBe('CREDENTIAL_WRONG_SERVICE');
    expect(codeOf(await call(dear, { ...dearArgs, l402_credential: credential }))).toBe('CREDENTIAL_WRONG_SERVICE');
    expect(seen).toEqual([]);
    await call(tool, args, { credential });
    expect(served(seen)).toEqual([tool]);
  });

  test('a member that JavaScript hides is an argument like any other', async () => {
    const { server, seen } = openServer();
    const { call, client } = await shop.connect(server);
    const credential = await (async () => {
      const asked = ToolPayment.parseChallenge((await call('cheap'))._meta)?.offers[0];
      return `${asked?.token}:${await shop.pay(asked?.invoice ?? '')}`;
    })();
    const args = JSON.parse('{"__proto__":{"size":500}}') as ToolPayment.JsonObject;
    const params = { name: 'cheap', arguments: args, _meta: { [ToolPayment.paymentKey]: { scheme: 'l402', proof: credential } } };
    const result = await client.request({ method: 'tools/call', params }, z.looseObject({ isError: z.boolean().optional() }));
    expect([result.isError, seen]).toEqual([true, []]);
  });
});

test('many calls with one credential at the same instant: one is served', async () => {
  const { call, buy, seen } = await open();
  const credential = await buy('dear');
  await Promise.all(Array.from({ length: 10 }, () => call('dear', {}, { credential })));
  expect(served(seen)).toEqual(['dear']);
});

test('a tool sees no credential, from wherever it came', async () => {
  const { call, buy, seen } = await open();
  for (const way of ['meta', 'argument']) {
    const args = { way };
    const credential = await buy('cheap', args);
    await (way === 'meta' ? call('cheap', args, { credential }) : call('cheap', { ...args, l402_credential: `L402 ${credential}` }));
    expect(seen.at(-1)?.all).toContain(way);
    for (const part of credential.split(':')) expect(JSON.stringify(seen)).not.toContain(part.slice(0, 32));
  }
  expect(seen).toHaveLength(2);
});

describe('calls that nobody counts', () => {
  test('a price that cannot be found out is not 0, and its reason is nobody’s business', async () => {
    const { call, seen } = await open();
    const refused = await call('broken');
    expect([codeOf(refused), seen, invoices()]).toEqual(['PRICE_UNKNOWN', [], 0]);
    expect(JSON.stringify(refused)).not.toContain('hunter2');
  });

  test.each([
    ['without a number', { jsonrpc: '2.0', method: 'tools/call', params: { name: 'dear', arguments: {} } }, undefined],
    ['by a name that JavaScript takes for one', { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: ['dear'], arguments: {} } }, -32602],
    ['by no name', { jsonrpc: '2.0', id: 7, method: 'tools/call', params: {} }, -32602],
  ])('a call %s does not reach a server that might take it for one', async (_, message, code) => {
    const [near, far] = InMemoryTransport.createLinkedPair();
    const selling = new SellingTransport(far, createTill({ farebox: shop.farebox, prices }));
    const reached: JSONRPCMessage[] = [];
    const answered: JSONRPCMessage[] = [];
    selling.onmessage = (got) => void reached.push(got);
    near.onmessage = (got) => void answered.push(got);
    await selling.start();
    await near.start();
    await near.send(message as JSONRPCMessage);
    await near.send({ jsonrpc: '2.0', id: 8, method: 'ping' });
    while (reached.length === 0) await new Promise(setImmediate);
    expect(reached).toEqual([{ jsonrpc: '2.0', id: 8, method: 'ping' }]);
    expect(answered.map((got) => ('error' in got ? got.error.code : undefined))).toEqual(code === undefined ? [] : [code]);
    await selling.close();
  });

  test('a tool that is not there costs no invoice', async () => {
    const { client } = await open();
    for (let i = 0; i < 5; i++) await expect(client.callTool({ name: `made-up-${i}` })).rejects.toThrow('Unknown tool');
    expect(invoices()).toBe(0);
  });

  test('what is sold does not run behind its answer as a task', async () => {
    const { client, buy, seen } = await open();
    const params = { name: 'cheap', arguments: {}, task: { ttl: 60_000 }, _meta: { [ToolPayment.paymentKey]: { scheme: 'l402', proof: await buy('cheap') } } };
    const result = await client.request({ method: 'tools/call', params }, z.looseObject({ isError: z.boolean().optional() })).catch(() => 'tried');
    expect([result, seen]).toEqual([expect.objectContaining({ isError: true }), []]);
  });

  test('what a person has approved is approved for that call alone', async () => {
    const asked: string[] = [];
    const approve = { above: '100 sat', ask: async ({ args }: { readonly args: unknown }) => asked.push(JSON.stringify(args)) > 0 };
    const { call, buy, seen } = await open({ approve });
    const credential = await buy('dear', { file: 'mine' });
    await call('dear', { file: 'yours' });
    expect(asked).toEqual(['{"file":"mine"}', '{"file":"yours"}']);
    await call('dear', { file: 'mine' }, { credential });
    expect([asked.length, served(seen)]).toEqual([2, ['dear']]);
  });
});

/** A client that sends what it likes, and keeps all that comes. */
async function openRaw(waits = true) {
  const { server, seen, letGo, begins } = openServer({}, waits);
  const buyer = await shop.connect(openServer().server);
  const [near, far] = InMemoryTransport.createLinkedPair();
  const got: JSONRPCMessage[] = [];
  const waiting: (() => void)[] = [];
  near.onmessage = (message) => {
    got.push(message);
    for (const look of [...waiting]) look();
  };
  await server.connect(far);
  await near.start();
  closing.push(() => near.close());
  const say = (message: object) => near.send({ jsonrpc: '2.0', ...message } as JSONRPCMessage);
  const hears = (wanted: (message: JSONRPCMessage & { readonly id?: unknown }) => boolean) =>
    new Promise<void>((resolve) => {
      const look = () => got.some((message) => wanted(message as JSONRPCMessage & { readonly id?: unknown })) && resolve();
      waiting.push(look);
      look();
    });
  await say({ id: 0, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'thief', version: '1' } } });
  await hears(({ id }) => id === 0);
  const call = (id: number, name: string, credential?: string) =>
    say({
      id,
      method: 'tools/call',
      params: { name, arguments: {}, ...(credential && { _meta: { [ToolPayment.paymentKey]: { scheme: 'l402', proof: credential } } }) },
    });
  return { say, call, hears, got, seen, letGo, begins, buy: buyer.buy };
}

const whatWasSold = 'slow has done its work';
const kinds = (...wanted: readonly string[]) => shop.told.map(({ kind }) => kind).filter((kind) => wanted.includes(kind));

describe('work without pay', () => {
  test('an answer to a free call does not pass for that of a paid one with the same number', async () => {
    const { call, hears, buy, letGo, begins } = await openRaw();
    const begun = begins();
    await call(1, 'slow', await buy('slow'));
    await begun;
    await call(1, 'freely_failing');
    await hears((message) => JSON.stringify(message).includes('isError'));
    letGo();
    await hears((message) => JSON.stringify(message).includes(whatWasSold));
    expect(kinds('charged', 'released')).toEqual(['charged']);
  });

  test('what was taken back is not handed out, by a server that answers all the same', async () => {
    const buyer = await open();
    const [near, far] = InMemoryTransport.createLinkedPair();
    const got: JSONRPCMessage[] = [];
    const asked: JSONRPCMessage[] = [];
    const selling = new SellingTransport(far, createTill({ farebox: shop.farebox, prices: { slow: '1 sat' }, clock: shop.clock }));
    const called = Promise.withResolvers<RequestId>();
    selling.onmessage = (message) => {
      asked.push(message);
      if ('id' in message && 'method' in message && message.method === 'tools/call') called.resolve(message.id);
      if ('id' in message && 'method' in message && message.method === 'tools/list')
        void selling.send({ jsonrpc: '2.0', id: message.id, result: { tools: [] } });
    };
    near.onmessage = (message) => got.push(message);
    await selling.start();
    await near.start();
    const proof = ToolPayment.formatProof(...((await buyer.buy('slow')).split(':') as [string, string]));
    await near.send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'slow', arguments: {}, _meta: { [ToolPayment.paymentKey]: proof } } });
    const id = await called.promise;
    await near.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
    await selling.send({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: whatWasSold }] } });
    expect([got, asked.length]).toEqual([[], 3]);
    await near.close();
  });

  test('who takes back over and over has paid in the end', async () => {
    const { call, say, hears, got, seen, buy, letGo, begins } = await openRaw();
    const credential = await buy('slow');
    for (let id = 1; id <= 4; id++) {
      const begun = begins();
      await call(id, 'slow', credential);
      await begun;
      await say({ method: 'notifications/cancelled', params: { requestId: id } });
    }
    letGo();
    await call(9, 'slow', credential);
    await hears(({ id }) => id === 9);
    expect(JSON.stringify(got.at(-1))).toContain('CREDENTIAL_USED');
    expect([seen.length, kinds('charged', 'released')]).toEqual([4, ['released', 'released', 'released', 'charged']]);
  });

  test('a tool that fails has earned nothing; who makes it fail over and over has paid in the end', async () => {
    const { call, buy } = await open();
    const credential = await buy('failing');
    for (let i = 0; i < 4; i++) await call('failing', {}, { credential });
    expect(kinds('charged', 'released')).toEqual(['released', 'released', 'released', 'charged']);
    expect(codeOf(await call('failing', {}, { credential }))).toBe('CREDENTIAL_USED');
  });
});

describe('a gate on this machine, reached by a page', () => {
  const initialize = {
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'page', version: '1' } },
  };

  test.each([
    ['by a name of its own that leads here', { host: 'evil.example' }],
    ['from where it stands', { origin: 'https://evil.example' }],
    ['from another server of this machine', { origin: 'http://localhost:3000' }],
  ])('%s', async (_, headers) => {
    let sessions = 0;
    const server = () => {
      sessions += 1;
      throw new Error('reached');
    };
    const { url } = await openHttpGate(closing, shop, { server, prices });
    const status = await new Promise((resolve) => {
      const request = send(url, {
        method: 'POST',
        agent: false,
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
      });
      request.on('response', (response) => resolve(response.resume().statusCode)).end(JSON.stringify(initialize));
      request.on('error', () => {});
      closing.push(() => request.destroy());
    });
    expect([status, sessions]).toEqual([403, 0]);
  });
});
