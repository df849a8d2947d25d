/**
 * How lnd is spoken to: TLS with its certificate pinned, and its macaroon in a header.
 *
 * lnd signs its own certificate for the names that it knows itself by. What tells it from others is the certificate, not the name: a
 * connection is good where the other end shows the very certificate of the file. Files are read when they are first needed, and again
 * after the node has shown another certificate: lnd makes a new one before the old one ends.
 */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { FareboxError } from '../../core/Errors.ts';
import { type Exchange, isUnsent, NotSent, type Send } from '../Api.ts';

/** What lets one in, and by what the node is known; each as a file or as it is. */
export type TransportOptions = {
  readonly certificatePath?: string | undefined;
  readonly certificate?: string | undefined;
  readonly macaroonPath?: string | undefined;
  readonly macaroon?: string | undefined;
};

/** @throws RangeError – no macaroon, or two; two certificates; a macaroon that is no hex, a certificate that is no PEM */
export function createTransport(options: TransportOptions): Send {
  const { certificatePath, certificate, macaroonPath, macaroon } = options;
  if ((macaroon === undefined) === (macaroonPath === undefined)) throw new RangeError('lnd takes a macaroon: either macaroonPath or macaroon');
  if (certificate !== undefined && certificatePath !== undefined) throw new RangeError('lnd takes one certificate: either certificatePath or certificate');
  if (macaroon !== undefined && !isHex(macaroon)) throw new RangeError('macaroon is the macaroon in hex digits');
  if (certificate !== undefined) parseCertificate(certificate);
  let opened: Promise<Access> | undefined;
  return async (exchange, signal) => {
    opened ??= open(options);
    try {
      const { agent, headers } = await opened;
      return answerOf(await send(exchange, agent, headers, signal));
    } catch (error) {
      // Whatever went wrong with the files may have been mended by the next call.
      if (!isReset(error)) opened = undefined;
      if (error instanceof NotSent || FareboxError.is(error)) throw error;
      throw isUnsent(error) || isUntrusted(error) ? new NotSent(wordsOf(error), { cause: error }) : error;
    }
  };
}

/** Certificate and macaroon, read. */
type Access = { readonly agent: Agent; readonly headers: Readonly<Record<string, string>> };

async function open({ certificatePath, certificate, macaroonPath, macaroon }: TransportOptions): Promise<Access> {
  const pem = certificatePath === undefined ? certificate : (await read(certificatePath, 'certificate')).toString('utf8');
  const hex = macaroonPath === undefined ? (macaroon as string) : macaroonIn(await read(macaroonPath, 'macaroon'));
  const agent = new Agent({ keepAlive: true, keepAliveMsecs: 30_000, maxSockets: 64, ...(pem === undefined ? {} : pinned(pem)) });
  return { agent, headers: { 'grpc-metadata-macaroon': hex } };
}

/** The very certificate, whatever names stand in it. */
function pinned(pem: string) {
  const { raw } = parseCertificate(pem);
  return {
    ca: pem,
    checkServerIdentity: (_: string, peer: { readonly raw: Buffer }) => (peer.raw.equals(raw) ? undefined : new Untrusted()),
  };
}

class Untrusted extends Error {
  override readonly message = 'it shows another certificate than the one that is pinned';
}

function isUntrusted(error: unknown): boolean {
  return error instanceof Untrusted || (error instanceof Error && 'code' in error && untrustedCodes.has(String(error.code)));
}

const untrustedCodes: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'CERT_SIGNATURE_FAILURE',
  'CERT_HAS_EXPIRED',
]);

/** A connection that broke says nothing of the files. */
function isReset(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
}

function wordsOf(error: unknown): string {
  if (error instanceof Untrusted) return error.message;
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

function send({ method, url, headers, body }: Exchange, agent: Agent, access: Access['headers'], signal: AbortSignal): Promise<IncomingMessage> {
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  const options = { method, headers: { ...headers, ...access, ...length }, signal };
  return new Promise((resolve, reject) => {
    const request: ClientRequest = url.startsWith('https:') ? httpsRequest(url, { ...options, agent }) : httpRequest(url, options);
    request.on('error', reject).on('response', resolve).end(body);
  });
}

function answerOf(response: IncomingMessage) {
  return { status: response.statusCode ?? 0, body: response };
}

/** A macaroon's file holds its bytes; one that was copied by hand may hold hex. */
function macaroonIn(bytes: Buffer): string {
  const text = bytes.toString('latin1').trim();
  const hex = isHex(text) ? text : bytes.toString('hex');
  if (hex === '') throw new FareboxError('LIGHTNING_UNAUTHORIZED', 'The file of the macaroon is empty.');
  return hex;
}

function isHex(text: string): boolean {
  return /^(?:[0-9a-f]{2})+$/i.test(text);
}

function parseCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new RangeError('certificate is a PEM certificate, such as the content of tls.cert', { cause: error });
  }
}

async function read(path: string, what: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new NotSent(`the file of its ${what} cannot be read (${code})`, { cause: error });
  }
}
