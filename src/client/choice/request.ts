/**
 * The request that asks a provider, and the answer in what comes back.
 */
import type { Provider } from './Services.ts';

/** What a service is asked with: for queries and forms, each value as text. */
export type Input = { readonly [name: string]: unknown };

/**
 * Makes the request.
 * @throws TypeError – an input that JSON cannot hold
 */
export function requestOf({ url, method, input, headers }: Provider, given: Input): { readonly url: string; readonly init: RequestInit } {
  if (input === 'json') {
    return { url, init: { method, headers: { 'Content-Type': 'application/json', Accept: 'application/json', ...headers }, body: JSON.stringify(given) } };
  }
  const pairs = Object.entries(given).filter(([, value]) => value !== undefined);
  const fields = new URLSearchParams(pairs.map(([name, value]): [string, string] => [name, textOf(value)]));
  if (input === 'form') {
    return {
      url,
      init: { method, headers: { 'Content-Type': 'application/x-www-form-urlencoded', Accept: 'application/json', ...headers }, body: fields.toString() },
    };
  }
  const address = new URL(url);
  for (const [name, value] of fields) address.searchParams.append(name, value);
  return { url: address.href, init: { method, headers: { Accept: 'application/json', ...headers } } };
}

/** An answer, or why there is none in the response. Its body has been read. */
export async function answerIn(
  response: Response,
): Promise<{ readonly kind: 'answer'; readonly answer: unknown } | { readonly kind: 'none'; readonly why: string }> {
  let text: string;
  try {
    text = await response.text();
  } catch {
    return { kind: 'none', why: `its answer (${response.status}) broke off` };
  }
  if (!response.ok) return { kind: 'none', why: `it answered ${response.status}` };
  if (!/^application\/(?:[^;\s]+\+)?json\b/i.test(response.headers.get('Content-Type') ?? '')) return { kind: 'answer', answer: text };
  try {
    return { kind: 'answer', answer: JSON.parse(text) as unknown };
  } catch {
    return { kind: 'none', why: 'it says JSON and sends something else' };
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'object' ? JSON.stringify(value) : String(value);
}
