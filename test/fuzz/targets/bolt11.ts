/**
 * Invoices: as text, and from plans that get a checksum, or a checksum and a signature, which no random change would ever hit.
 *
 * A plan is a line for the human-readable part, then one for each field: the letter of its type and its data in bech32 letters, with the
 * length put in between. A line that begins with `=` is taken as it is, as the timestamp is, and whatever has no field's form.
 */
import { readFileSync } from 'node:fs';
import { bech32 } from '@scure/base';
import * as Bolt11 from '../../../src/core/Bolt11.ts';
import { publicKeyOf, sign, signatureWords, signingHash } from '../../../src/core/internal/bolt11Signature.ts';
import { toWords } from '../../../src/core/internal/bolt11Words.ts';
import { linesOf, must, reading, same, type Target, unless } from '../Target.ts';
import { invoices, nodeKey } from './samples.ts';

type Vector = { readonly invoice: string };
const vectors = JSON.parse(readFileSync(new URL('../../vectors/bolt11.json', import.meta.url), 'utf8')) as {
  readonly valid: readonly Vector[];
  readonly invalid: readonly Vector[];
};
const texts = [...Object.values(invoices), ...[...vectors.valid, ...vectors.invalid].map(({ invoice }) => invoice)];
const letters = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const letterOf = (word: number) => letters.charAt(word);

const words = [
  'lnbc',
  'lntb',
  'lntbs',
  'lnbcrt',
  '1',
  'm',
  'u',
  'n',
  'p',
  '2500u',
  '10p',
  '0',
  ...[...'sprdhxcnf9m'].map((letter) => `\n${letter}`),
  'q'.repeat(52),
  'p'.repeat(53),
];

const text: Target = {
  name: 'bolt11-text',
  form: 'text',
  longest: 1200,
  batch: 100,
  seeds: texts,
  words: ['lnbc', 'lnbcrt', 'LNBC', '1', '2500u', 'q', 'lightning:'],
  run: (input) => {
    const peeked = unless(() => Bolt11.peek(input), 'INVOICE_MALFORMED');
    const decoded = unless(() => Bolt11.decode(input), 'INVOICE_MALFORMED');
    must(peeked !== undefined || !decoded, 'decoded and not peeked');
    if (peeked === undefined) return reading(() => Bolt11.peek(input), 'INVOICE_MALFORMED');
    check(peeked);
    if (decoded) same({ ...decoded, payee: '' }, { ...peeked, payee: '' }, 'decode and peek');
    return peeked;
  },
};

/** Seeds as plans. */
const plans = texts.flatMap((invoice) => {
  const decoded = bech32.decodeUnsafe(invoice.toLowerCase(), false);
  return !decoded ? [] : [planOf(decoded.prefix, [...decoded.words].slice(0, -signatureWords))];
});

const peek: Target = {
  name: 'bolt11-fields',
  form: 'text',
  longest: 2500,
  batch: 100,
  seeds: [...plans, `${plans[0]}\n!4`],
  words,
  run: (input) => {
    const { prefix, data, flag } = readPlan(input);
    const invoice = bech32.encode(prefix, [...data, ...toWords(Uint8Array.from({ length: 65 }, (_, at) => (at === 64 ? flag : at)))], false);
    const read = reading(() => Bolt11.peek(invoice), 'INVOICE_MALFORMED');
    check(read);
    checkOnce(linesOf(planOf(prefix, data)));
    same({ ...Bolt11.peek(invoice.toUpperCase()) }, read, 'in upper case');
    return read;
  },
};

