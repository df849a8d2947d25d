import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import {
  ask,
  type Closing,
  closeAll,
  deferred,
  openRaw,
  openServer,
  openStage,
  openTcp,
  openUpstream,
  portOf,
  read,
  recordSale,
  sellWith,
  settled,
  valuesOf,
} from '../../test/gateway/harness.ts';
import { maxKeptAnswerBytes } from '../server/terms/Terms.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

describe('the client leaves', () => {
  /** An upstream that answers when it is told to. */
  async function openSlow() {
    const arrived = deferred<ServerResponse>();
    const gone = deferred<void>();
    const server = await openServer(closing, (request, response) => {
      response.on('close', () => gone.resolve());
      request.on('data', () => {}).on('end', () => arrived.resolve(response));
    });
    return { port: portOf(server), arrived: arrived.promise, gone: gone.promise };
  }

  test.each(['GET', 'HEAD', 'OPTIONS'])('before the head of a %s: broken off and given back', async (method) => {
    const slow = await openSlow();
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: slow.port, check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write(`${method} /a HTTP/1.1\r\nHost: a\r\n\r\n`);
    await slow.arrived;
    client.socket.destroy();
    await slow.gone;
    await stage.over(1);
    expect(sale.told).toEqual(['unanswered client-left']);
    expect(stage.outcomes).toMatchObject([{ ended: 'client-left', status: 0 }]);
  });

  test('before the head of a POST: the upstream finishes and the answer is kept', async () => {
    const slow = await openSlow();
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: slow.port, check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc');
    const response = await slow.arrived;
    client.socket.destroy();
    await client.closed;
    await stage.gone();
    response.writeHead(201, { 'X-Made': '1', 'Set-Cookie': ['a=1', 'b=2'], 'L402-Payment': 'forged' }).end('made');
    await stage.over(1);
    expect(sale.told).toEqual(['absent 201 kept']);
    expect(sale.kept[0]?.status).toBe(201);
    expect(Buffer.from(sale.kept[0]?.body ?? []).toString()).toBe('made');
    const lines = sale.kept[0]?.headers ?? [];
    expect([valuesOf(lines, 'x-made'), valuesOf(lines, 'set-cookie'), valuesOf(lines, 'l402-payment')]).toEqual([['1'], ['a=1', 'b=2'], []]);
  });

  test('an answer too large to keep is let finish, and only its status is told', async () => {
    const slow = await openSlow();
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: slow.port, check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc');
    const response = await slow.arrived;
    client.socket.destroy();
    await stage.gone();
    response.end(Buffer.alloc(maxKeptAnswerBytes + 1));
    await stage.over(1);
    expect([sale.told, sale.kept]).toEqual([['absent 200 not kept'], [undefined]]);
  });

  test('the upstream is not waited for longer than for a client that stays', async () => {
    const slow = await openSlow();
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: slow.port, check: sellWith(sale), service: { timeout: '5s' } });
    const client = await openRaw(closing, stage.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc');
    await slow.arrived;
    client.socket.destroy();
    await stage.gone();
    stage.clock.advance(5000);
    await slow.gone;
    await stage.over(1);
    expect(sale.told).toEqual(['unanswered upstream']);
  });

  test('an upstream that fails for a client that left gives the claim back', async () => {
    const slow = await openSlow();
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: slow.port, check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc');
    const response = await slow.arrived;
    client.socket.destroy();
    await stage.gone();
    response.destroy();
    await stage.over(1);
    expect(sale.told).toEqual(['unanswered upstream']);
  });

  test('in the middle of its own body: the upstream never has a whole request', async () => {
    let received = '';
    const gone = deferred<void>();
    const arrived = deferred<void>();
    const port = await openTcp(closing, (socket) => {
      socket.on('data', (chunk) => {
        received += chunk.toString('latin1');
        if (received.includes('part')) arrived.resolve();
      });
      socket.on('close', () => gone.resolve());
    });
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: port, check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n');
    await arrived.promise;
    client.socket.destroy();
    await gone.promise;
    await stage.over(1);
    expect(received).not.toMatch(/\r\n0\r\n/);
    expect(sale.told).toEqual(['unanswered client-left']);
  });

  test('before its request had a connection: it is never sent', async () => {
    const seen: string[] = [];
    const first = deferred<ServerResponse>();
    const port = portOf(
      await openServer(closing, (request, response) => {
        seen.push(request.url ?? '');
        if (request.url === '/first') first.resolve(response);
        else response.end();
      }),
    );
    const stage = await openStage(closing, { upstream: port, top: { limits: { upstreamConnections: 1 } } });
    const staying = ask(stage.port, '/first');
    const response = await first.promise;
    const client = await openRaw(closing, stage.port);
    client.write('GET /second HTTP/1.1\r\nHost: a\r\n\r\n');
    client.socket.end();
    await stage.gone();
    response.end();
    await staying;
    await ask(stage.port, '/third');
    expect(seen).toEqual(['/first', '/third']);
  });

  test('after the head: the upstream is broken off, and the sale knows', async () => {
    const slow = await openSlow();
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: slow.port, check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc');
    (await slow.arrived).write('begun');
    await client.until(/begun/);
    client.socket.destroy();
    await slow.gone;
    await stage.over(1);
    expect(sale.told).toEqual(['head 200', 'end client-left']);
  });

  test('while the sale decides', async () => {
    const upstream = await openUpstream(closing);
    const decided = deferred<void>();
    const sale = recordSale(async () => {
      await decided.promise;
      return { kind: 'charged', headers: [] };
    });
    const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
    await sale.hears(/^head/);
    client.socket.destroy();
    await stage.gone();
    decided.resolve();
    await stage.over(1);
    expect(sale.told).toEqual(['head 200', 'end client-left']);
  });

  test.each(['10s', '10m'])('and takes nothing more for longer than the idle time, where an upstream has %s for its head', async (upstream) => {
    const chunk = Buffer.alloc(1_000_000);
    const port = portOf(
      await openServer(closing, (_, response) => {
        const more = () => {
          while (response.write(chunk));
        };
        response.on('drain', more);
        more();
      }),
    );
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: port, check: sellWith(sale), top: { timeouts: { idle: '10s', upstream } } });
    const client = await openRaw(closing, stage.port);
    client.socket.pause();
    client.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
    await sale.hears(/^head/);
    await settled(() => client.socket.bytesRead);
    for (let seconds = 0; seconds < 30 && stage.outcomes.length === 0; seconds += 5) {
      await new Promise((resolve) => setImmediate(resolve));
      stage.clock.advance(5000);
    }
    await stage.over(1);
    expect(sale.told).toEqual(['head 200', 'end client-left']);
  });

  test('before the paywall has decided, without a body: nothing is forwarded either', async () => {
    const upstream = await openUpstream(closing);
    const sale = recordSale();
    const decided = deferred<void>();
    const stage = await openStage(closing, {
      upstream: upstream.port,
      check: async () => {
        await decided.promise;
        return { kind: 'pass', principal: undefined, sale, headers: [] };
      },
    });
    const client = await openRaw(closing, stage.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
    client.socket.end();
    client.socket.destroy();
    await stage.gone();
    decided.resolve();
    await stage.over(1);
    expect(sale.told).toEqual(['unanswered client-left']);
    expect(upstream.seen).toEqual([]);
  });

  test('before the paywall has decided: nothing is forwarded', async () => {
    const upstream = await openUpstream(closing);
    const sale = recordSale();
    const asked = deferred<void>();
    const decided = deferred<void>();
    const closed = deferred<void>();
    const stage = await openStage(closing, {
      upstream: upstream.port,
      check: async (request) => {
        asked.resolve();
        // The body never comes whole: this ends when the client's leaving has been noticed.
        await request.readBody(100);
        closed.resolve();
        await decided.promise;
        return { kind: 'pass', principal: undefined, sale, headers: [] };
      },
    });
    const client = await openRaw(closing, stage.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab');
    await asked.promise;
    client.socket.destroy();
    await closed.promise;
    decided.resolve();
    await stage.over(1);
    expect(sale.told).toEqual(['unanswered client-left']);
    expect(upstream.seen).toEqual([]);
  });
});

