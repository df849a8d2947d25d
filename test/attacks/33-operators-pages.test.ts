/**
 * The operator's pages, reached by a stranger. There is one where services ask what a credential is good for: without its secret it says nothing, and with
 * it, nothing that would help to make a token or to guess one. And there is admin, which sees and changes a gateway: another origin, a name that resolves
 * here, a proxy on the same host, a token that was not made for it and a session that is not one's own do not reach it; tokens are not guessed, read on
 * their way, or used without a trace.
 */
import { rmSync } from 'node:fs';
import { request as send } from 'node:http';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { beginning, formatLine } from '../../src/admin/audit/Chain.ts';
import { createAdminClient, type Operation, operationsByName } from '../../src/admin/index.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import { createIntrospectionListener } from '../../src/gateway/Introspection.ts';
import { createRouter } from '../../src/gateway/Router.ts';
import { type House, openHouse, yaml } from '../admin/harness.ts';
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

/** A gateway whose admin listens. `ask` goes over a socket, with these headers and no others. */
async function openAdmin(text?: string) {
  const house = await openHouse(closing, text);
  const { listener } = house.admin;
  closing.push(() => listener.close(0));
  const { port } = await listener.listen('127.0.0.1', 0);
  const host = `127.0.0.1:${port}`;
  const ask = (target: string, headers: { readonly [name: string]: string | string[] } = {}, body?: object) =>
    new Promise<Told>((resolve, reject) => {
      const asked = { host, ...(body && { 'content-type': 'application/json' }), ...headers };
      const sent = send({ host: '127.0.0.1', port, path: target, method: body ? 'POST' : 'GET', headers: asked, agent: false, setHost: false }, (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
      });
      sent.on('error', reject);
      sent.end(body && JSON.stringify(body));
    });
  return { house, ask, host, port };
}

const dearer = { route: '/a', service: 'api', price: '1 sat' };

/** Nothing was changed, and nothing was written down. */
function expectNothing({ gateway, read }: House): void {
  expect(() => read('farebox.changes.yaml')).toThrow();
  expect(() => read('farebox.audit.jsonl')).toThrow();
  void gateway;
}

test('admin is not reached by a name that somebody else had resolve here, whatever token comes along', async () => {
  const { house, ask, port } = await openAdmin();
  const authorization = `Bearer ${house.token()}`;
  for (const host of [
    'evil.example',
    `evil.example:${port}`,
    `127.0.0.1.evil.example:${port}`,
    `localhost.:${port}`,

    '127.0.0.1',
    `127.0.0.1:${port + 1}`,
  ]) {
    const seen = await ask('/v1/routes/list', { host, authorization });
    expect([host, seen.status]).toEqual([host, 403]);
    const changed = await ask('/v1/routes/change', { host, authorization }, dearer);
    expect([host, changed.status, codeIn(changed)]).toEqual([host, 403, 'ADMIN_ORIGIN_REFUSED']);
  }
  expectNothing(house);
  expect((await ask('/v1/routes/list', { authorization })).status).toBe(200);
  expect((await ask('/v1/routes/list', { host: `localhost:${port}`, authorization })).status).toBe(200);
});

