/**
 * Secrets in logs, events, errors, answers, URLs, the ledger and the files that a seller keeps: preimages, what signs a token and what it is
 * signed with, the sandbox's token, and what clients put in a query. Sales, failures, crashes and malformed input are driven through the
 * gateway, both adapters, the client and the command line, and everything that was written, told or thrown is searched.
 *
 * The buyer's own store holds what was bought, and is its owner's alone; `farebox get --credential` prints what it is asked for.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format } from 'node:util';
import { serve } from '@hono/node-server';
import express from 'express';
import { Hono } from 'hono';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { paywall as expressPaywall, principalOf as expressPrincipal } from '../../src/adapters/express.ts';
import { paywall as honoPaywall, principalOf as honoPrincipal } from '../../src/adapters/hono.ts';
import { registerGet } from '../../src/cli/buy/get.ts';
import { registerCheck } from '../../src/cli/check.ts';
import { registerKeys } from '../../src/cli/keys.ts';
import { registerRevoke } from '../../src/cli/revoke.ts';
import { registerSales } from '../../src/cli/sales.ts';
import { registerSandbox } from '../../src/cli/sandbox.ts';
import { type Logs, openLogs } from '../../src/cli/serve/Logs.ts';
import { registerServe } from '../../src/cli/serve.ts';
import { registerToken } from '../../src/cli/token.ts';
import { createSqliteClientStore } from '../../src/client/sqlite.ts';
import { FareboxError } from '../../src/core/Errors.ts';
import { fromHex, toHex } from '../../src/core/internal/bytes.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import * as Preimage from '../../src/core/Preimage.ts';
import { explain, type LogsConfig, parseConfig, toJson } from '../../src/gateway/index.ts';
import * as KeyText from '../../src/gateway/KeyText.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import type { Store } from '../../src/store/Store.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { answer } from '../../src/testing/LyingServer.ts';
import { openShop as openBuyer } from '../../src/testing/Shop.ts';
import { createFake, type Fake } from '../cli/fakeContext.ts';
import { sell } from '../cli/soldToken.ts';
import { type Bought, credential, type Got, type Shop } from '../conformance/shop/shop.ts';
import { type Closing, closeAll, openUpstream, portOf } from '../gateway/harness.ts';
import { leaks, printings, type Secret, type Trace, traceOf } from './secrets.ts';
import { spoilt } from './spoilt.ts';
import { auth, enter, names, narrowed, path } from './thief.ts';
import { testWatchers } from './watchers.ts';

const closing: Closing = [];
let folder: string;
let traces: Trace[];
const note = (where: string, value: unknown) => void traces.push(traceOf(where, value));
const textAt = (wanted: string) => traces.map(({ where, text }) => (where === wanted ? text : '')).join('');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'farebox-secrets-'));
  traces = [];
  for (const method of ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir'] as const) {
    vi.spyOn(console, method).mockImplementation((...given: unknown[]) => note(`console.${method}`, format(...given)));
  }
  for (const stream of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      note(stream, text);
      return true;
    });
  }
});
afterEach(async () => {
  vi.restoreAllMocks();
  await closeAll(closing);
  rmSync(folder, { recursive: true, force: true });
});

const digest = (text: string) => new Uint8Array(createHash('sha256').update(text).digest());
const textOf = (text: string) => new TextEncoder().encode(text);
const master = digest('a master key');
const keys = createRootKeys({ masters: [master, digest('the one before')], network: 'sandbox', realm: 'test' });
/** What a client puts in a query, where it belongs to nobody else. */
const ofQuery = toHex(digest('an API key'));

const passphrase = 'correct horse battery staple';

/** All that would let somebody else spend, or make, this credential. */
function secretsOf({ macaroon, preimage }: Pick<Bought, 'macaroon' | 'preimage'>): readonly Secret[] {
  const rootKey = keys.derive(keys.mintingAt(0), macaroon.identifier);
  return [
    { name: 'a preimage', bytes: fromHex(preimage) as Uint8Array },
    { name: 'a signature', bytes: macaroon.signature },
    ...(rootKey ? [{ name: 'a root key', bytes: rootKey }] : []),
  ];
}

const ofSeller: readonly Secret[] = [
  { name: 'the master key', bytes: master },
  { name: 'the master key before', bytes: digest('the one before') },
  { name: 'what stood in a query', bytes: textOf(ofQuery) },
  { name: 'what stood in a query, as bytes', bytes: fromHex(ofQuery) as Uint8Array },
];

