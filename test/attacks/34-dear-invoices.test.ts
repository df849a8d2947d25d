/**
 * An invoice that asks for more than was said: in the body, in a header, by leaving the amount out, or by writing it so that a careless
 * reader takes it for less. The invoice alone is the price; the cap holds, or nothing is paid.
 */
import { describe, expect, test } from 'vitest';
import { createFetch, createMemoryClientStore } from '../../src/client/index.ts';
import * as Amount from '../../src/core/Amount.ts';
import * as Bolt11 from '../../src/core/Bolt11.ts';
import type { Network } from '../../src/lightning/Lightning.ts';
import type { LyingServer, OfferScript } from '../../src/testing/LyingServer.ts';
import { createScriptedPayer } from '../../src/testing/ScriptedPayer.ts';
import { expectNothingPaid, outcomeOf, sendBuyer } from './buyer.ts';

/** What a 402 says besides its invoice. */
type Besides = { readonly headers?: Record<string, string>; readonly body?: unknown };

/** Sends a buyer, who may pay 60 sat, to a seller with this offer. */
async function offer(script: OfferScript, besides: Besides = {}) {
  const shop = await sendBuyer();
  const { server } = shop;
  server.handle(({ paid }, response) => (paid ? void response.end('sold') : server.challenge(response, server.offer(script), besides)));
  return { ...shop, outcome: await outcomeOf(shop.fetch(shop.url)) };
}

const dear: OfferScript = { amountMsat: Amount.fromSat(900) };

describe('a price said beside the invoice', () => {
  const lower: readonly (readonly [what: string, besides: Besides])[] = [
    ['a header in satoshis', { headers: { 'L402-Price': '1 sat' } }],
    ['a header in millisatoshis', { headers: { 'L402-Price': '49999 msat' } }],
    ['a header in bitcoin', { headers: { 'L402-Price': '0.00000001 BTC' } }],
    ['a header that is higher', { headers: { 'L402-Price': '51 sat' } }],
    ['the body of the first articles', { body: { message: 'Payment required', amount: 1, unit: 'satoshis', description: 'one answer' } }],
    ['a body in millisatoshis', { body: { amountMsat: '1000' } }],
    ['a body as others write it', { body: { amount_msat: 1000 } }],
    ['a body in sats', { body: { price_sats: 1 } }],
    ['a body with text for a number', { body: { amount: '1', unit: 'sat' } }],
    ['a body with two prices, one of them right', { body: { amount: 50, unit: 'satoshis', amountMsat: '1' } }],
    ['a problem', { headers: { 'Content-Type': 'application/problem+json' }, body: { status: 402, amountSats: 1 } }],
    ['zero', { body: { amount: 0, unit: 'satoshis' } }],
  ];

  test.each(lower)('%s: neither is paid', async (_, besides) => {
    const shop = await offer({}, besides);
    expect(shop.outcome).toBe('CHALLENGE_REFUSED');
    await expectNothingPaid(shop);
  });

  test.each(lower)('%s: an invoice over the cap is not paid either', async (_, besides) => {
    const shop = await offer(dear, besides);
    expect(shop.outcome).toMatch(/^(?:CHALLENGE_REFUSED|BUDGET_EXCEEDED)$/);
    await expectNothingPaid(shop);
  });

  const silent: readonly (readonly [what: string, besides: Besides])[] = [
    ['nothing', {}],
    ['a header that cannot be read', { headers: { 'L402-Price': 'cheap' } }],
    ['a header without a unit', { headers: { 'L402-Price': '1' } }],
    ['a body that is no JSON', { headers: { 'Content-Type': 'text/plain' }, body: { amount: 1, unit: 'satoshis' } }],
    ['a body without a unit', { body: { amount: 1 } }],
    ['a body with a price deep inside', { body: { price: { amount: 1, unit: 'satoshis' } } }],
    ['a body with a number that is none', { body: { amount: '1e1', unit: 'satoshis', amountMsat: -1, price_sats: 1.5, amount_sat: '0x1' } }],
    ['a body of another kind', { body: [1, 'satoshis'] }],
    ['a body longer than is read', { body: { padding: 'x'.repeat(100_000), amount: 1, unit: 'satoshis' } }],
  ];

  test.each(silent)('%s: the invoice is the price, and the cap holds', async (_, besides) => {
    const within = await offer({}, besides);
    expect([within.outcome, within.payer.spentMsat()]).toEqual([200, 50_000n]);
    const above = await offer(dear, besides);
    expect(above.outcome).toBe('BUDGET_EXCEEDED');
    await expectNothingPaid(above);
  });
});

