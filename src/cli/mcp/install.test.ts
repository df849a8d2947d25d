import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createFake, type Fake, type FakeOptions } from '../../../test/cli/fakeContext.ts';
import { hosts, type Place } from './install/hosts.ts';
import { registerMcpInstall } from './install.ts';

const fakes: Fake[] = [];
afterEach(() => {
  for (const fake of fakes.splice(0)) fake.remove();
});

/** A machine with nothing on it but what the test puts there. */
function setup(options: FakeOptions & { readonly platform?: NodeJS.Platform } = {}) {
  let place: Place | undefined;
  const fake = createFake((program, context) => registerMcpInstall(program, context, place), { answers: ['yes'], ...options });
  fakes.push(fake);
  place = { platform: options.platform ?? 'linux', home: fake.path('user'), cwd: fake.path('project'), environment: {} };
  const fileOf = (host: string) => (hosts[host] as (typeof hosts)[string]).file(place as Place);
  const put = (host: string, text: string) => {
    mkdirSync(dirname(fileOf(host)), { recursive: true });
    writeFileSync(fileOf(host), text);
  };
  const get = (host: string) => readFileSync(fileOf(host), 'utf8');
  const copies = (host: string) => readdirSync(dirname(fileOf(host))).filter((name) => name.endsWith('.bak'));
  return { ...fake, fileOf, put, get, copies };
}

const command = ['npx', '-y', '--package', 'farebox', '--package', '@modelcontextprotocol/sdk', 'farebox', 'mcp', 'serve'];

describe('every host', () => {
  it.each(Object.keys(hosts))('%s gets an entry in a file of its own, and loses it again', async (host) => {
    const { run, get, notes, copies } = setup();
    await run('install', host, '--max', '50 sat');
    const written = get(host);
    for (const word of [...command, '--max', '50 sat']) expect(written).toContain(JSON.stringify(word));
    expect(notes()).toContain('+ ');
    expect(copies(host)).toEqual([]);
    await run('install', host, '--undo', '--yes');
    expect(get(host)).not.toContain('farebox');
    expect(copies(host).length).toBe(1);
  });

  it('is where its documentation says', () => {
    const at = (name: string, platform: NodeJS.Platform) =>
      (hosts[name] as (typeof hosts)[string]).file({ platform, home: '/h', cwd: '/p', environment: {} }).replaceAll('\\', '/');
    expect(['linux', 'darwin', 'win32'].map((platform) => at('claude-desktop', platform as NodeJS.Platform))).toEqual([
      '/h/.config/Claude/claude_desktop_config.json',
      '/h/Library/Application Support/Claude/claude_desktop_config.json',
      '/h/AppData/Roaming/Claude/claude_desktop_config.json',
    ]);
    expect(at('vscode', 'darwin')).toBe('/h/Library/Application Support/Code/User/mcp.json');
    expect(at('codex-cli', 'linux')).toBe('/h/.codex/config.toml');
    expect(at('zed', 'darwin')).toBe('/h/.config/zed/settings.json');
  });
});

