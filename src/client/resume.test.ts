import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Msat } from '../core/Amount.ts';
import { FareboxError } from '../core/Errors.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { answer, type LyingServer, startLyingServer } from '../testing/LyingServer.ts';
import { createScriptedPayer, type ScriptedPayerOptions } from '../testing/ScriptedPayer.ts';
import type { ClientStore } from './ClientStore.ts';
import { type CreateFetchOptions, createFetch, createMemoryClientStore, paymentOf, resolvePayment, resumePayments } from './index.ts';
import { createSqliteClientStore } from './sqlite.ts';

const folder = mkdtempSync(join(tmpdir(), 'farebox-resume-'));
afterAll(() => rmSync(folder, { recursive: true }));
let server: LyingServer;
afterEach(() => server.close());

async function setup(options: Partial<CreateFetchOptions> = {}, wallet: Partial<ScriptedPayerOptions> = {}) {
  const clock = FixedClock.create();
  server = await startLyingServer(clock);
  const payer = createScriptedPayer({ preimageOf: server.preimageOf, ...wallet });
  const store = options.store ?? createMemoryClientStore();
  const client = (more: Partial<CreateFetchOptions> = {}) => createFetch({ payer, maxPerRequest: '60 sat', store, clock, ...options, ...more });
  return { clock, payer, store, client, fetch: client(), url: `${server.origin}/v1/translate?text=hello` };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await turn();
}

/** A store whose process dies at a moment: from then on nothing is written, and the call never comes back. */
function dying(store: ClientStore, dies: (call: string) => boolean): ClientStore {
  let dead = false;
  const guard =
    <A extends unknown[], R>(name: string, call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (!dead) dead = dies(name);
      return dead ? new Promise<R>(() => {}) : call(...args);
    };
  return {
    ...store,
    find: guard('find', store.find),
    get: guard('get', store.get),
    reserve: guard('reserve', store.reserve),
    dispatch: guard('dispatch', store.dispatch),
    step: (paymentHash, step, nowAt) => guard(step.kind, store.step)(paymentHash, step, nowAt),
  };
}

