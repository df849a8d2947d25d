import { afterEach, describe, expect, it } from 'vitest';
import { FareboxError } from '../core/Errors.ts';
import { answer } from '../testing/LyingServer.ts';
import { createScriptedPayer } from '../testing/ScriptedPayer.ts';
import { openShop, perRequest, type ShopOptions, sellOnce } from '../testing/Shop.ts';
import type { ClientStore } from './ClientStore.ts';
import { type CreateFetchOptions, createFetch, paymentOf, resolvePayment } from './index.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setup(options: ShopOptions = {}) {
  const shop = await openShop(options);
  closing.push(shop.close);
  const { payer, store, clock } = shop;
  const client = (more: Partial<CreateFetchOptions> = {}) => createFetch({ payer, store, clock, maxPerRequest: '60 sat', ...more });
  const states = async () => (await store.list()).map(({ state }) => state);
  return { ...shop, client, states };
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise(setImmediate);
}

/** A store after whose call so much time has passed. */
function slowAt(moment: 'reserve' | 'dispatch', store: ClientStore, pass: () => void): ClientStore {
  return { ...store, [moment]: (request: never) => store[moment](request).finally(pass) };
}

describe('a call that stood still', () => {
  it('between the journal’s word and the wallet does not call the wallet when its invoice is about to expire', async () => {
    const { client, server, store, clock, payer, url, states } = await setup();
    server.handle((_, response) => server.challenge(response, server.offer({ expirySeconds: 13 })));
    const late = client({ store: slowAt('dispatch', store, () => clock.advance(4000)) });
    await expect(late(url)).rejects.toMatchObject({ code: 'PAYMENT_INTERRUPTED', message: expect.stringContaining('Nothing was paid') });
    expect([payer.paid.length, await states()]).toEqual([0, ['failed']]);
  });

  it('before the journal’s word has lost its reservation', async () => {
    const { client, store, clock, payer, url } = await setup();
    const late = client({ store: slowAt('reserve', store, () => clock.advance(15_000)) });
    await expect(late(url)).rejects.toMatchObject({ code: 'PAYMENT_INTERRUPTED', message: expect.stringContaining('Nothing was paid') });
    expect(payer.paid.length).toBe(0);
  });

  it('and is called off then does not call off the payment that another client makes of the same invoice', async () => {
    const { client, server, store, clock, payer, url, states } = await setup();
    const offer = server.offer();
    server.handle(({ paid }, response) => (paid ? answer(response) : server.challenge(response, offer)));
    const open = payer.slow();
    const stop = new AbortController();
    let other: Promise<Response> | undefined;
    const reserve: ClientStore['reserve'] = async (request) => {
      const outcome = await store.reserve(request);
      clock.advance(15_000);
      other = client()(url);
      await until(() => payer.paid.length === 1);
      stop.abort();
      return outcome;
    };
    await expect(client({ store: { ...store, reserve } })(url, { signal: stop.signal })).rejects.toMatchObject({ name: 'AbortError' });
    expect([await states(), (await store.spending()).heldMsat]).toEqual([['dispatched'], 60_000n]);
    open();
    expect([(await other)?.status, payer.paid.length]).toEqual([200, 1]);
  });

  it('while its wallet paid is not said to have failed by hand before it is gone', async () => {
    const { client, payer, store, clock, url, states } = await setup();
    const open = payer.slow();
    const call = client()(url);
    await until(() => payer.paid.length === 1);
    const hash = payer.paid[0]?.paymentHash ?? '';
    const resolved = resolvePayment(store, hash, { kind: 'failed' }, clock);
    await expect(resolved).rejects.toMatchObject({ code: 'JOURNAL_CONFLICT', message: expect.stringContaining('at work on it') });
    open();
    expect([(await call).status, await states()]).toEqual([200, ['redeemed']]);
  });

  it('while its wallet paid does not show a credential that another client has used up', async () => {
    const { client, server, store, clock, payer, url, states } = await setup();
    sellOnce(server, perRequest);
    const step: ClientStore['step'] = async (hash, what, at) => (what.kind === 'extend' ? undefined : store.step(hash, what, at));
    const open = payer.slow();
    const still = client({ store: { ...store, step } })(url);
    still.catch(() => undefined);
    await until(() => payer.paid.length === 1);
    clock.advance(15_000);
    const other = await client()(url);
    expect([paymentOf(other)?.reused, await other.json()]).toEqual([true, { ok: true }]);
    open();
    await expect(still).rejects.toMatchObject({ code: 'PAYMENT_INTERRUPTED', message: expect.stringContaining('used by whoever took it over') });
    expect([payer.paid.length, server.requests.length, await states()]).toEqual([1, 2, ['redeemed']]);
  });
});

