/**
 * Requests that are counted ahead, over sockets: a gateway whose routes say `leased`, beside what is counted one by one.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import * as Macaroon from '../../src/core/Macaroon.ts';
import { createConfig } from '../../src/gateway/Config.ts';
import { createGateway } from '../../src/gateway/Gateway.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import * as Books from '../../src/store/Books.ts';
import type { Store } from '../../src/store/Store.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { startUpstream } from './shop/upstream.ts';

const closing: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function open() {
  const clock = FixedClock.create();
  const folder = mkdtempSync(join(tmpdir(), 'farebox-ahead-'));
  closing.push(() => rmSync(folder, { recursive: true }));
  const kept = await createSqliteStore({ path: join(folder, 'farebox.db'), clock });
  const asked: string[] = [];
  // Settlings and reservations, as they are asked for.
  const store: Store = {
    ...kept,
    reserve: (request) => {
      asked.push(`reserve ${request.debits.map(({ units }) => units).join(' ')}`);
      return kept.reserve(request);
    },
    settle: (request) => {
      asked.push(`settle ${request.units ?? 'all'}`);
      return kept.settle(request);
    },
  };
  const sandbox = createSandboxNetwork({ clock });
  const upstream = await startUpstream();
  const config = createConfig({
    listen: '127.0.0.1:0',
    services: [
      {
        name: 'api',
        upstream: upstream.url,
        leased: 10,
        credit: { amount: '100 sat', price: '90 sat' },
        routes: [
          { path: '/bucket', price: '100 sat', terms: 'bucket: 40' },
          { path: '/credit', price: '2 sat', terms: 'credit', leased: 5 },
          { path: '/pass', price: '100 sat', terms: 'pass: 1h' },
        ],
      },
    ],
  });
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'main' });
  const gateway = await createGateway({ config, receiver: sandbox.receiver('seller'), keys, store, clock });
  closing.push(() => sandbox.close(), kept.close, upstream.close, gateway.close);
  const { url } = await gateway.listen();
  const buy = async (path: string) => {
    const { invoice, macaroon } = (await (await fetch(url + path)).json()) as { readonly invoice: string; readonly macaroon: string };
    const paid = await sandbox.payer('buyer').pay({ invoice, maxFeeMsat: 100_000n as never, timeoutSeconds: 10 });
    if (paid.kind !== 'settled') throw new Error(paid.kind);
    return { macaroon, preimage: paid.preimage };
  };
  const get = async (path: string, { macaroon, preimage }: { readonly macaroon: string; readonly preimage: string }, headers: object = {}) => {
    const response = await fetch(url + path, { headers: { ...headers, authorization: `L402 ${macaroon}:${preimage}` } });
    await response.arrayBuffer();
    return `${response.status} ${response.headers.get('L402-Remaining') ?? response.headers.get('L402-Payment')}`;
  };
  return { buy, get, gateway, store: kept, asked };
}

test('a bucket is counted in blocks, serves exactly what is in it, and the books agree', async () => {
  const { buy, get, gateway, store, asked } = await open();
  const token = await buy('/bucket');
  expect([await get('/bucket', token), await get('/bucket', token)]).toEqual(['200 39', '200 38']);
  expect(asked).toEqual(['reserve 10']);
  const answers: string[] = [];
  const work = async () => {
    for (let i = 0; i < 5; i++) answers.push(await get('/bucket', token));
  };
  for (let round = 0; round < 2; round++) await Promise.all([work(), work(), work(), work()]);
  const served = answers.filter((answer) => answer.startsWith('200'));
  expect(served.length).toBe(38);
  expect(new Set(served).size).toBe(38);
  expect(answers.filter((answer) => !answer.startsWith('200')).every((answer) => answer.startsWith('402') || answer.startsWith('409'))).toBe(true);
  expect(asked.filter((one) => one === 'reserve 10').length).toBeGreaterThanOrEqual(4);
  await gateway.close();
  const { columns, discrepancies } = await Books.verify(store.audit());
  expect([columns.earned.amountMsat, columns.unspent.amountMsat, columns.held.amountMsat, discrepancies]).toEqual([100_000n, 0n, 0n, []]);
});

test('a credit is, at its route’s price and for as many requests as the route says', async () => {
  const { buy, get, asked } = await open();
  const token = await buy('/credit');
  expect([await get('/credit', token), await get('/credit', token)]).toEqual(['200 98 sat', '200 96 sat']);
  expect(asked).toEqual(['reserve 10000']);
});

test('what a holder has limited, and what names its request, is counted one by one', async () => {
  const { buy, get, asked } = await open();
  const token = await buy('/bucket');
  expect(await get('/bucket', token, { 'idempotency-key': 'one' })).toBe('200 39');
  // Its claim settles it.
  expect(asked).toEqual(['reserve 1']);
  const part = { ...token, macaroon: Macaroon.format(Macaroon.attenuate(Macaroon.parse(token.macaroon), ['part=a', 'n_uses=2'])) };
  expect([await get('/bucket', part), await get('/bucket', part), await get('/bucket', part)]).toEqual(['200 1', '200 0', '403 null']);
  expect(asked.slice(1, 5)).toEqual(['reserve 1 1', 'settle all', 'reserve 1 1', 'settle all']);
});

test('said of a whole service, it leaves alone what is not counted', async () => {
  const { buy, get, asked } = await open();
  const token = await buy('/pass');
  expect(await get('/pass', token)).toBe('200 null');
  expect(asked).toEqual([]);
});
