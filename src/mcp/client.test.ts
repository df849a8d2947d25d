import { McpError } from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, it } from 'vitest';
import { answer, challenge, failure, listed } from '../../test/mcp/ToolSeller.ts';
import { connectTo, openToolShop, outcomeOf, textOf } from '../../test/mcp/toolBuyer.ts';
import * as Amount from '../core/Amount.ts';
import { payingClient, toolPaymentOf } from './client.ts';
import * as ToolPayment from './ToolPayment.ts';

const perCall = ['services=shop:0', 'shop_path=/tools/translate', 'shop_valid_until=1800086400', 'shop_terms=per-request'];
const pass = ['services=shop:0', 'shop_path=/tools/translate', 'shop_valid_until=1800086400', 'shop_terms=pass'];
const bucket = ['services=shop:0', 'shop_valid_until=1800086400', 'shop_terms=bucket:3'];

describe('a call', () => {
  it('that is free goes through as it is', async () => {
    const { seller, payer, call } = await openToolShop();
    seller.handle(() => answer('free'));
    const result = await call({ text: 'hello' });
    expect([textOf(result), toolPaymentOf(result), payer.paid.length]).toEqual(['free', undefined, 0]);
    expect(seller.calls.map(({ name, arguments: given, meta }) => [name, given, meta])).toEqual([['translate', { text: 'hello' }, undefined]]);
  });

  it('that asks for a payment is paid and made again with the proof', async () => {
    const { seller, payer, store, events, call } = await openToolShop();
    const result = await call({ text: 'hello' });
    expect(textOf(result)).toBe('sold');
    expect(toolPaymentOf(result)).toMatchObject({ paymentHash: payer.paid[0]?.paymentHash, amountMsat: 50_000n, reused: false });
    expect(seller.calls.map(({ arguments: given, paid }) => [given, paid])).toEqual([
      [{ text: 'hello' }, undefined],
      [{ text: 'hello' }, payer.paid[0]?.paymentHash],
    ]);
    expect(await store.list()).toMatchObject([{ origin: 'mcp://shop', method: 'POST', path: '/tools/translate', state: 'redeemed' }]);
    expect(events.filter(({ kind }) => kind === 'quoted')).toMatchObject([{ url: 'mcp://shop/tools/translate', amountMsat: 50_000n }]);
  });

  it('keeps its own _meta, progress and all', async () => {
    const { seller, tools } = await openToolShop();
    const progress: unknown[] = [];
    await tools.callTool({ name: 'translate', arguments: {}, _meta: { trace: 'x' } }, undefined, { onprogress: (step) => progress.push(step) });
    expect(seller.calls.map(({ meta }) => Object.keys(meta ?? {}).sort())).toEqual([
      ['progressToken', 'trace'],
      [ToolPayment.paymentKey, 'progressToken', 'trace'],
    ]);
  });

  it('shows a credential of the caller’s own, and pays nothing on top', async () => {
    const { seller, payer, tools } = await openToolShop();
    const proof = ToolPayment.formatProof('abc', '0'.repeat(64));
    await expect(tools.callTool({ name: 'translate', arguments: {}, _meta: { [ToolPayment.paymentKey]: proof } })).resolves.toMatchObject({
      content: [{ text: 'sold' }],
    });
    seller.handle(() => challenge(seller.offer()));
    for (const own of [{ _meta: { [ToolPayment.paymentKey]: proof } }, { arguments: { [ToolPayment.credentialArgument]: 'abc:00' } }]) {
      await expect(tools.callTool({ name: 'translate', ...own })).rejects.toMatchObject({ code: 'CHALLENGE_REFUSED' });
    }
    expect(payer.paid.length).toBe(0);
  });

  it('is checked by the SDK as ever: what was bought and breaks the schema was bought', async () => {
    const { seller, payer, store, tools } = await openToolShop();
    seller.list([{ ...listed('translate'), outputSchema: { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] } }]);
    await tools.listTools();
    seller.handle(({ paid }) => (paid ? { content: [], structuredContent: { n: 'x' } } : challenge(seller.offer())));
    await expect(tools.callTool({ name: 'translate', arguments: {} })).rejects.toThrow(/output schema/);
    expect([payer.paid.length, (await store.list())[0]?.state]).toEqual([1, 'redeemed']);
  });

  it('stops when the caller aborts, and nothing is paid', async () => {
    const { seller, payer, tools } = await openToolShop();
    const stop = new AbortController();
    seller.handle(() => {
      stop.abort();
      return challenge(seller.offer());
    });
    await expect(tools.callTool({ name: 'translate', arguments: {} }, undefined, { signal: stop.signal })).rejects.toThrow();
    expect(payer.paid.length).toBe(0);
  });

  it('with a price in another scheme alone comes back as it is', async () => {
    const { seller, payer, call } = await openToolShop();
    seller.handle(() => challenge({ token: 'x', invoice: 'y' }, { offers: [{ scheme: 'x402', amount: 1, asset: 'usd' }] }));
    expect([textOf(await call()), payer.paid.length]).toEqual(['Payment required.', 0]);
  });
});

