/**
 * Selling the tools of a server that is made with `@modelcontextprotocol/sdk`: of one that stands already, or tool by tool.
 */
import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { McpServer, ToolCallback } from '@modelcontextprotocol/sdk/server/mcp.js';
import type { ZodRawShapeCompat } from '@modelcontextprotocol/sdk/server/zod-compat.js';
import type { MessageExtraInfo, ToolAnnotations } from '@modelcontextprotocol/sdk/types.js';
import type { Paywall } from '../server/Paywall.ts';
import { SellingTransport } from './SellingTransport.ts';
import { createTill, type Till, type TillOptions } from './Till.ts';
import { createToolOffer, type ToolOffer, type ToolOptions } from './ToolOffers.ts';

/** What is sold of a server, and how. */
export type SellToolsOptions = TillOptions & {
  /** Where what is given away, and invoices, are counted; default: all clients are one, as over stdio. Over HTTP, the client's address. */
  readonly clientAddress?: (extra: MessageExtraInfo | undefined) => string;
};

/** How one tool is made and sold. */
export type PaidToolOptions = ToolOptions &
  Partial<Omit<SellToolsOptions, 'prices' | 'farebox'>> & {
    /** From `createPaywall`. One server has one. */
    readonly farebox: Paywall;
    /** What the list of tools says of it beside its price. */
    readonly tool?: {
      readonly title?: string;
      readonly description?: string;
      readonly outputSchema?: ZodRawShapeCompat;
      readonly annotations?: ToolAnnotations;
    };
  };

/** Servers that sell: what they are sold by, and the tools that were added one by one. */
const selling = new WeakMap<Server, { readonly farebox: Paywall; readonly added: Map<string, ToolOffer> }>();

/**
 * Puts prices on the tools of a server, before it is connected. Its handlers stay as they are: they see paid calls alone, and no credential.
 *
 * @throws AMOUNT_MALFORMED, RangeError – prices that cannot be sold
 * @throws TypeError – the server is connected, or sells already
 * @example
 * sellTools(server, { farebox, prices: { search: '10 sat', 'admin_*': { price: '1000 sat', terms: pass({ seconds: 3600 }) } } });
 * await server.connect(new StdioServerTransport());
 */
export function sellTools(server: McpServer | Server, { clientAddress, ...options }: SellToolsOptions): void {
  const low = 'server' in server ? server.server : server;
  if (selling.has(low)) throw new TypeError('this server sells already: name all prices in one place, or add tools with paidTool');
  if (low.transport !== undefined) throw new TypeError('this server is connected already: put prices on its tools before server.connect');
  const prepared = createTill(options);
  const added = new Map<string, ToolOffer>();
  const till: Till = { ...prepared, offerOf: (name) => added.get(name) ?? prepared.offerOf(name) };
  selling.set(low, { farebox: options.farebox, added });
  const connect = low.connect.bind(low);
  low.connect = (transport) => connect(new SellingTransport(transport, till, { clientAddress }));
}

/**
 * Adds a tool with a price to a server. The first one is added before the server is connected.
 *
 * @param schema - of its arguments, as `registerTool` takes it
 * @returns what `registerTool` does
 * @throws AMOUNT_MALFORMED, RangeError – a price that cannot be sold
 * @throws TypeError – the server is connected, and sold nothing until now
 * @example
 * paidTool(server, 'search', { farebox, price: '10 sat' }, { query: z.string() }, async ({ query }) => ({ content: [{ type: 'text', text: await find(query) }] }));
 */
export function paidTool<Arguments extends ZodRawShapeCompat>(
  server: McpServer,
  name: string,
  { farebox, tool, approve, timeoutMs, credentialArgument, clock, clientAddress, ...sold }: PaidToolOptions,
  schema: Arguments,
  handler: ToolCallback<Arguments>,
): ReturnType<McpServer['registerTool']> {
  const offer = createToolOffer(name, sold);
  if (!selling.has(server.server)) {
    sellTools(server, {
      farebox,
      prices: {},
      ...(approve && { approve }),
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(credentialArgument !== undefined && { credentialArgument }),
      ...(clock && { clock }),
      ...(clientAddress && { clientAddress }),
    });
  }
  const shop = selling.get(server.server);
  if (shop?.farebox !== farebox) throw new TypeError('the tools of one server are sold by one paywall');
  const registered = server.registerTool(name, { ...tool, inputSchema: schema }, handler);
  shop.added.set(name, offer);
  const update = registered.update.bind(registered);
  registered.update = (updates) => {
    // Under another name it costs the same.
    if (typeof updates.name === 'string') shop.added.set(updates.name, createToolOffer(updates.name, sold));
    update(updates);
  };
  return registered;
}
