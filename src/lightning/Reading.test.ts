import { describe, expect, test } from 'vitest';
import { Reading } from './Reading.ts';

const reading = (fields: unknown) => new Reading('lnd', fields);

describe('what a product answers', () => {
  test('is read field by field, numbers also from text', () => {
    const read = reading({ text: 'a', amount: '50001', seconds: 60, flag: false, inner: { text: 'b' }, list: [{ text: 'c' }] });
    expect([read.text('text'), read.msat('amount'), read.seconds('seconds'), read.flag('flag')]).toEqual(['a', 50_001n, 60, false]);
    expect([read.object('inner').text('text'), read.list('list').map((one) => one.text('text'))]).toEqual(['b', ['c']]);
    expect([read.has('text'), read.has('nothing'), reading({ x: null }).has('x')]).toEqual([true, false, false]);
  });

  test.each<[string, () => unknown]>([
    ['no object', () => reading('x')],
    ['a list', () => reading([])],
    ['null', () => reading(null)],
    ['a text that is missing', () => reading({}).text('a')],
    ['a number for a text', () => reading({ a: 1 }).text('a')],
    ['a fraction', () => reading({ a: 1.5 }).whole('a')],
    ['more than a number can hold', () => reading({ a: 2 ** 60 }).whole('a')],
    ['a text that is no number', () => reading({ a: '1e3' }).whole('a')],
    ['an amount below nothing', () => reading({ a: '-1' }).msat('a')],
    ['more than all bitcoin', () => reading({ a: '2100000000000000001' }).msat('a')],
    ['a time before all times', () => reading({ a: -1 }).seconds('a')],
    ['a flag in words', () => reading({ a: 'true' }).flag('a')],
    ['a list that is none', () => reading({ a: {} }).list('a')],
    ['a list of texts', () => reading({ a: ['x'] }).list('a')],
  ])('%s is no answer', (_, read) => {
    expect(read).toThrow(expect.objectContaining({ code: 'LIGHTNING_UNAVAILABLE' }));
  });

  test('an error names the field and never its value', () => {
    expect(() => reading({ preimage: ['secret'] }).text('preimage')).toThrow(/^lnd answered something that cannot be read: preimage is no text\.$/);
  });
});
