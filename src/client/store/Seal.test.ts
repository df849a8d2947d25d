import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { createSeal, SealBroken } from './Seal.ts';
import { type Keychain, keychainKey, makeKeyFile, readKeyFile } from './SealKey.ts';

/** What was done to the disk, in order. */
const done = vi.hoisted((): string[] => []);
vi.mock(import('node:fs'), async (original) => {
  const fs = await original();
  const writeFileSync: typeof fs.writeFileSync = (path, text, options) => {
    done.push(typeof options === 'object' && options?.flush ? 'write and flush' : 'write');
    fs.writeFileSync(path, text, options);
  };
  const told =
    <Given extends readonly unknown[]>(what: string, act: (...given: Given) => void) =>
    (...given: Given): void => {
      done.push(what);
      act(...given);
    };
  return { ...fs, writeFileSync, linkSync: told('link', fs.linkSync), fsyncSync: told('flush', fs.fsyncSync) };
});

const folder = mkdtempSync(join(tmpdir(), 'farebox-seal-'));
afterAll(() => rmSync(folder, { recursive: true }));

const key = new Uint8Array(32).fill(7);

describe('a seal', () => {
  const seal = createSeal(key);

  it('opens what it sealed, and shows nothing of it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (text, what) => {
        const sealed = seal.seal(text, what);
        expect(seal.open(sealed, what)).toBe(text);
        expect(sealed).toMatch(/^fbs1\.[\w-]{38,}$/);
      }),
    );
    expect(seal.seal('a secret of a token', 'x')).not.toContain('secret');
    expect(seal.seal('twice', 'x')).not.toBe(seal.seal('twice', 'x'));
  });

  it('opens nothing that was changed, moved elsewhere or sealed by another', () => {
    const sealed = seal.seal('token', 'token of one');
    const other = createSeal(new Uint8Array(32).fill(8));
    expect(other.keyId).not.toBe(seal.keyId);
    expect(() => other.open(sealed, 'token of one')).toThrow(SealBroken);
    expect(() => seal.open(sealed, 'token of two')).toThrow(SealBroken);
    for (const text of ['', 'token', 'fbs1.', 'fbs1.AAAA', sealed.slice(0, -4), `x${sealed}`])
      expect(() => seal.open(text, 'token of one')).toThrow(SealBroken);
    fc.assert(
      fc.property(fc.nat(sealed.length - 6), (at) => {
        const place = at + 5;
        const changed = sealed.slice(0, place) + (sealed[place] === 'A' ? 'B' : 'A') + sealed.slice(place + 1);
        // The last letter carries bits that are no one's.
        if (Buffer.from(changed.slice(5), 'base64url').equals(Buffer.from(sealed.slice(5), 'base64url'))) return;
        expect(() => seal.open(changed, 'token of one')).toThrow(SealBroken);
      }),
    );
  });

  it('takes no key that is none', () => {
    for (const wrong of [new Uint8Array(31), 'key' as never, undefined as never]) expect(() => createSeal(wrong)).toThrow(TypeError);
  });
});

describe('a key file', () => {
  it('is made once, for its owner alone, and read back', () => {
    const path = join(folder, 'a.key');
    expect(readKeyFile(path)).toBeUndefined();
    const made = makeKeyFile(path);
    expect([made.length, statSync(path).mode & 0o777]).toEqual([32, 0o600]);
    expect(readKeyFile(path)).toEqual(made);
    expect(makeKeyFile(path)).toEqual(made);
    expect(readdirSync(folder).filter((name) => name.startsWith('a.key'))).toEqual(['a.key']);
    chmodSync(path, 0o644);
    readKeyFile(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('is on disk, with its name, before anything is sealed with it', () => {
    const path = join(folder, 'flushed.key');
    done.length = 0;
    makeKeyFile(path);
    expect(done).toEqual(['write and flush', 'link', 'flush']);
  });

  it('that holds no key is refused, and left as it is', () => {
    const path = join(folder, 'b.key');
    for (const text of ['', 'farebox-client-key:1:short', 'x'.repeat(100)]) {
      writeFileSync(path, text);
      expect(() => readKeyFile(path)).toThrow(expect.objectContaining({ code: 'STORE_LOCKED' }));
      expect(() => makeKeyFile(path)).toThrow(expect.objectContaining({ code: 'STORE_LOCKED' }));
    }
    expect(() => readKeyFile(folder)).toThrow(expect.objectContaining({ code: 'STORE_LOCKED' }));
    expect(() => makeKeyFile(join(folder, 'nowhere', 'c.key'))).toThrow(expect.objectContaining({ code: 'STORE_UNAVAILABLE' }));
  });
});

describe('the keychain', () => {
  function keychain(isStrict = false) {
    const kept = new Map<string, string>();
    class Entry {
      readonly #name: string;
      constructor(service: string, account: string) {
        this.#name = `${service}/${account}`;
      }
      getPassword(): string | null {
        if (isStrict && !kept.has(this.#name)) throw new Error('No matching entry found in secure storage');
        return kept.get(this.#name) ?? null;
      }
      setPassword(password: string): void {
        kept.set(this.#name, password);
      }
    }
    return { kept, load: async (): Promise<Keychain> => ({ Entry }) };
  }

  it('keeps a key for each store', async () => {
    for (const isStrict of [false, true]) {
      const { kept, load } = keychain(isStrict);
      const made = await keychainKey({ load });
      expect(await keychainKey({ load })).toEqual(made);
      expect(await keychainKey({ load, account: 'other' })).not.toEqual(made);
      expect([...kept.keys()]).toEqual(['farebox/client-store', 'farebox/other']);
    }
  });

  it('that is not there, locked, or holds something else, says so', async () => {
    await expect(keychainKey({ load: () => Promise.reject(new Error('no such package')) })).rejects.toMatchObject({
      code: 'STORE_LOCKED',
      message: expect.stringContaining('npm install @napi-rs/keyring'),
    });
    await expect(keychainKey({ load: async () => ({}) })).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    const { kept, load } = keychain();
    kept.set('farebox/client-store', 'my password');
    await expect(keychainKey({ load })).rejects.toMatchObject({ code: 'STORE_LOCKED', message: expect.not.stringContaining('my password') });
    expect(kept.get('farebox/client-store')).toBe('my password');
  });
});
