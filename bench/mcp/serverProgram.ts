/**
 * The server that is sold: one tool that does nothing, over stdio, or over HTTP where it is told to.
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';

function createTools(): McpServer {
  const server = new McpServer({ name: 'nothing', version: '1' });
  for (const name of ['free', 'paid']) server.registerTool(name, {}, () => ({ content: [{ type: 'text', text: 'x'.repeat(1024) }] }));
  return server;
}

if (process.argv[2] === 'http') {
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  const server = createServer(async (request, response) => {
    let transport = sessions.get(String(request.headers['mcp-session-id']));
    if (!transport) {
      const opened = new StreamableHTTPServerTransport({
        sessionIdGenerator: () => randomUUID(),
        onsessioninitialized: (id) => void sessions.set(id, opened),
      });
      transport = opened;
      await createTools().connect(transport as Transport);
    }
    await transport.handleRequest(request, response);
  });
  server.listen(0, '127.0.0.1', () => console.error(JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp` })));
} else await createTools().connect(new StdioServerTransport());
