/**
 * A gateway that keeps its books in a real Redis, as its configuration says, and the commands that look into them.
 */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { registerCheck } from '../../../src/cli/check.ts';
import { exitCodeOf } from '../../../src/cli/exit.ts';
import { openSandbox } from '../../../src/cli/SandboxLink.ts';
import { registerSales } from '../../../src/cli/sales.ts';
import { serve } from '../../../src/cli/serve.ts';
import { registerStore } from '../../../src/cli/store.ts';
import { createFetch } from '../../../src/client/index.ts';
import { loadConfig } from '../../../src/gateway/index.ts';
import { createFake, type Fake } from '../../cli/fakeContext.ts';
import { password, type Server, startServer, whyNot } from './Server.ts';

const ends: (() => unknown)[] = [];

describe.skipIf(whyNot())('commands', () => {
  let server: Server;

  beforeAll(async () => {
    server = await startServer();
  });

  afterAll(() => server?.remove());

  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  test('a configuration with its address in a file: checked, sold with, looked into and verified', async () => {
    const cli = createFake(
      (program, context) => {
        registerCheck(program, context);
        registerSales(program, context);
        registerStore(program, context);
      },
      { interactive: false },
    );
    ends.push(cli.remove);
    const file = cli.path('farebox.yaml');
    writeFileSync(cli.path('store.address'), `${server.url}\n`);
    writeFileSync(file, configOf(await startUpstream()));

    await cli.run('check', file);
    expect(cli.out()).toContain('store.address');
    await expect(cli.run('store', 'verify', '--config', file)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(await server.ask('keys', '*'), 'looking makes nothing').toEqual([]);

    await sellOnce(cli, file);
    await cli.run('sales', '--config', file);
    await cli.run('store', 'verify', '--config', file);
    expect(cli.json()).toContainEqual(expect.objectContaining({ kind: 'totals', earnedMsat: '10000', payments: 1, sales: 1 }));
    expect(cli.json()).toContainEqual(
      expect.objectContaining({
        kind: 'books',
        balanced: true,
        sandbox: 'agrees',
        store: expect.stringMatching(/^Redis at 127\.0\.0\.1:\d+\/0, keys shop:\*$/),
      }),
    );

    const [claim = ''] = (await server.ask('keys', 'shop:claim:*')) as string[];
    const { leaseEndsAt: _, ...life } = JSON.parse(String(await server.ask('get', claim)));
    await server.ask('set', claim, JSON.stringify({ ...life, state: 'open', committedAt: 0 }));
    const error = await cli.run('store', 'verify', '--config', file).catch((thrown: unknown) => thrown);
    expect(exitCodeOf(error)).toBe(1);
    expect(cli.out() + cli.notes() + String(error)).not.toContain(encodeURIComponent(password));
  });
});

function configOf(upstream: string): string {
  return `listen: 127.0.0.1:0
store: { redis: { url: file:store.address, prefix: "shop:" } }
services: [{ name: api, upstream: "${upstream}", routes: [{ path: /*, price: 10 sat }] }]
`;
}

async function startUpstream(): Promise<string> {
  const upstream = createServer((_, response) => response.end('hello'));
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  ends.push(() => new Promise((resolve) => upstream.close(resolve)));
  return `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
}

/** Starts the gateway of that file, and buys from it once. It goes on while its books are looked into. */
async function sellOnce(cli: Fake, file: string): Promise<void> {
  const served = await serve(cli.context, cli.home, await loadConfig(file, { environment: {} }));
  ends.push(served.close);
  const { sandbox, close } = await openSandbox(cli.home);
  try {
    const fetch = createFetch({ payer: sandbox.payer('wallet'), maxPerRequest: '50 sat' });
    expect(await (await fetch(`${served.url}/a`)).text()).toBe('hello');
  } finally {
    await close();
  }
}
