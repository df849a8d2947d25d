/**
 * Receipts as text: CSV for spreadsheets, a JSON object a line for programs. Money is in millisatoshi, as decimal text.
 *
 * Sellers choose descriptions, paths and services, and spreadsheets run what looks like a formula. So a cell that begins like one begins with an
 * apostrophe instead, which spreadsheets take for "this is text".
 *
 * @see RFC 4180; OWASP, CSV Injection
 */
import * as Amount from '../../core/Amount.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Preimage from '../../core/Preimage.ts';
import type { Network } from '../../lightning/Lightning.ts';
import type { Bought, FiatValue, PurchaseReceipt } from './PurchaseReceipt.ts';
import { redact } from './PurchaseReceipt.ts';

/** How much an export tells. */
export type ExportOptions = {
  /** Without preimages: for other people's eyes. Default: true. */
  readonly redacted?: boolean;
};

/** A table with a head, lines ended by CR LF. */
export function formatCsv(receipts: readonly PurchaseReceipt[], { redacted = true }: ExportOptions = {}): string {
  const columns = redacted ? allColumns.filter(([name]) => name !== 'preimage') : allColumns;
  const lines = [columns.map(([name]) => name), ...receipts.map((receipt) => columns.map(([, cell]) => quoted(cell(receipt))))];
  return lines.map((cells) => `${cells.join(',')}\r\n`).join('');
}

/** A JSON object a line; {@link parseJsonLines} reads it. */
export function formatJsonLines(receipts: readonly PurchaseReceipt[], { redacted = true }: ExportOptions = {}): string {
  return receipts.map((receipt) => `${formatJson(redacted ? redact(receipt) : receipt)}\n`).join('');
}

/**
 * Reads what {@link formatJsonLines} wrote. Nothing has been checked but the form: see `verify`.
 * @throws RECEIPT_MALFORMED – a line that is no receipt; the message says which
 */
export function parseJsonLines(text: string): readonly PurchaseReceipt[] {
  return text.split('\n').flatMap((line, index) => (line.trim() === '' ? [] : [parseJson(line, `Line ${index + 1}`)]));
}

type Cell = (receipt: PurchaseReceipt) => string | number | bigint | undefined;

const allColumns: readonly (readonly [string, Cell])[] = [
  ['paid_at', ({ paidAt }) => new Date(paidAt * 1000).toISOString()],
  ['amount_msat', ({ amountMsat }) => amountMsat],
  ['fee_msat', ({ feeMsat }) => feeMsat],
  ['fiat_amount', ({ fiat }) => fiat?.amount],
  ['fiat_currency', ({ fiat }) => fiat?.currency],
  ['fiat_rate', ({ fiat }) => fiat?.rate],
  ['method', ({ method }) => method],
  ['origin', ({ origin }) => origin],
  ['path', ({ path }) => path],
  ['description', ({ bought }) => bought.description],
  ['services', ({ bought }) => bought.services.join(' ')],
  ['terms', ({ bought }) => bought.terms],
  ['outcome', ({ outcome }) => outcome],
  ['payer', ({ payer }) => payer],
  ['network', ({ network }) => network],
  ['payee', ({ payee }) => payee],
  ['payment_hash', ({ paymentHash }) => paymentHash],
  ['invoice', ({ invoice }) => invoice],
  ['preimage', ({ preimage }) => preimage],
];

/** What begins a formula in one spreadsheet or another, also behind blanks and in their wide forms. */
const formula = /^[\s\u00a0\ufeff]*[=+\-@|%＝＋－＠]/;

