import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import * as Amount from '../../core/Amount.ts';
import * as Preimage from '../../core/Preimage.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import type { PaymentOutcome } from '../Lightning.ts';
import { connectSandbox, createSandboxNetwork, createSandboxPayer, createSandboxReceiver, startSandbox } from '../sandbox.ts';
import { isRefusedConnection } from './Connection.ts';

const token = 'the-secret-of-the-sandbox';
/** Where nobody listens: a port that only the system could give away. */
const nobody = 'http://127.0.0.1:1';
const closings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closings.splice(0)) await close();
});

/** A server that is no sandbox. The answer is its url. */
async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  closings.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function answering(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  return listen(
    createHttpServer((request, response) => {
      request.resume();
      request.on('end', () => answer(request, response));
    }),
  );
}

/** An invoice of some sandbox. */
async function invoice() {
  const sandbox = createSandboxNetwork();
  closings.push(() => sandbox.close());
  return sandbox.receiver('shop').createInvoice({ amountMsat: Amount.fromSat(50), description: 'x', expirySeconds: 600 });
}

async function payAt(url: string): Promise<PaymentOutcome> {
  const payer = createSandboxPayer({ url, token, node: 'buyer' });
  closings.push(() => payer.close());
  const { invoice: text } = await invoice();
  const outcome = await payer.pay({ invoice: text, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 60 });
  expect(JSON.stringify(outcome, (_, value) => (typeof value === 'bigint' ? String(value) : value))).not.toContain(token);
  return outcome;
}

describe('a payment', () => {
  it('whose connection was refused was not sent: the only thing that is certain', async () => {
    expect(await payAt(nobody)).toMatchObject({ kind: 'failed', reason: 'rejected', message: expect.stringContaining('not sent') });
  });

  it('whose connection breaks is unknown, and is sent once', async () => {
    let connections = 0;
    const atOnce = await listen(createServer((socket) => socket.destroy()));
    const afterReading = await listen(
      createServer((socket) => {
        connections++;
        socket.on('data', () => socket.resetAndDestroy());
      }),
    );
    const midWay = await answering((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 });
      response.write('{"kind":"settled",');
      setImmediate(() => response.destroy());
    });
    for (const url of [atOnce, afterReading, midWay]) expect(await payAt(url)).toMatchObject({ kind: 'unknown' });
    expect(connections).toBe(1);
  });

  it('whose answer cannot be read is unknown, whatever its status', async () => {
    const failed = { kind: 'failed', reason: 'expired', message: 'x' };
    const settled = { kind: 'settled', preimage: '11'.repeat(32), amountMsat: '50000', feeMsat: '0' };
    const bodies = [
      ...['', 'paid!', 'null', '[]', '{}', '{"kind":"paid"}', '{"kind":"failed"}', '{"kind":"failed","reason":"mood","message":""}', '<html>'].map((body) => [
        200,
        body,
      ]),
      ...[{ preimage: undefined }, { preimage: '' }, { preimage: '11'.repeat(31) }, { feeMsat: 0 }, { feeMsat: '-1' }, { amountMsat: '1e3' }].map((change) => [
        200,
        JSON.stringify({ ...settled, ...change }),
      ]),
      ...[201, 204, 302, 400, 401, 403, 404, 500, 502, 503].map((status) => [status, JSON.stringify(failed)]),
      ...[401, 403, 500, 503].map((status) => [status, JSON.stringify({ error: { code: 'LIGHTNING_UNAUTHORIZED', message: 'no' } })]),
    ] as const;
    for (const [status, body] of bodies) {
      const url = await answering((_, response) => response.writeHead(Number(status), { 'content-type': 'application/json' }).end(body));
      expect({ status, body, kind: (await payAt(url)).kind }).toEqual({ status, body, kind: 'unknown' });
    }
  });

  it('with a preimage that does not fit its hash is unknown', async () => {
    const settled = { kind: 'settled', preimage: Preimage.fromBytes(new Uint8Array(32)), amountMsat: '50000', feeMsat: '0' };
    const url = await answering((_, response) => response.end(JSON.stringify(settled)));
    expect(await payAt(url)).toMatchObject({ kind: 'unknown', message: expect.stringContaining('does not fit') });
  });

  it('that is never answered is unknown at its time-out, and the connection is let go', async () => {
    const clock = FixedClock.create();
    let arrived = (_: IncomingMessage) => {};
    const arrival = new Promise<IncomingMessage>((resolve) => {
      arrived = resolve;
    });
    const url = await answering((request) => arrived(request));
    const payer = createSandboxPayer({ url, token, node: 'buyer', clock });
    const outcome = payer.pay({ invoice: (await invoice()).invoice, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 7 });
    const { socket } = await arrival;
    const gone = new Promise((resolve) => socket.once('close', resolve));
    clock.advance(7000);
    expect(await outcome).toMatchObject({ kind: 'unknown', message: expect.stringContaining('7 s') });
    await gone;
    await payer.close();
    expect(clock.timers()).toBe(0);
  });

  it('that cannot be read is not sent at all', async () => {
    let requests = 0;
    const url = await answering((_, response) => {
      requests++;
      response.end();
    });
    const payer = createSandboxPayer({ url, token, node: 'buyer' });
    expect(await payer.pay({ invoice: 'lnbcrt1nonsense', maxFeeMsat: Amount.zero, timeoutSeconds: 1 })).toMatchObject({ kind: 'failed', reason: 'malformed' });
    await payer.close();
    expect(await payer.pay({ invoice: (await invoice()).invoice, maxFeeMsat: Amount.zero, timeoutSeconds: 1 })).toMatchObject({ kind: 'failed' });
    expect(requests).toBe(0);
  });
});

