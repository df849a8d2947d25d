/**
 * The credential: one or more tokens and the preimage that proves payment, as a client sends it and as a server reads it.
 *
 *     Authorization: (L402|LSAT) <token>[,<token>…]:<preimage, 64 hex digits>
 *     Macaroon: <hex of a macaroon with the caveat preimage=<hex>>          likewise Grpc-Metadata-Macaroon, gRPC metadata token, macaroon
 *
 * @see L402 protocol-specification, HTTP and gRPC Specification; docs/wire.md, "The credential a server accepts"
 */
import { FareboxError } from './Errors.ts';
import { fromBase64, fromHex } from './internal/bytes.ts';
import { isSpace, isToken68, splitList, trim } from './internal/httpAuth.ts';
import { maxLength as maxTokenLength } from './Macaroon.ts';
import * as Preimage from './Preimage.ts';

/** A credential as presented; nothing in it is verified. */
export type Credential = {
  /** `header`: a hex macaroon in a header of its own. */
  readonly scheme: 'L402' | 'LSAT' | 'header';
  /** Decoded, 1 to 4 of them, each 1 to 4096 bytes. A secret. */
  readonly tokens: readonly Uint8Array[];
  /** Undefined for the scheme `header` alone, whose preimage stands in a caveat. */
  readonly preimage: Preimage.Preimage | undefined;
};

/** What a request presents: nothing at all where there are no credentials and nothing is malformed. */
export type Parsed = {
  /** Those that can be read, in the order received. */
  readonly credentials: readonly Credential[];
  /** `CREDENTIAL_MALFORMED`, where an L402 or LSAT credential could not be read: the first one's fault. The others are still good to try. */
  readonly malformed: FareboxError | undefined;
};

/** Most tokens in one credential. */
export const maxTokens = 4;

/** Most credentials that are read from one request; more are reported as malformed. */
export const maxCredentials = 8;

/** Most characters of all `Authorization` lines together; a longer header is not looked into. */
export const maxHeaderLength = 65_536;

/**
 * Reads every L402 and LSAT credential of a request: all `Authorization` lines, each of which may hold several joined by commas. Other
 * schemes are skipped. Schemes in any letter case, base64 in either alphabet, padded or not.
 */
export function parseAuthorization(lines: readonly string[]): Parsed {
  const first = lines[0];
  if (first === undefined) return nothing;
  if (lines.length > 1 || first.length > maxHeaderLength || first.includes(',')) return parseAll(lines);
  const value = trim(first);
  const scheme = schemeOf(value);
  if (scheme === undefined) return nothing;
  const credential = read(scheme, [value.slice(scheme.length)]);
  return typeof credential === 'string' ? { credentials: [], malformed: malformed(credential) } : { credentials: [credential], malformed: undefined };
}

/** Reads a hex macaroon: the value of `Macaroon`, `Grpc-Metadata-Macaroon`, or gRPC metadata `token` or `macaroon`. */
export function parseHexMacaroon(value: string): Parsed {
  const text = trim(value);
  if (text === '') return nothing;
  const bytes = text.length <= 2 * maxTokenLength ? fromHex(text) : undefined;
  if (bytes === undefined) return { credentials: [], malformed: malformed(`its macaroon is not hex of at most ${maxTokenLength} bytes`) };
  return { credentials: [{ scheme: 'header', tokens: [bytes], preimage: undefined }], malformed: undefined };
}

/**
 * The value of `Authorization` that a client sends.
 * @param credential - `token` exactly as it was received; `scheme` as it was offered
 * @throws TypeError – a token or preimage that cannot stand in a header
 */
export function format(credential: { readonly scheme: 'L402' | 'LSAT'; readonly token: string; readonly preimage: Preimage.Preimage }): string {
  const { scheme, token, preimage } = credential;
  if (scheme !== 'L402' && scheme !== 'LSAT') throw new TypeError('scheme is L402 or LSAT');
  if (!isToken68(token)) throw new TypeError('token is base64, or another text of the characters that RFC 9110 allows in a token68');
  if (!/^[0-9a-f]{64}$/.test(preimage)) throw new TypeError('preimage is 64 lower-case hex digits');
  return `${scheme} ${token}:${preimage}`;
}

