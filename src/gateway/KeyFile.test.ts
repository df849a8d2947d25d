import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FareboxError } from '../core/Errors.ts';
import { createRootKeys, fingerprintOf } from '../server/RootKeys.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { followKeyFile, type KeyFollowing, type Passphrase, readKeyFile } from './KeyFile.ts';
import { seal } from './KeySeal.ts';

const [one, two, three] = ['11', '22', '33'].map((digits) => digits.repeat(32)) as [string, string, string];
const nameOf = (hex: string) => fingerprintOf(new Uint8Array(Buffer.from(hex, 'hex')));
const passphrase = 'correct horse battery staple';
const nobody: Passphrase = async () => undefined;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'farebox-keys-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('reading', () => {
  test('a file in clear asks nobody; a sealed one asks once', async () => {
    const path = join(folder, 'keys');
    let asked = 0;
    const ask: Passphrase = async () => {
      asked++;
      return passphrase;
    };
    writeFileSync(path, `${one}\n`);
    expect([(await readKeyFile(path, ask)).isSealed, asked]).toEqual([false, 0]);
    writeFileSync(path, await seal(`${one}\n${two}\n`, passphrase, { cost: 10 }));
    const read = await readKeyFile(path, ask);
    expect([read.isSealed, read.text, read.masters.length, asked]).toEqual([true, `${one}\n${two}\n`, 2, 1]);
  });

  test('what cannot be opened or is not there says so by its code', async () => {
    const path = join(folder, 'keys');
    await expect(readKeyFile(path, nobody)).rejects.toMatchObject({ code: 'KEYS_INVALID', message: expect.stringContaining('ENOENT') });
    writeFileSync(path, await seal(`${one}\n`, passphrase, { cost: 10 }));
    await expect(readKeyFile(path, nobody)).rejects.toMatchObject({ code: 'KEYS_LOCKED', message: expect.stringContaining('FAREBOX_PASSPHRASE_FILE') });
    await expect(readKeyFile(path, async () => 'another passphrase')).rejects.toMatchObject({ code: 'KEYS_LOCKED' });
  });
});

describe('following', () => {
  const closing: KeyFollowing[] = [];
  afterEach(async () => {
    for (const one of closing.splice(0)) await one.close();
  });

  /** A ring that follows a file in memory. */
  function open(written = `${one}\n`, opener: { is: Passphrase } = { is: nobody }) {
    const clock = FixedClock.create();
    const file = { text: written as string | Error };
    const keys = createRootKeys({ masters: [new Uint8Array(Buffer.from(one, 'hex'))], network: 'sandbox', realm: 'main' });
    const told: string[] = [];
    let wake = () => {};
    const hear = (what: string) => {
      told.push(what);
      wake();
    };
    const following = followKeyFile({
      path: 'the file',
      passphrase: () => opener.is(),
      keys,
      written,
      clock,
      read: async () => {
        if (file.text instanceof Error) throw file.text;
        return file.text;
      },
      onChange: (masters) => hear(`took ${masters.length}`),
      onTrouble: (error) => hear(FareboxError.is(error) ? error.code : String(error)),
    });
    closing.push(following);
    const seconds = async (count: number) => {
      for (let second = 0; second < count; second++) {
        clock.advance(1000);
        for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      }
    };
    /** Resolves when so much has been told: opening takes threads of their own. */
    const hears = (count: number) =>
      new Promise<void>((resolve) => {
        wake = () => told.length >= count && resolve();
        wake();
      });
    const holds = (hex: string) => keys.derive(nameOf(hex), new Uint8Array(66)) !== undefined;
    return { clock, file, keys, told, seconds, hears, holds, following };
  }

  test('a new key is taken up once the file has stood still for a second', async () => {
    const { file, seconds, holds, told, keys, clock } = open();
    await seconds(3);
    file.text = `${two} from=2027-01-15T08:01:00Z\n${one}\n`;
    await seconds(1);
    expect([holds(two), told]).toEqual([false, []]);
    await seconds(1);
    expect([holds(two), holds(one), told]).toEqual([true, true, ['took 2']]);
    expect(keys.mintingAt(Math.floor(clock.nowMs() / 1000))).toBe(nameOf(one));
    expect(keys.mintingAt(1_800_000_060)).toBe(nameOf(two));
    await seconds(5);
    expect(told).toEqual(['took 2']);
  });

  test('a copy that is half there is no file with fewer keys', async () => {
    const { file, seconds, holds, told } = open(`${one}\n${two}\n`);
    file.text = `${three}\n`;
    await seconds(1);
    file.text = `${three}\n${one}\n`;
    await seconds(1);
    file.text = `${three}\n${one}\n${two}\n`;
    expect([holds(one), told]).toEqual([true, []]);
    await seconds(2);
    expect([[one, two, three].map(holds), told]).toEqual([[true, true, true], ['took 3']]);
  });

  test.each([
    ['broken', 'horse\n'],
    ['empty', ''],
    ['with one key twice', `${two}\n${two}\n`],
    ['sealed, and nobody knows the passphrase', undefined],
    ['not there', new Error('gone')],
  ])('a file that is %s changes nothing and is told once a minute; put right, it is taken', async (_, text) => {
    const { file, seconds, holds, told } = open();
    file.text = text ?? (await seal(`${two}\n`, passphrase, { cost: 10 }));
    await seconds(60);
    expect([holds(one), told.length]).toEqual([true, 1]);
    await seconds(63);
    expect([holds(one), told.length]).toEqual([true, 3]);
    file.text = `${two}\n${one}\n`;
    await seconds(2);
    expect([holds(two), told.at(-1)]).toEqual([true, 'took 2']);
  });

  test('a sealed one is opened by the passphrase as it is then', async () => {
    const opener = { is: (async () => 'the passphrase before') as Passphrase };
    const { file, seconds, holds, told, hears } = open(undefined, opener);
    file.text = await seal(`${two}\n${one}\n`, passphrase, { cost: 10 });
    await seconds(2);
    await hears(1);
    expect([holds(two), told]).toEqual([false, ['KEYS_LOCKED']]);
    opener.is = async () => passphrase;
    await seconds(61);
    await hears(2);
    expect([holds(two), told]).toEqual([true, ['KEYS_LOCKED', 'took 2']]);
  });

  test('a key that has gone is honoured no more, and closing leaves no timer', async () => {
    const { file, seconds, holds, keys, clock, following } = open(`${two}\n${one}\n`);
    file.text = `${two}\n`;
    await seconds(2);
    expect([holds(one), holds(two), keys.departures()]).toEqual([false, true, 1]);
    await following.close();
    expect(clock.timers()).toBe(0);
  });
});
