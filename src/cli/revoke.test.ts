import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { createFake, type Fake } from '../../test/cli/fakeContext.ts';
import { addKey, fingerprintsIn } from '../../test/cli/keys.ts';
import { type SoldOptions, sell } from '../../test/cli/soldToken.ts';
import * as Identifier from '../core/Identifier.ts';
import { toHex } from '../core/internal/bytes.ts';
import * as Macaroon from '../core/Macaroon.ts';
import { seal } from '../gateway/index.ts';
import { partKeyOf } from '../server/Verifier.ts';
import type { Denial } from '../store/Store.ts';
import { createSqliteStore } from '../store/sqlite.ts';
import { registerRevoke } from './revoke.ts';

const now = 1_800_000_000;
const never = 253_402_300_799;
const hash = 'ab'.repeat(32);

const fakes: Fake[] = [];
afterEach(() => {
  for (const made of fakes.splice(0)) made.remove();
});

/** A command line whose gateways have sold something under an older key. */
async function open(options: Parameters<typeof createFake>[1] = {}, sold: Partial<SoldOptions> = {}) {
  const cli = createFake(registerRevoke, options);
  fakes.push(cli);
  const master = addKey(cli.home.keyFile);
  addKey(cli.home.keyFile);
  const [minting, old] = fingerprintsIn(cli.home.keyFile) as [string, string];
  const bought = sell(master, { mintedAt: now - 3600, validUntil: now + 82_800, ...sold });
  const { tokenId } = Identifier.decode(Macaroon.parse(bought.token).identifier);
  const withStore = async <T>(use: (store: Awaited<ReturnType<typeof createSqliteStore>>) => Promise<T>): Promise<T> => {
    const store = await createSqliteStore({ path: cli.home.gatewayStore, clock: cli.clock });
    try {
      return await use(store);
    } finally {
      await store.close();
    }
  };
  await withStore(async () => {});
  const denied = () => withStore(async (store) => (await store.denials()).denials);
  return { ...cli, ...bought, master, minting, old, tokenId, denied, withStore };
}

const narrow = (token: string, ...caveats: readonly string[]) => Macaroon.format(Macaroon.attenuate(Macaroon.parse(token), caveats));
const messageOf = (outcome: Promise<void>) => outcome.then(() => 'it went through').catch((error: Error) => error.message);

