import { afterEach, describe, expect, test } from 'vitest';
import { ask, type Closing, closeAll, openUpstream, valuesOf } from '../../test/gateway/harness.ts';
import * as Amount from '../core/Amount.ts';
import * as Challenge from '../core/Challenge.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Identifier from '../core/Identifier.ts';
import { toHex } from '../core/internal/bytes.ts';
import * as Macaroon from '../core/Macaroon.ts';
import { createSandboxNetwork } from '../lightning/sandbox.ts';
import { createRootKeys, fingerprintOf } from '../server/RootKeys.ts';
import { useKeyOf } from '../server/Verifier.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/Store.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { createConfig } from './Config.ts';
import { createGateway } from './Gateway.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const master = new Uint8Array(32).fill(7);
const secret = 'a-secret-of-services';
const now = 1_800_000_000;

/** A gateway that services may ask, and what a test does with it. `change`: other calls of its store. */
async function open(change: (store: Store) => Partial<Store> = () => ({})) {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const upstream = await openUpstream(closing);
  const memory = createMemoryStore({ clock });
  const asked: string[] = [];
  const store = new Proxy(
    { ...memory, ...change(memory) },
    {
      get: (target, name) => {
        asked.push(String(name));
        return Reflect.get(target, name);
      },
    },
  );
  const [config, keys] = [
    createConfig(
      {
        listen: '127.0.0.1:0',
        store: 'memory',
        introspection: { listen: '127.0.0.1:0', secret: 'unread' },
        services: [
          {
            name: 'api',
            upstream: `http://127.0.0.1:${upstream.port}`,
            capabilities: ['read', 'write'],
            routes: [
              { path: '/once', price: '50 sat' },
              { path: '/pass/*', methods: 'GET', price: '500 sat', terms: 'pass: 1h' },
              { path: '/free', free: true },
            ],
          },
          {
            name: 'bulk',
            upstream: `http://127.0.0.1:${upstream.port}`,
            bucket: { units: 10, price: '100 sat' },
            credit: { amount: '1000 sat' },
            routes: [
              { path: '/three', price: '30 sat', terms: 'bucket: 3' },
              { path: '/light', terms: 'bucket' },
              { path: '/heavy', terms: 'bucket', weight: 7 },
              { path: '/cheap', price: '10 sat', terms: 'credit' },
              { path: '/dear', price: '995 sat', terms: 'credit' },
            ],
          },
        ],
      },
      { environment: {} },
    ),
    createRootKeys({ masters: [{ key: new Uint8Array(32).fill(8), mintsFromAt: now + 5 }, { key: master }], network: 'sandbox', realm: 'main' }),
  ];
  let invoices = 0;
  const node = sandbox.receiver('seller');
  const createInvoice: typeof node.createInvoice = (...given) => {
    invoices++;
    return node.createInvoice(...given);
  };
  const receiver = { ...node, createInvoice };
  const introspection = { listen: { host: '127.0.0.1', port: 0 }, secret: { kind: 'text', text: secret } } as const;
  const gateway = await createGateway({ config: { ...config, introspection }, receiver, keys, store, clock });
  closing.push(() => sandbox.close(), memory.close, gateway.close);
  const { url, introspectionUrl = '' } = await gateway.listen();
  const port = Number(new URL(url).port);

  const buy = async (path: string) => {
    const refused = await ask(port, path);
    const [challenge] = Challenge.parse(valuesOf(refused.lines, 'www-authenticate'));
    const { token = '', invoice = '' } = challenge ?? {};
    const paid = await sandbox
      .payer('buyer', { openingMsat: Amount.parse('100000 sat') })
      .pay({ invoice, maxFeeMsat: Amount.parse('10 sat'), timeoutSeconds: 10 });
    if (paid.kind !== 'settled') throw new Error(paid.message);
    return { token, preimage: paid.preimage, credential: `L402 ${token}:${paid.preimage}`, ...Identifier.decode(Macaroon.parse(token).identifier) };
  };
  const call = (body: string | URLSearchParams, headers: { readonly [name: string]: string } = {}, method = 'POST') =>
    fetch(introspectionUrl, {
      method,
      ...(method === 'POST' && { body }),
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/x-www-form-urlencoded', ...headers },
    });
  const about = async (token: string, more: { readonly [name: string]: string } = {}) =>
    (await (await call(new URLSearchParams({ token, ...more }))).json()) as Readonly<Record<string, unknown>>;
  return { clock, store: memory, asked, port, introspectionUrl, buy, call, about, invoices: () => invoices, upstream };
}

