/**
 * `farebox/langchain`: an agent's tools for LangChain.js (`@langchain/core` from npm).
 *
 * @example
 * const agent = createAgent({ model, tools: langchainTools(createAgentTools({ client })) });
 *
 * @see LangChain.js, Tools
 */
import { DynamicStructuredTool } from '@langchain/core/tools';
import type { AgentTool } from '../client/tools.ts';

/** Tools that answer with the text of a result, and carry it whole as the artifact of their message. */
export function langchainTools(tools: readonly AgentTool[]): DynamicStructuredTool[] {
  return tools.map(
    ({ name, description, inputSchema, run }) =>
      new DynamicStructuredTool({
        name,
        description,
        schema: inputSchema,
        responseFormat: 'content_and_artifact',
        func: async (input: unknown, _, config) => {
          const result = await run(input, { signal: config?.signal });
          return [result.text, result];
        },
      }),
  );
}