describe('at the pace of whoever reads', () => {
  test('a slow reader holds the upstream back', async () => {
    const size = 64 * 1024 * 1024;
    let sent = 0;
    const chunk = Buffer.alloc(65_536, 'x');
    const port = portOf(
      await openServer(closing, (_, response) => {
        response.setHeader('Content-Length', size);
        const more = () => {
          while (sent < size) {
            sent += chunk.length;
            if (!response.write(chunk)) return void response.once('drain', more);
          }
          response.end();
        };
        more();
      }),
    );
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: port, check: sellWith(sale) });
    const request = send({ host: '127.0.0.1', port: stage.port, path: '/a', agent: false }).end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    await settled(() => sent);
    // What is under way lies in the kernel's buffers, on two connections, and never in ours.
    expect(sent).toBeLessThan(size / 2);
    let length = 0;
    for await (const part of response) length += (part as Buffer).length;
    expect([length, sent]).toEqual([size, size]);
    await stage.over(1);
    expect(sale.told).toEqual(['head 200', 'end delivered']);
  });

  test('a sale that takes its time holds the upstream back', async () => {
    const size = 64 * 1024 * 1024;
    let sent = 0;
    const chunk = Buffer.alloc(65_536, 'x');
    const port = portOf(
      await openServer(closing, (_, response) => {
        const more = () => {
          while (sent < size) {
            sent += chunk.length;
            if (!response.write(chunk)) return void response.once('drain', more);
          }
          response.end();
        };
        more();
      }),
    );
    const decided = deferred<void>();
    const sale = recordSale(async () => {
      await decided.promise;
      return { kind: 'charged', headers: [] };
    });
    const stage = await openStage(closing, { upstream: port, check: sellWith(sale) });
    const answer = ask(stage.port, '/a');
    await sale.hears(/^head/);
    await settled(() => sent);
    expect(sent).toBeLessThan(size / 2);
    decided.resolve();
    expect((await answer).body.length).toBe(size);
  });

  test('a slow upstream holds the client back', async () => {
    const size = 64 * 1024 * 1024;
    const arrived = deferred<IncomingMessage>();
    let length = 0;
    const port = portOf(
      await openServer(closing, (request, response) => {
        request.on('end', () => response.end(String(length)));
        arrived.resolve(request);
      }),
    );
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: port, check: sellWith(sale) });
    const request = send({ host: '127.0.0.1', port: stage.port, path: '/a', method: 'POST', agent: false });
    const chunk = Buffer.alloc(65_536, 'x');
    let sent = 0;
    const more = () => {
      while (sent < size) {
        sent += chunk.length;
        if (!request.write(chunk)) return void request.once('drain', more);
      }
      request.end();
    };
    more();
    const atUpstream = await arrived.promise;
    await settled(() => sent);
    expect(sent).toBeLessThan(size / 2);
    atUpstream.on('data', (part: Buffer) => {
      length += part.length;
    });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    expect((await read(response)).text).toBe(String(size));
  });
});
