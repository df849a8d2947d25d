/**
 * `farebox/mcp/client`: a client of the Model Context Protocol that buys: what a tool asks to be paid for a call, it pays, within a budget.
 *
 *     call ─ isError, challenge ─ quote ─ budget and journal ─ wallet ─ credential kept ─ the same call again, with the proof
 *
 * Wallet, limits, journal and credentials are those of `farebox/client`, and so is every promise that it makes.
 *
 * @see docs/guide/buying-tools.md; docs/decisions/0058-a-tool-call-is-a-request.md
 */
import type { Client as McpClient } from '@modelcontextprotocol/sdk/client/index.js';
import type { BudgetOptions, SpendingOptions } from '../client/Budget.ts';
import { type ClientOptions, clientOf, createClient, type PayingClient } from '../client/createClient.ts';
import type { ResponsePayment } from '../client/kept.ts';
import { type AdvertisedPrices, createAdvertisedPrices } from './client/AdvertisedPrices.ts';
import { buyCall, type ToolResult } from './client/buyCall.ts';
import * as Seller from './client/Seller.ts';
import type { JsonObject } from './ToolPayment.ts';

/** What a client for tools pays with, and as whom it knows the server. */
export type PayingClientOptions = {
  /**
   * The server's URL, or, for one that is reached in another way, such as over stdio, a name for it. Credentials are kept under it and are shown
   * nowhere else. Never take it from the server itself.
   */
  readonly server: string | URL;
} & (
  | {
      /** A client that is there: tools, HTTP and everything else that it buys share its wallet, limits and journal. */
      readonly client: PayingClient;
      /** A budget within the client's own. */
      readonly budget?: BudgetOptions;
    }
  | (Omit<ClientOptions, keyof SpendingOptions | 'fetch' | 'maxBodyBytes'> & {
      /** What may be spent, and on whom: `{ maxPerRequest: '60 sat', maxTotal: '1000 sat' }`. */
      readonly budget: SpendingOptions;
    })
);

/**
 * The same client, whose tool calls are paid for where they have to be. What is free goes through as it is. A challenge that cannot be paid in
 * Lightning is returned as the tool error that it is.
 *
 * `callTool` throws what the SDK's own throws, and the `FareboxError`s of the paying client's `fetch`, which say what was paid. A price above the
 * one that the tool was listed with is asked about (`consent.ask`), and refused where there is nobody to ask.
 *
 * @throws AMOUNT_MALFORMED, TypeError, RangeError – as `createClient`; `server` is neither a URL nor a name
 * @example
 * const mcp = new Client({ name: 'reader', version: '1.0.0' });
 * await mcp.connect(new StreamableHTTPClientTransport(new URL('https://api.example.com/mcp')));
 * const tools = payingClient(mcp, { server: 'https://api.example.com/mcp', payer, budget: { maxPerRequest: '60 sat', maxTotal: '1000 sat' } });
 * const result = await tools.callTool({ name: 'translate', arguments: { text: 'hello' } });
 * console.log(result.content, toolPaymentOf(result)?.amountMsat);
 */
export function payingClient<Client extends McpClient>(mcp: Client, options: PayingClientOptions): Client {
  const seller = Seller.from(options.server);
  const { paying, isOwn } = walletOf(options);
  const prices = createAdvertisedPrices();
  const request = payingRequest(mcp, paying, seller, prices);
  const close = async () => {
    await mcp.close();
    if (isOwn) await paying.close();
  };
  // The client's own methods send what they send through `request`, and check what comes back by themselves.
  const own: { readonly [name: PropertyKey]: unknown } = { request, close };
  return new Proxy(mcp, { get: (target, name, receiver) => (Object.hasOwn(own, name) ? own[name] : Reflect.get(target, name, receiver)) });
}

/** What was paid for the result of a tool call, or undefined where it was free. */
export function toolPaymentOf(result: object): ResponsePayment | undefined {
  return payments.get(result);
}

const payments = new WeakMap<object, ResponsePayment>();

/** The wallet to pay with, and whether it is of this client alone. */
function walletOf(options: PayingClientOptions): { readonly paying: PayingClient; readonly isOwn: boolean } {
  if ('client' in options) {
    const { client, budget } = options;
    return { paying: budget ? client.within(budget) : client, isOwn: false };
  }
  const { server: _, budget, ...rest } = options;
  if (typeof budget !== 'object') throw new TypeError("budget is required: what may be spent, such as { maxPerRequest: '60 sat' }");
  return { paying: createClient({ ...rest, ...budget }), isOwn: true };
}

/** As the client's own, but for tool calls, which are paid for, and listings, whose prices are read. */
function payingRequest(mcp: McpClient, paying: PayingClient, seller: Seller.Seller, prices: AdvertisedPrices): McpClient['request'] {
  const client = clientOf(paying);
  return async (asked, schema, options) => {
    if (asked.method === 'tools/list') {
      const listed = await mcp.request(asked, schema, options);
      prices.read(listed, asked.params?.cursor === undefined);
      return listed;
    }
    if (asked.method !== 'tools/call') return mcp.request(asked, schema, options);
    const { name, arguments: given = {}, _meta: meta } = asked.params as { name: string; arguments?: JsonObject; _meta?: JsonObject };
    const call = { name, arguments: given, meta, advertisedMsat: prices.of(name), signal: options?.signal };
    const { result, payment } = await buyCall(client, seller, call, async (proven, signal) => {
      const params = { ...asked.params, ...(proven && { _meta: proven }) };
      return (await mcp.request({ ...asked, params }, schema, { ...options, signal })) as ToolResult & object;
    });
    if (payment) payments.set(result, payment);
    return result as Awaited<ReturnType<typeof mcp.request<typeof schema>>>;
  };
}
