import { PassThrough, Writable } from 'node:stream';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import { expect, test } from 'vitest';
import { LineTransport } from './LineTransport.ts';

async function open(maxBytes = 1000) {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const transport = new LineTransport(input, output, maxBytes);
  const got: JSONRPCMessage[] = [];
  const told: string[] = [];
  transport.onmessage = (message) => got.push(message);
  transport.onerror = ({ message }) => told.push(message);
  transport.onclose = () => told.push('closed');
  await transport.start();
  const say = async (...chunks: readonly (string | Buffer)[]) => {
    for (const chunk of chunks) {
      input.write(chunk);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { transport, input, output, got, told, say };
}

const ping = { jsonrpc: '2.0', id: 1, method: 'ping' } as const;
const line = `${JSON.stringify(ping)}\n`;

test('lines are messages, however they are cut', async () => {
  const { say, got } = await open();
  const long = Buffer.from(`${JSON.stringify({ ...ping, params: { text: 'é😀' } })}\r\n`);
  await say(line + line, line.slice(0, 5), line.slice(5), '\n\n', long.subarray(0, 54), long.subarray(54));
  expect(got).toEqual([ping, ping, ping, { ...ping, params: { text: 'é😀' } }]);
});

test('what is no message is told, and nothing of it is repeated', async () => {
  const { say, got, told } = await open();
  await say('secret\n', '[]\n', '{"jsonrpc":"1.0","id":1,"method":"ping"}\n', '{"jsonrpc":"2.0","id":{},"method":"ping"}\n', '{"jsonrpc":"2.0"}\n', line);
  expect(got).toEqual([ping]);
  expect(told).toHaveLength(5);
  expect(told.join()).not.toContain('secret');
});

test('a line that is too long ends it', async () => {
  const { say, told, transport } = await open(100);
  await say('x'.repeat(60), 'x'.repeat(60), line);
  expect(told).toEqual(['a message is longer than 100 bytes', 'closed']);
  await expect(transport.send(ping)).rejects.toThrow('ended');
});

test('it ends with its other side, once', async () => {
  const { input, told, transport } = await open();
  input.end();
  await new Promise((resolve) => setImmediate(resolve));
  await transport.close();
  expect(told).toEqual(['closed']);
});

test('what is sent waits for room', async () => {
  const { transport, output } = await open();
  const big = { ...ping, params: { text: 'x'.repeat(100_000) } };
  const sent = transport.send(big);
  expect(JSON.parse(String(output.read()))).toEqual(big);
  await sent;
});

test('one whose other side takes nothing is ended before it fills the memory', async () => {
  const transport = new LineTransport(new PassThrough(), new Writable({ write: () => {} }), 100);
  const told: string[] = [];
  transport.onclose = () => told.push('closed');
  await transport.start();
  void transport.send({ ...ping, params: { text: 'x'.repeat(500) } });
  await expect(transport.send(ping)).rejects.toThrow('does not take what it is sent');
  expect(told).toEqual(['closed']);
});
