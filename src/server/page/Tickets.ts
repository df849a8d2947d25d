/**
 * Tickets: what a person's browser shows instead of a preimage. A person pays with a wallet on another device, so the browser never learns the
 * preimage, and neither does the server: it asks its wallet whether the invoice was paid, and lets in whoever holds the ticket that was given out
 * with that invoice. A ticket is a cookie of the one site that gave it, sealed under a key that no client has:
 *
 *     farebox_<service> = w.<token>.<invoice>.<seal>     waits to be paid
 *     farebox_<service> = p.<token>.<seal>               was paid, says the wallet
 *     seal = HMAC-SHA256(master, "farebox/page/1/" · network · "/" · realm · "/" · site · "/" · what stands before the seal)
 *
 * Token and seal are unpadded base64url. A token alone, as it stands in every challenge, is no ticket. Nothing is kept of one.
 *
 * @see docs/wire.md, "The payment page"; docs/decisions/0067-tickets.md
 */
import { FareboxError } from '../../core/Errors.ts';
import * as Identifier from '../../core/Identifier.ts';
import { equal, fromBase64, fromUtf8, toBase64, toBase64Url } from '../../core/internal/bytes.ts';
import * as Macaroon from '../../core/Macaroon.ts';
import * as Path from '../../http/Path.ts';
import type { RequestView } from '../../http/RequestView.ts';
import type { Offer } from '../Offer.ts';
import type { RootKeys } from '../RootKeys.ts';
import type { ProvenToken } from '../Verifier.ts';

/** A ticket that was made here, for this site. Its token is as it was minted: nobody can have narrowed it. */
export type Ticket = {
  readonly token: ProvenToken;
  /** The token as a challenge says it: padded standard base64. */
  readonly text: string;
  /** Of one that waits to be paid; undefined: it was. */
  readonly invoice: string | undefined;
};

/** What a new ticket says. */
export type TicketDraft = {
  /** Padded standard base64. */
  readonly token: string;
  /** Left out: it was paid. */
  readonly invoice?: string | undefined;
};

/** What every ticket's name begins with. */
export const namePrefix = 'farebox_';

/** Most tickets of one name that are looked at in a request. */
const maxTickets = 4;

/** The name of a service's tickets. */
export function nameOf(service: string): string {
  return namePrefix + service;
}

/** Whom a request asks, as tickets are bound to it: host and port in lower case. */
export function siteOf(request: RequestView, target: Path.Target): string {
  return (target.authority ?? request.header('host') ?? '').toLowerCase();
}

/** A ticket as the value of its cookie; undefined where the key of its token has left the ring meanwhile. */
export function format(keys: RootKeys, site: string, { token, invoice }: TicketDraft): string | undefined {
  const bytes = fromBase64(token);
  if (bytes === undefined) throw new TypeError('token is padded standard base64');
  const said = `${invoice === undefined ? 'p' : 'w'}.${toBase64Url(bytes)}${invoice === undefined ? '' : `.${invoice}`}`;
  const seal = sealOf(keys, Macaroon.decode(bytes), site, said);
  return seal && `${said}.${toBase64Url(seal)}`;
}

/** Every good ticket for this service among the cookies of a request, those that were paid first. */
export function read(keys: RootKeys, request: RequestView, target: Path.Target, service: string): readonly Ticket[] {
  const site = siteOf(request, target);
  const found = cookiesOf(request, nameOf(service)).flatMap((value) => readOne(keys, site, value) ?? []);
  return found.sort((one, other) => Number(one.invoice !== undefined) - Number(other.invoice !== undefined));
}

/**
 * Where a browser sends a ticket: to all that its token opens, and to as little else as can be said.
 * @param target - as received
 */
export function pathOf({ terms, pattern }: Offer, target: string, path: string): string {
  if (terms.binds === 'service') return '/';
  const bound = terms.binds === 'route' && pattern !== undefined && Path.covers(pattern, path) ? pattern : path;
  const open = bound.search(/\{\}|\*$/);
  if (open >= 0) return bound.slice(0, bound.lastIndexOf('/', open) + 1);
  // A browser holds it against the path as it wrote it, and a semicolon would end the attribute.
  return target.split('?', 1)[0] === bound && !bound.includes(';') ? bound : '/';
}

/** The values of all cookies of that name, in order: of two, the one for the longer path comes first. */
function cookiesOf(request: RequestView, name: string): readonly string[] {
  const values: string[] = [];
  for (const pair of request.headerLines('cookie').join(';').split(';')) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() === name && values.length < maxTickets) values.push(pair.slice(at + 1).trim());
  }
  return values;
}

function readOne(keys: RootKeys, site: string, value: string): Ticket | undefined {
  const match = value.length <= maxLength ? /^((?:w\.([\w-]+)\.(ln[a-z0-9]+))|(?:p\.([\w-]+)))\.([\w-]{43})$/.exec(value) : null;
  const bytes = match && fromBase64((match[2] ?? match[4]) as string);
  const seal = match && fromBase64(match[5] as string);
  if (!bytes || !seal) return undefined;
  try {
    const macaroon = Macaroon.decode(bytes);
    const expected = sealOf(keys, macaroon, site, match[1] as string);
    if (expected === undefined || !equal(expected, seal)) return undefined;
    const { paymentHash, tokenId, version } = Identifier.decode(macaroon.identifier);
    const { fingerprint, mintedAt } = Identifier.readTokenId(tokenId);
    const rootKey = keys.derive(fingerprint, macaroon.identifier);
    if (rootKey === undefined || !Macaroon.verify(macaroon, rootKey)) return undefined;
    const { identifier, caveats } = macaroon;
    const token = { version, paymentHash, tokenId, fingerprint, mintedAt, identifier, caveats, preimage: '', partKeys: noParts };
    return { token, text: toBase64(bytes), invoice: match[3] };
  } catch (error) {
    if (FareboxError.is(error)) return undefined;
    throw error;
  }
}

function sealOf(keys: RootKeys, macaroon: Macaroon.Macaroon, site: string, said: string): Uint8Array | undefined {
  const { tokenId } = Identifier.decode(macaroon.identifier);
  return keys.sealTicket(Identifier.readTokenId(tokenId).fingerprint, fromUtf8(`${site}/${said}`));
}

/** Browsers keep cookies of 4,096 bytes. */
const maxLength = 4096;

const noParts: ReadonlyMap<number, string> = new Map();
