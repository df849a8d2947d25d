/**
 * Sellers that lie in the offer, before anything is paid.
 */
import * as Amount from '../../core/Amount.ts';
import type { OfferScript } from '../Offers.ts';
import { ask as asking, challengeOf, cut, deliver, pour, redirect, sell, send, sendRaw } from './answers.ts';
import { ask, type Booth, type Script, usualMost, type Visit } from './Way.ts';

const dear = { amountMsat: Amount.fromSat(5000) };
const nothing = { requests: 5, orders: 0 };

/** A way whose offer nobody should pay. */
function refusing(name: string, does: string, demand: string, serve: (visit: Visit, booth: Booth) => void): Script {
  return { name, liar: 'server', does, demand, steps: [ask('refused')], most: nothing, serve };
}

/** One whose offer is wrong in itself. */
function offering(name: string, does: string, demand: string, script: OfferScript): Script {
  return refusing(name, does, demand, ({ response }, booth) => asking(response, booth.offer(script)));
}

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
  offering('no-amount', 'The invoice names no amount: the payer decides.', 'Refuse: nothing would bind the price.', { amountMsat: null }),
  offering(
    'whole-bitcoin-amount',
    'The amount in the invoice is 21 without a multiplier: 21 bitcoin, not 21 sat.',
    'Read the amount as BOLT 11 has it, and keep to the limit.',
    { amountMsat: Amount.fromSat(2_100_000_000) },
  ),
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
    ({ response }, booth) => {
      const offer = booth.offer();
      asking(response, { ...offer, invoice: offer.invoice.replace(/.$/, (letter) => (letter === 'q' ? 'p' : 'q')) });
    },
  ),
  offering('forged-signature', 'The invoice names one node as its payee and is signed by another.', 'Check the signature, and refuse.', { isForged: true }),
  offering('expired-invoice', 'The invoice expired a minute ago.', 'Refuse: it cannot be paid, or the money is lost under way.', {
    ageSeconds: 120,
    expirySeconds: 60,
  }),
  offering('expiring-invoice', 'The invoice expires in three seconds.', 'Refuse: the payment could arrive too late.', { expirySeconds: 3 }),
  refusing(
    'foreign-payment-hash',
    'The token is bound to another payment than the invoice: paying does not make it good.',
    'Compare the payment hash of the token with that of the invoice, and refuse.',
    ({ response }, booth) => asking(response, booth.offer({ boundTo: booth.sameOffer().paymentHash })),
  ),
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

/** The challenge is wrong, or none. */
export const challenges: readonly Script[] = [
  {
    name: 'unknown-scheme',
    liar: 'server',
    does: 'A 402 that offers a scheme of its own only, with a Lightning invoice in its body.',
    demand: 'Hand the answer on and pay nothing: the invoice in a body is no challenge.',
    steps: [ask('handed-on')],
    most: nothing,
    serve: ({ response }, booth) => send(response, 402, { 'WWW-Authenticate': 'Payment id="1", method="card"' }, { invoice: booth.offer().invoice }),
  },
  {
    name: 'offer-in-a-200',
    liar: 'server',
    does: 'A 200 with the answer, and with a challenge in its head.',
    demand: 'Hand the answer on and pay nothing: only a 402 asks for money.',
    steps: [ask('answered')],
    most: nothing,
    serve: ({ response }, booth) => {
      response.setHeader('WWW-Authenticate', challengeOf(booth.offer()));
      deliver(response);
    },
  },
  refusing(
    'unsendable-token',
    'The token is no base64 and holds spaces and braces: it could not be sent back in a header.',
    'Refuse before paying: what is paid for could never be shown.',
    ({ response }, booth) => asking(response, booth.offer({ token: 'not base64: {}' })),
  ),
  {
    ...refusing(
      'control-characters',
      'The challenge has a NUL, an escape and a bare carriage return in it.',
      'Refuse the answer as a whole; show none of it to a terminal.',
      ({ response }, booth) => {
        const { token, invoice } = booth.offer();
        const challenge = challengeOf({ token: `${token.slice(0, 8)}\u0000\u001b[2J\r${token.slice(8)}`, invoice });
        sendRaw(response, `HTTP/1.1 402 Payment Required\r\nWWW-Authenticate: ${challenge}\r\nContent-Length: 0\r\n\r\n`);
      },
    ),
    steps: [ask('broken')],
  },
  {
    ...refusing(
      'huge-header',
      'A header of a megabyte before the challenge.',
      'Stop reading at a limit: an error, and nothing is paid.',
      ({ response }, booth) => asking(response, booth.offer(), { headers: { 'X-Filler': 'x'.repeat(1024 * 1024) } }),
    ),
    steps: [ask('broken')],
  },
  {
    ...refusing(
      'ten-thousand-challenges',
      'Ten thousand challenges in one answer.',
      'Stop reading at a limit: an error, and nothing is paid.',
      ({ response }, booth) => {
        const line = challengeOf(booth.offer());
        send(response, 402, { 'WWW-Authenticate': Array.from({ length: 10_000 }, () => line) });
      },
    ),
    steps: [ask('broken')],
  },
  {
    ...refusing('token-of-a-megabyte', 'The token is a megabyte long.', 'Stop reading at a limit: an error, and nothing is paid.', ({ response }, booth) =>
      asking(response, booth.offer({ token: 'A'.repeat(1024 * 1024) })),
    ),
    steps: [ask('broken')],
  },
  {
    name: 'terminal-escapes',
    liar: 'server',
    does: 'The description in the invoice holds escape sequences that would steer a terminal.',
    demand: 'Buy, and escape whatever is shown of it.',
    steps: [ask('answered')],
    most: usualMost,
    serve: (visit, booth) => {
      if (visit.paid) sell(visit, booth);
      else asking(visit.response, booth.offer({ description: '\u001b]0;owned\u0007\u001b[2Jone answer\u202e' }));
    },
  },
];

