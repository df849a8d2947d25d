/**
 * An MCP server with a tool for sale, on a sandbox that runs elsewhere on this machine; as a program it speaks over stdio.
 *
 *     node test/kits/sellTranslation.ts <url and token of the sandbox, as JSON>
 */
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';
import { createSandboxReceiver, type SandboxAddress } from '../../src/lightning/sandbox.ts';
import { paidTool } from '../../src/mcp/index.ts';
import { createPaywall } from '../../src/server/Paywall.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { createMemoryStore } from '../../src/store/memory.ts';

/** Servers that sell one tool, `translate`, for 10 sat a call: one for each connection. */
export async function openSeller(address: SandboxAddress): Promise<{ readonly createServer: () => McpServer; readonly close: () => Promise<void> }> {
  const receiver = createSandboxReceiver({ ...address, node: 'translator' });
  const store = createMemoryStore();
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(1)], network: receiver.network, realm: 'main' });
  const farebox = await createPaywall({ keys, receiver, store });
  return {
    createServer: () => {
      const server = new McpServer({ name: 'translator', version: '1.0.0' });
      paidTool(
        server,
        'translate',
        { farebox, price: '10 sat', tool: { description: 'Translates a text.' } },
        { text: z.string(), target: z.string() },
        ({ text, target }) => ({
          content: [{ type: 'text', text: `"${text}" in ${target}: hola` }],
        }),
      );
      return server;
    },
    close: async () => {
      await farebox.close();
      await store.close();
      await receiver.close();
    },
  };
}

if (import.meta.main) {
  const seller = await openSeller(JSON.parse(process.argv[2] ?? ''));
  await seller.createServer().connect(new StdioServerTransport());
}