const signed: Target = {
  name: 'bolt11-signed',
  form: 'text',
  longest: 2500,
  batch: 5,
  seeds: plans,
  words,
  run: (input) => {
    const { prefix, data } = readPlan(input);
    const invoice = bech32.encode(prefix, [...data, ...toWords(sign(signingHash(prefix, Uint8Array.from(data)), nodeKey))], false);
    const read = reading(() => Bolt11.decode(invoice), 'INVOICE_MALFORMED');
    check(read);
    same(read.payee, publicKeyOf(nodeKey), 'the payee');
    const { text: _, signature, recoveryFlag, payee, ...fields } = read;
    const written = unless(() => Bolt11.encode({ ...fields, features: read.features }, nodeKey), 'RangeError');
    if (written === undefined) return read;
    const { text: __, signature: ___, recoveryFlag: ____, payee: _____, ...again } = Bolt11.decode(written);
    same(again, fields, 'decode(encode)');
    return read;
  },
};

/** What must hold of everything that is read. */
function check(read: Bolt11.InvoiceFields): void {
  must(read.amountMsat === undefined || (read.amountMsat > 0n && read.amountMsat <= 2_100_000_000_000_000_000n), `an amount of ${read.amountMsat}`);
  must(/^[0-9a-f]{64}$/.test(read.paymentHash) && /^[0-9a-f]{64}$/.test(read.paymentSecret), 'a hash that is none');
  must(Number.isSafeInteger(read.createdAt) && Number.isSafeInteger(read.expiresAt) && read.expiresAt >= read.createdAt, 'a time that is none');
  must((read.description === undefined) !== (read.descriptionHash === undefined), 'none or two descriptions');
  must(read.text === read.text.toLowerCase(), 'upper case');
  must(
    read.features.every((bit, at) => at === 0 || bit > (read.features[at - 1] as number)),
    'features out of order',
  );
  must(read.minFinalCltvExpiry >= 0 && read.minFinalCltvExpiry <= 0xffffffff, 'a CLTV expiry out of bounds');
  must(read.recoveryFlag >= 0 && read.recoveryFlag <= 3, 'a recovery flag out of bounds');
  for (const hop of read.routeHints.flat()) must(hop.feeBaseMsat >= 0n && hop.nodeId.length === 66, 'a hop that is none');
}

/** What may stand once does, at the length that counts. */
function checkOnce(lines: readonly string[]): void {
  for (const [letter, length] of Object.entries({ p: 52, s: 52, h: 52, n: 53, d: 0, m: 0, x: 0, c: 0, '9': 0 })) {
    const fields = lines.filter((line) => line.startsWith(letter) && (length === 0 || line.length === length + 1));
    must(fields.length <= 1, `the field ${letter} twice`);
  }
}

function planOf(prefix: string, data: readonly number[]): string {
  const lines = [prefix, `=${data.slice(0, 7).map(letterOf).join('')}`];
  let at = 7;
  while (at + 3 <= data.length) {
    const end = at + 3 + (data[at + 1] as number) * 32 + (data[at + 2] as number);
    if (end > data.length) break;
    lines.push(
      letterOf(data[at] as number) +
        data
          .slice(at + 3, end)
          .map(letterOf)
          .join(''),
    );
    at = end;
  }
  if (at < data.length) lines.push(`=${data.slice(at).map(letterOf).join('')}`);
  return lines.join('\n');
}

/** What bech32 cannot hold is left out. */
function readPlan(input: string): { readonly prefix: string; readonly data: readonly number[]; readonly flag: number } {
  const [first = '', ...lines] = linesOf(input);
  const prefix = first.replace(/[^\x21-\x40\x5b-\x7e]/g, '').slice(0, 83) || 'lnbc';
  const data: number[] = [];
  let flag = 1;
  for (const line of lines) {
    const raw = [...line.slice(1)].map((letter) => letters.indexOf(letter)).filter((word) => word >= 0);
    const tag = letters.indexOf(line.charAt(0));
    if (line.startsWith('!')) flag = Number.parseInt(line.slice(1, 4), 10) & 255;
    else if (tag < 0) data.push(...raw);
    else data.push(tag, (raw.length >> 5) & 31, raw.length & 31, ...raw);
  }
  return { prefix, data, flag };
}

export const targets: readonly Target[] = [text, peek, signed];
