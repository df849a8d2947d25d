/**
 * Probes of the 402 itself: whether every client can read it, and may believe it.
 */
import * as Quote from '../../client/Quote.ts';
import * as Amount from '../../core/Amount.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Identifier from '../../core/Identifier.ts';
import { printable } from '../Terminal.ts';
import { formatRelative } from '../Time.ts';
import { readStrictly } from './grammar.ts';
import { boundHash, networkOf, type Offer } from './Offer.ts';
import { finding, type Outcome, ok, type Probe, skipped, unknown } from './Probe.ts';
import { isServed } from './Purse.ts';
import { counted } from './refusing.ts';
import type { Visit } from './Visit.ts';
import { headerLines, headerOf, type Reply } from './Wire.ts';

/** An invoice that ends sooner is hard to pay in time. */
const leastSeconds = 60;

export const offerProbes: readonly Probe[] = [
  {
    name: 'https',
    group: 'offer',
    asks: 'whether the address is https, or this very machine',
    severity: 'leaks',
    means: 'whoever sits on the way reads the credential and uses it',
    mend: 'Serve it by https alone.',
    run: ({ isSafe, url }) => (isSafe ? ok(url.protocol === 'https:' ? 'https' : 'this machine') : finding(`plain http to ${url.host}`)),
  },
  {
    name: 'challenge-grammar',
    group: 'offer',
    asks: 'whether a parser that knows RFC 9110 and no mercy reads every line of WWW-Authenticate',
    severity: 'breaks clients',
    means: 'strict clients see no offer, or half of one',
    mend: 'Put every value in double quotes, and a comma and a space between parameters.',
    run: async (visit) => grammar(await visit.offer()),
  },
  {
    name: 'challenge-lines',
    group: 'offer',
    asks: 'whether each offer has a header line of its own, and L402 the first',
    severity: 'breaks clients',
    means: 'shipped clients that read the first line, or take a line for one challenge, find nothing they can use',
    mend: 'Send one WWW-Authenticate line for each challenge, never joined by a comma, the L402 family before others.',
    run: async (visit) => lines(await visit.offer()),
  },
  {
    name: 'challenge-order',
    group: 'offer',
    asks: 'whether each offer begins macaroon="…", invoice="…" behind its scheme in capitals',
    severity: 'breaks clients',
    means: 'shipped clients look for exactly this text',
    mend: 'Write L402 macaroon="…", invoice="…" in this order with one space behind the comma; everything else goes behind it.',
    run: async (visit) => order(await visit.offer()),
  },
  {
    name: 'one-offer',
    group: 'offer',
    asks: 'whether all challenges of the answer carry one token and one invoice',
    severity: 'breaks clients',
    means: 'clients choose differently, and pay an invoice for a token that it does not belong to',
    mend: 'Write the same token and the same invoice into every challenge of an answer.',
    run: async (visit) => oneOffer(await visit.offer()),
  },
  {
    name: 'both-schemes',
    group: 'offer',
    asks: 'whether it is offered as L402 and, for older clients, as LSAT',
    severity: 'advice',
    means: 'older clients, or newer ones, do not know that they could buy',
    mend: 'Send an LSAT line and an L402 line with the same token and invoice.',
    run: async (visit) => {
      const schemes = new Set((await visit.offer()).challenges.map(({ scheme }) => scheme));
      return schemes.size === 2 ? ok('L402 and LSAT') : finding(`${[...schemes].join() || 'neither L402 nor LSAT'}${schemes.size === 1 ? ' alone' : ''}`);
    },
  },
  {
    name: 'token-readable',
    group: 'offer',
    asks: 'whether the token is a macaroon of version 2 in base64',
    severity: 'breaks clients',
    means: 'clients that read what they buy, or narrow it, cannot',
    mend: 'Send the V2 binary form in padded standard base64.',
    run: async (visit) => {
      const { chosen, macaroon } = await visit.offer();
      if ('fault' in macaroon) return finding(macaroon.fault);
      const isPlain = /^[A-Za-z0-9+/]+={0,2}$/.test(chosen?.token ?? '') && (chosen?.token.length ?? 0) % 4 === 0;
      return isPlain
        ? ok(`${macaroon.value.caveats.length} caveats, ${chosen?.token.length} characters`)
        : finding('its base64 is of the URL alphabet, or not padded');
    },
  },
  {
    name: 'identifier',
    group: 'offer',
    asks: 'whether the token has an identifier of version 0: 66 bytes with the payment hash',
    severity: 'breaks clients',
    means: 'clients cannot tell which payment makes the token good',
    mend: 'Mint identifiers as the macaroon specification of L402 has them: version, payment hash, token id.',
    run: async (visit) => {
      const { macaroon } = await visit.offer();
      if ('fault' in macaroon) return unknown('the token cannot be read');
      return attempt(() => `version ${Identifier.decode(macaroon.value.identifier).version}`);
    },
  },
  {
    name: 'invoice-readable',
    group: 'offer',
    asks: 'whether the invoice is BOLT 11 to the letter, and its signature holds',
    severity: 'breaks clients',
    means: 'wallets refuse to pay it',
    mend: 'Hand on what the node made, unchanged.',
    run: async (visit) => {
      const { invoice } = await visit.offer();
      return 'fault' in invoice ? finding(invoice.fault) : ok(`signed by ${invoice.value.payee.slice(0, 16)}`);
    },
  },
  {
    name: 'invoice-amount',
    group: 'offer',
    asks: 'whether the invoice names an amount',
    severity: 'loses money',
    means: 'the payer chooses what it pays: a millisatoshi is enough',
    mend: 'Give the amount when the invoice is made.',
    run: (visit) => ofInvoice(visit, ({ amountMsat }) => (amountMsat ? ok(Amount.format(amountMsat)) : finding('the invoice has no amount'))),
  },
  {
    name: 'payment-hash',
    group: 'offer',
    asks: 'whether the token is bound to the payment of this invoice',
    severity: 'breaks clients',
    means: 'paying the invoice does not make the token good',
    mend: 'Mint the token with the payment hash of the very invoice that goes out beside it.',
    run: (visit) => paymentHash(visit),
  },
  {
    name: 'invoice-expiry',
    group: 'offer',
    asks: `whether the invoice can still be paid for ${leastSeconds} seconds`,
    severity: 'breaks clients',
    means: 'it has expired before a wallet has found a way',
    mend: 'Make invoices that last some minutes, and set the clock of the node.',
    run: (visit) =>
      ofInvoice(visit, ({ expiresAt, createdAt }) => {
        const at = visit.nowAt();
        if (createdAt > at + leastSeconds) return finding(`it was made ${formatRelative(createdAt, at)}: one of the two clocks is wrong`);
        return expiresAt - at >= leastSeconds ? ok(`ends ${formatRelative(expiresAt, at)}`) : finding(`it ends ${formatRelative(expiresAt, at)}`);
      }),
  },
  {
    name: 'network',
    group: 'offer',
    asks: 'whether it sells for bitcoin, where it is open to the world',
    severity: 'advice',
    means: 'what is sold there costs play money',
    mend: 'Connect a node on the main network before others can reach it.',
    run: (visit) =>
      ofInvoice(visit, ({ chain }) => {
        if (chain === 'bitcoin') return ok('bitcoin');
        return visit.isSafe && visit.url.protocol === 'http:' ? ok(`${chain}: play money, on this machine`) : finding(`invoices are for ${chain}`);
      }),
  },
  {
    name: 'body-price',
    group: 'offer',
    asks: 'whether the body and the header L402-Price name what the invoice asks',
    severity: 'breaks clients',
    means: 'careful clients refuse a seller who says two prices',
    mend: 'Write the amount of the invoice into both, rounded up to a whole satoshi.',
    run: (visit) => declaredPrice(visit),
  },
  {
    name: 'not-cacheable',
    group: 'offer',
    asks: 'whether a cache on the way may keep the 402',
    severity: 'leaks',
    means: 'a cache hands one invoice and one token to many, and each learns what the other paid for',
    mend: 'Send Cache-Control: no-store with every 402.',
    run: async (visit) => {
      const control = cacheControl((await visit.offer()).reply);
      return isShared(control) ? finding(`Cache-Control: ${printable(control)}`) : ok(control === '' ? 'nothing allows it' : printable(control));
    },
  },
  {
    name: 'no-store',
    group: 'offer',
    asks: 'whether the 402 says Cache-Control: no-store',
    severity: 'advice',
    means: 'a cache that guesses may keep it',
    mend: 'Send Cache-Control: no-store with every 402.',
    follows: ['not-cacheable'],
    run: async (visit) => {
      const control = cacheControl((await visit.offer()).reply);
      return /\bno-store\b/i.test(control) ? ok('no-store') : finding(control === '' ? 'there is no Cache-Control' : `Cache-Control: ${printable(control)}`);
    },
  },
  {
    name: 'fresh-invoice',
    group: 'offer',
    asks: 'whether a second ask gets an invoice, a payment hash and a token of its own',
    severity: 'loses money',
    means: 'one payment opens the door for all who asked, and every node on its way knows the preimage',
    mend: 'Have a new invoice made for every 402.',
    run: (visit) => freshInvoice(visit),
  },
  {
    name: 'head',
    group: 'offer',
    asks: 'whether HEAD is answered as GET is',
    severity: 'breaks clients',
    means: 'clients and indexes that look before they buy see something else than is sold',
    mend: 'Answer HEAD by the same path as GET, without the body.',
    run: async (visit) => {
      if (visit.method !== 'GET') return skipped(`it is ${visit.method} that is audited`);
      const reply = await visit.ask({ method: 'HEAD' });
      const offers = headerLines(reply, 'www-authenticate').some((line) => /\b(L402|LSAT)\b/.test(line));
      return reply.status === 402 && offers ? ok('402 with the offer') : finding(`HEAD: ${reply.status}${reply.status === 402 ? ' without an offer' : ''}`);
    },
  },
  {
    name: 'options',
    group: 'offer',
    asks: 'whether OPTIONS, which is no preflight without an Origin, brings what is sold',
    severity: 'loses money',
    means: 'a handler for all methods gives its answer away',
    mend: 'Let nothing but real preflights past the price.',
    run: async (visit) => {
      const reply = await visit.ask({ method: 'OPTIONS' });
      // Some frameworks answer with the list of methods as the body too.
      if (isMethods(reply)) return ok(`${reply.status} with the list of methods`);
      const likeness = await visit.compare(reply);
      if (likeness === 'sold' || likeness === 'perhaps') return finding(`OPTIONS: ${reply.status} with ${reply.body.length} bytes: look at it`);
      return likeness === 'other'
        ? unknown(`OPTIONS: ${reply.status} with ${reply.body.length} bytes: look at it`)
        : ok(`${reply.status}, and nothing that is sold`);
    },
  },
  {
    name: 'preflight',
    group: 'offer',
    asks: 'whether a real preflight is answered without payment, and shows browsers the offer',
    severity: 'advice',
    means: 'programs in browsers cannot buy',
    mend: 'Answer OPTIONS with Origin and Access-Control-Request-Method, and expose WWW-Authenticate.',
    run: (visit) => preflight(visit),
  },
];

