/**
 * `farebox mcp`: the Model Context Protocol, from both sides: tools that are sold, and an agent that buys. Each command's file adds itself.
 */
import type { Command } from 'commander';
import type { CliContext } from './Context.ts';
import { registerMcpAdmin } from './mcp/admin.ts';
import { registerMcpGate } from './mcp/gate.ts';
import { registerMcpInstall } from './mcp/install.ts';
import { registerMcpServe } from './mcp/serve.ts';

export function registerMcp(program: Command, context: CliContext): void {
  const mcp = program.command('mcp').description('Sell the tools of an MCP server, or let an agent buy or operate.');
  registerMcpGate(mcp, context);
  registerMcpServe(mcp, context);
  registerMcpInstall(mcp, context);
  registerMcpAdmin(mcp, context);
}
