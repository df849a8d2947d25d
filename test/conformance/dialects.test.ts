/**
 * The client buys, over sockets, from servers that speak each dialect of `test/vectors/headers.json`, and with each kind of body that is in use.
 * `docs/compatibility.md` has the same table, and is held against this one.
 *
 * @see docs/wire.md, "The challenge a server sends" and "The client"
 */
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { paymentOf } from '../../src/client/index.ts';
import * as Amount from '../../src/core/Amount.ts';
import { answer, type LyingServer, type MadeOffer } from '../../src/testing/LyingServer.ts';
import { openShop } from '../../src/testing/Shop.ts';

type Vector = {
  readonly name: string;
  readonly header: string;
  readonly challenges?: readonly { readonly scheme: string; readonly token: string; readonly invoice: string }[];
  readonly error?: string;
};
const vectors: readonly Vector[] = JSON.parse(readFileSync(new URL('../vectors/headers.json', import.meta.url), 'utf8')).challenges;
const table = readFileSync(new URL('../../docs/compatibility.md', import.meta.url), 'utf8');

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setup() {
  const shop = await openShop();
  closing.push(shop.close);
  return shop;
}

const [printed] = vectors[0]?.challenges ?? [];
if (!printed) throw new Error('the vectors are gone');

/** The header as this seller prints it: its own invoice and token where the vector has others'. */
function printedBy({ header, challenges = [] }: Vector, offer: MadeOffer): string {
  const tokens = [...challenges.map(({ token }) => token), printed?.token ?? ''];
  return tokens.reduce(
    (text, token) => text.replaceAll(token, ownToken(token, offer)),
    header.replaceAll(printed?.invoice ?? '', offer.invoice).replaceAll(printed?.invoice.toUpperCase() ?? '', offer.invoice.toUpperCase()),
  );
}

/** The seller's token in the place of a vector's: a macaroon is spelled as that is, anything else stays. */
function ownToken(token: string, offer: MadeOffer): string {
  if (!token.startsWith('AgEE')) return token;
  return token.endsWith('=') ? offer.token : offer.token.replace(/=+$/, '');
}

/** A seller whose challenges look like that. */
function sell(server: LyingServer, ask: (response: ServerResponse, offer: MadeOffer) => void, amountMsat?: Amount.Msat): void {
  server.handle(({ paid }, response) => {
    if (paid) answer(response);
    else ask(response, server.offer(amountMsat === undefined ? {} : { amountMsat }));
  });
}

describe('the header', () => {
  const good = vectors.filter(({ challenges = [] }) => challenges.length > 0);
  test.each(good)('$name: bought', async (vector) => {
    const { name, challenges = [] } = vector;
    const { fetch, server, payer, url } = await setup();
    let last: MadeOffer | undefined;
    sell(server, (response, offer) => {
      last = offer;
      answer(response, 402, { 'WWW-Authenticate': printedBy(vector, offer) });
    });
    const response = await fetch(url);
    expect([response.status, paymentOf(response)?.amountMsat]).toEqual([200, 50_000n]);
    // The L402 one where both are offered, and the token exactly as it came.
    const shown = challenges.find(({ scheme }) => scheme === 'L402') ?? challenges[0];
    const token = last && shown && ownToken(shown.token, last);
    const [paid] = payer.paid;
    expect(server.requests[1]?.headers.authorization).toBe(`${shown?.scheme} ${token}:${paid && server.preimageOf(paid.paymentHash)}`);
    expect(table).toContain(`| ${name} |`);
  });

  test.each(vectors.filter(({ challenges }) => challenges?.length === 0))('$name: no L402, handed on as it is', async ({ header }) => {
    const { fetch, server, payer, url } = await setup();
    sell(server, (response) => answer(response, 402, header === '' ? {} : { 'WWW-Authenticate': header }, { other: true }));
    const response = await fetch(url);
    expect([response.status, await response.json(), payer.paid.length]).toEqual([402, { other: true }, 0]);
  });

  test.each(vectors.filter(({ error }) => error !== undefined))('$name: refused, and nothing is paid', async (vector) => {
    const { fetch, server, payer, url } = await setup();
    sell(server, (response, offer) => answer(response, 402, { 'WWW-Authenticate': printedBy(vector, offer) }));
    await expect(fetch(url)).rejects.toMatchObject({ code: vector.error });
    expect(payer.paid.length).toBe(0);
  });

  test('a line for each scheme: bought', async () => {
    const { fetch, server, url } = await setup();
    sell(server, (response, offer) => server.challenge(response, offer));
    expect((await fetch(url)).status).toBe(200);
    expect(server.requests[1]?.headers.authorization).toMatch(/^L402 /);
  });
});

