/**
 * `farebox mcp gate`, unchanged servers behind it: what is sold is sold, and everything else passes as if nobody stood between.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { LoggingMessageNotificationSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import * as ToolPayment from '../../../src/mcp/ToolPayment.ts';
import { openStage } from '../../gateway/harness.ts';
import { ableClient, type Closing, enterBare, enterGate, everything, type Front, type GateOptions, memory, openHttpGate } from '../../mcp/gates.ts';
import { codeOf, openToolShop, type ToolShop, textOf } from '../../mcp/toolShop.ts';

let shop: ToolShop;
const closing: Closing = [];
beforeEach(async () => {
  shop = await openToolShop();
});
afterEach(async () => {
  await shop.close();
  for (const close of closing.splice(0).reverse()) await close();
});

/** The server behind another gate that sells nothing, so that it is reached over HTTP. */
async function overHttp(): Promise<GateOptions['server']> {
  const { url } = await openHttpGate(closing, shop, { server: everything, prices: {} });
  return { kind: 'url', url: new URL(url), headers: {} };
}

const ways: readonly (readonly [string, Front, () => Promise<GateOptions['server']>])[] = [
  ['stdio to stdio', 'stdio', async () => everything],
  ['HTTP to stdio', 'http', async () => everything],
  ['HTTP to HTTP', 'http', overHttp],
  ['stdio to HTTP', 'stdio', overHttp],
];

const prices = { 'get-sum': '10 sat', 'trigger-long-running-operation': '5 sat' };

describe.each(ways)('%s', (_, front, serverOf) => {
  const enter = async (able = ableClient()) => {
    const buyer = await enterGate(closing, shop, front, { server: await serverOf(), prices }, able.client);
    return { ...buyer, asked: able.asked };
  };

  test('a tool is sold, another is free, and the receipt comes along', async () => {
    const { call, buy } = await enter();
    const unpaid = await call('get-sum', { a: 1, b: 2 });
    expect([unpaid.isError, codeOf(unpaid)]).toEqual([true, 'PAYMENT_REQUIRED']);
    const paid = await call('get-sum', { a: 1, b: 2 }, { credential: await buy('get-sum', { a: 1, b: 2 }) });
    expect(textOf(paid)).toMatch(/^The sum of 1 and 2 is 3\.\nPaid over Lightning/);
    expect(ToolPayment.parseReceipt(paid._meta)?.payment).toBe('charged');
    expect(await call('echo', { message: 'hello' })).toEqual({ content: [{ type: 'text', text: 'Echo: hello' }] });
  });

  test('everything else is as at the server itself', async () => {
    const [{ client }, { client: bare }] = [await enter(), await enterBare(shop, everything, ableClient().client)];
    const everythingOf = async (one: typeof client) => ({
      version: one.getServerVersion(),
      capabilities: one.getServerCapabilities(),
      instructions: one.getInstructions(),
      resources: await one.listResources(),
      templates: await one.listResourceTemplates(),
      resource: await one.readResource({ uri: 'demo://resource/static/document/features.md' }),
      prompts: await one.listPrompts(),
      prompt: await one.getPrompt({ name: 'args-prompt', arguments: { city: 'Bern' } }),
      completion: await one.complete({ ref: { type: 'ref/prompt', name: 'completable-prompt' }, argument: { name: 'department', value: 'S' } }),
      ping: await one.ping(),
      level: await one.setLoggingLevel('debug'),
      image: await one.callTool({ name: 'get-tiny-image' }),
      unknown: await one.callTool({ name: 'made-up' }).catch((error: Error) => error.message),
      free: (await one.listTools()).tools.filter(({ name }) => !(name in prices)),
    });
    expect(await everythingOf(client)).toEqual(await everythingOf(bare));
  });

  test('progress, logs, and what the server asks its client, find their way', async () => {
    const able = ableClient();
    const listChanged = new Promise<void>((resolve) => able.client.setNotificationHandler(ToolListChangedNotificationSchema, () => resolve()));
    const logged = new Promise<string>((resolve) =>
      able.client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => resolve(String(params.logger))),
    );
    const { client, call, buy, asked } = await enter(able);
    await listChanged;
    expect(await logged).toBe('everything-server');
    expect(textOf(await call('trigger-sampling-request', { prompt: 'x' }))).toContain('sampled');
    expect(textOf(await call('trigger-elicitation-request'))).toContain('declined');
    expect(asked).toEqual(['roots/list', 'sampling/createMessage', 'elicitation/create']);
    const args = { duration: 0.02, steps: 2 };
    const progress: number[] = [];
    const proof = ToolPayment.formatProof(...((await buy('trigger-long-running-operation', args)).split(':') as [string, string]));
    const request = { name: 'trigger-long-running-operation', arguments: args, _meta: { [ToolPayment.paymentKey]: proof } };
    await client.callTool(request, undefined, { onprogress: (made) => progress.push(made.progress) });
    expect(progress).toEqual([1, 2]);
  });
});

