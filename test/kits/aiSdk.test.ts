/**
 * A scripted agent on the AI SDK buys a paid call. The model is the SDK's own for tests.
 */
import { generateText, isStepCount } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { afterEach, expect, it } from 'vitest';
import { aiTools } from '../../src/adapters/ai-sdk.ts';
import { buys, buysTool, type ScriptStep } from './script.ts';
import { openStall } from './stall.ts';
import { openToolStall, type Way } from './toolStall.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

type Generated = Awaited<ReturnType<MockLanguageModelV4['doGenerate']>>;

function modelOf(script: readonly ScriptStep[]): MockLanguageModelV4 {
  let turn = 0;
  return new MockLanguageModelV4({
    doGenerate: async () => {
      const step = script[turn++] as ScriptStep;
      const calls = 'calls' in step ? step.calls : [];
      const content: Generated['content'] = [
        ...calls.map(({ name, input }, at) => ({ type: 'tool-call' as const, toolCallId: `call-${turn}-${at}`, toolName: name, input: JSON.stringify(input) })),
        ...('says' in step ? [{ type: 'text' as const, text: step.says }] : []),
      ];
      const usage = { inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 }, outputTokens: { total: 1, text: 1, reasoning: 0 } };
      const unified = calls.length > 0 ? ('tool-calls' as const) : ('stop' as const);
      return { content, finishReason: { unified, raw: undefined }, usage, warnings: [] };
    },
  });
}

it('buys a paid call, and the model is shown the text of what came', async () => {
  const stall = await openStall();
  closing.push(stall.close);
  const model = modelOf(buys(stall.url));
  const { text, steps } = await generateText({ model, prompt: 'What is "hello" in Spanish?', tools: aiTools(stall.tools), stopWhen: isStepCount(8) });
  expect(text).toBe('It is "hola".');
  const results = steps.flatMap(({ toolResults }) => toolResults.map(({ toolName, output }) => [toolName, output]));
  expect(results).toMatchObject([
    ['quote', { isError: false, structured: { kind: 'priced', price: '10 sat', allowed: true } }],
    ['fetch', { isError: false, structured: { status: 200, payment: { amount: '10 sat', reused: false } } }],
    ['list_receipts', { isError: false, structured: { count: 1 } }],
  ]);
  const shown = JSON.stringify(model.doGenerateCalls.at(-1)?.prompt);
  expect(shown).toContain('Paid 10 sat');
  expect(shown).toContain('[end of outside');
  expect(stall.served()).toBe(1);
});

it('shows the model an error as one', async () => {
  const stall = await openStall();
  closing.push(stall.close);
  const model = modelOf([{ calls: [{ name: 'fetch', input: { url: stall.url, max: '1 sat' } }] }, { says: 'Too dear.' }]);
  await generateText({ model, prompt: 'Buy.', tools: aiTools(stall.tools), stopWhen: isStepCount(8) });
  expect(JSON.stringify(model.doGenerateCalls.at(-1)?.prompt)).toMatch(/"type":"error-text","value":"BUDGET_EXCEEDED: This costs 10 sat/);
  expect(stall.served()).toBe(0);
});

it.each<Way>(['stdio', 'HTTP'])('buys a paid tool of an MCP server over %s', async (way) => {
  const stall = await openToolStall(way);
  closing.push(stall.close);
  const model = modelOf(buysTool);
  const { text, steps } = await generateText({ model, prompt: 'Translate.', tools: aiTools(stall.tools), stopWhen: isStepCount(8) });
  expect(text).toBe('It is "hola".');
  expect(JSON.stringify(steps[0]?.toolResults)).toContain('in es: hola');
  expect(await stall.spentMsat()).toBeGreaterThanOrEqual(10_000n);
});
