/**
 * Two requests with one single-use token at the same instant, in one process and across processes: exactly one is served.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StandName } from '../conformance/shop/shop.ts';
import { startUpstream, type Upstream } from '../conformance/shop/upstream.ts';
import { auth, codeOf, enter, mintWith, names, path, standing } from './thief.ts';

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
});

describe('across processes', () => {
  let folder: string;
  let upstream: Upstream;
  let sellers: readonly { readonly process: ChildProcess; readonly urls: Readonly<Record<StandName, string>> }[];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'farebox-thief-'));
    upstream = await startUpstream();
    sellers = await Promise.all([1, 2].map(() => startSeller(join(folder, 'farebox.db'), upstream.url)));
  });

  afterAll(async () => {
    for (const { process } of sellers) {
      const gone = once(process, 'exit');
      process.kill('SIGKILL');
      await gone;
    }
    await upstream.close();
    rmSync(folder, { recursive: true });
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
});

async function startSeller(store: string, upstream: string) {
  const script = fileURLToPath(new URL('sellers.ts', import.meta.url));
  const child = fork(script, [store, upstream], { execPath: process.execPath, execArgv: [] });
  const open = await Promise.race([once(child, 'message'), once(child, 'exit').then(() => Promise.reject(new Error('the seller has ended')))]);
  return { process: child, urls: (open[0] as { urls: Record<StandName, string> }).urls };
}
