/**
 * Sellers that lie in the offer, before anything is paid.
 */
import * as Amount from '../../core/Amount.ts';
import { ask as asking, challengeOf, deliver, reply, sell, send } from './answers.ts';
import { failed } from './Book.ts';
import { dear, offering, refusing } from './refusing.ts';
import { ask, type Booth, type Script, usualMost, type Visit } from './Way.ts';

/** The price is not what it seems. */
export const prices: readonly Script[] = [
  refusing(
    'lower-price-in-body',
    'The body of the 402 says 50 sat, the invoice asks 5,000.',
    'Take the price from the invoice alone, and refuse what contradicts it.',
    ({ response }, booth) => asking(response, booth.offer(dear), { body: { message: 'Payment required', amount: 50, unit: 'satoshis' } }),
  ),
  refusing(
    'lower-price-in-header',
    'L402-Price says 50 sat, the invoice asks 5,000.',
    'Take the price from the invoice alone, and refuse what contradicts it.',
    ({ response }, booth) => asking(response, booth.offer(dear), { headers: { 'L402-Price': '50 sat' } }),
  ),
  refusing(
    'two-prices-within-the-limit',
    'The body says 5 sat, the invoice asks 50: both are within the limit.',
    'Refuse: a seller that says two prices gets neither.',
    ({ response }, booth) => asking(response, booth.offer(), { body: { message: 'Payment required', amount: 5, unit: 'satoshis' } }),
  ),
  refusing(
    'price-without-a-unit',
    'The body says 4 without a unit, the invoice asks 400 sat: over the limit of a request, under that of all together.',
    'Take the price from the invoice alone, and keep to the limit of a request.',
    ({ response }, booth) => asking(response, booth.offer({ amountMsat: Amount.fromSat(400) }), { body: { message: 'Payment required', amount: 4 } }),
  ),
  refusing(
    'dear-beside-cheap',
    'Two challenges in one answer: L402 for 5,000 sat, LSAT for 5.',
    'Refuse: the limit holds for the invoice that would be paid, and two prices are none.',
    ({ response }, booth) => twoChallenges({ response }, booth, Amount.fromSat(5000)),
  ),
  refusing(
    'dear-beside-cheap-within-the-limit',
    'Two challenges in one answer: L402 for 58 sat, LSAT for 5.',
    'Refuse: a seller that says two prices gets neither.',
    ({ response }, booth) => twoChallenges({ response }, booth, Amount.fromSat(58)),
  ),
  refusing(
    'free-in-body',
    'The body of the 402 says 0 sat, the invoice asks 50: both are within the limit.',
    'Refuse: a seller that says two prices gets neither.',
    ({ response }, booth) => asking(response, booth.offer(), { body: { message: 'Payment required', amount: 0, unit: 'satoshis' } }),
  ),
  offering('one-millisatoshi-over', 'The invoice asks 60,001 msat: 60 sat to whoever rounds down.', 'Count in millisatoshis, and keep to the limit.', {
    amountMsat: 60_001n as Amount.Msat,
  }),
  {
    ...offering(
      'no-room-for-the-fee',
      'The invoice asks for the whole limit, so that the fee comes on top of it.',
      'Count the fee inside the limit: it leaves none.',
      {
        amountMsat: Amount.fromSat(60),
      },
    ),
    most: { requests: 5, orders: 1 },
  },
  {
    name: 'creeping-price',
    liar: 'server',
    does: 'Every answer costs 10 sat more than the one before.',
    demand: 'Buy as long as the price and its fee are within the limit of a request, and refuse from there on.',
    steps: [...Array.from({ length: 5 }, () => ask('answered')), ask('refused'), ask('refused')],
    most: { requests: 20, orders: 7 },
    serve: (visit, booth) => sell(visit, booth, { amountMsat: Amount.fromSat(10 + 10 * visit.sold) }),
  },
  offering('no-amount', 'The invoice names no amount: the payer decides.', 'Refuse: nothing would bind the price.', { amountMsat: null }),
  offering(
    'whole-bitcoin-amount',
    'The amount in the invoice is 21 without a multiplier: 21 bitcoin, not 21 sat.',
    'Read the amount as BOLT 11 has it, and keep to the limit.',
    { amountMsat: Amount.fromSat(2_100_000_000) },
  ),
  offering('zero-amount', 'The invoice asks for nothing: the payer decides, with some wallets.', 'Refuse: nothing would bind the price.', { amountText: '0n' }),
  offering('fraction-of-a-millisatoshi', 'The invoice asks 500,001 tenths of a millisatoshi.', 'Refuse an amount that cannot be paid.', {
    amountText: '500001p',
  }),
  offering('overflowing-amount', 'The amount wraps round to 50 sat where it is kept in 64 bits.', 'Refuse an amount beyond all bitcoin.', {
    amountText: `${2n ** 64n + 50_000n}0p`,
  }),
];

