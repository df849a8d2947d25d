/**
 * `farebox mcp serve` as a host starts it: the official SDK's client in front, over stdio and over HTTP; behind it a server that sells a tool, started
 * from the same block of configuration; the sandbox for the money.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { type CallToolResult, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openHome } from '../../src/cli/Home.ts';
import { openSandbox, type SandboxLink } from '../../src/cli/SandboxLink.ts';
import { textOf } from '../mcp/toolBuyer.ts';

const program = fileURLToPath(new URL('../../src/cli/bin.ts', import.meta.url));
const seller = fileURLToPath(new URL('../kits/sellTranslation.ts', import.meta.url));

let folder: string;
let sandbox: SandboxLink;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'farebox-wallet-'));
  sandbox = await openSandbox(openHome({ FAREBOX_HOME: folder }));
  const { url, token } = sandbox.address;
  const translator = { command: process.execPath, args: [seller, JSON.stringify({ url, token })] };
  const farebox = { command: 'npx', args: ['-y', 'farebox', 'mcp', 'serve'] };
  writeFileSync(join(folder, 'servers.json'), JSON.stringify({ mcpServers: { translator, farebox, away: { command: join(folder, 'nothing') } } }));
});
afterAll(async () => {
  await sandbox.close();
  rmSync(folder, { recursive: true, force: true });
});

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const env = () => ({ PATH: process.env.PATH ?? '', FAREBOX_HOME: folder });
const words = (...more: readonly string[]) => [
  '--disable-warning=ExperimentalWarning',
  program,
  'mcp',
  'serve',
  '--servers',
  join(folder, 'servers.json'),
  ...more,
];

/** A host whose user says this to every question; without it, a host that cannot ask. */
async function enter(transport: Transport, says?: { readonly pay: boolean }) {
  const asked: string[] = [];
  const host = new Client({ name: 'host', version: '1.0.0' }, { capabilities: says === undefined ? {} : { elicitation: {} } });
  if (says !== undefined) {
    host.setRequestHandler(ElicitRequestSchema, ({ params }) => {
      asked.push(params.message);
      return { action: 'accept', content: { ...says } };
    });
  }
  await host.connect(transport);
  closing.push(() => host.close());
  const call = async (name: string, given: { [name: string]: unknown }) => (await host.callTool({ name, arguments: given })) as CallToolResult;
  return { host, call, asked };
}

function overStdio(...more: readonly string[]) {
  return new StdioClientTransport({ command: process.execPath, args: words(...more), env: env(), stderr: 'ignore' });
}

/** Starts a wallet that listens; its address and token, as they are printed. */
async function listening(...more: readonly string[]) {
  const child: ChildProcess = spawn(process.execPath, words('--listen', '127.0.0.1:0', ...more), { env: env(), stdio: ['ignore', 'pipe', 'pipe'] });
  closing.push(async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  });
  const said = { out: '', notes: '' };
  return new Promise<{ readonly url: URL; readonly token: string }>((resolve, reject) => {
    const look = () => {
      const url = /"url":"([^"]+)"/.exec(said.out)?.[1];
      const token = /Bearer ([0-9a-f]{64})/.exec(said.notes)?.[1];
      if (url !== undefined && token !== undefined) resolve({ url: new URL(url), token });
    };
    child.stdout?.on('data', (chunk) => {
      said.out += chunk;
      look();
    });
    child.stderr?.on('data', (chunk) => {
      said.notes += chunk;
      look();
    });
    child.once('exit', () => reject(new Error(said.notes)));
  });
}

const balanceMsat = async () => (await sandbox.sandbox.payer('wallet').balance()).spendableMsat;

async function buys({ host, call }: Awaited<ReturnType<typeof enter>>) {
  const before = await balanceMsat();
  const names = (await host.listTools()).tools.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['quote', 'fetch', 'show_budget', 'translator__translate']));
  expect(names.filter((name) => /^(?:away|farebox)__/.test(name))).toEqual([]);
  const result = await call('translator__translate', { text: 'hello', target: 'es' });
  expect(textOf(result)).toMatch(/\[outside \w+\]\n"hello" in es: hola\n[\s\S]*Paid 10 sat/);
  expect(before - (await balanceMsat())).toBeGreaterThanOrEqual(10_000n);
  expect(textOf(await call('list_receipts', {}))).toContain('10 sat');
  expect(textOf(await call('show_budget', {}))).toContain('at most 20 sat');
}

describe('over stdio', () => {
  test('a host buys a tool of a server of its own, and sees what was paid', async () => {
    await buys(await enter(overStdio('--max', '20 sat')));
  });

  test('its user is asked, in our words, and his answer counts', async () => {
    const says = { pay: false };
    const { call, asked } = await enter(overStdio('--max', '20 sat', '--ask-above', '5 sat'), says);
    const before = await balanceMsat();
    expect((await call('translator__translate', { text: 'hello', target: 'fr' })).isError).toBe(true);
    expect(await balanceMsat()).toBe(before);
    says.pay = true;
    expect((await call('translator__translate', { text: 'hello', target: 'it' })).isError).toBeUndefined();
    expect(await balanceMsat()).toBeLessThan(before);
    expect(asked.length).toBe(2);
    for (const words of asked) expect(words).toMatch(/^Pay 10 sat, and up to 10 sat for the fee, to mcp:\/\/translator\/tools\/translate\?/);
  });
});

describe('over HTTP', () => {
  test('a host with the token buys; one without, a page, and another name get nothing', async () => {
    const { url, token } = await listening('--max', '20 sat');
    const authorization = `Bearer ${token}`;
    await buys(await enter(new StreamableHTTPClientTransport(url, { requestInit: { headers: { authorization } } }) as Transport));
    const init = { method: 'POST', headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }, body: '{}' };
    const status = async (headers: { readonly [name: string]: string }) => (await fetch(url, { ...init, headers: { ...init.headers, ...headers } })).status;
    expect(await status({})).toBe(401);
    expect(await status({ authorization: `Bearer ${token.slice(0, -1)}0`.replace(authorization, 'Bearer x') })).toBe(401);
    expect(await status({ authorization, origin: 'https://evil.example' })).toBe(403);
    expect(await status({ authorization, 'mcp-session-id': 'none' })).toBe(404);
    expect(await statusAs('evil.example', url, authorization)).toBe(403);
  });
});

/** The status that a request gets which names another host, as one does whose name leads here. */
async function statusAs(host: string, url: URL, authorization: string): Promise<number> {
  const { request } = await import('node:http');
  return new Promise((resolve, reject) => {
    const asked = request(url, { method: 'POST', headers: { host, authorization } }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asked.once('error', reject);
    asked.end('{}');
  });
}
