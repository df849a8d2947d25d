import { describe, expect, it } from 'vitest';
import { FareboxError } from './Errors.ts';
import { fromBase64, fromUtf8, toBase64, toBase64Url, toUtf8 } from './internal/bytes.ts';
import * as Preimage from './Preimage.ts';
import * as Receipt from './Receipt.ts';

const receipt: Receipt.Receipt = {
  status: 'success',
  method: 'lightning',
  timestamp: '2026-04-02T15:00:00.000Z',
  reference: Preimage.parseHash('ab'.repeat(32)),
};
const encode = (value: unknown) => toBase64Url(fromUtf8(typeof value === 'string' ? value : JSON.stringify(value)));

describe('format', () => {
  it('writes base64url of the four fields in order', () => {
    const text = Receipt.format(receipt);
    expect(text).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(toUtf8(fromBase64(text) as Uint8Array)).toBe(
      `{"status":"success","method":"lightning","timestamp":"2026-04-02T15:00:00.000Z","reference":"${'ab'.repeat(32)}"}`,
    );
  });

  it('writes nothing besides those four', () => {
    const withSecret = { ...receipt, preimage: 'cd'.repeat(32) };
    expect(Receipt.format(withSecret)).toBe(Receipt.format(receipt));
  });

  it('refuses what parse would refuse', () => {
    expect(() => Receipt.format({ ...receipt, timestamp: 'today' })).toThrow(TypeError);
    expect(() => Receipt.format({ ...receipt, reference: 'ab' as Preimage.PaymentHash })).toThrow(TypeError);
  });
});

describe('parse', () => {
  it('reads either alphabet, and drops other fields', () => {
    const text = JSON.stringify({ ...receipt, reference: receipt.reference.toUpperCase(), note: '\u00ff?>' });
    expect(Receipt.parse(toBase64(fromUtf8(text)))).toEqual(receipt);
    expect(Receipt.parse(toBase64Url(fromUtf8(text)))).toEqual(receipt);
  });

  it.each([
    ['nothing', ''],
    ['no base64', '{}'],
    ['no UTF-8', toBase64(Uint8Array.of(0xff))],
    ['no JSON', encode('{')],
    ['null', encode('null')],
    ['a text', encode('"success"')],
    ['a list', encode('[]')],
    ['another status', encode({ ...receipt, status: 'failed' })],
    ['another method', encode({ ...receipt, method: 'card' })],
    ['no timestamp', encode({ ...receipt, timestamp: undefined })],
    ['a timestamp in seconds', encode({ ...receipt, timestamp: 1775142000 })],
    ['a timestamp without a zone', encode({ ...receipt, timestamp: '2026-04-02T15:00:00' })],
    ['a month that is none', encode({ ...receipt, timestamp: '2026-13-02T15:00:00Z' })],
    ['a short reference', encode({ ...receipt, reference: 'ab' })],
    ['a list as reference', encode({ ...receipt, reference: [receipt.reference] })],
    ['too much', encode({ ...receipt, note: 'x'.repeat(4096) })],
    ['deep nesting', toBase64Url(fromUtf8('['.repeat(3000)))],
  ])('refuses %s', (_, text) => {
    let caught: unknown;
    try {
      Receipt.parse(text);
    } catch (error) {
      caught = error;
    }
    expect(FareboxError.is(caught, 'RECEIPT_MALFORMED')).toBe(true);
  });
});
