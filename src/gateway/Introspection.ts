/**
 * Where services ask what a credential is good for: `POST /introspect` on a listener of its own, for whoever knows its secret.
 *
 *     POST /introspect                             Authorization: Bearer <secret>
 *     token=L402%20AgEE…:5f0c…                     and, where it is about one request: &method=GET&path=/api/v1/translate
 *
 *     {"active":true,"token_type":"L402","exp":1800086400,"iat":1800000000,"aud":"translate", …}
 *
 * The names are those of RFC 7662 where it has one. Nothing is answered that came in: no token, no preimage. Calls that are not let in, and
 * tokens that are none of ours, are bounded in number; calls about good tokens never are.
 *
 * @see RFC 7662, section 2; RFC 6750, section 3
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Readable } from 'node:stream';
import * as Amount from '../core/Amount.ts';
import { type Clock, nowAt } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { formatAt, formatRelative } from '../core/Time.ts';
import { linesOf } from '../http/NodeRequest.ts';
import * as Path from '../http/Path.ts';
import * as Problem from '../http/Problem.ts';
import type { Answer, RequestView } from '../http/RequestView.ts';
import type { AskedRequest, Introspect, Introspected } from '../server/Introspection.ts';
import { createMintLimiter } from '../server/Limits.ts';
import type { Principal } from '../server/Offer.ts';
import * as method from '../server/policies/method.ts';
import * as priced from '../server/policies/priced.ts';
import { plainAddress } from './ClientAddress.ts';
import { createListener, type Listener } from './Listener.ts';
import type { Taken } from './Reply.ts';
import type { Router } from './Router.ts';
import type { ServedRoute } from './Steps.ts';

/** What the endpoint is made from. */
export type IntrospectionOptions = {
  /** What callers show. */
  readonly secret: string;
  readonly introspect: Introspect;
  /** What is sold where. */
  readonly router: Router<ServedRoute>;
  readonly clock: Clock;
  /** One of so many processes that share what strangers may send. Default: 1. */
  readonly processes?: number;
};

/** Of a call's body. The longest token has 4 KB, in a form somewhat more. */
const maxBodyBytes = 16_384;

/** Calls that are not let in, and tokens that are none of ours, that one address may send in a minute, and all together. */
const strangers = { perClientPerMinute: 60, perMinute: 600 };
const unknowns = { perClientPerMinute: 600, perMinute: 6000 };

const limits = {
  headerBytes: 16_384,
  connections: 1024,
  streams: 100,
  headTimeoutMs: 10_000,
  requestTimeoutMs: 10_000,
  keepAliveTimeoutMs: 60_000,
  idleTimeoutMs: 10_000,
};

/** @throws CONFIG_INVALID – a secret that could be guessed, or that no header can hold */
export function assertSecret(secret: string | undefined): void {
  if (secret === undefined || /^[!-~]{16,512}$/.test(secret)) return;
  throw new FareboxError(
    'CONFIG_INVALID',
    'The secret of the introspection is 16 to 512 letters, digits and signs, without spaces. Make one with: openssl rand -hex 32',
  );
}

/** A listener that does not listen yet. */
export function createIntrospectionListener(options: IntrospectionOptions): Listener {
  const answer = createAnswers(options);
  return createListener(limits, options.clock, (taken) => {
    answer(taken).then(
      (made) => send(options.clock, taken, made),
      (error: unknown) => send(options.clock, taken, refusal(error)),
    );
  });
}

/** Answers calls. @throws FareboxError – why one is refused */
function createAnswers({ secret, introspect, router, clock, processes = 1 }: IntrospectionOptions): (taken: Taken) => Promise<Answer> {
  const isLetIn = createGuard(secret);
  const strangersLeft = createMintLimiter(partOf(strangers, processes), clock);
  const unknownsLeft = createMintLimiter(partOf(unknowns, processes), clock);
  return async ({ method: asks, target, rawHeaders, remoteAddress, source, sendContinue }) => {
    const address = plainAddress(remoteAddress);
    const shown = linesOf(rawHeaders, 'authorization');
    if (!isLetIn(shown)) {
      bound(strangersLeft(address));
      return unauthorized(shown.length > 0);
    }
    if (target !== '/introspect') throw new FareboxError('ROUTE_UNKNOWN', 'Credentials are asked about with POST /introspect.');
    if (asks !== 'POST') return { ...Problem.answer(malformed('Credentials are asked about with POST.')), status: 405, headers: [['Allow', 'POST']] };
    sendContinue?.();
    const asked = readCall(linesOf(rawHeaders, 'content-type')[0], await readBody(source));
    const about = asked.path === undefined ? undefined : requestOf(asked, router);
    const said = await introspect(asked.token, about);
    if (said.kind === 'unknown') bound(unknownsLeft(address));
    return json(toData(said, asked.path === undefined || about !== undefined, nowAt(clock)));
  };
}

function partOf({ perClientPerMinute, perMinute }: typeof strangers, processes: number): typeof strangers {
  return { perClientPerMinute: Math.ceil(perClientPerMinute / processes), perMinute: Math.ceil(perMinute / processes) };
}

/** Compares digests, which takes the same time whatever differs. */
function createGuard(secret: string): (shown: readonly string[]) => boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const expected = digest(secret);
  return (shown) => {
    const [line = ''] = shown;
    const match = /^Bearer +(\S+)$/i.exec(line.trim());
    return shown.length === 1 && match !== null && timingSafeEqual(digest(match[1] as string), expected);
  };
}

function bound(retryAfterSeconds: number): void {
  if (retryAfterSeconds > 0)
    throw new FareboxError('RATE_LIMITED', 'Too many calls that could not be answered. Ask again later.', { details: { retryAfterSeconds } });
}

