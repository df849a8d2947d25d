/**
 * `farebox/mcp`: a price on the tools of an MCP server.
 *
 * @example
 * paidTool(server, 'search', { farebox, price: '10 sat' }, { query: z.string() }, handler);
 */
export type { ApproveOptions, CallToApprove } from './Approvals.ts';
export { principalOf, type SellingOptions, SellingTransport } from './SellingTransport.ts';
export { type PaidToolOptions, paidTool, type SellToolsOptions, sellTools } from './sellTools.ts';
export { createTill, type Till, type TillOptions } from './Till.ts';
export type { Price, ToolOptions, ToolPrices } from './ToolOffers.ts';
