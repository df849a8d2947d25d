/**
 * A server behind the wallet: started or connected to when it is first needed, and again when it has gone. Its tools are bought, and what is free
 * goes through.
 *
 * It is offered nothing in return: no sampling, no roots, and no questions to the user, which could pass for ours.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { type Tool, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import type { PayingClient } from '../../client/createClient.ts';
import { payingClient } from '../client.ts';

/** A server, as its configuration has it. */
export type ServerEntry = {
  /** Begins the names of its tools; see {@link isServerName}. */
  readonly name: string;
} & (
  | {
      readonly kind: 'command';
      readonly command: string;
      readonly args: readonly string[];
      /** Besides what every program gets, such as `PATH` and `HOME`. */
      readonly env: { readonly [name: string]: string };
      readonly cwd: string | undefined;
    }
  | { readonly kind: 'url'; readonly url: URL; readonly headers: { readonly [name: string]: string } }
);

/** See the head of this file. */
export type ServerBehind = {
  readonly name: string;
  /** A client that buys, connected. @throws whatever keeps it from connecting */
  readonly client: () => Promise<Client>;
  /** All tools, as the server lists them. @throws as `client` does, and the server's own errors */
  readonly listTools: () => Promise<readonly Tool[]>;
  readonly close: () => Promise<void>;
};

/** What a server stands on. */
export type BehindOptions = {
  readonly paying: PayingClient;
  readonly version: string;
  /** A line that the server has written to its standard error. */
  readonly onLine: (name: string, line: string) => void;
  readonly onToolsChanged: () => void;
  /** How it is reached; for tests. */
  readonly open?: ((entry: ServerEntry) => Transport) | undefined;
};

/** Whether a name can stand before `__` and the name of a tool without being taken for another. */
export function isServerName(name: string): boolean {
  return /^[A-Za-z0-9](?:[A-Za-z0-9-]|_(?=[A-Za-z0-9-])){0,31}$/.test(name);
}

/** A server that nothing has been asked of yet. */
export function createServerBehind(entry: ServerEntry, options: BehindOptions): ServerBehind {
  const { name } = entry;
  let current: Promise<Client> | undefined;
  const connect = async () => {
    const mcp = new Client({ name: 'farebox', version: options.version });
    mcp.setNotificationHandler(ToolListChangedNotificationSchema, options.onToolsChanged);
    mcp.onclose = () => {
      current = undefined;
    };
    const transport = options.open ? options.open(entry) : openTransport(entry, options.onLine);
    await mcp.connect(transport, { timeout: connectMs });
    return payingClient(mcp, { client: options.paying, server: entry.kind === 'url' ? entry.url : name });
  };
  const client = () => {
    current ??= connect().catch((error: unknown) => {
      current = undefined;
      throw error;
    });
    return current;
  };
  return {
    name,
    client,
    listTools: async () => {
      const mcp = await client();
      const tools: Tool[] = [];
      if (mcp.getServerCapabilities()?.tools === undefined) return tools;
      let cursor: string | undefined;
      for (let page = 0; page < maxPages; page++) {
        const listed = await mcp.listTools(cursor === undefined ? undefined : { cursor });
        tools.push(...listed.tools);
        cursor = listed.nextCursor;
        if (cursor === undefined) break;
      }
      return tools;
    },
    close: async () => {
      const open = await current?.catch(() => undefined);
      await open?.close();
    },
  };
}

/** How long a server may take to be there. */
const connectMs = 30_000;

/** Most pages of a listing that are read. */
const maxPages = 100;

function openTransport(entry: ServerEntry, onLine: BehindOptions['onLine']): Transport {
  if (entry.kind === 'url') {
    // A call, and the proof in it, is for this address. Versions of the SDK that follow redirects by themselves would take it elsewhere.
    const straight = (input: string | URL, init?: RequestInit) => fetch(input, { ...init, redirect: 'manual' });
    return new StreamableHTTPClientTransport(entry.url, { requestInit: { headers: { ...entry.headers } }, fetch: straight }) as Transport;
  }
  const { name, command, args, env, cwd } = entry;
  const transport = new StdioClientTransport({ command, args: [...args], env: { ...env }, stderr: 'pipe', ...(cwd !== undefined && { cwd }) });
  transport.stderr?.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString('utf8').split('\n')) if (line.trim() !== '') onLine(name, line.slice(0, 500));
  });
  return transport;
}