/** The body of the 402, or the way to it, never ends. */
export const endless: readonly Script[] = [
  {
    name: 'endless-offer-body',
    liar: 'server',
    does: 'The body of the 402 never ends.',
    demand: 'Stop reading at a limit; what is read of a body changes nothing about the offer in the head.',
    steps: [ask('answered')],
    most: usualMost,
    serve: (visit, booth) => {
      if (visit.paid) return sell(visit, booth);
      visit.response.writeHead(402, { 'WWW-Authenticate': challengeOf(booth.offer()), 'Content-Type': 'application/json' });
      pour(visit.response, 32 * 1024 * 1024, () => booth.robbed('read 32 MB of the body of a 402'));
    },
  },
  {
    name: 'dribbling-offer-body',
    liar: 'server',
    does: 'The body of the 402 begins and never goes on.',
    demand: 'Stop waiting for it after a few seconds; the offer is in the head.',
    steps: [ask('answered')],
    most: usualMost,
    serve: (visit, booth) => {
      if (visit.paid) return sell(visit, booth);
      visit.response.writeHead(402, { 'WWW-Authenticate': challengeOf(booth.offer()), 'Content-Type': 'application/json' });
      visit.response.write('{"message":');
      booth.fallSilent(visit.response);
    },
  },
  {
    name: 'cut-offer-body',
    liar: 'network',
    does: 'The connection is reset in the body of the 402.',
    demand: 'Go by the offer in the head, or ask again; pay once.',
    steps: [ask('answered')],
    most: usualMost,
    serve: (visit, booth) => {
      if (visit.paid) return sell(visit, booth);
      visit.response.writeHead(402, { 'WWW-Authenticate': challengeOf(booth.offer()), 'Content-Type': 'application/json', 'Content-Length': 1000 });
      visit.response.write('{"message":', () => cut(visit.response));
    },
  },
  {
    name: 'endless-redirect',
    liar: 'server',
    does: 'Every answer is a redirect to the next.',
    demand: 'Stop after twenty or so.',
    steps: [ask('broken', 'hop-0')],
    most: { requests: 60, orders: 0 },
    serve: ({ response, path }, booth) => redirect(response, `${booth.at.seller}/hop-${Number(/\d+$/.exec(path)?.[0] ?? 0) + 1}`),
  },
  refusing(
    'plain-http-offer',
    'A redirect to plain http at an address that is not loopback, where an offer waits.',
    'Refuse: whoever is on the way could take the credential.',
    ({ response, place }, booth) => (place === 'plain' ? asking(response, booth.offer()) : redirect(response, `${booth.at.plain}/a`)),
  ),
];

function twoChallenges({ response }: Pick<Visit, 'response'>, booth: Booth, amountMsat: Amount.Msat): void {
  const lines = [challengeOf(booth.offer({ amountMsat }), 'L402'), challengeOf(booth.offer({ amountMsat: Amount.fromSat(5) }), 'LSAT')];
  send(response, 402, { 'WWW-Authenticate': lines }, { message: 'Payment required' });
}