/** Notes an answer. A challenge is a new token for whoever reads it: that one is not searched for, and everything else in the answer is. */
function noteAnswer(what: string, got: Pick<Got, 'status' | 'headers' | 'body' | 'lines'>): void {
  const own = got.status === 402 ? /macaroon="([^"]+)"/.exec(got.lines.join())?.[1] : undefined;
  const shown = traceOf(`the answer to ${what}`, { ...got });
  traces.push(own === undefined ? shown : { ...shown, text: shown.text.replaceAll(own, '(its own token)') });
}

/** Files that SQLite has written under this name. */
function noteDatabase(where: string, file: string): void {
  for (const name of [file, `${file}-wal`, `${file}-journal`]) if (existsSync(name)) note(where, new Uint8Array(readFileSync(name)));
}

/** A store that can be made to break as a careless driver does: by throwing what it was asked. */
function breakable(store: Store, isDown: (method: string) => boolean): Store {
  return new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...given: unknown[]) => {
        if (isDown(String(name)))
          return Promise.reject(
            new Error(`cannot ${String(name)} ${JSON.stringify(given, (_, one: unknown) => (typeof one === 'bigint' ? String(one) : one))}`),
          );
        return value.apply(target, given) as unknown;
      };
    },
  });
}

/** What goes wrong behind a paywall, and is done to it. The answer is the hash of a payment, which may be said. */
async function trouble(shop: Shop, secrets: Secret[], store: Store, setDown: (method: string) => void): Promise<string> {
  const buy = async (where = path, ask = {}): Promise<Bought> => {
    const bought = await shop.buy(where, ask);
    secrets.push(...secretsOf(bought));
    return bought;
  };
  const send = async (what: string, where: string, ask: Parameters<Shop['get']>[1]) => noteAnswer(what, await shop.get(where, ask));
  const [mine, other] = [await buy(), await buy()];
  for (const [what, headers] of spoilt(mine, other)) await send(what, path, { headers });
  secrets.push({ name: 'the signature of a narrowed token', bytes: Macaroon.attenuate(mine.macaroon, [mine.preimage]).signature });
  await send('a credential in the query', `${path}&l402=${encodeURIComponent(mine.authorization)}&api_key=${ofQuery}`, {});
  await send('a good one', `${path}&api_key=${ofQuery}`, auth(mine.authorization));
  await send('the same again', path, auth(mine.authorization));
  await send('a path of another', '/vault', auth(other.authorization));
  for (const what of ['status-500', 'status-404', 'reset', 'break']) {
    const { authorization } = await buy(`${path}&do=${what}`);
    const answered = shop.get(`${path}&do=${what}`, auth(authorization)).then(
      (got) => noteAnswer(what, got),
      (error: unknown) => note(what, error),
    );
    if (what === 'break') await shop.ended('charged', 2);
    shop.upstream.release();
    await answered;
  }
  await send('a dead upstream', '/dead', auth((await buy('/dead')).authorization));
  await send('a pass', '/pass', auth((await buy('/pass')).authorization));
  const left = await buy(`${path}&do=hold`);
  await shop.leave(`${path}&do=hold`, auth(left.authorization), 'seen');
  shop.upstream.release();
  const down = await buy();
  for (const method of ['claim', 'commit']) {
    setDown(method);
    await send(`a ${method} that fails`, path, auth(down.authorization));
  }
  setDown('the node');
  await send('a node that fails', path, {});
  setDown('');
  await store.deny({
    kind: 'payment',
    value: other.macaroon.identifier.length > 0 ? toHex(other.macaroon.identifier.slice(2, 34)) : '',
    expiresAt: 2_000_000_000,
  });
  shop.clock.advance(1000);
  await send('a token that was revoked', path, auth(other.authorization));
  note('the ledger', await store.ledger({ after: 0, limit: 1000 }));
  return Preimage.hash(mine.preimage);
}

