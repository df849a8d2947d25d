/**
 * `farebox token inspect`: prints what a token says, and what can be checked of it.
 */
import * as Amount from '../../core/Amount.ts';
import * as Bolt11 from '../../core/Bolt11.ts';
import type { CaveatWords } from '../../server/CaveatWords.ts';
import { printable, type Terminal, type Tone, table } from '../Terminal.ts';
import { formatAt, formatRelative, isoAt } from '../Time.ts';
import { reasons } from './Narrowing.ts';
import type { Presented } from './Presented.ts';
import type { Reading, Ring } from './Reading.ts';

/** Prints a token for a person, or as JSON. Neither has a preimage or a signature in it. */
export function print(terminal: Terminal, presented: Presented, reading: Reading, ring: Ring, nowAt: number): void {
  terminal.data(toData(presented, reading, ring, nowAt));
  const { tone } = terminal;
  const facts = [...tokenFacts(terminal, presented, reading, ring, nowAt), ...invoiceFacts(terminal, presented, reading, nowAt)];
  terminal.line(`${tone('strong', titles[presented.kind])}${ring.network === 'sandbox' ? `   ${tone('warning', 'sandbox: play money, worth nothing')}` : ''}`);
  for (const [name, value] of facts) terminal.line(`  ${tone('quiet', name.padEnd(12))}${value}`);
  printCaveats(terminal, reading);
}

const titles: { readonly [kind in Presented['kind']]: string } = { token: 'A token', credential: 'A credential', challenge: 'A challenge' };

type Fact = readonly [name: string, value: string];

function tokenFacts(terminal: Terminal, presented: Presented, reading: Reading, ring: Ring, nowAt: number): readonly Fact[] {
  const { tone } = terminal;
  const { identifier, services, tokenId, validUntil, verdict } = reading;
  const [proofTone, proof] = proofWords[reading.proof];
  const [signatureTone, signature] = signatureWords(reading, ring);
  return [
    ['good for', services.length === 0 ? 'no service that it names: not a token of L402' : printable(services.join(', '))],
    ['payment', identifier?.paymentHash ?? 'its identifier is not one of L402, so it names none'],
    ['minted', tokenId ? moment(tokenId.mintedAt, nowAt) : 'not known: this is not a token of Farebox'],
    ['key', tokenId ? keyWords(reading, ring, tokenId.fingerprint) : 'not known'],
    ['signature', tone(signatureTone, signature)],
    ['proof', tone(proofTone, presented.kind === 'challenge' && reading.proof === 'none' ? 'none yet: paying the invoice reveals it' : proof)],
    ['good until', validUntil === undefined ? 'no end that can be read' : tone(validUntil < nowAt ? 'bad' : 'plain', moment(validUntil, nowAt))],
    ...(verdict?.kind === 'fails' ? ([['refused', tone('bad', refusal(verdict))]] as const) : []),
  ];
}

function signatureWords({ signature, tokenId }: Reading, ring: Ring): readonly [Tone, string] {
  const where = `network ${ring.network}, realm ${ring.realm}`;
  if (signature === 'valid') return ['good', `holds (${where})`];
  if (signature === 'invalid') return ['bad', `does not hold (${where}): tampered with, or made for another network or realm`];
  const why =
    ring.keys === undefined
      ? `no key, ${ring.missing ?? `there is no ${ring.file}`}`
      : tokenId
        ? `no key ${tokenId.fingerprint} in ${ring.file}`
        : 'no key, nothing says which';
  return ['warning', `not checked: ${why}`];
}

function keyWords({ key }: Reading, ring: Ring, fingerprint: string): string {
  const whose = {
    mints: 'ours, the one that mints',
    verifies: 'ours, an older one',
    absent: `not in ${ring.file}`,
    unknown: 'ours or not, nobody can tell here',
  };
  return `${fingerprint} (${whose[key]})`;
}

