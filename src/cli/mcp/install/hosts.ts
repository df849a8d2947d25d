/**
 * Agent hosts, and where each keeps its servers.
 */
import { join } from 'node:path';

/** The machine, as far as files of hosts lie in different places on it. */
export type Place = {
  readonly platform: NodeJS.Platform;
  /** The user's home folder. */
  readonly home: string;
  /** The project's folder. */
  readonly cwd: string;
  readonly environment: { readonly [name: string]: string | undefined };
};

/** A host. */
export type Host = {
  readonly title: string;
  readonly file: (place: Place) => string;
  /** `json`: an object of servers under this key. `toml`: a table for each, under this name. */
  readonly format: 'json' | 'toml';
  readonly key: string;
  /** What an entry has besides command, args and env. */
  readonly extra: { readonly [name: string]: unknown };
};

/** What the system calls the folder of programs' settings. */
function settings({ platform, home, environment }: Place): string {
  if (platform === 'darwin') return join(home, 'Library', 'Application Support');
  if (platform === 'win32') return environment.APPDATA ?? join(home, 'AppData', 'Roaming');
  return environment.XDG_CONFIG_HOME ?? join(home, '.config');
}

const json = { format: 'json', key: 'mcpServers', extra: {} } as const;

/** By the name that a command line gives them. */
export const hosts: { readonly [name: string]: Host } = {
  'claude-desktop': { ...json, title: 'Claude Desktop', file: (place) => join(settings(place), 'Claude', 'claude_desktop_config.json') },
  'claude-code': { ...json, title: 'Claude Code, this project', file: ({ cwd }) => join(cwd, '.mcp.json'), extra: { type: 'stdio' } },
  cursor: { ...json, title: 'Cursor', file: ({ home }) => join(home, '.cursor', 'mcp.json') },
  vscode: { ...json, title: 'VS Code', file: (place) => join(settings(place), 'Code', 'User', 'mcp.json'), key: 'servers', extra: { type: 'stdio' } },
  'vscode-project': { ...json, title: 'VS Code, this project', file: ({ cwd }) => join(cwd, '.vscode', 'mcp.json'), key: 'servers', extra: { type: 'stdio' } },
  windsurf: { ...json, title: 'Windsurf', file: ({ home }) => join(home, '.codeium', 'windsurf', 'mcp_config.json') },
  zed: {
    ...json,
    title: 'Zed',
    file: (place) => (place.platform === 'win32' ? join(settings(place), 'Zed', 'settings.json') : join(place.environment.XDG_CONFIG_HOME ?? join(place.home, '.config'), 'zed', 'settings.json')),
    key: 'context_servers',
    extra: { source: 'custom' },
  },
  'gemini-cli': { ...json, title: 'Gemini CLI', file: ({ home }) => join(home, '.gemini', 'settings.json') },
  'lm-studio': { ...json, title: 'LM Studio', file: ({ home }) => join(home, '.lmstudio', 'mcp.json') },
  'codex-cli': { title: 'Codex', file: ({ home, environment }) => join(environment.CODEX_HOME ?? join(home, '.codex'), 'config.toml'), format: 'toml', key: 'mcp_servers', extra: {} },
};
