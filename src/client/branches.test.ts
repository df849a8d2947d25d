import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { answer } from '../testing/LyingServer.ts';
import { openShop, type ShopOptions, sellOnce } from '../testing/Shop.ts';
import { leftOf, openBranch, pullBranch, putBranch, readBranches } from './branches.ts';
import { createSqliteClientStore } from './sqlite.ts';
import { createAgentTools } from './tools.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function setup(options: ShopOptions = {}) {
  const shop = await openShop(options);
  closing.push(shop.close);
  return { ...shop, at: () => Math.floor(shop.clock.nowMs() / 1000) };
}

const code = async (call: Promise<Response>) => call.then(({ status }) => status).catch((error: { code?: string }) => error.code);

describe('a helper with a branch', () => {
  it('spends its share and no more, and what it spends counts to all that it lies within', async () => {
    const { store, client, server, url, at } = await setup();
    sellOnce(server);
    await putBranch(store, { name: 'team', limits: [{ per: 'total', max: '160 sat' }] });
    await putBranch(store, { name: 'reader', within: 'team', limits: [{ per: 'total', max: '60 sat' }] });
    await putBranch(store, { name: 'checker', within: 'team' });
    const [reader, checker] = [await openBranch(client, 'reader'), await openBranch(client, 'checker')];
    closing.push(reader.close, checker.close);
    expect(await code(reader.fetch(`${url}&a`))).toBe(200);
    expect(await code(reader.fetch(`${url}&b`))).toBe('BUDGET_EXCEEDED');
    expect([await code(checker.fetch(`${url}&c`)), await code(checker.fetch(`${url}&d`)), await code(checker.fetch(`${url}&e`))]).toEqual([
      200,
      200,
      'BUDGET_EXCEEDED',
    ]);
    expect(await code(client.fetch(`${url}&f`))).toBe(200);
    const [team] = await readBranches(store, at());
    expect([team?.name, team?.spentMsat, team?.payments, team && leftOf(team)]).toEqual(['team', 150_000n, 3, 10_000n]);
    expect(team?.branches.map(({ name, spentMsat, payments }) => [name, spentMsat, payments])).toEqual([
      ['checker', 100_000n, 2],
      ['reader', 50_000n, 1],
    ]);
  });

  it('is stopped within a second when its branch, or one around it, is pulled: nothing is paid, and what runs is aborted', async () => {
    const { store, client, server, clock, url, payer } = await setup();
    await putBranch(store, { name: 'team' });
    await putBranch(store, { name: 'reader', within: 'team' });
    const reader = await openBranch(client, 'reader');
    closing.push(reader.close);
    const asked = new Promise<void>((resolve) => server.handle(() => resolve()));
    const running = code(reader.fetch(url));
    await asked;
    await pullBranch(store, 'team', 'it is late');
    for (let passed = 0; passed < 1000; passed += 100) {
      clock.advance(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await running).toBe('BUDGET_EXCEEDED');
    sellOnce(server);
    expect(await code(reader.fetch(`${url}&more`))).toBe('BUDGET_EXCEEDED');
    expect(payer.paid).toEqual([]);
    expect(clock.timers()).toBe(0);
    expect(await code(client.fetch(url))).toBe(200);
  });

  it('is stopped at its end, and one that opens it then is told the same', async () => {
    const { store, client, server, clock, url, at } = await setup();
    sellOnce(server);
    await putBranch(store, { name: 'reader', endsAt: at() + 60 });
    const reader = await openBranch(client, 'reader');
    closing.push(reader.close);
    expect(await code(reader.fetch(`${url}&a`))).toBe(200);
    reader.close();
    clock.advance(60_000);
    const late = await openBranch(client, 'reader');
    closing.push(late.close);
    await expect(late.fetch(`${url}&b`)).rejects.toThrow('The budget "reader" has ended: its time is over. Nothing was paid.');
    expect((await readBranches(store, at())).map(({ state }) => state)).toEqual(['ended']);
    await expect(openBranch(client, 'nobody')).rejects.toThrow(RangeError);
  });

  it('has tools that stop with it, and that show it no other helper’s share', async () => {
    const { store, client, server, clock, url } = await setup();
    server.handle((_, response) => answer(response));
    await putBranch(store, { name: 'reader', limits: [{ per: 'total', max: '60 sat' }] });
    await putBranch(store, { name: 'checker', limits: [{ per: 'total', max: '70 sat' }] });
    const branch = await openBranch(client, 'reader');
    closing.push(branch.close);
    const tools = createAgentTools({ client: branch, clock, allowPrivate: ['127.0.0.1'] });
    const call = (name: string, input: object) => tools.find((tool) => tool.name === name)?.run(input);
    const shown = await call('show_budget', {});
    expect(shown?.text).toContain('Budget reader: at most 60 sat altogether');
    expect(shown?.text).not.toContain('checker');
    const asked = new Promise<void>((resolve) => server.handle(() => resolve()));
    const running = call('fetch', { url });
    await asked;
    await pullBranch(store, 'reader', 'enough');
    for (let passed = 0; passed < 1000; passed += 100) {
      clock.advance(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await running).toMatchObject({ isError: true });
    sellOnce(server);
    expect(await call('fetch', { url: `${url}&more` })).toMatchObject({ isError: true, structured: { error: { code: 'BUDGET_EXCEEDED' } } });
  });

  it('in another process is stopped as well', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'farebox-branches-'));
    closing.push(() => rm(folder, { recursive: true }));
    const path = join(folder, 'client.db');
    const store = createSqliteClientStore({ path });
    closing.push(store.close);
    const { server, url } = await setup();
    sellOnce(server);
    await putBranch(store, { name: 'reader' });
    const helper = fork(join(import.meta.dirname, '..', '..', 'test', 'kits', 'buyUnderBranch.ts'), [path, url], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    closing.push(() => {
      helper.kill();
    });
    const [before] = await once(helper, 'message');
    // The wallet of the helper fails for certain: it was called.
    expect(before).toBe('PAYMENT_UNROUTABLE');
    await pullBranch(store, 'reader', 'enough');
    helper.send('again');
    const [after] = await once(helper, 'message');
    expect(after).toBe('BUDGET_EXCEEDED');
  });
});
