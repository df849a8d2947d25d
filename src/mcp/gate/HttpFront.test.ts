/**
 * The gate over HTTP: who is let in, and what is borne.
 */
import { once } from 'node:events';
import { type IncomingMessage, request as send } from 'node:http';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Closing, openHttpGate } from '../../../test/mcp/gates.ts';
import { offerOf, openToolShop, type Result, type ToolShop } from '../../../test/mcp/toolShop.ts';
import * as ToolPayment from '../ToolPayment.ts';
import type { HttpFrontOptions } from './HttpFront.ts';

let shop: ToolShop;
const closing: Closing = [];
beforeEach(async () => {
  shop = await openToolShop();
});
afterEach(async () => {
  await shop.close();
  for (const close of closing.splice(0).reverse()) await close();
});

/** A server in this process; `slow` waits until it is let go. */
function openServer(): {
  readonly open: () => Transport;
  readonly started: Promise<void>;
  readonly letGo: () => void;
  readonly calls: string[];
  readonly ended: string[];
} {
  const start = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const calls: string[] = [];
  const ended: string[] = [];
  const open = () => {
    const server = new McpServer({ name: 'in-process', version: '1' });
    server.registerTool('slow', { inputSchema: { n: z.number() } }, async ({ n }) => {
      calls.push(`slow ${n}`);
      start.resolve();
      await go.promise;
      return { content: [{ type: 'text', text: `done ${n}` }] };
    });
    const [near, far] = InMemoryTransport.createLinkedPair();
    server.server.onclose = () => ended.push('session');
    void server.connect(far);
    return near;
  };
  return { open, started: start.promise, letGo: go.resolve, calls, ended };
}

async function open(options: Partial<HttpFrontOptions> = {}) {
  const server = openServer();
  const { url } = await openHttpGate(closing, shop, { server: server.open, prices: { slow: '10 sat' } }, options);
  return { url, ...server };
}

const initialize = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'a', version: '1' } },
};

type Sent = { readonly method?: string; readonly headers?: { readonly [name: string]: string }; readonly body?: unknown; readonly path?: string };

/** Sends a request and reads its whole answer. */
async function ask(
  url: string,
  { method = 'POST', headers = {}, body = initialize, path = '/mcp' }: Sent = {},
): Promise<{ readonly status: number | undefined; readonly response: IncomingMessage; readonly text: string }> {
  const request = send(new URL(path, url), {
    method,
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    agent: false,
  });
  request.end(method === 'POST' ? (typeof body === 'string' ? body : JSON.stringify(body)) : undefined);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return { status: response.statusCode, response, text };
}

describe('who is let in', () => {
  test.each(['localhost', 'localhost:1', '127.0.0.1:8410', '[::1]:8410', 'LOCALHOST'])('whoever comes to this machine: %s', async (host) => {
    const { url } = await open();
    expect((await ask(url, { headers: { host } })).status).toBe(200);
  });

  test.each(['evil.example', 'evil.example:8410', 'localhost.evil.example', '127.0.0.1.evil.example', '169.254.1.1'])(
    'nobody who comes by another name: %s',
    async (host) => {
      const { url, ended, calls } = await open();
      const { status } = await ask(url, { headers: { host } });
      expect([403, 400]).toContain(status);
      expect([ended, calls]).toEqual([[], []]);
    },
  );

  test('a name that is allowed', async () => {
    const { url } = await open({ hosts: ['tools.example.com'] });
    expect((await ask(url, { headers: { host: 'tools.example.com' } })).status).toBe(200);
  });

  test.each(['https://evil.example', 'http://localhost:3000', 'null', 'http://127.0.0.1'])('no page of an origin that was not named: %s', async (origin) => {
    const { url } = await open({ origins: ['https://app.example.com'] });
    const { status, response } = await ask(url, { headers: { origin } });
    expect([status, response.headers['access-control-allow-origin']]).toEqual([403, undefined]);
    expect((await ask(url, { method: 'OPTIONS', headers: { origin } })).status).toBe(403);
  });

  test('a page of one that was, with what its browser asks first', async () => {
    const { url } = await open({ origins: ['https://app.example.com'] });
    const headers = { origin: 'https://app.example.com' };
    const before = await ask(url, { method: 'OPTIONS', headers });
    expect([before.status, before.response.headers['access-control-allow-headers']]).toEqual([204, expect.stringContaining('mcp-session-id')]);
    const { status, response } = await ask(url, { headers });
    expect([status, response.headers['access-control-allow-origin']]).toEqual([200, 'https://app.example.com']);
  });
});

