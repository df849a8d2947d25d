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
    expect(keys.mintingAt(0)).toBe(fingerprintOf(first));
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

describe('a ring that is exchanged', () => {
  const third = new Uint8Array(32).fill(4);
  const make = (masters: Parameters<typeof createRootKeys>[0]['masters']) => createRootKeys({ masters, network: 'sandbox', realm: 'main' });

  test('the first whose time has come mints; where it has come for none, the last', () => {
    const keys = make([{ key: third, mintsFromAt: 300 }, { key: second, mintsFromAt: 200 }, first]);
    expect([0, 199, 200, 299, 300, 9999].map(keys.mintingAt)).toEqual([first, first, second, second, third, third].map(fingerprintOf));
    expect(make([{ key: third, mintsFromAt: 300 }]).mintingAt(0)).toBe(fingerprintOf(third));
  });

  test('verifies with every key of the new one and with no other, and counts when one has left', () => {
    const keys = make([first, second]);
    keys.replace([third, first, second]);
    keys.replace([{ key: second, mintsFromAt: 5 }, third, first]);
    expect(keys.departures()).toBe(0);
    keys.replace([third]);
    expect(keys.departures()).toBe(1);
    expect([first, second, third].map((key) => keys.derive(fingerprintOf(key), identifier) === undefined)).toEqual([true, true, false]);
  });

  test('a broken one changes nothing', () => {
    const keys = make([first, second]);
    for (const broken of [[], [third, new Uint8Array(31)], [third, third]]) {
      expect(() => keys.replace(broken)).toThrow(expect.objectContaining({ code: 'KEYS_INVALID' }));
    }
    expect([keys.departures(), keys.mintingAt(0), keys.derive(fingerprintOf(third), identifier)]).toEqual([0, fingerprintOf(first), undefined]);
  });
});
