/**
 * Tickets: what a person's browser shows instead of a preimage. A person pays with a wallet on another device, so the browser never learns the
 * preimage, and neither does the server: it asks its wallet whether the invoice was paid, and lets in whoever holds the ticket that was given out
 * with that invoice. A ticket is a cookie of the one site that gave it, sealed under a key that no client has:
 *
 *     farebox_<service>_<id> = w.<token>.<invoice>.<seal>     waits to be paid
 *     farebox_<service>_<id> = p.<token>.<seal>               was paid, says the wallet
 *     id = when the token was minted, u32, and the last four bytes of its id, in hex
 *     seal = HMAC-SHA256(master, "farebox/page/1/" · network · "/" · realm · "/" · site · "/" · what stands before the seal)
 *
 * Token and seal are unpadded base64url. A token alone, as it stands in every challenge, is no ticket. Nothing is kept of one. Each has a name of its
 * own, so that a newer one takes the place of none whose invoice can still be paid.
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
  /** Of its cookie. */
  readonly name: string;
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

/** Most tickets of one service that are looked at in a request, and that a browser is to keep. */
export const maxTickets = 4;

/** The name of a token's ticket. @param token - padded standard base64, as it was minted here */
export function nameOf(service: string, token: string): string {
  const { tokenId } = Identifier.decode(Macaroon.decode(fromBase64(token) as Uint8Array).identifier);
  return `${namePrefix}${service}_${tokenId.slice(8, 16)}${tokenId.slice(-8)}`;
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

/** The good ones among the newest tickets for this service in a request: those that were paid first, and of others the newest. */
export function read(keys: RootKeys, request: RequestView, target: Path.Target, service: string): readonly Ticket[] {
  const site = siteOf(request, target);
  const found = cookiesOf(request, service).flatMap(([name, value]) => readOne(keys, site, name, value) ?? []);
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

/** The cookies that are named as tickets of a service, the newest first. What a browser has just been given is always among them. */
function cookiesOf(request: RequestView, service: string): readonly (readonly [name: string, value: string])[] {
  const prefix = `${namePrefix}${service}_`;
  const found: (readonly [string, string])[] = [];
  for (const pair of request.headerLines('cookie').join(';').split(';')) {
    const at = pair.indexOf('=');
    const name = pair.slice(0, Math.max(0, at)).trim();
    if (name.startsWith(prefix) && /^[0-9a-f]{16}$/.test(name.slice(prefix.length))) found.push([name, pair.slice(at + 1).trim()]);
  }
  return found.sort(([one], [other]) => (one < other ? 1 : one > other ? -1 : 0)).slice(0, maxTickets);
}

function readOne(keys: RootKeys, site: string, name: string, value: string): Ticket | undefined {
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
    return { name, token, text: toBase64(bytes), invoice: match[3] };
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