const nothing: Parsed = { credentials: [], malformed: undefined };

/** The long way: several lines, or commas, which separate both credentials and the tokens inside one. */
function parseAll(lines: readonly string[]): Parsed {
  const length = lines.reduce((sum, line) => sum + line.length, 0);
  if (length > maxHeaderLength) {
    return { credentials: [], malformed: malformed(`Authorization is ${length} characters long, and ${maxHeaderLength} are read`) };
  }
  const credentials: Credential[] = [];
  let fault: string | undefined;
  let count = 0;
  for (const [first = '', ...rest] of lines.flatMap(splitCredentials)) {
    const scheme = schemeOf(first);
    if (scheme === undefined) continue;
    const overfull = ++count > maxCredentials;
    const credential = overfull ? `there are more than ${maxCredentials} of them` : read(scheme, [first.slice(scheme.length), ...rest]);
    if (typeof credential === 'string') fault ??= credential;
    else credentials.push(credential);
    if (overfull) break;
  }
  return { credentials, malformed: fault === undefined ? undefined : malformed(fault) };
}

/** The credentials of one line, each apart at its own commas. */
function splitCredentials(line: string): readonly (readonly string[])[] {
  const credentials: string[][] = [];
  for (const element of splitList(line)) {
    const current = credentials[credentials.length - 1];
    if (current === undefined || startsCredential(element)) credentials.push([element]);
    else current.push(element);
  }
  return credentials;
}

/** Whether an element of a list begins a credential rather than going on with the one before it: a scheme, then a space; tokens have none. */
function startsCredential(element: string): boolean {
  return schemeOf(element) !== undefined || element.includes(' ') || element.includes('\t');
}

/** The scheme that a value begins with, where it is one of ours. */
function schemeOf(value: string): 'L402' | 'LSAT' | undefined {
  // `| 32` makes a letter lower case, and nothing else that letter.
  if ((value.charCodeAt(0) | 32) !== 0x6c || (value.length > 4 && !isSpace(value.charCodeAt(4)))) return undefined;
  const word = value.slice(0, 4).toLowerCase();
  return word === 'l402' ? 'L402' : word === 'lsat' ? 'LSAT' : undefined;
}

/** Reads what stands behind a scheme, already apart at its commas; a text says what is wrong with it. */
function read(scheme: 'L402' | 'LSAT', parts: readonly string[]): Credential | string {
  if (parts.length > maxTokens) return `it has more than ${maxTokens} tokens`;
  const last = parts[parts.length - 1] as string;
  const colon = last.indexOf(':');
  if (colon < 0) return 'it has no preimage: write <token>:<preimage>';
  const preimage = readPreimage(last.slice(colon + 1));
  if (preimage === undefined) return 'its preimage is not 64 hex digits';
  const tokens: Uint8Array[] = [];
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as string;
    const text = trim(i === parts.length - 1 ? part.slice(0, colon) : part);
    if (text.length > maxTokenText) return `a token in it is longer than ${maxTokenLength} bytes`;
    const bytes = fromBase64(text);
    if (bytes === undefined || bytes.length === 0) return 'a token in it is not base64';
    if (bytes.length > maxTokenLength) return `a token in it is longer than ${maxTokenLength} bytes`;
    tokens.push(bytes);
  }
  return { scheme, tokens, preimage };
}

/** Length of the longest token's base64. */
const maxTokenText = 4 * Math.ceil(maxTokenLength / 3);

function readPreimage(text: string): Preimage.Preimage | undefined {
  try {
    return Preimage.parse(text);
  } catch {
    return undefined;
  }
}

function malformed(what: string): FareboxError {
  return new FareboxError('CREDENTIAL_MALFORMED', `The L402 credential cannot be read: ${what}.`);
}