const turns = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
};

describe('what is said of a credential', () => {
  test('of a pass: what it is good for and until when, in fields and in words, under the names of RFC 7662', async () => {
    const { buy, about } = await open();
    const { credential, tokenId, paymentHash } = await buy('/pass/a');
    expect(await about(credential)).toEqual({
      active: true,
      token_type: 'L402',
      exp: now + 600 + 3600,
      iat: now,
      jti: tokenId,
      aud: 'api',
      scope: 'read write',
      detail: 'Good for the service api: any number of requests, until 2027-01-15 09:10:00 UTC (in 1 hour).',
      allows: expect.arrayContaining([
        'for the service api',
        'on everything below /pass/',
        'until 2027-01-15 09:10:00 UTC (in 1 hour)',
        'for any number of requests',
      ]),
      tier: 0,
      terms: 'pass',
      amountMsat: '500000',
      price: '500 sat',
      paymentHash,
      key: fingerprintOf(master),
      paid: true,
      revoked: false,
    });
  });

  test('of one request: whether it is left, under way, or used', async () => {
    const { buy, about, port, store } = await open();
    const { credential, token, preimage } = await buy('/once');
    for (const form of [credential, `LSAT ${token}:${preimage}`, `${token}:${preimage}`]) {
      expect(await about(form)).toMatchObject({
        active: true,
        terms: 'per-request',
        left: '1',
        inUse: false,
        detail: expect.stringContaining('api: one request, until'),
      });
    }
    expect((await ask(port, '/once', { headers: ['Authorization', credential] })).status).toBe(200);
    expect(await about(credential)).toMatchObject({ active: false, code: 'CREDENTIAL_USED', left: '0' });
    const held = await buy('/once');
    const request = {
      key: useKeyOf(Macaroon.parse(held.token).identifier),
      request: 'ab',
      leaseSeconds: 30,
      expiresAt: now + 900,
      repeat: { limit: 2, withinSeconds: 600 },
    };
    await store.claim(request);
    expect(await about(held.credential)).toMatchObject({ active: true, left: '1', inUse: true, detail: expect.stringContaining('held by requests under way') });
  });

  test('of a bucket and a credit: how much is left, and whether that is enough for what is asked about', async () => {
    const { buy, about, port } = await open();
    const call = async (path: string, { credential }: { readonly credential: string }) =>
      (await ask(port, path, { headers: ['Authorization', credential] })).status;
    const [three, shared, credit] = [await buy('/three'), await buy('/light'), await buy('/cheap')];
    expect(await about(three.credential)).toMatchObject({ active: true, terms: 'bucket', left: '3', detail: expect.stringContaining('3 of what was sold') });
    for (let calls = 0; calls < 3; calls++) expect(await call('/three', three)).toBe(200);
    expect(await about(three.credential)).toMatchObject({ active: false, code: 'CREDENTIAL_USED', left: '0' });
    for (let calls = 0; calls < 4; calls++) expect(await call('/light', shared)).toBe(200);
    expect(await about(shared.credential)).toMatchObject({ active: true, left: '6' });
    expect(await about(shared.credential, { path: '/light' })).toMatchObject({ active: true, left: '6' });
    expect(await about(shared.credential, { path: '/heavy' })).toMatchObject({ active: false, code: 'CREDENTIAL_USED', left: '6' });
    expect(await about(shared.credential, { path: '/cheap' })).toMatchObject({ active: false, code: 'CREDENTIAL_WRONG_SERVICE' });
    expect(await about(credit.credential)).toMatchObject({ active: true, left: '1000 sat', detail: expect.stringContaining('1000 sat of credit') });
    expect(await call('/cheap', credit)).toBe(200);
    expect(await about(credit.credential, { path: '/cheap' })).toMatchObject({ active: true, left: '990 sat' });
    expect(await about(credit.credential, { path: '/dear' })).toMatchObject({ active: false, code: 'CREDENTIAL_USED' });
  });

  test('of a part that was handed on: what its holder allows, and no more', async () => {
    const { buy, about, port } = await open();
    const [credit, pass] = [await buy('/cheap'), await buy('/pass/a')];
    const part = ({ token, preimage }: typeof credit, ...caveats: readonly string[]) =>
      `L402 ${Macaroon.format(Macaroon.attenuate(Macaroon.parse(token), caveats))}:${preimage}`;
    const [helper, none] = [part(credit, 'part=a', 'max_sats=15'), part(credit, 'part=b', 'n_uses=0')];
    expect(await about(helper)).toMatchObject({ active: true, left: '15 sat' });
    expect((await ask(port, '/cheap', { headers: ['Authorization', helper] })).status).toBe(200);
    expect(await about(helper)).toMatchObject({ active: true, left: '5 sat' });
    expect(await about(helper, { path: '/cheap' })).toMatchObject({ active: false, code: 'CREDENTIAL_NARROWED' });
    expect(await about(none)).toMatchObject({ active: false, code: 'CREDENTIAL_NARROWED', left: '0' });
    expect(await about(part(pass, 'n_uses=2'))).toMatchObject({ active: true, terms: 'pass', left: '2' });
    expect(await about(part(pass, 'max_sats=499'))).toMatchObject({ active: false, code: 'CREDENTIAL_NARROWED' });
    expect(await about(pass.credential)).not.toHaveProperty('left');
  });

  test('why it is refused: unpaid, expired, narrowed, revoked', async () => {
    const { buy, about, clock, store } = await open();
    const { token, preimage, credential, paymentHash } = await buy('/pass/a');
    const other = await buy('/pass/a');
    expect(await about(token)).toMatchObject({ active: false, code: 'CREDENTIAL_UNPAID', paid: false });
    expect(await about(toHex(Macaroon.encode(Macaroon.parse(token))))).toMatchObject({ active: false, code: 'CREDENTIAL_UNPAID' });
    expect(await about(`L402 ${token}:${other.preimage}`)).toMatchObject({ active: false, code: 'CREDENTIAL_UNPAID' });
    const narrowed = (caveat: string) => `L402 ${Macaroon.format(Macaroon.attenuate(Macaroon.parse(token), [caveat]))}:${preimage}`;
    expect(await about(narrowed('path_prefix=/pass/b'))).toMatchObject({ active: true });
    expect(await about(narrowed(`valid_until=${now - 1}`))).toMatchObject({ active: false, code: 'CREDENTIAL_NARROWED' });
    expect(await about(narrowed('whatever=1'))).toMatchObject({ active: false, code: 'CREDENTIAL_NARROWED' });
    await store.deny({ kind: 'payment', value: paymentHash, expiresAt: now + 90_000 });
    await turns();
    expect(await about(credential)).toMatchObject({ active: false, code: 'CREDENTIAL_REVOKED', revoked: true, paid: true });
    expect(await about(token)).toMatchObject({ active: false, revoked: true });
    clock.advance(4201 * 1000);
    await turns();
    expect(await about(other.credential)).toMatchObject({ active: false, code: 'CREDENTIAL_EXPIRED', revoked: false });
  });

  test('about one request, it is what the gateway would say to it', async () => {
    const { buy, about } = await open();
    const { credential } = await buy('/pass/a');
    for (const [path, method, active, code] of [
      ['/pass/b/c', 'GET', true, undefined],
      ['/pass/b/c?x=1', 'HEAD', true, undefined],
      ['/pass/b', 'POST', false, 'ROUTE_UNKNOWN'],
      ['/once', 'GET', false, 'CREDENTIAL_WRONG_SERVICE'],
      ['/free', 'GET', false, 'ROUTE_UNKNOWN'],
      ['/nowhere', 'GET', false, 'ROUTE_UNKNOWN'],
    ] as const) {
      const { active: is, code: why } = await about(credential, { path, method });
      expect([path, is, why]).toEqual([path, active, code]);
    }
  });

  test('whatever is not ours has one answer, about any request', async () => {
    const { buy, call } = await open();
    const { token, preimage } = await buy('/pass/a');
    const macaroon = Macaroon.parse(token);
    const identifier = Uint8Array.from(macaroon.identifier);
    identifier.set([1, 2, 3, 4], 34);
    const forgeries = [
      Macaroon.format({ ...macaroon, signature: new Uint8Array(32) }),
      Macaroon.format({ ...macaroon, caveats: macaroon.caveats.slice(0, -1) }),
      Macaroon.format(Macaroon.mint(new Uint8Array(32).fill(9), macaroon.identifier, macaroon.caveats)),
      Macaroon.format(Macaroon.mint(new Uint8Array(32).fill(9), identifier, macaroon.caveats)),
      Macaroon.format(Macaroon.mint(new Uint8Array(32), new Uint8Array(5), [])),
    ];
    const all = [
      ...forgeries,
      ...forgeries.map((one) => `L402 ${one}:${preimage}`),
      'x',
      ':',
      `L402 ${token},${token}:${preimage}`,
      `L402 ${token}:ab`,
      'A'.repeat(9000),
      '02zz',
    ];
    for (const one of all) {
      for (const more of [{}, { path: '/pass/a' }, { path: '/nowhere' }]) {
        const answer = await call(new URLSearchParams({ token: one, ...more }));
        expect([one.slice(0, 40), answer.status, await answer.text()]).toEqual([one.slice(0, 40), 200, '{"active":false}\n']);
      }
    }
  });

  test('asking uses nothing up, makes no invoice, and repeats nothing secret', async () => {
    const { buy, call, asked, invoices, port } = await open();
    const { credential, token, preimage } = await buy('/once');
    asked.length = 0;
    const before = invoices();
    for (const form of [credential, token, `L402 ${token}:${preimage}`]) {
      const answer = await call(new URLSearchParams({ token: form, path: '/once' }));
      const text = JSON.stringify([[...answer.headers], await answer.text()]);
      for (const hidden of [secret, preimage, token.slice(0, 40), toHex(Macaroon.parse(token).signature)]) expect(text).not.toContain(hidden);
    }
    expect([new Set(asked), invoices()]).toEqual([new Set(['claimState']), before]);
    expect((await ask(port, '/once', { headers: ['Authorization', credential] })).status).toBe(200);
  });
});

