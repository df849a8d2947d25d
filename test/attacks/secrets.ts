/**
 * A search for secrets in whatever was written, told or thrown: any eight bytes in a row of a secret, as hex, base64, numbers or bytes,
 * however they were printed. Four bytes at the beginning of one may be shown, and no search finds those.
 */
import { inspect } from 'node:util';

/** Something that must be found nowhere. */
export type Secret = { readonly name: string; readonly bytes: Uint8Array };

/** Something that was written, told or thrown, and where. */
export type Trace = { readonly where: string; readonly text: string };

/** Everything that a value shows, in each way in which somebody might print it. */
export function traceOf(where: string, value: unknown): Trace {
  if (value instanceof Uint8Array) return { where, text: Buffer.from(value).toString('latin1') };
  if (typeof value === 'string') return { where, text: value };
  const shown = [inspect(value, { depth: 12, showHidden: true, getters: true, maxArrayLength: null, maxStringLength: null }), asJson(value)];
  for (let error: unknown = value; error instanceof Error; error = error.cause) shown.push(String(error), error.stack ?? '');
  return { where, text: shown.join('\n') };
}

/** Where a secret stands, as `where: name`; nothing where all is well. */
export function leaks(traces: readonly Trace[], secrets: readonly Secret[]): readonly string[] {
  const windows = new Map<string, string>();
  for (const { name, bytes } of secrets) {
    const text = latin1(bytes);
    if (text.length < width) throw new RangeError(`${name} is too short to be searched for`);
    for (let at = 0; at + width <= text.length; at++) windows.set(text.slice(at, at + width), name);
  }
  const found = new Set<string>();
  for (const { where, text } of traces) {
    for (const bytes of readings(text)) {
      for (let at = 0; at + width <= bytes.length; at++) {
        const name = windows.get(bytes.slice(at, at + width));
        if (name !== undefined) found.add(`${where}: ${name}`);
      }
    }
  }
  return [...found];
}

/** The ways in which bytes are printed. A test plants a secret in each, and sees it found. */
export const printings: readonly (readonly [how: string, print: (bytes: Uint8Array) => string])[] = [
  ['as bytes', latin1],
  ['in hex', (bytes) => Buffer.from(bytes).toString('hex')],
  ['in capital hex', (bytes) => Buffer.from(bytes).toString('hex').toUpperCase()],
  ['in hex behind an odd digit', (bytes) => `a${Buffer.from(bytes).toString('hex')}`],
  ['in hex by twos', (bytes) => inspect(Buffer.from(bytes))],
  ['in hex by twos with colons', (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':')],
  ['in base64', (bytes) => Buffer.from(bytes).toString('base64')],
  ['in URL-safe base64', (bytes) => Buffer.from(bytes).toString('base64url')],
  ['in base64 behind one byte', (bytes) => Buffer.concat([Buffer.of(1), bytes]).toString('base64')],
  ['in base64 behind two bytes', (bytes) => Buffer.concat([Buffer.of(1, 2), bytes]).toString('base64')],
  ['in base64 in a URL', (bytes) => encodeURIComponent(Buffer.from(bytes).toString('base64'))],
  ['as numbers', (bytes) => inspect(new Uint8Array(bytes))],
  ['as JSON', (bytes) => JSON.stringify([...bytes])],
  ['as JSON of an array of bytes', (bytes) => JSON.stringify(new Uint8Array(bytes))],
  ['as JSON of a buffer', (bytes) => JSON.stringify(Buffer.from(bytes))],
  [
    'in part',
    (bytes) =>
      Buffer.from(bytes)
        .toString('hex')
        .slice(9, 9 + 2 * width + 1),
  ],
];

/** Bytes in a row that make a find: no chance brings eight of them together. */
const width = 8;

/** Every text of bytes that a text can be read as. */
function* readings(printed: string): Generator<string> {
  yield printed;
  const text = withoutEscapes(printed);
  yield text;
  yield Buffer.from(printed, 'latin1').toString('utf8');
  for (const [run] of text.matchAll(/[0-9a-f]{16,}/gi)) {
    yield fromHex(run);
    yield fromHex(run.slice(1));
  }
  for (const [run] of text.matchAll(/(?:[0-9a-f]{2}[\s:,]{1,3}){7,}[0-9a-f]{2}/gi)) yield fromHex(run.replace(/[^0-9a-f]/gi, ''));
  for (const [run] of text
    .replaceAll(/%2B/gi, '+')
    .replaceAll(/%2F/gi, '/')
    .matchAll(/[A-Za-z0-9+/_-]{11,}/g)) {
    for (let skip = 0; skip < 4; skip++) yield latin1(Buffer.from(run.slice(skip), 'base64'));
  }
  for (const [run] of text.matchAll(/\d{1,3}(?:[\s,:"'[\]+]+\d{1,3}){7,}/g)) {
    const numbers = run.split(/\D+/).map(Number);
    yield fromNumbers(numbers);
    // Of `{"0":17,"1":4}` every other number is a place.
    yield fromNumbers(numbers.filter((_, index) => index % 2 === 0));
    yield fromNumbers(numbers.filter((_, index) => index % 2 === 1));
  }
}

/** A text as it was before `inspect` or JSON made its characters visible. */
function withoutEscapes(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replace(/\\+(?:x([0-9a-f]{2})|u00([0-9a-f]{2})|([bfnrtv0]))|\\+(["'`\\])/gi, (_, x?: string, u?: string, letter?: string, quote?: string) => {
    if (letter !== undefined) return letters[letter.toLowerCase()] ?? letter;
    return quote ?? String.fromCharCode(Number.parseInt(x ?? u ?? '', 16));
  });
}

const letters: { readonly [letter: string]: string } = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', 0: '\0' };

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function fromHex(text: string): string {
  return Buffer.from(text.slice(0, text.length & ~1), 'hex').toString('latin1');
}

function fromNumbers(numbers: readonly number[]): string {
  return String.fromCharCode(...numbers.slice(0, 10_000));
}

function asJson(value: unknown): string {
  try {
    return JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? String(one) : one)) ?? '';
  } catch {
    return '';
  }
}