it('a store that fails between the journal’s word and the wallet holds no money: what was not paid is written down when it is back', async () => {
  const { client, store, payer, url, states } = await setup({ capabilities: { track: false } });
  let isDown = false;
  let fails = 1;
  const orDown =
    <A extends readonly unknown[], T>(work: (...given: A) => Promise<T>) =>
    (...given: A) =>
      isDown ? Promise.reject(new FareboxError('STORE_UNAVAILABLE', 'The disk is full.')) : work(...given);
  const dispatch: ClientStore['dispatch'] = (request) => store.dispatch(request).finally(() => (isDown = fails-- > 0));
  const fetch = client({ store: { ...store, dispatch, find: orDown(store.find), step: orDown(store.step) } });
  await expect(fetch(url)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  expect(payer.paid.length).toBe(0);
  isDown = false;
  expect((await fetch(url)).status).toBe(200);
  expect([await states(), (await store.spending()).heldMsat]).toEqual([['failed', 'redeemed'], 0n]);
});

it('a store that cannot say whether the wallet may be called holds no money for it either', async () => {
  const { client, store, payer, url, states } = await setup({ capabilities: { track: false } });
  let fails = 1;
  const dispatch: ClientStore['dispatch'] = async (request) => {
    const outcome = await store.dispatch(request);
    if (fails-- > 0) throw new FareboxError('STORE_UNAVAILABLE', 'The connection broke after the commit was sent.');
    return outcome;
  };
  const fetch = client({ store: { ...store, dispatch } });
  await expect(fetch(url)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  expect([await states(), (await store.spending()).heldMsat, payer.paid]).toEqual([['failed'], 0n, []]);
  expect((await fetch(url)).status).toBe(200);
});

describe('another client’s payment for the same', () => {
  /** One that is under way, and whose client says so for as long as anybody waits. */
  async function setupLiving() {
    const made = await setup();
    const { client, payer, url, clock } = made;
    const open = payer.slow();
    const living = client({ paymentTimeoutSeconds: 86_400 })(url);
    living.catch(() => undefined);
    await until(() => payer.paid.length === 1);
    let waits = 0;
    const waiting = client({
      onEvent: (event) => {
        if (event.kind !== 'waiting') return;
        waits++;
        setImmediate(() => clock.advance(event.ms));
      },
    });
    return { ...made, open, living, waiting, waits: () => waits };
  }

  it('is not waited for without end, and is left to its own client', async () => {
    const { waiting, url, payer, store, states, living, open } = await setupLiving();
    payer.end(payer.paid[0]?.paymentHash as never, 'pending');
    const [before] = await store.list();
    await expect(waiting(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    const [after] = await store.list();
    expect([await states(), after?.owner]).toEqual([['dispatched'], before?.owner]);
    open();
    expect([(await living).status, payer.paid.length]).toEqual([200, 1]);
  });

  it('is waited for no longer than the caller wants', async () => {
    const { waiting, waits, url, living, open } = await setupLiving();
    const stop = new AbortController();
    const call = waiting(url, { signal: stop.signal });
    call.catch(() => undefined);
    await until(() => waits() > 2);
    stop.abort();
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
    open();
    await living;
  });
});

it('a store that always says that another payment stands in the way is not asked for ever, and nothing is paid', async () => {
  const { client, store, payer, server, url } = await setup();
  payer.script({ kind: 'unknown', became: 'pending' });
  await expect(client()(`${server.origin}/other`)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
  const [payment] = await store.list();
  if (!payment) throw new Error('nothing is in the journal');
  const before = server.requests.length;
  const blocked = client({ store: { ...store, reserve: async () => ({ kind: 'blocked', payment }) } });
  await expect(blocked(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN', details: { paymentHash: payment.paymentHash } });
  expect([server.requests.length - before, payer.paid.length]).toEqual([1, 1]);
});

describe('a look-up', () => {
  async function setupUnknown() {
    const made = await setup();
    made.payer.script({ kind: 'unknown', became: 'settled' });
    await expect(made.fetch(made.url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    return made;
  }

  it('that hangs ends after half a minute, and the payment stays held', async () => {
    const { client, payer, url, clock, states } = await setupUnknown();
    let asked: AbortSignal | undefined;
    const hanging = { ...payer, trackPayment: (_: unknown, signal?: AbortSignal) => new Promise<never>(() => (asked = signal)) };
    const call = client({ payer: hanging })(url);
    call.catch(() => undefined);
    await until(() => asked !== undefined);
    clock.advance(30_000);
    await expect(call).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    expect([asked?.aborted, await states(), clock.timers()]).toEqual([true, ['unknown'], 0]);
  });

  it('is not made on another network than the payment’s, though the wallet has the same name', async () => {
    const { client, server, url, states } = await setupUnknown();
    const elsewhere = createScriptedPayer({ preimageOf: server.preimageOf, network: 'regtest' });
    await expect(client({ payer: elsewhere })(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    expect([elsewhere.tracked.length, await states()]).toEqual([0, ['unknown']]);
  });

  it('comes before a failure is believed: what was paid is used', async () => {
    const { client, payer, url, states } = await setup();
    const twice = {
      ...payer,
      pay: async (request: Parameters<typeof payer.pay>[0]) => {
        await payer.pay(request);
        return { kind: 'failed', reason: 'rejected', message: 'The invoice has been paid.' } as const;
      },
    };
    expect((await client({ payer: twice })(url)).status).toBe(200);
    expect([payer.paid.length, await states()]).toEqual([1, ['redeemed']]);
  });

  it('that cannot be made leaves what failed held, until it can', async () => {
    const { client, payer, store, url, states } = await setup();
    payer.script({ kind: 'fail', reason: 'no-route' });
    const down = { ...payer, trackPayment: () => Promise.reject(new Error('down')) };
    await expect(client({ payer: down })(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN', message: expect.stringContaining('says that it failed') });
    expect([await states(), (await store.spending()).heldMsat]).toEqual([['unknown'], 60_000n]);
    payer.script({ kind: 'settle' });
    expect((await client()(url)).status).toBe(200);
    expect([await states(), (await store.spending()).heldMsat]).toEqual([['failed', 'redeemed'], 0n]);
  });
});

describe('a payment that failed', () => {
  it('for want of a way says how much was left for the fee: too low a limit is no way to some wallets', async () => {
    const { client, payer, url } = await setup();
    payer.script({ kind: 'fail', reason: 'no-route' });
    await expect(client()(url)).rejects.toMatchObject({ code: 'PAYMENT_UNROUTABLE', message: expect.stringContaining('The limit left 10 sat for the fee') });
    payer.script({ kind: 'fail', reason: 'balance' });
    await expect(client()(url)).rejects.toMatchObject({ code: 'PAYMENT_UNFUNDED', message: expect.not.stringContaining('for the fee') });
  });

  it.each([
    ['balance', 'PAYMENT_UNFUNDED', 'Put money into the wallet'],
    ['no-route', 'PAYMENT_UNROUTABLE', 'allow more'],
    ['too-small', 'PAYMENT_TOO_SMALL', 'buy more at once'],
    ['too-large', 'PAYMENT_TOO_LARGE', 'raise its limit'],
    ['expired', 'PAYMENT_FAILED', 'new invoice'],
    ['rejected', 'PAYMENT_FAILED', 'The wallet says: rejected'],
    ['fee-limit', 'BUDGET_EXCEEDED', 'Raise maxPerRequest'],
  ] as const)('for the reason %s is %s and says what to do', async (reason, code, words) => {
    const { client, payer, url, store } = await setup();
    payer.script({ kind: 'fail', reason });
    await expect(client()(url)).rejects.toMatchObject({ code, message: expect.stringContaining(words) });
    expect((await store.spending()).heldMsat).toBe(0n);
  });
});
