/**
 * How each kind of value in the configuration is written and read: amounts, lengths of time, sizes, addresses, paths. A reader throws an
 * `Error` whose message says what was wrong and how it is written.
 */
import { METHODS } from 'node:http';
import * as Amount from '../core/Amount.ts';
import * as Caveat from '../core/Caveat.ts';
import * as Path from '../http/Path.ts';
import { maxClients } from '../server/FreeQuota.ts';
import type { RequestRate } from '../server/Limits.ts';
import { createTrust } from './ClientAddress.ts';
import * as Pattern from './routing/Pattern.ts';

/** What one payment buys, as configured. A bucket without `units`, and a credit, are those of the service. */
export type TermsChoice =
  | { readonly kind: 'per-request' }
  | { readonly kind: 'pass'; readonly seconds: number }
  | { readonly kind: 'bucket'; readonly units?: number }
  | { readonly kind: 'credit' };

/** What a route gives away: everything, or a quota for each client. */
export type FreeChoice =
  | { readonly kind: 'always' }
  | { readonly kind: 'quota'; readonly requests: number; readonly seconds: number; readonly inAll: number | undefined; readonly clients: number | undefined };

/** Where the master keys come from. The text is a secret. */
export type KeysChoice = { readonly kind: 'file'; readonly path: string } | { readonly kind: 'text'; readonly text: string };

/** An upstream, taken apart. */
export type UpstreamAddress = {
  /** Such as `http://localhost:3000`. */
  readonly origin: string;
  /** Put before every path: '' or `/v2`. */
  readonly basePath: string;
};

/** An address to listen on. */
export type ListenAddress = { readonly host: string; readonly port: number };

/** A price of more than nothing. */
export function readPrice(value: unknown): Amount.Msat {
  const price = Amount.parse(typeof value === 'number' || typeof value === 'bigint' ? String(value) : text(value));
  if (price === 0n) throw new Error('a price is more than nothing: write "free: true" instead of "price" for what costs nothing');
  return price;
}

/** A length of time in milliseconds, such as `500ms`, `30s`, `10m`, `1h`, `30d`. */
export function readDurationMs(value: unknown): number {
  if (typeof value === 'number') throw new Error(`${value} has no unit: write "${value}s" or "${value}m"`);
  const match = /^(\d{1,9})\s*(ms|s|m|h|d)$/.exec(text(value).trim());
  if (!match) throw new Error(`${quote(value)} is not a length of time: write a number and a unit, such as "30s", "10m", "1h" or "30d"`);
  const ms = Number(match[1]) * (unitsMs[match[2] as string] as number);
  if (ms < 1 || ms > longestMs) throw new Error(`${quote(value)} is not between 1ms and 3650d`);
  return ms;
}

/** The same in whole seconds. */
export function readDurationSeconds(value: unknown): number {
  const ms = readDurationMs(value);
  if (ms % 1000 !== 0) throw new Error(`${quote(value)} is not a whole number of seconds`);
  return ms / 1000;
}

/** For timers, which reach no further than 24 days. */
export function readTimeoutMs(value: unknown): number {
  const ms = readDurationMs(value);
  if (ms > 2_000_000_000) throw new Error(`${quote(value)} is longer than 23 days`);
  return ms;
}

/** How long a list is good for: the store is asked more than once in that time. */
export function readStale(value: unknown): number {
  const ms = readTimeoutMs(value);
  if (ms < 1000) throw new Error(`${quote(value)} is shorter than 1s`);
  return ms;
}

/** How often something may be, such as `100/s`, `600/m`, `20/10s`. */
export function readRate(value: unknown): RequestRate {
  const match = /^(\d{1,9})\s*\/\s*(\d{0,6})\s*(s|m|h|d)$/.exec(text(value).trim());
  const [requests, many] = [Number(match?.[1]), Number(match?.[2] || 1)];
  if (!match || requests < 1 || many < 1) throw new Error(`${quote(value)} is not a rate: write so many in a time, such as "100/s" or "600/m"`);
  const perMs = many * (unitsMs[match[3] as string] as number);
  if (perMs > dayMs) throw new Error(`${quote(value)} counts over more than a day`);
  return { requests, perMs };
}

/** A size in bytes, such as `64 KB`, `100 MB`, `1 GB`. */
export function readBytes(value: unknown): number {
  const match = typeof value === 'string' ? /^(\d{1,9})\s*(B|KB|MB|GB|KiB|MiB|GiB)$/.exec(value.trim()) : null;
  if (!match) throw new Error(`${quote(value)} is not a size: write a number and a unit, such as "64 KB" or "100 MB"`);
  return Number(match[1]) * (unitsBytes[match[2] as string] as number);
}