describe('what is borne', () => {
  test.each([
    ['another path', { path: '/' }, 404],
    ['no JSON', { body: '{' }, 400],
    ['a session that does not begin', { body: { jsonrpc: '2.0', id: 1, method: 'tools/list' } }, 400],
    ['a session that nobody has begun', { headers: { 'mcp-session-id': 'made-up' } }, 404],
    ['a stream of no session', { method: 'GET' }, 400],
    ['a message that is too long', { body: { ...initialize, filler: 'x'.repeat(5000) } }, 413],
  ] as const)('%s is refused', async (_, sent, status) => {
    const { url } = await open({ limits: { messageBytes: 4096 } });
    expect((await ask(url, sent)).status).toBe(status);
  });

  test('a long message without a length is not read to its end', async () => {
    const { url } = await open({ limits: { messageBytes: 4096 } });
    const { status } = await ask(url, { headers: { 'transfer-encoding': 'chunked' }, body: { ...initialize, filler: 'x'.repeat(5000) } });
    expect(status).toBe(413);
  });

  test('so many sessions and no more; one that nobody has been connected to gives way', async () => {
    const { url, ended } = await open({ limits: { sessions: 2 } });
    expect([(await ask(url)).status, (await ask(url)).status]).toEqual([200, 200]);
    const { status, response } = await ask(url);
    expect([status, response.headers['retry-after']]).toEqual([503, '5']);
    shop.clock.advance(60_000);
    expect([(await ask(url)).status, ended.length]).toEqual([200, 1]);
  });

  test('a session that nobody is connected to ends in time', async () => {
    const { url, ended } = await open({ limits: { idleMs: 60_000 } });
    const { response } = await ask(url);
    const session = { 'mcp-session-id': String(response.headers['mcp-session-id']) };
    const ping = () => ask(url, { headers: session, body: { jsonrpc: '2.0', id: 7, method: 'ping' } });
    shop.clock.advance(59_000);
    expect((await ping()).status).toBe(200);
    shop.clock.advance(60_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect([(await ping()).status, ended]).toEqual([404, ['session']]);
  });
});

describe('a client that leaves before its answer', () => {
  /** Buys a call, makes it, and breaks the connection off while the tool is at work. */
  async function leave() {
    const { url, started, letGo, calls } = await open();
    const transport = new StreamableHTTPClientTransport(new URL(url));
    const { call } = await shop.enter(transport as Transport);
    const { token, invoice } = offerOf(await call('slow', { n: 1 }));
    const proof = { [ToolPayment.paymentKey]: ToolPayment.formatProof(token, await shop.pay(invoice)) };
    const message = { jsonrpc: '2.0', id: 99, method: 'tools/call', params: { name: 'slow', arguments: { n: 1 }, _meta: proof } };
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-session-id': transport.sessionId ?? '' };
    const request = send(url, { method: 'POST', headers, agent: false }).on('error', () => {});
    request.end(JSON.stringify(message));
    await started;
    const left = Promise.withResolvers<void>();
    shop.farebox.events.on(({ kind }) => kind === 'left' && left.resolve());
    request.destroy();
    return { call, letGo, calls, left: left.promise, meta: proof, url };
  }

  test('gets it by asking again: the tool is not asked twice, and nothing is paid twice', async () => {
    const { call, letGo, calls, left, meta } = await leave();
    // The gate hears of the end of a connection before it hears anything that is sent after it.
    await call('slow', { n: 2 });
    letGo();
    await left;
    const again = (await call('slow', { n: 1 }, { meta })) as Result;
    expect(again.content.map(({ text }) => text)).toEqual(['done 1', expect.stringMatching(/^Paid/)]);
    expect(calls).toEqual(['slow 1']);
  });

  test('while the tool is at work, asking again does not run it twice', async () => {
    const { call, calls, meta } = await leave();
    expect((await call('slow', { n: 1 }, { meta })).structuredContent).toMatchObject({ code: 'CREDENTIAL_IN_USE', retryAfterSeconds: 1 });
    expect(calls).toEqual(['slow 1']);
  });
});
