/**
 * A scripted agent on OpenAI's own client buys a paid call. The model is a server on this machine that speaks the API and follows a script.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import { chatTools, responsesTools, runToolCall } from '../../src/adapters/openai.ts';
import { type AgentTool, agentToolsOf } from '../../src/client/tools.ts';
import { buys, buysTool, type ScriptStep } from './script.ts';
import { openStall } from './stall.ts';
import { openToolStall, type Way } from './toolStall.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** What OpenAI's models are sent, as far as it is looked at here. */
type Asked = {
  readonly messages?: readonly { readonly role: string; readonly content: string }[];
  readonly input?: readonly object[];
  readonly tools: readonly object[];
};

async function startModel(script: readonly ScriptStep[]) {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const step = script[asked.length];
    asked.push(JSON.parse(Buffer.concat(chunks).toString()));
    const answer = request.url?.endsWith('/responses') ? asResponse(step as ScriptStep, asked.length) : asCompletion(step as ScriptStep, asked.length);
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  closing.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const baseURL = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  return { openai: new OpenAI({ apiKey: 'none', baseURL, maxRetries: 0 }), asked };
}

function asCompletion(step: ScriptStep, turn: number): object {
  const calls = 'calls' in step ? step.calls : [];
  const tool_calls = calls.map(({ name, input }, at) => ({
    id: `call_${turn}_${at}`,
    type: 'function',
    function: { name, arguments: strictJson(name, input) },
  }));
  const message = { role: 'assistant', content: 'says' in step ? step.says : null, ...(tool_calls.length > 0 && { tool_calls }) };
  return { id: 'c', object: 'chat.completion', created: 0, model: 'script', choices: [{ index: 0, finish_reason: 'stop', message }] };
}

function asResponse(step: ScriptStep, turn: number): object {
  const calls = 'calls' in step ? step.calls : [];
  const output = [
    ...calls.map(({ name, input }, at) => ({
      type: 'function_call',
      id: `f_${turn}_${at}`,
      call_id: `call_${turn}_${at}`,
      name,
      arguments: strictJson(name, input),
      status: 'completed',
    })),
    ...('says' in step
      ? [{ type: 'message', id: 'm', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: step.says, annotations: [] }] }]
      : []),
  ];
  return { id: 'r', object: 'response', created_at: 0, model: 'script', status: 'completed', output, tools: [], parallel_tool_calls: false };
}

/** A model that is held to a schema writes every property. */
function strictJson(name: string, input: object): string {
  const nulls: Record<string, object> = { list_receipts: { since: null, until: null, limit: null }, translator_translate: {} };
  return JSON.stringify({ ...(nulls[name] ?? { method: null, headers: null, body: null }), ...input });
}

/** A conversation over chat completions, until the model calls nothing more. */
async function converse(openai: OpenAI, tools: readonly AgentTool[]): Promise<readonly OpenAI.ChatCompletionMessageParam[]> {
  const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'What is "hello" in Spanish?' }];
  for (;;) {
    const { choices } = await openai.chat.completions.create({ model: 'script', messages, tools: chatTools(tools) });
    const message = choices[0]?.message as OpenAI.ChatCompletionMessage;
    messages.push(message);
    if (!message.tool_calls) return messages;
    for (const call of message.tool_calls) if (call.type === 'function') messages.push(await runToolCall(tools, call));
  }
}

describe('chat completions', () => {
  it('buy a paid call', async () => {
    const stall = await openStall();
    closing.push(stall.close);
    const { openai, asked } = await startModel(buys(stall.url));
    const messages = await converse(openai, stall.tools);
    const said = messages.filter(({ role }) => role === 'tool').map(({ content }) => String(content));
    expect(said[0]).toMatch(/costs 10 sat\. It buys one answer\. The budget covers it/);
    expect(said[1]).toMatch(/^Paid 10 sat [\s\S]*"translation":"hola"/);
    expect(said[2]).toMatch(/for 1 payment, fees included/);
    expect(messages.at(-1)).toMatchObject({ role: 'assistant', content: 'It is "hola".' });
    expect([stall.served(), asked.length]).toEqual([1, 4]);
    expect(asked[0]?.tools).toEqual(chatTools(stall.tools));
  });

  it.each<Way>(['stdio', 'HTTP'])('buy a paid tool of an MCP server over %s', async (way) => {
    const stall = await openToolStall(way);
    closing.push(stall.close);
    const { openai } = await startModel(buysTool);
    const messages = await converse(openai, stall.tools);
    expect(messages[2]).toMatchObject({ role: 'tool', content: expect.stringMatching(/\n\[outside \w+\]\n"hello" in es: hola/) });
    expect(await stall.spentMsat()).toBeGreaterThanOrEqual(10_000n);
  });
});

