/**
 * The operator's pages, reached by a stranger. So far there is one: where services ask what a credential is good for. Without its secret it
 * says nothing, and with it, nothing that would help to make a token or to guess one.
 */
import { request as send } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import * as Macaroon from '../../src/core/Macaroon.ts';
import { createIntrospectionListener } from '../../src/gateway/Introspection.ts';
import { createRouter } from '../../src/gateway/Router.ts';
import { type Closing, closeAll } from '../gateway/harness.ts';
import { auth, codeOf, enter, names, narrowed, path, standing } from './thief.ts';

const secret = '0123456789abcdef-of-services';
const closing: Closing = [];
afterEach(() => closeAll(closing));

type Told = { readonly status: number; readonly headers: { readonly [name: string]: unknown }; readonly body: string };

/** The endpoint of a shop, and how it is called. */
async function openPage() {
  const shop = await enter('gateway');
  const listener = createIntrospectionListener({ secret, introspect: shop.paywall.introspect, router: createRouter([]), clock: shop.clock });
  closing.push(() => listener.close(0));
  const { port } = await listener.listen('127.0.0.1', 0);
  const call = (body: string, headers: { readonly [name: string]: string | string[] } = {}, method = 'POST', target = '/introspect') =>
    new Promise<Told>((resolve, reject) => {
      const asked = { 'content-type': 'application/x-www-form-urlencoded', ...headers };
      const sent = send({ host: '127.0.0.1', port, path: target, method, headers: asked, agent: false }, (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
      });
      sent.on('error', reject);
      sent.end(method === 'POST' ? body : undefined);
    });
  const letIn = { authorization: `Bearer ${secret}` };
  const about = async (token: string) => JSON.parse((await call(new URLSearchParams({ token }).toString(), letIn)).body) as { readonly active: boolean };
  return { shop, call, about, letIn };
}

test('a stranger is told nothing: not with a guess, a part, a cookie, a header of proxies, from a page of another origin, or by another method', async () => {
  const { shop, call } = await openPage();
  const { authorization } = await shop.buy('/pass');
  const body = new URLSearchParams({ token: authorization }).toString();
  const bearer = (value: string) => ({ authorization: `Bearer ${value}` });
  const strangers: readonly (readonly [string, { readonly [name: string]: string | string[] }, string?, string?])[] = [
    ['nothing', {}],
    ['an empty secret', bearer('')],
    ['its beginning', bearer(secret.slice(0, -1))],
    ['more than it', bearer(`${secret}0`)],
    ['another case', bearer(secret.toUpperCase())],
    ['another scheme', { authorization: `Basic ${Buffer.from(`x:${secret}`).toString('base64')}` }],
    ['a cookie', { cookie: `authorization=Bearer ${secret}` }],
    ['a query', {}, 'POST', `/introspect?access_token=${secret}`],
    ['a proxy on the same host', { 'x-forwarded-for': '127.0.0.1', 'x-real-ip': '127.0.0.1', forwarded: 'for=127.0.0.1' }],
    ['another method', { 'x-http-method-override': 'POST' }, 'GET'],
    ['a page of another origin', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site', 'content-type': 'text/plain' }],
    ['a browser that asks first', { origin: 'https://evil.example', 'access-control-request-method': 'POST' }, 'OPTIONS'],
    ['a credential of the shop', { authorization }],
  ];
  for (const [how, headers, method, target] of strangers) {
    const told = await call(body, headers, method, target);
    expect([how, told.status, told.body]).toEqual([how, 401, '']);
    expect(Object.keys(told.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  }
});

test('guesses are bounded, each minute, whatever else the guesser says of its address', async () => {
  const { shop, call, about } = await openPage();
  const { authorization } = await shop.buy('/pass');
  const statuses = new Map<number, number>();
  for (let guess = 0; guess < 200; guess++) {
    const { status } = await call('token=x', { authorization: `Bearer ${guess}`, 'x-forwarded-for': `192.0.2.${guess}` });
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  expect([...statuses]).toEqual([
    [401, 60],
    [429, 140],
  ]);
  // Who may ask is answered in the middle of it.
  expect((await about(authorization)).active).toBe(true);
});

test('with the secret too, what was not made here is not told apart from what cannot be read', async () => {
  const { shop, call, letIn } = await openPage();
  const { macaroon, preimage } = await shop.buy('/pass');
  const answers = new Set<string>();
  const forged = [
    { ...macaroon, signature: macaroon.signature.with(0, (macaroon.signature[0] ?? 0) ^ 1) },
    { ...macaroon, caveats: macaroon.caveats.slice(1) },
    { ...macaroon, identifier: macaroon.identifier.with(40, 1) },
    { ...macaroon, identifier: macaroon.identifier.with(60, 1) },
  ];
  for (const text of [...forged.map((one) => `L402 ${Macaroon.format(one)}:${preimage}`), ...forged.map(Macaroon.format), 'nonsense', '::', 'L402 x:y']) {
    const { status, body } = await call(new URLSearchParams({ token: text }).toString(), letIn);
    answers.add(`${status} ${body}`);
  }
  expect([...answers]).toEqual(['200 {"active":false}\n']);
});

test('a token that was not paid for, is narrowed to nothing or was revoked is not said to be good', async () => {
  const { shop, about } = await openPage();
  const [bought, other] = [await shop.buy('/pass'), await shop.buy('/pass')];
  const bad = [
    bought.token,
    `L402 ${bought.token}:${other.preimage}`,
    `L402 ${bought.token}:${'00'.repeat(32)}`,
    narrowed(bought, 'valid_until=1'),
    narrowed(bought, 'services=other:0'),
    narrowed(bought, 'unheard=of'),
  ];
  for (const token of bad) expect([token.slice(0, 20), (await about(token)).active]).toEqual([token.slice(0, 20), false]);
  expect((await about(bought.authorization)).active).toBe(true);
  await shop.store.deny({ kind: 'payment', value: Buffer.from(bought.macaroon.identifier.subarray(2, 34)).toString('hex'), expiresAt: 2_000_000_000 });
  await new Promise((resolve) => setImmediate(resolve));
  expect((await about(bought.authorization)).active).toBe(false);
});

test('asking uses nothing up, makes no invoice and charges nothing; garbage does not reach the store', async () => {
  const { shop, about } = await openPage();
  const bought = await shop.buy(path);
  const before = await standing(shop);
  for (let times = 0; times < 5; times++) expect((await about(bought.authorization)).active).toBe(true);
  for (const text of ['garbage', `L402 ${bought.token.slice(4)}:${bought.preimage}`, bought.token]) await about(text);
  const after = await standing(shop);
  expect({ ...after, asked: after.asked.slice(before.asked.length) }).toEqual({ ...before, asked: Array(5).fill('claimState') });
  expect((await shop.get(path, auth(bought.authorization))).status).toBe(200);
});

test.each(names)('no page of the operator’s is behind the shop itself (%s)', async (name) => {
  const shop = await enter(name);
  const { authorization } = await shop.buy('/pass');
  for (const target of ['/introspect', '//introspect', '/introspect?token=x']) {
    const got = await shop.get(target, { method: 'POST', headers: { authorization: `Bearer ${secret}` }, body: `token=${encodeURIComponent(authorization)}` });
    expect([got.status >= 400, got.body.includes('active')]).toEqual([true, false]);
    if (name === 'gateway') expect(['ROUTE_UNKNOWN', 'REQUEST_MALFORMED']).toContain(codeOf(got));
  }
});
