/**
 * Keys that are exchanged and tokens that are revoked while two gateways run, each a process of its own, on one store and one sealed key file.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { startUpstream, type Upstream } from '../conformance/shop/upstream.ts';
import { type Desk, openDesk, type Running } from './processes.ts';

let desk: Desk | undefined;
let upstream: Upstream | undefined;
afterEach(async () => {
  await desk?.close();
  await upstream?.close();
  desk = undefined;
  upstream = undefined;
});

type Gateway = { readonly process: Running; readonly url: string; readonly introspectionUrl: string };

/** Two gateways with one configuration, each on ports of its own. */
async function openTwo(): Promise<{ readonly desk: Desk; readonly gateways: readonly Gateway[]; readonly config: string }> {
  const opened = openDesk();
  desk = opened;
  upstream = await startUpstream();
  writeFileSync(join(opened.folder, 'passphrase'), 'correct horse battery staple\n');
  writeFileSync(join(opened.folder, 'secret'), 'a-secret-of-services\n');
  const file = join(opened.folder, 'farebox.yaml');
  writeFileSync(
    file,
    `listen: 127.0.0.1:0
keys: shop.keys
passphrase: passphrase
store: shop.db
introspection: { listen: "127.0.0.1:0", secret: secret }
services:
  - { name: api, upstream: "${upstream.url}", routes: [{ path: /data/*, price: 10 sat, terms: "pass: 1h" }] }
  - { name: more, upstream: "${upstream.url}", routes: [{ path: /more/*, price: 10 sat, terms: "pass: 1h" }] }
`,
  );
  const gateways: Gateway[] = [];
  for (let count = 0; count < 2; count++) {
    const process = opened.start('serve', '--config', file);
    const { url, introspectionUrl } = await process.says(({ kind }) => kind === 'listening');
    gateways.push({ process, url: String(url), introspectionUrl: String(introspectionUrl) });
  }
  return { desk: opened, gateways, config: file };
}

/** What each gateway answers to a credential. */
function statuses(gateways: readonly Gateway[], path: string, authorization: string): Promise<readonly number[]> {
  return Promise.all(gateways.map(async ({ url }) => (await fetch(url + path, { headers: { authorization } })).status));
}

test('a key is exchanged without a restart, and what is revoked is refused by both; services hear of it', async () => {
  const { desk, gateways, config } = await openTwo();
  const run = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await desk.run(...args);
    if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const buy = (path: string) => run('get', `${gateways[0]?.url}${path}`, '--max', '12 sat', '--credential');
  const [stolen, good] = [await buy('/data/a'), await buy('/more/a')];
  const introspect = async (token: string) => {
    const headers = { authorization: 'Bearer a-secret-of-services' };
    const asked = gateways.map(({ introspectionUrl }) => fetch(introspectionUrl, { method: 'POST', headers, body: new URLSearchParams({ token }) }));
    return Promise.all(asked.map(async (answer) => ((await (await answer).json()) as { readonly active: boolean }).active));
  };
  expect([await statuses(gateways, '/data/a', stolen), await statuses(gateways, '/more/a', good), await introspect(stolen)]).toEqual([
    [200, 200],
    [200, 200],
    [true, true],
  ]);

  // The file is sealed, and both know under what.
  await run('keys', 'rotate', '--config', config);
  const changed = await Promise.all(gateways.map(({ process }) => process.says(({ kind }) => kind === 'keys')));
  expect(changed.map(({ keys }) => (keys as readonly { readonly role: string }[]).map(({ role }) => role))).toEqual([
    ['waits', 'mints'],
    ['waits', 'mints'],
  ]);
  expect(await statuses(gateways, '/data/a', stolen)).toEqual([200, 200]);

  writeFileSync(join(desk.folder, 'stolen'), stolen);
  const revoked = await run('revoke', '--token', join(desk.folder, 'stolen'), '--config', config, '--yes');
  expect(JSON.parse(revoked)).toMatchObject({ kind: 'revoked', revoked: 'token', until: expect.stringMatching(/^20/) });
  // Within a second, as src/server/Denials.test.ts shows by its clock; here, until they do.
  while ((await statuses(gateways, '/data/a', stolen)).includes(200));
  expect([await statuses(gateways, '/data/a', stolen), await statuses(gateways, '/more/a', good), await introspect(stolen), await introspect(good)]).toEqual([
    [402, 402],
    [200, 200],
    [false, false],
    [true, true],
  ]);
  expect(gateways.map(({ process }) => process.errors().match(/trouble.*/g))).toEqual([null, null]);
  for (const { process } of gateways) expect((await process.stop()).code).toBe(0);
}, 60_000);