/** The invoice is wrong. */
export const invoices: readonly Script[] = [
  offering('mainnet-invoice', 'The invoice is for bitcoin, the wallet is on regtest.', 'Refuse an invoice for another network.', { chain: 'bitcoin' }),
  offering('signet-invoice', 'The invoice is for signet, the wallet is on regtest.', 'Refuse an invoice for another network.', { chain: 'signet' }),
  refusing(
    'unreadable-invoice',
    'A letter of the invoice was changed, so that its checksum is wrong.',
    'Refuse what cannot be read; hand nothing to the wallet that it was not checked.',
    async ({ response }, booth) => {
      const offer = await booth.offer();
      return asking(response, { ...offer, invoice: offer.invoice.replace(/.$/, (letter) => (letter === 'q' ? 'p' : 'q')) });
    },
  ),
  offering('forged-signature', 'The invoice names one node as its payee and is signed by another.', 'Check the signature, and refuse.', { isForged: true }),
  offering('expired-invoice', 'The invoice expired a minute ago.', 'Refuse: it cannot be paid, or the money is lost under way.', {
    ageSeconds: 120,
    expirySeconds: 60,
  }),
  offering('expiring-invoice', 'The invoice expires in three seconds.', 'Refuse: the payment could arrive too late.', { expirySeconds: 3 }),
  refusing(
    'expired-by-its-own-clock',
    'The invoice expired a minute ago, and the header Date says that it is two minutes earlier.',
    'Go by a clock of your own, and refuse.',
    ({ response }, booth) => {
      const headers = { Date: new Date((booth.nowAt() - 120) * 1000).toUTCString() };
      return asking(response, booth.offer({ ageSeconds: 120, expirySeconds: 60 }), { headers });
    },
  ),
  refusing(
    'another-payee',
    'The body names a node as the payee, and the invoice pays another one.',
    'Compare the payee that is named with that of the invoice, and refuse.',
    ({ response }, booth) => asking(response, booth.offer(), { body: { message: 'Payment required', payee: strangersNode } }),
  ),
  refusing(
    'foreign-payment-hash',
    'The token is bound to another payment than the invoice: paying does not make it good.',
    'Compare the payment hash of the token with that of the invoice, and refuse.',
    async ({ response }, booth) => asking(response, booth.offer({ boundTo: (await booth.sameOffer()).paymentHash })),
  ),
  {
    name: 'same-hash-dearer',
    liar: 'server',
    does: 'Sells for 5 sat, then offers another invoice with the same payment hash for 58: its preimage is known already.',
    demand: 'Pay a payment hash once, whatever invoice it comes with.',
    steps: [ask('answered', 'a'), ask('refused', 'b')],
    most: usualMost,
    serve: async ({ response, paid, path, sold }, booth) => {
      const offer = await booth.sameOffer({ amountMsat: Amount.fromSat(5) });
      if (paid && path === 'a') {
        paid.isDelivered = true;
        return deliver(response);
      }
      const { preimage } = offer;
      return asking(response, sold === 0 || preimage === undefined ? offer : booth.offer({ preimage, amountMsat: Amount.fromSat(58) }));
    },
  },
  {
    name: 'paid-by-another',
    liar: 'server',
    does: 'The invoice has been paid by somebody else: the wallet’s payment is turned back.',
    demand: 'Say that it failed and that nothing was spent; no other payment in the same call.',
    steps: [ask('failed')],
    most: usualMost,
    pay: ({ entry, response }) => {
      entry.state = 'failed';
      reply(response, failed('rejected', 'The payee has been paid for this already.'));
    },
  },
  {
    name: 'one-invoice-for-all',
    liar: 'server',
    does: 'Every request is offered the same invoice: paid once, it is asked for again at another path.',
    demand: 'Pay it once; when it is offered again, refuse: its preimage is known already.',
    steps: [ask('answered', 'a'), ask('refused', 'b')],
    most: usualMost,
    serve: ({ response, paid, path }, booth) => (paid && path === 'a' ? deliver(response) : asking(response, booth.sameOffer())),
  },
];

/** A compressed public key that no invoice here is of. */
const strangersNode = `02${'ab'.repeat(32)}`;

async function twoChallenges({ response }: Pick<Visit, 'response'>, booth: Booth, amountMsat: Amount.Msat): Promise<void> {
  const lines = [challengeOf(await booth.offer({ amountMsat }), 'L402'), challengeOf(await booth.offer({ amountMsat: Amount.fromSat(5) }), 'LSAT')];
  send(response, 402, { 'WWW-Authenticate': lines }, { message: 'Payment required' });
}
