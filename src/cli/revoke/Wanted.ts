/**
 * What is to be revoked, as the command line names it.
 */
import { existsSync, readFileSync } from 'node:fs';
import * as Caveat from '../../core/Caveat.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Identifier from '../../core/Identifier.ts';
import { describe } from '../../server/CaveatWords.ts';
import { partKeyOf } from '../../server/Verifier.ts';
import type { Denial } from '../../store/Store.ts';
import type { CliContext } from '../Context.ts';
import { standingsOf } from '../keys/Standing.ts';
import { formatAt } from '../Time.ts';
import * as Presented from '../token/Presented.ts';
import { endOf, never, type Sellers } from './Ends.ts';

/** What the command line says. */
export type Wishes = {
  readonly token?: readonly string[];
  readonly part?: readonly string[];
  readonly payment?: readonly string[];
  readonly key?: readonly string[];
  readonly mintedBefore?: string;
};

/** A revocation that is asked for. */
export type Wanted = {
  readonly denial: Denial;
  /** What it hits, such as `everything minted before 2026-11-21 12:30:05 UTC`. */
  readonly hits: string;
  /** What a person should know before. */
  readonly warnings: readonly string[];
};

/** How far the clock of this machine may be ahead of the gateways'. */
const skewSeconds = 60;

/**
 * Reads what is wanted.
 * @param sellers - undefined where their keys cannot be read: then less is known, and nothing is refused for it
 * @throws CONFIG_INVALID – nothing, or something that would hit nothing, or everything that is sold from now on
 */
export async function readWanted(context: CliContext, wishes: Wishes, sellers: Sellers | undefined, nowAt: number): Promise<readonly Wanted[]> {
  const tokens: Wanted[] = [];
  for (const text of wishes.token ?? []) tokens.push(await wantToken(context, text, sellers));
  for (const text of wishes.part ?? []) tokens.push(await wantPart(context, text, sellers));
  const wanted = [
    ...tokens,
    ...(wishes.payment ?? []).map(wantPayment),
    ...(wishes.key ?? []).map((text) => wantKey(text, sellers, nowAt)),
    ...(wishes.mintedBefore === undefined ? [] : [wantMintedBefore(wishes.mintedBefore, nowAt)]),
  ];
  if (wanted.length === 0) throw wrong('What is to be revoked? Name it with --token, --part, --payment, --key or --minted-before.');
  return wanted;
}

/** A token by its id, or itself: in a file, on standard input, or as an argument. */
async function wantToken(context: CliContext, text: string, sellers: Sellers | undefined): Promise<Wanted> {
  if (/^[0-9a-f]{64}$/i.test(text)) return tokenOf(text.toLowerCase(), never);
  const macaroon = await readToken(context, text);
  const minted = describe(macaroon.caveats, { nowAt: 0, paymentHash: undefined }).some(({ by }) => by === 'minted');
  if (!minted) throw wrong('This token was not made by Farebox: no gateway honours it.');
  const { tokenId } = Identifier.decode(macaroon.identifier);
  const end = sellers && endOf(macaroon, sellers);
  const warnings = end === undefined && sellers !== undefined ? [unsigned] : [];
  return { ...tokenOf(tokenId, end ?? never), warnings };
}

/** What was handed on: by the name that `farebox token tree` shows, or itself, as whoever has it holds it. */
async function wantPart(context: CliContext, text: string, sellers: Sellers | undefined): Promise<Wanted> {
  if (/^[0-9a-f]{64}$/i.test(text)) return partOf(text.toLowerCase(), never, '');
  const macaroon = await readToken(context, text, '--part takes the name of a part (64 hex digits), the file of a token that was narrowed,');
  const caveats = describe(macaroon.caveats, { nowAt: 0, paymentHash: undefined });
  const last = caveats.at(-1);
  if (!caveats.some(({ by }) => by === 'minted')) throw wrong('This token was not made by Farebox: no gateway honours it.');
  if (last?.by !== 'holder') throw wrong('Nobody has narrowed this token: it is no part of another one. Revoke the whole with --token.');
  if (last.condition === 'preimage') throw wrong('This token ends with the proof of its payment, and not with what it was narrowed to. Give it without.');
  const end = sellers && endOf(macaroon, sellers);
  const warnings = end === undefined && sellers !== undefined ? [unsigned] : [];
  const { tokenId } = Identifier.decode(macaroon.identifier);
  return { ...partOf(partKeyOf(macaroon.signature), end ?? never, ` of the token ${tokenId}`), warnings };
}

