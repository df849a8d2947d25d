import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { Clock } from '../core/Clock.ts';
import { createApi, NotSent, type Send, saidIn } from './Api.ts';

const secret = 'a-secret-that-lets-one-in';
const open: Server[] = [];

afterEach(async () => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const apiAt = (url: string, more: { readonly send?: Send; readonly clock?: Clock } = {}) =>
  createApi({ product: 'lnd', url, headers: { 'x-key': secret }, ...more });

/** A clock whose timers go off when they are told to. */
function clockOf(): Clock & { readonly fire: () => void } {
  const timers = new Set<() => void>();
  return {
    nowMs: () => 0,
    after: (_, then) => {
      timers.add(then);
      return () => timers.delete(then);
    },
    fire: () => {
      for (const then of [...timers]) then();
    },
  };
}

describe('a call', () => {
  test('sends JSON under the path of the address, with what lets it in, and reads JSON', async () => {
    let seen: unknown;
    const url = await serve(async (request, response) => {
      let text = '';
      for await (const part of request) text += String(part);
      seen = [request.method, request.url, request.headers['x-key'], request.headers['content-type'], text];
      response.end('{"ok":true}');
    });
    expect(await apiAt(`${url}/base/`).call({ method: 'POST', path: '/v1/x?a=1', body: { amount: 50n } })).toEqual({ status: 200, body: { ok: true } });
    expect(seen).toEqual(['POST', '/base/v1/x?a=1', secret, 'application/json', '{"amount":"50"}']);
  });

  test('hands on every status but those of a closed door, and a body that is no JSON as none', async () => {
    const url = await serve((request, response) => response.writeHead(Number(request.url?.slice(1))).end('<html>'));
    expect(await apiAt(url).call({ path: '/404' })).toEqual({ status: 404, body: undefined });
    for (const status of [401, 403]) await expect(apiAt(url).call({ path: `/${status}` })).rejects.toMatchObject({ code: 'LIGHTNING_UNAUTHORIZED' });
  });

  test('that was refused at the door of the machine was not sent; one that broke may have been', async () => {
    const gone = await serve(() => {});
    const [server] = open.splice(0);
    await new Promise((resolve) => server?.close(resolve));
    await expect(apiAt(gone).call({ path: '/' })).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE', details: { sent: false } });
    const url = await serve((request) => request.socket.destroy());
    await expect(apiAt(url).call({ path: '/' })).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE', details: {} });
  });

  test('follows no redirect: what lets one in stays here', async () => {
    let asked = 0;
    const url = await serve((_, response) => {
      asked += 1;
      response.writeHead(307, { location: '/elsewhere' }).end();
    });
    await expect(apiAt(url).call({ path: '/' })).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
    expect(asked).toBe(1);
  });

  test('that takes too long is over, before the head and within the body', async () => {
    for (const begins of [false, true]) {
      const clock = clockOf();
      const url = await serve((_, response) => {
        if (begins) response.write('{');
        setImmediate(() => clock.fire());
      });
      await expect(apiAt(url, { clock }).call({ path: '/' })).rejects.toThrow('did not answer in time');
    }
  });

  test('that is called off rejects with the reason of whoever called it off', async () => {
    const reason = new Error('called off');
    const calling = new AbortController();
    const url = await serve(() => calling.abort(reason));
    await expect(apiAt(url).call({ path: '/', signal: calling.signal })).rejects.toBe(reason);
  });

  test('that was not sent says why, in the words of whoever did not send it', async () => {
    const send: Send = async () => {
      throw new NotSent('the file of its macaroon cannot be read (ENOENT)', { cause: Object.assign(new Error('no such file'), { code: 'ENOENT' }) });
    };
    await expect(apiAt('https://127.0.0.1', { send }).call({ path: '/' })).rejects.toMatchObject({
      message: 'lnd cannot be asked: the file of its macaroon cannot be read (ENOENT).',
      details: { sent: false },
    });
  });

  test('tells nobody what lets it in', async () => {
    const send: Send = async () => {
      throw new NotSent('no');
    };
    const error = await apiAt('https://127.0.0.1', { send })
      .call({ path: '/' })
      .catch((thrown: Error) => thrown);
    expect(String((error as Error).stack)).not.toContain(secret);
  });
});

async function all(lines: AsyncIterable<unknown>): Promise<readonly unknown[]> {
  const found: unknown[] = [];
  for await (const line of lines) found.push(line);
  return found;
}

describe('a stream', () => {
  test('comes line by line, however it was cut', async () => {
    const url = await serve((_, response) => {
      response.write('{"a":1}\n{"b"');
      response.write(':2}\n\n');
      response.end('{"c":3}');
    });
    const { lines } = await apiAt(url).stream({ path: '/' });
    expect(await all(lines)).toEqual([{ a: 1 }, { b: 2 }, { c: 3 }]);
  });

  test('that breaks off is an error, not an end', async () => {
    const url = await serve((_, response) => {
      response.write('{"a":1}\n');
      setImmediate(() => response.destroy());
    });
    const { lines } = await apiAt(url).stream({ path: '/' });
    await expect(all(lines)).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
  });

  test('that was refused has a body and no lines', async () => {
    const url = await serve((_, response) => response.writeHead(404).end('{"message":"no"}'));
    const { status, body, lines } = await apiAt(url).stream({ path: '/' });
    expect([status, body, await all(lines)]).toEqual([404, { message: 'no' }, []]);
  });

  test('ends its connection when nobody reads on', async () => {
    const closed = Promise.withResolvers<void>();
    const url = await serve((request, response) => {
      request.socket.once('close', () => closed.resolve());
      response.write('{"a":1}\n');
    });
    for await (const _ of (await apiAt(url).stream({ path: '/' })).lines) break;
    await closed.promise;
  });
});

describe('an address', () => {
  test.each([
    'https://node.example.com:8080',
    'http://127.0.0.1:8080',
    'http://[::1]:1',
    'http://lnd:8080',
    'http://10.0.0.2',
    'http://192.168.1.5',
    'http://node.local',
    'http://abc.onion',
  ])('%s is taken', (url) => {
    expect(() => apiAt(url)).not.toThrow();
  });

  test.each(['http://node.example.com', 'http://8.8.8.8:8080', 'http://172.32.0.1', 'ftp://127.0.0.1', 'not an address', 'https://user:pass@127.0.0.1'])(
    '%s is not',
    (url) => {
      expect(() => apiAt(url)).toThrow(RangeError);
    },
  );
});

test('what a product says of a refusal is shown without what may be a secret', () => {
  expect(saidIn({ error: { message: 'no route.' } })).toBe('no route');
  expect(saidIn({ detail: `key ${'ab'.repeat(32)} is bad\n` })).toBe('key abababab… is bad ');
  expect(saidIn({ detail: 5 })).toBeUndefined();
});
