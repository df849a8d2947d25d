/**
 * A token as people have it in their hands: alone, in a credential, in a challenge, or in the body of a 402.
 *
 *     AgEEbHNhdAJC…    L402 AgEEbHNhdAJC…:5f0c…    WWW-Authenticate: L402 macaroon="…", invoice="…"    {"macaroon":"…","invoice":"…"}
 */
import * as Challenge from '../../core/Challenge.ts';
import * as Credential from '../../core/Credential.ts';
import { FareboxError } from '../../core/Errors.ts';
import { fromHex, toHex } from '../../core/internal/bytes.ts';
import * as Macaroon from '../../core/Macaroon.ts';
import type { Preimage } from '../../core/Preimage.ts';

/** What was read. */
export type Presented = {
  /** How the token came. */
  readonly kind: 'token' | 'credential' | 'challenge';
  readonly macaroon: Macaroon.Macaroon;
  /** How it was spelled, and is spelled again. */
  readonly encoding: 'base64' | 'hex';
  /** Of credential or challenge; L402 where there was none. */
  readonly scheme: 'L402' | 'LSAT';
  /** Of a credential. A secret. */
  readonly preimage: Preimage | undefined;
  /** Of a challenge; not decoded. */
  readonly invoice: string | undefined;
};

/**
 * Reads a token in any of its forms; base64 in either alphabet, padded or not, or hex.
 * @throws CONFIG_INVALID – nothing there, or several tokens in one credential
 * @throws MACAROON_MALFORMED, CREDENTIAL_MALFORMED, CHALLENGE_MALFORMED – it cannot be read
 */
export function parse(text: string): Presented {
  const lines = text.split(/\r?\n/).map(withoutName).filter(Boolean);
  const value = unquoted(lines.join('\n'));
  if (value === '') throw new FareboxError('CONFIG_INVALID', 'There is no token. Give one as an argument, or on standard input.');
  if (value.startsWith('{')) return fromBody(value);
  const challenges = lines.filter((line) => /\b(macaroon|token)\s*=\s*["']?[\w+/-]{8}/i.test(line));
  if (challenges.length > 0) return fromChallenge(challenges);
  if (/^(L402|LSAT)\s/i.test(value) || value.includes(':')) return fromCredential(value);
  return { ...alone, ...readToken(value.replaceAll(/\s/g, '')) };
}

/** The narrowed token in the spelling in which it came, with its preimage where it came with one. */
export function format(presented: Presented, macaroon: Macaroon.Macaroon): string {
  const { encoding, preimage, scheme } = presented;
  const token = encoding === 'hex' ? toHex(Macaroon.encode(macaroon)) : Macaroon.format(macaroon);
  return preimage === undefined ? token : Credential.format({ scheme, token, preimage });
}

const alone = { kind: 'token', scheme: 'L402', preimage: undefined, invoice: undefined } as const;

/** A line without the name of the header that it was copied with. */
function withoutName(line: string): string {
  return line
    .trim()
    .replace(/^<?\s*(www-authenticate|authorization|l402-authorization|macaroon|grpc-metadata-macaroon)\s*:/i, '')
    .trim();
}

function unquoted(text: string): string {
  return text.replace(/^(["'])(.*)\1$/s, '$2').trim();
}

function fromChallenge(lines: readonly string[]): Presented {
  const challenge = Challenge.choose(Challenge.parse(lines));
  if (challenge === undefined) throw new FareboxError('CHALLENGE_MALFORMED', 'There is no L402 or LSAT challenge in this.');
  const { token, invoice, scheme } = challenge;
  return { ...readToken(token), kind: 'challenge', scheme, invoice, preimage: undefined };
}

/** The body of a 402 names both as well. */
function fromBody(text: string): Presented {
  let body: { readonly macaroon?: unknown; readonly token?: unknown; readonly invoice?: unknown };
  try {
    body = JSON.parse(text) as typeof body;
  } catch {
    throw new FareboxError('CHALLENGE_MALFORMED', 'This begins like JSON and is none.');
  }
  const token = body.macaroon ?? body.token;
  if (typeof token !== 'string') throw new FareboxError('CHALLENGE_MALFORMED', 'This JSON names no "macaroon".');
  const { invoice } = body;
  return { ...readToken(token), kind: 'challenge', scheme: 'L402', invoice: typeof invoice === 'string' ? invoice : undefined, preimage: undefined };
}

function fromCredential(value: string): Presented {
  const named = /^(L402|LSAT)\s/i.test(value) ? value : `L402 ${value}`;
  const { 0: scheme = '', 1: rest = '' } = named.split(/\s+/, 2);
  if (!rest.includes(':') && !rest.endsWith(',')) return { ...alone, ...readToken(rest), scheme: schemeOf(scheme) };
  const { credentials, malformed } = Credential.parseAuthorization([named]);
  const [credential, ...others] = credentials;
  if (credential === undefined) throw malformed ?? new FareboxError('CREDENTIAL_MALFORMED', 'There is no L402 or LSAT credential in this.');
  const [bytes, ...further] = credential.tokens;
  if (bytes === undefined || further.length > 0 || others.length > 0) {
    throw new FareboxError('CONFIG_INVALID', 'There are several tokens in this. Give one at a time.');
  }
  return {
    kind: 'credential',
    macaroon: Macaroon.decode(bytes),
    encoding: 'base64',
    scheme: schemeOf(scheme),
    preimage: credential.preimage,
    invoice: undefined,
  };
}

function schemeOf(word: string): 'L402' | 'LSAT' {
  return word.toUpperCase() === 'LSAT' ? 'LSAT' : 'L402';
}

/** Hex of a macaroon begins with its version, 02, which base64 of one never does. */
function readToken(text: string): Pick<Presented, 'macaroon' | 'encoding'> {
  const bytes = /^02/.test(text) ? fromHex(text) : undefined;
  return bytes === undefined ? { macaroon: Macaroon.parse(text), encoding: 'base64' } : { macaroon: Macaroon.decode(bytes), encoding: 'hex' };
}
