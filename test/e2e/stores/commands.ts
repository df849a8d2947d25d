/**
 * A gateway that keeps its books on a real server, as its configuration says, and the commands that look into them, bring them up to date and move
 * them: one suite for every kind of server.
 */
import { readFileSync, writeFileSync } from 'node:fs';
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

/** A server with stores on it. */
export type StoreServer = { readonly url: string; readonly remove: () => Promise<void> };

/** One kind of server. */
export type Kind<Server extends StoreServer> = {
  readonly start: () => Promise<Server>;
  /** Whether none can be started here. */
  readonly whyNot: () => boolean;
  /** What its address must not be told by. */
  readonly password: string;
  /** What `store` says in the configuration, beside its address in the file `store.address`. */
  readonly storeOf: (name: string) => string;
  /** What a store is called. */
  readonly called: RegExp;
  /** Whether there is anything of it on the server. */
  readonly isThere: (server: Server, name: string) => Promise<boolean>;
  /** Gives back the one use that was sold, behind the ledger's back. */
  readonly tamper: (server: Server, name: string) => Promise<unknown>;
};

/** Tests one kind of server. */
export function testCommands<Server extends StoreServer>(kind: Kind<Server>): void {
  const ends: (() => unknown)[] = [];

  describe.skipIf(kind.whyNot())('commands', () => {
    let server: Server;

    beforeAll(async () => {
      server = await kind.start();
    });

    afterAll(() => server?.remove());

    afterEach(async () => {
      for (const end of ends.splice(0).reverse()) await end();
    });

    /** A command line, and the file of a gateway that keeps its books under that name. */
    async function open(name: string): Promise<{ readonly cli: Fake; readonly file: string }> {
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
      writeFileSync(file, configOf(kind.storeOf(name), await startUpstream(ends)));
      return { cli, file };
    }

    test('a configuration with its address in a file: checked, sold with, looked into and verified', async () => {
      const { cli, file } = await open('shop');
      await cli.run('check', file);
      expect(cli.out()).toContain('store.address');
      await expect(cli.run('store', 'verify', '--config', file)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      await expect(cli.run('store', 'export', '--config', file)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      expect(await kind.isThere(server, 'shop'), 'looking makes nothing').toBe(false);

      await sellOnce(cli, file, ends);
      await cli.run('sales', '--config', file);
      await cli.run('store', 'verify', '--config', file);
      expect(cli.json()).toContainEqual(expect.objectContaining({ kind: 'totals', earnedMsat: '10000', payments: 1, sales: 1 }));
      expect(cli.json()).toContainEqual(
        expect.objectContaining({ kind: 'books', balanced: true, sandbox: 'agrees', store: expect.stringMatching(kind.called) }),
      );

      await kind.tamper(server, 'shop');
      const error = await cli.run('store', 'verify', '--config', file).catch((thrown: unknown) => thrown);
      expect(exitCodeOf(error)).toBe(1);
      expect(cli.out() + cli.notes() + String(error)).not.toContain(encodeURIComponent(kind.password));
    });

    test('a store is made by migrating it, and up to date from then on', async () => {
      const { cli, file } = await open('made');
      for (let i = 0; i < 2; i++) await cli.run('store', 'migrate', '--config', file);
      const [made, again] = cli.json();
      expect(made).toMatchObject({ kind: 'migrated', from: 0, to: expect.any(Number) });
      expect(again).toMatchObject({ from: made?.to, to: made?.to });
      expect(await kind.isThere(server, 'made')).toBe(true);
    });

    test('moved from SQLite and back, every sale is where it was: the exports are one text, and what was used stays used', async () => {
      const { cli, file } = await open('moved');
      const old = cli.path('old.yaml');
      writeFileSync(old, configOf('old.db', await startUpstream(ends)));
      const credential = await sellOnce(cli, old, ends);
      const [first, second, third] = ['first', 'second', 'third'].map((name) => cli.path(`${name}.jsonl`)) as [string, string, string];
      await cli.run('store', 'export', '--config', old, '--output', first);
      await cli.run('store', 'import', first, '--config', file);
      await cli.run('store', 'verify', '--config', file);
      await cli.run('store', 'export', '--config', file, '--output', second);
      await cli.run('store', 'import', second, '--store', cli.path('back.db'));
      await cli.run('store', 'export', '--store', cli.path('back.db'), '--output', third);
      expect(readFileSync(second, 'utf8')).toBe(readFileSync(first, 'utf8'));
      expect(readFileSync(third, 'utf8')).toBe(readFileSync(first, 'utf8'));
      const imported = cli.json().filter(({ kind: what }) => what === 'imported');
      expect(imported.map(({ balanced, rows }) => [balanced, rows])).toEqual(Array(2).fill([true, expect.any(Number)]));
      const books = cli.json().find(({ kind: what }) => what === 'books');
      expect(books).toMatchObject({ balanced: true, sandbox: 'agrees', earned: { amountMsat: '10000', payments: 1 } });
      await expect(cli.run('store', 'import', first, '--config', file)).rejects.toMatchObject({ code: 'STORE_NOT_EMPTY' });

      const served = await serve(cli.context, cli.home, await loadConfig(file, { environment: {} }));
      ends.push(served.close);
      expect((await fetch(`${served.url}/a`, { headers: { authorization: credential } })).status).toBe(402);
    });
  });
}

function configOf(store: string, upstream: string): string {
  return `listen: 127.0.0.1:0
store: ${store}
services: [{ name: api, upstream: "${upstream}", routes: [{ path: /*, price: 10 sat }] }]
`;
}

async function startUpstream(ends: (() => unknown)[]): Promise<string> {
  const upstream = createServer((_, response) => response.end('hello'));
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  ends.push(() => new Promise((resolve) => upstream.close(resolve)));
  return `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
}

/** Starts the gateway of that file, and buys from it once; the answer is what it was bought with. It goes on while its books are looked into. */
async function sellOnce(cli: Fake, file: string, ends: (() => unknown)[]): Promise<string> {
  const served = await serve(cli.context, cli.home, await loadConfig(file, { environment: {} }));
  ends.push(served.close);
  const { sandbox, close } = await openSandbox(cli.home);
  let credential = '';
  try {
    const spy: typeof fetch = (input, init) => {
      credential = new Headers(init?.headers ?? (input instanceof Request ? input.headers : {})).get('authorization') ?? credential;
      return fetch(input, init);
    };
    const buy = createFetch({ payer: sandbox.payer('wallet'), maxPerRequest: '50 sat', fetch: spy });
    expect(await (await buy(`${served.url}/a`)).text()).toBe('hello');
    expect(credential).toMatch(/^L402 /);
    return credential;
  } finally {
    await close();
  }
}
