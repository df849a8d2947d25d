import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Desk, openDesk } from '../processes.ts';
import { type Inspect, installInspector } from './Inspector.ts';

const bin = fileURLToPath(new URL('../../../src/cli/bin.ts', import.meta.url));
const everything = fileURLToPath(new URL('../../../node_modules/@modelcontextprotocol/server-everything/dist/index.js', import.meta.url));

/** The server by itself, and behind a gate. */
const bare = [process.execPath, everything, 'stdio'];
const gate = ['mcp', 'gate', '--tool', 'echo=10 sat', '--tool', 'get-sum=20 sat'];

const say = (line: string) => void process.stderr.write(`${line}\n`);

let inspect: Inspect;
let desk: Desk;
let url: string;

/** The gate as a command, which keeps its keys where the one over HTTP does. */
const gated = () => ['env', `FAREBOX_HOME=${desk.folder}/home`, process.execPath, bin, ...gate, '--', ...bare];

beforeAll(async () => {
  inspect = installInspector(say);
  desk = openDesk();
  const program = desk.start(...gate, '--listen', '127.0.0.1:0', '--', ...bare);
  const said = await program.says(({ kind }) => kind === 'listening');
  url = String(said.url);
});
afterAll(() => desk?.close());

type Tool = { readonly name: string; readonly description?: string; readonly inputSchema?: { readonly properties?: object }; readonly _meta?: object };

/** A tool without what a gate adds to it. */
function unpriced({ description = '', inputSchema = {}, _meta: _, ...tool }: Tool): object {
  const { l402_credential: __, ...properties } = (inputSchema.properties ?? {}) as { readonly l402_credential?: object };
  return { ...tool, description: description.replace(/\n\nPaid tool: .*$/s, ''), inputSchema: { ...inputSchema, properties } };
}

test.each(['stdio', 'http'])('it sees a gated server whole, over %s: every tool, resource and prompt, and the prices', async (transport) => {
  const server = transport === 'stdio' ? gated() : [url, '--transport', 'http'];
  for (const method of ['resources/list', 'resources/templates/list', 'prompts/list']) {
    const [one, other] = [await inspect(bare, method), await inspect(server, method)];
    expect(one.code, one.errors).toBe(0);
    expect(other.said, `${method} ${other.errors}`).toEqual(one.said);
  }
  const [one, other] = [await inspect(bare, 'tools/list'), await inspect(server, 'tools/list')];
  const [plain, priced] = [one.said.tools, other.said.tools] as [Tool[], Tool[]];
  expect(plain.length).toBeGreaterThan(5);
  expect(priced.map(unpriced)).toEqual(plain.map(unpriced));
  const marked = priced.filter(({ _meta }) => _meta !== undefined && Object.hasOwn(_meta, 'ai.bolthub/payment')).map(({ name }) => name);
  expect(marked.sort()).toEqual(['echo', 'get-sum']);
  const prompt = await inspect(server, 'prompts/get', '--prompt-name', 'simple-prompt');
  expect(prompt.said).toEqual((await inspect(bare, 'prompts/get', '--prompt-name', 'simple-prompt')).said);
});

test('it is told what to do where a tool is paid, does it, and is served; a free tool is served at once', async () => {
  const server = [url, '--transport', 'http'];
  const call = (tool: string, ...args: readonly string[]) => inspect(server, 'tools/call', '--tool-name', tool, ...args.flatMap((arg) => ['--tool-arg', arg]));
  const free = await call('get-tiny-image');
  expect(free.said.isError ?? false, free.errors).toBe(false);

  const asked = await call('echo', 'message=hello');
  expect(asked.said.isError).toBe(true);
  const [{ text = '' } = {}] = asked.said.content as { readonly text?: string }[];
  const { invoice } = /^(?<invoice>lnbcrt\w+)$/m.exec(text)?.groups ?? {};
  const { token } = /^(?<token>[A-Za-z0-9+/=]+):<preimage>$/m.exec(text)?.groups ?? {};
  expect(text).toContain('Payment required. "echo" was not called, and nothing was charged.');

  const paid = await desk.run('pay', String(invoice), '--max', '20 sat', '--preimage');
  const preimage = paid.stdout.trim();
  expect(preimage, paid.stderr).toMatch(/^[0-9a-f]{64}$/);
  const served = await call('echo', 'message=hello', `l402_credential=${token}:${preimage}`);
  expect(served.said.isError ?? false, JSON.stringify(served.said)).toBe(false);
  expect(JSON.stringify(served.said.content)).toMatch(/Echo: hello.*Paid over Lightning/s);
  const other = await call('echo', 'message=another', `l402_credential=${token}:${preimage}`);
  expect(other.said.isError, 'the same credential, other arguments').toBe(true);
});
