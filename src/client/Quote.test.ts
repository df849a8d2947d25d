import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as Amount from '../core/Amount.ts';
import * as Bolt11 from '../core/Bolt11.ts';
import * as Preimage from '../core/Preimage.ts';
import type { Network } from '../lightning/Lightning.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { answer, type LyingServer, type MadeOffer, startLyingServer } from '../testing/LyingServer.ts';
import { createScriptedPayer } from '../testing/ScriptedPayer.ts';
import { createFetch } from './index.ts';
import { isSafe } from './Outgoing.ts';
import * as Quote from './Quote.ts';

const clock = FixedClock.create();
let server: LyingServer;
beforeAll(async () => {
  server = await startLyingServer(clock);
});
afterAll(() => server.close());

/** What comes of a 402 like this, over a socket, with a limit of 60 sat. */
async function buy(
  offer: MadeOffer,
  extra: { readonly headers?: Record<string, string>; readonly body?: unknown } = {},
  options: { readonly network?: Network; readonly maxPerRequest?: string } = {},
): Promise<string> {
  const payer = createScriptedPayer({ preimageOf: server.preimageOf, network: options.network ?? 'sandbox' });
  server.handle(({ paid }, response) => (paid ? answer(response) : server.challenge(response, offer, extra)));
  const fetch = createFetch({ payer, maxPerRequest: options.maxPerRequest ?? '60 sat', clock });
  const result = await fetch(server.origin).then(
    ({ status }) => `answered ${status}`,
    (error) => error.code ?? error.name,
  );
  if (payer.paid.length > 1 || (payer.paid.length === 1) !== (result === 'answered 200')) throw new Error(`paid ${payer.paid.length} times, and ${result}`);
  return result;
}

describe('the invoice is the only authority on the price', () => {
  it('whatever a body or header says of a lower or higher one, or of none', async () => {
    expect(await buy(server.offer())).toBe('answered 200');
    for (const said of [
      { body: { amount: 10, unit: 'satoshis' } },
      { body: { amount: 500, unit: 'sats' } },
      { body: { amount: '10', unit: 'sat' } },
      { body: { amount: 50, unit: 'msat' } },
      { body: { amountMsat: '49999' } },
      { body: { amount_msat: 1 } },
      { body: { price_sats: 0 } },
      { headers: { 'L402-Price': '10 sat' } },
      { headers: { 'L402-Price': '49999 msat' } },
    ]) {
      expect([said, await buy(server.offer(), said)]).toEqual([said, 'CHALLENGE_REFUSED']);
    }
  });

  it('and what agrees with it, or cannot be read, does not stand in the way', async () => {
    for (const said of [
      { body: { amount: 50, unit: 'satoshis', amountMsat: '50000' } },
      { body: { amount: 10 } },
      { body: { amount: 0.1, unit: 'sats' } },
      { body: { amount: { value: 10 }, unit: 'sats' } },
      { body: [10] },
      { body: 'text' },
      { headers: { 'L402-Price': '50 sat' } },
      { headers: { 'L402-Price': 'fifty' } },
      { headers: { 'Content-Type': 'text/plain' }, body: { amountMsat: '1' } },
      { body: { amountMsat: '1', padding: 'x'.repeat(70_000) } },
    ]) {
      expect(await buy(server.offer(), said)).toBe('answered 200');
    }
  });

  it('in satoshis rounded either way', async () => {
    const offer = () => server.offer({ amountMsat: Amount.fromMsat(1500n) });
    for (const amount of [1, 2]) expect(await buy(offer(), { body: { amount, unit: 'sats' } })).toBe('answered 200');
    expect(await buy(offer(), { body: { amount: 3, unit: 'sats' } })).toBe('CHALLENGE_REFUSED');
    expect(await buy(offer(), { headers: { 'L402-Price': '2 sat' } })).toBe('answered 200');
  });

  it('so one without an amount is refused, and one in whole bitcoin is over the limit', async () => {
    expect(await buy(server.offer({ amountMsat: null }), { body: { amount: 10, unit: 'sats' } })).toBe('CHALLENGE_REFUSED');
    const whole = server.offer({ amountMsat: Amount.parse('21 BTC') });
    expect(whole.invoice).toMatch(/^lnbcrt211/);
    expect(await buy(whole)).toBe('BUDGET_EXCEEDED');
  });

  it('and one that cannot be read is refused: cut short, an overflowing amount, a wrong checksum, a wrong signature', async () => {
    const { invoice, ...offer } = server.offer();
    const { invoice: other } = server.offer();
    const huge = `lnbcrt${'9'.repeat(30)}1${invoice.slice(invoice.lastIndexOf('1') + 1)}`;
    const swapped = invoice.slice(0, -20) + other.slice(-20);
    for (const text of [invoice.slice(0, -1), huge, swapped, `${invoice.slice(0, -1)}b`, 'lnbcrt1']) {
      expect([text, await buy({ ...offer, invoice: text })]).toEqual([text, 'INVOICE_MALFORMED']);
    }
  });
});

