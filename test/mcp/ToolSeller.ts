/**
 * A server of the Model Context Protocol that sells its tools, and cheats in any way that can be written down. It knows the preimages of its
 * invoices and remembers every call.
 *
 * @see src/testing/LyingServer.ts for the same over HTTP
 */
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { CallToolRequestSchema, type CallToolResult, ListToolsRequestSchema, type Tool } from '@modelcontextprotocol/sdk/types.js';
import type { Clock } from '../../src/core/Clock.ts';
import { nowAt } from '../../src/core/Clock.ts';
import type { PaymentHash } from '../../src/core/Preimage.ts';
import * as Preimage from '../../src/core/Preimage.ts';
import * as ToolPayment from '../../src/mcp/ToolPayment.ts';
import { type MadeOffer, makeOffer, type OfferScript, shownBy } from '../../src/testing/Offers.ts';

/** A call as the seller saw it. */
export type SeenCall = {
  readonly name: string;
  readonly arguments: { readonly [name: string]: unknown };
  readonly meta: { readonly [name: string]: unknown } | undefined;
  /** The payment hash that its proof proves, where it shows one. */
  readonly paid: PaymentHash | undefined;
  readonly signal: AbortSignal;
};

/** Answers a call. */
export type CallHandler = (call: SeenCall) => CallToolResult | Promise<CallToolResult>;

/** A seller under the test's hand. */
export type ToolSeller = {
  readonly calls: readonly SeenCall[];
  /** How calls are answered from now on. */
  readonly handle: (handler: CallHandler) => void;
  /** What is listed from now on. */
  readonly list: (tools: readonly Tool[]) => void;
  readonly offer: (script?: OfferScript) => MadeOffer;
  readonly preimageOf: (paymentHash: PaymentHash) => Preimage.Preimage | undefined;
  /** One more connection's end; the transport is the test's. */
  readonly createServer: () => Server;
};

/** Makes a seller that answers every paid call with `sold` and every other one with a challenge of 50 sat. */
export function createToolSeller(clock: Clock): ToolSeller {
  const preimages = new Map<PaymentHash, Preimage.Preimage>();
  const calls: SeenCall[] = [];
  let tools: readonly Tool[] = [listed('translate')];
  const offer: ToolSeller['offer'] = (script = {}) => {
    const { preimage, ...made } = makeOffer(script, nowAt(clock));
    preimages.set(made.paymentHash, preimage);
    return made;
  };
  let handler: CallHandler = ({ paid }) => (paid === undefined ? challenge(offer()) : answer('sold'));
  return {
    calls,
    offer,
    preimageOf: (paymentHash) => preimages.get(paymentHash),
    handle: (next) => {
      handler = next;
    },
    list: (next) => {
      tools = next;
    },
    createServer: () => {
      const server = new Server({ name: 'seller', version: '1.0.0' }, { capabilities: { tools: {} } });
      server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [...tools] }));
      server.setRequestHandler(CallToolRequestSchema, ({ params }, { signal }) => {
        const { name, arguments: given = {}, _meta: meta } = params;
        const shown = shownBy(ToolPayment.parseProof(meta));
        const call = { name, arguments: given, meta, paid: shown && Preimage.hash(shown.preimage), signal };
        calls.push(call);
        return handler(call);
      });
      return server;
    },
  };
}

/** A tool as it is listed; `sat` is what it says that it costs. */
export function listed(name: string, sat?: number, description = 'Translates.'): Tool {
  const meta =
    sat === undefined
      ? {}
      : { _meta: { [ToolPayment.paymentKey]: { version: '0.1', price: { amount: sat, asset: 'sat' }, model: 'per_call', rails: ['l402'] } } };
  return { name, description, inputSchema: { type: 'object' }, ...meta };
}

/** What was bought. */
export function answer(text: string, meta?: { readonly [name: string]: unknown }): CallToolResult {
  return { content: [{ type: 'text', text }], ...(meta && { _meta: { ...meta } }) };
}

/** A tool error. */
export function failure(text: string, meta?: { readonly [name: string]: unknown }): CallToolResult {
  return { ...answer(text, meta), isError: true };
}

/** An offer as a challenge; `said` takes the place of what the challenge would say. */
export function challenge({ token, invoice }: Pick<MadeOffer, 'token' | 'invoice'>, said: { readonly [name: string]: unknown } = {}): CallToolResult {
  const payment = { status: 'payment_required', version: '0.1', resource: 'translate', offers: [{ scheme: 'l402', asset: 'sat', token, invoice }], ...said };
  return failure('Payment required.', { [ToolPayment.paymentKey]: payment });
}
