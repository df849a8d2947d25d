/**
 * The servers of a host, as hosts write them down: what `farebox mcp serve --servers` puts behind the wallet.
 *
 *     { "mcpServers": { "weather": { "command": "npx", "args": ["-y", "weather-mcp"], "env": { "KEY": "…" } },
 *                       "maps":    { "url": "https://maps.example.com/mcp", "headers": { "Authorization": "Bearer …" } } } }
 *
 * The block of VS Code, `servers`, is taken as well. Other fields of an entry are the host's own business.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { FareboxError } from '../../core/Errors.ts';
import type { ServerEntry } from '../../mcp/wallet/ServerBehind.ts';

const texts = z.record(z.string(), z.string());

const entrySchema = z.union([
  z.looseObject({ command: z.string().min(1), args: z.array(z.string()).default([]), env: texts.default({}), cwd: z.string().optional() }),
  z.looseObject({ url: z.string(), headers: texts.default({}) }),
]);

const fileSchema = z.union([
  z.looseObject({ mcpServers: z.record(z.string(), z.unknown()) }).transform(({ mcpServers }) => mcpServers),
  z.looseObject({ servers: z.record(z.string(), z.unknown()) }).transform(({ servers }) => servers),
]);

/** Whether a name can begin the names of tools. */
export type IsName = (name: string) => boolean;

/**
 * Reads a file of servers. What an entry holds is not repeated in any message: it may be a secret.
 * @throws CONFIG_INVALID – it cannot be read, or an entry names no server
 */
export function readServers(file: string, isName: IsName): readonly ServerEntry[] {
  return parseServers(readText(file), file, isName);
}

/** The same for its text. */
export function parseServers(text: string, file: string, isName: IsName): readonly ServerEntry[] {
  const wrong = (what: string) => new FareboxError('CONFIG_INVALID', `The file ${file} ${what}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong('is no JSON. Comments are none either: leave them out.');
  }
  const found = fileSchema.safeParse(value);
  if (!found.success) throw wrong('has no "mcpServers": an object with a server under each name.');
  return Object.entries(found.data).flatMap(([name, entry]): readonly ServerEntry[] => {
    const at = `${name.slice(0, 64)}`;
    if (isOurs(entry)) return [];
    if (!isName(name)) throw wrong(`has a server "${at}". Its name begins the names of its tools: up to 32 letters, digits, "-" and single "_".`);
    const read = entrySchema.safeParse(entry);
    if (!read.success) throw wrong(`says of the server "${at}" neither a command, with args and env of text, nor a url, with headers of text.`);
    if ('command' in read.data) {
      const { command, args, env, cwd } = read.data;
      return [{ name, kind: 'command', command: command as string, args: args as string[], env: env as { [name: string]: string }, cwd: cwd as string | undefined }];
    }
    const url = URL.parse(read.data.url);
    if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
      throw wrong(`says of the server "${at}" a url that is none of http or https, or one with a password in it: those go into headers.`);
    }
    return [{ name, kind: 'url', url, headers: read.data.headers }];
  });
}

/** The wallet itself, in the block of a host that has it: it is not put behind itself. */
function isOurs(entry: unknown): boolean {
  const { args } = (typeof entry === 'object' && entry !== null ? entry : {}) as { readonly args?: unknown };
  if (!Array.isArray(args)) return false;
  return args.some((word, index) => word === 'farebox' && args[index + 1] === 'mcp' && args[index + 2] === 'serve');
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new FareboxError('CONFIG_INVALID', `The file ${file} cannot be read (${code}).`, { cause: error });
  }
}
