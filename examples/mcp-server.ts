/**
 * An MCP server with a paid tool beside a free one, over stdio, on the sandbox. With `farebox sandbox` running, name it in your host as
 * `npm run -s example -- mcp-server`, or call it with the inspector.
 */

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';
import { createSandboxReceiver } from '../src/lightning/sandbox.ts';
import { paidTool } from '../src/mcp/index.ts';
import { createPaywall, createRootKeys } from '../src/server/index.ts';
import { createMemoryStore } from '../src/store/memory.ts';

const home = process.env.FAREBOX_HOME ?? join(homedir(), '.farebox');
const sandbox = JSON.parse(readFileSync(join(home, 'sandbox.json'), 'utf8')) as { url: string; token: string };
const receiver = createSandboxReceiver({ ...sandbox, node: 'mcp-server' });
const keys = createRootKeys({ masters: [crypto.getRandomValues(new Uint8Array(32))], network: receiver.network, realm: 'main' });
const farebox = await createPaywall({ keys, receiver, store: createMemoryStore() });

const server = new McpServer({ name: 'translator', version: '1.0.0' });
const tool = { description: 'Translates a word into Spanish.' };
paidTool(server, 'translate', { farebox, price: '50 sat', title: 'Translation', tool }, { word: z.string() }, ({ word }) => ({
  content: [{ type: 'text', text: word === 'hello' ? 'hola' : `¿${word}?` }],
}));
server.registerTool('languages', { description: 'Says which languages there are.' }, () => ({ content: [{ type: 'text', text: 'en, es' }] }));
await server.connect(new StdioServerTransport());
