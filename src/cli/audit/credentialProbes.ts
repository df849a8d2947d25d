/**
 * Probes with credentials that nobody paid for: made up, altered, or over a payment of one's own.
 */

import * as Caveat from '../../core/Caveat.ts';
import { toBase64, toHex } from '../../core/internal/bytes.ts';
import * as Macaroon from '../../core/Macaroon.ts';
import { narrowed, type OwnPayment, overOwnPayment, ownPayment } from './forge.ts';
import { type Outcome, ok, type Probe, unknown } from './Probe.ts';
import { type Case, mustRefuse } from './refusing.ts';
import type { Visit } from './Visit.ts';
import { Silence } from './Wire.ts';

export const credentialProbes: readonly Probe[] = [
  {
    name: 'garbage',
    group: 'credentials',
    asks: 'for an answer with random bytes as token and preimage, and with half a credential',
    severity: 'forges',
    means: 'any text opens the door',
    mend: 'Verify the token and the preimage before anything is forwarded.',
    run: (visit) => mustRefuse(visit, garbage(visit)),
  },
  {
    name: 'no-preimage',
    group: 'credentials',
    asks: 'for an answer with the token of the 402 alone',
    severity: 'forges',
    means: 'the token that is handed out for nothing opens the door',
    mend: 'Demand the preimage, and hash it, for every credential.',
    follows: ['garbage'],
    run: (visit) => withToken(visit, (token) => ['', ':', ':null'].map((end) => [`"<token>${end}"`, authorized(`L402 ${token}${end}`)])),
  },
  {
    name: 'wrong-preimage',
    group: 'credentials',
    asks: 'for an answer with the token of the 402 and a preimage that does not prove the payment',
    severity: 'forges',
    means: 'nobody needs to pay',
    mend: 'Compare SHA-256 of the preimage with the payment hash in the identifier of the token.',
    follows: ['garbage'],
    run: (visit) => withToken(visit, (token, hash) => wrongPreimages(visit, token, hash)),
  },
  {
    name: 'own-payment-hash',
    group: 'credentials',
    asks: 'for an answer with caveats behind an unpaid token that name a payment hash of its holder',
    severity: 'forges',
    means: 'whoever holds an unpaid token says what it was paid with',
    mend: 'Take the payment hash from the identifier alone; believe no caveat that a holder can write.',
    follows: ['garbage', 'wrong-preimage'],
    run: (visit) => withAltered(visit, (macaroon, own) => ownCaveats(macaroon, own)),
  },
  {
    name: 'forged-token',
    group: 'credentials',
    asks: 'for an answer with a token over a payment of its holder, made without the root key',
    severity: 'forges',
    means: 'anybody mints tokens',
    mend: 'Verify the signature of every token with its root key before anything in it is believed.',
    follows: ['garbage', 'wrong-preimage'],
    run: (visit) =>
      withAltered(visit, (macaroon, own) => overOwnPayment(macaroon, own).map(([what, token]) => [what, authorized(`L402 ${token}:${own.preimage}`)])),
  },
  {
    name: 'other-headers',
    group: 'credentials',
    asks: 'for an answer with the unpaid token in the headers Macaroon and Grpc-Metadata-Macaroon',
    severity: 'forges',
    means: 'a second way in is not guarded as the first',
    mend: 'Send every form of the credential through the same verification.',
    follows: ['garbage', 'wrong-preimage'],
    run: (visit) => withAltered(visit, (macaroon, own) => inOtherHeaders(macaroon, own)),
  },
  {
    name: 'huge-token',
    group: 'credentials',
    asks: 'for an answer with a token of a megabyte, and whether the server answers afterwards',
    severity: 'forges',
    means: 'a long text opens the door, or closes it for everybody',
    mend: 'Refuse heads over some kilobytes before they are read to their end.',
    follows: ['garbage'],
    run: hugeToken,
  },
  {
    name: 'many-tokens',
    group: 'credentials',
    asks: 'for an answer with twenty tokens in one credential, and with twenty credentials in one request',
    severity: 'forges',
    means: 'what is checked of one is not checked of many',
    mend: 'Read a few at most, and verify each that is read.',
    follows: ['garbage', 'wrong-preimage'],
    run: (visit) => withToken(visit, (token) => many(visit, token)),
  },
  {
    name: 'two-credentials',
    group: 'credentials',
    asks: 'for an answer with two forged credentials, in two lines and in one, and a forged one behind another scheme',
    severity: 'forges',
    means: 'one part of the server checks the first, another believes the second',
    mend: 'Read all lines of Authorization in one place; the credential that verifies is the only one that anything else hears of.',
    follows: ['garbage', 'wrong-preimage'],
    run: (visit) => withToken(visit, (token) => two(visit, token)),
  },
];

/** What nobody could have paid for. Also the way to see how the server refuses, where nothing else was tried. */
export function garbage(visit: Visit): readonly Case[] {
  const preimage = madeUp(visit);
  return [
    ['a random token', authorized(`L402 ${toBase64(visit.random(48))}:${preimage}`)],
    ['a token that is not base64', authorized(`L402 !!!!:${preimage}`)],
    ['a scheme alone', authorized('L402')],
    ['a colon alone', authorized('LSAT :')],
    ['another scheme', authorized(`Bearer ${toHex(visit.random(16))}`)],
  ];
}

