/**
 * Master keys at rest under a passphrase, as one line of text:
 *
 *     farebox-sealed-keys:1:scrypt:17:8:1:<salt>:<nonce>:<box>
 *
 * scrypt (N = 2^17, r = 8, p = 1: 128 MiB of memory for each try) makes a key of 32 bytes from passphrase and salt, under which AES-256-GCM
 * seals the text of the keys. Everything before the box is authenticated with it, so that no parameter can be changed. Salt (16 bytes) and
 * nonce (12 bytes) are new every time; salt, nonce and box (with its tag of 16 bytes at the end) are base64url. Lines that begin with `#` are
 * comments.
 *
 * @see RFC 7914; NIST SP 800-38D
 */
import { createCipheriv, createDecipheriv, scrypt } from 'node:crypto';
import { type Random, systemRandom } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';

/** Fewest characters of a passphrase: fewer are guessed, whatever each guess costs. */
export const minPassphraseLength = 12;

/** What sealing may do otherwise; for tests. */
export type SealOptions = {
  /** log2 of scrypt's N; default 17. */
  readonly cost?: number;
  readonly random?: Random;
};

/** Of scrypt. `cost` is log2 of N. */
export type Parameters = { readonly cost: number; readonly blockSize: number; readonly parallel: number };

/** What was sealed, taken apart. */
export type Sealed = {
  /** What is authenticated beside what is in the box. */
  readonly head: string;
  readonly parameters: Parameters;
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  /** The text, encrypted, and its tag. */
  readonly box: Uint8Array;
};

/**
 * Reads what was sealed, without opening it.
 * @param where - names the text in errors
 * @throws KEYS_INVALID – not sealed in a way that is known here, or at a cost beyond what a file may make us spend
 */
export function parse(sealed: string, where: string): Sealed {
  const text = contentOf(sealed);
  const match = /^(farebox-sealed-keys:1:scrypt:(\d{1,2}):(\d{1,2}):(\d{1,2}):([\w-]{22}):([\w-]{16})):([\w-]{22,})$/.exec(text);
  if (!match) throw new FareboxError('KEYS_INVALID', `${where} is sealed in a way that is not known here, or was cut off.`);
  const [, head = '', cost, blockSize, parallel, salt = '', nonce = '', box = ''] = match;
  const parameters = { cost: Number(cost), blockSize: Number(blockSize), parallel: Number(parallel) };
  for (const name of ['cost', 'blockSize', 'parallel'] as const) {
    if (parameters[name] < 1 || parameters[name] > mostParameters[name])
      throw new FareboxError('KEYS_INVALID', `${where} is sealed at a cost that is not accepted here.`);
  }
  return { head, parameters, salt: bytes(salt), nonce: bytes(nonce), box: bytes(box) };
}

/** Whether a text is sealed. */
export function isSealed(text: string): boolean {
  return contentOf(text).startsWith(`${magic}:`);
}

/**
 * Seals a text.
 * @throws RangeError – a passphrase that is too short
 */
export async function seal(text: string, passphrase: string, { cost = 17, random = systemRandom }: SealOptions = {}): Promise<string> {
  if (normal(passphrase).length < minPassphraseLength) {
    throw new RangeError(`A passphrase has ${minPassphraseLength} characters at least. Several words that nobody would guess are better.`);
  }
  const [salt, nonce] = [random(16), random(12)];
  const head = [magic, 1, 'scrypt', cost, 8, 1, base64(salt), base64(nonce)].join(':');
  const cipher = createCipheriv('aes-256-gcm', await derive(passphrase, salt, { cost, blockSize: 8, parallel: 1 }), nonce, { authTagLength: tagLength });
  cipher.setAAD(Buffer.from(head));
  const box = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `${comment}\n${head}:${base64(box)}\n`;
}

/**
 * Opens what was sealed.
 * @param where - names the text in errors
 * @throws KEYS_LOCKED – another passphrase, or the text was changed: nothing can tell the two apart
 * @throws KEYS_INVALID – not sealed in a way that is known here
 */
export async function unseal(sealed: string, passphrase: string, where: string): Promise<string> {
  const { head, parameters, salt, nonce, box } = parse(sealed, where);
  const decipher = createDecipheriv('aes-256-gcm', await derive(passphrase, salt, parameters), nonce, { authTagLength: tagLength });
  decipher.setAAD(Buffer.from(head));
  decipher.setAuthTag(box.subarray(-tagLength));
  try {
    return Buffer.concat([decipher.update(box.subarray(0, -tagLength)), decipher.final()]).toString('utf8');
  } catch {
    throw new FareboxError('KEYS_LOCKED', `${where} does not open with this passphrase: it is another one, or the file was changed. Nothing was written.`);
  }
}

const magic = 'farebox-sealed-keys';
const comment = '# Master keys of Farebox, sealed under a passphrase. "farebox keys unseal" opens them.';
const tagLength = 16;

/** What a stranger's file may make us spend: a gigabyte of memory, and a few seconds. */
const mostParameters: Parameters = { cost: 20, blockSize: 8, parallel: 4 };

/** The text without its comments. */
function contentOf(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .join('\n');
}

function derive(passphrase: string, salt: Uint8Array, { cost, blockSize, parallel }: Parameters): Promise<Buffer> {
  const N = 2 ** cost;
  const maxmem = 128 * blockSize * (N + parallel + 2) + 1024 * 1024;
  return new Promise((resolve, reject) => {
    scrypt(normal(passphrase), salt, 32, { N, r: blockSize, p: parallel, maxmem }, (error, key) => (error ? reject(error) : resolve(key)));
  });
}

/** The same letters are the same bytes, however a keyboard writes them. */
function normal(passphrase: string): string {
  return passphrase.normalize('NFC');
}

function base64(value: Uint8Array): string {
  return Buffer.from(value).toString('base64url');
}

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64url'));
}
