/**
 * `farebox/ai-sdk`: an agent's tools for the AI SDK (`ai` from npm).
 *
 * @example
 * const { text } = await generateText({ model, prompt, tools: aiTools(createAgentTools({ client })), stopWhen: isStepCount(8) });
 *
 * @see AI SDK, Tools
 */
import { jsonSchema, type Tool, tool } from 'ai';
import type { AgentTool, ToolResult } from '../client/tools.ts';

/** Tools by name. The model is shown the text of a result; the caller gets it whole. */
export function aiTools(tools: readonly AgentTool[]): Record<string, Tool<unknown, ToolResult>> {
  return Object.fromEntries(
    tools.map(({ name, title, description, inputSchema, run }) => [
      name,
      tool({
        title,
        description,
        // The tool checks its input itself, and says what is wrong with it in a way that the model can act on.
        inputSchema: jsonSchema<unknown>(inputSchema),
        execute: (input: unknown, { abortSignal }: { readonly abortSignal?: AbortSignal | undefined }) => run(input, { signal: abortSignal }),
        toModelOutput: ({ output }: { readonly output: ToolResult }) => ({
          type: output.isError ? ('error-text' as const) : ('text' as const),
          value: output.text,
        }),
      }),
    ]),
  );
}