describe.each(names)('a seller behind %s', (name) => {
  test('says nothing that could be spent, whatever happens', async () => {
    const file = join(folder, 'gateway.db');
    const own = await createSqliteStore({ path: file, clock: FixedClock.create() });
    let down = '';
    const store = breakable(own, (method) => method === down);
    const secrets: Secret[] = [...ofSeller];
    const shop = await enter(
      name,
      { keys },
      {
        store,
        log: (outcome) => note('the log', outcome),
        receiver: (node) => ({
          ...node,
          createInvoice: (...given) =>
            down === 'the node' ? Promise.reject(new Error(`cannot invoice ${JSON.stringify(given[0].description)}`)) : node.createInvoice(...given),
        }),
      },
    );
    shop.paywall.events.on((event) => note('an event', event));
    shop.paywall.events.on(() => {
      throw new Error('a listener that breaks');
    });
    const paymentHash = await trouble(shop, secrets, own, (method) => {
      down = method;
    });
    note('the paywall', shop.paywall);
    note('the keys', keys);
    // What was told to the upstream holds the query, which belongs to it.
    const seen = traceOf(
      'the upstream',
      shop.upstream.seen.filter(({ url }) => !url.includes('api_key')),
    );
    noteDatabase('the store', file);
    expect(leaks([...traces, seen], secrets)).toEqual([]);
    // Enough was said, and all of it was searched.
    const told = ['the answer to a good one', 'an event', 'the ledger', 'the paywall', 'the keys', ...(name === 'gateway' ? ['the log'] : [])];
    for (const where of told) expect([where, textAt(where).length > 20]).toEqual([where, true]);
    expect(textAt('the store')).toContain(paymentHash);
  });
});

describe('the logs of a gateway', () => {
  test('hold nothing of what requests brought along, in any format', async () => {
    const file = join(folder, 'access.log');
    const pipe = createFake(() => {}, { interactive: false });
    const person = createFake(() => {}, { interactive: true });
    closing.push(pipe.remove, person.remove);
    const config: LogsConfig = { format: undefined, level: 'debug', access: true, requestIds: true };
    const all: Logs[] = [];
    for (const [fake, access] of [[pipe, true] as const, [person, true] as const, [pipe, { path: file }] as const])
      all.push(await openLogs(fake.context.terminal, { ...config, access }));
    const secrets: Secret[] = [...ofSeller];
    let broken = '';
    const shop = await enter(
      'gateway',
      { keys },
      {
        // What breaks says everything that it knows.
        log: (outcome) => {
          for (const logs of all) logs.request({ ...outcome, error: new Error(broken) });
        },
        gateway: { logs: {} },
      },
    );
    shop.paywall.events.on((event) => {
      for (const logs of all) logs.event(event);
    });
    const mine = await shop.buy(path);
    secrets.push(...secretsOf(mine));
    broken = `cannot send ${mine.authorization} to ?api_key=${ofQuery}`;
    const headers = {
      authorization: mine.authorization,
      cookie: `l402=${mine.token}:${mine.preimage}`,
      'x-request-id': `${mine.token}:${mine.preimage}`.slice(0, 120),
    };
    for (const what of ['', '&do=status-500', '&do=status-404']) await shop.get(`${path}${what}&api_key=${ofQuery}`, { headers });
    for (const [, spoiltHeaders] of spoilt(mine, await shop.buy(path))) await shop.get(`${path}&api_key=${ofQuery}`, { headers: spoiltHeaders });
    for (const logs of all) await logs.close();
    note('standard output', pipe.out() + person.out());
    note('standard error', pipe.notes() + person.notes());
    note('the access log', readFileSync(file, 'utf8'));
    expect(leaks(traces, secrets)).toEqual([]);
    const lines = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly [name: string]: unknown });
    expect(lines.length).toBeGreaterThan(20);
    // Who paid, and what for, is there all the same.
    expect(lines).toContainEqual(
      expect.objectContaining({ status: 200, payment: 'charged', token: toHex(mine.macaroon.identifier.slice(34)).slice(0, 8), error: 'Error' }),
    );
  });
});

testWatchers(closing);

