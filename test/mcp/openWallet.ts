/**
 * A wallet with a scripted payer, sellers behind it and a host in front, in memory: what tests of the wallet begin with.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { type CallToolResult, ElicitRequestSchema, type ElicitResult } from '@modelcontextprotocol/sdk/types.js';
import { afterEach } from 'vitest';
import { type ClientOptions, createClient, createMemoryClientStore } from '../../src/client/index.ts';
import { type AgentToolsOptions, createAgentTools } from '../../src/client/tools.ts';
import { systemRandom } from '../../src/core/Clock.ts';
import { type AskSomebody, createAsking } from '../../src/mcp/wallet/Asking.ts';
import { createServerBehind, type ServerEntry } from '../../src/mcp/wallet/ServerBehind.ts';
import { createWallet } from '../../src/mcp/wallet/Wallet.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { createScriptedPayer } from '../../src/testing/ScriptedPayer.ts';
import { createToolSeller, type ToolSeller } from './ToolSeller.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** What may be otherwise. */
export type WalletShopOptions = Partial<ClientOptions> & {
  /** Names of the servers behind; `away` cannot be reached. */
  readonly behind?: readonly string[];
  /** What the host's user says to a question; the host cannot ask without. */
  readonly elicit?: (message: string) => ElicitResult;
  readonly atTerminal?: AskSomebody;
  /** Servers behind that are reached at URLs, by name. */
  readonly urls?: { readonly [name: string]: URL };
  readonly tools?: Partial<AgentToolsOptions>;
};

/** A wallet with a scripted payer, sellers behind it, and a host in front. */
export async function openWallet({ behind = ['shop'], elicit, atTerminal, urls = {}, tools, consent, ...options }: WalletShopOptions = {}) {
  const clock = FixedClock.create();
  const sellers = new Map<string, ToolSeller>(behind.map((name) => [name, createToolSeller(clock)]));
  const payer = createScriptedPayer({ preimageOf: (hash) => [...sellers.values()].map((one) => one.preimageOf(hash)).find(Boolean) });
  const asking = createAsking(clock, atTerminal);
  const store = createMemoryClientStore();
  const paying = createClient({ payer, store, clock, maxPerRequest: '60 sat', consent: { ...consent, ask: asking.ask }, ...options });
  const troubles: string[] = [];
  const opened: Server[] = [];
  const open = ({ name }: ServerEntry): Transport => {
    if (name === 'away') throw new Error('it is away');
    const [near, far] = InMemoryTransport.createLinkedPair();
    const server = (sellers.get(name) as ToolSeller).createServer();
    opened.push(server);
    void server.connect(far);
    return near;
  };
  const onToolsChanged = () => wallet.toolsChanged();
  const servers = [
    ...behind.map((name) =>
      createServerBehind(
        { name, kind: 'command', command: 'none', args: [], env: {}, cwd: undefined },
        { paying, version: '1.0.0', onLine: () => {}, onToolsChanged, open },
      ),
    ),
    ...Object.entries(urls).map(([name, url]) =>
      createServerBehind({ name, kind: 'url', url, headers: {} }, { paying, version: '1.0.0', onLine: () => {}, onToolsChanged }),
    ),
  ];
  const wallet = createWallet({
    tools: createAgentTools({ client: paying, clock, ...tools }),
    servers,
    asking,
    version: '1.0.0',
    random: systemRandom,
    onTrouble: (name, error) => troubles.push(`${name}: ${(error as Error).message}`),
  });
  const enter = async () => {
    const [near, far] = InMemoryTransport.createLinkedPair();
    const host = new Client({ name: 'host', version: '1.0.0' }, { capabilities: elicit ? { elicitation: {} } : {} });
    if (elicit) host.setRequestHandler(ElicitRequestSchema, ({ params }) => elicit(params.message));
    await wallet.openSession().connect(far);
    await host.connect(near);
    closing.push(() => host.close());
    return host;
  };
  const host = await enter();
  closing.push(async () => void (await Promise.all(servers.map((server) => server.close()))));
  const call = async (name: string, given: { [name: string]: unknown } = {}) => (await host.callTool({ name, arguments: given })) as CallToolResult;
  return { clock, wallet, paying, payer, store, host, enter, call, troubles, opened, seller: sellers.get('shop') as ToolSeller, sellers };
}