/** A whole number from 1. */
export function readCount(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1 || value > 1_000_000_000)
    throw new Error(`${quote(value)} is not a whole number from 1`);
  return value;
}

/** A name that can stand in a caveat. */
export function readWorkers(value: unknown): number | 'auto' {
  if (value === 'auto') return value;
  const count = readCount(value);
  if (count > maxWorkers) throw new RangeError(`${maxWorkers} processes at most, not ${count}`);
  return count;
}

/** Of one gateway. */
const maxWorkers = 256;

/** See the schema. */
export function readName(value: unknown): string {
  const name = text(value);
  if (!Caveat.isName(name)) throw new Error(`${quote(name)} cannot stand in a token: use letters, digits, "_", "-" and ".", at most 64 of them`);
  return name;
}

/** A line of text that is shown to people. */
export function readLine(value: unknown): string {
  const line = text(value).trim();
  if (line === '' || /\p{Cc}/u.test(line)) throw new Error('this is one line of text');
  if (Buffer.byteLength(line) > 600) throw new Error('this is at most 600 bytes of text');
  return line;
}

/** Which paths a route takes. */
export const readPattern: (value: unknown) => string = Pattern.read;

/** One method or a list of them. */
export function readMethods(value: unknown): readonly string[] {
  const methods = Array.isArray(value) ? value.map(text) : [text(value)];
  if (methods.length === 0) throw new Error('the list is empty: leave "methods" out for a route that takes every method');
  for (const method of methods) {
    if (method === 'HEAD') throw new Error('"HEAD" goes where "GET" goes, at the same price: write "GET"');
    if (method === 'CONNECT') throw new Error('"CONNECT" is never forwarded');
    if (METHODS.includes(method)) continue;
    throw new Error(METHODS.includes(method.toUpperCase()) ? `methods are written in capitals: "${method.toUpperCase()}"` : `${quote(method)} is not a method`);
  }
  if (new Set(methods).size < methods.length) throw new Error('a method stands in the list twice');
  return methods;
}

/** `http://host:port`, with a path where the upstream's API lives below one. */
export function readUpstream(value: unknown): UpstreamAddress {
  const written = text(value).trim();
  const url = /^https?:\/\//i.test(written) && URL.canParse(written) ? new URL(written) : undefined;
  if (url === undefined) throw new Error(`${quote(written)} is not an address: write "http://localhost:3000"`);
  // Neither is repeated: it may be a password.
  if (url.username !== '' || url.password !== '') throw new Error('an upstream has no user and no password in its address');
  if (url.search !== '' || url.hash !== '') throw new Error('an upstream has no query and no "#" in its address');
  const { path } = Path.normalize(url.pathname);
  return { origin: url.origin, basePath: path.endsWith('/') ? path.slice(0, -1) : path };
}

/** `127.0.0.1:8402`, `[::1]:8402`, `0.0.0.0:443`. */
export function readListen(value: unknown): ListenAddress {
  const match = typeof value === 'string' ? /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(value.trim()) : null;
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    const wanted = /\d{1,5}$/.exec(String(value))?.[0] ?? '8402';
    throw new Error(`${quote(value)} is not an address to listen on: write "127.0.0.1:${wanted}" for this machine alone, "0.0.0.0:${wanted}" for everybody`);
  }
  return { host: (match[1] ?? match[2]) as string, port };
}

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** A host name, without a port, or `*.example.com` for one label before it. */
export function readHost(value: unknown): string {
  const host = text(value).trim().toLowerCase();
  if (/^\*\.(?:[a-z0-9_-]+\.)+[a-z0-9_-]+$/.test(host)) return host;
  if (host.includes('*')) throw new Error(`${quote(value)}: "*" stands for the first label, as in "*.example.com", and two more follow`);
  if (!/^(?:[a-z0-9_-]+\.)*[a-z0-9_-]+$|^\[[0-9a-f:.]+\]$/.test(host))
    throw new Error(`${quote(value)} is not a host name: write "api.example.com", without scheme and port`);
  return host;
}

/** Where a route stands in the order: a whole number, of which the higher goes first. */
export function readPriority(value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || Math.abs(value) > 1000)
    throw new Error(`${quote(value)} is not a whole number from -1000 to 1000`);
  return value;
}