describe('a file that is there', () => {
  it('keeps everything else, its rights and a copy', async () => {
    const { run, put, get, copies, fileOf } = setup();
    put('cursor', '{\n  "mcpServers": {\n    "mine": { "command": "x", "env": { "KEY": "secret" } }\n  },\n  "other": [1, 2]\n}\n');
    chmodSync(fileOf('cursor'), 0o640);
    const before = get('cursor');
    await run('install', 'cursor', '--servers', 'servers.json', '--ask-above', '10 sat');
    const { mcpServers, other } = JSON.parse(get('cursor')) as { mcpServers: { [name: string]: { command: string; args: string[] } }; other: number[] };
    expect([mcpServers.mine, other]).toEqual([{ command: 'x', env: { KEY: 'secret' } }, [1, 2]]);
    expect(mcpServers.farebox).toMatchObject({ command: 'npx', args: expect.arrayContaining(['--ask-above', '10 sat', join(process.cwd(), 'servers.json')]) });
    expect(statSync(fileOf('cursor')).mode & 0o777).toBe(0o640);
    expect(readFileSync(join(dirname(fileOf('cursor')), copies('cursor')[0] as string), 'utf8')).toBe(before);
    await run('install', 'cursor', '--undo', '--yes');
    expect(JSON.parse(get('cursor'))).toEqual(JSON.parse(before));
  });

  it('is shown as it would be, and left as it is where nobody says yes', async () => {
    for (const options of [{ answers: ['no'] }, {}]) {
      const { run, put, get, notes } = setup({ ...options, ...(!('answers' in options) && { answers: undefined as never }) });
      put('windsurf', '{ "mcpServers": {} }');
      await expect(run('install', 'windsurf')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
      expect([get('windsurf'), notes().includes('+ ')]).toEqual(['{ "mcpServers": {} }', true]);
    }
    const { run, put, get } = setup();
    put('windsurf', '{}');
    await run('install', 'windsurf', '--dry-run');
    expect(get('windsurf')).toBe('{}');
  });

  it('that cannot be read is left alone, and what to write by hand is said', async () => {
    for (const [host, text] of [
      ['gemini-cli', '{ "theme": '],
      ['gemini-cli', '[]'],
      ['codex-cli', 'mcp_servers = { a = { command = "x" } }'],
      ['codex-cli', 'notice = """\n[mcp_servers.farebox]\n"""'],
    ] as const) {
      const { run, put, get } = setup();
      put(host, text);
      await expect(run('install', host)).rejects.toThrow(/could not be read well enough[\s\S]*"mcp"[\s\S]*"serve"/);
      expect(get(host)).toBe(text);
    }
  });

  it('that is a link stays one', async () => {
    const { run, fileOf, path } = setup();
    mkdirSync(dirname(fileOf('cursor')), { recursive: true });
    writeFileSync(path('dotfile.json'), '{}');
    symlinkSync(path('dotfile.json'), fileOf('cursor'));
    await run('install', 'cursor');
    expect(readFileSync(path('dotfile.json'), 'utf8')).toContain('farebox');
  });

  it('of Codex keeps its other tables and comments', async () => {
    const { run, put, get } = setup();
    const before = '# mine\nmodel = "x"\n\n[mcp_servers.mine]\ncommand = "y" # stays\n\n[tui]\nbell = true\n';
    put('codex-cli', before);
    await run('install', 'codex-cli', '--max', '50 sat');
    expect(get('codex-cli').startsWith(before)).toBe(true);
    expect(get('codex-cli')).toContain('[mcp_servers.farebox]\ncommand = "npx"\nargs = ["-y",');
    await run('install', 'codex-cli', '--max', '60 sat', '--yes');
    expect(get('codex-cli').match(/\[mcp_servers\.farebox\]/g)?.length).toBe(1);
    await run('install', 'codex-cli', '--undo', '--yes');
    expect(get('codex-cli')).toBe(before);
  });
});

it('says so where there is nothing to do', async () => {
  const { run, out, fileOf } = setup();
  await run('install', 'cursor', '--undo');
  expect(out()).toContain('stays as it is');
  expect(existsSync(fileOf('cursor'))).toBe(false);
  await run('install', 'cursor');
  await run('install', 'cursor');
  expect(out()).toContain('says all this already');
});

it('names another home folder of Farebox, and npx as Windows starts it', async () => {
  const { run, get } = setup({ platform: 'win32' });
  await run('install', 'claude-code');
  expect(JSON.parse(get('claude-code'))).toMatchObject({ mcpServers: { farebox: { type: 'stdio', command: 'cmd', args: ['/c', ...command] } } });
});

it.each([
  [['nothing'], /no host "nothing"/],
  [['cursor', '--name', 'a b'], /A name is/],
  [['cursor', '--max', '50'], /50/],
])('%j is refused', async (words, message) => {
  const { run } = setup();
  await expect(run('install', ...words)).rejects.toThrow(message);
});
