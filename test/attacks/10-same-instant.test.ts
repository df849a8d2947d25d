/**
 * Two requests with one single-use token at the same instant, in one process and across processes: exactly one is served.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StandName } from '../conformance/shop/shop.ts';
import { startUpstream, type Upstream } from '../conformance/shop/upstream.ts';
import type { Place } from '../conformance/stores/Place.ts';
import { buyThing, calls, enterCounted, fewThings, spendRest, things } from './counted.ts';
import { newPlace } from './stores.ts';
import { askUntilFree, auth, codeOf, enter, mintWith, names, narrowed, path, standing } from './thief.ts';

const many = 16;

describe.each(names)('in one process: %s', (name) => {
  test('many at once: one is served, the others hear that it is in use or used, and nobody is asked to pay twice', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const got = await Promise.all(Array.from({ length: many }, () => shop.get(path, auth(bought.authorization))));
    const codes = got.filter(({ status }) => status !== 200).map(codeOf);
    expect(codes.length).toBe(many - 1);
    expect(codes.filter((code) => code !== 'CREDENTIAL_IN_USE' && code !== 'CREDENTIAL_USED')).toEqual([]);
    expect(await standing(shop)).toMatchObject({ forwarded: 1, charged: 1 });
  });

  test('while the first is under way, at every step of it', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const first = shop.get(`${path}&do=stall`, auth(bought.authorization));
    await shop.upstream.sees(1);
    await shop.ended('charged');
    const during = await Promise.all(Array.from({ length: many }, () => shop.get(`${path}&do=stall`, auth(bought.authorization))));
    const another = await shop.get(path, auth(bought.authorization));
    expect([new Set(during.map(codeOf)), codeOf(another)]).toEqual([new Set(['CREDENTIAL_IN_USE']), 'CREDENTIAL_USED']);
    shop.upstream.release();
    expect((await first).status).toBe(200);
    await shop.ended('delivered');
    expect(codeOf(await shop.get(`${path}&do=stall`, auth(bought.authorization)))).toBe('CREDENTIAL_USED');
    expect(await standing(shop)).toMatchObject({ forwarded: 1, charged: 1 });
  });

  test('many on one connection, without waiting for an answer', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(shop.url).port) });
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    const request = (last: boolean) =>
      [`GET ${path} HTTP/1.1`, 'Host: 127.0.0.1', `Authorization: ${bought.authorization}`, ...(last ? ['Connection: close'] : []), '', ''].join('\r\n');
    socket.write(Array.from({ length: many }, (_, i) => request(i === many - 1)).join(''));
    await once(socket, 'close');
    expect([text.match(/HTTP\/1\.1 \d+/g)?.length, text.match(/HTTP\/1\.1 200/g)?.length]).toEqual([many, 1]);
    expect(await standing(shop)).toMatchObject({ forwarded: 1, charged: 1 });
  });

  test('a failure of the first lets one other in, and no more', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    expect((await shop.get(`${path}&do=status-503`, auth(bought.authorization))).status).toBe(503);
    const got = await Promise.all(Array.from({ length: many }, () => shop.get(path, auth(bought.authorization))));
    expect(got.filter(({ status }) => status === 200).length).toBe(1);
    expect(await standing(shop)).toMatchObject({ forwarded: 2, charged: 1 });
  });

  test.each(things)('of what is counted, so many at once as there are: $what', async (thing) => {
    const shop = await enterCounted(name);
    const held = await buyThing(shop, thing);
    const got = await Promise.all(Array.from({ length: many }, () => shop.get(thing.path, auth(held.authorization))));
    const codes = got.filter(({ status }) => status !== 200).map(codeOf);
    expect(codes.length).toBe(many - calls);
    expect(codes.filter((code) => code !== 'CREDENTIAL_IN_USE' && code !== thing.usedUp)).toEqual([]);
    expect(shop.upstream.seen.length).toBe(calls);
    expect(await spendRest(shop, thing, held)).toEqual([0, thing.usedUp]);
  });

  test.each(fewThings)('while all that is left is under way, nobody is let in or told to pay; a failure lets one other in: $what', async (thing) => {
    const shop = await enterCounted(name);
    const held = await buyThing(shop, thing);
    const ask = auth(held.authorization);
    expect((await shop.get(thing.path, ask)).status).toBe(200);
    const running = [shop.get(`${thing.path}?do=hold`, ask), shop.get(`${thing.path}?do=reset`, ask)];
    await shop.upstream.sees(3);
    expect((await running[1])?.status).toBe(502);
    running[1] = shop.get(`${thing.path}?do=hold`, ask);
    await shop.upstream.sees(4);
    const during = await Promise.all(Array.from({ length: many }, () => shop.get(thing.path, ask)));
    expect(new Set(during.map(codeOf))).toEqual(new Set(['CREDENTIAL_IN_USE']));
    shop.upstream.release();
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200]);
    expect(codeOf(await askUntilFree(shop, thing.path, ask))).toBe(thing.usedUp);
    expect(shop.upstream.seen.length).toBe(4);
  });

  test('parts of one credit at once: each no more than its own, all no more than the whole', async () => {
    const shop = await enterCounted(name);
    const bought = await shop.buy('/purse/a');
    const parts = ['a', 'b', 'c', 'd', 'e', 'f'].map((word) => narrowed(bought, `part=${word}`, 'max_sats=200'));
    const asked = parts.flatMap((authorization) => Array.from({ length: 6 }, () => authorization));
    const got = await Promise.all(asked.map(async (authorization) => ({ authorization, ...(await shop.get('/purse/a', auth(authorization))) })));
    const served = got.filter(({ status }) => status === 200);
    for (const part of parts) expect(served.filter(({ authorization }) => authorization === part).length).toBeLessThanOrEqual(4);
    expect([served.length, shop.upstream.seen.length]).toEqual([20, 20]);
    expect(await spendRest(shop, { path: '/purse/a' }, bought)).toEqual([0, 'CREDENTIAL_USED']);
  });
});

describe('across processes', () => {
  let upstream: Upstream;
  let sellers: readonly { readonly process: ChildProcess; readonly urls: Readonly<Record<StandName, string>> }[];

  beforeAll(async () => {
    upstream = await startUpstream();
    const place = newPlace();
    sellers = await Promise.all([1, 2].map(() => startSeller(place, upstream.url)));
  });

  afterAll(async () => {
    for (const { process } of sellers) {
      const gone = once(process, 'exit');
      process.kill('SIGKILL');
      await gone;
    }
    await upstream.close();
  });

  test.each(names)('many at once at two sellers on one store: one is served, each time: %s', async (name) => {
    const caveats = ['services=api:0', 'api_method=GET', 'api_path=/a', 'api_valid_until=1800087000', 'api_price=50 sat', 'api_terms=per-request'];
    for (let round = 0; round < 8; round++) {
      const { authorization } = mintWith(caveats, { secret: `${names.indexOf(name) + 1}${round}` });
      const before = upstream.seen.length;
      const asked = Array.from({ length: many }, (_, i) => fetch(`${sellers[i % 2]?.urls[name]}/a`, { headers: { authorization } }));
      const statuses = (await Promise.all(asked)).map(({ status }) => status);
      expect(statuses.filter((status) => status === 200).length, `round ${round}`).toBe(1);
      expect(statuses.filter((status) => ![200, 402, 409].includes(status))).toEqual([]);
      expect(upstream.seen.length - before).toBe(1);
    }
  });

  test.each(names)('of what is counted, so many at once at two sellers as there are, each time: %s', async (name) => {
    const minted = (service: string, price: string, terms: string) => [
      `services=${service}:0`,
      ...(terms === 'pass' ? [`${service}_method=GET`, `${service}_path=/${service}/a`] : []),
      `${service}_valid_until=1800087000`,
      `${service}_price=${price}`,
      `${service}_terms=${terms}`,
    ];
    const kinds = [
      ['/credit/a', minted('credit', '90 sat', 'credit:150000')],
      ['/purse/a', [...minted('purse', '900 sat', 'credit:1000000'), 'part=a', 'max_sats=900', 'part=b', 'n_uses=3']],
      ['/club/a', [...minted('club', '100 sat', 'pass'), 'n_uses=3']],
    ] as const;
    for (const [index, [target, caveats]] of kinds.entries()) {
      for (let round = 0; round < 3; round++) {
        const { authorization } = mintWith(caveats, { secret: `${'abc'[names.indexOf(name)]}${3 * index + round}` });
        const before = upstream.seen.length;
        const ask = async (seller: number) => (await fetch(`${sellers[seller % 2]?.urls[name]}${target}`, { headers: { authorization } })).status;
        // One at each before all the others: what one seller has counted, the other must know of.
        const statuses = [await ask(round), await ask(round + 1)];
        statuses.push(...(await Promise.all(Array.from({ length: many - 2 }, (_, i) => ask(i)))));
        expect(statuses.filter((status) => status === 200).length, `${target}, round ${round}`).toBe(calls);
        expect(statuses.filter((status) => ![200, 402, 403, 409].includes(status))).toEqual([]);
        expect(upstream.seen.length - before).toBe(calls);
      }
    }
  });
});

async function startSeller(place: Place, upstream: string) {
  const script = fileURLToPath(new URL('sellers.ts', import.meta.url));
  const child = fork(script, [JSON.stringify(place), upstream], { execPath: process.execPath, execArgv: [] });
  const open = await Promise.race([once(child, 'message'), once(child, 'exit').then(() => Promise.reject(new Error('the seller has ended')))]);
  return { process: child, urls: (open[0] as { urls: Record<StandName, string> }).urls };
}
