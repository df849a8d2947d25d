/**
 * The gate: `paid` sold by a pass, `free` not. It buys one pass itself, says it on standard error, and then serves as `farebox mcp gate` does: over stdio, or,
 * where a URL is named, over HTTP in front of that.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import * as Amount from '../../src/core/Amount.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { listen, openServer, type ServerChoice, serveStdio } from '../../src/mcp/gate/gate.ts';
import { createTill, sellTools, type TillOptions } from '../../src/mcp/index.ts';
import * as ToolPayment from '../../src/mcp/ToolPayment.ts';
import { createPaywall, createRootKeys, pass } from '../../src/server/index.ts';
import { createMemoryStore } from '../../src/store/memory.ts';

const messageBytes = 4 * 1024 * 1024;
const sandbox = createSandboxNetwork();
const receiver = sandbox.receiver('seller');
const keys = createRootKeys({ masters: [new Uint8Array(32).fill(1)], network: receiver.network, realm: 'main' });
const farebox = await createPaywall({ keys, receiver, store: createMemoryStore() });
const options: TillOptions = { farebox, prices: { paid: { price: '1 sat', terms: pass({ seconds: 86_400 }) } } };

/** A pass, bought at a server in this process that sells the same. */
async function buy(): Promise<string> {
  const server = new McpServer({ name: 'shop', version: '1' });
  server.registerTool('paid', {}, () => ({ content: [] }));
  sellTools(server, options);
  const [near, far] = InMemoryTransport.createLinkedPair();
  await server.connect(far);
  const client = new Client({ name: 'buyer', version: '1' });
  await client.connect(near);
  const { _meta } = await client.callTool({ name: 'paid' });
  const offer = ToolPayment.parseChallenge(_meta)?.offers[0];
  const paid = await sandbox.payer('buyer').pay({ invoice: offer?.invoice ?? '', maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 10 });
  await client.close();
  if (paid.kind !== 'settled') throw new Error('not paid');
  return `${offer?.token}:${paid.preimage}`;
}

const credential = await buy();
const [url] = process.argv.slice(2);
const till = createTill(options);
if (url === undefined) {
  const program = new URL('serverProgram.ts', import.meta.url).pathname;
  const server: ServerChoice = { kind: 'command', command: process.execPath, args: [program], env: {} };
  console.error(JSON.stringify({ credential }));
  const { stdin: input, stdout: output } = process;
  await serveStdio({ till, server: openServer(server, messageBytes), input, output, messageBytes, signal: new AbortController().signal });
  process.exit();
}
const front = await listen({ till, openServer: () => openServer({ kind: 'url', url: new URL(url), headers: {} }, messageBytes), host: '127.0.0.1', port: 0 });
console.error(JSON.stringify({ credential, url: front.url }));
