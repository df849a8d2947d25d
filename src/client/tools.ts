/**
 * `farebox/client/tools`: what an agent may do with a wallet, as tools that belong to no library.
 *
 * A model decides which of them it calls and with what; what may be spent, on whom and out of which wallet is decided before, by whoever makes them.
 * No tool can raise a limit, change a wallet or show a secret. Addresses are the model's choice, so that private ones are refused unless they are named.
 *
 * @see docs/guide/agents.md
 */
import { type Clock, type Random, systemClock, systemRandom } from '../core/Clock.ts';
import { clientOf, type PayingClient, payingOf } from './createClient.ts';
import { type LimitedFetch, limitConnecting } from './Timeouts.ts';
import type { AgentTool } from './tools/AgentTool.ts';
import { budgetTool } from './tools/budget.ts';
import { credentialsTool } from './tools/credentials.ts';
import { creditTool } from './tools/credit.ts';
import { fetchTool } from './tools/fetch.ts';
import { type HandOn, narrowTool } from './tools/narrow.ts';
import { createPublicFetch, type Reach } from './tools/publicFetch.ts';
import { quoteTool } from './tools/quote.ts';
import { receiptsTool } from './tools/receipts.ts';
import type { Workshop } from './tools/Workshop.ts';

export type { AgentTool, JsonSchema, ToolCall, ToolResult } from './tools/AgentTool.ts';
export { handOnToFolder } from './tools/handOn.ts';
export { agentToolsOf, type McpClient, type McpTool, type McpToolsOptions } from './tools/mcp.ts';
export type { HandedOn, HandOn } from './tools/narrow.ts';
export { fence } from './tools/outside.ts';
export { createPublicFetch, type Reach } from './tools/publicFetch.ts';

/** How an agent's tools are made. */
export type AgentToolsOptions = Reach & {
  /** Pays, and keeps the limits. Of its own `fetch` no use is made: see `fetch`. */
  readonly client: PayingClient;
  /** What requests are sent with instead of a `fetch` that keeps to `allow`, `deny` and `allowPrivate`: then all of that is up to it. */
  readonly fetch?: LimitedFetch | undefined;
  /** Most characters of an answer that a model is shown. Default: 50,000. */
  readonly maxAnswerChars?: number | undefined;
  /** What the names of the tools begin with, such as `farebox_`: letters, digits and `_`. Default: nothing. */
  readonly prefix?: string | undefined;
  /**
   * Where narrowed copies of credentials go, for helpers of the agent's: such as `handOnToFolder`. Only with it there is a tool that makes them; the
   * model is told what the place is called, and never the credential.
   */
  readonly handOn?: HandOn | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
};

/**
 * Makes an agent's tools.
 *
 * @throws TypeError – `client` was not made by `createClient`; a host that is none; both a `fetch` and what it should keep to
 * @throws RangeError – an option is out of range
 * @example
 * const client = createClient({ payer, maxPerRequest: '60 sat', maxTotal: '1000 sat' });
 * const tools = createAgentTools({ client, allowPrivate: ['localhost:8402'] });
 */
export function createAgentTools(options: AgentToolsOptions): readonly AgentTool[] {
  const { maxAnswerChars = 50_000, prefix = '', clock = systemClock, random = systemRandom } = options;
  if (!Number.isInteger(maxAnswerChars) || maxAnswerChars < 100 || maxAnswerChars > 10_000_000) {
    throw new RangeError(`maxAnswerChars is a whole number between 100 and 10000000, not ${maxAnswerChars}`);
  }
  if (!/^\w{0,32}$/.test(prefix)) throw new RangeError('prefix is up to 32 letters, digits and "_"');
  const shop: Workshop = { client: sendingWith(options.client, fetchOf(options)), clock, random, maxAnswerChars, prefix };
  const tools = [quoteTool(shop), fetchTool(shop), creditTool(shop), receiptsTool(shop), budgetTool(shop), credentialsTool(shop)];
  return options.handOn === undefined ? tools : [...tools, narrowTool(shop, options.handOn)];
}

function fetchOf({ fetch, allow, deny, allowPrivate }: AgentToolsOptions): LimitedFetch {
  if (fetch === undefined) return createPublicFetch({ allow, deny, allowPrivate });
  if ((allow ?? deny ?? allowPrivate) !== undefined) throw new TypeError('fetch is up to itself whom it reaches: leave allow, deny and allowPrivate out');
  return fetch;
}

/** The same client, whose requests go out in another way; all that is with it is shared. */
function sendingWith(paying: PayingClient, fetch: LimitedFetch): PayingClient {
  const client = clientOf(paying);
  const limited = limitConnecting(fetch, client.timeouts);
  return payingOf({ ...client, fetch: (url, init) => limited(url, init) }, async () => {});
}
