import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { createFake, type Fake } from '../../test/cli/fakeContext.ts';
import { fingerprintsIn } from '../../test/cli/keys.ts';
import { createSqliteStore } from '../store/sqlite.ts';
import { registerKeys } from './keys.ts';

const fakes: Fake[] = [];
const fake = (options = {}) => {
  const made = createFake(registerKeys, options);
  fakes.push(made);
  return made;
};
afterEach(() => {
  for (const made of fakes.splice(0)) made.remove();
});

/** The keys in a file, as they stand there. */
const secretsIn = (file: string) =>
  readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => /^[0-9a-f]{64}/.exec(line)?.[0] ?? []);

/** A configuration beside its keys. */
function configure(cli: Fake, terms = 'per-request', more = ''): string {
  const file = cli.path('farebox.yaml');
  writeFileSync(
    file,
    `keys: shop.keys\nstore: shop.db\n${more}services:\n  - name: api\n    upstream: http://localhost:1\n    routes:\n      - { path: /a, price: 1 sat, terms: "${terms}" }\n`,
  );
  return file;
}

const messageOf = (outcome: Promise<void>) => outcome.then(() => 'it went through').catch((error: Error) => error.message);

describe('list and new', () => {
  test('the first key mints, and none is shown', async () => {
    const cli = fake();
    await cli.run('keys', 'new');
    await cli.run('keys', 'list');
    const [first] = fingerprintsIn(cli.home.keyFile);
    expect(cli.out()).toMatch(new RegExp(`${first} +mints, and verifies\\n`));
    for (const secret of secretsIn(cli.home.keyFile)) expect(cli.out() + cli.notes()).not.toContain(secret);
    expect(statSync(cli.home.keyFile).mode & 0o077).toBe(0);
  });

  test('where there is a key, another one is made by rotating: at once, some gateway would not know it', async () => {
    const cli = fake();
    await cli.run('keys', 'new');
    const before = readFileSync(cli.home.keyFile, 'utf8');
    expect(await messageOf(cli.run('keys', 'new'))).toMatch(/holds keys already.*farebox keys rotate/);
    expect(readFileSync(cli.home.keyFile, 'utf8')).toBe(before);
  });

  test('piped, it is JSON', async () => {
    const cli = fake({ interactive: false });
    const file = cli.path('shop.keys');
    await cli.run('keys', 'new', '--file', file);
    await cli.run('keys', 'list', '--file', file);
    const [fingerprint] = fingerprintsIn(file);
    expect(cli.json()).toEqual([
      { file, fingerprint, role: 'mints', sealed: false },
      { file, sealed: false, keys: [{ fingerprint, role: 'mints' }] },
    ]);
    expect(existsSync(cli.home.keyFile)).toBe(false);
  });

  test('a list without a file is an error, and makes none', async () => {
    const cli = fake();
    for (const command of [['list'], ['rotate'], ['seal'], ['retire', '01020304']]) {
      await expect(cli.run('keys', ...command)).rejects.toThrow(/There is no key yet.*farebox keys new/);
    }
    expect(existsSync(cli.home.keyFile)).toBe(false);
  });

  test.each([['new'], ['rotate'], ['seal'], ['list']])('%s: a file that holds something else is left as it is, and not repeated', async (command) => {
    const cli = fake({ answers: ['correct horse battery staple', 'correct horse battery staple'] });
    const file = cli.path('broken.keys');
    writeFileSync(file, 'correct horse battery staple\n');
    const message = await messageOf(cli.run('keys', command, '--file', file));
    expect(message).toMatch(/no key: a key is 64 hex digits/);
    expect(message).not.toContain('horse');
    expect([readFileSync(file, 'utf8'), readdirSync(dirname(file)).sort()]).toEqual(['correct horse battery staple\n', ['broken.keys', 'home']]);
  });

  test('a folder that is not there is an error that says what to do', async () => {
    const cli = fake();
    await expect(cli.run('keys', 'new', '--file', cli.path('nowhere/keys'))).rejects.toMatchObject({
      code: 'KEYS_INVALID',
      message: expect.stringMatching(/ENOENT.*--file/),
    });
  });

  test('a configuration whose keys are in the environment has none to change', async () => {
    const cli = fake({ environment: { FAREBOX_KEYS: 'ab'.repeat(32) } });
    const file = cli.path('farebox.yaml');
    writeFileSync(file, readFileSync(configure(cli), 'utf8').replace('shop.keys', '${' + 'FAREBOX_KEYS}'));
    expect(await messageOf(cli.run('keys', 'rotate', '--config', file))).toMatch(/out of the environment: they are changed there/);
    expect(await messageOf(cli.run('keys', 'list', '--config', file, '--file', 'x'))).toMatch(/not both/);
  });
});

