/**
 * A tool as a model is offered one: what it is called, what it takes, and what comes of a call. No library's own form: the kits (`farebox/openai`,
 * `farebox/ai-sdk`, `farebox/langchain`) and `farebox mcp serve` carry these on as they are.
 */

/** A JSON Schema, as a plain object. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** What came of a call. Nothing in it is a secret: no preimage, no token, nothing of a wallet. */
export type ToolResult = {
  /** For the model. Whatever came from outside stands in it between two lines that only this result has; see `outside.ts`. */
  readonly text: string;
  /** The same for programs, as plain JSON. What came from outside stands under `untrusted`. */
  readonly structured: { readonly [name: string]: unknown };
  /** Whether it failed; then `structured.error` is `{ code, message, details }`. */
  readonly isError: boolean;
};

/** What a call is given besides its input. */
export type ToolCall = {
  /** Aborts when whoever asked gives up. */
  readonly signal?: AbortSignal | undefined;
};

/** A tool. */
export type AgentTool = {
  /** Letters, digits and `_`. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  /** For the model. */
  readonly description: string;
  /** Of an object without further properties. */
  readonly inputSchema: JsonSchema;
  /** Whether a call changes nothing, here or elsewhere: it asks no server for anything. */
  readonly readOnly: boolean;
  /** Does what it says. It never throws: what goes wrong is a result as well. */
  readonly run: (input: unknown, call?: ToolCall) => Promise<ToolResult>;
};
