/**
 * A tool, from what is its own: input is checked by the schema that was shown, and whatever is thrown becomes a result.
 */
import type { AgentTool, ToolResult } from './AgentTool.ts';
import { failureOf } from './failure.ts';
import { readInput, type ValueSchema } from './input.ts';
import type { Workshop } from './Workshop.ts';

/** What is a tool's own. */
export type ToolPlan<T> = Pick<AgentTool, 'name' | 'title' | 'description' | 'readOnly'> & {
  readonly inputSchema: ValueSchema;
  readonly run: (input: T, signal: AbortSignal | undefined) => Promise<ToolResult>;
};

/** Makes the tool. */
export function toolOf<T>({ prefix }: Pick<Workshop, 'prefix'>, plan: ToolPlan<T>): AgentTool {
  return {
    ...plan,
    name: `${prefix}${plan.name}`,
    run: async (input, { signal } = {}) => {
      try {
        const read = readInput<T>(plan.inputSchema, input);
        signal?.throwIfAborted();
        return await plan.run(read, signal);
      } catch (error) {
        return failureOf(error, signal);
      }
    },
  };
}
