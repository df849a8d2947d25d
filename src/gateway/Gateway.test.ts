import { afterEach, describe, expect, test } from 'vitest';
import { ask, type Closing, closeAll, openUpstream, valuesOf } from '../../test/gateway/harness.ts';
import * as Amount from '../core/Amount.ts';
import * as Challenge from '../core/Challenge.ts';
import { FareboxError } from '../core/Errors.ts';
import { createSandboxNetwork } from '../lightning/sandbox.ts';
import { createEvents } from '../server/Events.ts';
import { createRootKeys } from '../server/RootKeys.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/Store.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { createConfig } from './Config.ts';
import { createGateway } from './Gateway.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const masters = [new Uint8Array(32).fill(7)];
const keys = createRootKeys({ masters, network: 'sandbox', realm: 'main' });

/** A gateway on a sandbox of its own, with what it stands on. */
async function openGateway(routes: readonly object[], upstream: number, store: Store | undefined) {
  const sandbox = createSandboxNetwork();
  closing.push(() => sandbox.close());
  const config = createConfig({
    listen: '127.0.0.1:0',
    store: store ? 'memory' : 'none',
    services: [{ name: 'api', title: 'Translation API', upstream: `http://127.0.0.1:${upstream}`, routes }],
  });
  const gateway = await createGateway({ config, receiver: sandbox.receiver('seller'), keys, store });
  closing.push(gateway.close);
  const { url } = await gateway.listen();
  return { port: Number(new URL(url).port), payer: sandbox.payer('buyer', { openingMsat: Amount.parse('100000 sat') }) };
}

/** Asks for a price, pays it, and says what to send. */
async function buy({ port, payer }: Awaited<ReturnType<typeof openGateway>>, path: string): Promise<string> {
  const refused = await ask(port, path);
  expect(refused.status).toBe(402);
  const [challenge] = Challenge.parse(valuesOf(refused.lines, 'www-authenticate'));
  const { token = '', invoice = '' } = challenge ?? {};
  const paid = await payer.pay({ invoice, maxFeeMsat: Amount.parse('10 sat'), timeoutSeconds: 10 });
  if (paid.kind !== 'settled') throw new Error(paid.message);
  return `L402 ${token}:${paid.preimage}`;
}

describe('a gateway with everything it stands on', () => {
  test('one payment, one request', async () => {
    const upstream = await openUpstream(closing, (_, response) => response.end('{"translation":"hola"}'));
    const store = createMemoryStore();
    closing.push(store.close);
    const gateway = await openGateway([{ path: '/api/v1/translate', methods: 'GET', price: '50 sat' }], upstream.port, store);
    const { port } = gateway;
    const path = '/api/v1/translate?text=hello&target=es';
    const credential = await buy(gateway, path);
    expect(upstream.seen).toEqual([]);
    const answer = await ask(port, path, { headers: ['Authorization', credential] });
    expect([answer.status, answer.text, valuesOf(answer.lines, 'l402-payment')]).toEqual([200, '{"translation":"hola"}', ['charged']]);
    expect((await ask(port, path, { headers: ['Authorization', credential] })).status).toBe(402);
    expect(upstream.seen).toHaveLength(1);
    expect(JSON.stringify(upstream.seen)).not.toMatch(/L402/i);
    expect((await store.totals()).earnedMsat).toBe(50_000n);
  });

  test('two gateways that share nothing but a master key honour each other’s passes', async () => {
    const upstream = await openUpstream(closing);
    const routes = [{ path: '/api/*', price: '10 sat', terms: 'pass 1h' }];
    const [one, other] = [await openGateway(routes, upstream.port, undefined), await openGateway(routes, upstream.port, undefined)];
    const credential = await buy(one, '/api/a');
    for (const { port } of [one, other, one]) expect((await ask(port, '/api/b', { headers: ['Authorization', credential] })).status).toBe(200);
  });
});

