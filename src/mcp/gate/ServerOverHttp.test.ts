import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, describe, expect, it } from 'vitest';
import { ServerOverHttp } from './ServerOverHttp.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

type Seen = { readonly method: string | undefined; readonly url: string | undefined; readonly headers: IncomingMessage['headers']; readonly body: string };

/** A server that answers as it is told, and a transport to it. */
async function open(answer: (request: Seen, response: ServerResponse) => void, maxBytes = 1000) {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { method, url, headers } = request;
    seen.push({ method, url, headers, body });
    answer({ method, url, headers, body }, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const transport = new ServerOverHttp(new URL(`http://127.0.0.1:${port}/mcp`), { 'X-Team': 'blue' }, maxBytes);
  const told: JSONRPCMessage[] = [];
  const errors: string[] = [];
  let onNext = () => {};
  transport.onmessage = (message) => {
    told.push(message as JSONRPCMessage);
    onNext();
  };
  transport.onerror = ({ message }) => {
    errors.push(message);
    onNext();
  };
  await transport.start();
  closing.push(async () => {
    await transport.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${port}/mcp`, transport, seen, told, errors, next: () => new Promise<void>((resolve) => (onNext = resolve)) };
}

const call = { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'x' } } as const;
const answered = { jsonrpc: '2.0', id: 7, result: { content: [] } } as const;

function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(value));
}

describe('a server over HTTP', () => {
  it('is asked in its session, by its version, and with the headers that the gate names', async () => {
    const { transport, seen, told } = await open(({ body }, response) => {
      if (body.includes('"initialize"')) response.setHeader('mcp-session-id', 's1');
      json(response, answered);
    });
    await transport.send({ ...call, method: 'initialize' });
    transport.setProtocolVersion('2025-11-25');
    await transport.send(call);
    expect(told).toEqual([answered, answered]);
    expect(JSON.parse(seen[1]?.body ?? '')).toEqual(call);
    expect(seen[1]?.headers).toMatchObject({ 'mcp-session-id': 's1', 'mcp-protocol-version': '2025-11-25', 'x-team': 'blue' });
  });

  it('answers with a stream, of which every message counts', async () => {
    const progress = { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } };
    const { transport, told, next } = await open((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(`event: message\ndata: ${JSON.stringify(progress)}\n\nevent: message\ndata: ${JSON.stringify(answered)}\n\n`);
    });
    await transport.send(call);
    while (told.length < 2) await next();
    expect(told).toEqual([progress, answered]);
  });

  it('whose stream broke before its answer is asked for the rest', async () => {
    const { transport, seen, told, next } = await open(({ method }, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (method === 'POST') return response.write('id: e1\ndata:\n\n', () => response.destroy());
      response.write(`id: e2\ndata: ${JSON.stringify(answered)}\n\n`);
    });
    await transport.send(call);
    while (told.length < 1) await next();
    expect(told).toEqual([answered]);
    expect(seen.map(({ method, headers }) => [method, headers['last-event-id']])).toEqual([
      ['POST', undefined],
      ['GET', 'e1'],
    ]);
  });

  it('that broke without a number to go on from says so', async () => {
    const { transport, told, errors, next } = await open((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(': hello\n\n', () => response.destroy());
    });
    const said = next();
    await transport.send(call);
    await said;
    expect([told, errors.length]).toEqual([[], 1]);
  });

  it.each([
    ['has forgotten the session', 404],
    ['cannot', 500],
    ['wants to know who asks', 401],
  ])('that %s answers with its status', async (_, status) => {
    const { transport } = await open((_, response) => json(response, { why: 'w'.repeat(5000) }, status));
    await expect(transport.send(call)).rejects.toMatchObject({ code: status });
  });

  it('is followed within its own origin, with what was asked', async () => {
    const { transport, seen, told } = await open(({ url }, response) => {
      if (url === '/mcp') response.writeHead(307, { location: '/mcp/' }).end();
      else json(response, answered);
    });
    await transport.send(call);
    expect([told, seen.map(({ url }) => url)]).toEqual([[answered], ['/mcp', '/mcp', '/mcp/']]);
  });

  it('is not followed elsewhere: what it is sent is not for others', async () => {
    const elsewhere = await open((_, response) => json(response, answered));
    const { transport, told } = await open((_, response) => void response.writeHead(307, { location: elsewhere.url }).end());
    await expect(transport.send(call)).rejects.toThrow();
    expect([elsewhere.seen, told]).toEqual([[], []]);
  });

  it.each([
    ['an answer', { 'content-type': 'application/json' }, JSON.stringify({ ...answered, result: { text: 'x'.repeat(2000) } })],
    ['an event', { 'content-type': 'text/event-stream' }, `data: ${'x'.repeat(2000)}\n\n`],
  ])('%s that is too long is not read', async (_, headers, text) => {
    const { transport, told, errors, next } = await open((_, response) => void response.writeHead(200, headers).end(text));
    const said = next();
    const failed = await transport.send(call).then(
      () => said.then(() => errors[0]),
      (error: Error) => error.message,
    );
    expect(failed).toMatch(/is longer than 1000/);
    expect(told).toEqual([]);
  });

  it('what is no message goes nowhere', async () => {
    const { transport, told, errors } = await open((_, response) => json(response, { hello: 'there' }));
    await transport.send(call);
    expect([told, errors]).toEqual([[], ['the server sent what is no message of JSON-RPC 2.0']]);
  });

  it('is let go of with the session: what waits fails', async () => {
    let arrived = () => {};
    const isThere = new Promise<void>((resolve) => (arrived = resolve));
    const { transport } = await open(() => arrived());
    const asked = transport.send(call);
    await isThere;
    await transport.close();
    await expect(asked).rejects.toThrow();
  });
});