describe('rotate', () => {
  test('the new key verifies at once and mints a minute later; the one before mints until then', async () => {
    const cli = fake();
    await cli.run('keys', 'new');
    const [old] = fingerprintsIn(cli.home.keyFile);
    await cli.run('keys', 'rotate');
    const [fresh, other] = fingerprintsIn(cli.home.keyFile);
    expect(other).toBe(old);
    expect(cli.out()).toContain(`It verifies now, and mints from 2027-01-15 08:01:00 UTC (in 1 minute). Until then ${old} mints`);
    await cli.run('keys', 'list');
    expect(cli.out()).toMatch(new RegExp(`${fresh} +will mint, and verifies +from 2027-01-15 08:01:00 UTC`));
    expect(cli.out()).toMatch(new RegExp(`${old} +mints, and verifies +until 2027-01-15 08:01:00 UTC`));
    cli.clock.advance(60_000);
    await cli.run('keys', 'list');
    expect(cli.out()).toMatch(new RegExp(`${fresh} +mints, and verifies\\n +${old} +verifies +minted until 2027-01-15 08:01:00 UTC \\(now\\)`));
    for (const secret of secretsIn(cli.home.keyFile)) expect(cli.out() + cli.notes()).not.toContain(secret);
  });

  test('comments, mode and a link to the file stay', async () => {
    const cli = fake();
    const [file, link] = [cli.path('shop.keys'), cli.path('link.keys')];
    writeFileSync(file, `# mine\n${'ab'.repeat(32)}\n`);
    chmodSync(file, 0o640);
    symlinkSync(file, link);
    await cli.run('keys', 'rotate', '--file', link, '--overlap', '1h');
    expect(readFileSync(file, 'utf8')).toMatch(/^[0-9a-f]{64} from=2027-01-15T09:00:00Z\n# mine\nabab/);
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(readdirSync(dirname(file)).sort()).toEqual(['home', 'link.keys', 'shop.keys']);
  });

  test('an overlap that leaves gateways no time to learn of the key is refused', async () => {
    const cli = fake();
    await cli.run('keys', 'new');
    for (const overlap of ['9s', '500ms', 'soon']) expect(await messageOf(cli.run('keys', 'rotate', '--overlap', overlap))).toMatch(/^--overlap/);
    await cli.run('keys', 'rotate', '--overlap', '10s');
    expect(fingerprintsIn(cli.home.keyFile)).toHaveLength(2);
  });

  test('while another command is at the file, nothing is changed', async () => {
    const cli = fake();
    await cli.run('keys', 'new');
    writeFileSync(`${cli.home.keyFile}.lock`, '');
    const before = readFileSync(cli.home.keyFile, 'utf8');
    expect(await messageOf(cli.run('keys', 'rotate'))).toMatch(/Another command is changing .*remove .*\.lock/);
    expect([readFileSync(cli.home.keyFile, 'utf8'), existsSync(`${cli.home.keyFile}.lock`)]).toEqual([before, true]);
  });
});

describe('retire', () => {
  /** A configuration whose key has been exchanged, a minute ago. */
  async function exchanged(options: object = {}, terms?: string) {
    const cli = fake(options);
    const config = configure(cli, terms);
    await cli.run('keys', 'new', '--config', config);
    await cli.run('keys', 'rotate', '--config', config);
    cli.clock.advance(60_000);
    const file = cli.path('shop.keys');
    const [fresh, old] = fingerprintsIn(file) as [string, string];
    return { ...cli, config, file, fresh, old, store: cli.path('shop.db') };
  }

  test('says until when what it made may be good, and takes it out then', async () => {
    const cli = await exchanged({}, 'pass 30d');
    const message = await messageOf(cli.run('keys', 'retire', cli.old, '--config', cli.config));
    // A pass of 30 days, invoices of twice ten minutes, a day for nodes that make them longer, a minute for clocks.
    expect(message).toMatch(/minted until 2027-01-15 08:01:00 UTC, and what it made may be good until 2027-02-15 08:22:00 UTC \(in 31 days\)/);
    cli.clock.advance((31 * 86_400 + 1260) * 1000 - 1000);
    expect(await messageOf(cli.run('keys', 'retire', cli.old, '--config', cli.config))).toMatch(/may be good until/);
    cli.clock.advance(1000);
    await cli.run('keys', 'retire', cli.old.toUpperCase(), '--config', cli.config);
    expect(fingerprintsIn(cli.file)).toEqual([cli.fresh]);
    expect(existsSync(cli.store)).toBe(false);
  });

  test('by force at once, and everything that it made is revoked in the store', async () => {
    const cli = await exchanged({ interactive: false });
    const store = await createSqliteStore({ path: cli.store, clock: cli.clock });
    expect(await messageOf(cli.run('keys', 'retire', cli.old, '--config', cli.config, '--force'))).toMatch(/nobody to ask/);
    expect([(await store.denials()).denials, fingerprintsIn(cli.file)]).toEqual([[], [cli.fresh, cli.old]]);
    await cli.run('keys', 'retire', cli.old, '--config', cli.config, '--force', '--yes');
    expect((await store.denials()).denials).toEqual([{ kind: 'key', value: cli.old, expiresAt: 253_402_300_799 }]);
    expect([fingerprintsIn(cli.file), cli.json().at(-1)]).toEqual([[cli.fresh], { file: cli.file, retired: cli.old, revoked: true, keys: 1 }]);
    await store.close();
  });

  test('a person who does not agree keeps the key', async () => {
    const cli = await exchanged({ answers: ['', 'yes'] });
    expect(await messageOf(cli.run('keys', 'retire', cli.old, '--config', cli.config, '--force'))).toMatch(/Nothing was changed/);
    await cli.run('keys', 'retire', cli.old, '--config', cli.config, '--force');
    expect([cli.questions.length, fingerprintsIn(cli.file)]).toEqual([2, [cli.fresh]]);
  });

  test('the key that mints, or is going to, stays, by force too', async () => {
    const cli = await exchanged();
    for (const force of [[], ['--force', '--yes']]) {
      expect(await messageOf(cli.run('keys', 'retire', cli.fresh, '--config', cli.config, ...force))).toMatch(
        /is the key that mints.*farebox keys rotate --config/,
      );
    }
    await cli.run('keys', 'rotate', '--config', cli.config);
    const [waiting] = fingerprintsIn(cli.file) as [string];
    expect(await messageOf(cli.run('keys', 'retire', waiting, '--config', cli.config, '--force', '--yes'))).toMatch(/will mint from/);
    expect(await messageOf(cli.run('keys', 'retire', '00000000', '--config', cli.config))).toMatch(/has no key 00000000/);
    expect(fingerprintsIn(cli.file)).toHaveLength(3);
  });

  test('where it is not known how long something lasts, or since when it mints no more, it stays', async () => {
    const cli = fake();
    const file = cli.path('shop.keys');
    writeFileSync(file, `${'ab'.repeat(32)}\n${'cd'.repeat(32)}\n`);
    const [, old] = fingerprintsIn(file) as [string, string];
    expect(await messageOf(cli.run('keys', 'retire', old, '--file', file))).toMatch(/not known here: name the configuration, or the longest/);
    expect(await messageOf(cli.run('keys', 'retire', old, '--file', file, '--sold-for', '30d'))).toMatch(/Since when another key mints .* is not written down/);
    expect(await messageOf(cli.run('keys', 'retire', old, '--file', file, '--force', '--yes'))).toMatch(/Which gateways have this key/);
    writeFileSync(file, `${'ab'.repeat(32)} from=2026-01-01T00:00:00Z\n${'cd'.repeat(32)}\n`);
    expect(await messageOf(cli.run('keys', 'retire', old, '--file', file, '--sold-for', '1000d'))).toMatch(/may be good until/);
    await cli.run('keys', 'retire', old, '--file', file, '--sold-for', '30d');
    expect(fingerprintsIn(file)).toHaveLength(1);
  });
});

describe('seal and unseal', () => {
  const [first, second] = ['correct horse battery staple', 'a passphrase of another kind'] as const;

  test('the file is sealed under what was typed twice, opened by nothing else, and in clear again', async () => {
    const cli = fake({ answers: [first, first, 'something else entirely', first, first] });
    await cli.run('keys', 'new');
    const clear = readFileSync(cli.home.keyFile, 'utf8');
    const [fingerprint = ''] = fingerprintsIn(cli.home.keyFile);
    await cli.run('keys', 'seal');
    const sealed = readFileSync(cli.home.keyFile, 'utf8');
    expect(sealed).toMatch(/^# Master keys.*\nfarebox-sealed-keys:1:scrypt:17:8:1:/);
    expect(sealed).not.toContain(clear.trim());
    expect(await messageOf(cli.run('keys', 'list'))).toMatch(/does not open with this passphrase/);
    await cli.run('keys', 'list');
    expect(cli.out()).toContain(`${fingerprint}  mints`);
    expect(readFileSync(cli.home.keyFile, 'utf8')).toBe(sealed);
    await cli.run('keys', 'unseal');
    expect([readFileSync(cli.home.keyFile, 'utf8'), statSync(cli.home.keyFile).mode & 0o777]).toEqual([clear, 0o600]);
    expect(cli.questions).toEqual(['New passphrase', 'The same again', ...Array(3).fill(`Passphrase of ${cli.home.keyFile}`)]);
    expect(cli.out() + cli.notes()).not.toMatch(/horse/);
  });

  test('files and the environment say it where nobody is asked; a key that is added is sealed too', async () => {
    const cli = fake({ interactive: false, environment: { FAREBOX_PASSPHRASE: first } });
    const next = cli.path('next');
    writeFileSync(next, `${second}\n`);
    await cli.run('keys', 'new');
    expect(cli.json().at(-1)).toMatchObject({ sealed: true });
    await cli.run('keys', 'rotate');
    expect(readFileSync(cli.home.keyFile, 'utf8')).toMatch(/^# Master keys.*\nfarebox-sealed-keys:/);
    expect(await messageOf(cli.run('keys', 'seal'))).toMatch(/sealed already.*farebox keys seal --change/);
    await cli.run('keys', 'seal', '--change', '--new-passphrase-file', next);
    expect(await messageOf(cli.run('keys', 'list'))).toMatch(/does not open with this passphrase/);
    const other = fake({ interactive: false, environment: { FAREBOX_PASSPHRASE_FILE: next } });
    await other.run('keys', 'list', '--file', cli.home.keyFile);
    expect(other.json()).toEqual([
      { file: cli.home.keyFile, sealed: true, keys: [expect.objectContaining({ role: 'waits' }), expect.objectContaining({ role: 'mints' })] },
    ]);
  });

  test('a passphrase that the configuration names seals and opens', async () => {
    const cli = fake({ interactive: false });
    const config = configure(cli, undefined, 'passphrase: secrets/passphrase\n');
    await expect(cli.run('keys', 'new', '--config', config)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/passphrase.*ENOENT/),
    });
    mkdirSync(cli.path('secrets'));
    writeFileSync(cli.path('secrets/passphrase'), `${first}\r\n`);
    await cli.run('keys', 'new', '--config', config);
    await cli.run('keys', 'list', '--config', config);
    expect(cli.json().map(({ sealed }) => sealed)).toEqual([true, true]);
  });

  test('two that differ, one that is short, one that nobody can tell: nothing is written', async () => {
    const cli = fake({ answers: [first, second, 'short'] });
    await cli.run('keys', 'new');
    const clear = readFileSync(cli.home.keyFile, 'utf8');
    expect(await messageOf(cli.run('keys', 'seal'))).toMatch(/two different passphrases/);
    expect(await messageOf(cli.run('keys', 'seal'))).toMatch(/12 characters at least/);
    const alone = fake({ interactive: false });
    expect(await messageOf(alone.run('keys', 'seal', '--file', cli.home.keyFile))).toMatch(/nobody to ask for a passphrase/);
    expect(await messageOf(cli.run('keys', 'seal', '--change'))).toMatch(/is not sealed/);
    expect(await messageOf(cli.run('keys', 'unseal'))).toMatch(/is not sealed/);
    expect([readFileSync(cli.home.keyFile, 'utf8'), readdirSync(cli.home.folder)]).toEqual([clear, ['master.key']]);
  });
});
