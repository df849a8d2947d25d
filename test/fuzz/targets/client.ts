/** What a client reads of a server's answer, what the sandbox reads of a call, and what the command line reads of a token. */
import * as Quote from '../../../src/client/Quote.ts';
import { maxBytes, readJson } from '../../../src/client/responseBody.ts';
import * as Tokens from '../../../src/client/Tokens.ts';
import * as Macaroon from '../../../src/core/Macaroon.ts';
import { calls, decode, encode } from '../../../src/lightning/sandbox/Wire.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';
import { bytesOf, linesOf, must, reading, readingLater, same, type Target, unless } from '../Target.ts';
import { goodToken, invoices, mint, mintedCaveats, nowAt, paymentHash, preimage } from './samples.ts';

/** A plan: WWW-Authenticate with `{G}`, `{A}` and `{E}` for invoices and `{T}` for a token; L402-Price; the body's JSON. */
const quote: Target = {
  name: 'quote',
  form: 'text',
  longest: 800,
  batch: 10,
  seeds: [
    'L402 macaroon="{T}", invoice="{G}"\n50 sat\n{"amount":50,"unit":"sat","amountMsat":"50000"}',
    'LSAT macaroon="{T}", invoice="{E}"\n\n{"price_sats":50}',
    'L402 token="AA", invoice="{A}"\n10 sat\nnull',
    'L402 macaroon="{T}", invoice="{G}"\n50000 msat\n{"unit":{},"amount":1e21,"amountMsat":"-5"}',
    '\n\n[]',
  ],
  words: [
    '{G}',
    '{A}',
    '{E}',
    '{T}',
    'L402 ',
    'LSAT ',
    'macaroon="',
    'invoice="',
    '50 sat',
    '50000 msat',
    '"amount":',
    '"unit":"sat"',
    '"amountMsat":"50000"',
    '"currency"',
    '"__proto__"',
    '1e3',
    'null',
  ],
  run: (input) => {
    const filled = input.replace(
      /\{([GAET])\}/g,
      (_, name: string) => ({ G: invoices.good, A: invoices.withoutAmount, E: invoices.endless, T: goodToken })[name] as string,
    );
    const [header = '', price = '', ...rest] = linesOf(filled);
    const headers = unless(() => new Headers({ 'WWW-Authenticate': header, 'L402-Price': price }), 'TypeError');
    if (headers === undefined) return 'no header';
    const found = reading(() => Quote.challengeOf(new Response(null, { headers })), 'CHALLENGE_MALFORMED');
    if (found === undefined) return undefined;
    const offer = {
      asked: { url: new URL('https://shop.example/'), isSafe: true },
      challenge: found,
      priceHeader: headers.get('L402-Price'),
      body: parsedJson(rest.join('\n')),
    };
    const read = reading(() => Quote.from(offer, 'sandbox', nowAt), 'CHALLENGE_REFUSED', 'INVOICE_EXPIRED', 'INVOICE_MALFORMED');
    same([read.amountMsat, read.paymentHash], [50_000n, paymentHash], 'what is paid');
    must(read.expiresAt - nowAt >= Quote.leastSecondsLeft, 'paid too late');
    return read;
  },
};

/** A plan: Content-Type, then the body. */
const responseBody: Target = {
  name: 'response-body',
  form: 'bytes',
  longest: 1000,
  batch: 60,
  seeds: [
    'application/json\n{"a":[1,2]}',
    'application/problem+json; charset=utf-8\n{}',
    'text/html\n<p>',
    'application/json\n\xef\xbb\xbf{}',
    'application/json\n[[[[',
  ],
  words: ['application/', 'json', '+json', ';', '{', '}', '[', '"', '\xff', '1e999', '"__proto__":'],
  run: async (input) => {
    const at = input.indexOf('\n');
    const headers = unless(() => new Headers({ 'Content-Type': input.slice(0, Math.max(0, at)) }), 'TypeError');
    if (headers === undefined) return 'no header';
    const bytes = bytesOf(input.slice(at + 1));
    const read = await readJson(new Response(new Blob([bytes as Uint8Array<ArrayBuffer>]), { headers }), FixedClock.create());
    must(bytes.length <= maxBytes || read === undefined, 'too long a body is read');
    return read;
  },
};

