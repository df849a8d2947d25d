import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Network } from '../lightning/Lightning.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { createRootKeys } from './RootKeys.ts';
import { createTrials, lastsSeconds } from './Trials.ts';

const place = { service: 'api', clientAddress: '192.0.2.1' };
const halfMs = (lastsSeconds / 2) * 1000;

function open({ master = 7, network = 'sandbox' as Network, realm = 'test', numbers = 1 } = {}) {
  const clock = FixedClock.create();
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(master)], network, realm });
  let number = numbers;
  const trials = createTrials({ keys, clock, random: (length) => new Uint8Array(length).fill(number++) });
  const first = () => trials.offer(place, undefined) as string;
  return { clock, trials, first };
}

describe('a trial token', () => {
  test('names a client, and each new one another', () => {
    const { trials, first } = open();
    expect([trials.read(first(), place)?.number, trials.read(first(), place)?.number]).toEqual(['01'.repeat(12), '02'.repeat(12)]);
    expect(first()).toMatch(/^[0-9a-f]{74}$/);
  });

  test('is read at every process that has the key, in either case of its digits', () => {
    expect(open().trials.read(open().first().toUpperCase(), place)?.number).toBe('01'.repeat(12));
  });

  test('is good for thirty days, and for the same client again where it is shown in the second half of them', () => {
    const { clock, trials, first } = open();
    const token = first();
    const read = () => trials.read(token, place);
    expect(trials.offer(place, read())).toBeUndefined();
    clock.advance(halfMs);
    const renewed = trials.offer(place, read()) as string;
    expect(trials.read(renewed, place)).toEqual({ number: read()?.number, goodUntil: (read()?.goodUntil ?? 0) + lastsSeconds / 2 });
    clock.advance(halfMs - 1000);
    expect(read()?.number).toBe('01'.repeat(12));
    clock.advance(1000);
    expect([read(), trials.read(renewed, place)?.number]).toEqual([undefined, '01'.repeat(12)]);
  });

  test.each<readonly [string, Parameters<typeof open>[0]]>([
    ['key', { master: 8 }],
    ['network', { network: 'regtest' }],
    ['realm', { realm: 'other' }],
  ])('is worth nothing under another %s', (_, other) => {
    expect(open(other).trials.read(open().first(), place)).toBeUndefined();
    expect(open(other).trials.read(open(other).first(), place)).toBeDefined();
  });

  test.each([
    { ...place, service: 'other' },
    { ...place, clientAddress: '192.0.2.2' },
    { ...place, clientAddress: '2001:db8::1' },
    { service: 'ap', clientAddress: 'i/192.0.2.1' },
  ])('is worth nothing at %j', (elsewhere) => {
    const { trials, first } = open();
    expect(trials.read(first(), elsewhere)).toBeUndefined();
  });

  test('is good from all of a client: its IPv4 address in another form, its /64', () => {
    const { trials, first } = open();
    expect(trials.read(first(), { ...place, clientAddress: '::ffff:192.0.2.1' })).toBeDefined();
    const six = { ...place, clientAddress: '2001:db8:0:1::1' };
    const token = trials.offer(six, undefined) as string;
    expect(trials.read(token, { ...place, clientAddress: '2001:db8:0:1:ffff::2' })).toBeDefined();
    expect(trials.read(token, { ...place, clientAddress: '2001:db8:0:2::1' })).toBeUndefined();
  });

  test('that is changed in any digit, cut or stretched is none', () => {
    const { trials, first } = open();
    const token = first();
    for (let at = 0; at < token.length; at++) {
      const changed = `${token.slice(0, at)}${((Number.parseInt(token[at] as string, 16) + 1) % 16).toString(16)}${token.slice(at + 1)}`;
      expect([at, trials.read(changed, place)]).toEqual([at, undefined]);
    }
    for (const other of [token.slice(2), `${token}00`, `${token} `, ` ${token}`, '']) expect(trials.read(other, place)).toBeUndefined();
  });

  test('is never made of a text that anybody thinks of', () => {
    const { trials } = open();
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 74, maxLength: 74 })),
        (text) => trials.read(text, place) === undefined,
      ),
    );
  });
});
