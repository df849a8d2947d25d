import { afterEach, expect, it } from 'vitest';
import { answer } from '../testing/LyingServer.ts';
import { openShop, perRequest, type ShopOptions } from '../testing/Shop.ts';
import { paymentOf } from './index.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A seller whose first paid answer is told how to go on once its head and a part of it are out; the others are whole. */
async function setup(goOn: 'break' | 'hold', options: ShopOptions = {}) {
  const shop = await openShop(options);
  closing.push(shop.close);
  let answers = 0;
  shop.server.handle(({ paid }, response) => {
    if (!paid) return shop.server.challenge(response, shop.server.offer({ caveats: perRequest }));
    if (++answers > 1) return answer(response, 200, { 'L402-Payment': 'charged' });
    response.writeHead(200, { 'L402-Payment': 'charged', 'Content-Length': '100', 'Content-Type': 'text/plain' });
    response.write('the beginning', () => goOn === 'break' && response.socket?.resetAndDestroy());
  });
  const stateOf = async () => (await shop.store.list()).map(({ state, usable, owner }) => [state, usable, owner !== '']);
  return { ...shop, stateOf };
}

it('an answer that breaks off leaves its credential good for the same request, which pays nothing', async () => {
  const { fetch, payer, url, stateOf } = await setup('break');
  const broken = await fetch(url);
  await expect(broken.text()).rejects.toThrow();
  expect(await stateOf()).toEqual([['settled', true, false]]);
  const again = await fetch(url);
  expect(await again.json()).toEqual({ ok: true });
  expect([paymentOf(again)?.reused, payer.paid.length]).toEqual([true, 1]);
  expect(await stateOf()).toEqual([['redeemed', false, false]]);
});

it('a caller that reads no further leaves it good too', async () => {
  const { fetch, payer, url, stateOf } = await setup('hold');
  const response = await fetch(url);
  const reader = response.body?.getReader();
  expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('the beginning');
  expect(await stateOf()).toEqual([['settled', true, true]]);
  await reader?.cancel();
  expect(await stateOf()).toEqual([['settled', true, false]]);
  expect(await (await fetch(url)).json()).toEqual({ ok: true });
  expect(payer.paid.length).toBe(1);
});

it('as long as an answer is being read, another call does not use its credential, and buys one of its own', async () => {
  const { fetch, payer, clock, url, stateOf } = await setup('hold');
  const response = await fetch(url);
  clock.advance(30_000);
  expect(await (await fetch(url)).json()).toEqual({ ok: true });
  expect(payer.paid.length).toBe(2);
  await response.body?.cancel();
  expect(await stateOf()).toEqual([
    ['settled', true, false],
    ['redeemed', false, false],
  ]);
});

it('an answer that is read slowly keeps its credential as long as it moves', async () => {
  const { fetch, server, clock, url, store, stateOf } = await setup('hold');
  let more = () => {};
  server.handle(({ paid }, response) => {
    if (!paid) return server.challenge(response, server.offer({ caveats: perRequest }));
    more = () => void response.write('more');
    response.writeHead(200, { 'L402-Payment': 'charged', 'Content-Type': 'text/plain' });
    more();
  });
  const reader = (await fetch(url)).body?.getReader();
  for (let minutes = 0; minutes < 3; minutes++) {
    await reader?.read();
    expect(await stateOf()).toEqual([['settled', true, true]]);
    clock.advance(50_000);
    more();
  }
  await reader?.read();
  clock.advance(50_000);
  const [payment] = await store.list();
  expect(payment?.leaseEndsAt).toBeGreaterThan(clock.nowMs() / 1000);
  await reader?.cancel();
  expect(clock.timers()).toBe(0);
});

it('an answer that nobody reads is let go of after a minute, with every timer', async () => {
  const { fetch, clock, url, stateOf } = await setup('hold');
  await fetch(url);
  clock.advance(59_000);
  expect(await stateOf()).toEqual([['settled', true, true]]);
  clock.advance(16_000);
  expect(clock.timers()).toBe(0);
  expect(await (await fetch(url)).json()).toEqual({ ok: true });
  expect(await stateOf()).toEqual([['redeemed', false, false]]);
});