function quoted(value: ReturnType<Cell>): string {
  // Control characters would move the cursor of whoever looks at the file in a terminal.
  const text = String(value ?? '').replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
  const safe = formula.test(text) ? `'${text}` : text;
  return /[",';\s]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function formatJson({ amountMsat, feeMsat, ...rest }: PurchaseReceipt): string {
  const json = JSON.stringify({ ...rest, amountMsat: amountMsat.toString(), feeMsat: feeMsat.toString() });
  // Sellers choose descriptions: what could steer a terminal and JSON leaves as it is, is escaped as well.
  return json.replace(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    [...Array(character.length).keys()].map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`).join(''),
  );
}

/** Reads one receipt out of JSON. */
function parseJson(line: string, where: string): PurchaseReceipt {
  const wrong = (what: string) => new FareboxError('RECEIPT_MALFORMED', `${where} is no receipt: ${what}.`);
  let read: unknown;
  try {
    read = JSON.parse(line);
  } catch {
    throw wrong('it is not JSON');
  }
  const { text, maybe, time, one, msat, object, hash } = fieldsOf(read, wrong);
  const preimage = maybe('preimage', () => text('preimage'));
  if (preimage !== undefined && !/^[0-9a-f]{64}$/.test(preimage)) throw wrong('its preimage is not 64 hex digits');
  return {
    paymentHash: hash('paymentHash'),
    paidAt: time('paidAt'),
    amountMsat: msat('amountMsat'),
    feeMsat: msat('feeMsat'),
    fiat: maybe('fiat', () => readFiat(object('fiat'))),
    method: text('method'),
    origin: text('origin'),
    path: text('path'),
    bought: readBought(object('bought')),
    outcome: one('outcome', ['answered', 'unanswered', 'refused']),
    payer: text('payer'),
    network: one<Network>('network', ['bitcoin', 'testnet', 'signet', 'regtest', 'sandbox']),
    payee: maybe('payee', () => text('payee')),
    invoice: text('invoice'),
    preimage: preimage === undefined ? undefined : Preimage.parse(preimage),
  };
}

function readFiat({ text }: Fields): FiatValue {
  return { currency: text('currency'), amount: text('amount'), rate: text('rate') };
}

function readBought({ text, maybe, one, list, time }: Fields): Bought {
  return {
    description: maybe('description', () => text('description')),
    services: list('services'),
    terms: one('terms', ['per-request', 'pass', 'bucket', 'credit', 'topup', 'unknown']),
    methods: list('methods'),
    paths: list('paths'),
    validUntil: maybe('validUntil', () => time('validUntil')),
  };
}

type Wrong = (what: string) => FareboxError;

/** Readers of an object's fields, each of which refuses what is of another form. */
type Fields = {
  readonly text: (name: string) => string;
  readonly maybe: <T>(name: string, read: () => T) => T | undefined;
  readonly object: (name: string) => Fields;
  readonly time: (name: string) => number;
  readonly one: <T extends string>(name: string, allowed: readonly T[]) => T;
  readonly list: (name: string) => readonly string[];
  readonly msat: (name: string) => Amount.Msat;
  readonly hash: (name: string) => Preimage.PaymentHash;
};

function fieldsOf(value: unknown, wrong: Wrong): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('an object was expected');
  const fields = new Map<string, unknown>(Object.entries(value));
  const text = (name: string): string => {
    const found = fields.get(name);
    if (typeof found !== 'string') throw wrong(`its ${name} is no text`);
    return found;
  };
  return {
    text,
    maybe: (name, read) => ((fields.get(name) ?? undefined) === undefined ? undefined : read()),
    object: (name) => fieldsOf(fields.get(name), wrong),
    time: (name) => {
      const found = fields.get(name);
      if (typeof found !== 'number' || !Number.isSafeInteger(found) || found < 0 || found > 8_640_000_000_000) throw wrong(`its ${name} is no time in seconds`);
      return found;
    },
    one: (name, allowed) => {
      const found = allowed.find((each) => each === fields.get(name));
      if (found === undefined) throw wrong(`its ${name} is none of ${allowed.join(', ')}`);
      return found;
    },
    list: (name) => {
      const found = fields.get(name);
      if (!Array.isArray(found) || !found.every((each) => typeof each === 'string')) throw wrong(`its ${name} is no list of texts`);
      return found;
    },
    msat: (name) => {
      const found = fields.get(name);
      if (typeof found !== 'string' || !/^\d{1,19}$/.test(found) || BigInt(found) > Amount.maxMsat) throw wrong(`its ${name} is no amount in msat`);
      return Amount.fromMsat(BigInt(found));
    },
    hash: (name) => {
      const found = text(name);
      if (!/^[0-9a-f]{64}$/.test(found)) throw wrong(`its ${name} is not 64 hex digits`);
      return Preimage.parseHash(found);
    },
  };
}
