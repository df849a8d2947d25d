/**
 * Gates in front of MCP servers that we did not write, and clients that can do all that a client can.
 */

import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { type HttpFront, type HttpFrontOptions, listen, openServer, type ServerChoice, serveStdio } from '../../src/mcp/gate/gate.ts';
import { createTill, type TillOptions } from '../../src/mcp/index.ts';
import type { ToolPrices } from '../../src/mcp/ToolOffers.ts';
import type { Buyer, ToolShop } from './toolShop.ts';

/** Everything that is ended with a test, last first. */
export type Closing = (() => Promise<unknown> | unknown)[];

/** Servers out of the package registry. */
export const everything = programOf('server-everything', 'stdio');
export const memory = (file: string): ServerChoice => ({ ...programOf('server-memory'), env: { MEMORY_FILE_PATH: file } });

function programOf(name: string, ...args: readonly string[]): ServerChoice & { readonly kind: 'command' } {
  const file = fileURLToPath(new URL(`../../node_modules/@modelcontextprotocol/${name}/dist/index.js`, import.meta.url));
  return { kind: 'command', command: process.execPath, args: [file, ...args], env: {} };
}

/** How a gate is reached. */
export type Front = 'stdio' | 'http';

const messageBytes = 4 * 1024 * 1024;

/** What a gate is opened with. */
export type GateOptions = { readonly server: ServerChoice | (() => Transport); readonly prices: ToolPrices } & Partial<Omit<TillOptions, 'farebox' | 'prices'>>;

/** A gate over HTTP. */
export async function openHttpGate(
  closing: Closing,
  shop: ToolShop,
  { server, prices, ...till }: GateOptions,
  options: Partial<HttpFrontOptions> = {},
): Promise<HttpFront> {
  const open = typeof server === 'function' ? server : () => quiet(server);
  const front = await listen({
    till: createTill({ farebox: shop.farebox, prices, clock: shop.clock, ...till }),
    openServer: open,
    host: '127.0.0.1',
    port: 0,
    ...options,
  });
  closing.push(front.close);
  return front;
}

/** A client at a gate: over a socket, or over two streams as a program's would be. */
export async function enterGate(closing: Closing, shop: ToolShop, front: Front, options: GateOptions, client?: Client): Promise<Buyer> {
  if (front === 'http') {
    const { url } = await openHttpGate(closing, shop, options);
    return shop.enter(new StreamableHTTPClientTransport(new URL(url)) as Transport, client);
  }
  const { server, prices, ...till } = options;
  const [input, output] = [new PassThrough(), new PassThrough()];
  const stop = new AbortController();
  const open = typeof server === 'function' ? server() : quiet(server);
  const done = serveStdio({
    till: createTill({ farebox: shop.farebox, prices, clock: shop.clock, ...till }),
    server: open,
    input,
    output,
    messageBytes,
    signal: stop.signal,
  });
  closing.push(() => {
    stop.abort();
    return done;
  });
  // Both ends of stdio are alike: lines of JSON, in and out.
  return shop.enter(new StdioServerTransport(output, input), client);
}

/** A client at the server itself. */
export async function enterBare(shop: ToolShop, server: ServerChoice, client?: Client): Promise<Buyer> {
  return shop.enter(quiet(server), client);
}

/** A client that answers whatever servers ask. `asked`: what they did. */
export function ableClient(): { readonly client: Client; readonly asked: string[] } {
  const client = new Client({ name: 'able', version: '1' }, { capabilities: { sampling: {}, elicitation: {}, roots: { listChanged: true } } });
  const asked: string[] = [];
  client.setRequestHandler(CreateMessageRequestSchema, ({ method }) => {
    asked.push(method);
    return { model: 'none', role: 'assistant' as const, content: { type: 'text' as const, text: 'sampled' } };
  });
  client.setRequestHandler(ElicitRequestSchema, ({ method }) => {
    asked.push(method);
    return { action: 'decline' as const };
  });
  client.setRequestHandler(ListRootsRequestSchema, ({ method }) => {
    asked.push(method);
    return { roots: [{ uri: 'file:///srv', name: 'srv' }] };
  });
  return { client, asked };
}

/** What a server says on its standard error is not the test's. */
function quiet(server: ServerChoice): Transport {
  if (server.kind === 'url') return openServer(server, messageBytes);
  const { command, args, env } = server;
  return new StdioClientTransport({ command, args: [...args], env: { ...env }, stderr: 'ignore' });
}