describe('a question', () => {
  it('that is not answered, or not in a way that can be read, is LIGHTNING_UNAVAILABLE, never an answer', async () => {
    const { paymentHash } = await invoice();
    const urls = [
      nobody,
      await listen(createServer((socket) => socket.destroy())),
      await answering((_, response) => response.end('{}')),
      await answering((_, response) => response.writeHead(404).end('{"kind":"absent"}')),
      await answering((_, response) => response.writeHead(500).end('{"error":{"code":"NO_SUCH_CODE","message":"x"}}')),
    ];
    for (const url of urls) {
      const receiver = createSandboxReceiver({ url, token, node: 'shop' });
      const payer = createSandboxPayer({ url, token, node: 'buyer' });
      const calls = [() => receiver.lookupInvoice(paymentHash), () => receiver.info(), () => payer.trackPayment(paymentHash), () => payer.balance()];
      for (const call of calls) {
        const error = await call().then(
          () => undefined,
          (thrown: Error) => thrown,
        );
        expect(error).toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
        expect(error?.message).not.toContain(token);
        expect(error?.message).toContain(url);
      }
      const watch = receiver.watchSettlements({ signal: new AbortController().signal })[Symbol.asyncIterator]();
      await expect(watch.next()).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
      await receiver.close();
      await payer.close();
    }
  });

  it('with the wrong token is LIGHTNING_UNAUTHORIZED, and a payment with it unknown', async () => {
    const running = await startSandbox({ path: ':memory:' });
    closings.push(() => running.close());
    const receiver = createSandboxReceiver({ url: running.url, token, node: 'shop' });
    await expect(receiver.info()).rejects.toMatchObject({ code: 'LIGHTNING_UNAUTHORIZED' });
    expect(await payAt(running.url)).toMatchObject({ kind: 'unknown' });
    await receiver.close();
  });

  it('on a kept connection that has gone stale is asked once more; a payment has a connection of its own', async () => {
    const asked: string[] = [];
    const seen = new WeakSet<Socket>();
    const url = await answering((request, response) => {
      asked.push(request.url ?? '');
      if (seen.has(request.socket)) return request.socket.destroy();
      seen.add(request.socket);
      response.end(request.url === '/v1/pay' ? '{"kind":"failed","reason":"expired","message":""}' : '{"spendableMsat":"5"}');
    });
    const payer = createSandboxPayer({ url, token, node: 'buyer' });
    closings.push(() => payer.close());
    expect(await payer.balance()).toEqual({ spendableMsat: 5n });
    expect(await payer.balance()).toEqual({ spendableMsat: 5n });
    expect(asked).toEqual(['/v1/balance', '/v1/balance', '/v1/balance']);
    expect(await payer.pay({ invoice: (await invoice()).invoice, maxFeeMsat: Amount.zero, timeoutSeconds: 5 })).toMatchObject({
      kind: 'failed',
      reason: 'expired',
    });
    expect(asked.filter((path) => path === '/v1/pay')).toEqual(['/v1/pay']);
  });

  it('that is called off ends with the caller’s reason', async () => {
    const url = await answering(() => {});
    const receiver = createSandboxReceiver({ url, token, node: 'shop' });
    closings.push(() => receiver.close());
    const calling = new AbortController();
    const asked = receiver.info(calling.signal);
    calling.abort(new Error('no longer needed'));
    await expect(asked).rejects.toThrow('no longer needed');
    await expect(receiver.info(AbortSignal.abort(new Error('never')))).rejects.toThrow('never');
  });

  it('under way when the driver is closed, or asked after it, is LIGHTNING_UNAVAILABLE', async () => {
    const url = await answering(() => {});
    const receiver = createSandboxReceiver({ url, token, node: 'shop' });
    const asked = receiver.info();
    asked.catch(() => {});
    await receiver.close();
    await expect(asked).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
    await expect(receiver.info()).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
  });
});

describe('a refused connection', () => {
  const error = (fields: object) => Object.assign(new Error('x'), fields);
  const refused = error({ syscall: 'connect', code: 'ECONNREFUSED' });

  it('is one where no attempt to connect came further', () => {
    for (const yes of [refused, new AggregateError([refused, refused])]) expect(isRefusedConnection(yes)).toBe(true);
    const others = [
      error({ syscall: 'connect', code: 'ETIMEDOUT' }),
      error({ syscall: 'connect', code: 'ECONNRESET' }),
      error({ syscall: 'read', code: 'ECONNREFUSED' }),
      error({ code: 'ECONNREFUSED' }),
      error({}),
      new AggregateError([]),
      new AggregateError([refused, error({ syscall: 'connect', code: 'ETIMEDOUT' })]),
      'ECONNREFUSED',
      undefined,
    ];
    for (const other of others) expect(isRefusedConnection(other)).toBe(false);
  });
});

describe('an address', () => {
  it('that is not http on loopback is refused: the token would go out in the clear', () => {
    for (const url of [
      'http://192.168.1.2:80',
      'https://127.0.0.1',
      'http://localhost.example.com',
      'http://127.0.0.1.example.com',
      'unix:/x',
      'nonsense',
      '',
    ]) {
      expect(() => connectSandbox({ url, token })).toThrow(RangeError);
    }
    for (const url of ['http://localhost:1', 'http://127.0.0.1:1/', 'http://[::1]:1']) connectSandbox({ url, token });
  });
});
