import { describe, expect, it } from 'vitest';
import bolt11 from '../../test/vectors/bolt11.json' with { type: 'json' };
import vectors from '../../test/vectors/headers.json' with { type: 'json' };
import * as Amount from './Amount.ts';
import * as Challenge from './Challenge.ts';
import { FareboxError } from './Errors.ts';
import { splitList } from './internal/httpAuth.ts';
import * as Preimage from './Preimage.ts';

type ChallengeVector = { readonly name: string; readonly header: string; readonly challenges?: readonly Challenge.Challenge[]; readonly error?: string };
type ClientVector = { readonly client: string; readonly see: string; readonly mustMatch: string; readonly amount?: string };

const challengeVectors = vectors.challenges as readonly ChallengeVector[];
const clientVectors: readonly ClientVector[] = vectors.clients;
const sample = Challenge.parse(challengeVectors[0]?.header ?? '')[0] as Challenge.Challenge;
const { token, invoice } = sample;

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof FareboxError) return error.code;
    throw error;
  }
}

describe('vectors', () => {
  it.each(challengeVectors.map((vector) => [vector.name, vector] as const))('%s', (_, { header, challenges, error }) => {
    if (error === undefined) expect(Challenge.parse(header)).toEqual(challenges);
    else expect(codeOf(() => Challenge.parse(header))).toBe(error);
  });
});

describe('formatLines', () => {
  const lines = Challenge.formatLines({ token, invoice });

  it('writes the two lines to the letter', () => {
    expect(lines).toEqual([`LSAT macaroon="${token}", invoice="${invoice}"`, `L402 macaroon="${token}", invoice="${invoice}", version="0", token="${token}"`]);
  });

  it.each(clientVectors.map((vector) => [vector.client, vector] as const))('is read by %s', (_, { see, mustMatch, amount }) => {
    const found = seenBy(see, lines).map((text) => new RegExp(mustMatch).exec(text));
    expect(found.some((match) => match !== null)).toBe(true);
    for (const match of found) {
      if (match && match.length > 1) expect([match[1], match[2]]).toEqual([token, invoice]);
    }
    if (amount !== undefined) expect(new RegExp(amount).exec(invoice)?.slice(1)).toEqual(['1500', 'n']);
  });

  it('is read part by part by a client that splits at commas outside quotes', () => {
    const parts = splitList(lines[0]?.replace(/^LSAT /, '') ?? '');
    expect(parts).toEqual([`macaroon="${token}"`, `invoice="${invoice}"`]);
    for (const part of parts) expect(part).toContain('=');
  });

  it('takes every invoice of BOLT 11 that names an amount, and no other', () => {
    for (const { invoice: text, amountMsat } of bolt11.valid) {
      const act = () => Challenge.formatLines({ token, invoice: text });
      if (amountMsat === null || text !== text.toLowerCase()) expect(act).toThrow(TypeError);
      else expect(act()).toHaveLength(2);
    }
  });

  it.each(['', 'a', 'AQ', 'AQ=', 'A-_A', 'AQ==\r\nX: y', 'AQ"=', 'A===', '===='])('refuses the token %j', (bad) => {
    expect(() => Challenge.formatLines({ token: bad, invoice })).toThrow(TypeError);
  });

  it.each(['', invoice.toUpperCase(), `${invoice}"`, `${invoice}\r\nX: y`, `${invoice}\n`, 'lnbc1pvjluez', `lightning:${invoice}`])(
    'refuses the invoice %j',
    (bad) => {
      expect(() => Challenge.formatLines({ token, invoice: bad })).toThrow(TypeError);
    },
  );
});

/** What a client reads of the header lines. */
function seenBy(see: string, lines: readonly string[]): readonly string[] {
  if (see.startsWith('the first header line only')) return lines.slice(0, 1);
  if (see.startsWith('any line')) return lines;
  if (see.startsWith('lines joined by ", "')) return [lines.join(', ')];
  throw new Error(`a way of reading that this test does not know: ${see}`);
}

