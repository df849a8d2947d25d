import { writeFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, describe, expect, it } from 'vitest';
import { createFake, type Fake } from '../../../test/cli/fakeContext.ts';
import { textOf } from '../../../test/mcp/toolBuyer.ts';
import { isServerName } from '../../mcp/wallet/ServerBehind.ts';
import { answer, startLyingServer } from '../../testing/LyingServer.ts';
import { registerMcpServe } from './serve.ts';
import { parseServers } from './servers.ts';

const closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** The command, and a host at the other end of its streams. */
function setup() {
  const [toWallet, toHost] = [new PassThrough(), new PassThrough()];
  const fake: Fake = createFake((program, context) => registerMcpServe(program, context, { input: toWallet, output: toHost }));
  closing.push(fake.remove);
  /** Starts the command, and enters it as a host; `ended` resolves when it has ended. */
  const enter = async (...words: readonly string[]) => {
    const ended = fake.run('serve', ...words);
    const host = new Client({ name: 'host', version: '1.0.0' });
    // Streams are streams: which end is which, only the names say.
    await Promise.race([host.connect(new StdioServerTransport(toHost, toWallet)), ended]);
    closing.push(async () => {
      toWallet.end();
      await ended;
    });
    const call = async (name: string, given: { [name: string]: unknown } = {}) => (await host.callTool({ name, arguments: given })) as CallToolResult;
    return { host, call, ended, leave: () => toWallet.end() };
  };
  return { ...fake, enter };
}

describe('over stdio', () => {
  it('offers the wallet’s tools, says what may be spent, and ends when the host leaves', async () => {
    const { enter, notes, out } = setup();
    const { host, leave, ended } = await enter('--max', '50 sat');
    expect((await host.listTools()).tools.map(({ name }) => name)).toEqual([
      'quote',
      'fetch',
      'buy_credit',
      'list_receipts',
      'show_budget',
      'list_credentials',
    ]);
    leave();
    await ended;
    expect(notes()).toContain('pays up to 50 sat');
    expect(out()).toBe('');
  });

  it('pays nothing without a limit, and says so', async () => {
    const { enter, notes, clock } = setup();
    const server = await startLyingServer(clock);
    closing.push(server.close);
    const { call } = await enter('--allow-private', server.origin.slice('http://'.length));
    const result = await call('fetch', { url: `${server.origin}/`, max: '50 sat' });
    expect(result.isError).toBe(true);
    expect(notes()).toContain('pays nothing: no limit is set');
    server.handle((_, response) => answer(response, 200, {}, { free: true }));
    expect(textOf(await call('fetch', { url: `${server.origin}/`, max: '50 sat' }))).toContain('"free":true');
  });

  it('asks no address of this machine that was not named', async () => {
    const { enter, clock } = setup();
    const server = await startLyingServer(clock);
    closing.push(server.close);
    const { call } = await enter('--max', '50 sat');
    expect(textOf(await call('fetch', { url: `${server.origin}/`, max: '50 sat' }))).toMatch(/^ADDRESS_REFUSED/);
    expect(server.requests).toEqual([]);
  });

  it('hands credentials on only where it is told to', async () => {
    const { enter } = setup();
    const { host } = await enter('--max', '50 sat', '--narrow');
    expect((await host.listTools()).tools.map(({ name }) => name)).toContain('narrow_credential');
  });
});

it.each(['0.0.0.0:0', '192.168.1.2:8411', 'example.com:80', ':8411', '127.0.0.1', '127.0.0.1:99999'])('listens not at %s', async (at) => {
  await expect(setup().run('serve', '--listen', at)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('this machine alone') });
});

describe('a file of servers', () => {
  const read = (value: unknown) => parseServers(JSON.stringify(value), 'servers.json', isServerName);

  it('is read as hosts write it', () => {
    const weather = { command: 'npx', args: ['-y', 'weather'], env: { KEY: 'x' }, disabled: false };
    const maps = { type: 'http', url: 'https://maps.example.com/mcp?key=1', headers: { Authorization: 'Bearer x' } };
    const expected = [
      { name: 'weather', kind: 'command', command: 'npx', args: ['-y', 'weather'], env: { KEY: 'x' }, cwd: undefined },
      { name: 'maps', kind: 'url', url: new URL(maps.url), headers: maps.headers },
    ];
    expect(read({ mcpServers: { weather, maps } })).toEqual(expected);
    expect(read({ servers: { weather, maps }, inputs: [] })).toEqual(expected);
  });

  it('does not put the wallet behind itself', () => {
    expect(read({ mcpServers: { me: { command: 'npx', args: ['-y', '--package', 'farebox', 'farebox', 'mcp', 'serve', '--max', '5 sat'] } } })).toEqual([]);
  });

  it.each([
    [{}, /has no "mcpServers"/],
    [{ mcpServers: { 'a b': { command: 'x' } } }, /"a b". Its name/],
    [{ mcpServers: { a__b: { command: 'x' } } }, /"a__b". Its name/],
    [{ mcpServers: { a: { run: 'x' } } }, /neither a command/],
    [{ mcpServers: { a: { command: 'x', env: { KEY: 5 } } } }, /neither a command/],
    [{ mcpServers: { a: { url: 'ftp://x/' } } }, /none of http or https/],
    [{ mcpServers: { a: { url: 'https://me:secret@x/' } } }, /password in it/],
  ])('%j is refused', (value, message) => {
    expect(() => read(value)).toThrow(message);
    expect(() => read(value)).not.toThrow(/secret/);
  });

  it('that is not there, or is no JSON, is named', async () => {
    const { run, path } = setup();
    await expect(run('serve', '--servers', path('none.json'))).rejects.toThrow(/none\.json cannot be read \(ENOENT\)/);
    writeFileSync(path('bad.json'), '{ // mine\n}');
    await expect(run('serve', '--servers', path('bad.json'))).rejects.toThrow(/is no JSON/);
  });
});