const proofWords: { readonly [proof in Reading['proof']]: readonly [Tone, string] } = {
  fits: ['good', 'the preimage proves the payment (not shown)'],
  wrong: ['bad', 'the preimage is not the one of this payment (not shown)'],
  none: ['plain', 'none came with it: without the preimage it opens nothing'],
};

function refusal({ by, condition, failure }: Reading['verdict'] & { readonly kind: 'fails' }): string {
  const whose = by === 'holder' ? "a holder's caveat" : 'its caveat';
  return `a gateway refuses it: ${whose} ${printable(condition)} ${reasons[failure]}`;
}

function invoiceFacts(terminal: Terminal, { invoice }: Presented, { identifier }: Reading, nowAt: number): readonly Fact[] {
  if (invoice === undefined) return [];
  const decoded = decode(invoice);
  if (decoded === undefined) return [['invoice', terminal.tone('bad', 'cannot be read: do not pay it')]];
  const { amountMsat, description, expiresAt, paymentHash } = decoded;
  const price = amountMsat === undefined ? terminal.tone('bad', 'no amount') : terminal.tone('money', Amount.format(amountMsat));
  const bound = paymentHash === identifier?.paymentHash;
  return [
    ['invoice', `${price}${description === undefined ? '' : `, "${printable(description)}"`}`],
    ['', `can be paid until ${moment(expiresAt, nowAt)}`],
    ['', bound ? 'is the one of this token' : terminal.tone('bad', 'is not the one of this token: do not pay it')],
  ];
}

function printCaveats(terminal: Terminal, { caveats, signature }: Reading): void {
  const groups: readonly (readonly [CaveatWords['by'], string])[] = [
    ['minted', 'Minted with it'],
    ['holder', 'Added by a holder'],
    ['unknown', 'Caveats (minted or added: nothing tells)'],
  ];
  for (const [by, title] of groups) {
    const rows = caveats
      .filter((caveat) => caveat.by === by)
      .map(({ condition, value, means }) => [
        `  ${printable(means)}`,
        terminal.tone('quiet', shorten(printable(condition === '' ? value : `${condition}=${value}`))),
      ]);
    if (rows.length === 0) continue;
    terminal.line();
    terminal.line(
      `${terminal.tone('strong', title)}${signature === 'valid' ? '' : terminal.tone('quiet', ' (as it says; the signature is not known to hold)')}`,
    );
    for (const row of table(rows)) terminal.line(row);
  }
}

function toData(presented: Presented, reading: Reading, ring: Ring, nowAt: number): unknown {
  const { caveats, identifier, key, proof, services, signature, tokenId, validUntil, verdict } = reading;
  const decoded = presented.invoice === undefined ? undefined : decode(presented.invoice);
  return {
    kind: presented.kind,
    network: ring.network,
    realm: ring.realm,
    services,
    paymentHash: identifier?.paymentHash,
    mintedAt: tokenId && isoAt(tokenId.mintedAt),
    key: tokenId && { fingerprint: tokenId.fingerprint, known: key },
    signature,
    proof,
    validUntil: validUntil === undefined ? undefined : isoAt(validUntil),
    expired: validUntil === undefined ? undefined : validUntil < nowAt,
    refused: verdict?.kind === 'fails' ? { condition: verdict.condition, by: verdict.by, why: verdict.failure } : undefined,
    caveats: caveats.map(({ by, condition, value, means }) => ({ by, condition, value, means })),
    invoice: decoded && {
      amountMsat: decoded.amountMsat,
      description: decoded.description,
      expiresAt: isoAt(decoded.expiresAt),
      isOfThisToken: decoded.paymentHash === identifier?.paymentHash,
    },
  };
}

function decode(invoice: string): Bolt11.Invoice | undefined {
  try {
    return Bolt11.decode(invoice);
  } catch {
    return undefined;
  }
}

function moment(at: number, nowAt: number): string {
  return `${formatAt(at)} (${formatRelative(at, nowAt)})`;
}

function shorten(text: string): string {
  return text.length <= 72 ? text : `${text.slice(0, 71)}…`;
}
