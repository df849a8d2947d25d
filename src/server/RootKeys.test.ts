import { createHash, createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { toHex } from '../core/internal/bytes.ts';
import { createRootKeys, fingerprintOf } from './RootKeys.ts';

const first = new Uint8Array(32).fill(1);
const second = new Uint8Array(40).fill(2);
const identifier = new Uint8Array(66).fill(3);

describe('a ring of master keys', () => {
  test('derives as docs/wire.md says, computed another way', () => {
    const keys = createRootKeys({ masters: [first, second], network: 'sandbox', realm: 'main' });
    for (const master of [first, second]) {
      const fingerprint = createHash('sha256').update('farebox/key/1/').update(master).digest('hex').slice(0, 8);
      expect(fingerprintOf(master)).toBe(fingerprint);
      const expected = createHmac('sha256', master).update('farebox/token/1/sandbox/main/').update(identifier).digest('hex');
      expect(toHex(keys.derive(fingerprint, identifier) as Uint8Array)).toBe(expected);
    }
    expect(keys.fingerprint).toBe(fingerprintOf(first));
    expect(keys.derive('00000000', identifier)).toBeUndefined();
  });

  test('another network, realm, identifier or master is another key', () => {
    const derive = (masters: Uint8Array[], network: 'sandbox' | 'bitcoin', realm: string, id: Uint8Array) =>
      toHex(createRootKeys({ masters, network, realm }).derive(fingerprintOf(masters[0] as Uint8Array), id) as Uint8Array);
    const keys = [
      derive([first], 'sandbox', 'main', identifier),
      derive([first], 'bitcoin', 'main', identifier),
      derive([first], 'sandbox', 'other', identifier),
      derive([second], 'sandbox', 'main', identifier),
      derive([first], 'sandbox', 'main', new Uint8Array(66)),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('no key, a short key, one key twice and a realm with a slash are refused', () => {
    const make = (masters: Uint8Array[], realm = 'main') => createRootKeys({ masters, network: 'sandbox', realm });
    expect(() => make([])).toThrow(expect.objectContaining({ code: 'KEYS_INVALID' }));
    expect(() => make([new Uint8Array(31)])).toThrow(expect.objectContaining({ code: 'KEYS_INVALID' }));
    expect(() => make([first, Uint8Array.from(first)])).toThrow(expect.objectContaining({ code: 'KEYS_INVALID' }));
    for (const realm of ['', 'a/b', 'a b', 'x'.repeat(65)]) expect(() => make([first], realm)).toThrow(RangeError);
  });
});
