/**
 * Changes to an input: single characters, stretches of it, its lines and elements, its numbers, words that the parser knows, and pieces of
 * other inputs.
 */
import type { Random } from './Random.ts';

/** What a mutator draws from. */
export type Source = {
  readonly random: Random;
  readonly form: 'text' | 'bytes';
  readonly words: readonly string[];
  readonly longest: number;
  /** Another input that was worth keeping. */
  readonly other: () => string;
};

/** The input, changed once or a few times. */
export function mutate(input: string, source: Source): string {
  const { random, form, longest } = source;
  let text = input;
  for (let changes = random.length(6); changes > 0; changes--) text = random.pick(mutators)(text, source);
  const cut = text.length > longest ? text.slice(0, longest) : text;
  return form === 'bytes' ? narrowed(cut) : cut;
}

/** An input of which a short piece is repeated: what takes more than its share of time, or of memory, shows there. */
export type Stretch = (times: number) => string;

/** Picks a piece of an input, or a word. */
export function stretch(input: string, source: Source): { readonly make: Stretch; readonly piece: number } {
  const { random, form, words } = source;
  const from = random.below(input.length + 1);
  const kind = random.below(3);
  const taken = kind === 0 ? input.slice(from, from + random.length(12)) : random.pick(kind === 1 && words.length > 0 ? words : repeated);
  const piece = taken === '' ? randomCharacter(source) : taken;
  const make = (times: number) => input.slice(0, from) + piece.repeat(times) + input.slice(from);
  return { make: form === 'bytes' ? (times) => narrowed(make(times)) : make, piece: piece.length };
}

type Mutator = (input: string, source: Source) => string;

const flip: Mutator = (input, { random, form }) => {
  if (input === '') return input;
  const at = random.below(input.length);
  const code = input.charCodeAt(at) ^ (1 << random.below(form === 'bytes' ? 8 : 7));
  return put(input, at, 1, String.fromCharCode(code));
};

const replaceCharacter: Mutator = (input, source) => put(input, source.random.below(input.length), 1, randomCharacter(source));

const insertCharacter: Mutator = (input, source) => put(input, source.random.below(input.length + 1), 0, randomCharacter(source));

/** A character of another one's class: what a checksum or an alphabet lets through. */
const swapWithin: Mutator = (input, { random }) => {
  const at = random.below(input.length);
  const alphabet = alphabets.find((one) => one.includes(input.charAt(at)) && random.oneIn(2)) ?? alphabets[alphabets.length - 1];
  return input === '' ? input : put(input, at, 1, (alphabet as string).charAt(random.below((alphabet as string).length)));
};

const remove: Mutator = (input, { random }) => {
  const length = random.length(input.length);
  return put(input, random.below(input.length - length + 1), length, '');
};

const duplicate: Mutator = (input, { random }) => {
  const length = random.length(Math.min(input.length, 64));
  const at = random.below(input.length - length + 1);
  return put(input, at, 0, input.slice(at, at + length).repeat(random.oneIn(16) ? random.length(64) : 1));
};

const swap: Mutator = (input, { random }) => {
  const [from, to] = [random.below(input.length), random.below(input.length)].sort((a, b) => a - b) as [number, number];
  const length = random.length(8);
  if (to < from + length) return input;
  return input.slice(0, from) + input.slice(to, to + length) + input.slice(from + length, to) + input.slice(from, from + length) + input.slice(to + length);
};

const spliceHalves: Mutator = (input, { random, other }) => {
  const tail = other();
  return input.slice(0, random.below(input.length + 1)) + tail.slice(random.below(tail.length + 1));
};

const insertPiece: Mutator = (input, { random, other }) => {
  const giver = other();
  const from = random.below(giver.length);
  return put(input, random.below(input.length + 1), random.oneIn(2) ? 0 : random.length(8), giver.slice(from, from + random.length(64)));
};

const insertWord: Mutator = (input, { random, words }) =>
  words.length === 0 ? input : put(input, random.below(input.length + 1), random.oneIn(2) ? 0 : random.length(8), random.pick(words));

/** A whole word for another one: what stands between separators is mostly right as a whole or not at all. */
const replaceWord: Mutator = (input, { random, words, other }) => {
  const found = [...input.matchAll(/[A-Za-z0-9_.-]+/g)];
  const given = words.length > 0 && random.oneIn(2) ? words : other().match(/[A-Za-z0-9_.-]+/g);
  if (found.length === 0 || given === null) return input;
  const match = random.pick(found);
  return put(input, match.index, match[0].length, random.pick(given));
};

