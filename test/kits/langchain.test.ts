/**
 * A scripted agent on LangChain.js buys a paid call. The model is a chat model that follows a script.
 */
import { AIMessage, type BaseMessage, HumanMessage, type ToolMessage } from '@langchain/core/messages';
import { afterEach, expect, it } from 'vitest';
import { langchainTools } from '../../src/adapters/langchain.ts';
import type { AgentTool } from '../../src/client/tools.ts';
import { buys, buysTool, type ScriptStep } from './script.ts';
import { openStall } from './stall.ts';
import { openToolStall, type Way } from './toolStall.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function messageOf(step: ScriptStep, turn: number): AIMessage {
  if ('says' in step) return new AIMessage(step.says);
  return new AIMessage({
    content: '',
    tool_calls: step.calls.map(({ name, input }, at) => ({ type: 'tool_call', id: `call-${turn}-${at}`, name, args: { ...input } })),
  });
}

/** A conversation with the script in the model's place. */
async function converse(script: readonly ScriptStep[], agentTools: readonly AgentTool[]): Promise<readonly BaseMessage[]> {
  const tools = langchainTools(agentTools);
  const messages: BaseMessage[] = [new HumanMessage('What is "hello" in Spanish?')];
  for (const [turn, step] of script.entries()) {
    const message = messageOf(step, turn);
    messages.push(message);
    for (const call of message.tool_calls ?? []) messages.push((await tools.find(({ name }) => name === call.name)?.invoke(call)) as ToolMessage);
  }
  return messages;
}

it('buys a paid call, and keeps the whole result beside the text', async () => {
  const stall = await openStall();
  closing.push(stall.close);
  const messages = await converse(buys(stall.url), stall.tools);
  const said = messages.filter((message): message is ToolMessage => message.type === 'tool');
  expect(said.map(({ name, content }) => [name, String(content)])).toEqual([
    ['quote', expect.stringMatching(/costs 10 sat/)],
    ['fetch', expect.stringMatching(/^Paid 10 sat [\s\S]*"translation":"hola"/)],
    ['list_receipts', expect.stringMatching(/for 1 payment/)],
  ]);
  expect(said[1]?.artifact).toMatchObject({ isError: false, structured: { status: 200, payment: { amount: '10 sat' } } });
  expect(messages.at(-1)?.text).toBe('It is "hola".');
  expect(stall.served()).toBe(1);
});

it.each<Way>(['stdio', 'HTTP'])('buys a paid tool of an MCP server over %s', async (way) => {
  const stall = await openToolStall(way);
  closing.push(stall.close);
  const messages = await converse(buysTool, stall.tools);
  expect(String(messages[2]?.content)).toMatch(/\n\[outside \w+\]\n"hello" in es: hola/);
  expect(await stall.spentMsat()).toBeGreaterThanOrEqual(10_000n);
});
