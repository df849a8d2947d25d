/**
 * The headers of a message on its way through: what goes on to the upstream, and what comes back to the client.
 *
 * Onward: without what belongs to the connection, without credentials and whatever could be taken for one, with `X-Forwarded-*` of our own
 * making. Back: without what belongs to the connection, and without anything that only the paywall may say.
 *
 * @see RFC 9110, sections 6.6.1, 7.6.1 and 7.6.3; docs/wire.md, "The credential a server accepts"
 */
import {
  changesRequest,
  connectionOptions,
  isClientClaim,
  isHopByHop,
  isOfMessage,
  isOurs,
  isOursToSay,
  namesOurScheme,
  withoutOurCookies,
} from '../http/headers.ts';
import { linesOf } from '../http/NodeRequest.ts';
import type { Answer } from '../http/RequestView.ts';
import type { Incoming } from './Incoming.ts';

/** How a request goes on. */
export type OnwardOptions = {
  /** The host that the client asked, '' where it named none. */
  readonly host: string;
  /** Send that host instead of the upstream's. */
  readonly preserveHost: boolean;
  /** Instead of whatever the client sent. */
  readonly idempotencyKey: string | undefined;
};

/** Names and values in turn. Framing (`Content-Length`, chunks) is left to who sends them, apart from a declared length. */
export function onwardHeaders(incoming: Incoming, options: OnwardOptions): string[] {
  const { rawHeaders, viaTrusted, view } = incoming;
  const dropped = connectionOptions(view.headerLines('connection'));
  const headers: string[] = [];
  let via = '';
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const raw = rawHeaders[index] as string;
    const name = raw.toLowerCase();
    const value = rawHeaders[index + 1] as string;
    if (dropped.length === 0 && isOfMessage(name)) {
      headers.push(raw, value);
      continue;
    }
    if (isHopByHop(name) || ofOnwardHop.has(name) || isOurs(name) || changesRequest(name) || (dropped.length > 0 && dropped.includes(name))) continue;
    if (isClientClaim(name) && !(viaTrusted && isKeptFromTrusted(name))) continue;
    if (name === 'authorization' && namesOurScheme(value)) continue;
    if (name === 'cookie') {
      const rest = withoutOurCookies(value);
      if (rest !== '') headers.push(raw, rest);
      continue;
    }
    if (name === 'idempotency-key' && options.idempotencyKey !== undefined) continue;
    if (name === 'via') via = via === '' ? value : `${via}, ${value}`;
    else headers.push(raw, value);
  }
  if (incoming.contentLength !== undefined && incoming.body) headers.push('Content-Length', String(incoming.contentLength));
  if (options.preserveHost && options.host !== '') headers.push('Host', options.host);
  if (options.idempotencyKey !== undefined) headers.push('Idempotency-Key', options.idempotencyKey);
  if (view.headerLines('te').some((value) => /(?:^|[\s,])trailers(?:[\s,;]|$)/i.test(value))) headers.push('TE', 'trailers');
  headers.push('Via', `${via === '' ? '' : `${via}, `}${incoming.version} farebox`);
  addForwarded(headers, incoming, options.host);
  return headers;
}

/** An upstream's answer, ready to go back. */
export type ReturningHead = {
  readonly status: number;
  /** Names and values in turn. */
  readonly headers: string[];
  /** As declared, where it was; otherwise the body ends with its last chunk. */
  readonly contentLength: number | undefined;
};

/**
 * Reads an upstream's head.
 * @param lines - names and values in turn
 * @returns undefined where the body stands in a coding that cannot be taken off
 */
export function returningHead(status: number, lines: readonly string[]): ReturningHead | undefined {
  const codings = linesOf(lines, 'transfer-encoding');
  if (codings.length > 0 && codings.join(',').trim().toLowerCase() !== 'chunked') return undefined;
  const dropped = connectionOptions(linesOf(lines, 'connection'));
  const headers: string[] = [];
  let contentLength: number | undefined;
  for (let index = 0; index < lines.length; index += 2) {
    const name = (lines[index] as string).toLowerCase();
    const value = lines[index + 1] as string;
    if (dropped.length === 0 && isOfMessage(name)) {
      headers.push(lines[index] as string, value);
      continue;
    }
    if (isHopByHop(name) || name === 'trailer' || isOursToSay(name) || (dropped.length > 0 && dropped.includes(name))) continue;
    if (name === 'www-authenticate' && namesOurScheme(value)) continue;
    if (name === 'content-length') {
      if (status === 204 || codings.length > 0) continue;
      contentLength = Number(value);
    }
    headers.push(lines[index] as string, value);
  }
  return { status, headers, contentLength };
}

/** The headers of an answer that a cookie has opened, so that no cache keeps it for others. @param headers - names and values in turn */
export function madePrivate(headers: string[]): string[] {
  const said = linesOf(headers, 'cache-control').join(', ');
  const kept = headers.filter((_, index) => !ofCaches.has((headers[index - (index % 2)] as string).toLowerCase()));
  kept.push('Cache-Control', /(?:^|[\s,])no-store(?:[\s,]|$)/i.test(said) ? 'no-store' : 'private, no-cache', 'Vary', 'Cookie');
  return kept;
}

/** What caches go by. */
const ofCaches: ReadonlySet<string> = new Set(['cache-control', 'cdn-cache-control', 'expires', 'pragma', 'surrogate-control']);

/** What of an upstream's trailers goes back: nothing that frames, routes or authenticates a message. */
export function returningTrailers(lines: readonly string[]): [string, string][] {
  const trailers: [string, string][] = [];
  for (let index = 0; index < lines.length; index += 2) {
    const name = lines[index] as string;
    const plain = name.toLowerCase();
    if (!isHopByHop(plain) && !isOursToSay(plain) && !notInTrailers.has(plain)) trailers.push([name, lines[index + 1] as string]);
  }
  return trailers;
}

/** Headers in turn as pairs. */
export function toPairs(headers: readonly string[]): Answer['headers'] {
  return headers.flatMap((name, index) => (index % 2 === 0 ? [[name, headers[index + 1] as string] as const] : []));
}

/** Set anew for the next connection. `Expect` has been answered here. */
const ofOnwardHop: ReadonlySet<string> = new Set(['host', 'content-length', 'expect', 'trailer']);

const notInTrailers: ReadonlySet<string> = new Set([
  'content-length',
  'content-encoding',
  'content-type',
  'content-range',
  'host',
  'set-cookie',
  'trailer',
  'www-authenticate',
]);

/** From a trusted proxy these go on as they are; the others are written anew. */
function isKeptFromTrusted(name: string): boolean {
  return !name.includes('_') && name !== 'forwarded' && name !== 'x-forwarded-for' && name !== 'x-forwarded-proto' && name !== 'x-forwarded-host';
}

function addForwarded(headers: string[], { view, peer, viaTrusted, isSecure }: Incoming, host: string): void {
  const before = viaTrusted ? view.headerLines('x-forwarded-for').join(', ') : '';
  const client = before === '' && viaTrusted && view.clientAddress !== peer ? `${view.clientAddress}, ${peer}` : peer;
  headers.push('X-Forwarded-For', before === '' ? client : `${before}, ${peer}`);
  headers.push('X-Forwarded-Proto', (viaTrusted && /^https?$/.exec(view.header('x-forwarded-proto') ?? '')?.[0]) || (isSecure ? 'https' : 'http'));
  const said = (viaTrusted && view.header('x-forwarded-host')) || host;
  if (said !== '') headers.push('X-Forwarded-Host', said);
}