const changeNumber: Mutator = (input, { random }) => {
  const found = [...input.matchAll(/\d+/g)];
  if (found.length === 0) return input;
  const match = random.pick(found);
  const near = BigInt(match[0].slice(0, 40)) + BigInt(random.below(3) - 1);
  return put(input, match.index, match[0].length, random.pick([String(near), String(random.below(10 ** (1 + random.below(4)))), random.pick(numbers)]));
};

const changeCase: Mutator = (input, { random }) => {
  const at = random.below(input.length);
  const length = random.length(16);
  const piece = input.slice(at, at + length);
  return put(input, at, length, random.oneIn(2) ? piece.toUpperCase() : piece.toLowerCase());
};

/** Lengths as varints and bytes at their boundaries. */
const boundary: Mutator = (input, { random, form }) =>
  form === 'text' ? input : put(input, random.below(input.length + 1), random.below(3), random.pick(boundaries));

/** Takes an input apart at one of its separators and doubles, drops, moves or borrows an element. */
const elements: Mutator = (input, { random, other }) => {
  const present = separators.filter((one) => input.includes(one));
  if (present.length === 0) return input;
  const separator = random.pick(present);
  const parts = input.split(separator);
  const at = random.below(parts.length);
  const part = parts[at] as string;
  const change = random.below(5);
  if (change === 0) parts.splice(at, 0, part);
  else if (change === 1) parts.splice(at, 1);
  else if (change === 2) parts.splice(random.below(parts.length), 0, ...parts.splice(at, 1));
  else if (change === 3) parts.splice(at, random.below(2), random.pick(other().split(separator)));
  else parts.splice(at, 1, '');
  return parts.join(separator);
};

const mutators: readonly Mutator[] = [
  flip,
  replaceCharacter,
  insertCharacter,
  swapWithin,
  remove,
  duplicate,
  swap,
  spliceHalves,
  insertPiece,
  insertWord,
  insertWord,
  replaceWord,
  changeNumber,
  changeCase,
  boundary,
  elements,
  elements,
];

const separators = ['\n', ',', ';', ':', '/', '=', ' ', '"', '.', '1'];
/** What patterns with one repetition inside another, or behind one, trip over. */
const repeated = [' ', '\t', '.', ',', ';', '/', '"', "'", '=', ':', '%', '\\', '-', '0', 'a', 'f', '%20', '25', '\n', ' ,', '[', '{'];
const alphabets = ['0123456789', '0123456789abcdef', 'qpzry9x8gf2tvdw0s3jn54khce6mua7l', 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_='];
const boundaries = [
  '\x00',
  '\x01',
  '\x02',
  '\x04',
  '\x06',
  '\x7f',
  '\x80',
  '\x80\x01',
  '\x80\x00',
  '\xff',
  '\xff\x7f',
  '\xff\x01',
  '\x06\x20',
  '\x00\x00',
  '\xff\xff\xff\x7f',
];
const numbers = [
  '0',
  '-1',
  '1',
  '00',
  '127',
  '128',
  '255',
  '256',
  '639',
  '640',
  '65535',
  '65536',
  '4294967295',
  '4294967296',
  '9007199254740991',
  '9007199254740992',
  '18446744073709551616',
  '2100000000000000000',
  '2100000000000000001',
  '99999999999999999999',
  '1e21',
  '0x10',
  '1.5',
  '1_000',
];

/** What text stumbles over: controls, what is longer in another case or in bytes, digits and spaces that are none, halves of characters. */
const odd = [...'\0\t\r\u000b\u007f\u0080\u0085\u00a0\u00ad\u00e9\u0130\u0131\u017f\u0660\u200b\u2028\u202e\u212a\u2215\uff0f\uff10\uff1a\ufeff\ufffd'].concat(
  '\ud83d\ude00',
  '\ud83d',
  '\ude00',
);

function randomCharacter({ random, form }: Source): string {
  if (form === 'bytes') return String.fromCharCode(random.below(256));
  return random.oneIn(8) ? random.pick(odd) : String.fromCharCode(32 + random.below(95));
}

function put(input: string, at: number, length: number, piece: string): string {
  return input.slice(0, at) + piece + input.slice(at + length);
}

function narrowed(text: string): string {
  let bytes = '';
  for (let i = 0; i < text.length; i++) bytes += String.fromCharCode(text.charCodeAt(i) & 255);
  return bytes;
}
