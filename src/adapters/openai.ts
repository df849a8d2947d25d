/**
 * `farebox/openai`: an agent's tools as functions of OpenAI's chat completions and responses, and what answers their calls. It needs no library.
 *
 * @example
 * const tools = createAgentTools({ client });
 * const completion = await openai.chat.completions.create({ model, messages, tools: chatTools(tools) });
 * for (const call of completion.choices[0].message.tool_calls ?? []) messages.push(await runToolCall(tools, call));
 *
 * @see OpenAI, Function calling
 */
import type { AgentTool, JsonSchema, ToolCall } from '../client/tools.ts';
import { strictOf } from './strictSchema.ts';

/** A tool as chat completions take it. */
export type ChatTool = {
  readonly type: 'function';
  readonly function: { readonly name: string; readonly description: string; readonly parameters: JsonSchema; readonly strict: boolean };
};

/** A tool as responses take it. */
export type ResponsesTool = {
  readonly type: 'function';
  readonly name: string;
  readonly description: string;
  readonly parameters: JsonSchema;
  readonly strict: boolean;
};

/** A call as it stands in a message of chat completions. */
export type ChatToolCall = { readonly id: string; readonly type: 'function'; readonly function: { readonly name: string; readonly arguments: string } };

/** A call as it stands in the output of a response. */
export type ResponsesToolCall = { readonly type: 'function_call'; readonly call_id: string; readonly name: string; readonly arguments: string };

/** What answers a call of chat completions: the next message. */
export type ChatToolMessage = { readonly role: 'tool'; readonly tool_call_id: string; readonly content: string };

/** What answers a call of a response: the next item of input. */
export type ResponsesToolOutput = { readonly type: 'function_call_output'; readonly call_id: string; readonly output: string };

/** Tools for chat completions. `strict` wherever a schema has a strict form: all of `createAgentTools` do. */
export function chatTools(tools: readonly AgentTool[]): ChatTool[] {
  return responsesTools(tools).map(({ type, ...one }) => ({ type, function: one }));
}

/** Tools for responses. */
export function responsesTools(tools: readonly AgentTool[]): ResponsesTool[] {
  return tools.map(({ name, description, inputSchema }) => {
    const strict = strictOf(inputSchema);
    return { type: 'function', name, description, parameters: strict?.schema ?? inputSchema, strict: strict !== undefined };
  });
}

/**
 * Makes the call that a model asks for, and answers it. It does not throw: what goes wrong is the answer.
 * @param call - of a chat completion or a response, as it came
 */
export function runToolCall(tools: readonly AgentTool[], call: ChatToolCall, options?: ToolCall): Promise<ChatToolMessage>;
export function runToolCall(tools: readonly AgentTool[], call: ResponsesToolCall, options?: ToolCall): Promise<ResponsesToolOutput>;
export async function runToolCall(tools: readonly AgentTool[], call: ChatToolCall | ResponsesToolCall, options: ToolCall = {}) {
  if (call.type === 'function') {
    const content = await textOf(tools, call.function.name, call.function.arguments, options);
    return { role: 'tool', tool_call_id: call.id, content } satisfies ChatToolMessage;
  }
  const output = await textOf(tools, call.name, call.arguments, options);
  return { type: 'function_call_output', call_id: call.call_id, output } satisfies ResponsesToolOutput;
}

async function textOf(tools: readonly AgentTool[], name: string, text: string, options: ToolCall): Promise<string> {
  const tool = tools.find((one) => one.name === name);
  if (!tool) return `INPUT_MALFORMED: There is no such tool. There are ${tools.map((one) => one.name).join(', ')}.`;
  let input: unknown;
  try {
    input = JSON.parse(text === '' ? '{}' : text);
  } catch {
    return 'INPUT_MALFORMED: The arguments are no JSON. Nothing was sent and nothing was paid.';
  }
  const result = await tool.run(strictOf(tool.inputSchema)?.withoutNulls(input) ?? input, options);
  return result.text;
}
