/**
 * An agent's client with a scripted wallet in front of a seller of tools, in memory: what tests of buying tools begin with.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { afterEach } from 'vitest';
import { type ClientEvent, type ClientOptions, type ClientStore, createClient, createMemoryClientStore, type PayingClient } from '../../src/client/index.ts';
import { FareboxError } from '../../src/core/Errors.ts';
import type { PaymentHash } from '../../src/core/Preimage.ts';
import type { PayerCapabilities } from '../../src/lightning/Lightning.ts';
import { payingClient } from '../../src/mcp/client.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { createScriptedPayer, type ScriptedPayer } from '../../src/testing/ScriptedPayer.ts';
import { createToolSeller, type ToolSeller } from './ToolSeller.ts';

/** A buyer and its seller. */
export type ToolShop = {
  readonly clock: FixedClock.FixedClock;
  readonly seller: ToolSeller;
  /** One more seller, whose invoices the payer knows as well. */
  readonly createSeller: () => ToolSeller;
  readonly payer: ScriptedPayer;
  readonly store: ClientStore;
  /** Pays up to 60 sat for a call, where nothing else is said. */
  readonly paying: PayingClient;
  readonly events: readonly ClientEvent[];
  /** Connected to the seller as `shop`, and buying. */
  readonly tools: Client;
  /** Connects to any seller, under any name. */
  readonly connect: (seller: ToolSeller, server: string, client?: PayingClient) => Promise<Client>;
  /** Calls `translate`, or another tool. */
  readonly call: (given?: { readonly [name: string]: unknown }, name?: string) => Promise<CallToolResult>;
};

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Opens a seller and sends a buyer in; both are closed when the test ends. */
export async function openToolShop({
  capabilities,
  ...options
}: Partial<ClientOptions> & { readonly capabilities?: Partial<PayerCapabilities> } = {}): Promise<ToolShop> {
  const clock = FixedClock.create();
  const sellers: ToolSeller[] = [];
  const createSeller = () => {
    const seller = createToolSeller(clock);
    sellers.push(seller);
    return seller;
  };
  const preimageOf = (hash: PaymentHash) => sellers.map((one) => one.preimageOf(hash)).find((found) => found !== undefined);
  const payer = createScriptedPayer({ preimageOf, ...(capabilities && { capabilities }) });
  const store = options.store ?? createMemoryClientStore();
  const events: ClientEvent[] = [];
  const paying = createClient({ payer, maxPerRequest: '60 sat', store, clock, onEvent: (event) => events.push(event), ...options });
  const connect = async (seller: ToolSeller, server: string, client = paying) => {
    const mcp = await connectTo(seller);
    return payingClient(mcp, { client, server });
  };
  const seller = createSeller();
  const tools = await connect(seller, 'shop');
  const call: ToolShop['call'] = async (given = { text: 'hello' }, name = 'translate') => (await tools.callTool({ name, arguments: given })) as CallToolResult;
  return { clock, seller, createSeller, payer, store, paying, events, tools, connect, call };
}

/** A client that does not buy, connected in memory. */
export async function connectTo(seller: Pick<ToolSeller, 'createServer'>): Promise<Client> {
  const [near, far] = InMemoryTransport.createLinkedPair();
  const mcp = new Client({ name: 'agent', version: '1.0.0' });
  const server = seller.createServer();
  await server.connect(far);
  await mcp.connect(near);
  closing.push(async () => {
    await mcp.close();
    await server.close();
  });
  return mcp;
}

/** The text of a result. */
export function textOf({ content }: CallToolResult): string {
  return content.map((part) => (part.type === 'text' ? part.text : `(${part.type})`)).join('\n');
}

/** How a call ends: its text, or the code of the error. */
export async function outcomeOf(call: Promise<CallToolResult>): Promise<string> {
  try {
    return textOf(await call);
  } catch (error) {
    return FareboxError.is(error) ? error.code : (error as Error).name;
  }
}