describe('an amount as it is written', () => {
  const table: readonly (readonly [written: string | null, outcome: number | string])[] = [
    // The cap itself, and what lies beside it.
    ['600n', 200],
    ['600000p', 200],
    ['600010p', 'BUDGET_EXCEEDED'],
    ['601n', 'BUDGET_EXCEEDED'],
    // Whole bitcoin, which look like a few satoshis.
    ['21', 'BUDGET_EXCEEDED'],
    ['1', 'BUDGET_EXCEEDED'],
    ['50', 'BUDGET_EXCEEDED'],
    ['5m', 'BUDGET_EXCEEDED'],
    ['50u', 'BUDGET_EXCEEDED'],
    ['20999999', 'BUDGET_EXCEEDED'],
    // No amount at all: the payer would choose, or the payee.
    [null, 'CHALLENGE_REFUSED'],
    // More than there is, or than a number of 53, 63, 64 or 128 bits holds.
    ['21000001', 'INVOICE_MALFORMED'],
    ['90071992547409930n', 'INVOICE_MALFORMED'],
    ['92233720368547758080n', 'INVOICE_MALFORMED'],
    ['18446744073709551616', 'INVOICE_MALFORMED'],
    ['184467440737095517160n', 'INVOICE_MALFORMED'],
    ['340282366920938463463374607431768211456', 'INVOICE_MALFORMED'],
    [`${'9'.repeat(60)}n`, 'INVOICE_MALFORMED'],
    // What is no amount.
    ['0', 'INVOICE_MALFORMED'],
    ['0n', 'INVOICE_MALFORMED'],
    ['050n', 'INVOICE_MALFORMED'],
    ['500001p', 'INVOICE_MALFORMED'],
    ['1p', 'INVOICE_MALFORMED'],
    ['500k', 'INVOICE_MALFORMED'],
    ['500nn', 'INVOICE_MALFORMED'],
    ['500n5', 'INVOICE_MALFORMED'],
    ['5e2n', 'INVOICE_MALFORMED'],
  ];

  test.each(table)('%s: %s', async (written, outcome) => {
    const shop = await offer(written === null ? { amountMsat: null } : { amountText: written });
    expect(shop.outcome).toBe(outcome);
    if (outcome === 200) expect(shop.payer.spentMsat()).toBe(60_000n);
    else await expectNothingPaid(shop);
  });

  test.each(['1 sat', '50 sat', '60 sat'])('without an amount, and with %s said beside it: not paid', async (said) => {
    const shop = await offer({ amountMsat: null }, { headers: { 'L402-Price': said }, body: { amount: Number.parseInt(said, 10), unit: 'satoshis' } });
    expect(shop.outcome).toBe('CHALLENGE_REFUSED');
    await expectNothingPaid(shop);
  });
});