/** A probe of the invoice, where there is one that can be read. */
async function ofInvoice(visit: Visit, judge: (invoice: Extract<Offer['invoice'], { value: unknown }>['value']) => Outcome): Promise<Outcome> {
  const { invoice } = await visit.offer();
  return 'fault' in invoice ? unknown('the invoice cannot be read') : judge(invoice.value);
}

function attempt(look: () => string): Outcome {
  try {
    return ok(look());
  } catch (error) {
    if (FareboxError.is(error)) return finding(error.message.replace(/\.$/, ''));
    throw error;
  }
}

function grammar({ lines }: Offer): Outcome {
  if (lines.length === 0) return finding('the 402 has no WWW-Authenticate');
  const faults = lines.map(readStrictly).flatMap((read, index) => (typeof read === 'string' ? [`line ${index + 1}: ${read}`] : []));
  return faults.length === 0 ? ok(`${lines.length} ${lines.length === 1 ? 'line' : 'lines'}`) : finding(...faults);
}

/** The schemes of a line, read with mercy: what is wrong with the grammar is another probe's. */
function schemesOf(line: string): readonly string[] {
  const read = readStrictly(line);
  if (typeof read !== 'string') return read.map(({ scheme }) => scheme);
  return [...line.matchAll(/(?:^|,)\s*(L402|LSAT)\s/gi)].map((match) => match[1] as string);
}