describe('what is revoked', () => {
  test('a payment, a key and all before a time, for good; piped, a line of JSON each', async () => {
    const cli = await open({ interactive: false });
    await cli.run(
      'revoke',
      '--payment',
      hash.toUpperCase(),
      '--payment',
      'cd'.repeat(32),
      '--key',
      cli.old,
      '--minted-before',
      '2027-01-15T08:00:00Z',
      '--yes',
    );
    const all: Denial[] = [
      { kind: 'payment', value: hash, expiresAt: never },
      { kind: 'payment', value: 'cd'.repeat(32), expiresAt: never },
      { kind: 'key', value: cli.old, expiresAt: never },
      { kind: 'minted-before', value: String(now), expiresAt: never },
    ];
    expect(await cli.denied()).toEqual(all);
    expect(cli.json()).toEqual(all.map(({ kind, value }) => ({ kind: 'revoked', revoked: kind, value, until: null })));
    expect(cli.notes()).toContain('An invoice that is open now, and is paid after this, buys nothing');
  });

  test.each([
    ['as it is', (token: string) => token],
    ['in a credential', (token: string, preimage: string) => `L402 ${token}:${preimage}\n`],
    ['narrowed to a second', (token: string) => Macaroon.format(Macaroon.attenuate(Macaroon.parse(token), ['valid_until=1800000001']))],
  ])('a token %s, until the end that was minted', async (_, form) => {
    for (const way of ['argument', 'file', 'input'] as const) {
      const bought = await open();
      const text = form(bought.token, bought.preimage);
      const cli = way === 'input' ? await open({ input: text }) : bought;
      // The ring of the one who asks is the one that made it.
      if (way === 'input') writeFileSync(cli.home.keyFile, readFileSync(bought.home.keyFile));
      const file = cli.path('token.txt');
      writeFileSync(file, text);
      await cli.run('revoke', '--token', { argument: text, file, input: '-' }[way], '--yes');
      expect([way, await cli.denied()]).toEqual([way, [{ kind: 'token', value: bought.tokenId, expiresAt: now + 82_800 }]]);
      expect(cli.out()).toContain('until its end, 2027-01-16 07:00:00 UTC (in 23 hours)');
      expect(cli.out() + cli.notes()).not.toContain(bought.preimage);
    }
  });

  test('a part, by what its holder has or by its name, until the end of the whole; and nothing of it is shown that could be used', async () => {
    const cli = await open({ interactive: false });
    const part = Macaroon.attenuate(Macaroon.parse(cli.token), ['part=helper', 'n_uses=5']);
    const name = partKeyOf(part.signature);
    await cli.run('revoke', '--part', `L402 ${Macaroon.format(part)}:${cli.preimage}`, '--yes');
    await cli.run('revoke', '--part', 'ab'.repeat(32).toUpperCase(), '--yes');
    expect(await cli.denied()).toEqual([
      { kind: 'part', value: name, expiresAt: now + 82_800 },
      { kind: 'part', value: hash, expiresAt: never },
    ]);
    await cli.run('revoke', 'list');
    expect(cli.json().map(({ value }) => value)).toEqual([name, hash, name, hash]);
    for (const secret of [toHex(part.signature), toHex(Macaroon.parse(cli.token).signature), cli.preimage])
      expect(cli.out() + cli.notes()).not.toContain(secret);
  });

  test('a token by its id, or whose signature cannot be checked or does not hold, for good: its end is not known', async () => {
    const cli = await open();
    await cli.run('revoke', '--token', cli.tokenId, '--yes');
    expect(await cli.denied()).toEqual([{ kind: 'token', value: cli.tokenId, expiresAt: never }]);

    const forged = await open();
    const macaroon = Macaroon.parse(forged.token);
    const shortened = Macaroon.format({ ...macaroon, caveats: macaroon.caveats.map((one) => one.replace(String(now + 82_800), String(now + 1))) });
    await forged.run('revoke', '--token', shortened, '--yes');
    expect(await forged.denied()).toEqual([{ kind: 'token', value: forged.tokenId, expiresAt: never }]);
    expect(forged.notes()).toContain('Its signature does not hold under the keys here');

    const keyless = await open({ interactive: false });
    rmSync(keyless.home.keyFile);
    await keyless.run('revoke', '--token', keyless.token, '--yes');
    expect((await keyless.denied()).map(({ expiresAt }) => expiresAt)).toEqual([never]);
    expect(keyless.notes()).toContain('Without the keys less can be said of it');
  });

  test('in the store and under the realm that a configuration names', async () => {
    const cli = await open({}, { realm: 'tenant' });
    const config = cli.path('farebox.yaml');
    writeFileSync(
      config,
      `keys: ${cli.home.keyFile}\nstore: shop.db\nrealm: tenant\nservices:\n  - { name: api, upstream: "http://localhost:1", routes: [{ path: /a, price: 1 sat }] }\n`,
    );
    const store = await createSqliteStore({ path: cli.path('shop.db'), clock: cli.clock });
    await cli.run('revoke', '--token', cli.token, '--config', config, '--yes');
    expect((await store.denials()).denials).toEqual([{ kind: 'token', value: cli.tokenId, expiresAt: now + 82_800 }]);
    expect(await cli.denied()).toEqual([]);
    await store.close();
  });
});

