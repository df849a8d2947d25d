/**
 * A certificate that signs itself, for a first try: made anew at every start, on P-256, for this machine's names and addresses.
 *
 * @see RFC 5280, section 4.1; X.690
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { isIP } from 'node:net';
import type { Random } from '../../core/Clock.ts';
import type { TlsPair } from './Certificates.ts';

/** Makes one for these hosts, names or addresses. Good for a year. */
export function selfSigned(hosts: readonly string[], nowMs: number, random: Random): TlsPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const name = sequence(set(sequence(oid(2, 5, 4, 3), text('farebox self-signed'))));
  const serial = Uint8Array.from([0x40, ...random(15)]);
  const body = sequence(
    tagged(0, integer([2])),
    integer(serial),
    ecdsaWithSha256,
    name,
    sequence(time(nowMs - 3_600_000), time(nowMs + 365 * 86_400_000)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(
      3,
      sequence(
        // No authority; to sign with, for servers.
        extension(oid(2, 5, 29, 19), sequence(), true),
        extension(oid(2, 5, 29, 15), Buffer.from([0x03, 0x02, 0x07, 0x80]), true),
        extension(oid(2, 5, 29, 37), sequence(oid(1, 3, 6, 1, 5, 5, 7, 3, 1)), false),
        extension(oid(2, 5, 29, 17), sequence(...hosts.map(alternative)), false),
      ),
    ),
  );
  const signature = sign('sha256', body, privateKey);
  const certificate = sequence(body, ecdsaWithSha256, bits(signature));
  return { certificate: pem('CERTIFICATE', certificate), key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
}

/** A value with its tag and length. */
function value(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length < 128) return Buffer.concat([Buffer.from([tag, length]), content]);
  return Buffer.concat([Buffer.from(length < 256 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 255]), content]);
}

const sequence = (...parts: readonly Uint8Array[]) => value(0x30, ...parts);
const set = (...parts: readonly Uint8Array[]) => value(0x31, ...parts);
const integer = (bytes: Iterable<number>) => value(0x02, Uint8Array.from(bytes));
const text = (words: string) => value(0x0c, Buffer.from(words, 'utf8'));
const bits = (bytes: Uint8Array) => value(0x03, Buffer.from([0]), bytes);
const tagged = (number: number, inner: Uint8Array) => value(0xa0 + number, inner);

function oid(first: number, second: number, ...rest: readonly number[]): Buffer {
  const bytes = rest.flatMap((arc) => {
    const groups = [arc & 127];
    for (let left = arc >> 7; left > 0; left >>= 7) groups.unshift((left & 127) | 128);
    return groups;
  });
  return value(0x06, Buffer.from([first * 40 + second, ...bytes]));
}

/** Until 2049 with two digits of the year, as the RFC has it. */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return digits < '2050' ? value(0x17, Buffer.from(digits.slice(2))) : value(0x18, Buffer.from(digits));
}

function extension(id: Uint8Array, inner: Uint8Array, isCritical: boolean): Buffer {
  return sequence(id, ...(isCritical ? [Buffer.from([0x01, 0x01, 0xff])] : []), value(0x04, inner));
}

/** A host as a certificate names it: by name or by address. */
function alternative(host: string): Buffer {
  return isIP(host) === 0 ? value(0x82, Buffer.from(host, 'latin1')) : value(0x87, addressBytes(host));
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  const [front = '', back] = address.split('::') as [string, string?];
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const [before, after] = [groups(front), groups(back ?? '')];
  const middle = back === undefined ? [] : Array<string>(8 - before.length - after.length).fill('0');
  return Buffer.from([...before, ...middle, ...after].map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function pem(what: string, der: Uint8Array): string {
  const lines = Buffer.from(der).toString('base64').replaceAll(/.{64}/g, '$&\n').trimEnd();
  return `-----BEGIN ${what}-----\n${lines}\n-----END ${what}-----\n`;
}

const ecdsaWithSha256 = sequence(oid(1, 2, 840, 10_045, 4, 3, 2));