test('admin is not reached by a page of another origin: not with a session, a token, a simple request, nor where the browser says no origin', async () => {
  const { house, ask, host } = await openAdmin();
  const { cookie, proof } = await signIn(ask, house);
  const session = { cookie, 'x-farebox-session': proof };
  const elsewhere: readonly { readonly [name: string]: string }[] = [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: `http://${host}.evil.example` },
    { origin: `https://${host}` },
    { origin: 'http://127.0.0.1:3000' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
  ];
  for (const from of elsewhere) {
    for (const shown of [session, { authorization: `Bearer ${house.token()}` }]) {
      expect([from, (await ask('/v1/routes/change', { ...shown, ...from }, dearer)).status]).toEqual([from, 403]);
      const seen = await ask('/v1/routes/list', { ...shown, ...from });
      expect([from, seen.status]).toEqual([from, 403]);
      expect(Object.keys(seen.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
  }
  // What a form can send without being asked is no call.
  expect((await ask('/v1/routes/change', { ...session, 'content-type': 'text/plain' }, dearer)).status).toBe(400);
  expectNothing(house);
  expect((await ask('/v1/routes/list', { ...session, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' })).status).toBe(200);
});

test('admin is not reached through a proxy on the same host, by the marks that proxies leave, unless the configuration names it', async () => {
  const { house, ask } = await openAdmin();
  const authorization = `Bearer ${house.token()}`;
  const marks = [
    'x-forwarded-for',
    'x-forwarded-host',
    'x-forwarded-proto',
    'forwarded',
    'via',
    'x-real-ip',
    'x-original-url',
    'cf-connecting-ip',
    'x-envoy-internal',
  ];
  for (const mark of marks) {
    const seen = await ask('/v1/routes/list', { authorization, [mark]: '127.0.0.1' });
    expect([mark, seen.status, codeIn(seen)]).toEqual([mark, 403, 'ADMIN_ORIGIN_REFUSED']);
  }
  expectNothing(house);
  const named = 'admin: { listen: 127.0.0.1:8406, url: https://admin.example.com, proxies: [127.0.0.1] }';
  const { house: behind, ask: askBehind } = await openAdmin(behindProxy(named));
  const shown = { authorization: `Bearer ${behind.token()}`, host: 'admin.example.com', 'x-forwarded-for': '192.0.2.7' };
  expect((await askBehind('/v1/routes/list', shown)).status).toBe(200);
  expect((await askBehind('/v1/routes/list', { ...shown, origin: 'https://evil.example' })).status).toBe(403);
  const { ask: askOther, house: other } = await openAdmin(behindProxy(named.replace('[127.0.0.1]', '[192.0.2.1]')));
  expect((await askOther('/v1/routes/list', { ...shown, authorization: `Bearer ${other.token()}` })).status).toBe(403);
});

test('without a token of its own admin says nothing: being on this machine opens nothing, nor does what was sold, a changed token or one of other keys', async () => {
  const { house, ask } = await openAdmin();
  const shop = await enter('gateway');
  const { authorization: sold } = await shop.buy('/pass');
  const narrow = house.token({ scope: 'read', operations: ['health.show'] });
  const wide = Macaroon.parse(narrow);
  const widened = Macaroon.format({ ...wide, caveats: wide.caveats.map((caveat) => caveat.replace('scope=read', 'scope=admin')) });
  const shortened = Macaroon.format({ ...wide, caveats: wide.caveats.filter((caveat) => !caveat.startsWith('operation')) });
  const over = house.token({ expiresAt: 1_799_999_999 });
  const { house: stranger } = await openAdmin(behindProxy('admin: {}').replace('store: memory', 'store: memory\nrealm: tenant-2'));
  const shown: readonly (readonly [string, { readonly [name: string]: string }])[] = [
    ['nothing', {}],
    ['nothing to speak of', { authorization: 'Bearer x' }],
    ['what was sold', { authorization: sold }],
    ['its token alone', { authorization: `Bearer ${/L402 ([^:]+)/.exec(sold)?.[1]}` }],
    ['a widened token', { authorization: `Bearer ${widened}` }],
    ['one without a caveat', { authorization: `Bearer ${shortened}` }],
    ['one with a caveat that nobody knows', { authorization: `Bearer ${Macaroon.format(Macaroon.attenuate(wide, ['sees=all']))}` }],
    ['one that is over', { authorization: `Bearer ${over}` }],
    ['one of another realm', { authorization: `Bearer ${stranger.token()}` }],
    ['a link in place of a token', { authorization: `Bearer ${house.link()}` }],
    ['a token in a cookie', { cookie: `farebox_admin=${house.token()}` }],
  ];
  for (const [how, headers] of shown) {
    const seen = await ask('/v1/health/show', headers);
    expect([how, seen.status, codeIn(seen)]).toEqual([how, 401, 'ADMIN_UNAUTHORIZED']);
    expect([how, (await ask('/v1/routes/change', headers, dearer)).status]).toEqual([how, 401]);
  }
  expect((await ask('/v1/health/show', { authorization: `Bearer ${narrow}` })).status).toBe(200);
  expect(codeIn(await ask('/v1/routes/list', { authorization: `Bearer ${narrow}` }))).toBe('ADMIN_FORBIDDEN');
  expect(codeIn(await ask('/v1/routes/change', { authorization: `Bearer ${house.token({ scope: 'read' })}` }, dearer))).toBe('ADMIN_FORBIDDEN');
  expectNothing(house);
});

test('wrong tokens and links are bounded for each address, whatever it says of itself, and who shows a good one is answered in the middle of it', async () => {
  const { house, ask } = await openAdmin();
  const statuses = new Map<number, number>();
  let told: Told | undefined;
  for (let guess = 0; guess < 100; guess++) {
    told = guess % 2 === 0 ? await ask('/v1/health/show', { authorization: `Bearer ${guess}` }) : await ask('/v1/session', {}, { link: `${guess}` });
    statuses.set(told.status, (statuses.get(told.status) ?? 0) + 1);
  }
  expect([...statuses]).toEqual([
    [401, 60],
    [429, 40],
  ]);
  expect([codeIn(told as Told), told?.headers['retry-after']]).toEqual(['RATE_LIMITED', '1']);
  expect((await ask('/v1/health/show', { authorization: `Bearer ${house.token()}` })).status).toBe(200);
  house.clock.advance(1000);
  expect((await ask('/v1/health/show', { authorization: 'Bearer x' })).status).toBe(401);
});

test('whoever takes the audit log away, or puts one of his own there, does not make what was done undone: it is missed, also when somebody has gone on', async () => {
  const file = 'farebox.audit.jsonl';
  const house = await openHouse(closing);
  const call = (name: string, input: object) => house.client().call(operationsByName.get(name) as Operation, input);
  const end = () => /"hash":"([0-9a-f]{64})"\}\n$/.exec(house.read(file))?.[1];
  await call('routes.change', dearer);
  const first = end();
  rmSync(join(house.folder, file));
  expect(await call('audit.verify', {})).toMatchObject({ ok: false, anchor: 'missing' });
  await call('routes.change', { ...dearer, price: '2 sat' });
  expect(await call('audit.verify', {})).toMatchObject({ ok: false, anchor: 'matches', lost: [{ hash: first }] });
  expect(await call('audit.verify', { lost: [first] })).toMatchObject({ ok: true });
  const second = end();
  const { line } = formatLine({ seq: 1, log: '0f'.repeat(16), previous: beginning, at: 1_800_000_000, phase: 'done', of: 1 });
  house.write(file, `${line}\n`);
  expect(await call('audit.verify', {})).toMatchObject({ ok: false, anchor: 'missing' });
  await call('routes.change', { ...dearer, price: '3 sat' });
  expect(await call('audit.verify', {})).toMatchObject({ ok: false, anchor: 'matches', lost: [{ hash: second }] });
});

test('no token goes where somebody on the way could read it', async () => {
  const { house } = await openAdmin();
  const sent: string[] = [];
  const fetch = async (request: Request) => {
    sent.push(request.url);
    return Response.json({});
  };
  const call = async (url: string) => createAdminClient({ url, token: house.token(), fetch }).call(operationsByName.get('health.show') as Operation, {});
  for (const url of ['http://192.0.2.7:8406', 'http://admin.example.com', 'http://localhost.example.com', 'http://127.0.0.1.example.com'])
    await expect(call(url)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  expect(sent).toEqual([]);
  for (const url of ['https://admin.example.com', 'http://127.0.0.1:8406', 'http://[::1]:8406']) await call(url);
  expect(sent).toHaveLength(3);
});

test('a sign-in link is good once and for ten minutes, and a session ends: unused for an hour, after twelve, and when it is ended', async () => {
  const { house, ask } = await openAdmin();
  const link = house.link();
  expect((await ask('/v1/session', {}, { link })).status).toBe(200);
  expect((await ask('/v1/session', {}, { link })).status).toBe(401);
  const late = house.link();
  house.clock.advance(600_000);
  expect((await ask('/v1/session', {}, { link: late })).status).toBe(401);

  const { cookie, proof } = await signIn(ask, house);
  const session = { cookie, 'x-farebox-session': proof };
  // Cookies of this machine go to every port of it: whoever got one there has not what the page was told.
  expect((await ask('/v1/access/show', { cookie })).status).toBe(401);
  const { proof: another } = await signIn(ask, house);
  expect((await ask('/v1/access/show', { cookie, 'x-farebox-session': another })).status).toBe(401);
  expect((await ask('/v1/access/show', session)).status).toBe(200);
  house.clock.advance(3_600_000);
  expect((await ask('/v1/access/show', session)).status).toBe(401);

  const long = await signIn(ask, house);
  let renewed = long.cookie;
  for (let hour = 0; hour < 13; hour++) {
    house.clock.advance(3_500_000);
    const seen = await ask('/v1/access/show', { cookie: renewed, 'x-farebox-session': long.proof });
    expect([hour, seen.status]).toEqual([hour, hour < 12 ? 200 : 401]);
    renewed = /farebox_admin=[^;]*/.exec(String(seen.headers['set-cookie']))?.[0] ?? renewed;
  }

  const ended = await signIn(ask, house);
  const shown = { cookie: ended.cookie, 'x-farebox-session': ended.proof };
  expect((await ask('/v1/session/end', shown, {})).status).toBe(200);
  expect((await ask('/v1/access/show', shown)).status).toBe(401);
});

async function signIn(ask: Awaited<ReturnType<typeof openAdmin>>['ask'], house: House): Promise<{ readonly cookie: string; readonly proof: string }> {
  const { headers, body } = await ask('/v1/session', {}, { link: house.link() });
  const [line = ''] = headers['set-cookie'] as readonly string[];
  expect(line).toMatch(/; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/);
  return { cookie: line.split(';', 1)[0] as string, proof: (JSON.parse(body) as { readonly proof: string }).proof };
}

function codeIn({ body }: Told): unknown {
  return (JSON.parse(body) as { readonly code?: unknown }).code;
}

function behindProxy(admin: string): string {
  return yaml.replace('admin: { listen: 127.0.0.1:8406 }', admin);
}