/** What is asked about. */
type Call = { readonly token: string; readonly method: string | undefined; readonly path: string | undefined; readonly host: string | undefined };

/** @throws REQUEST_MALFORMED – another form, no token, or several */
function readCall(type: string | undefined, body: string): Call {
  const parameters = readParameters(type?.split(';', 1)[0]?.trim().toLowerCase(), body);
  const one = (name: string) => {
    const values = parameters.filter(([key]) => key === name).map(([, value]) => value);
    if (values.length > 1) throw malformed(`There are several values of "${name}".`);
    return values[0] === '' ? undefined : values[0];
  };
  const token = one('token');
  if (token === undefined) throw malformed('There is no "token".');
  return { token: withPluses(token), method: one('method'), path: one('path'), host: one('host')?.toLowerCase() };
}

function readParameters(type: string | undefined, body: string): readonly (readonly [string, string])[] {
  if (type === 'application/x-www-form-urlencoded') return [...new URLSearchParams(body)];
  if (type !== 'application/json') throw malformed('Send application/x-www-form-urlencoded, or application/json.');
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw malformed('The body is no JSON.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('The body is no JSON object.');
  return Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
}

/** A `+` that a caller did not encode has come as a space, and base64 is full of them. */
function withPluses(token: string): string {
  const [, scheme = '', rest = ''] = /^((?:L402|LSAT)\s+)?(.*)$/is.exec(token.trim()) ?? [];
  return scheme + rest.replaceAll(' ', '+');
}

/** What is asked about, as the paywall knows it; undefined where nothing is sold there. */
function requestOf({ path = '', host, method: asked = 'GET' }: Call, router: Router<ServedRoute>): AskedRequest | undefined {
  const target = Path.normalize(path);
  const offer = router.find(host, asked, target.path)?.offer;
  const counted = method.countsAs(asked);
  if (offer === undefined || !method.isMethod(counted)) return undefined;
  const view: RequestView = {
    method: asked,
    target: path,
    clientAddress: '',
    header: () => undefined,
    headerLines: () => [],
    readBody: async () => new Uint8Array(0),
  };
  const { service, tier, pattern, capabilities } = offer;
  const { amountMsat: priceMsat, inputs } = offer.price.of(view);
  const demand = { service, tier, method: counted, path: target.path, pattern, priced: priced.digest(inputs), capabilities };
  return { demand, offer, priceMsat };
}

/** What is answered: the same for everything that is not ours. */
function toData(said: Introspected, isSold: boolean, now: number): object {
  if (said.kind === 'unknown') return { active: false };
  const { why: refused, principal, paymentHash, tokenId, fingerprint, mintedAt, isPaid, isRevoked, allows, left, isInUse } = said;
  const why = refused ?? (isSold ? undefined : new FareboxError('ROUTE_UNKNOWN', 'Nothing is sold there.'));
  return {
    active: why === undefined,
    token_type: 'L402',
    exp: principal?.validUntil,
    iat: mintedAt,
    jti: tokenId,
    aud: principal?.service,
    ...(principal && principal.capabilities.length > 0 && { scope: principal.capabilities.join(' ') }),
    code: why?.code,
    detail: why?.message ?? (principal && goodWords(principal, left, isInUse, now)),
    allows,
    tier: principal?.tier,
    terms: principal?.terms,
    ...(principal && { amountMsat: String(principal.amountMsat), price: Amount.format(principal.amountMsat) }),
    ...(left !== undefined && { left, inUse: isInUse }),
    paymentHash,
    key: fingerprint,
    paid: isPaid,
    revoked: isRevoked,
  };
}

function goodWords({ service, terms, validUntil }: Principal, left: string | undefined, isInUse: boolean, now: number): string {
  const many = left === undefined ? 'any number of requests' : terms === 'credit' ? `${left} of credit` : `${left} of what was sold`;
  const what = terms === 'per-request' ? 'one request' : many;
  const held = isInUse ? ', held by requests under way' : '';
  return `Good for the service ${service}: ${what}${held}, until ${formatAt(validUntil)} (${formatRelative(validUntil, now)}).`;
}

function readBody(source: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    source.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > maxBodyBytes) reject(new FareboxError('REQUEST_BODY_TOO_LARGE', `A call has ${maxBodyBytes} bytes at most.`));
      else chunks.push(chunk);
    });
    source.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    source.once('close', () => reject(malformed('The call broke off.')));
  });
}

function json(value: object): Answer {
  return {
    status: 200,
    headers: [
      ['Content-Type', 'application/json'],
      ['Cache-Control', 'no-store'],
    ],
    body: `${JSON.stringify(value)}\n`,
  };
}

/** Whether another secret came, or none: nothing else is said. */
function unauthorized(isWrong: boolean): Answer {
  return {
    status: 401,
    headers: [
      ['WWW-Authenticate', `Bearer realm="farebox"${isWrong ? ', error="invalid_token"' : ''}`],
      ['Cache-Control', 'no-store'],
    ],
    body: '',
  };
}

function refusal(error: unknown): Answer {
  if (!FareboxError.is(error)) return { status: 500, headers: [], body: '' };
  const after = error.details.retryAfterSeconds ?? (error.status === 503 ? 5 : undefined);
  return Problem.answer(error, after === undefined ? [] : [['Retry-After', String(after)]]);
}

function malformed(message: string): FareboxError {
  return new FareboxError('REQUEST_MALFORMED', message);
}

function send(clock: Clock, { source, reply }: Taken, answer: Answer): void {
  if (!source.readableEnded) reply.discardRest(clock);
  reply.answer(answer, false);
}
