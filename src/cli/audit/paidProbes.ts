/**
 * Probes with tokens that were paid for: that they work, once where one answer was bought, and for nothing else.
 */
import * as Amount from '../../core/Amount.ts';
import { narrowed, narrowings, spellings, tampered } from './forge.ts';
import { readOffer } from './Offer.ts';
import { finding, type Outcome, ok, type Probe, skipped, unknown } from './Probe.ts';
import { isServed, type Paid, present } from './Purse.ts';
import { type Case, counted, locationOf, mustRefuse } from './refusing.ts';
import type { Visit } from './Visit.ts';
import { headerOf } from './Wire.ts';

/** Requests with one token at the same instant. */
const atOnce = 4;

export const paidProbes: readonly Probe[] = [
  {
    name: 'paid-works',
    group: 'paid',
    asks: 'for an answer with a credential that was paid for',
    severity: 'loses money',
    means: 'buyers pay and get nothing',
    mend: 'Honour every token whose payment is proven, whatever has become of its invoice.',
    pays: true,
    run: paidWorks,
  },
  {
    name: 'single-use',
    group: 'paid',
    asks: 'for a second answer with a token that was sold for one',
    severity: 'loses money',
    means: 'one payment buys any number of answers',
    mend: 'Count uses by the payment hash, and claim the use before the work is done.',
    pays: true,
    follows: ['garbage', 'paid-works'],
    run: singleUse,
  },
  {
    name: 'fresh-use',
    group: 'paid',
    asks: 'for one more answer with the used token in another spelling: base64 for URLs, LSAT, capitals, a caveat more, a header of its own',
    severity: 'loses money',
    means: 'every spelling of a token is a new one, so one payment buys many answers',
    mend: 'Count uses by the payment hash in the identifier, never by the text of the token or of the header.',
    pays: true,
    follows: ['garbage', 'paid-works', 'single-use'],
    run: freshUse,
  },
  {
    name: 'tampered',
    group: 'paid',
    asks: 'for an answer with the right preimage and a token that was altered: signature, identifier, caveats',
    severity: 'forges',
    means: 'buyers rewrite what they bought',
    mend: 'Verify the whole chain of signatures, and compare all 32 bytes of the last one.',
    pays: true,
    follows: ['garbage', 'paid-works'],
    run: (visit) =>
      withUnused(visit, ({ macaroon, preimage }) => macaroon && tampered(macaroon).map(([what, token]) => [what, { headers: present(token, preimage) }])),
  },
  {
    name: 'dearer',
    group: 'paid',
    asks: 'for something dearer with the token: the target named by --dearer, a path below, another query',
    severity: 'loses money',
    means: 'the cheapest token opens everything',
    mend: 'Bind route and priced inputs into the token, and hold them against the request.',
    pays: true,
    follows: ['garbage', 'paid-works'],
    run: dearer,
  },
  {
    name: 'narrowed',
    group: 'paid',
    asks: 'for an answer with the token narrowed, in the words of its own caveats, to an end in the past, another service, path or method',
    severity: 'forges',
    means: 'caveats are written and not enforced, so a token is good for more than it says',
    mend: 'Hold every caveat against the request; the one that comes later may only narrow.',
    pays: true,
    follows: ['garbage', 'paid-works'],
    run: (visit) =>
      withUnused(visit, ({ macaroon, preimage }) => {
        const added = macaroon && narrowings(macaroon, visit.method);
        return added?.map(([what, caveat]) => [what, { headers: present(narrowed(macaroon as NonNullable<typeof macaroon>, caveat), preimage) }]);
      }),
  },
  {
    name: 'unknown-caveats',
    group: 'paid',
    asks: 'for an answer with the token narrowed in words that servers differ on: expires, valid_until, path_prefix, and a word that nobody knows',
    severity: 'advice',
    means: 'a holder who narrows a token in these words, or misspells one, hands on the whole token; the specification allows it',
    mend: 'Refuse a token with a condition that is not understood.',
    pays: true,
    follows: ['garbage', 'paid-works', 'narrowed'],
    run: unknownCaveats,
  },
  {
    name: 'other-method',
    group: 'paid',
    asks: 'for another method with the token',
    severity: 'loses money',
    means: 'a token that was sold for reading writes',
    mend: 'Bind the method into the token, and hold it against the request.',
    pays: true,
    follows: ['garbage', 'paid-works'],
    run: otherMethod,
  },
  {
    name: 'same-instant',
    group: 'paid',
    asks: `for ${atOnce} answers with one token at the same instant`,
    severity: 'loses money',
    means: 'who is quick gets several answers for one payment',
    mend: 'Claim the use in one atomic step of the store, before the request is forwarded.',
    pays: true,
    follows: ['garbage', 'paid-works', 'single-use'],
    run: sameInstant,
  },
  {
    name: 'paid-cacheable',
    group: 'paid',
    asks: 'whether a cache on the way may keep the answer that was paid for',
    severity: 'loses money',
    means: 'a cache hands what was sold to those who did not pay',
    mend: 'Send Cache-Control: private or no-store with what is sold.',
    pays: true,
    follows: ['paid-works'],
    run: async (visit) => {
      const { reply } = await visit.purse.used();
      if (!isServed(reply)) return unknown(`it was answered ${reply.status}`);
      const control = headerOf(reply, 'cache-control') ?? '';
      // An answer to a request with Authorization is kept by shared caches where one of these allows it (RFC 9111, section 3.5).
      const allowed = /\b(public|s-maxage|must-revalidate)\b/i.exec(control)?.[1];
      return allowed === undefined || /\b(private|no-store)\b/i.test(control) ? ok('nothing allows it') : finding(`Cache-Control says ${allowed}`);
    },
  },
];

