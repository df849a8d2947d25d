import fc from 'fast-check';
import { expect, test } from 'vitest';
import { systemRandom } from '../../core/Clock.ts';
import { parse } from './Connection.ts';
import { isGenuine, publicKeyOf, read, sign } from './Event.ts';

const secret = 'ab'.repeat(32);
const wallet = publicKeyOf(Buffer.from('cd'.repeat(32), 'hex'));
const good = `nostr+walletconnect://${wallet}?relay=wss%3A%2F%2Frelay.example.com&secret=${secret}`;

/** A text with something put into it, taken out of it, or turned round. */
const spoilt = fc
  .tuple(fc.nat(good.length), fc.nat(20), fc.string({ unit: 'binary', maxLength: 20 }))
  .map(([at, cut, put]) => good.slice(0, at) + put + good.slice(at + cut));

test('a connection string is read, or refused without a word of it', () => {
  fc.assert(
    fc.property(fc.oneof(spoilt, fc.string(), fc.webUrl()), (text) => {
      try {
        expect(parse(text, systemRandom).relays.length).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        expect(String(error)).not.toContain(secret.slice(0, 12));
      }
    }),
  );
});

test('whatever a relay sends is an event or none, and never an error', () => {
  fc.assert(fc.property(fc.anything(), (value) => void expect(read(value)).toBeUndefined()));
});

test('what was signed is genuine on the other side of the wire, whatever it says', () => {
  const tags = fc.array(fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 3 }), { maxLength: 4 });
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), tags, fc.nat(65_535), (content, all, kind) => {
      const event = sign({ created_at: 1, kind, tags: all, content }, Buffer.from(secret, 'hex'), new Uint8Array(32));
      const heard = read(JSON.parse(JSON.stringify(event)));
      expect(heard).toEqual(event);
      expect(heard && isGenuine(heard)).toBe(true);
    }),
    { numRuns: 30 },
  );
});
