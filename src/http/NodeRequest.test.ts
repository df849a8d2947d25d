import { once } from 'node:events';
import { createServer, type IncomingMessage, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import * as NodeRequest from './NodeRequest.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** Runs `look` on a request with this body as the server gets it; the answer is what it returned. */
async function serve<T>(body: string, look: (request: IncomingMessage) => Promise<T>, headers: { [name: string]: string | string[] } = {}): Promise<T> {
  let found = (_: Promise<T>) => {};
  const result = new Promise<T>((resolve) => (found = resolve as never));
  const server = createServer((request, response) => {
    const looked = look(request);
    found(looked);
    looked.finally(() => response.end()).catch(() => {});
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const sent = send({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, method: 'POST', headers, agent: false });
  sent.on('error', () => {});
  sent.on('response', (response) => response.resume());
  sent.end(body);
  return result;
}

async function rest(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

describe('a body that is looked at', () => {
  test('is whole, can be looked at again, and is there to be read', async () => {
    const got = await serve('hello'.repeat(50_000), async (request) => {
      const [one, other] = [await NodeRequest.readBody(request, 1 << 20), await NodeRequest.readBody(request, 1 << 20)];
      return [one?.length, other === one, await NodeRequest.readBody(request, 10), (await rest(request)).length];
    });
    expect(got).toEqual([250_000, true, undefined, 250_000]);
  });

  test('is not read further than the limit, and nothing of it is lost', async () => {
    const got = await serve('x'.repeat(4 << 20), async (request) => {
      const body = await NodeRequest.readBody(request, 1000);
      return [body, request.complete, (await rest(request)).length];
    });
    expect(got).toEqual([undefined, false, 4 << 20]);
  });

  test('is shown as it passes, each byte once, to whoever taps it', async () => {
    const got = await serve('x'.repeat(300_000), async (request) => {
      let seen = 0;
      NodeRequest.tapBody(request, (chunk) => {
        seen += chunk.length;
      });
      return [(await rest(request)).length, seen];
    });
    expect(got).toEqual([300_000, 300_000]);
  });

  test('is shown from what was looked at before', async () => {
    const got = await serve('hello', async (request) => {
      await NodeRequest.readBody(request, 100);
      let seen = '';
      NodeRequest.tapBody(request, (chunk) => {
        seen += Buffer.from(chunk).toString();
      });
      return [await rest(request), seen];
    });
    expect(got).toEqual(['hello', 'hello']);
  });

  test('that was read by somebody else, who kept nothing, is an error', async () => {
    const got = await serve('hello', async (request) => {
      await rest(request);
      return NodeRequest.readBody(request, 100).catch((error: { code: string }) => error.code);
    });
    expect(got).toBe('ADAPTER_BODY_UNREADABLE');
  });
});

test('every line of a header is read, also of those that Node joins or drops', async () => {
  const got = await serve('', async (request) => NodeRequest.linesOf(request.rawHeaders, 'authorization'), { authorization: ['one', 'two'] });
  expect(got).toEqual(['one', 'two']);
});
