/**
 * Who decides what the agent does next: a model behind an API that speaks as OpenAI's does (`OPENAI_API_KEY`, and `OPENAI_BASE_URL` and `OPENAI_MODEL`
 * for another than OpenAI's own), or, without a key, a script that asks for the price, buys, and is done.
 */
import type { ChatTool, ChatToolCall, ChatToolMessage } from '../../src/adapters/openai.ts';
import { setting } from '../program.ts';

/** A message of a conversation. */
export type Message = { readonly role: 'user'; readonly content: string } | Reply | ChatToolMessage;

/** What the model says next: words, or calls of tools. */
export type Reply = { readonly role: 'assistant'; readonly content: string | null; readonly tool_calls?: readonly ChatToolCall[] };

/** Goes on with a conversation. */
export type Model = (messages: readonly Message[], tools: readonly ChatTool[]) => Promise<Reply>;

/** A model that is asked over HTTP. */
export const openai: Model = async (messages, tools) => {
  const url = `${setting('OPENAI_BASE_URL', 'where the API is', 'https://api.openai.com/v1')}/chat/completions`;
  const response = await fetch(url, {
    method: 'POST',
    headers: { Authorization: `Bearer ${setting('OPENAI_API_KEY', 'the key of the API')}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ model: setting('OPENAI_MODEL', 'a model that calls tools', 'gpt-4.1-mini'), messages, tools }),
  });
  if (!response.ok) throw new Error(`the model answers ${response.status}: ${(await response.text()).slice(0, 300)}`);
  const { choices } = (await response.json()) as { readonly choices: readonly { readonly message: Reply }[] };
  return choices[0]?.message as Reply;
};

/** No model: what one would do with this address. */
export function script(url: string): Model {
  const steps: readonly (readonly [name: string, input: object])[] = [
    ['quote', { url }],
    ['fetch', { url, max: '12 sat' }],
    ['show_budget', {}],
  ];
  return async (messages) => {
    const done = messages.filter(({ role }) => role === 'tool').length;
    const [name, input] = steps[done] ?? [];
    if (name === undefined) return { role: 'assistant', content: 'I have read it.' };
    return { role: 'assistant', content: null, tool_calls: [{ id: `call-${done}`, type: 'function', function: { name, arguments: JSON.stringify(input) } }] };
  };
}
