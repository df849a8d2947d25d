/**
 * Tools of a connected MCP client, such as one that pays (`farebox/mcp/client`), in the form that every kit takes. By structure alone: no library is
 * needed. What such a server says of its tools, and what they answer, is content from outside.
 *
 * @see Model Context Protocol, Tools
 */
import { type Random, systemRandom } from '../../core/Clock.ts';
import type { AgentTool, JsonSchema, ToolResult } from './AgentTool.ts';
import { failureOf } from './failure.ts';
import { fence, plain } from './outside.ts';

/** What of an MCP client is used. */
export type McpClient = {
  readonly listTools: (params?: { cursor?: string }) => Promise<{ readonly tools: readonly McpTool[]; readonly nextCursor?: string | undefined }>;
  readonly callTool: (
    params: { name: string; arguments?: { [name: string]: unknown } },
    resultSchema?: undefined,
    options?: { signal?: AbortSignal },
  ) => Promise<unknown>;
};

/** A tool as a server lists it. */
export type McpTool = {
  readonly name: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly inputSchema: { readonly [keyword: string]: unknown };
};

/** How tools of a server are taken over. */
export type McpToolsOptions = {
  /** What the server is called, in front of the names of its tools and in what is said of their answers. */
  readonly server: string;
  /** Most characters of an answer that a model is shown. Default: 50,000. */
  readonly maxAnswerChars?: number;
  readonly random?: Random;
};

const [maxPages, maxTools] = [100, 1000];

/**
 * All tools of a server, each named `<server>_<name>`.
 * @throws RangeError – a name of a server that is none; more tools than anybody can be offered
 * @throws what `listTools` throws
 * @example
 * const tools = [...createAgentTools({ client }), ...(await agentToolsOf(payingClient(mcp, { client }), { server: 'weather' }))];
 */
export async function agentToolsOf(client: McpClient, options: McpToolsOptions): Promise<readonly AgentTool[]> {
  if (!/^[A-Za-z0-9_-]{1,32}$/.test(options.server)) throw new RangeError('server is named by up to 32 letters, digits, "_" and "-"');
  const found = new Map<string, AgentTool>();
  let cursor: string | undefined;
  for (let page = 0; page < maxPages; page++) {
    const { tools, nextCursor } = await client.listTools(cursor === undefined ? {} : { cursor });
    for (const tool of tools) {
      const made = toolOf(client, tool, options);
      // Of two that come out the same the first stays: which one is called is not left to chance.
      if (!found.has(made.name)) found.set(made.name, made);
    }
    if (found.size > maxTools) throw new RangeError(`${options.server} lists more than ${maxTools} tools`);
    if (nextCursor === undefined) break;
    cursor = nextCursor;
  }
  return [...found.values()];
}

function toolOf(client: McpClient, tool: McpTool, options: McpToolsOptions): AgentTool {
  const { server, maxAnswerChars = 50_000, random = systemRandom } = options;
  return {
    name: `${server}_${tool.name.replace(/[^A-Za-z0-9_-]/g, '_')}`.slice(0, 64),
    title: plain(tool.title ?? tool.name, 100),
    description: `A tool of the server ${server}, in its own words: ${plain(tool.description ?? '', 2000)}`,
    inputSchema: tool.inputSchema as JsonSchema,
    // What a server says of that is its own word.
    readOnly: false,
    run: async (input, { signal } = {}) => {
      try {
        const given = (input ?? {}) as { [name: string]: unknown };
        const result = await client.callTool({ name: tool.name, arguments: given }, undefined, signal ? { signal } : {});
        return resultOf(result, (content) => fence(random, `the server ${server}`, content), maxAnswerChars);
      } catch (error) {
        return failureOf(error, signal);
      }
    },
  };
}

function resultOf(result: unknown, fenced: (content: string) => string, maxChars: number): ToolResult {
  const {
    content = [],
    structuredContent,
    isError,
  } = (typeof result === 'object' && result !== null ? result : {}) as {
    readonly content?: unknown;
    readonly structuredContent?: unknown;
    readonly isError?: unknown;
  };
  const said = Array.isArray(content) ? content.map(textOf).join('\n') : '';
  const whole = said === '' && structuredContent !== undefined ? JSON.stringify(structuredContent) : said;
  const isCut = whole.length > maxChars;
  const text = whole.slice(0, maxChars);
  return {
    text: [...(isCut ? [`Only the first ${maxChars} characters of the answer are shown.`] : []), fenced(text)].join('\n'),
    structured: { isCut, untrusted: { content: text, ...(structuredContent !== undefined && !isCut && { structuredContent }) } },
    isError: isError === true,
  };
}

/** A block of a result, as far as it is text. */
function textOf(block: unknown): string {
  const { type, text, mimeType, data, resource, uri } = (typeof block === 'object' && block !== null ? block : {}) as { readonly [name: string]: unknown };
  if (type === 'text') return String(text ?? '');
  if (type === 'resource' && typeof resource === 'object' && resource !== null && 'text' in resource) return String(resource.text);
  const size = typeof data === 'string' ? `, ${Math.floor((data.length * 3) / 4)} bytes` : '';
  const where = typeof uri === 'string' ? `, ${plain(uri)}` : '';
  return `(${plain(String(type ?? 'something'), 20)}${typeof mimeType === 'string' ? ` of type ${plain(mimeType, 60)}` : ''}${size}${where})`;
}