function partOf(value: string, expiresAt: number, whole: string): Wanted {
  return { denial: { kind: 'part', value, expiresAt }, hits: `the part ${value}${whole}, and all that was handed on of it`, warnings: [] };
}

async function readToken(context: CliContext, text: string, takes = '--token takes a token id (64 hex digits), the file of a token,') {
  if (text === '-') return Presented.parse(new TextDecoder().decode(await context.readInput())).macaroon;
  if (existsSync(text)) return Presented.parse(readFileSync(text, 'utf8')).macaroon;
  try {
    return Presented.parse(text).macaroon;
  } catch (error) {
    throw new FareboxError('CONFIG_INVALID', `${takes} a token, or "-" for standard input, and this is none of them.`, { cause: error });
  }
}

function tokenOf(tokenId: string, expiresAt: number): Wanted {
  const { fingerprint, mintedAt } = Identifier.readTokenId(tokenId);
  const hits = `the token ${tokenId}, minted ${formatAt(mintedAt)} under ${fingerprint}`;
  return { denial: { kind: 'token', value: tokenId, expiresAt }, hits, warnings: [] };
}

function wantPayment(text: string): Wanted {
  const value = text.toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(value)) throw wrong(`--payment is a payment hash, 64 hex digits, as "farebox sales --json" shows it.`);
  return { denial: { kind: 'payment', value, expiresAt: never }, hits: `everything that the payment ${value} bought`, warnings: [] };
}

function wantKey(text: string, sellers: Sellers | undefined, nowAt: number): Wanted {
  const value = text.toLowerCase();
  if (!/^[0-9a-f]{8}$/.test(value)) throw wrong(`--key is the fingerprint of a master key, 8 hex digits, as "farebox keys list" shows it.`);
  const ours = sellers && standingsOf(sellers.masters, nowAt).find(({ fingerprint }) => fingerprint === value);
  if (ours !== undefined && ours.role !== 'verifies') {
    const what = ours.role === 'mints' ? 'is the key that mints' : 'is the key that will mint';
    throw wrong(`${value} ${what}: everything that is sold with it would be worth nothing. Make another one first: farebox keys rotate`);
  }
  const warnings = [...(sellers === undefined || ours !== undefined ? [] : [`${value} is none of the keys here.`]), openInvoices];
  return { denial: { kind: 'key', value, expiresAt: never }, hits: `everything minted under the key ${value}`, warnings };
}

function wantMintedBefore(text: string, nowAt: number): Wanted {
  const at = text === 'now' ? nowAt : Caveat.parseTime(text);
  if (at === undefined) throw wrong(`--minted-before is "now", or a time such as 2026-11-21T12:30:05Z; "${text.slice(0, 64)}" is none.`);
  if (at > nowAt + skewSeconds) {
    throw wrong(`${formatAt(at)} is in the future: what is sold until then would be paid for, and worth nothing. Revoke what was minted before "now".`);
  }
  const hits = `everything minted before ${formatAt(at)}`;
  return { denial: { kind: 'minted-before', value: String(at), expiresAt: never }, hits, warnings: [openInvoices] };
}

const unsigned = 'Its signature does not hold under the keys here: is it a token of these gateways?';

const openInvoices = 'An invoice that is open now, and is paid after this, buys nothing: its token was minted with it.';

function wrong(message: string): FareboxError {
  return new FareboxError('CONFIG_INVALID', message);
}
