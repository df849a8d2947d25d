/**
 * `farebox mcp gate`: a paywall in front of an MCP server that knows nothing of payments.
 */
import type { Command } from 'commander';
import { FareboxError } from '../../core/Errors.ts';
import type { CliContext } from '../Context.ts';

export function registerMcpGate(mcp: Command, _context: CliContext): void {
  mcp
    .command('gate')
    .description('Put a price on the tools of an MCP server, without changing it.')
    .action(async () => {
      throw new FareboxError('CONFIG_INVALID', 'Name the server that is sold.');
    });
}
