/**
 * Parsers with a bug each, for the fuzzer to find: what it does not find here it would not find in ours. Each bug stands behind something that
 * chance alone does not pass: several words in turn, one length out of thousands, a field that nothing writes twice.
 */
import { FareboxError } from '../../src/core/Errors.ts';
import { bytesOf, charactersOf, must, reading, same, type Target } from './Target.ts';

/** Two words, one behind the other, and behind them a value that is not there. */
const rareBranch: Target = {
  name: 'rare-branch',
  form: 'text',
  longest: 64,
  seeds: ['mode=fast', 'level=3;mode=slow'],
  words: ['mode=', 'level=', 'strict', 'slow', ';'],
  run: (input) => {
    const fields = new Map(input.split(';').map((field) => field.split('=', 2) as [string, string]));
    const mode = reading(() => {
      if (!fields.has('mode')) throw malformed('no mode');
      return fields.get('mode');
    }, 'CONFIG_INVALID');
    if (mode === 'strict') {
      if (fields.has('level')) return (fields.get('limit') as string).length;
    }
    return mode;
  },
};

/** A length in two bytes, of which the boundary is read as one byte. */
const varint: Target = {
  name: 'varint',
  form: 'bytes',
  longest: 600,
  seeds: ['\x02hi', `\x80\x01${'a'.repeat(128)}`, `\xc8\x01${'b'.repeat(200)}`],
  run: (input) => {
    const bytes = bytesOf(input);
    const [low = 0, high = 0] = bytes;
    const length = low < 0x80 ? low : (low & 0x7f) | (high << 7);
    // Meant was `length >= 0x80`.
    const start = length > 0x80 || low < 0x80 ? (low < 0x80 ? 1 : 2) : 1;
    const content = reading(() => {
      if (start + length !== bytes.length || (low >= 0x80 && high === 0)) throw malformed('cut short');
      return bytes.subarray(start);
    }, 'CONFIG_INVALID');
    const head = content.length < 0x80 ? [content.length] : [(content.length & 0x7f) | 0x80, content.length >> 7];
    same(charactersOf(Uint8Array.from([...head, ...content])), input, 'encode(decode)');
    return content;
  },
};

/** A field that may stand once, and is looked for in all fields but the last. */
const doubledField: Target = {
  name: 'doubled-field',
  form: 'text',
  longest: 120,
  seeds: ['p:12,d:text', 's:3,p:4'],
  words: ['p:', 's:', 'd:', ','],
  run: (input) => {
    const fields = reading(() => {
      const read: (readonly [string, string])[] = [];
      for (const part of input.split(',')) {
        const match = /^([psd]):([a-z0-9]+)$/.exec(part);
        if (!match) throw malformed('no field');
        const [, name = '', value = ''] = match;
        if (read.slice(0, -1).some(([other]) => other === name)) throw malformed('twice');
        read.push([name, value]);
      }
      return read;
    }, 'CONFIG_INVALID');
    must(new Set(fields.map(([name]) => name)).size === fields.length, 'a field twice');
    return fields;
  },
};

/** A count that nobody bounds. */
const missingBound: Target = {
  name: 'missing-bound',
  form: 'text',
  longest: 64,
  seeds: ['x*3', 'ab*12'],
  words: ['*'],
  run: (input) => {
    const [, text = '', count = ''] = reading(() => /^([a-z]+)\*(\d{1,6})$/.exec(input) ?? refuse(), 'CONFIG_INVALID');
    return text.repeat(Number(count));
  },
};

function refuse(): never {
  throw malformed('no repetition');
}

function malformed(what: string): FareboxError {
  return new FareboxError('CONFIG_INVALID', what);
}

export const targets: readonly Target[] = [rareBranch, varint, doubledField, missingBound];