async function paidWorks({ purse }: Visit): Promise<Outcome> {
  const { paid, reply } = await purse.used();
  const { status, body } = reply;
  if (isServed(reply)) return ok(`${status}, ${body.length} bytes for ${Amount.format(Amount.fromMsat(purse.spentMsat()))}`);
  if ([401, 402, 403, 407].includes(status)) return finding(`paid (${paid.paymentHash.slice(0, 16)}), and answered ${status}`);
  if (status >= 300 && status < 400) return unknown(`paid, and answered ${status} to ${locationOf(reply)}: audit that URL`);
  return unknown(`paid, and answered ${status}: audit a URL that answers with success`);
}

async function singleUse({ purse }: Visit): Promise<Outcome> {
  const soldAs = await purse.soldAs();
  if (soldAs === 'a pass') return skipped('it is sold as a pass, for any number of answers');
  const { reply } = await purse.used();
  if (!isServed(reply)) return unknown(`the first use was answered ${reply.status}`);
  const { status } = await purse.usedAgain();
  if (status < 200 || status >= 400) return status < 500 ? ok(`the second use was answered ${status}`) : unknown(`the second use was answered ${status}`);
  if (soldAs === 'one answer') return finding(`the second use was answered ${status}`);
  return unknown(`the second use was answered ${status}, and nothing says what is sold. If it is one answer, say so: --single-use`);
}

async function freshUse(visit: Visit): Promise<Outcome> {
  const { paid, reply } = await visit.purse.used();
  if (!isServed(reply)) return unknown(`the first use was answered ${reply.status}`);
  if (paid.macaroon === undefined) return unknown('the token is no macaroon that could be spelled otherwise');
  const cases: readonly Case[] = spellings(paid.macaroon, paid.preimage).map(([what, headers]) => [what, { headers }]);
  if (!isServed(await visit.purse.usedAgain())) return mustRefuse(visit, cases);
  // Good for many answers: each spelling is honoured or refused, and the server says so.
  const statuses: number[] = [];
  for (const [what, ask] of cases) statuses.push((await visit.try(what, ask)).status);
  return ok(`good for many answers; ${statuses.length} spellings: ${counted(statuses)}`);
}