describe('a payment whose end is not known', () => {
  it('is an error that names it, and is looked up by the next call: settled, it is used', async () => {
    const { fetch, payer, url, store } = await setup();
    payer.script({ kind: 'unknown', became: 'settled' });
    const error = await fetch(url).catch((thrown) => thrown);
    const [call] = payer.paid;
    expect(error).toMatchObject({ code: 'PAYMENT_UNKNOWN', details: { paymentHash: call?.paymentHash, amount: '50 sat' } });
    expect(error.message).toContain(call?.paymentHash);
    expect(await store.spending()).toMatchObject({ heldMsat: 60_000n, spentMsat: 0n });
    const response = await fetch(url);
    expect(paymentOf(response)).toMatchObject({ paymentHash: call?.paymentHash, reused: true });
    expect([payer.paid.length, payer.tracked.length]).toEqual([1, 1]);
    expect(await store.spending()).toMatchObject({ heldMsat: 0n, spentMsat: 50_000n });
  });

  it('is not paid again while it is pending, unknown, never seen, or the wallet is down; and no request goes out', async () => {
    const { fetch, payer, url, store } = await setup();
    payer.script({ kind: 'unknown', became: 'pending' });
    await expect(fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    const hash = payer.paid[0]?.paymentHash;
    if (!hash) throw new Error('nothing was paid');
    const before = server.requests.length;
    await expect(fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    payer.end(hash, 'absent');
    await expect(fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    payer.setDown(true);
    await expect(fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    expect([server.requests.length, payer.paid.length]).toEqual([before, 1]);
    expect(await store.spending()).toMatchObject({ heldMsat: 60_000n });
    payer.setDown(false);
    payer.end(hash, 'failed');
    payer.script({ kind: 'settle' });
    expect((await fetch(url)).status).toBe(200);
    expect(await store.spending()).toMatchObject({ heldMsat: 0n, spentMsat: 50_000n });
  });

  it('does not stand in the way of other requests', async () => {
    const { fetch, payer, url } = await setup();
    payer.script({ kind: 'unknown', became: 'pending' });
    await expect(fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    payer.script({ kind: 'settle' });
    expect((await fetch(`${url}&other`)).status).toBe(200);
    expect((await fetch(url, { method: 'POST', body: 'x' })).status).toBe(200);
  });

  it('that the wallet has never seen is freed a minute after its invoice has expired, not before', async () => {
    const { fetch, payer, url, clock, store } = await setup();
    payer.script({ kind: 'unknown', became: 'absent' });
    await expect(fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    payer.script({ kind: 'settle' });
    clock.advance(660_000);
    await expect(fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    clock.advance(1000);
    expect((await fetch(url)).status).toBe(200);
    expect((await store.list()).map(({ state }) => state)).toEqual(['failed', 'redeemed']);
  });

  it('stays held where the wallet cannot look up, until a person resolves it', async () => {
    const { fetch, payer, url, clock, store } = await setup({}, { capabilities: { track: false } });
    payer.script({ kind: 'unknown', became: 'settled' });
    await expect(fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    clock.advance(10_000_000);
    await expect(fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN', message: expect.stringContaining('cannot look payments up') });
    const hash = payer.paid[0]?.paymentHash;
    if (!hash) throw new Error('nothing was paid');
    expect(payer.tracked.length).toBe(0);
    await expect(resolvePayment(store, hash, { kind: 'settled', preimage: '00'.repeat(32) }, clock)).rejects.toThrow(RangeError);
    await resolvePayment(store, hash, { kind: 'settled', preimage: server.preimageOf(hash) ?? '', fee: '1 sat' }, clock);
    await expect(resolvePayment(store, hash, { kind: 'failed' }, clock)).rejects.toMatchObject({ code: 'JOURNAL_CONFLICT' });
    expect(paymentOf(await fetch(url))).toMatchObject({ feeMsat: 1000n, reused: true });
    payer.script({ kind: 'unknown', became: 'settled' });
    await expect(fetch(`${server.origin}/other`)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    const [, next] = payer.paid;
    const preimage = (next && server.preimageOf(next.paymentHash)) ?? '';
    for (const fee of [-1n as Msat, 1000 as never]) {
      await expect(resolvePayment(store, next?.paymentHash ?? '', { kind: 'settled', preimage, fee }, clock)).rejects.toThrow(/amount/);
    }
    expect(await store.spending()).toMatchObject({ heldMsat: 60_000n, spentMsat: 51_000n });
  });

  it('is not judged by another wallet than the one that was called', async () => {
    const { fetch, payer, url, client, clock } = await setup();
    payer.script({ kind: 'unknown', became: 'settled' });
    await expect(fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    const stranger = createScriptedPayer({ preimageOf: server.preimageOf, name: 'stranger' });
    clock.advance(10_000_000);
    await expect(client({ payer: stranger })(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    expect([stranger.tracked.length, stranger.paid.length]).toEqual([0, 0]);
  });

  it('comes of a preimage that does not prove it, or none: nothing is stored or sent', async () => {
    const { fetch, payer, url, store } = await setup();
    for (const preimage of ['00'.repeat(32), '', 'not hex']) {
      const target = `${url}&p=${preimage.length}`;
      payer.script({ kind: 'unproven', preimage });
      await expect(fetch(target)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
      await expect(fetch(target)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    }
    expect([payer.paid.length, server.requests.length]).toEqual([3, 3]);
    expect((await store.list()).map(({ state, preimage }) => [state, preimage])).toEqual(Array(3).fill(['unknown', undefined]));
  });

  it('comes of a wallet that throws', async () => {
    const { fetch, payer, url } = await setup();
    payer.script({ kind: 'throw' });
    await expect(fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    expect(paymentOf(await fetch(url))?.reused).toBe(true);
    expect(payer.paid.length).toBe(1);
  });

  it('comes of a wallet that hangs; what it says too late is written down all the same', async () => {
    const { fetch, payer, url, clock, store } = await setup({ paymentTimeoutSeconds: 20 });
    const open = payer.slow();
    const call = fetch(url);
    call.catch(() => undefined);
    await until(() => payer.paid.length === 1);
    expect(payer.paid[0]?.timeoutSeconds).toBe(20);
    clock.advance(25_000);
    await expect(call).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    expect(clock.timers()).toBe(0);
    open();
    await until(async () => (await store.list(['settled'])).length === 1);
    expect(paymentOf(await fetch(url))?.reused).toBe(true);
    expect([payer.paid.length, payer.tracked.length]).toEqual([1, 0]);
  });

  it('failed for certain: an error with the reason, the money free, and the next call pays', async () => {
    const { fetch, payer, url, store } = await setup();
    payer.script({ kind: 'fail', reason: 'no-route' });
    await expect(fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_UNROUTABLE', details: { reason: 'no-route' } });
    expect(await store.spending()).toMatchObject({ heldMsat: 0n, spentMsat: 0n });
    payer.script({ kind: 'settle' });
    expect((await fetch(url)).status).toBe(200);
  });
});

describe('a process that dies', () => {
  it('before it calls the wallet has paid nothing: the next one pays, and its money is free when its lease ends', async () => {
    const { payer, url, client, clock, store } = await setup({ maxTotal: '60 sat' });
    void client({ store: dying(store, (call) => call === 'dispatch') })(url);
    await until(async () => (await store.list(['reserved'])).length === 1);
    await expect(client()(url)).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED' });
    clock.advance(15_000);
    expect((await client()(url)).status).toBe(200);
    expect(payer.paid.length).toBe(1);
  });

  for (const [moment, name] of [
    ['settle', 'while its wallet is paying'],
    ['redeem', 'after the request was sent again'],
  ] as const) {
    it(`${name}: the next one waits for its lease to end, and uses what was paid for`, async () => {
      const path = join(folder, `${moment}.db`);
      const { payer, url, client, clock, store } = await setup({ store: createSqliteClientStore({ path }) });
      let died = false;
      const dead = dying(store, (call) => {
        died ||= call === moment;
        return died;
      });
      void client({ store: dead })(url);
      await until(() => died);
      const reopened = createSqliteClientStore({ path });
      const waits: number[] = [];
      const next = client({
        store: reopened,
        onEvent: (event) => {
          if (event.kind !== 'waiting') return;
          waits.push(event.ms);
          setImmediate(() => clock.advance(event.ms));
        },
      });
      const response = await next(url);
      expect(paymentOf(response)).toMatchObject({ paymentHash: payer.paid[0]?.paymentHash, reused: true });
      expect(payer.paid.length).toBe(1);
      expect(waits.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(15_000);
      await reopened.close();
      await store.close();
    });
  }

  it('is followed by a look-up of everything that is open', async () => {
    const { payer, url, client, clock, store } = await setup();
    for (const [index, became] of (['settled', 'failed', 'pending', 'absent'] as const).entries()) {
      payer.script({ kind: 'hang', became });
      void client({ store: dying(store, (call) => call === 'extend') })(`${url}&n=${index}`);
      await until(() => payer.paid.length === index + 1);
    }
    void client({ store: dying(store, (call) => call === 'dispatch') })(`${url}&n=reserved`);
    await until(async () => (await store.list(['reserved'])).length === 1);
    expect(await resumePayments({ payer, store, clock })).toEqual([]);
    clock.advance(15_000);
    const seen = await resumePayments({ payer, store, clock });
    expect(seen.map(({ state }) => state)).toEqual(['settled', 'failed', 'unknown', 'unknown', 'failed']);
    expect(await store.spending()).toMatchObject({ heldMsat: 120_000n, spentMsat: 50_000n });
    expect(paymentOf(await client()(`${url}&n=0`))?.reused).toBe(true);
  });

  it('and one that lives: two clients on one store pay for the same in turns, each its own', async () => {
    const { payer, url, client, clock } = await setup();
    const used = new Set<string>();
    server.handle(({ paid }, response) => {
      if (paid === undefined || used.has(paid)) return server.challenge(response);
      used.add(paid);
      answer(response);
    });
    const open = payer.slow();
    const first = client()(url);
    await until(() => payer.paid.length === 1);
    let waiting = 0;
    const second = client({
      onEvent: ({ kind }) => {
        if (kind === 'waiting') waiting++;
      },
    })(url);
    await until(() => waiting === 1);
    clock.advance(250);
    await until(() => waiting === 2);
    expect(payer.paid.length).toBe(1);
    open();
    expect((await first).status).toBe(200);
    clock.advance(250);
    expect(paymentOf(await second)?.reused).toBe(false);
    expect(payer.paid.length).toBe(2);
  });

  it('slowly, having stood still, does not call the wallet any more', async () => {
    const { payer, url, clock, store } = await setup();
    const sleepy: ClientStore = {
      ...store,
      dispatch: async (request) => {
        const outcome = await store.dispatch(request);
        clock.advance(15_000);
        return outcome;
      },
    };
    const fetch = createFetch({ payer, maxPerRequest: '60 sat', store: sleepy, clock });
    await expect(fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_INTERRUPTED' });
    expect(payer.paid.length).toBe(0);
    expect(await store.spending()).toMatchObject({ heldMsat: 0n, spentMsat: 0n });
  });
});

describe('a store that does not answer', () => {
  const failing = (store: ClientStore, fails: (call: string) => boolean): ClientStore => {
    const guard =
      <A extends unknown[], R>(name: string, call: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        if (fails(name)) throw new FareboxError('STORE_UNAVAILABLE', 'The client store is away.');
        return call(...args);
      };
    return {
      ...store,
      find: guard('find', store.find),
      reserve: guard('reserve', store.reserve),
      dispatch: guard('dispatch', store.dispatch),
      step: (paymentHash, step, nowAt) => guard(step.kind, store.step)(paymentHash, step, nowAt),
    };
  };

  it('before the wallet was called: nothing is paid', async () => {
    for (const moment of ['find', 'reserve', 'dispatch']) {
      const { payer, url, client, store } = await setup();
      await expect(client({ store: failing(store, (call) => call === moment) })(url)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      expect(payer.paid.length).toBe(0);
      await server.close();
    }
  });

  it('after it: the request is not sent again, and the next call writes the end down before it pays for anything', async () => {
    const { payer, url, client, store } = await setup();
    let away = true;
    const fetch = client({ store: failing(store, (call) => away && call === 'settle') });
    const error = await fetch(url).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', details: { paymentHash: payer.paid[0]?.paymentHash } });
    expect(server.requests.length).toBe(1);
    await expect(fetch(url)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect([server.requests.length, payer.paid.length]).toEqual([1, 1]);
    away = false;
    expect(paymentOf(await fetch(url))?.reused).toBe(true);
    expect(payer.paid.length).toBe(1);
  });

  it('when the answer is here already: the answer is delivered', async () => {
    const { payer, url, client, store } = await setup();
    let away = true;
    const fetch = client({ store: failing(store, (call) => away && (call === 'redeem' || call === 'release')) });
    expect((await fetch(url)).status).toBe(200);
    expect((await store.list()).map(({ state }) => state)).toEqual(['settled']);
    away = false;
    expect(paymentOf(await fetch(url))?.reused).toBe(true);
    expect(payer.paid.length).toBe(1);
  });
});
