/** Amounts, hashes, identifiers, caveats, receipts, and the texts of bytes. */
import { isUtf8 } from 'node:buffer';
import * as Amount from '../../../src/core/Amount.ts';
import * as Caveat from '../../../src/core/Caveat.ts';
import * as Identifier from '../../../src/core/Identifier.ts';
import { fromBase64, fromHex, fromUtf8, toBase64, toBase64Url, toHex, toUtf8 } from '../../../src/core/internal/bytes.ts';
import * as Preimage from '../../../src/core/Preimage.ts';
import * as Receipt from '../../../src/core/Receipt.ts';
import { bytesOf, charactersOf, must, reading, same, type Target, unless } from '../Target.ts';

const amount: Target = {
  name: 'amount',
  form: 'text',
  longest: 96,
  seeds: ['10 sat', '2500 msat', '0.001 BTC', '1_000 sats', '  7.250sat ', '21000000 btc', '2100000000000000000 msat', '10'],
  words: ['sat', 'sats', 'msat', 'BTC', 'btc', 'mSat', '.', '_000', '0', '000000000000', ' ', '-', 'e3'],
  run: (input) => {
    const read = reading(() => Amount.parse(input), 'AMOUNT_MALFORMED');
    must(typeof read === 'bigint' && read >= 0n && read <= Amount.maxMsat, `an amount of ${read}`);
    same(Amount.parse(Amount.format(read)), read, 'parse(format)');
    must(Amount.ceilToSat(read) >= read && Amount.ceilToSat(read) - read < 1000n, 'rounded by more than a satoshi');
    return read;
  },
};

const preimage: Target = {
  name: 'preimage',
  form: 'text',
  longest: 96,
  seeds: ['00'.repeat(32), 'aB'.repeat(32), 'ff'.repeat(31)],
  words: ['0', 'f', 'F', '00000000'],
  run: (input) => {
    const read = reading(() => Preimage.parse(input), 'PREIMAGE_MALFORMED');
    must(/^[0-9a-f]{64}$/.test(read) && read === input.toLowerCase(), 'not 64 lower-case digits');
    same(Preimage.fromBytes(Preimage.toBytes(read)), read, 'fromBytes(toBytes)');
    must(Preimage.proves(read, Preimage.parseHash(Preimage.hash(read).toUpperCase())), 'does not prove its own hash');
    return read;
  },
};

const identifier: Target = {
  name: 'identifier',
  form: 'bytes',
  longest: 80,
  seeds: ['\0'.repeat(66), `\0\0${'\xab'.repeat(64)}`, '\0\x01'.repeat(33)],
  words: ['\0\0', '\0\x01', '\xff'.repeat(32)],
  run: (input) => {
    const bytes = bytesOf(input);
    const read = reading(() => Identifier.decode(bytes), 'IDENTIFIER_MALFORMED');
    same(Identifier.encode(read), bytes, 'encode(decode)');
    const { fingerprint, mintedAt } = Identifier.readTokenId(read.tokenId);
    same(Identifier.create(read.paymentHash, fingerprint, mintedAt, bytes.subarray(42)), read, 'create(readTokenId)');
    return read;
  },
};

const caveat: Target = {
  name: 'caveat',
  form: 'text',
  longest: 256,
  seeds: ['api_valid_until=1700000000', 'scope = "/api/v1/translate"', "expires = '2026-04-02T15:00:00Z'", 'a=b=c', '=', 'a="', "x='\"'", `x='"\u2028"'`],
  words: ['=', '"', "'", ' = ', 'services', 'scope', 'expires', 'method', 'path_prefix', 'api_capabilities'],
  run: (input) => {
    const read = reading(() => Caveat.parse(input), 'CAVEAT_MALFORMED');
    must(read.condition !== '' && read.condition === read.condition.trim() && !read.condition.includes('='), 'a condition that is none');
    const written = unless(() => Caveat.format(read), 'RangeError');
    if (written !== undefined) same(Caveat.parse(written), read, 'parse(format)');
    return read;
  },
};

const time: Target = {
  name: 'caveat-time',
  form: 'text',
  longest: 64,
  seeds: [
    '1700000000',
    '2026-04-02T15:00:00Z',
    '2026-04-02T15:00+02:00',
    '9999-12-31T23:59:59.999999999-23:59',
    '1970-01-01T00:00:00Z',
    '4294967295',
    '2024-02-30T00:00Z',
  ],
  words: ['T', 'Z', '+00:00', '-23:59', '24:00', '.000000001', '0000', '9999', '4294967295', '4294967296', '1h'],
  run: (input) => {
    const at = Caveat.parseTime(input);
    if (at === undefined) return undefined;
    must(Number.isSafeInteger(at) && at >= 0 && at <= 253_402_387_200, `a time of ${at}`);
    must(!/^\d*$/.test(input) || at <= 0xffffffff, `a number of another unit: ${at}`);
    const written = new Date(at * 1000).toISOString();
    if (at < 253_402_300_800) same(Caveat.parseTime(written), at, `${written} read again`);
    return at;
  },
};

