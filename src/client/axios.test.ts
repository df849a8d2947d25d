import axios from 'axios';
import { afterEach, expect, it } from 'vitest';
import { answer } from '../testing/LyingServer.ts';
import { openShop, type ShopOptions } from '../testing/Shop.ts';
import { axiosPaymentOf, createAxiosAdapter } from './axios.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setup(options: ShopOptions = {}) {
  const shop = await openShop(options);
  closing.push(shop.close);
  return { ...shop, api: axios.create({ baseURL: shop.server.origin, adapter: createAxiosAdapter(shop.client) }) };
}

it('buys, and says what was paid', async () => {
  const { api, server, payer } = await setup();
  const response = await api.post('/v1/translate', { text: 'hello' }, { headers: { 'X-Own': 'yes' }, params: { target: 'es' } });
  expect(response.data).toEqual({ ok: true });
  expect(axiosPaymentOf(response)).toMatchObject({ paymentHash: payer.paid[0]?.paymentHash, amountMsat: 50_000n, reused: false });
  expect(server.requests.map(({ method, url, headers, body }) => [method, url, headers['x-own'], String(Buffer.from(body))])).toEqual(
    Array(2).fill(['POST', '/v1/translate?target=es', 'yes', '{"text":"hello"}']),
  );
});

it('leaves what is free as it is', async () => {
  const { api, server, payer } = await setup();
  server.handle((_, response) => answer(response, 200, {}, { free: true }));
  const response = await api.get('/free');
  expect([response.data, axiosPaymentOf(response), payer.paid.length]).toEqual([{ free: true }, undefined, 0]);
});

it('throws an error of axios’ with the code of ours', async () => {
  const { api, payer } = await setup({ maxPerRequest: '10 sat' });
  await expect(api.get('/v1/translate')).rejects.toMatchObject({ isAxiosError: true, code: 'BUDGET_EXCEEDED', cause: { code: 'BUDGET_EXCEEDED' } });
  expect(payer.paid.length).toBe(0);
});

it('lets go when the caller aborts', async () => {
  const { api, server, payer } = await setup();
  const stop = new AbortController();
  server.handle((_, response) => {
    stop.abort();
    setImmediate(() => server.challenge(response));
  });
  await expect(api.get('/v1/translate', { signal: stop.signal })).rejects.toMatchObject({ code: 'ERR_CANCELED' });
  expect(payer.paid.length).toBe(0);
});