describe('a gateway whose store is away', () => {
  test('starts, tells so, sells nothing until it has the list, and keeps to the time that its configuration gives the last one', async () => {
    const clock = FixedClock.create();
    const sandbox = createSandboxNetwork({ clock });
    const memory = createMemoryStore({ clock });
    const upstream = await openUpstream(closing);
    let isAway = true;
    const denials: Store['denials'] = (after) => (isAway ? Promise.reject(new FareboxError('STORE_UNAVAILABLE', 'The store is away.')) : memory.denials(after));
    const config = createConfig({
      listen: '127.0.0.1:0',
      store: 'memory',
      revocation: { stale: '5s' },
      services: [
        {
          name: 'api',
          upstream: `http://127.0.0.1:${upstream.port}`,
          routes: [
            { path: '/pass', price: '10 sat', terms: 'pass 1h', outage: 'passes-only' },
            { path: '/strict', price: '10 sat', terms: 'pass 1h' },
            { path: '/free', free: true },
          ],
        },
      ],
    });
    const events = createEvents();
    const troubles: string[] = [];
    events.on((event) => event.kind === 'trouble' && troubles.push(`${event.what}: ${(event.error as Error).message}`));
    const receiver = sandbox.receiver('seller');
    const gateway = await createGateway({ config, receiver, keys, store: { ...memory, denials }, clock, events });
    closing.push(() => sandbox.close(), memory.close, gateway.close);
    const port = Number(new URL((await gateway.listen()).url).port);
    expect(troubles).toEqual(['the list of what was revoked: The store is away.']);
    const statuses = async () => [(await ask(port, '/pass')).status, (await ask(port, '/strict')).status, (await ask(port, '/free')).status];
    const later = async (ms: number) => {
      for (let left = ms; left > 0; left -= 500) {
        clock.advance(500);
        for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
      }
    };
    expect(await statuses()).toEqual([503, 503, 200]);
    isAway = false;
    await later(500);
    expect(await statuses()).toEqual([402, 402, 200]);
    isAway = true;
    await later(4000);
    expect(await statuses()).toEqual([402, 503, 200]);
    await later(1500);
    expect(await statuses()).toEqual([503, 503, 200]);
    expect(troubles.at(-1)).toMatch(/could not be read for 5 s: nothing is served until it is/);
  });
});

describe('a gateway that would not hold what it says', () => {
  const route = { path: '/*', price: '1 sat' };
  const services = [{ name: 'api', upstream: 'http://127.0.0.1:1', routes: [route] }];
  const reject = async (value: object, message: RegExp) => {
    const sandbox = createSandboxNetwork();
    closing.push(() => sandbox.close());
    // The file was checked for another receiver.
    const config = { ...createConfig({ services, sandbox: 'public', ...value }), sandboxPublic: false };
    const made = createGateway({ config, receiver: sandbox.receiver('seller'), keys });
    await expect(made).rejects.toSatisfy((error) => FareboxError.is(error, 'CONFIG_INVALID') && message.test(error.message));
  };

  test('sells for play money to others than this machine', () => reject({ listen: '0.0.0.0:0' }, /play money/));
  test('counts without a store', () => reject({ listen: '127.0.0.1:0' }, /counted in a store/));
});

