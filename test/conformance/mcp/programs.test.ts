/**
 * Programs as a host starts them: the gate and the example as processes of their own over stdio, the sandbox between, and what the guide shows.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openHome } from '../../../src/cli/Home.ts';
import { parseGateConfig } from '../../../src/cli/mcp/gateConfig.ts';
import { openSandbox, type SandboxLink } from '../../../src/cli/SandboxLink.ts';
import * as Amount from '../../../src/core/Amount.ts';
import { parseConfig } from '../../../src/gateway/index.ts';
import type * as ToolPayment from '../../../src/mcp/ToolPayment.ts';
import type { Closing } from '../../mcp/gates.ts';
import { offerOf, type Result, textOf } from '../../mcp/toolShop.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const closing: Closing = [];
let home: string;
let link: SandboxLink;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'farebox-mcp-'));
  link = await openSandbox(openHome({ FAREBOX_HOME: home }));
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await link.close();
  rmSync(home, { recursive: true, force: true });
});

/** Starts a program and calls it: without payment, with the payment that it asked for, and its answers. `said`: its standard error. */
async function start(args: readonly string[], environment: { readonly [name: string]: string } = {}) {
  const env = { FAREBOX_HOME: home, MEMORY_FILE_PATH: join(home, 'memory.jsonl'), ...environment };
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', ...args],
    env,
    cwd: home,
    stderr: 'pipe',
  });
  let said = '';
  transport.stderr?.on('data', (chunk) => {
    said += String(chunk);
  });
  const client = new Client({ name: 'host', version: '1' });
  await client.connect(transport);
  closing.push(() => client.close());
  const call = async (name: string, given: ToolPayment.JsonObject) => (await client.callTool({ name, arguments: given })) as unknown as Result;
  const buy = async (name: string, given: ToolPayment.JsonObject) => {
    const asked = await call(name, given);
    const { token, invoice } = offerOf(asked);
    const paid = await link.sandbox.payer('buyer').pay({ invoice, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 10 });
    if (paid.kind !== 'settled') throw new Error('not paid');
    return { asked, got: await call(name, { ...given, l402_credential: `${token}:${paid.preimage}` }) };
  };
  return { client, call, buy, said: () => said };
}

const bin = join(root, 'src', 'cli', 'bin.ts');
const memory = join(root, 'node_modules', '@modelcontextprotocol', 'server-memory', 'dist', 'index.js');

test('farebox mcp gate sells a server from the registry to a host that knows nothing of payments', async () => {
  const { client, call, buy, said } = await start([
    bin,
    'mcp',
    'gate',
    '--price',
    '10 sat',
    '--tool',
    'read_graph=free',
    '--env',
    'MEMORY_FILE_PATH',
    '--',
    process.execPath,
    memory,
  ]);
  const { tools } = await client.listTools();
  expect(tools.find(({ name }) => name === 'create_entities')?.description).toContain('costs 10 sat a call');
  const entities = [{ name: 'Alice', entityType: 'person', observations: [] }];
  const { asked, got } = await buy('create_entities', { entities });
  expect(textOf(asked)).toMatch(/^Payment required\. "create_entities" was not called, and nothing was charged\.\nPrice: 10 sat/);
  expect(textOf(got)).toMatch(/Alice[\s\S]*\nPaid over Lightning: payment [0-9a-f]{64}/);
  expect((await call('read_graph', {})).structuredContent).toMatchObject({ entities });
  expect(said()).toContain('over stdio');
});

test('the example is a server with a paid tool', async () => {
  const { buy, call } = await start([join(root, 'examples', 'mcp-server.ts')]);
  expect(textOf((await buy('translate', { word: 'hello' })).got)).toMatch(/^hola\nPaid/);
  expect(textOf(await call('languages', {}))).toBe('en, es');
});

test('a gate that is told too little says what is missing, and ends', async () => {
  await expect(start([bin, 'mcp', 'gate', '--price', '10 sat'])).rejects.toThrow(/closed/i);
});

test('the files that the guide shows are read', () => {
  const pieces = [...readFileSync(join(root, 'docs', 'guide', 'selling-tools.md'), 'utf8').matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, piece = '']) => piece);
  const [gate = '', gateway = ''] = pieces;
  const surroundings = { file: 'selling-tools.md', folder: root, environment: {} };
  expect(Object.keys(parseGateConfig(gate, surroundings).pricesFor({}))).toEqual(['read_file', 'search_*', 'directory_tree', 'list_allowed_directories', '*']);
  expect(parseConfig(gateway, surroundings).routes.map(({ sale }) => sale)).toEqual([undefined]);
  expect(pieces).toHaveLength(2);
});
