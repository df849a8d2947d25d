/**
 * The library of the Model Context Protocol: an optional peer, loaded by the commands that need it.
 */
import { FareboxError } from '../../core/Errors.ts';

/**
 * Loads what stands on it.
 * @throws CONFIG_INVALID – it is not installed
 * @example const gate = await withSdk(() => import('../../mcp/gate/gate.ts'));
 */
export async function withSdk<Module>(load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    if (!(error instanceof Error && error.message.includes('@modelcontextprotocol/sdk'))) throw error;
    const message =
      'This command needs the MCP SDK beside Farebox: npm install @modelcontextprotocol/sdk, or run it with: npx -y --package farebox --package @modelcontextprotocol/sdk farebox mcp …';
    throw new FareboxError('CONFIG_INVALID', message, { cause: error });
  }
}