it('an answer is the seller’s own otherwise: status, headers, address and body', async () => {
  const { fetch, server, url, clock } = await setup('break');
  server.handle(({ paid }, response) => {
    if (!paid) return server.challenge(response, server.offer({ caveats: perRequest }));
    response.writeHead(203, 'Mostly', [
      ['X-Own', 'yes'],
      ['Set-Cookie', 'a=1'],
      ['Set-Cookie', 'b=2'],
    ] as never);
    response.end('x'.repeat(200_000));
  });
  const response = await fetch(url);
  expect([response.status, response.statusText, response.url, response.ok, response.redirected]).toEqual([203, 'Mostly', url, true, false]);
  expect([response.headers.get('x-own'), response.headers.getSetCookie()]).toEqual(['yes', ['a=1', 'b=2']]);
  const copy = response.clone();
  expect([copy.url, copy.clone().url, copy.status]).toEqual([url, url, 203]);
  expect([(await response.text()).length, (await copy.arrayBuffer()).byteLength]).toEqual([200_000, 200_000]);
  expect(clock.timers()).toBe(0);
});

it('a caller that leaves in the middle of a read leaves it good too', async () => {
  const { fetch, url, stateOf } = await setup('hold');
  const reader = (await fetch(url)).body?.getReader();
  await reader?.read();
  const pending = reader?.read();
  await new Promise(setImmediate);
  await reader?.cancel();
  expect(await pending).toMatchObject({ done: true });
  expect(await stateOf()).toEqual([['settled', true, false]]);
});

it('a credential whose answer has begun is not tried for another request, and still buys its own', async () => {
  const { fetch, payer, url } = await setup('hold');
  await (await fetch(url)).body?.cancel();
  expect(await (await fetch(`${url}&more`)).json()).toEqual({ ok: true });
  expect(payer.paid).toHaveLength(2);
  expect(await (await fetch(url)).json()).toEqual({ ok: true });
  expect(payer.paid).toHaveLength(2);
});

/** A `fetch` whose good answers have this body. */
function answering(parts: readonly Uint8Array[]): NonNullable<ShopOptions['fetch']> {
  return async (input, init) => {
    const response = await globalThis.fetch(input, init);
    if (response.status !== 200) return response;
    await response.body?.cancel();
    const body = new ReadableStream({
      start: (controller) => {
        for (const part of parts) controller.enqueue(part);
        controller.close();
      },
    });
    return new Response(body, { headers: { 'L402-Payment': 'charged' } });
  };
}

it('parts that are empty, out of a pool or somebody else’s come through, and stay whole where they come from', async () => {
  const mine = new TextEncoder().encode('c');
  const { fetch, url, stateOf } = await setup('break', { fetch: answering([new Uint8Array(), Buffer.from('a'), Buffer.from('b'), mine]) });
  expect(await (await fetch(url)).text()).toBe('abc');
  expect(mine).toHaveLength(1);
  expect(await stateOf()).toEqual([['redeemed', false, false]]);
});

it('a part that is no bytes breaks the answer off, as it does for fetch', async () => {
  const { fetch, url, stateOf } = await setup('break', { fetch: answering(['text' as never]) });
  await expect((await fetch(url)).text()).rejects.toThrow(TypeError);
  expect(await stateOf()).toEqual([['settled', true, false]]);
});

it.each([
  ['a reason phrase that Response does not take', '200 Schön ✓', 200],
  ['a status that Response does not take', '700 Odd', 700],
])('%s costs nobody the answer', async (_, line, status) => {
  const shop = await openShop();
  closing.push(shop.close);
  shop.server.handle(({ paid }, response) => {
    if (!paid) return shop.server.challenge(response, shop.server.offer({ caveats: perRequest }));
    response.socket?.end(`HTTP/1.1 ${line}\r\nL402-Payment: charged\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi`);
  });
  const response = await shop.fetch(shop.url);
  expect([response.status, await response.text()]).toEqual([status, 'hi']);
  expect((await shop.store.list()).map(({ state, usable }) => [state, usable])).toEqual([['redeemed', false]]);
});
