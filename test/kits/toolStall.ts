/**
 * The same over the Model Context Protocol: a server that sells a tool, over stdio or HTTP, and an agent's tools that buy it.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { createClient } from '../../src/client/index.ts';
import { type AgentTool, agentToolsOf, createAgentTools } from '../../src/client/tools.ts';
import { type RunningSandbox, startSandbox } from '../../src/lightning/sandbox.ts';
import { payingClient } from '../../src/mcp/client.ts';
import { openSeller } from './sellTranslation.ts';

/** How client and server are connected. */
export type Way = 'stdio' | 'HTTP';

/** See the head of this file. */
export type ToolStall = { readonly tools: readonly AgentTool[]; readonly spentMsat: () => Promise<bigint>; readonly close: () => Promise<void> };

/** Opens one. The agent may spend 20 sat a call; beside what the server sells it has its own tools. */
export async function openToolStall(way: Way): Promise<ToolStall> {
  const sandbox = await startSandbox({ path: ':memory:' });
  const closing: (() => Promise<unknown>)[] = [() => sandbox.close()];
  const { transport, server } = way === 'stdio' ? overStdio(sandbox) : await overHttp(sandbox, closing);
  const payer = sandbox.network.payer('agent');
  const client = createClient({ payer, maxPerRequest: '20 sat', maxTotal: '100 sat' });
  const mcp = new Client({ name: 'agent', version: '1.0.0' });
  await mcp.connect(transport as Parameters<Client['connect']>[0]);
  closing.push(() => mcp.close());
  const paying = payingClient(mcp, { server, client });
  const tools = createAgentTools({ client });
  const { spendableMsat: before } = await payer.balance();
  return {
    tools: [...tools, ...(await agentToolsOf(paying, { server: 'translator' }))],
    spentMsat: async () => before - (await payer.balance()).spendableMsat,
    close: async () => {
      for (const close of closing.reverse()) await close();
    },
  };
}

function overStdio({ url, token }: RunningSandbox) {
  const program = fileURLToPath(new URL('./sellTranslation.ts', import.meta.url));
  const transport = new StdioClientTransport({ command: process.execPath, args: [program, JSON.stringify({ url, token })], stderr: 'inherit' });
  return { transport, server: 'translator' };
}

async function overHttp({ url, token }: RunningSandbox, closing: (() => Promise<unknown>)[]) {
  const seller = await openSeller({ url, token });
  const http = createServer(async (request, response) => {
    const transport = new StreamableHTTPServerTransport({});
    const server = seller.createServer();
    response.on('close', () => void server.close());
    await server.connect(transport as Parameters<typeof server.connect>[0]);
    await transport.handleRequest(request, response);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => http.once('listening', resolve));
  closing.push(seller.close, () => {
    http.closeAllConnections();
    return new Promise((resolve) => http.close(resolve));
  });
  const server = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
  return { transport: new StreamableHTTPClientTransport(new URL(server)), server };
}