describe('responses', () => {
  it('buy a paid call', async () => {
    const stall = await openStall();
    closing.push(stall.close);
    const { openai } = await startModel(buys(stall.url));
    const { tools } = stall;
    const input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: 'What is "hello" in Spanish?' }];
    let text = '';
    while (text === '') {
      const response = await openai.responses.create({ model: 'script', input, tools: responsesTools(tools) });
      input.push(...(response.output as OpenAI.Responses.ResponseInput));
      for (const item of response.output) if (item.type === 'function_call') input.push(await runToolCall(tools, item));
      text = response.output_text;
    }
    expect(text).toBe('It is "hola".');
    const outputs = input.flatMap((item) => ('type' in item && item.type === 'function_call_output' ? [String(item.output)] : []));
    expect(outputs[1]).toMatch(/^Paid 10 sat [\s\S]*"translation":"hola"/);
    expect(stall.served()).toBe(1);
  });
});

describe('the schemas', () => {
  const ofType = (schema: unknown): readonly object[] =>
    typeof schema === 'object' && schema !== null ? [schema, ...Object.values(schema).flatMap(ofType)] : [];

  it('are strict: every property is required, nothing else may be there, and what may be left out may be null', async () => {
    const stall = await openStall();
    closing.push(stall.close);
    for (const { name, strict, parameters } of responsesTools(stall.tools)) {
      expect([name, strict]).toEqual([name, true]);
      for (const one of ofType(parameters) as readonly {
        type?: unknown;
        properties?: object;
        required?: unknown;
        additionalProperties?: unknown;
        maxLength?: unknown;
      }[]) {
        if (one.type === 'object') expect([one.required, one.additionalProperties]).toEqual([Object.keys(one.properties ?? {}), false]);
        expect(one.maxLength).toBeUndefined();
      }
    }
    const fetch = responsesTools(stall.tools).find(({ name }) => name === 'fetch');
    expect(fetch?.parameters).toMatchObject({ properties: { url: { type: 'string' }, method: { type: ['string', 'null'] } } });
    expect(fetch?.parameters).toMatchObject({ properties: { method: { enum: expect.arrayContaining(['POST', null]) } } });
  });

  it('of a server that leaves properties open stay as they are, and are not called strict', async () => {
    const tools = await agentToolsOf(
      {
        listTools: async () => ({ tools: [{ name: 'any', inputSchema: { type: 'object', properties: { a: { type: 'string' } } } }] }),
        callTool: async () => ({}),
      },
      { server: 'other' },
    );
    expect(responsesTools(tools)).toMatchObject([{ name: 'other_any', strict: false, parameters: { type: 'object', properties: { a: { type: 'string' } } } }]);
  });
});

describe('a call that cannot be made', () => {
  const tools: readonly AgentTool[] = [];
  it('is answered', async () => {
    const call = { id: '1', type: 'function', function: { name: 'none', arguments: '{}' } } as const;
    expect(await runToolCall(tools, call)).toEqual({ role: 'tool', tool_call_id: '1', content: expect.stringMatching(/^INPUT_MALFORMED/) });
    const stall = await openStall();
    closing.push(stall.close);
    const broken = { type: 'function_call', call_id: '2', name: 'fetch', arguments: '{"url":' } as const;
    expect(await runToolCall(stall.tools, broken)).toEqual({ type: 'function_call_output', call_id: '2', output: expect.stringMatching(/^INPUT_MALFORMED/) });
  });
});
