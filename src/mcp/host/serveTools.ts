/**
 * A few tools as a server of the Model Context Protocol, for the one host at the other end of two streams.
 */
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { CallToolRequestSchema, type CallToolResult, ErrorCode, ListToolsRequestSchema, McpError, type Tool } from '@modelcontextprotocol/sdk/types.js';
import { type HostStreams, serveHost } from '../wallet/serveHost.ts';

/** A tool of a host. */
export type HostTool = {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** JSON Schema. */
  readonly inputSchema: object;
  readonly outputSchema: object;
  readonly readOnly: boolean;
  readonly destructive: boolean;
  readonly run: (
    given: object,
    context: { readonly signal: AbortSignal },
  ) => Promise<{ readonly text: string; readonly structured: object; readonly isError: boolean }>;
};

/** What is served. */
export type ToolServer = { readonly name: string; readonly version: string; readonly instructions: string; readonly tools: readonly HostTool[] };

/** Serves until the host leaves or the signal aborts. */
export async function serveTools({ name, version, instructions, tools }: ToolServer, streams: HostStreams, signal: AbortSignal): Promise<void> {
  const byName = new Map(tools.map((tool) => [tool.name, tool]));
  const openSession = (): Server => {
    const server = new Server({ name, version }, { capabilities: { tools: {} }, instructions });
    server.setRequestHandler(ListToolsRequestSchema, async () => ({ tools: tools.map(toolOf) }));
    server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra): Promise<CallToolResult> => {
      const tool = byName.get(params.name);
      if (tool === undefined) throw new McpError(ErrorCode.InvalidParams, `There is no tool ${JSON.stringify(params.name.slice(0, 100))} here.`);
      const { text, structured, isError } = await tool.run(params.arguments ?? {}, { signal: extra.signal });
      // A refusal has another form than the answer: hosts would hold it against the schema of the tool.
      return isError
        ? { content: [{ type: 'text', text }], isError, _meta: { ...structured } }
        : { content: [{ type: 'text', text }], structuredContent: { ...structured } };
    });
    return server;
  };
  await serveHost({ openSession }, streams, signal);
}

function toolOf({ name, title, description, inputSchema, outputSchema, readOnly, destructive }: HostTool): Tool {
  return {
    name,
    title,
    description,
    inputSchema: inputSchema as Tool['inputSchema'],
    outputSchema: outputSchema as NonNullable<Tool['outputSchema']>,
    annotations: { readOnlyHint: readOnly, destructiveHint: destructive, openWorldHint: false },
  };
}