type Body = {
  readonly name: string;
  readonly type?: string;
  readonly text?: string | Buffer;
  readonly headers?: Record<string, string>;
  readonly msat?: bigint;
};

const seed = { message: 'Payment required', amount: 50, unit: 'satoshis', description: 'Translation API - 1 request' };
const problem = {
  ...seed,
  type: 'urn:farebox:error:payment-required',
  title: 'Payment required',
  status: 402,
  detail: 'x',
  code: 'PAYMENT_REQUIRED',
  amountMsat: '50000',
};
const json = (value: unknown) => ({ type: 'application/json', text: JSON.stringify(value) });

const bodies: readonly Body[] = [
  { name: 'none' },
  { name: 'the four keys (`message`, `amount`, `unit`, `description`)', ...json(seed) },
  { name: 'the four keys and RFC 9457', ...json(problem) },
  { name: '`application/problem+json`', type: 'application/problem+json; charset=utf-8', text: JSON.stringify(problem) },
  { name: 'a page (`text/html`)', type: 'text/html', text: '<!doctype html><title>Pay 50 sat</title>' },
  { name: 'plain text', type: 'text/plain', text: 'payment required' },
  { name: 'millisatoshi under names in use (`amount_msat`, `price_msat`)', ...json({ amount_msat: 50_000, price_msat: '50000' }) },
  { name: 'satoshis under names in use (`price_sats`, `amountSats`)', ...json({ price_sats: 50, amountSats: '50' }) },
  { name: 'parts of a satoshi, rounded up', ...json({ ...seed, amount: 51 }), msat: 50_001n },
  { name: 'parts of a satoshi, rounded down', ...json({ ...seed, amount: 50 }), msat: 50_999n },
  { name: 'an amount in a unit that is not ours', ...json({ amount: 3, unit: 'cents' }) },
  { name: 'JSON that is no object', ...json(['payment', 'required']) },
  { name: 'JSON that is none', type: 'application/json', text: '{"message": ' },
  { name: 'the price in `L402-Price` as well', ...json(seed), headers: { 'L402-Price': '50 sat' } },
  { name: 'compressed', type: 'application/json', text: gzipSync(JSON.stringify(seed)), headers: { 'Content-Encoding': 'gzip' } },
];

describe('the body', () => {
  const asked = ({ type, text, headers }: Body, response: ServerResponse, { token, invoice }: MadeOffer) => {
    response.writeHead(402, { 'WWW-Authenticate': `L402 macaroon="${token}", invoice="${invoice}"`, ...(type && { 'Content-Type': type }), ...headers });
    response.end(text);
  };

  test.each(bodies)('$name: bought', async (body) => {
    const { fetch, server, url } = await setup();
    const amountMsat = Amount.fromMsat(body.msat ?? 50_000n);
    sell(server, (response, offer) => asked(body, response, offer), amountMsat);
    const response = await fetch(url);
    expect([response.status, paymentOf(response)?.amountMsat]).toEqual([200, amountMsat]);
    expect(table).toContain(`| ${body.name} |`);
  });

  test.each([
    { name: 'another amount', ...json({ ...seed, amount: 5 }) },
    { name: 'another amount in millisatoshi', ...json({ ...seed, amountMsat: '49999' }) },
    { name: 'another price in the header', headers: { 'L402-Price': '5 sat' } },
  ] as Body[])('$name than the invoice: refused, and nothing is paid', async (body) => {
    const { fetch, server, payer, url } = await setup();
    sell(server, (response, offer) => asked(body, response, offer));
    await expect(fetch(url)).rejects.toMatchObject({ code: 'CHALLENGE_REFUSED' });
    expect(payer.paid.length).toBe(0);
  });

  test('none, as HEAD has it: bought', async () => {
    const { fetch, server, url } = await setup();
    sell(server, (response, offer) => server.challenge(response, offer, { headers: { 'L402-Price': '50 sat' } }));
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(200);
  });
});