/** `true`, or what each client has for nothing: `{ requests: 5, per: 1d, inAll: 5000 }`. */
export function readFree(value: unknown): FreeChoice {
  if (value === true) return { kind: 'always' };
  const wrong = () => new Error(`${quote(value)} is not what is given away: write "free: true", or "free: { requests: 5, per: 1d }" beside a price`);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong();
  const { requests, per, inAll, clients, ...others } = value as Readonly<Record<string, unknown>>;
  if (Object.keys(others).length > 0 || requests === undefined || per === undefined) throw wrong();
  return {
    kind: 'quota',
    requests: readCount(requests),
    seconds: readDurationSeconds(per),
    inAll: inAll === undefined ? undefined : readCount(inAll),
    clients: clients === undefined ? undefined : readClients(clients),
  };
}

function readClients(value: unknown): number {
  const clients = readCount(value);
  if (clients > maxClients) throw new Error(`at most ${maxClients} clients of one address can be told apart`);
  return clients;
}

/** `per-request`, `pass: 1h`, `bucket: 1500`, `bucket`, `credit`; those with a colon also as a key with its value. */
export function readTerms(value: unknown): TermsChoice {
  const wrong = () => new Error(`${quote(value)} is not what a payment can buy: write "per-request", "pass: 1h", "bucket: 1500", "bucket" or "credit"`);
  const { kind, of } = splitTerms(value, wrong);
  if (kind === 'pass' && of !== undefined) return { kind, seconds: readDurationSeconds(of) };
  if (kind === 'bucket') return of === undefined ? { kind } : { kind, units: readCount(typeof of === 'string' && /^\d{1,10}$/.test(of) ? Number(of) : of) };
  if ((kind === 'per-request' || kind === 'credit') && of === undefined) return { kind };
  throw wrong();
}

function splitTerms(value: unknown, wrong: () => Error): { readonly kind: string; readonly of: unknown } {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const [entry, ...others] = Object.entries(value);
    if (entry === undefined || others.length > 0) throw wrong();
    return { kind: entry[0], of: entry[1] };
  }
  const match = /^([a-z-]+)(?:[:\s]\s*(.+))?$/.exec(text(value).trim());
  if (!match) throw wrong();
  return { kind: match[1] as string, of: match[2] };
}

/** The path of a key file, with or without `file:` before it, or the keys themselves out of the environment. */
export function readKeys(value: unknown): KeysChoice {
  const written = text(value).trim();
  if (keysPattern.test(written)) return { kind: 'text', text: written };
  return { kind: 'file', path: written.startsWith('file:') ? written.slice('file:'.length) : written };
}

/** As `KeyText.ts` reads them. */
const keysPattern = /^[0-9a-f]{64,}(?:[ \t]+from=[\dTZ:-]+)?(?:[\s,]+[0-9a-f]{64,}(?:[ \t]+from=[\dTZ:-]+)?)*[\s,]*$/i;

/** A realm, as root keys are derived in it. */
export function readRealm(value: unknown): string {
  const realm = text(value);
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(realm)) throw new Error(`${quote(realm)} cannot be a realm: use letters, digits, "_", "-" and ".", at most 64 of them`);
  return realm;
}

/** An address or a block of them. */
export function readProxy(value: unknown): string {
  const proxy = text(value).trim();
  createTrust([proxy]);
  return proxy;
}

/** One of a few words or numbers. */
export function readOneOf<const Choice extends string | number>(choices: readonly Choice[]): (value: unknown) => Choice {
  return (value) => {
    const choice = choices.find((one) => one === value);
    if (choice === undefined) throw new Error(`${quote(value)} is not known here: write ${choices.map((one) => `"${one}"`).join(' or ')}`);
    return choice;
  };
}

const unitsMs: { readonly [unit: string]: number | undefined } = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const unitsBytes: { readonly [unit: string]: number | undefined } = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
const dayMs = 86_400_000;
const longestMs = 3650 * dayMs;

function text(value: unknown): string {
  if (typeof value !== 'string') throw new Error(value === null ? 'there is no value here' : `${quote(value)} is not text`);
  if (value.trim() === '') throw new Error('there is no value here');
  return value;
}

function quote(value: unknown): string {
  const shown =
    typeof value === 'string' ? value : typeof value === 'object' && value !== null ? (Array.isArray(value) ? 'a list' : 'a group of keys') : String(value);
  return typeof value === 'string' ? `"${shown.slice(0, 64)}"` : shown.slice(0, 64);
}