const services: Target = {
  name: 'caveat-services',
  form: 'text',
  longest: 512,
  seeds: ['api:0', 'api:0,other:1', ' a.b-c_d : 3 ', 'a:255,b:999', 'x:'],
  words: [':', ',', ':0', ':255', ':256', 'api', '='],
  run: (input) => {
    const read = reading(() => Caveat.parseServices(input), 'CAVEAT_MALFORMED');
    must(read.length > 0 && read.every(({ name, tier }) => name !== '' && !/[\s:,=]/.test(name) && tier >= 0 && tier <= 999), 'a service that is none');
    const written = unless(() => Caveat.formatServices(read), 'RangeError');
    if (written !== undefined) same(Caveat.parseServices(written), read, 'parse(format)');
    return read;
  },
};

const receipt: Target = {
  name: 'receipt',
  form: 'text',
  // A plan: the JSON, which is sent as base64; what begins with "!" is sent as it is.
  longest: 1024,
  seeds: [
    JSON.stringify({ status: 'success', method: 'lightning', timestamp: '2026-04-02T15:00:00Z', reference: 'ab'.repeat(32) }),
    JSON.stringify({ status: 'success', method: 'lightning', timestamp: '2026-04-02T15:00:00.123+02:00', reference: 'AB'.repeat(32), more: [1, null] }),
    '!eyJzdGF0dXMiOiJzdWNjZXNzIn0',
    '[]',
    'null',
  ],
  words: ['"status"', '"success"', '"method"', '"lightning"', '"timestamp"', '"reference"', '__proto__', 'null', '{}', '24:00:00Z', '+24:00'],
  run: (input) => {
    const text = input.startsWith('!') ? input.slice(1) : toBase64Url(fromUtf8(input));
    const read = reading(() => Receipt.parse(text), 'RECEIPT_MALFORMED');
    same(Receipt.parse(Receipt.format(read)), read, 'parse(format)');
    return read;
  },
};

const base64: Target = {
  name: 'base64',
  form: 'text',
  longest: 512,
  seeds: ['', 'AA==', 'AAA=', 'AAAA', 'AgEEbHNhdAJC', '-_-_', '+/+/', 'AB==', 'A', '====', 'AA=A'],
  words: ['=', '==', '-', '_', '+', '/', 'A'],
  run: (input) => {
    const read = fromBase64(input);
    const buffer = Buffer.from(input, 'base64');
    if (read === undefined) {
      const spellings = [buffer.toString('base64'), buffer.toString('base64url'), buffer.toString('base64').replace(/=+$/, '')];
      must(!spellings.includes(input), 'base64 that is refused');
      return undefined;
    }
    same(toHex(read), buffer.toString('hex'), 'our bytes and those of Buffer');
    same(toBase64(read), buffer.toString('base64'), 'our text and that of Buffer');
    const plain = (text: string) => text.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '');
    same(plain(toBase64(read)), plain(input), 'a second spelling of the same bytes');
    return read;
  },
};

const hex: Target = {
  name: 'hex',
  form: 'text',
  longest: 256,
  seeds: ['', '00', 'aBcD', 'fff', 'zz'],
  words: ['0', 'a', 'F', 'g', '@', '`', ':', '/'],
  run: (input) => {
    const read = fromHex(input);
    must((read !== undefined) === /^(?:[0-9a-f]{2})*$/i.test(input), `hex is ${read === undefined ? 'refused' : 'read from what is none'}`);
    if (read !== undefined) same(toHex(read), Buffer.from(input, 'hex').toString('hex'), 'our bytes and those of Buffer');
    return read;
  },
};

const utf8: Target = {
  name: 'utf8',
  form: 'bytes',
  longest: 256,
  seeds: ['', 'plain', charactersOf(fromUtf8('é€😀\ufeff')), '\xed\xa0\x80', '\xc0\x80', '\xf4\x90\x80\x80', '\xef\xbb\xbf'],
  words: ['\xc2', '\xe0\x80\x80', '\xf0\x9f\x98\x80', '\xef\xbb\xbf', '\xff'],
  run: (input) => {
    const bytes = bytesOf(input);
    const read = toUtf8(bytes);
    must((read !== undefined) === isUtf8(bytes), 'UTF-8 to one of us alone');
    if (read !== undefined) same(fromUtf8(read), bytes, 'fromUtf8(toUtf8)');
    return read;
  },
};

export const targets: readonly Target[] = [amount, preimage, identifier, caveat, time, services, receipt, base64, hex, utf8];