describe('an offer is refused', () => {
  it('for another network than the wallet’s', async () => {
    for (const [chain, network, result] of [
      ['regtest', 'regtest', 'answered 200'],
      ['signet', 'signet', 'answered 200'],
      ['testnet', 'testnet', 'answered 200'],
      ['bitcoin', 'bitcoin', 'answered 200'],
      ['bitcoin', 'sandbox', 'CHALLENGE_REFUSED'],
      ['signet', 'bitcoin', 'CHALLENGE_REFUSED'],
      ['testnet', 'signet', 'CHALLENGE_REFUSED'],
      ['regtest', 'bitcoin', 'CHALLENGE_REFUSED'],
    ] as const) {
      expect([chain, network, await buy(server.offer({ chain }), {}, { network })]).toEqual([chain, network, result]);
    }
  });

  it('when its invoice has expired, or is about to', async () => {
    expect(await buy(server.offer({ expirySeconds: 9 }))).toBe('INVOICE_EXPIRED');
    expect(await buy(server.offer({ expirySeconds: 10 }))).toBe('answered 200');
    const late = server.offer({ expirySeconds: 60 });
    clock.advance(61_000);
    expect(await buy(late)).toBe('INVOICE_EXPIRED');
  });

  it('when its token is bound to another payment; a token that says nothing is not asked', async () => {
    const other = Preimage.hash(Preimage.fromBytes(new Uint8Array(32)));
    expect(await buy(server.offer({ boundTo: other }))).toBe('CHALLENGE_REFUSED');
    expect(await buy(server.offer({ token: 'opaque.token' }))).toBe('answered 200');
    expect(await buy(server.offer({ token: 'AgEEbHNhdA==' }))).toBe('answered 200');
  });

  it('when it cannot be read: no token, no invoice, a token that cannot be sent back', async () => {
    const offer = server.offer();
    for (const line of [
      'L402 error="x"',
      `L402 invoice="${offer.invoice}"`,
      `L402 macaroon="${offer.token}"`,
      `L402 macaroon="a b", invoice="${offer.invoice}"`,
    ]) {
      expect([line, await buy(offer, { headers: { 'WWW-Authenticate': line } })]).toEqual([line, 'CHALLENGE_MALFORMED']);
    }
  });

  it('over plain http to another machine, before anything is paid', () => {
    const { token, invoice } = server.offer();
    const from = (href: string) =>
      Quote.from({ asked: placeOf(href), challenge: { scheme: 'L402', token, invoice }, priceHeader: null, body: undefined }, 'sandbox', clock.nowMs() / 1000);
    for (const href of ['http://api.example.com/', 'http://192.168.1.2/', 'http://127.0.0.1.example.com/', 'http://localhost.example.com/', 'http://[::2]/']) {
      expect(() => from(href)).toThrow(expect.objectContaining({ code: 'CHALLENGE_REFUSED' }));
    }
    for (const href of ['https://api.example.com/', 'http://localhost:8080/', 'http://127.0.0.1/', 'http://127.9.9.9/', 'http://[::1]:3000/']) {
      expect(from(href).amountMsat).toBe(50_000n);
    }
  });
});

it('a quote says what the invoice says', () => {
  const { token, invoice, paymentHash } = server.offer();
  const quote = Quote.from(
    { asked: placeOf('https://api.example.com/'), challenge: { scheme: 'LSAT', token, invoice }, priceHeader: null, body: undefined },
    'regtest',
    clock.nowMs() / 1000,
  );
  const { payee, expiresAt } = Bolt11.decode(invoice);
  expect(quote).toEqual({ scheme: 'LSAT', token, invoice, paymentHash, amountMsat: 50_000n, payee, description: 'one answer', expiresAt });
});

function placeOf(href: string) {
  const url = new URL(href);
  return { url, isSafe: isSafe(url) };
}
