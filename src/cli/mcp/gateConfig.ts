/**
 * What `farebox mcp gate` sells, and for how much: from a file, whose words are those of `farebox.yaml` where they mean the same, or from the command line.
 *
 *     server: { command: npx, args: ["-y", "@modelcontextprotocol/server-filesystem", "/srv/files"] }
 *     price: 1 sat                       # of every tool that is not named; left out: free
 *     tools:
 *       read_file: 10 sat
 *       "search_*": { price: 5 sat, free: { requests: 3, per: 1d } }
 *       list_allowed_directories: free
 *
 * A tool is what a route is to the gateway, and is read as one.
 */
import { z } from 'zod';
import { FareboxError } from '../../core/Errors.ts';
import { isLoopback, readBytes, readCount, readPrice, readTimeoutMs } from '../../gateway/ConfigFields.ts';
import { field, readFile } from '../../gateway/ConfigSchema.ts';
import { type ConfigPath, fromValue, type Mistakes } from '../../gateway/ConfigText.ts';
import { createRewritten, type GatewayConfig, parseRewritten, type Rewritten, type SaleConfig, termsOf } from '../../gateway/index.ts';
import type { Receiver } from '../../lightning/Lightning.ts';
import type { ServerChoice } from '../../mcp/gate/gate.ts';
import type { ToolOptions, ToolPrices } from '../../mcp/index.ts';

/** A gate, complete. */
export type GateConfig = {
  /** Wallets, keys, store and limits, as the gateway has them. */
  readonly gateway: GatewayConfig;
  readonly server: ServerChoice;
  /** Undefined: over stdio. */
  readonly listen: { readonly host: string; readonly port: number } | undefined;
  readonly hosts: readonly string[];
  readonly origins: readonly string[];
  /** Who is paid for each tool by itself, by name. */
  readonly pricesFor: (payees: { readonly [name: string]: Receiver }) => ToolPrices;
  readonly approveAboveMsat: bigint | undefined;
  readonly timeoutMs: number;
  readonly sessions: number;
  readonly idleMs: number;
  readonly messageBytes: number;
};

/** Keys of a file that the gateway does not know. */
const schema = z.strictObject({
  /** The server that is sold: `{ command, args, env }`, started for each session with `env` and what every program needs, and nothing else of the environment; or `{ url, headers }`. No default. */
  server: z.strictObject({
    command: z.string().min(1).optional(),
    args: z.array(z.string()).optional(),
    env: z.record(z.string(), z.string()).optional(),
    url: field(readUrl).optional(),
    headers: z.record(z.string(), z.string()).optional(),
  }),
  /** What tools are sold as: `{ name, title, credit, bucket, payee, verify, outage, consume, capabilities }`, as a service of the gateway. Default: `{ name: tools }`. */
  service: z.record(z.string(), z.unknown()).optional(),
  /** Of every tool that no name and no pattern below means. Default: those are free. */
  price: z.unknown().optional(),
  /** By name, or by a pattern with `*`: a price, `free`, or `{ price, terms, free, title, … }` as a route of the gateway. A name goes before a pattern. */
  tools: z.record(z.string().min(1), z.unknown()).optional(),
  /** A person at the terminal is asked about calls that cost more. Default: never. */
  approve: z.strictObject({ above: field(readPrice) }).optional(),
  /** Host names besides this machine's own, and origins of pages, that may call over HTTP. Default: none. */
  hosts: z.array(z.string()).optional(),
  origins: z.array(z.string()).optional(),
  /** For a tool to answer a call that was paid. Default: `5m`. */
  callTimeout: field(readTimeoutMs).optional(),
  sessions: z
    .strictObject({
      /** At once, over HTTP. Default: 100. */
      most: field(readCount).optional(),
      /** One that nobody is connected to ends after that long. Default: `30m`. */
      idle: field(readTimeoutMs).optional(),
    })
    .optional(),
  /** Of one message. Default: `4 MiB`. */
  message: field(readBytes).optional(),
});

/** What the gateway knows and a gate has no use for. */
const unused = ['services', 'tls', 'workers', 'upstreamClient', 'timeouts', 'introspection', 'health', 'cors'] as const;

type Own = z.output<typeof schema>;

/** Where a configuration is read. */
export type Surroundings = { readonly file: string; readonly folder: string; readonly environment: { readonly [name: string]: string | undefined } };

/** Reads a file. @throws CONFIG_INVALID – every mistake in it, each with line and column */
export function parseGateConfig(text: string, surroundings: Surroundings): GateConfig {
  return build((rewrite) => parseRewritten(text, rewrite, surroundings));
}

/** Makes one from a value in the form of the file. @throws CONFIG_INVALID – every mistake in it */
export function createGateConfig(value: unknown, surroundings: Surroundings): GateConfig {
  return build((rewrite) => createRewritten(value, rewrite, surroundings));
}

type Rewrite = (value: unknown, mistakes: Mistakes) => Rewritten;