/** A plan: the caveats of a token that a server gave; `!` in front of a line that is no macaroon at all. */
const tokens: Target = {
  name: 'kept-token',
  form: 'text',
  longest: 1500,
  batch: 100,
  seeds: [mintedCaveats.join('\n'), '!opaque', 'services=a:0,b:0\na_terms=pass\nb_valid_until=1\na_path=/x/*\nb_method=GET, POST\na_priced=00', 'services='],
  words: ['services=', 'a:0', '_terms=pass', '_valid_until=', '_path=/', '_method=', '_priced=', '\n', ','],
  run: (input) => {
    const macaroon = input.startsWith('!') ? undefined : unless(() => mint(linesOf(input)), 'RangeError');
    const token = macaroon === undefined ? input.slice(1) : Macaroon.format(macaroon);
    const read = Tokens.read(token);
    const hash = Tokens.paymentHashOf(token);
    must(macaroon === undefined || hash === paymentHash, 'another payment hash');
    must(read.validUntil === undefined || Number.isSafeInteger(read.validUntil), 'a time that is none');
    return read;
  },
};

const nodeRef = { node: { name: 'a', openingMsat: '5' } };
const wireSeeds: readonly (readonly [string, unknown])[] = [
  ['info', nodeRef],
  ['createInvoice', { ...nodeRef, amountMsat: '1000', description: 'x', expirySeconds: 60 }],
  ['lookupInvoice', { ...nodeRef, paymentHash }],
  ['settlements', { ...nodeRef, after: '0' }],
  ['pay', { ...nodeRef, invoice: invoices.good, maxFeeMsat: '0', timeoutSeconds: 5.5 }],
  ['addFunds', { ...nodeRef, amounts: { inboundMsat: '2100000000000000000' } }],
  ['setFault', { node: 'a', kind: 'slow', payments: 1 }],
  ['releasePayment', { paymentHash, as: 'settled' }],
  ['setDelay', { delayMs: 5 }],
  ['>lookupInvoice', { kind: 'paid', amountMsat: '5', settledAt: 1 }],
  ['>pay', { kind: 'settled', preimage, amountMsat: '5', feeMsat: '0' }],
  ['>trackPayment', { kind: 'pending' }],
  ['>audit', { fundedMsat: '0', spendableMsat: '0', heldMsat: '0', feesMsat: '0', balanced: true, nodes: [], payments: [] }],
];

/** A plan: the call (`>` for its reply), then its JSON. */
const wire: Target = {
  name: 'sandbox-wire',
  form: 'text',
  longest: 1200,
  seeds: wireSeeds.map(([call, body]) => `${call}\n${JSON.stringify(body)}`),
  words: [
    '"kind":"',
    '"settled"',
    '"failed"',
    '"reason":"balance"',
    '"paid"',
    '"open"',
    '"0"',
    '"2100000000000000001"',
    '"node":',
    '"hub"',
    '"name":',
    'null',
    '-1',
    '1e999',
    '"__proto__":',
    ...Object.keys(calls).map((call) => `${call}\n`),
  ],
  run: (input) => {
    const [name = '', ...rest] = linesOf(input);
    const call = name.replace(/^>/, '');
    if (!Object.hasOwn(calls, call)) return 'no such call';
    const schema = calls[call as keyof typeof calls][name.startsWith('>') ? 'reply' : 'request'];
    const read = decode(schema, rest.join('\n'));
    if (read === undefined) return 'does not fit';
    same(decode(schema, encode(read)), read, 'decode(encode)');
    checkAmounts(read);
    return read;
  },
};

function checkAmounts(value: unknown): void {
  if (typeof value === 'bigint') must(value >= 0n && value <= 2_100_000_000_000_000_000n, `an amount of ${value}`);
  if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) checkAmounts(inner);
}

