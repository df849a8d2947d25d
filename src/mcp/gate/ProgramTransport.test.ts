import { describe, expect, it } from 'vitest';
import { systemClock } from '../../core/Clock.ts';
import { ProgramTransport } from './ProgramTransport.ts';

/** A program of one line, and what it says. */
function program(line: string, maxBytes = 1000) {
  const transport = new ProgramTransport(
    { command: process.execPath, args: ['-e', line], env: { WORD: 'blue' } },
    maxBytes,
    // Patience is over at once.
    { ...systemClock, after: (_, done) => systemClock.after(1, done) },
  );
  const closed = Promise.withResolvers<void>();
  transport.onclose = closed.resolve;
  const first = Promise.withResolvers<unknown>();
  transport.onmessage = first.resolve;
  const errors: string[] = [];
  transport.onerror = ({ message }) => errors.push(message);
  return { transport, closed: closed.promise, first: first.promise, errors };
}

const message = (text: string) => `process.stdout.write(JSON.stringify({ jsonrpc: '2.0', method: ${text} }) + '\\n');`;
const staying = 'process.stdin.resume(); setInterval(() => {}, 1e6);';

describe('a program behind the gate', () => {
  it('is told, and tells', async () => {
    const { transport, first, closed } = program("process.stdin.on('data', (text) => process.stdout.write(text));");
    await transport.start();
    await transport.send({ jsonrpc: '2.0', method: 'hello' });
    expect(await first).toEqual({ jsonrpc: '2.0', method: 'hello' });
    await transport.close();
    await closed;
  });

  it('gets the variables that are named, and none of ours', async () => {
    process.env.FAREBOX_TEST_SECRET = 'secret';
    const { transport, first, closed } = program(message('String([process.env.WORD, process.env.FAREBOX_TEST_SECRET])') + staying);
    await transport.start();
    delete process.env.FAREBOX_TEST_SECRET;
    expect(await first).toMatchObject({ method: 'blue,' });
    await transport.close();
    await closed;
  });

  it('that is not there is said at the start', async () => {
    const transport = new ProgramTransport({ command: '/nowhere/at-all', args: [], env: {} }, 1000);
    await expect(transport.start()).rejects.toMatchObject({ code: 'ENOENT' });
    await transport.close();
  });

  it('is not sent anything before it was started', async () => {
    const { transport } = program('');
    await expect(transport.send({ jsonrpc: '2.0', method: 'hello' })).rejects.toThrow('has not been started');
  });

  it('that does not leave when asked to is made to', async () => {
    const { transport, first, closed } = program(`process.on('SIGTERM', () => {}); ${message("'up'")} ${staying}`);
    await transport.start();
    await first;
    await transport.close();
    await closed;
  });

  it('that ends is over', async () => {
    const { transport, closed } = program('');
    await transport.start();
    await closed;
    await expect(transport.send({ jsonrpc: '2.0', method: 'hello' })).rejects.toThrow('the other side has ended');
  });

  it('is over where somebody whom it has started holds its output', async () => {
    const child =
      "const { spawn } = require('node:child_process'); spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: ['ignore', 'inherit', 'ignore'], detached: true });";
    const { transport, first, closed } = program(
      `${child.replace('spawn(process', 'const held = spawn(process')} held.unref(); ${message('String(held.pid)')} setTimeout(() => process.exit(), 1);`,
    );
    await transport.start();
    const { method } = (await first) as { readonly method: string };
    try {
      await closed;
      await expect(transport.send({ jsonrpc: '2.0', method: 'hello' })).rejects.toThrow('the other side has ended');
    } finally {
      process.kill(Number(method), 'SIGKILL');
    }
  });

  it('that says too much at once is ended', async () => {
    const { transport, closed, errors } = program(`process.stdout.write('x'.repeat(3000)); ${staying}`);
    await transport.start();
    await closed;
    expect(errors).toEqual(['a message is longer than 1000 bytes']);
  });
});