describe('an invoice that is not what the wallet takes it for', () => {
  const broken = (change: (invoice: string) => string) => (server: LyingServer) => {
    const made = server.offer();
    return { ...made, invoice: change(made.invoice) };
  };
  const table: readonly (readonly [what: string, make: (server: LyingServer) => { token: string; invoice: string }, code: string])[] = [
    ['for signet', (server) => server.offer({ chain: 'signet' }), 'CHALLENGE_REFUSED'],
    ['for testnet', (server) => server.offer({ chain: 'testnet' }), 'CHALLENGE_REFUSED'],
    ['for real money', (server) => server.offer({ chain: 'bitcoin' }), 'CHALLENGE_REFUSED'],
    ['for real money, 21 bitcoin', (server) => server.offer({ chain: 'bitcoin', amountText: '21' }), 'CHALLENGE_REFUSED'],
    ['for nobody knows what', broken((invoice) => invoice.replace('lnbcrt', 'lnxyz')), 'INVOICE_MALFORMED'],
    ['with an amount changed by hand', broken((invoice) => invoice.replace('lnbcrt500n', 'lnbcrt900n')), 'INVOICE_MALFORMED'],
    ['with a letter changed', broken((invoice) => `${invoice.slice(0, 60)}${invoice[60] === 'q' ? 'p' : 'q'}${invoice.slice(61)}`), 'INVOICE_MALFORMED'],
    ['cut short', broken((invoice) => invoice.slice(0, -10)), 'INVOICE_MALFORMED'],
    ['with nothing in it', broken(() => 'lnbcrt1'), 'INVOICE_MALFORMED'],
    ['signed by another than it names', (server) => server.offer({ isForged: true }), 'INVOICE_MALFORMED'],
    ['with capitals in the midst', broken((invoice) => invoice.slice(0, 50) + invoice.slice(50).toUpperCase()), 'CHALLENGE_MALFORMED'],
    ['of another kind', broken(() => 'lno1qcp4256ypq'), 'INVOICE_MALFORMED'],
    ['with a scheme before it', broken((invoice) => `lightning:${invoice}`), 'CHALLENGE_MALFORMED'],
    ['that is none', broken(() => '21 sat to me'), 'CHALLENGE_MALFORMED'],
    ['that has expired', (server) => server.offer({ ageSeconds: 3600 }), 'INVOICE_EXPIRED'],
    ['that is about to', (server) => server.offer({ expirySeconds: 5 }), 'INVOICE_EXPIRED'],
    ['that pays for another token', (server) => server.offer({ boundTo: server.offer().paymentHash }), 'CHALLENGE_REFUSED'],
  ];

  test.each(table)('%s', async (_, make, code) => {
    const shop = await sendBuyer();
    const { server } = shop;
    server.handle((_request, response) => {
      const { token, invoice } = make(server);
      response.writeHead(402, { 'WWW-Authenticate': `L402 macaroon="${token}", invoice="${invoice}"` }).end();
    });
    expect(await outcomeOf(shop.fetch(shop.url))).toBe(code);
    await expectNothingPaid(shop);
  });

  const pairs: readonly (readonly [what: string, lines: readonly (readonly [scheme: string, script: OfferScript])[]])[] = [
    [
      'two challenges, the one that is taken dear',
      [
        ['L402', dear],
        ['LSAT', {}],
      ],
    ],
    [
      'two challenges, the one that is left dear',
      [
        ['L402', {}],
        ['LSAT', dear],
      ],
    ],
    [
      'two challenges of one scheme',
      [
        ['L402', {}],
        ['L402', dear],
      ],
    ],
  ];

  test.each(pairs)('%s: not over the cap, and not by surprise', async (_, lines) => {
    const shop = await sendBuyer();
    const { server } = shop;
    server.handle((_request, response) => {
      const challenges = lines.map(([scheme, script]) => {
        const { token, invoice } = server.offer(script);
        return `${scheme} macaroon="${token}", invoice="${invoice}"`;
      });
      response.writeHead(402, { 'WWW-Authenticate': challenges }).end();
    });
    expect(await outcomeOf(shop.fetch(shop.url))).toMatch(/^(?:CHALLENGE_REFUSED|BUDGET_EXCEEDED)$/);
    await expectNothingPaid(shop);
  });

  test('two invoices in one challenge', async () => {
    const shop = await sendBuyer();
    const { server } = shop;
    server.handle((_, response) => {
      const [{ token, invoice }, other] = [server.offer(), server.offer(dear)];
      response.writeHead(402, { 'WWW-Authenticate': `L402 macaroon="${token}", invoice="${invoice}", invoice="${other.invoice}"` }).end();
    });
    expect(await outcomeOf(shop.fetch(shop.url))).toBe('CHALLENGE_MALFORMED');
    await expectNothingPaid(shop);
  });
});