function build(read: (rewrite: Rewrite) => GatewayConfig): GateConfig {
  let own: Own | undefined;
  let listens = false;
  let tools: readonly Tool[] = [];
  const gateway = read((value, mistakes) => {
    const group = isGroup(value) ? value : {};
    if (!isGroup(value)) mistakes.add([], 'this is a file of keys, such as "server" and "tools"');
    for (const key of unused) if (key in group) mistakes.add([key], `\`${key}\` means nothing to a gate of tools`, 'key');
    const mine = Object.fromEntries(Object.entries(group).filter(([key]) => key in schema.shape));
    const rest = Object.fromEntries(Object.entries(group).filter(([key]) => !(key in schema.shape)));
    own = readFile(schema, fromValue(mine), mistakes);
    if (own && (own.server.command === undefined) === (own.server.url === undefined)) mistakes.add(['server'], 'a server has a `command` or a `url`');
    tools = toolsOf(group);
    if (tools.length === 0) mistakes.add([], 'nothing is sold: write "price" for every tool, or "tools"');
    listens = 'listen' in rest;
    const service = { name: 'tools', ...own?.service, upstream: 'http://127.0.0.1:1', routes: tools.map(routeOf) };
    return { value: { ...rest, services: [service] }, pathOf: (path) => pathOf(path, tools) };
  });
  const said = own as unknown as Own;
  if (listens && !isLoopback(gateway.listen.host) && (said.hosts ?? []).length === 0) {
    throw new FareboxError(
      'CONFIG_INVALID',
      `${gateway.file}: beyond this machine, say under which host names clients come: \`hosts\`, or --host tools.example.com`,
    );
  }
  return {
    gateway,
    server: serverOf(said.server),
    listen: listens ? gateway.listen : undefined,
    hosts: said.hosts ?? [],
    origins: said.origins ?? [],
    pricesFor: (payees) =>
      Object.fromEntries(tools.map((tool, index) => [tool.name, priceOf(tool, gateway.routes[index]?.sale, gateway.routes[index]?.service, payees)])),
    approveAboveMsat: said.approve?.above,
    timeoutMs: said.callTimeout ?? 300_000,
    sessions: said.sessions?.most ?? 100,
    idleMs: said.sessions?.idle ?? 1_800_000,
    messageBytes: said.message ?? 4 * 1024 * 1024,
  };
}

/** A tool or a pattern, and what the file says of it. */
type Tool = { readonly name: string; readonly entry: unknown; readonly at: ConfigPath };

function toolsOf({ price, tools }: { readonly [key: string]: unknown }): readonly Tool[] {
  const named = Object.entries(isGroup(tools) ? tools : {}).map(([name, entry]): Tool => ({ name, entry, at: ['tools', name] }));
  return price === undefined || named.some(({ name }) => name === '*') ? named : [...named, { name: '*', entry: price, at: ['price'] }];
}

/** The route that stands for a tool; its path is a number, since a pattern of tools is no path. */
function routeOf({ entry }: Tool, index: number): unknown {
  const path = `/${index}`;
  if (entry === 'free') return { path, free: true };
  return isGroup(entry) ? { ...entry, path } : { path, price: entry };
}

function pathOf(path: ConfigPath, tools: readonly Tool[]): ConfigPath {
  const [top, , key, index, ...below] = path;
  if (top !== 'services') return path;
  const tool = key === 'routes' ? tools[index as number] : undefined;
  if (tool === undefined) return key === undefined || key === 'routes' ? ['tools'] : ['service', key, ...(index === undefined ? [] : [index]), ...below];
  return isGroup(tool.entry) ? [...tool.at, ...below.filter((part) => part !== 'path')] : tool.at;
}

function priceOf(
  { name, entry }: Tool,
  sale: SaleConfig | undefined,
  service: string | undefined,
  payees: { readonly [name: string]: Receiver },
): 'free' | ToolOptions {
  if (sale === undefined) return 'free';
  const { title, description } = (isGroup(entry) ? entry : {}) as { readonly title?: string; readonly description?: string };
  const receiver = sale.payee === undefined ? undefined : payees[sale.payee];
  if (sale.payee !== undefined && receiver === undefined) throw new TypeError(`nobody was handed in as the payee of ${name}`);
  return {
    price: sale.priceMsat,
    terms: termsOf(sale.terms),
    ...(service !== undefined && { service }),
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
    capabilities: sale.capabilities,
    exactMsat: sale.exactMsat,
    ...(sale.free && { free: sale.free }),
    ...(receiver && { receiver }),
    verify: sale.verify,
    outage: sale.outage,
    consume: sale.consume,
  };
}

function serverOf({ command = '', args = [], env = {}, url, headers = {} }: Own['server']): ServerChoice {
  return url === undefined ? { kind: 'command', command, args, env } : { kind: 'url', url, headers };
}

function readUrl(value: unknown): URL {
  const text = typeof value === 'string' ? value.trim() : '';
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) throw new Error('this is the address of an MCP server: write "http://localhost:3000/mcp"');
  const url = new URL(text);
  // Neither is repeated: it may be a password.
  if (url.username !== '' || url.password !== '') throw new Error('a server has no user and no password in its address: put a secret into `headers`');
  return url;
}

function isGroup(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
