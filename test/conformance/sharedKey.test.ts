/**
 * Two gateways that share nothing but a master key honour each other's passes, with no store at all.
 */
import { afterEach, expect, test } from 'vitest';
import * as Amount from '../../src/core/Amount.ts';
import * as Challenge from '../../src/core/Challenge.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import { createConfig } from '../../src/gateway/Config.ts';
import { createGateway, type Gateway } from '../../src/gateway/Gateway.ts';
import type { Network } from '../../src/lightning/Lightning.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { startUpstream } from './shop/upstream.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const ours = new Uint8Array(32).fill(7);
const clock = FixedClock.create();

/** A gateway with a node, an upstream and a process's memory of its own: only the key may be the same. */
async function openGateway(master: Uint8Array, { realm = 'main', network = 'sandbox' as Network, terms = 'pass: 1h' } = {}) {
  const sandbox = createSandboxNetwork({ clock });
  const upstream = await startUpstream();
  const service = { name: 'api', upstream: upstream.url, routes: [{ path: '/data/*', price: '100 sat', terms }] };
  const config = createConfig({ listen: '127.0.0.1:0', store: 'none', realm, services: [service] });
  const receiver = { ...sandbox.receiver('seller'), network };
  const gateway: Gateway = await createGateway({ config, receiver, keys: createRootKeys({ masters: [master], network, realm }), clock });
  const { url } = await gateway.listen();
  closing.push(() => sandbox.close(), upstream.close, gateway.close);
  const buy = async () => {
    const unpaid = await fetch(`${url}/data/a`);
    const challenge = Challenge.choose(Challenge.parse(unpaid.headers.get('www-authenticate') ?? ''));
    if (!challenge) throw new Error('no challenge');
    const paid = await sandbox.payer('buyer').pay({ invoice: challenge.invoice, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 10 });
    if (paid.kind !== 'settled') throw new Error('not paid');
    return { token: challenge.token, preimage: paid.preimage, authorization: `L402 ${challenge.token}:${paid.preimage}` };
  };
  const ask = async (path: string, authorization: string) => (await fetch(url + path, { headers: { authorization } })).status;
  return { buy, ask, upstream };
}

test('each honours what the other sold, for all that the route covers', async () => {
  const [one, other] = [await openGateway(ours), await openGateway(ours)];
  const bought = await one.buy();
  expect([await one.ask('/data/a', bought.authorization), await other.ask('/data/a', bought.authorization)]).toEqual([200, 200]);
  expect([await other.ask('/data/b/c', bought.authorization), await other.ask('/data/a', bought.authorization)]).toEqual([200, 200]);
  const back = await other.buy();
  expect(await one.ask('/data/x', back.authorization)).toBe(200);
  const narrowed = Macaroon.attenuate(Macaroon.parse(bought.token), ['path_prefix=/data/b']);
  const narrow = `L402 ${Macaroon.format(narrowed)}:${bought.preimage}`;
  expect([await other.ask('/data/b/c', narrow), await other.ask('/data/a', narrow)]).toEqual([200, 403]);
});

test('another key, another realm or another network honours nothing', async () => {
  const one = await openGateway(ours);
  const bought = await one.buy();
  const strangers = [
    await openGateway(new Uint8Array(32).fill(8)),
    await openGateway(ours, { realm: 'other' }),
    await openGateway(ours, { network: 'regtest' }),
  ];
  const statuses = await Promise.all(strangers.map(({ ask }) => ask('/data/a', bought.authorization)));
  expect(statuses).toEqual([402, 401, 401]);
  for (const { upstream } of strangers) expect(upstream.seen.length).toBe(0);
});

test('a pass ends when it ends, everywhere', async () => {
  const [one, other] = [await openGateway(ours), await openGateway(ours)];
  const bought = await one.buy();
  clock.advance((600 + 3600) * 1000);
  expect(await other.ask('/data/a', bought.authorization)).toBe(200);
  clock.advance(1000);
  expect(await other.ask('/data/a', bought.authorization)).toBe(402);
});

test('without a store nothing is sold per request', async () => {
  await expect(openGateway(ours, { terms: 'per-request' })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  await Promise.resolve();
});