describe('several who are paid', () => {
  /** Two routes, one paid to the seller and one to alice, and what each has got. */
  async function openShared(over: { readonly verify?: string } = {}, follows = true) {
    const sandbox = createSandboxNetwork();
    const store = createMemoryStore();
    const upstream = await openUpstream(closing, (_, response) => response.end('sold'));
    closing.push(() => sandbox.close(), store.close);
    const route = (path: string, title: string, payee?: string) => ({ path, price: '50 sat', title, terms: 'pass: 1h', ...(payee && { payee }), ...over });
    const config = createConfig({
      listen: '127.0.0.1:0',
      store: 'memory',
      payees: { alice: 'sandbox' },
      services: [{ name: 'api', upstream: `http://127.0.0.1:${upstream.port}`, routes: [route('/ours', 'Ours'), route('/hers', 'Hers', 'alice')] }],
    });
    const [receiver, alice] = [sandbox.receiver('seller'), sandbox.receiver('alice')];
    const wallets = [
      { identity: 'ours', receiver },
      { identity: 'hers', receiver: alice },
    ];
    const gateway = await createGateway({ config, receiver, payees: { alice }, wallets, keys, store, follows });
    const settled: object[] = [];
    const arrived = new Promise<void>((resolve) => {
      gateway.events.on((event) => {
        if (event.kind === 'settled') settled.push({ route: event.route, amountMsat: event.amountMsat });
        if (settled.length === 2) resolve();
      });
    });
    closing.push(gateway.close);
    const { url } = await gateway.listen();
    const open = { port: Number(new URL(url).port), payer: sandbox.payer('buyer', { openingMsat: Amount.parse('100000 sat') }) };
    return { ...open, gateway, sandbox, store, settled, arrived };
  }

  test('one of several processes follows from when it is told to until it is told not to, and then another goes on behind it', async () => {
    const { gateway, store, settled, arrived, ...shared } = await openShared({}, false);
    await buy(shared, '/ours');
    const first = new Promise<void>((resolve) => gateway.events.on(({ kind }) => kind === 'settled' && resolve()));
    gateway.follow();
    gateway.follow();
    await buy(shared, '/ours');
    await first;
    expect((await store.totals()).settled, 'what came before, nobody followed').toBe(1);
    await gateway.unfollow();
    await buy(shared, '/ours');
    expect(settled).toEqual([{ route: '/ours', amountMsat: 50_000n }]);
    gateway.follow();
    await arrived;
    expect(settled).toEqual([
      { route: '/ours', amountMsat: 50_000n },
      { route: '/ours', amountMsat: 50_000n },
    ]);
    expect((await store.totals()).settled).toBe(2);
  });

  test('each is paid for its own route, and what arrives is written down with it', async () => {
    const shared = await openShared();
    for (const path of ['/ours', '/hers']) {
      const answer = await ask(shared.port, path, { headers: ['Authorization', await buy(shared, path)] });
      expect(answer.text).toBe('sold');
    }
    await shared.arrived;
    expect(shared.settled).toEqual([
      { route: '/ours', amountMsat: 50_000n },
      { route: '/hers', amountMsat: 50_000n },
    ]);
    const { nodes } = await shared.sandbox.audit();
    // Each begins with a million.
    const gained = (of: string) => (nodes.find(({ name }) => name === of)?.spendableMsat ?? 0n) - 1_000_000_000n;
    expect([gained('alice'), gained('seller')]).toEqual([50_000n, 50_000n]);
    expect(await shared.store.totals()).toMatchObject({ settledMsat: 100_000n, settled: 2 });
  });

  test("a route's wallet is asked where its word is asked for", async () => {
    const shared = await openShared({ verify: 'settled' });
    const credential = await buy(shared, '/hers');
    await shared.sandbox.setFault({ node: 'alice', kind: 'node-down' });
    expect((await ask(shared.port, '/hers', { headers: ['Authorization', credential] })).status).toBe(503);
    await shared.sandbox.clearFaults('alice');
    expect((await ask(shared.port, '/hers', { headers: ['Authorization', credential] })).status).toBe(200);
    await shared.sandbox.setFault({ node: 'alice', kind: 'node-down' });
    expect((await ask(shared.port, '/hers', { headers: ['Authorization', credential] })).status).toBe(200);
  });

  test('a payee whom nobody handed in is a mistake', async () => {
    const config = createConfig({
      store: 'none',
      payees: { alice: 'sandbox' },
      services: [{ name: 'api', upstream: 'http://127.0.0.1:1', routes: [{ path: '/p', price: '1 sat', terms: 'pass: 1h', payee: 'alice' }] }],
    });
    const receiver = createSandboxNetwork().receiver('seller');
    await expect(createGateway({ config, receiver, keys })).rejects.toThrow('Nobody was handed in as the payee "alice" of /p.');
  });
});