const clock = FixedClock.create(nowAt);
type Call = (request: unknown) => Promise<unknown>;
const storeSeeds: readonly (readonly [string, unknown])[] = [
  ['claim', { key: 'k', request: 'r', leaseSeconds: 30, expiresAt: nowAt + 60, repeat: { limit: 2, withinSeconds: 600 } }],
  ['heartbeat', { key: 'k', fence: 1, leaseSeconds: 30 }],
  ['commit', { key: 'k', fence: 1, answer: { status: 200, headers: [], body: 'x' } }],
  ['deliver', { key: 'k', fence: 1 }],
  ['undelivered', { key: 'k', fence: 1 }],
  ['release', { key: 'k', fence: 1, reason: 'upstream', limit: 3 }],
  ['count', { key: 'c', by: 1, ceiling: 5, expiresAt: nowAt + 60 }],
  ['credit', { account: 'a', source: 's', units: '5n', expiresAt: nowAt + 60 }],
  ['reserve', { reservation: 'r', leaseSeconds: 5, debits: [{ account: 'a', units: '5n', opens: { source: 't', units: '7n', expiresAt: nowAt + 60 } }] }],
  ['extend', { reservation: 'r', leaseSeconds: 5 }],
  ['cancel', { reservation: 'r', reason: 'upstream', limit: 3, entry: { nonce: 'r', service: 'api', route: 'GET /', at: nowAt, note: '' } }],
  ['settle', { reservation: 'r', units: '3n' }],
  ['deny', { kind: 'token', value: 'x', expiresAt: nowAt + 60 }],
  ['ledger', { after: 0, limit: 10 }],
  ['append', [{ kind: 'earned', paymentHash, nonce: '', amountMsat: '5n', service: 'api', route: 'GET /', at: nowAt, note: '' }]],
];

/** A plan: calls in turn, a line each: the name, a space, its argument as JSON, where `"5n"` is a bigint. */
const store: Target = {
  name: 'store-arguments',
  form: 'text',
  longest: 1500,
  batch: 100,
  seeds: [
    ...storeSeeds.map(([name, argument]) => `${name} ${JSON.stringify(argument)}`),
    storeSeeds.map(([name, argument]) => `${name} ${JSON.stringify(argument)}`).join('\n'),
  ],
  words: [
    '"5n"',
    '"-1n"',
    '"0n"',
    '1e999',
    '-1',
    'null',
    '{}',
    '[]',
    '"\\u0000"',
    '"amountMsat":',
    '"units":',
    '"expiresAt":',
    '"fence":',
    '1.5',
    '9007199254740992',
    ...storeSeeds.map(([name]) => `${name} `),
  ],
  run: async (input) => {
    const memory = createMemoryStore({ clock });
    const answers: unknown[] = [];
    for (const line of linesOf(input).slice(0, 40)) {
      const [, name = '', json = ''] = /^([a-z]+) (.*)$/.exec(line) ?? [];
      if (!storeSeeds.some(([known]) => known === name)) continue;
      const argument = parsedJson(json, (_, inner) => (typeof inner === 'string' && /^-?\d{1,30}n$/.test(inner) ? BigInt(inner.slice(0, -1)) : inner));
      if (argument === undefined) continue;
      answers.push(await answerOf(() => (memory[name as 'claim'] as unknown as Call)(argument)));
    }
    const balance = await memory.balance('a');
    if (balance) {
      const { units, available, reserved, spent } = balance;
      must(
        [units, available, reserved, spent].every((some) => some >= 0n),
        'a balance below nothing',
      );
      same(available + reserved + spent, units, 'the sum of an account');
    }
    await memory.close();
    return answers;
  },
};

/** A program may pass anything: it is told in the way that is documented, or by the platform where it is no object at all. */
async function answerOf(call: () => Promise<unknown>): Promise<unknown> {
  try {
    return await readingLater(call, 'TypeError', 'RangeError');
  } catch (error) {
    if (error instanceof TypeError && /^Cannot (read|destructure)|is not (iterable|a function)|is not an? /.test(error.message)) return 'no object';
    if (error instanceof Error && error.constructor.name === 'Refused') return error.message;
    throw error;
  }
}

function parsedJson(text: string, revive?: (key: string, value: unknown) => unknown): unknown {
  try {
    return JSON.parse(text, revive) as unknown;
  } catch {
    return undefined;
  }
}

export const targets: readonly Target[] = [quote, responseBody, tokens, wire, store];