describe('what was bought', () => {
  it('is used again where it is good for more: a pass, whatever the arguments', async () => {
    const { seller, payer, call } = await openToolShop();
    seller.handle(({ paid }) => (paid ? answer('sold') : challenge(seller.offer({ caveats: pass }))));
    const results = [await call({ text: 'a' }), await call({ text: 'b' })];
    expect(results.map((result) => toolPaymentOf(result)?.reused)).toEqual([false, true]);
    expect(payer.paid.length).toBe(1);
    await call({}, 'another');
    expect(payer.paid.length).toBe(2);
  });

  it('is used for every tool of a service that it was bought for: a bucket', async () => {
    const { seller, payer, call } = await openToolShop();
    seller.handle(({ paid }) => (paid ? answer('sold') : challenge(seller.offer({ caveats: bucket }))));
    await call();
    await call({}, 'another');
    expect(payer.paid.length).toBe(1);
  });

  it('is used up by one answer where it buys one', async () => {
    const { seller, payer, call } = await openToolShop();
    seller.handle(({ paid }) => (paid ? answer('sold') : challenge(seller.offer({ caveats: perCall }))));
    await call();
    await call();
    expect(payer.paid.length).toBe(2);
  });

  it('with a token that is no macaroon, as other sellers of the profile make them, is tried again and set aside when it is refused', async () => {
    const { seller, payer, call } = await openToolShop();
    let left = 2;
    const token = (n: number) => `eyJyZXNvdXJjZSI6InRyYW5zbGF0ZSJ9.${String(n).padStart(64, '0')}`;
    seller.handle(({ paid }) => (paid && left-- > 0 ? answer('sold') : challenge(seller.offer({ token: token(left) }))));
    for (let calls = 0; calls < 2; calls++) await call();
    expect(payer.paid.length).toBe(1);
    left = 0;
    seller.handle(({ paid }) => (paid && paid !== payer.paid[0]?.paymentHash ? answer('sold') : challenge(seller.offer({ token: token(9) }))));
    expect(textOf(await call())).toBe('sold');
    expect(payer.paid.length).toBe(2);
  });

  it('is good for another try where the tool fails, and used up where the receipt says so', async () => {
    const { seller, payer, call } = await openToolShop();
    const receipt = (payment: string) => ({ [ToolPayment.receiptKey]: { timestamp: '2026-01-01T00:00:00Z', reference: 'ab'.repeat(32), payment } });
    let paidResult = failure('broken');
    seller.handle(({ paid }) => (paid ? paidResult : challenge(seller.offer({ caveats: perCall }))));
    const failed = await call();
    expect([textOf(failed), failed.isError, toolPaymentOf(failed)?.reused]).toEqual(['broken', true, false]);
    paidResult = failure('broken again', receipt('not-charged'));
    await call();
    expect(payer.paid.length).toBe(1);
    paidResult = failure('no such word', receipt('charged'));
    await call();
    paidResult = answer('sold');
    await call();
    expect(payer.paid.length).toBe(2);
  });

  it('is good for another try where the server answers with an error of JSON-RPC, which the caller gets', async () => {
    const { seller, payer, call } = await openToolShop();
    let isBroken = true;
    seller.handle(({ paid }) => {
      if (paid && isBroken) throw new McpError(-32603, 'it broke');
      return paid ? answer('sold') : challenge(seller.offer({ caveats: perCall }));
    });
    await expect(call()).rejects.toThrow('it broke');
    isBroken = false;
    expect(textOf(await call())).toBe('sold');
    expect(payer.paid.length).toBe(1);
  });

  it('is waited for where a seller of ours is busy with it', async () => {
    const { seller, clock, payer, call } = await openToolShop();
    const busy = failure('CREDENTIAL_IN_USE', { 'farebox/error': { code: 'CREDENTIAL_IN_USE', status: 409, retryAfterSeconds: 1 } });
    seller.handle(({ paid }) => {
      if (paid === undefined) return challenge(seller.offer({ caveats: perCall }));
      return seller.calls.length < 3 ? busy : answer('sold');
    });
    const bought = call();
    while (clock.timers() === 0 || seller.calls.length < 2) await new Promise((resolve) => setImmediate(resolve));
    while (seller.calls.length < 3) {
      clock.advance(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(textOf(await bought)).toBe('sold');
    expect(payer.paid.length).toBe(1);
  });
});

describe('a server', () => {
  it('is another one under another name: what was bought from one is never shown to the other', async () => {
    const { seller, createSeller, payer, call, connect } = await openToolShop();
    const thief = createSeller();
    const pass = { caveats: ['services=shop:0', 'shop_valid_until=1800086400', 'shop_terms=bucket:9'] };
    seller.handle(({ paid }) => (paid ? answer('sold') : challenge(seller.offer(pass))));
    await call();
    thief.handle(() => challenge(thief.offer({ ...pass, amountMsat: Amount.fromSat(900) })));
    for (const name of ['thief', 'https://shop/', 'https://shop/tools', 'http://localhost:1/mcp']) {
      const stolen = await connect(thief, name);
      await expect(stolen.callTool({ name: 'translate', arguments: { text: 'hello' } })).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED' });
    }
    expect(thief.calls.filter(({ meta }) => meta !== undefined)).toEqual([]);
    expect(payer.paid.length).toBe(1);
  });

  it('is told by its path from another one on the same host', async () => {
    const { seller, createSeller, payer, connect, store } = await openToolShop();
    const other = createSeller();
    const sold = (one: typeof seller) => one.handle(({ paid }) => (paid ? answer('sold') : challenge(one.offer({ caveats: bucket }))));
    sold(seller);
    sold(other);
    const [first, second] = [await connect(seller, 'https://api.example.com/a/mcp/?key=secret'), await connect(other, 'https://api.example.com/b/mcp')];
    await first.callTool({ name: 'x y', arguments: {} });
    await second.callTool({ name: 'x y', arguments: {} });
    await first.callTool({ name: 'z', arguments: {} });
    expect(payer.paid.length).toBe(2);
    expect((await store.list()).map(({ origin, path }) => origin + path).sort()).toEqual([
      'https://api.example.com/a/mcp/tools/x%20y',
      'https://api.example.com/b/mcp/tools/x%20y',
    ]);
  });

  it('that is reached by plain http on another machine gets no money', async () => {
    const { seller, payer, connect } = await openToolShop();
    const far = await connect(seller, 'http://api.example.com/mcp');
    await expect(far.callTool({ name: 'translate', arguments: {} })).rejects.toMatchObject({ code: 'CHALLENGE_REFUSED' });
    expect(payer.paid.length).toBe(0);
  });

  it.each(['', '-x', 'a b', 'a.b', 'https://user:pass@api.example.com/', 'ftp://api.example.com/', 'x'.repeat(65)])('has no name like %j', async (name) => {
    const { seller, connect } = await openToolShop();
    await expect(connect(seller, name)).rejects.toThrow(TypeError);
  });
});

describe('a price', () => {
  it('is the invoice’s: what the challenge says besides can only make it refused', async () => {
    const { seller, payer, call } = await openToolShop();
    for (const said of [
      { amountMsat: '1000' },
      { price: { amount: 1, asset: 'sat' } },
      { price: { amount: 60, asset: 'sat' } },
      { price: { amount: 50, asset: 'sat' }, amountMsat: '49999' },
    ]) {
      seller.handle(() => challenge(seller.offer(), said));
      expect([said, await outcomeOf(call())]).toEqual([said, 'CHALLENGE_REFUSED']);
    }
    const { token, invoice } = seller.offer();
    seller.handle(() =>
      challenge(seller.offer(), { price: { amount: 50, asset: 'sat' }, offers: [{ scheme: 'l402', amount: 5, asset: 'sat', token, invoice }] }),
    );
    expect(await outcomeOf(call())).toBe('CHALLENGE_REFUSED');
    expect(payer.paid.length).toBe(0);
    seller.handle(({ paid }) => (paid ? answer('sold') : challenge(seller.offer(), { price: { amount: 50, asset: 'sat' }, amountMsat: '50000' })));
    expect(await outcomeOf(call())).toBe('sold');
  });

  it('above the limit is refused', async () => {
    const { seller, payer, call } = await openToolShop();
    seller.handle(() => challenge(seller.offer({ amountMsat: Amount.fromSat(61) })));
    expect([await outcomeOf(call()), payer.paid.length]).toEqual(['BUDGET_EXCEEDED', 0]);
  });

  it('above the listed one is refused where nobody can be asked', async () => {
    const { seller, payer, tools, call } = await openToolShop();
    seller.list([listed('translate', 49), listed('other', 1)]);
    await tools.listTools();
    await expect(call()).rejects.toMatchObject({ code: 'CONSENT_REFUSED', details: { price: '50 sat', advertised: '49 sat' } });
    expect(payer.paid.length).toBe(0);
    seller.list([listed('translate', 50)]);
    await tools.listTools();
    expect(await outcomeOf(call())).toBe('sold');
  });

  it('above the listed one is asked about, and paid for a yes', async () => {
    const asked: unknown[] = [];
    let says = false;
    const { seller, payer, tools, call } = await openToolShop({
      consent: {
        ask: ({ amountMsat, aboveMsat }) => {
          asked.push([amountMsat, aboveMsat]);
          return says;
        },
      },
    });
    seller.list([listed('translate', 10)]);
    await tools.listTools();
    expect(await outcomeOf(call())).toBe('CONSENT_REFUSED');
    says = true;
    expect(await outcomeOf(call())).toBe('sold');
    expect(asked).toEqual(Array(2).fill([50_000n, 10_000n]));
    expect(payer.paid.length).toBe(1);
  });
});

describe('a payment', () => {
  it('that is not honoured is an error with its proof, and not made again', async () => {
    const { seller, payer, call } = await openToolShop();
    seller.handle(() => challenge(seller.offer()));
    const error = await call().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'PAYMENT_NOT_HONOURED', details: { paymentHash: payer.paid[0]?.paymentHash } });
    expect(payer.paid.length).toBe(1);
  });

  it('whose end is not known is never made again', async () => {
    const { seller, payer, call } = await openToolShop();
    payer.script({ kind: 'unknown', became: 'pending' });
    expect(await outcomeOf(call())).toBe('PAYMENT_UNKNOWN');
    payer.script({ kind: 'settle' });
    expect(await outcomeOf(call())).toBe('PAYMENT_UNKNOWN');
    payer.end(payer.paid[0]?.paymentHash as never, 'settled');
    expect(await outcomeOf(call())).toBe('sold');
    expect(payer.paid.length).toBe(1);
    expect(seller.calls.filter(({ paid }) => paid).length).toBe(1);
  });

  it('stands in the journal before it is made', async () => {
    const { payer, store, call } = await openToolShop();
    const open = payer.slow();
    const bought = call();
    while (payer.paid.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect((await store.list()).map(({ state }) => state)).toEqual(['dispatched']);
    open();
    await bought;
  });

  it('is made once for calls in parallel that one payment serves', async () => {
    const { seller, payer, call } = await openToolShop();
    seller.handle(({ paid }) => (paid ? answer('sold') : challenge(seller.offer({ caveats: pass }))));
    await Promise.all(Array.from({ length: 8 }, (_, n) => call({ n })));
    expect(payer.paid.length).toBe(1);
  });

  it('never overshoots a budget together with others', async () => {
    const { seller, payer, call } = await openToolShop({ maxTotal: '180 sat' });
    seller.handle(({ paid }) => (paid ? answer('sold') : challenge(seller.offer({ caveats: perCall }))));
    const outcomes = await Promise.all(Array.from({ length: 8 }, (_, n) => outcomeOf(call({ n }))));
    expect(outcomes.filter((outcome) => outcome === 'sold').length).toBe(3);
    expect(payer.paid.length).toBe(3);
  });

  it('that has no answer because the connection broke is kept for the same call', async () => {
    const { seller, payer, paying, connect, call, store } = await openToolShop();
    seller.handle(async ({ paid }) => {
      if (paid) await mcp.close();
      return challenge(seller.offer({ caveats: perCall }));
    });
    const mcp = await connect(seller, 'shop', paying);
    await expect(mcp.callTool({ name: 'translate', arguments: { text: 'hello' } })).rejects.toMatchObject({ code: 'PAYMENT_INTERRUPTED' });
    seller.handle(({ paid }) => (paid ? answer('sold') : challenge(seller.offer())));
    expect(textOf(await call({ text: 'hello' }))).toBe('sold');
    expect([payer.paid.length, (await store.list()).map(({ state }) => state)]).toEqual([1, ['redeemed']]);
  });
});

it('the same arguments in another order are the same call', async () => {
  const { payer, call } = await openToolShop();
  payer.script({ kind: 'unknown', became: 'pending' });
  await outcomeOf(call({ a: 1, b: { c: 2, d: 3 } }));
  expect(await outcomeOf(call({ b: { d: 3, c: 2 }, a: 1 }))).toBe('PAYMENT_UNKNOWN');
  expect(payer.paid.length).toBe(1);
  await outcomeOf(call({ a: 1, b: { c: 2, d: 4 } }));
  expect(payer.paid.length).toBe(2);
});

it('a client of its own is made from a wallet and a budget, and closed with it', async () => {
  const { seller, payer, clock } = await openToolShop();
  const mcp = await connectTo(seller);
  const tools = payingClient(mcp, { server: 'shop', payer, clock, budget: { maxPerRequest: '60 sat', allow: ['shop'] } });
  expect(await tools.callTool({ name: 'translate', arguments: {} })).toMatchObject({ content: [{ text: 'sold' }] });
  await tools.close();
  expect(mcp.transport).toBeUndefined();
  expect(() => payingClient(mcp, { server: 'shop', payer } as never)).toThrow(TypeError);
});