describe('handlers that crash behind a paywall', () => {
  const crashes = ['throws', 'rejects', 'destroys', 'half', 'forgets'] as const;

  test.each(['express', 'hono'] as const)('%s says what crashed, and not what was paid with', async (name) => {
    const shop = await enter(name, { keys });
    shop.paywall.events.on((event) => note('an event', event));
    const { server, url } = name === 'express' ? await openExpress(shop) : await openHono(shop);
    closing.push(() => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    const secrets: Secret[] = [...ofSeller];
    for (const crash of crashes) {
      const unpaid = await fetch(`${url}/${crash}`);
      const { invoice, macaroon } = (await unpaid.json()) as { invoice: string; macaroon: string };
      const paid = await shop.sandbox.payer('buyer').pay({ invoice, maxFeeMsat: 10_000n as never, timeoutSeconds: 5 });
      if (paid.kind !== 'settled') throw new Error('not paid');
      const bought = credential(macaroon, paid.preimage);
      secrets.push(...secretsOf(bought));
      const got = await fetch(`${url}/${crash}`, { headers: { authorization: bought.authorization } }).then(
        async (response) => ({ status: response.status, headers: [...response.headers], body: await response.text().catch(String) }),
        (error: unknown) => error,
      );
      note(`the answer of a handler that ${crash}`, got);
    }
    expect(traces.filter(({ where }) => where.startsWith('console.')).length).toBeGreaterThan(0);
    expect(leaks(traces, secrets)).toEqual([]);
  });

  async function openExpress({ paywall, clock }: Shop): Promise<{ server: Server; url: string }> {
    const app = express();
    // As on a developer's machine: the stack goes into the answer and onto the console.
    app.set('env', 'development');
    for (const crash of crashes) {
      app.get(`/${crash}`, expressPaywall(paywall, { price: '50 sat', clock }), (request, response): unknown => {
        note('the principal', expressPrincipal(request));
        if (crash === 'throws') throw new Error('the handler threw');
        if (crash === 'rejects') return Promise.reject(new Error('the handler rejected'));
        if (crash === 'half') {
          response.write('half');
          throw new Error('the handler threw in the midst');
        }
        if (crash === 'destroys') return response.destroy(new Error('the handler destroyed'));
        return response.status(999_999).end();
      });
    }
    const server = createServer(app);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { server, url: `http://127.0.0.1:${portOf(server)}` };
  }

  async function openHono({ paywall }: Shop): Promise<{ server: Server; url: string }> {
    const app = new Hono();
    for (const crash of crashes) {
      app.get(`/${crash}`, honoPaywall(paywall, { price: '50 sat' }), (context) => {
        note('the principal', honoPrincipal(context));
        if (crash === 'half') return new Response(new ReadableStream({ pull: (stream) => stream.error(new Error('the handler threw in the midst')) }));
        if (crash === 'forgets') return undefined as never;
        if (crash === 'rejects') return Promise.reject(new Error('the handler rejected'));
        throw new Error('the handler threw');
      });
    }
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server;
    if (!server.listening) await new Promise<void>((resolve) => server.once('listening', resolve));
    return { server, url: `http://127.0.0.1:${portOf(server)}` };
  }
});

describe('a buyer', () => {
  test('tells and throws nothing that could be spent, whatever happens', async () => {
    const file = join(folder, 'client.db');
    const store = createSqliteClientStore({ path: file });
    const shop = await openBuyer({ store, maxTotal: '2000 sat', onEvent: (event) => note('an event', event) });
    closing.push(shop.close, () => store.close());
    const { server, payer } = shop;
    let count = 0;
    const call = async (what: string) => {
      // Each to a place of its own: what was bought before is good for none of them.
      await shop.fetch(`${server.origin}/v1/${++count}?api_key=${ofQuery}`).then(
        async (response) => note(`the answer to ${what}`, [response.status, response.url.split('?')[0], [...response.headers], await response.text()]),
        (error: unknown) => note(`the error of ${what}`, error),
      );
    };
    await call('a purchase');
    server.handle((request, response) => server.challenge(response, undefined, { headers: { 'X-Echo': request.paid === undefined ? 'none' : 'paid' } }));
    await call('a server that takes the money and asks again');
    server.handle((request, response) => (request.paid ? answer(response, 500, {}, { error: 'broken' }) : server.challenge(response)));
    await call('a server that fails');
    server.handle((request, response) => (request.paid ? void response.destroy() : server.challenge(response)));
    await call('a connection that breaks');
    server.handle((request, response) =>
      request.paid ? answer(response, 401, { 'WWW-Authenticate': 'L402 error="CREDENTIAL_TAMPERED"' }) : server.challenge(response),
    );
    await call('a server that refuses');
    server.handle((request, response) => (request.paid ? answer(response, 302, { Location: 'http://user:secret@127.0.0.1/' }) : server.challenge(response)));
    await call('a redirect to nowhere');
    server.handle((request, response) => (request.paid ? answer(response) : server.challenge(response)));
    for (const script of [
      { kind: 'fail', reason: 'no-route' },
      { kind: 'unknown', became: 'pending' },
      { kind: 'unproven', preimage: server.preimageOf(payer.paid[0]?.paymentHash as never) ?? '' },
      { kind: 'throw' },
    ] as const) {
      payer.script(script);
      await call(`a wallet that says ${script.kind}`);
    }
    payer.script({ kind: 'settle' });
    server.handle(
      (_, response) => void response.writeHead(402, { 'WWW-Authenticate': `L402 macaroon="${server.offer().token}", macaroon="b", invoice="lnbc1"` }).end(),
    );
    await call('a challenge that cannot be read');
    server.handle((_, response) => server.challenge(response, server.offer({ amountMsat: 900_000n as never })));
    await call('a price over the limit');
    server.handle((request, response) => (request.paid ? answer(response) : server.challenge(response)));
    const pay = payer.pay;
    Object.assign(payer, {
      pay: async (...given: Parameters<typeof pay>) => {
        const outcome = await pay(...given);
        await store.close();
        return outcome;
      },
    });
    await call('a store that goes away after the payment');
    note('the client', shop.fetch);
    const again = createSqliteClientStore({ path: file });
    closing.push(() => again.close());
    const secrets: Secret[] = [...ofSeller];
    for (const { paymentHash, token } of await again.list())
      secrets.push(...secretsOf({ macaroon: Macaroon.parse(token), preimage: server.preimageOf(paymentHash) as never }));
    expect(secrets.length).toBeGreaterThan(20);
    expect(traces.filter(({ where }) => where.startsWith('the error of')).length).toBeGreaterThan(9);
    expect(leaks(traces, secrets)).toEqual([]);
    const urls = traceOf(
      'a URL',
      server.requests.map((request) => request.url.replace(ofQuery, '')),
    );
    expect(leaks([urls], secrets)).toEqual([]);
    // The same search finds what the store hands out to its owner. On disk it is sealed, and nobody else can read that.
    const owned = traceOf('the open store', (await again.list()).map(({ token, preimage }) => `${token} ${preimage}`).join('\n'));
    expect(leaks([owned], secrets)).toEqual(expect.arrayContaining(['the open store: a preimage', 'the open store: a signature']));
    const kept: Trace[] = [];
    for (const name of [file, `${file}-wal`]) if (existsSync(name)) kept.push(traceOf('the client store', new Uint8Array(readFileSync(name))));
    expect(leaks(kept, secrets)).toEqual([]);
    expect(statSync(file).mode & 0o077).toBe(0);
  });
});

describe('the command line', () => {
  test('prints no secret unless it is asked for it', async () => {
    const upstream = await openUpstream(closing, (request, response) => response.writeHead(request.url?.startsWith('/broken') ? 500 : 200).end('ok'));
    const first = createFake(registerServe);
    closing.push(first.remove);
    const environment = { FAREBOX_HOME: first.home.folder };
    const fakes: Fake[] = [first];
    const run = async (register: Parameters<typeof createFake>[0], args: readonly string[], input = '') => {
      const fake = createFake(register, { environment, input, interactive: !args.includes('--json') });
      closing.push(fake.remove);
      fakes.push(fake);
      await fake.run(...args).catch((error: unknown) => note(`the error of ${args[0]}`, error));
      return fake;
    };
    const serving = first.run('serve', `http://127.0.0.1:${upstream.port}`, '--price', '10 sat', '--listen', '127.0.0.1:0');
    await first.seen('farebox listens on');
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(first.out())?.[0] ?? '';
    const ask = (route: string) => `${url}/${route}?api_key=${ofQuery}`;
    await run(registerGet, ['get', ask('a'), '--max', '20 sat', '--verbose']);
    await run(registerGet, ['get', ask('b'), '--max', '20 sat', '--json']);
    await run(registerGet, ['get', ask('c'), '--max', '20 sat', '--include']);
    await run(registerGet, ['get', ask('d')]);
    await run(registerGet, ['get', ask('broken'), '--max', '20 sat', '--verbose']);
    const bought = (await run(registerGet, ['get', ask('e'), '--max', '20 sat', '--credential'])).out().trim();
    fakes.pop();
    expect(bought).toMatch(/^L402 /);
    await run(registerGet, ['get', ask('e'), '-H', `Authorization: ${bought}x`]);
    const [, token = '', preimage = ''] = /^L402 ([^:]+):([0-9a-f]{64})$/.exec(bought) ?? [];
    await run(registerToken, ['token', 'inspect', bought]);
    await run(registerToken, ['token', 'inspect', '--json', narrowed(credential(token, preimage as never), `preimage=${preimage}`)]);
    await run(registerToken, ['token', 'inspect', `${bought}zz`]);
    await run(registerToken, ['token', 'inspect'], bought);
    await run(registerToken, ['token', 'attenuate', bought, '--nonsense', preimage]);
    await run(registerKeys, ['keys', 'list']);
    await run(registerKeys, ['keys', 'new', '--json']);
    await run(registerSandbox, ['sandbox', 'status']);
    await run(registerSales, ['sales', '--once']);
    await run(registerSales, ['sales', '--json']);
    await run(registerCheck, ['check', '--config', first.home.keyFile]);
    const { token: sandboxToken } = JSON.parse(readFileSync(first.home.sandboxAddress, 'utf8')) as { token: string };
    const secrets = secretsAtHome(first, bought, sandboxToken);
    first.stop();
    await serving;
    noteDatabase('the gateway’s store', first.home.gatewayStore);
    for (const [index, fake] of fakes.entries()) note(`standard output of command ${index}`, fake.out());
    for (const [index, fake] of fakes.entries()) note(`standard error of command ${index}`, fake.notes());
    const store = createSqliteClientStore({ path: first.home.clientStore('sandbox') });
    closing.push(() => store.close());
    for (const payment of await store.list()) secrets.push(...secretsOf({ macaroon: Macaroon.parse(payment.token), preimage: payment.preimage as never }));
    const clientStore = first.home.clientStore('sandbox');
    for (const file of [clientStore, `${clientStore}-wal`])
      note(`the bytes of ${file.slice(first.home.folder.length + 1)}`, readFileSync(file).toString('latin1'));
    // Three commands have bought, and said so.
    expect(
      fakes
        .map((fake) => fake.notes())
        .join()
        .match(/paid 10 sat/g)?.length,
    ).toBeGreaterThanOrEqual(3);
    expect(secrets.length).toBeGreaterThan(15);
    expect(leaks(traces, secrets)).toEqual([]);
    for (const file of [first.home.keyFile, clientStore, `${clientStore}.key`]) expect(statSync(file).mode & 0o077).toBe(0);
  });

  test('shows no key of an upstream, of one or of several, where a configuration is explained', () => {
    const secret = 'the key of a certificate';
    const upstream = { url: 'https://a', certificate: 'me.pem', key: ['$', '{KEY}'].join('') };
    for (const where of [{ upstream }, { upstreams: [upstream, 'http://b'] }]) {
      const text = JSON.stringify({ services: [{ name: 'api', ...where, routes: [{ path: '/a', price: '1 sat' }] }] });
      const config = parseConfig(text, { environment: { KEY: secret }, folder });
      const { upstream: one, group } = config.routes[0] ?? {};
      expect(JSON.stringify([one, group])).toContain(secret);
      expect(JSON.stringify(toJson(config)) + explain(config)).not.toContain(secret);
    }
  });

  test('shows no key, passphrase or preimage when keys are exchanged and sealed, and tokens revoked', async () => {
    const home = join(folder, 'home');
    const opened = { FAREBOX_PASSPHRASE: passphrase };
    const fakes: Fake[] = [];
    const run = async (register: Parameters<typeof createFake>[0], args: readonly string[], input = '', environment: { [name: string]: string } = {}) => {
      const fake = createFake(register, { environment: { FAREBOX_HOME: home, ...environment }, input, interactive: !args.includes('--json') });
      closing.push(fake.remove);
      fakes.push(fake);
      await fake.run(...args).catch((error: unknown) => note(`the error of ${args.join(' ')}`, error));
      return fake;
    };
    const { keyFile, gatewayStore } = (await run(registerKeys, ['keys', 'new'])).home;
    const [first] = KeyText.parse(readFileSync(keyFile, 'utf8'), 'the keys');
    const { token, preimage } = sell(first.key, { mintedAt: 1_799_999_000 });
    const bought = `L402 ${token}:${preimage}`;
    await (await createSqliteStore({ path: gatewayStore })).close();
    await run(registerKeys, ['keys', 'rotate', '--json']);
    await run(registerRevoke, ['revoke', '--token', '-', '--dry-run'], bought);
    await run(registerRevoke, ['revoke', '--token', bought, '--json', '--yes']);
    await run(registerRevoke, ['revoke', '--token', '-', '--json', '--yes'], `${bought}zz`);
    await run(registerRevoke, ['revoke', 'list']);
    const spoilt = join(folder, 'spoilt.keys');
    const clear = readFileSync(keyFile, 'utf8');
    for (const spoil of [(line: string) => `0${line}`, (line: string) => line.replace(' from=', ' since='), (line: string) => `${line}\n${line}`]) {
      writeFileSync(spoilt, clear.split('\n').map(spoil).join('\n'));
      await run(registerKeys, ['keys', 'list', '--file', spoilt]);
    }
    await run(registerKeys, ['keys', 'seal'], '', opened);
    note('the sealed keys', new Uint8Array(readFileSync(keyFile)));
    await run(registerKeys, ['keys', 'list']);
    await run(registerKeys, ['keys', 'list'], '', { FAREBOX_PASSPHRASE: `${passphrase}, no` });
    await run(registerToken, ['token', 'inspect', bought]);
    await run(registerKeys, ['keys', 'unseal', '--json'], '', opened);
    for (const [index, fake] of fakes.entries()) note(`what command ${index} printed`, fake.out() + fake.notes());
    const secrets = [
      ...KeyText.parse(readFileSync(keyFile, 'utf8'), 'the keys').map(({ key }, index) => ({ name: `master key ${index}`, bytes: key })),
      { name: 'the passphrase of the keys', bytes: textOf(passphrase) },
      ...secretsOf({ macaroon: Macaroon.parse(token), preimage }),
    ];
    expect(secrets.length).toBe(6);
    expect(traces.filter(({ where }) => where.startsWith('the error of')).map(({ where }) => where.split(' ').slice(3, 5).join(' '))).toEqual([
      'revoke --token',
      'keys list',
      'keys list',
      'keys list',
      'keys list',
      'keys list',
    ]);
    expect(leaks(traces, secrets)).toEqual([]);
  });

  /** The keys of the seller, the way to the sandbox, and the credential that was printed. */
  function secretsAtHome(fake: Fake, bought: string, sandboxToken: string): Secret[] {
    const masters = KeyText.parse(readFileSync(fake.home.keyFile, 'utf8'), 'the keys');
    const [, token = '', preimage = ''] = /^L402 ([^:]+):([0-9a-f]{64})$/.exec(bought) ?? [];
    return [
      ...masters.map(({ key }, index) => ({ name: `master key ${index}`, bytes: key })),
      { name: 'the sandbox’s token', bytes: textOf(sandboxToken) },
      { name: 'the sandbox’s token, decoded', bytes: new Uint8Array(Buffer.from(sandboxToken, 'base64url')) },
      ...ofSeller.slice(2),
      ...secretsOf({ macaroon: Macaroon.parse(token), preimage: preimage as never }),
    ];
  }
});

describe('the search', () => {
  test.each(printings)('finds a secret that is printed %s, in every channel', (_, print) => {
    const secret = { name: 'it', bytes: digest('planted') };
    const planted = print(secret.bytes);
    const error = new Error('outside', { cause: new FareboxError('STORE_UNAVAILABLE', 'inside', { cause: { deep: { value: planted } } }) });
    for (const value of [planted, `before ${planted} behind`, { a: [{ b: planted }] }, error, textOf(planted), new Map([[planted, 1]])]) {
      expect(leaks([traceOf('there', value)], [secret])).toEqual(['there: it']);
    }
    expect(leaks([traceOf('there', planted)], [{ name: 'another', bytes: digest('another') }])).toEqual([]);
  });

  test('finds a secret as bytes in an object, an event and an error', () => {
    const secret = { name: 'it', bytes: digest('planted') };
    const macaroon: Macaroon.Macaroon = { location: 'lsat', identifier: digest('i'), caveats: [], signature: secret.bytes };
    for (const value of [
      macaroon,
      { event: { token: Macaroon.encode(macaroon) } },
      new Error(Macaroon.format(macaroon)),
      Object.assign(new Error('x'), { macaroon }),
    ]) {
      expect(leaks([traceOf('there', value)], [secret])).toEqual(['there: it']);
    }
    expect(leaks([traceOf('there', toHex(secret.bytes.subarray(0, 4)))], [secret])).toEqual([]);
  });
});