describe('what is not', () => {
  test('the key that mints, and a time to come: everything that is sold from now on would be worth nothing', async () => {
    const cli = await open();
    expect(await messageOf(cli.run('revoke', '--key', cli.minting, '--yes'))).toMatch(/is the key that mints.*farebox keys rotate/);
    writeFileSync(cli.home.keyFile, `${'ef'.repeat(32)} from=2027-01-15T08:01:00Z\n${readFileSync(cli.home.keyFile, 'utf8')}`);
    expect(await messageOf(cli.run('revoke', '--key', fingerprintsIn(cli.home.keyFile)[0] as string, '--yes'))).toMatch(/is the key that will mint/);
    for (const time of ['2027-01-15T08:01:01Z', String(now + 61), '2030-01-01T00:00:00Z']) {
      expect(await messageOf(cli.run('revoke', '--minted-before', time, '--yes'))).toMatch(/is in the future/);
    }
    expect(await cli.denied()).toEqual([]);
    await cli.run('revoke', '--minted-before', String(now + 60), '--yes');
    await cli.run('revoke', '--minted-before', 'now', '--yes');
    expect((await cli.denied()).map(({ value }) => value)).toEqual([String(now + 60), String(now)]);
  });

  test('what would hit nothing', async () => {
    const cli = await open();
    const wrong: readonly (readonly [readonly string[], RegExp])[] = [
      [[], /What is to be revoked/],
      [['--payment', 'ab'], /64 hex digits/],
      [['--key', 'abc'], /8 hex digits/],
      [['--minted-before', 'yesterday'], /"yesterday" is none/],
      [['--minted-before', '2027-01-15T08:00:00'], /is none/],
      [['--token', 'nonsense'], /is none of them/],
      [['--part', 'nonsense'], /is none of them/],
      [['--part', cli.token], /Nobody has narrowed this token/],
      [['--part', narrow(cli.token, 'n_uses=5', `preimage=${cli.preimage}`)], /Give it without/],
      [['--token', Macaroon.format(Macaroon.mint(new Uint8Array(32), new Uint8Array(66), ['services=api:0']))], /not made by Farebox/],
    ];
    for (const [args, message] of wrong) expect(await messageOf(cli.run('revoke', ...args, '--yes'))).toMatch(message);
    expect(await cli.denied()).toEqual([]);
  });

  test('a key that is none of ours is revoked, and said to be none', async () => {
    const cli = await open();
    await cli.run('revoke', '--key', '00C0FFEE', '--yes');
    expect([(await cli.denied())[0]?.value, cli.notes()]).toEqual(['00c0ffee', expect.stringContaining('00c0ffee is none of the keys here.')]);
  });

  test('anything before a person agrees, or while it is only looked at', async () => {
    const cli = await open({ answers: ['no', 'yes'] });
    expect(await messageOf(cli.run('revoke', '--payment', hash))).toMatch(/Nothing was changed/);
    await cli.run('revoke', '--payment', hash, '--dry-run');
    expect([await cli.denied(), cli.out()]).toEqual([[], expect.stringContaining(`To be refused: everything that the payment ${hash} bought, for good.`)]);
    await cli.run('revoke', '--payment', hash);
    expect([(await cli.denied()).length, cli.questions.length]).toEqual([1, 2]);

    const piped = await open({ interactive: false });
    expect(await messageOf(piped.run('revoke', '--payment', hash))).toMatch(/nobody to ask here/);
    await piped.run('revoke', '--payment', hash, '--dry-run');
    expect([await piped.denied(), piped.json()]).toEqual([[], [{ kind: 'would-revoke', revoked: 'payment', value: hash, until: null }]]);
  });

  test('what is revoked already is said so, and nobody is asked', async () => {
    const cli = await open({ answers: [] });
    await cli.run('revoke', '--payment', hash, '--yes');
    await cli.run('revoke', '--payment', hash);
    expect([cli.questions, cli.out()]).toEqual([[], expect.stringContaining('Refused already: everything that the payment')]);
  });

  test('a store that is not there is not made', async () => {
    const cli = await open();
    await expect(cli.run('revoke', '--payment', hash, '--yes', '--store', cli.path('none.db'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  test('keys that are sealed keep nobody from revoking', async () => {
    const cli = await open({ interactive: false });
    writeFileSync(cli.home.keyFile, await seal(readFileSync(cli.home.keyFile, 'utf8'), 'correct horse battery staple', { cost: 10 }));
    await cli.run('revoke', '--key', cli.old, '--yes');
    expect([(await cli.denied()).length, cli.notes()]).toEqual([1, expect.stringContaining('is sealed, and there is no passphrase')]);
  });
});

test('the list shows what is revoked, and until when', async () => {
  const cli = await open({ answers: [] });
  await cli.run('revoke', 'list');
  expect(cli.out()).toContain('Nothing is revoked.');
  await cli.run('revoke', '--token', cli.token, '--key', cli.old, '--minted-before', 'now', '--yes');
  await cli.run('revoke', 'list');
  expect(cli.out()).toMatch(new RegExp(`token +${cli.tokenId} +minted 2027-01-15 07:00:00 UTC under ${cli.old} +until its end, 2027-01-16`));
  expect(cli.out()).toMatch(new RegExp(`key +${cli.old} +for good`));
  expect(cli.out()).toMatch(/minted-before +2027-01-15 08:00:00 UTC +for good/);

  const piped = await open({ interactive: false });
  await piped.withStore((store) => store.deny({ kind: 'payment', value: hash, expiresAt: never }));
  await piped.run('revoke', 'list', '--store', piped.home.gatewayStore);
  expect(piped.json()).toEqual([{ revoked: 'payment', value: hash, until: null }]);
});