function authorized(...values: readonly string[]): Case[1] {
  return { headers: values.map((value) => ['Authorization', value]) };
}

/** A preimage of no payment; a server that repeats it would repeat a real one. */
function madeUp(visit: Visit): string {
  const preimage = toHex(visit.random(32));
  visit.watch(preimage, 'the preimage of a made-up credential');
  return preimage;
}

/** The cases for the token of a fresh 402 and its payment hash, where there is one. */
async function withToken(visit: Visit, cases: (token: string, hash: string) => readonly Case[]): Promise<Outcome> {
  const { chosen, invoice } = await visit.offer();
  if (chosen === undefined) return unknown('there is no token in the 402 that can be read');
  return mustRefuse(visit, cases(chosen.token, 'value' in invoice ? invoice.value.paymentHash : toHex(visit.random(32))));
}

/** The cases for a token that can be altered, and a payment that nobody made. */
async function withAltered(visit: Visit, cases: (macaroon: Macaroon.Macaroon, own: OwnPayment) => readonly Case[]): Promise<Outcome> {
  const { macaroon } = await visit.offer();
  if ('fault' in macaroon) return unknown('the token is no macaroon that can be altered');
  const own = ownPayment(visit.random);
  visit.watch(own.preimage, 'the preimage of a made-up credential');
  return mustRefuse(visit, cases(macaroon.value, own));
}

function wrongPreimages(visit: Visit, token: string, hash: string): readonly Case[] {
  return [
    ['a random preimage', authorized(`L402 ${token}:${madeUp(visit)}`)],
    ['a random preimage, as LSAT', authorized(`LSAT ${token}:${madeUp(visit)}`)],
    ['zeros', authorized(`L402 ${token}:${'0'.repeat(64)}`)],
    ['the payment hash itself', authorized(`L402 ${token}:${hash}`)],
  ];
}

function ownCaveats(macaroon: Macaroon.Macaroon, { preimage, paymentHash }: OwnPayment): readonly Case[] {
  const services = macaroon.caveats.map((text) => /^\s*services\s*=\s*([^:,]+)/.exec(text)?.[1]);
  const service = services.find((name) => name !== undefined && Caveat.isName(name)) ?? 'api';
  const caveats = [[`payment_hash=${paymentHash}`], [`${service}_payment_hash=${paymentHash}`], [`payment_hash = "${paymentHash}"`, `preimage = ${preimage}`]];
  return caveats.map((added) => [
    `${added.map((text) => text.split('=')[0]?.trim()).join(' and ')} appended`,
    authorized(`L402 ${narrowed(macaroon, ...added)}:${preimage}`),
  ]);
}

function inOtherHeaders(macaroon: Macaroon.Macaroon, { preimage }: OwnPayment): readonly Case[] {
  const plain = toHex(Macaroon.encode(macaroon));
  const proven = toHex(Macaroon.encode(Macaroon.attenuate(macaroon, [`preimage=${preimage}`])));
  return [
    ['Macaroon without a preimage', { headers: [['Macaroon', plain]] }],
    ['Grpc-Metadata-Macaroon with a preimage of its holder', { headers: [['Grpc-Metadata-Macaroon', proven]] }],
  ];
}

function many(visit: Visit, token: string): readonly Case[] {
  const preimage = madeUp(visit);
  return [
    ['twenty tokens', authorized(`L402 ${Array<string>(20).fill(token).join(',')}:${preimage}`)],
    ['twenty credentials', authorized(...Array.from({ length: 20 }, () => `L402 ${toBase64(visit.random(48))}:${preimage}`))],
  ];
}

function two(visit: Visit, token: string): readonly Case[] {
  const [random, unpaid] = [`L402 ${toBase64(visit.random(48))}:${madeUp(visit)}`, `LSAT ${token}:${madeUp(visit)}`];
  return [
    ['in two lines', authorized(random, unpaid)],
    ['in one line', authorized(`${random}, ${unpaid}`)],
    ['behind Basic', authorized('Basic YXVkaXQ6YXVkaXQ=', unpaid)],
  ];
}

async function hugeToken(visit: Visit): Promise<Outcome> {
  const ask = authorized(`L402 ${'A'.repeat(1_048_576)}:${madeUp(visit)}`);
  let came: string;
  try {
    const reply = await visit.try('a token of a megabyte', ask);
    if (reply.status < 300) return { kind: 'finding', saw: [`a token of a megabyte: ${reply.status}, ${reply.body.length} bytes`] };
    came = String(reply.status);
  } catch (error) {
    if (!(error instanceof Silence)) throw error;
    came = 'the connection was closed';
  }
  // Whoever hangs up on such a head is right, as long as the next one is answered.
  const after = await visit.ask();
  return after.status === 402 ? ok(`${came}, and the next ask was answered 402`) : unknown(`${came}, and the next ask was answered ${after.status}`, 7);
}