describe('who may ask', () => {
  test('nobody without the secret: 401, whatever else is wrong, and it does not say what', async () => {
    const { call, introspectionUrl } = await open();
    const body = new URLSearchParams({ token: 'x' });
    for (const authorization of ['', 'Bearer', `Bearer ${secret}x`, `Bearer ${secret.slice(1)}`, `Basic ${secret}`, secret, `Bearer ${secret} ${secret}`]) {
      const answer = await call(body, { authorization });
      expect([authorization, answer.status, await answer.text()]).toEqual([authorization, 401, '']);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="farebox"/);
    }
    for (const [path, method] of [
      ['/', 'GET'],
      ['/introspect', 'GET'],
      ['/other', 'POST'],
    ] as const) {
      expect((await fetch(new URL(path, introspectionUrl), { method })).status).toBe(401);
    }
    expect((await call(body, { authorization: `bearer   ${secret}` })).status).toBe(200);
  });

  test('strangers are bounded, and keep nobody out who may', async () => {
    const { call } = await open();
    const statuses = [];
    for (let index = 0; index < 65; index++) statuses.push((await call('token=x', { authorization: 'Bearer guessed' })).status);
    expect(statuses).toEqual([...Array(60).fill(401), ...Array(5).fill(429)]);
    expect((await call('token=x')).status).toBe(200);
  });

  test('tokens that are none of ours are bounded, and ours are answered all the same', async () => {
    const { call, buy, about } = await open();
    const { credential } = await buy('/pass/a');
    for (let index = 0; index < 600; index += 50) await Promise.all(Array.from({ length: 50 }, () => call('token=x')));
    const answer = await call('token=x');
    expect([answer.status, Number(answer.headers.get('retry-after'))]).toEqual([429, 1]);
    expect(await about(credential)).toMatchObject({ active: true });
  });
});

