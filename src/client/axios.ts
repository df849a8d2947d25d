/**
 * `farebox/client/axios`: an adapter of axios' that buys: its own `fetch` adapter, over the client's `fetch`.
 *
 * @see docs/guide/buying.md, "In other clients"
 */
import axios, { type AxiosAdapter, type AxiosResponse } from 'axios';
import type { PayingClient } from './createClient.ts';
import { paymentOf, type ResponsePayment } from './kept.ts';

/**
 * Makes an adapter that buys with the client's wallet, limits, journal and credentials. Errors are axios' own: `error.code` is that of the
 * `FareboxError`, which is `error.cause`.
 *
 * @example
 * const api = axios.create({ baseURL: 'https://api.example.com', adapter: createAxiosAdapter(createClient({ payer, maxPerRequest: '60 sat' })) });
 * const { data } = await api.get('/v1/translate', { params: { text: 'hello', target: 'es' } });
 */
export function createAxiosAdapter(client: PayingClient): AxiosAdapter {
  const fetch = async (input: string | URL | Request, init?: RequestInit) => {
    const response = await client.fetch(input, init);
    const payment = paymentOf(response);
    if (payment && input instanceof Request) payments.set(input, payment);
    return response;
  };
  return axios.getAdapter('fetch', { env: { fetch, Request, Response } } as object);
}

/** What was paid for an answer of axios', or undefined where it was free. */
export function axiosPaymentOf(response: AxiosResponse): ResponsePayment | undefined {
  return payments.get(response.request);
}

const payments = new WeakMap<Request, ResponsePayment>();
