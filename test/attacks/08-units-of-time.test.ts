/**
 * A time in the wrong unit: seconds or milliseconds, ISO or epoch, negative, unreadable, a duration. What cannot be read refuses.
 */
import { describe, expect, test } from 'vitest';
import * as Caveat from '../../src/core/Caveat.ts';
import { createConfig } from '../../src/gateway/Config.ts';
import { pass } from '../../src/server/terms/Pass.ts';
import { auth, challengeOf, enter, expectRefused, mintWith, names, narrowed, path } from './thief.ts';

const now = 1_800_000_000;

/** Times that are long over, or over in no unit that anybody can be sure of; each would be good for years in another. */
const unreadable: readonly (readonly [string, string])[] = [
  ['milliseconds', `${(now + 60) * 1000}`],
  ['microseconds', `${now + 60}000000`],
  ['nanoseconds', `${now + 60}000000000`],
  ['eleven digits', '99999999999'],
  ['a number that no computer counts to', '9'.repeat(400)],
  ['a negative number', '-1'],
  ['a negative number of the right size', `-${now + 60}`],
  ['a plus sign', `+${now + 60}`],
  ['a fraction', `${now + 60}.5`],
  ['an exponent', '4e9'],
  ['hexadecimal', '0xee6b2800'],
  ['separators', '4_000_000_000'],
  ['thousands', '4,000,000,000'],
  ['two numbers', `${now - 60} ${now + 60}`],
  ['a number and a word', `${now + 60} or later`],
  ['a unit', `${now + 60}s`],
  ['nothing', ''],
  ['quotes within quotes', `"'${now + 60}'"`],
  ['a word', 'never'],
  ['infinity', 'Infinity'],
  ['no number', 'NaN'],
  ['true', 'true'],
  ['a duration', '1h'],
  ['a duration in words', '1 hour'],
  ['an ISO duration', 'PT1H'],
  ['an interval', '2026-01-01T00:00:00Z/P100Y'],
  ['a date', '2090-01-01'],
  ['a date and a time without a zone', '2090-01-01T00:00:00'],
  ['a time in a zone by name', '2090-01-01T00:00:00 UTC'],
  ['a space for the T', '2090-01-01 00:00:00Z'],
  ['a small t and z', '2090-01-01t00:00:00z'],
  ['a short year', '90-01-01T00:00:00Z'],
  ['a long year', '+002090-01-01T00:00:00Z'],
  ['a thirteenth month', '2090-13-01T00:00:00Z'],
  ['a 25th hour', '2090-01-01T25:00:00Z'],
  ['an HTTP date', 'Sun, 01 Jan 2090 00:00:00 GMT'],
  ['an English date', 'January 1, 2090'],
  ['digits of another script', '٢٠٩٠'],
  ['wide digits', '４０００００００００'],
  ['JSON', `{"at":${now + 60}}`],
  ['before all time', '1900-01-01T00:00:00Z'],
  ['tai64', '@4000000000ee6b28000bebc200'],
];

/** Read, and over. */
const over: readonly (readonly [string, string])[] = [
  ['zero', '0'],
  ['a duration in seconds', '3600'],
  ['a duration in milliseconds', '3600000'],
  ['a second ago', `${now - 1}`],
  ['a second ago, with zeros before it', `0${now - 1}`],
  ['a second ago, in words', new Date((now - 1) * 1000).toISOString()],
  ['a second ago, in another zone', '2027-01-15T09:59:59+02:00'],
  ['the beginning of time', '1970-01-01T00:00:00Z'],
];

const conditions = ['valid_until', 'expires', 'library_valid_until'] as const;

describe.each(names)('%s', (name) => {
  test.each(conditions)('from a holder, as %s: whatever cannot be read, or is over, refuses', async (condition) => {
    const shop = await enter(name);
    const bought = await shop.buy('/library/a');
    for (const [what, value] of [...unreadable, ...over]) {
      const written = narrowed(bought, `${condition}=${value}`);
      await expectRefused(shop, () => shop.get('/library/a', auth(written)), { status: 403, code: 'CREDENTIAL_NARROWED' }, what);
    }
  });

  test('from the seller himself, by mistake: no token is good for ever', async () => {
    const shop = await enter(name);
    const statusOf = async (until: string) => {
      const caveats = [
        'services=library:0',
        'library_method=GET',
        'library_path=/library/*',
        `library_valid_until=${until}`,
        'library_price=1 sat',
        'library_terms=pass',
      ];
      return (await shop.get('/library/a', auth(mintWith(caveats).authorization))).status;
    };
    expect(await statusOf(`${now + 60}`)).toBe(200);
    for (const [what, value] of [...unreadable, ...over]) expect(await statusOf(value), what).toBe(402);
    expect(shop.upstream.seen.length).toBe(1);
  });

  test.each([
    ['seconds', `${now + 60}`],
    ['a time in words', new Date((now + 60) * 1000).toISOString()],
    ['another zone', '2027-01-15T12:01:00+04:00'],
    ['a zone behind', '2027-01-15T00:31:00-07:30'],
    ['minutes alone', '2027-01-15T08:01Z'],
  ])('%s: good up to that second, and not beyond it', async (_, value) => {
    const shop = await enter(name);
    const bought = await shop.buy('/library/a');
    const narrow = narrowed(bought, `expires=${value}`);
    // More than once, so that it is remembered.
    for (let i = 0; i < 4; i++) {
      expect((await shop.get('/library/a', auth(narrow))).status).toBe(200);
      shop.clock.advance(15_000);
    }
    expect((await shop.get('/library/a', auth(narrow))).status).toBe(200);
    shop.clock.advance(1000);
    await expectRefused(shop, () => shop.get('/library/a', auth(narrow)), { status: 403, code: 'CREDENTIAL_NARROWED' });
  });

  test('every token that is sold ends, in seconds, when what was sold ends', async () => {
    const shop = await enter(name);
    const untilOf = async (target: string) => {
      const { macaroon } = await challengeOf(shop, target);
      return macaroon.caveats.map(Caveat.parse).find(({ condition }) => condition.endsWith('_valid_until'))?.value;
    };
    expect([await untilOf(path), await untilOf('/library/a')]).toEqual([`${now + 600 + 86_400}`, `${now + 600 + 3600}`]);
    const bought = await shop.buy('/library/a');
    shop.clock.advance(4_200_000);
    expect((await shop.get('/library/a', auth(bought.authorization))).status).toBe(200);
    shop.clock.advance(1000);
    await expectRefused(shop, () => shop.get('/library/a', auth(bought.authorization)), { status: 402, code: 'CREDENTIAL_EXPIRED' });
  });
});

test.each(['3600', 3600, '1', '-1h', '0s', '1y', '1h30', '1e3s', 'forever', '', '3600 ', '99999999h'])('a configuration cannot sell a pass of %j', (length) => {
  const config = (terms: unknown) => ({ services: [{ name: 'api', upstream: 'http://127.0.0.1:1', routes: [{ path: '/a', price: '1 sat', terms }] }] });
  expect(() => createConfig(config(`pass: ${length}`))).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  expect(() => createConfig({ ...config('per-request'), invoiceExpiry: length })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  expect(() => createConfig(config('pass: 1h'))).not.toThrow();
});

test.each([0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 3_600_000_000])('nor can code: %d', (seconds) =>
  expect(() => pass({ seconds })).toThrow(RangeError),
);
