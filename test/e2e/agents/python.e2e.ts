import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { install } from '../Python.ts';
import { type Desk, openDesk } from '../processes.ts';

const examples = fileURLToPath(new URL('../../../examples/agents/python/', import.meta.url));

const say = (line: string) => void process.stderr.write(`${line}\n`);

let environment: string;
let desk: Desk;
let url: string;
const api = createServer((_, response) => void response.setHeader('Content-Type', 'text/plain').end('The answer is forty-two.\n'));

beforeAll(async () => {
  const requirements = fileURLToPath(new URL('./requirements.txt', import.meta.url));
  environment = install({ title: 'frameworks for agents', name: 'agents-python', requirements }, say);
  desk = openDesk();
  await once(api.listen(0, '127.0.0.1'), 'listening');
  const { port } = api.address() as AddressInfo;
  const program = desk.start('serve', `http://127.0.0.1:${port}`, '--price', '10 sat', '--listen', '127.0.0.1:0');
  url = String((await program.says(({ kind }) => kind === 'listening')).url);
});
afterAll(async () => {
  await desk?.close();
  api.close();
});

/** Runs an example as a person does. */
function run(name: string, more: NodeJS.ProcessEnv = {}): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const { OPENAI_API_KEY: _, ...inherited } = process.env;
  const path = `${join(process.execPath, '..')}:${inherited.PATH ?? ''}`;
  const env = { ...inherited, PATH: path, FAREBOX_HOME: join(desk.folder, 'home'), PAID_URL: `${url}/`, PYTHONDONTWRITEBYTECODE: '1', ...more };
  return new Promise((resolve) => {
    execFile(join(environment, 'bin', 'python'), [join(examples, name)], { env, timeout: 100_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : 1, stdout, stderr }),
    );
  });
}

/** What the wallet has paid so far, in millisatoshi. */
async function paid(): Promise<readonly string[]> {
  const { stdout } = await desk.run('receipts', '--json');
  return [...stdout.matchAll(/"amountMsat":"(\d+)"/g)].map(([, amount]) => String(amount));
}

test.each(['openai_agent.py', 'langchain_agent.py', 'autogen_agent.py'])('%s buys an API call through the wallet, once', async (name) => {
  const before = await paid();
  const { code, stdout, stderr } = await run(name);
  expect(code, stderr).toBe(0);
  expect(stdout).toContain('The answer is forty-two.');
  expect((await paid()).slice(before.length)).toEqual(['10000']);
});

test('an agent whose wallet may not spend so much buys nothing, and says why', async () => {
  const before = await paid();
  const { code, stdout, stderr } = await run('openai_agent.py', { MAX: '5 sat' });
  expect(code, stderr).toBe(0);
  expect(stdout).toContain('BUDGET_EXCEEDED');
  expect(await paid()).toEqual(before);
});
