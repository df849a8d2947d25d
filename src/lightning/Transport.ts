/**
 * How a node is spoken to that signs its own certificate: TLS with that certificate pinned, and what lets one in, in a header.
 *
 * A node signs its certificate for the names that it knows itself by. What tells it from others is the certificate, not the name: a
 * connection is good where the other end shows the very certificate of the file, or one that was signed with its key. Files are read when they
 * are first needed, and again after the node has shown another certificate: nodes make a new one before the old one ends.
 */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { FareboxError } from '../core/Errors.ts';
import { type Exchange, NotSent, type Send } from './Api.ts';

/** What lets one in: a file, or itself. */
export type Secret = {
  /** For messages, such as `macaroon`. */
  readonly name: string;
  readonly path?: string | undefined;
  readonly text?: string | undefined;
};

/** What lets one in, and by what the node is known; each as a file or as it is. */
export type TransportOptions = {
  /** For messages, such as `lnd`. */
  readonly product: string;
  readonly certificatePath?: string | undefined;
  readonly certificate?: string | undefined;
  readonly secret: Secret;
  /** The headers of every call, from the secret's bytes. */
  readonly headers: (secret: Buffer) => Readonly<Record<string, string>>;
};

/** @throws RangeError – no secret, or two; two certificates; a certificate that is no PEM */
export function createTransport(options: TransportOptions): Send {
  const { product, certificatePath, certificate, secret } = options;
  const { name } = secret;
  if ((secret.text === undefined) === (secret.path === undefined)) throw new RangeError(`${product} takes a ${name}: either ${name}Path or ${name}`);
  if (certificate !== undefined && certificatePath !== undefined)
    throw new RangeError(`${product} takes one certificate: either certificatePath or certificate`);
  if (certificate !== undefined) parseCertificate(certificate);
  let opened: Promise<Access> | undefined;
  return async (exchange, signal) => {
    opened ??= open(options, exchange.url.startsWith('https:'));
    try {
      return answerOf(await send(exchange, await opened, signal));
    } catch (error) {
      // Whatever went wrong with the files may have been mended by the next call.
      if (!isReset(error)) opened = undefined;
      throw error;
    }
  };
}

/** Certificate and secret, read. */
type Access = { readonly agent: HttpAgent | HttpsAgent; readonly isPinned: boolean; readonly headers: Readonly<Record<string, string>> };

async function open({ certificatePath, certificate, secret, headers }: TransportOptions, isTls: boolean): Promise<Access> {
  const pem = certificatePath === undefined ? certificate : (await read(certificatePath, 'certificate')).toString('utf8');
  const bytes = await readSecret(secret);
  const pool = { keepAlive: true, keepAliveMsecs: 30_000, maxSockets: 64 };
  const agent = isTls ? new HttpsAgent({ ...pool, ...(pem === undefined ? {} : pinned(pem)) }) : new HttpAgent(pool);
  return { agent, isPinned: pem !== undefined, headers: headers(bytes) };
}

/** The very certificate or one that its key has signed, whatever names stand in it. */
function pinned(pem: string) {
  const certificate = parseCertificate(pem);
  const isKnown = (raw: Buffer) => raw.equals(certificate.raw) || (certificate.ca && new X509Certificate(raw).verify(certificate.publicKey));
  return {
    ca: pem,
    // A pinned certificate need not have signed itself.
    allowPartialTrustChain: true,
    checkServerIdentity: (_: string, peer: { readonly raw: Buffer }) => (isKnown(peer.raw) ? undefined : new Untrusted()),
  };
}

class Untrusted extends Error {
  readonly code = 'UNABLE_TO_VERIFY_LEAF_SIGNATURE';
}

/** What a connection ends with where nobody vouches for the certificate that is shown. */
const unvouched: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** A connection that broke says nothing of the files. */
function isReset(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
}

function wordsOf(error: unknown, isPinned: boolean): string {
  const words = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  if (!unvouched.has(words)) return words;
  return isPinned ? 'it shows another certificate than the one that is pinned' : 'it shows a certificate that nobody vouches for, and none is pinned';
}

/** A connection that had been idle may have ended in the moment in which it was used: what may be repeated goes over the next one, at last a new one. */
async function send(exchange: Exchange, access: Access, signal: AbortSignal): Promise<IncomingMessage> {
  for (;;) {
    try {
      return await sendOnce(exchange, access, signal);
    } catch (error) {
      if (!(error instanceof BrokenIdle)) throw error;
      if (!exchange.isRepeatable || signal.aborted) throw error.cause;
    }
  }
}

class BrokenIdle extends Error {}

function sendOnce(exchange: Exchange, access: Access, signal: AbortSignal): Promise<IncomingMessage> {
  const { method, url, headers, body } = exchange;
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  const options = { method, headers: { ...headers, ...access.headers, ...length }, signal, agent: access.agent };
  const isTls = url.startsWith('https:');
  return new Promise((resolve, reject) => {
    const request: ClientRequest = isTls ? httpsRequest(url, options) : httpRequest(url, options);
    // Nothing is written before there is a connection, and nothing before the other end has shown who it is.
    let isOpen = false;
    request.on('socket', (socket) => {
      isOpen = request.reusedSocket;
      if (isOpen) return;
      socket.once(isTls ? 'secureConnect' : 'connect', () => {
        isOpen = true;
      });
    });
    request.on('error', (error) => {
      if (!isOpen) reject(new NotSent(wordsOf(error, access.isPinned), { cause: error }));
      else reject(request.reusedSocket && isReset(error) ? new BrokenIdle('', { cause: error }) : error);
    });
    request.on('response', resolve).end(body);
  });
}

function answerOf(response: IncomingMessage) {
  return { status: response.statusCode ?? 0, body: response };
}

function parseCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new RangeError('certificate is a PEM certificate, such as the content of tls.cert', { cause: error });
  }
}

/** @throws NotSent – its file cannot be read; LIGHTNING_UNAUTHORIZED – it is empty */
export async function readSecret({ name, path, text }: Secret): Promise<Buffer> {
  const bytes = path === undefined ? Buffer.from(text ?? '', 'latin1') : await read(path, name);
  if (bytes.length === 0) throw new FareboxError('LIGHTNING_UNAUTHORIZED', `The file of the ${name} is empty.`);
  return bytes;
}

async function read(path: string, what: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new NotSent(`the file of its ${what} cannot be read (${code})`, { cause: error });
  }
}