/** What an unused token has to be refused for. */
async function withUnused(visit: Visit, cases: (paid: Paid) => readonly Case[] | undefined): Promise<Outcome> {
  const paid = await visit.purse.unused();
  const all = cases(paid);
  if (all === undefined) return unknown('the token is no macaroon that can be altered');
  if (all.length === 0) return skipped('its tokens carry no caveat that could be narrowed');
  const isPass = (await visit.purse.soldAs()) === 'a pass';
  const outcome = await mustRefuse(visit, all, 'at the target', () => isPass);
  if (outcome.kind === 'finding') visit.purse.spend(paid);
  return outcome;
}

async function unknownCaveats(visit: Visit): Promise<Outcome> {
  const words = ['farebox_audit=1', 'expires=2001-01-01T00:00:00Z', 'valid_until=1', 'path_prefix=/farebox-audit-elsewhere'];
  return withUnused(
    visit,
    ({ macaroon, preimage }) => macaroon && words.map((word) => [`"${word}"`, { headers: present(narrowed(macaroon, word), preimage) }]),
  );
}

async function otherMethod(visit: Visit): Promise<Outcome> {
  const method = visit.method === 'POST' ? 'GET' : 'POST';
  const unpaid = await visit.ask({ method });
  if (unpaid.status !== 402) return skipped(`${method} is not sold there: ${unpaid.status}`);
  return withUnused(visit, (paid) => [[method, { method, headers: paid.headers }]]);
}

async function dearer(visit: Visit): Promise<Outcome> {
  const { url, purse } = visit;
  const paidMsat = priceOf(await visit.offer());
  if (paidMsat === undefined) return unknown('the price of the token cannot be read');
  const query = `${url.pathname}${url.search === '' ? '?' : `${url.search}&`}farebox-audit=1`;
  const below = `${url.pathname.replace(/\/?$/, '/')}farebox-audit${url.search}`;
  const seen: string[] = [];
  const outcomes: Outcome[] = [];
  for (const target of [...(visit.dearer === undefined ? [] : [visit.dearer]), below, query]) {
    const unpaid = await visit.ask({ target });
    const price = unpaid.status === 402 ? priceOf(readOffer(unpaid)) : undefined;
    if (price === undefined || price <= paidMsat) {
      seen.push(price === undefined ? `${unpaid.status}` : Amount.format(Amount.fromMsat(price)));
      continue;
    }
    const paid = await purse.unused();
    const outcome = await mustRefuse(visit, [
      [`${target.slice(0, 80)}, which costs ${Amount.format(Amount.fromMsat(price))}`, { target, headers: paid.headers }],
    ]);
    if (outcome.kind === 'finding') purse.spend(paid);
    outcomes.push(outcome);
  }
  const worst = outcomes.find(({ kind }) => kind === 'finding') ?? outcomes.find(({ kind }) => kind === 'unknown') ?? outcomes[0];
  if (worst !== undefined) return worst;
  return skipped(`nothing dearer was found beside it (${seen.join(', ')}): name it with --dearer`);
}

/** What an offer asks, where it can be read. */
function priceOf({ invoice }: ReturnType<typeof readOffer>): bigint | undefined {
  return 'value' in invoice ? invoice.value.amountMsat : undefined;
}

async function sameInstant(visit: Visit): Promise<Outcome> {
  const { purse } = visit;
  const { reply } = await purse.used();
  if (!isServed(reply)) return unknown(`a single use was answered ${reply.status}`);
  if (isServed(await purse.usedAgain())) return skipped('a token is good for many answers');
  const paid = await purse.unused();
  purse.spend(paid);
  const replies = await Promise.all(Array.from({ length: atOnce }, () => visit.ask({ headers: paid.headers })));
  const statuses = counted(replies.map(({ status }) => status));
  const served = replies.filter(isServed).length;
  if (served > 1) return finding(`${served} of ${atOnce} were served: ${statuses}`);
  return served === 1 ? ok(`one of ${atOnce} was served: ${statuses}`) : unknown(`none of ${atOnce} was served: ${statuses}`);
}