describe('a payee named beside the invoice', () => {
  const stranger = `02${'ab'.repeat(32)}`;

  test.each(['payee', 'payee_pubkey', 'nodeId', 'destination'])('%s: another one is not paid', async (name) => {
    const shop = await offer({}, { body: { message: 'Payment required', [name]: stranger.toUpperCase() } });
    expect(shop.outcome).toBe('CHALLENGE_REFUSED');
    await expectNothingPaid(shop);
  });

  test('the invoice’s own is, and what names no node names nobody', async () => {
    const { payee } = Bolt11.decode((await sendBuyer()).server.offer().invoice);
    for (const said of [payee, payee.toUpperCase(), 'Alice', '02ab', 7, null]) expect((await offer({}, { body: { payee: said } })).outcome).toBe(200);
  });
});

describe('a wallet for another network', () => {
  /** A buyer with 60 sat a call, and a wallet on this network. */
  async function offerOn(network: Network, script: OfferScript) {
    const { server, clock, url } = await sendBuyer();
    const payer = createScriptedPayer({ preimageOf: server.preimageOf, network });
    const store = createMemoryClientStore();
    const fetch = createFetch({ payer, store, clock, maxPerRequest: '60 sat' });
    server.handle(({ paid }, response) => (paid ? void response.end('sold') : server.challenge(response, server.offer(script))));
    return { payer, store, server, outcome: await outcomeOf(fetch(url)) };
  }

  test.each([
    ['bitcoin', { chain: 'bitcoin', amountText: '21' }, 'BUDGET_EXCEEDED'],
    ['bitcoin', { chain: 'bitcoin', amountText: '210' }, 'BUDGET_EXCEEDED'],
    ['bitcoin', { chain: 'bitcoin', amountMsat: null }, 'CHALLENGE_REFUSED'],
    ['bitcoin', { chain: 'signet' }, 'CHALLENGE_REFUSED'],
    ['bitcoin', { chain: 'regtest' }, 'CHALLENGE_REFUSED'],
    ['testnet', { chain: 'signet' }, 'CHALLENGE_REFUSED'],
    ['signet', { chain: 'testnet' }, 'CHALLENGE_REFUSED'],
  ] as const)('%s: %j is not paid', async (network, script, code) => {
    const shop = await offerOn(network, script);
    expect(shop.outcome).toBe(code);
    await expectNothingPaid(shop);
  });

  test('its own is', async () => {
    expect((await offerOn('bitcoin', { chain: 'bitcoin', amountText: '500n' })).outcome).toBe(200);
    expect((await offerOn('signet', { chain: 'signet' })).outcome).toBe(200);
  });
});

describe('the fee', () => {
  test('is inside the cap: what the wallet may add is what the price leaves', async () => {
    const shop = await offer({ amountText: '599n' });
    expect(shop.payer.paid.map(({ maxFeeMsat }) => maxFeeMsat)).toEqual([100n]);
    const full = await offer({ amountText: '600n' });
    expect(full.payer.paid.map(({ maxFeeMsat }) => maxFeeMsat)).toEqual([0n]);
  });

  test('of a wallet that takes no limit is set aside beforehand, or nothing is paid', async () => {
    const tight = await sendBuyer({ capabilities: { feeLimit: false }, assumedMaxFee: '11 sat' });
    expect(await outcomeOf(tight.fetch(tight.url))).toBe('BUDGET_EXCEEDED');
    await expectNothingPaid(tight);
    const roomy = await sendBuyer({ capabilities: { feeLimit: false }, assumedMaxFee: '10 sat' });
    expect(await outcomeOf(roomy.fetch(roomy.url))).toBe(200);
  });

  test('that is over the cap all the same stops everything after it', async () => {
    const shop = await sendBuyer();
    shop.payer.script({ kind: 'settle', feeMsat: Amount.fromSat(11) });
    expect(await outcomeOf(shop.fetch(shop.url))).toBe(200);
    expect(await outcomeOf(shop.fetch(`${shop.server.origin}/elsewhere`))).toBe('BUDGET_EXCEEDED');
    expect(shop.payer.paid.length).toBe(1);
  });
});