function lines(offer: Offer): Outcome {
  const schemes = offer.lines.map(schemesOf);
  const isOurs = (scheme: string | undefined) => /^(l402|lsat)$/i.test(scheme ?? '');
  const joined = schemes.findIndex((line) => line.length > 1);
  if (joined >= 0) return finding(`line ${joined + 1} holds ${schemes[joined]?.length} challenges`);
  if (!schemes.flat().some(isOurs)) return finding('no line offers L402 or LSAT');
  return isOurs(schemes[0]?.[0]) ? ok('one challenge a line') : finding(`the first line offers ${printable(schemes[0]?.[0] ?? 'nothing').slice(0, 32)}`);
}

function order({ lines: all }: Offer): Outcome {
  const read = all.flatMap((line) => (schemesOf(line).some((scheme) => /^(l402|lsat)$/i.test(scheme)) ? [line] : []));
  if (read.length === 0) return unknown('there is no offer to look at');
  const wrong = read.filter((line) => !/^(L402|LSAT) macaroon="[^"]+", invoice="[^"]+"/.test(line));
  return wrong.length === 0 ? ok('as shipped clients look for it') : finding(...wrong.map((line) => `a line begins ${printable(namesOf(line))}`));
}

/** A line without its values. */
function namesOf(line: string): string {
  return line
    .replace(/"[^"]*"?/g, '"…"')
    .replace(/=[^",\s]{9,}/g, '=…')
    .slice(0, 80);
}

function oneOffer({ challenges }: Offer): Outcome {
  const [first] = challenges;
  if (first === undefined) return unknown('there is no offer that can be read');
  const different = challenges.filter(({ token, invoice }) => token !== first.token || invoice !== first.invoice);
  return different.length === 0 ? ok('one token, one invoice') : finding(`${challenges.length} challenges with different tokens or invoices`);
}

async function paymentHash(visit: Visit): Promise<Outcome> {
  const { macaroon, invoice } = await visit.offer();
  if ('fault' in macaroon || 'fault' in invoice) return unknown('token or invoice cannot be read');
  const bound = boundHash(macaroon.value);
  if (bound === undefined) return unknown('the identifier of the token is too short for a payment hash');
  return bound === invoice.value.paymentHash
    ? ok(bound.slice(0, 16))
    : finding(`the token names ${bound.slice(0, 16)}, the invoice ${invoice.value.paymentHash.slice(0, 16)}`);
}

/** Whatever else our client would refuse is another probe's. */
async function declaredPrice(visit: Visit): Promise<Outcome> {
  const { chosen, invoice, reply, json } = await visit.offer();
  if (chosen === undefined || 'fault' in invoice) return unknown('the invoice cannot be read');
  const priceHeader = headerOf(reply, 'l402-price') ?? null;
  try {
    const quote = Quote.from({ asked: visit, challenge: chosen, priceHeader, body: json }, networkOf(invoice.value), visit.nowAt());
    return ok(`nothing contradicts ${Amount.format(quote.amountMsat)}`);
  } catch (error) {
    if (!FareboxError.is(error)) throw error;
    if (error.details.declared !== undefined) return finding(error.message.replace(/\. Nothing was paid\.$/, ''));
    return unknown(`our client refuses the offer before it looks: ${error.message.replace(/\.$/, '')}`);
  }
}

function isMethods(reply: Reply): boolean {
  const plain = (text: string) => text.replace(/\s/g, '');
  return reply.body.length > 0 && plain(reply.body.toString('latin1')) === plain(headerOf(reply, 'allow') ?? '');
}

function cacheControl(reply: Reply): string {
  return headerOf(reply, 'cache-control') ?? '';
}

function isShared(control: string): boolean {
  return !/\b(no-store|private|no-cache)\b/i.test(control) && (/\bpublic\b/i.test(control) || /\b(s-maxage|max-age)\s*=\s*"?[1-9]/i.test(control));
}

async function freshInvoice(visit: Visit): Promise<Outcome> {
  const [first, second] = [await visit.offer(), await visit.another()];
  if (second.reply.status !== 402) return unknown(`the second ask was answered ${second.reply.status}`, second.reply.status === 429 ? 7 : 0);
  if (first.chosen === undefined || second.chosen === undefined) return unknown('there is no offer that can be read');
  const same = [
    ...(first.chosen.invoice === second.chosen.invoice ? ['two asks got the same invoice'] : []),
    ...(first.chosen.token === second.chosen.token ? ['two asks got the same token'] : []),
  ];
  if (same.length === 0 && 'value' in first.invoice && 'value' in second.invoice && first.invoice.value.paymentHash === second.invoice.value.paymentHash)
    same.push('two asks got invoices with the same payment hash');
  return same.length === 0 ? ok('two asks, two of each') : finding(...same);
}

async function preflight(visit: Visit): Promise<Outcome> {
  const reply = await visit.ask({
    method: 'OPTIONS',
    headers: [
      ['Origin', 'https://farebox-audit.invalid'],
      ['Access-Control-Request-Method', visit.method],
      ['Access-Control-Request-Headers', 'authorization'],
    ],
  });
  if (!isServed(reply)) return finding(`a preflight was answered ${counted([reply.status])}`);
  if (headerOf(reply, 'access-control-allow-origin') === undefined) return finding(`${reply.status} without Access-Control-Allow-Origin`);
  const seen = await visit.ask({ headers: [['Origin', 'https://farebox-audit.invalid']] });
  const exposed = headerOf(seen, 'access-control-expose-headers') ?? '';
  return /www-authenticate|\*/i.test(exposed) ? ok(`${reply.status}, and the offer is exposed`) : finding('the 402 does not expose WWW-Authenticate');
}