describe('calls', () => {
  test('as a form or as JSON, with a plus that was not encoded', async () => {
    const { call, buy } = await open();
    let bought = await buy('/pass/a');
    while (!bought.token.includes('+')) bought = await buy('/pass/a');
    const forms: readonly (readonly [string, string])[] = [
      ['application/x-www-form-urlencoded', `token=${bought.credential}`],
      ['application/x-www-form-urlencoded; charset=utf-8', `token_type_hint=access_token&token=${encodeURIComponent(bought.credential)}`],
      ['application/json', JSON.stringify({ token: bought.credential, method: 'GET', path: '/pass/a', more: { x: 1 } })],
    ];
    for (const [type, body] of forms)
      expect([type, await (await call(body, { 'content-type': type })).json()]).toEqual([type, expect.objectContaining({ active: true })]);
  });

  test.each([
    ['no token', 'method=GET', undefined, 400],
    ['an empty one', 'token=', undefined, 400],
    ['two tokens', 'token=a&token=b', undefined, 400],
    ['another form', 'token=a', 'text/plain', 400],
    ['what is no JSON', '{', 'application/json', 400],
    ['a list', '["token"]', 'application/json', 400],
    ['a number', '{"token":1}', 'application/json', 400],
    ['a path that can be read in two ways', 'token=a&path=/a%252fb', undefined, 400],
    ['more than a token can need', `token=${'a'.repeat(20_000)}`, undefined, 413],
  ])('%s is refused', async (_, body, type, status) => {
    const { call } = await open();
    const answer = await call(body, type === undefined ? {} : { 'content-type': type });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([status, 'application/problem+json']);
  });

  test('another path or method is said to be one', async () => {
    const { call, introspectionUrl } = await open();
    const authorization = `Bearer ${secret}`;
    expect((await fetch(`${introspectionUrl}/x`, { method: 'POST', headers: { authorization } })).status).toBe(404);
    const get = await call('', {}, 'GET');
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
  });
});