describe('parse', () => {
  const good = `L402 macaroon="${token}", invoice="${invoice}"`;

  it('reads separate lines as it reads joined ones', () => {
    const lines = Challenge.formatLines({ token, invoice });
    expect(Challenge.parse(lines)).toEqual(Challenge.parse(lines.join(', ')));
    expect(Challenge.parse(lines).map(({ scheme }) => scheme)).toEqual(['LSAT', 'L402']);
  });

  it('skips a challenge that cannot be read where another one can', () => {
    for (const bad of ['L402 error="x"', `LSAT macaroon="a b", invoice="${invoice}"`, 'L402']) {
      expect(Challenge.parse([bad, good])).toEqual([sample]);
      expect(Challenge.parse([good, bad])).toEqual([sample]);
      expect(codeOf(() => Challenge.parse(['Bearer', bad]))).toBe('CHALLENGE_MALFORMED');
    }
  });

  it.each([
    ['a token with a colon', `L402 macaroon="a:b", invoice="${invoice}"`],
    ['a token with a line break', `L402 macaroon="a\r\nb", invoice="${invoice}"`],
    ['an empty token', `L402 macaroon="", invoice="${invoice}"`],
    ['an invoice of another kind', `L402 macaroon="${token}", invoice="bitcoin:bc1q"`],
    ['an invoice in mixed case', `L402 macaroon="${token}", invoice="LN${invoice.slice(2)}"`],
    ['an invoice that only lower-casing makes ASCII', `L402 macaroon="${token}", invoice="LNBC1\u212a"`],
    ['two different macaroons', `L402 macaroon="${token}", macaroon="AQID", invoice="${invoice}"`],
    ['two different invoices', `L402 macaroon="${token}", invoice="${invoice}", invoice="lnbc1"`],
    ['a token and a scheme alone', `L402 ${token}`],
    ['an open quote behind everything', `${good}, x="`],
    ['text behind a quoted value', `${good}; x`],
  ])('refuses %s', (_, header) => {
    expect(codeOf(() => Challenge.parse(header))).toBe('CHALLENGE_MALFORMED');
  });

  it('takes two spellings of one token, and keeps the first', () => {
    const bare = token.replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_');
    expect(Challenge.parse(`L402 token="${bare}", macaroon="${token}", invoice="${invoice}"`)[0]?.token).toBe(bare);
  });

  it('reads up to 64 KB of header lines', () => {
    const padding = 'x'.repeat(Challenge.maxHeaderLength - good.length);
    expect(Challenge.parse([good, padding])).toEqual([sample]);
    expect(codeOf(() => Challenge.parse([good, `${padding}x`]))).toBe('CHALLENGE_MALFORMED');
  });

  it('says what is wrong without the token', () => {
    expect(() => Challenge.parse(`L402 macaroon="${token}"`)).toThrow('The L402 challenge in WWW-Authenticate cannot be read: it has no invoice.');
  });
});

describe('choose', () => {
  it('takes L402 before LSAT, and the first of several', () => {
    const lsat: Challenge.Challenge = { ...sample, scheme: 'LSAT' };
    const second: Challenge.Challenge = { ...sample, token: 'AQID' };
    expect(Challenge.choose([lsat, sample, second])).toBe(sample);
    expect(Challenge.choose([lsat])).toBe(lsat);
    expect(Challenge.choose([])).toBeUndefined();
  });
});

describe('formatBody', () => {
  const body: Challenge.Body = {
    amountMsat: Amount.fromSat(50),
    description: 'Translation API - 1 request',
    type: 'urn:farebox:error:payment-required',
    title: 'Payment required',
    detail: 'Pay the invoice and send the request again.',
    code: 'PAYMENT_REQUIRED',
    invoice,
    macaroon: token,
    paymentHash: Preimage.parseHash('ab'.repeat(32)),
    expiresAt: 1_775_142_000,
    buys: { terms: 'per-request', requests: 1 },
  };

  it('begins with the four keys of the first articles, and goes on in a fixed order', () => {
    expect(Challenge.formatBody(body)).toMatch(/^\{"message":"Payment required","amount":50,"unit":"satoshis","description":"Translation API - 1 request",/);
    expect(Object.entries(JSON.parse(Challenge.formatBody(body)) as object)).toEqual([
      ['message', 'Payment required'],
      ['amount', 50],
      ['unit', 'satoshis'],
      ['description', 'Translation API - 1 request'],
      ['type', 'urn:farebox:error:payment-required'],
      ['title', 'Payment required'],
      ['status', 402],
      ['detail', 'Pay the invoice and send the request again.'],
      ['code', 'PAYMENT_REQUIRED'],
      ['invoice', invoice],
      ['macaroon', token],
      ['paymentHash', 'ab'.repeat(32)],
      ['amountMsat', '50000'],
      ['expiresAt', '2026-04-02T15:00:00.000Z'],
      ['buys', { terms: 'per-request', requests: 1 }],
    ]);
  });

  it('rounds millisatoshi up, and says them exactly beside', () => {
    const text = Challenge.formatBody({ ...body, amountMsat: Amount.fromMsat(49_001n) });
    expect(JSON.parse(text)).toMatchObject({ amount: 50, amountMsat: '49001' });
  });

  it('refuses a time that is none', () => {
    expect(() => Challenge.formatBody({ ...body, expiresAt: Number.NaN })).toThrow(RangeError);
  });
});