test('a server that keeps what it is told, with schemas of its own for what it answers, is sold as it is', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-mcp-'));
  closing.push(() => rmSync(folder, { recursive: true, force: true }));
  const { client, call, buy } = await enterGate(closing, shop, 'stdio', {
    server: memory(join(folder, 'memory.jsonl')),
    prices: { '*': '2 sat', read_graph: 'free' },
  });
  const { tools } = await client.listTools();
  expect(tools.filter(({ _meta }) => ToolPayment.parseAdvertisement(_meta)?.saidSat === 2)).toHaveLength(tools.length - 1);
  const args = { entities: [{ name: 'Alice', entityType: 'person', observations: ['pays'] }] };
  expect((await call('create_entities', args)).structuredContent).toBeUndefined();
  await call('create_entities', args, { credential: await buy('create_entities', args) });
  expect((await call('read_graph')).structuredContent).toMatchObject({ entities: args.entities });
});

test('a gate stands behind the HTTP gateway', async () => {
  const front = await openHttpGate(closing, shop, { server: everything, prices });
  const stage = await openStage(closing, { upstream: Number(new URL(front.url).port), routes: [{ path: '/mcp', free: true }] });
  const { call, buy } = await shop.enter(new StreamableHTTPClientTransport(new URL(`${stage.url}/mcp`)) as Transport);
  expect(textOf(await call('get-sum', { a: 2, b: 2 }, { credential: await buy('get-sum', { a: 2, b: 2 }) }))).toContain('is 4');
});

test('over HTTP a credential may come in the header', async () => {
  const { url } = await openHttpGate(closing, shop, { server: everything, prices });
  const { buy } = await shop.enter(new StreamableHTTPClientTransport(new URL(url)) as Transport);
  const credential = await buy('get-sum', { a: 1, b: 1 });
  const requestInit = { headers: { authorization: `L402 ${credential}` } };
  const { call } = await shop.enter(new StreamableHTTPClientTransport(new URL(url), { requestInit }) as Transport);
  expect(textOf(await call('get-sum', { a: 1, b: 1 }))).toContain('is 2');
});

test('a server that ends gives back what was paid, and says so', async () => {
  const dying = `process.stdin.setEncoding('utf8').on('data', (text) => { for (const line of text.split('\\n').filter(Boolean)) { const { id, method } = JSON.parse(line);
    if (method === 'initialize') console.log(JSON.stringify({ jsonrpc: '2.0', id, result: { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'd', version: '1' } } }));
    if (method === 'tools/list') console.log(JSON.stringify({ jsonrpc: '2.0', id, result: { tools: [{ name: 'die', inputSchema: { type: 'object' } }] } }));
    if (method === 'tools/call') process.exit(1); } });`;
  const server = { kind: 'command', command: process.execPath, args: ['-e', dying], env: {} } as const;
  const { call, buy } = await enterGate(closing, shop, 'stdio', { server, prices: { '*': '1 sat' } });
  await expect(call('die', {}, { credential: await buy('die') })).rejects.toThrow(/ended|closed/i);
  expect(shop.told.map(({ kind }) => kind)).toContain('released');
});

test('a server that cannot be started is told of', async () => {
  const server = { kind: 'command', command: '/nowhere/at-all', args: [], env: {} } as const;
  const { url } = await openHttpGate(closing, shop, { server, prices });
  await expect(shop.enter(new StreamableHTTPClientTransport(new URL(url)) as Transport)).rejects.toThrow('could not be started');
});
