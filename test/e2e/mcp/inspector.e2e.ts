/**
 * The official inspector, in its command-line mode, in front of a gate: a client that we did not write sees a server whole whose tools are sold.
 *
 * It is fetched by npm for the run: it brings a bundler and a keyring along, which are no business of whoever works on Farebox.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openHome } from '../../../src/cli/Home.ts';
import { openSandbox, type SandboxLink } from '../../../src/cli/SandboxLink.ts';
import * as Amount from '../../../src/core/Amount.ts';
import { offerOf, type Result, textOf } from '../../mcp/toolShop.ts';

const root = join(import.meta.dirname, '..', '..', '..');
let home: string;
let link: SandboxLink;
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'farebox-inspector-'));
  link = await openSandbox(openHome({ FAREBOX_HOME: home }));
});
afterAll(async () => {
  await link.close();
  rmSync(home, { recursive: true, force: true });
});

/** Runs it against the reference server, behind a gate that sells one of its tools. */
async function inspect(...words: readonly string[]): Promise<{ readonly [name: string]: unknown }> {
  const gate = [join(root, 'src/cli/bin.ts'), 'mcp', 'gate', '--tool', 'get-sum=10 sat', '--', process.execPath];
  const server = join(root, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js');
  // What stands behind `--` is the server's own, and the inspector would take it away: a file of one line starts the gate.
  const start = `import { spawn } from 'node:child_process'; spawn(process.execPath, ${JSON.stringify([...gate, server])}, { stdio: 'inherit', env: { ...process.env, FAREBOX_HOME: ${JSON.stringify(home)} } });`;
  const program = join(home, 'gate.mjs');
  writeFileSync(program, start);
  const npm = ['exec', '-y', '--ignore-scripts', '--package', '@modelcontextprotocol/inspector@2', '--', 'mcp-inspector', '--cli', process.execPath, program];
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ''}` };
  const { stdout } = await promisify(execFile)('npm', [...npm, ...words], { cwd: home, env, maxBuffer: 16 * 1024 * 1024 });
  return JSON.parse(stdout.slice(stdout.indexOf('{'))) as { readonly [name: string]: unknown };
}

test('it sees the tools, with what they cost', async () => {
  const { tools } = (await inspect('--method', 'tools/list')) as { readonly tools: readonly { readonly name: string; readonly description: string }[] };
  expect(tools.length).toBeGreaterThan(10);
  expect(tools.find(({ name }) => name === 'get-sum')?.description).toContain('costs 10 sat a call');
});

test.each([
  ['resources/list', 'resources'],
  ['prompts/list', 'prompts'],
  ['resources/templates/list', 'resourceTemplates'],
])('it sees what %s gives', async (method, name) => {
  expect((await inspect('--method', method))[name]).not.toEqual([]);
});

test('it calls what is free, is told what to pay, and is served what was paid', async () => {
  const call = async (tool: string, ...args: readonly string[]) =>
    (await inspect('--method', 'tools/call', '--tool-name', tool, ...args.flatMap((arg) => ['--tool-arg', arg]))) as unknown as Result;
  expect(textOf(await call('echo', 'message=hello'))).toBe('Echo: hello');
  const asked = await call('get-sum', 'a=1', 'b=2');
  expect(textOf(asked)).toContain('Payment required');
  const { token, invoice } = offerOf(asked);
  const paid = await link.sandbox.payer('buyer').pay({ invoice, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 10 });
  if (paid.kind !== 'settled') throw new Error('not paid');
  expect(textOf(await call('get-sum', 'a=1', 'b=2', `l402_credential=${token}:${paid.preimage}`))).toContain('The sum of 1 and 2 is 3.');
});