test('where what was revoked or used cannot be found out, nothing is said to be good: 503', async () => {
  let isAway = false;
  const { call, buy, clock } = await open((store) => ({
    denials: (after) => (isAway ? Promise.reject(new FareboxError('STORE_UNAVAILABLE', 'gone')) : store.denials(after)),
    claimState: (key) => (isAway ? Promise.reject(new FareboxError('STORE_UNAVAILABLE', 'gone')) : store.claimState(key)),
  }));
  const [pass, once] = [await buy('/pass/a'), await buy('/once')];
  isAway = true;
  const of = async ({ credential }: { readonly credential: string }) => {
    const answer = await call(new URLSearchParams({ token: credential }));
    return [answer.status, answer.headers.get('retry-after')];
  };
  expect([await of(pass), await of(once)]).toEqual([
    [200, null],
    [503, '5'],
  ]);
  clock.advance(61_000);
  await turns();
  expect([await of(pass), await of(once)]).toEqual([
    [503, '5'],
    [503, '5'],
  ]);
});

test('a secret that could be guessed, or that is not there, keeps the gateway from starting', async () => {
  const config = createConfig({ services: [{ name: 'api', upstream: 'http://127.0.0.1:1', routes: [{ path: '/a', price: '1 sat' }] }] });
  const store = createMemoryStore();
  const start = (choice: object) =>
    createGateway({
      config: { ...config, introspection: { listen: { host: '127.0.0.1', port: 0 }, secret: choice as never } },
      receiver: createSandboxNetwork().receiver('seller'),
      keys: createRootKeys({ masters: [master], network: 'sandbox', realm: 'main' }),
      store,
    });
  await expect(start({ kind: 'text', text: 'fifteen letters' })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  await expect(start({ kind: 'file', path: '/nowhere/secret' })).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('ENOENT') });
});
