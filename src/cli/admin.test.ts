import { rmSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { closeAll, type House, openHouse, yaml } from '../../test/admin/harness.ts';
import { createFake, type Fake, type FakeOptions } from '../../test/cli/fakeContext.ts';
import { createAdminClient } from '../admin/AdminClient.ts';
import * as AdminToken from '../admin/auth/AdminToken.ts';
import { readLink } from '../admin/auth/Session.ts';
import type { Msat } from '../core/Amount.ts';
import { nowAt } from '../core/Clock.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import { registerAdmin } from './admin.ts';
import { exitCodeOf } from './exit.ts';

const closing: (() => unknown)[] = [];
afterEach(() => closeAll(closing));

/** The command line beside a gateway that runs, in the folder of its configuration and keys. */
async function setup(options: FakeOptions = {}): Promise<{ readonly fake: Fake; readonly house: House; readonly config: string }> {
  const house = await openHouse(closing);
  const { listener } = house.admin;
  const { port } = await listener.listen('127.0.0.1', 0);
  closing.push(() => listener.close(0));
  house.write('farebox.keys', `${'07'.repeat(32)}\n`);
  const config = `${house.folder}/here.yaml`;
  writeFileSync(config, yaml.replace('admin: { listen: 127.0.0.1:8406 }', `admin: { listen: "127.0.0.1:${port}" }`));
  const fake = createFake(registerAdmin, { clock: house.clock, ...options });
  closing.push(fake.remove);
  return { fake, house, config };
}

async function exitOf(run: Promise<void>): Promise<number> {
  try {
    await run;
    return 0;
  } catch (error) {
    return exitCodeOf(error);
  }
}

test('on the machine with the keys no token is needed; a terminal shows tables and what differs', async () => {
  const { fake, config } = await setup();
  await fake.run('admin', 'routes', 'list', '--service', 'other', '--config', config);
  expect(fake.out()).toMatch(/^name +service +host/);
  expect(fake.out()).toMatch(/other\.example\/a +other +other\.example/);
  await fake.run('admin', 'routes', 'change', '--route', '/b', '--config', config, '--price', '1 sat').catch(() => {});
  await fake.run('admin', 'routes', 'change', '--route', 'other.example/a', '--price', '4 sat', '--dry-run', '--config', config);
  expect(fake.out()).toContain('route other.example/a of other: not done: a dry run\n  price  1 sat  →  4 sat\n');
});

test('a change by the command line holds at once, is said to be its own, and another one that differs in nothing is none', async () => {
  const { fake, house, config } = await setup({ interactive: false });
  const change = () => fake.run('admin', 'routes', 'change', '--route', 'other.example/a', '--price', '4 sat', '--config', config);
  await change();
  await change();
  expect(fake.json().map(({ applied }) => applied)).toEqual([true, false]);
  await fake.run('admin', 'routes', 'list', '--service', 'other', '--config', config);
  expect(fake.json()[2]?.routes).toMatchObject([{ priceMsat: '4000', changed: ['price'] }]);
  await fake.run('admin', 'audit', 'list', '--config', config);
  expect(fake.json()[3]?.records).toMatchObject([{ by: expect.stringMatching(/^cli \(token /) as unknown, operation: 'routes.change', outcome: 'done' }]);
  expect(house.read('farebox.yaml')).toBe(yaml);
});

describe('exit codes', () => {
  test('0 where it is done, 2 where it is written wrongly, 7 where no gateway answers, 1 where a log was altered', async () => {
    const { fake, house, config } = await setup({ interactive: false });
    const run = (...words: readonly string[]) => exitOf(fake.run('admin', ...words, '--config', config));
    expect(await run('routes', 'change', '--route', '/a', '--service', 'api', '--title', 'x')).toBe(0);
    expect(await run('routes', 'change', '--route', '/a', '--service', 'api', '--price', 'x')).toBe(2);
    expect(await run('routes', 'change')).toBe(2);
    expect(await run('audit', 'verify')).toBe(0);
    house.write('farebox.audit.jsonl', house.read('farebox.audit.jsonl').replace('"title"', '"price"'));
    expect(await run('audit', 'verify')).toBe(1);
    rmSync(`${house.folder}/farebox.audit.jsonl`);
    expect(await run('audit', 'verify')).toBe(1);
    expect(await run('routes', 'change', '--route', '/a', '--service', 'api', '--title', 'y')).toBe(0);
    expect(await run('audit', 'verify')).toBe(1);
    const { lost = [] } = fake.json().at(-1) as { readonly lost?: readonly { readonly hash: string }[] };
    expect(await run('audit', 'verify', '--lost', String(lost[0]?.hash))).toBe(0);
    await house.admin.listener.close(0);
    expect(await run('health', 'show')).toBe(7);
  });
});

test('tokens are made for somebody, narrowed without a key, and go to standard output alone', async () => {
  const { fake, house, config } = await setup();
  await fake.run('admin', 'token', '--label', 'ana', '--scope', 'operate', '--expires', '8h', '--config', config);
  const made = fake.out().trim();
  const now = nowAt(house.clock);
  expect(AdminToken.read(house.keys, made, now)).toMatchObject({ label: 'ana', scope: 'operate', expiresAt: now + 8 * 3600, operations: undefined });
  house.write('ana.token', `${made}\n`);
  await fake.run('admin', 'token', '--from', `${house.folder}/ana.token`, '--label', 'bot', '--operation', 'routes.list', '--operation', 'audit.list');
  const narrowed = fake.out().trim().split('\n')[1] as string;
  expect(AdminToken.read(house.keys, narrowed, now)).toMatchObject({ label: 'ana/bot', scope: 'operate', operations: new Set(['routes.list', 'audit.list']) });
  expect(fake.notes()).toBe('');
  for (const wrong of [
    ['--label', 'a b'],
    ['--label', 'a', '--scope', 'root'],
    ['--label', 'a', '--expires', '3000d'],
    ['--label', 'a', '--operation', 'no.such'],
    [],
  ]) {
    expect([wrong, await exitOf(fake.run('admin', 'token', ...wrong, '--config', config))]).toEqual([wrong, 2]);
  }
});

test('a link signs in once, by the address where admin is', async () => {
  const { fake, house, config } = await setup({ interactive: false });
  await fake.run('admin', 'link', '--scope', 'read', '--config', config);
  const [, code = ''] = String(fake.json()[0]?.url).split('/#');
  expect(readLink(house.keys, code, nowAt(house.clock))).toMatchObject({ scope: 'read' });
  const signIn = () =>
    house.ask('/v1/session', { method: 'POST', headers: { 'content-type': 'application/json', host: hostOf(fake) }, body: JSON.stringify({ link: code }) });
  expect([(await signIn()).status, (await signIn()).status]).toEqual([200, 401]);
});

test('a configuration without admin says what to write', async () => {
  const { fake, house } = await setup();
  house.write('none.yaml', yaml.replace(/^admin.*\n/m, ''));
  await expect(fake.run('admin', 'health', 'show', '--config', `${house.folder}/none.yaml`)).rejects.toThrow(/has no "admin": write "admin: \{\}"/);
});

test('no token is made for, or sent to, an address on whose way it could be read', async () => {
  const { fake, house, config } = await setup();
  house.write('ana.token', house.token());
  for (const url of ['http://192.0.2.7:8406', 'http://admin.example.com', 'http://127.0.0.1.example.com:8406', 'ftp://127.0.0.1', 'admin']) {
    for (const shown of [
      ['--with', `${house.folder}/ana.token`],
      ['--config', config],
    ]) {
      const refused = fake.run('admin', 'health', 'show', '--url', url, ...shown);
      await expect(refused).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('No token is sent') as unknown });
    }
    expect(() => createAdminClient({ url, token: 'x' })).toThrow(/No token is sent/);
  }
  for (const url of ['https://admin.example.com', 'http://localhost:8406', 'http://[::1]:8406', 'http://127.0.0.2:8406'])
    createAdminClient({ url, token: 'x' });
  const abroad = `${house.folder}/abroad.yaml`;
  writeFileSync(abroad, yaml.replace('listen: 127.0.0.1:8406', 'listen: 192.0.2.7:8406'));
  rmSync(`${house.folder}/farebox.keys`);
  // Refused before the keys are asked for.
  await expect(fake.run('admin', 'health', 'show', '--config', abroad)).rejects.toThrow(/No token is sent to http:\/\/192\.0\.2\.7:8406/);
});

test('what streams say steers no terminal', async () => {
  const { fake, house, config } = await setup();
  const paymentHash = 'ab'.repeat(32) as PaymentHash;
  const at = nowAt(house.clock);
  await house.store.append([{ kind: 'earned', paymentHash, nonce: '', amountMsat: 1n as Msat, service: 'api', route: '/\u009b2J\u202e\u2028', at, note: '' }]);
  await fake.run('admin', 'ledger', 'export', '--config', config);
  expect(fake.out()).toContain('/\\u{9b}2J\\u{202e}\\u{2028}');
});

function hostOf(fake: Fake): string {
  return new URL(String(fake.json()[0]?.url)).host;
}
