/**
 * Tokens of an operator: macaroons of our own, which whoever holds one can narrow without asking.
 *
 *     identifier = 01 · master key fingerprint[4] · id[16]
 *     rootKey    = HMAC-SHA256(master, "farebox/admin/1/" · network · "/" · realm · "/" · "token/" · identifier)
 *     caveats    = label=ci   scope=operate   expires=1800000000   operation=routes.change,routes.list
 *
 * The least scope holds, the earliest end, and of operations those that every list names. A caveat that is not understood, or says nothing that can be
 * read, refuses the token: what is skipped narrows nothing. Nothing that is sold opens anything here, and no token of this kind buys anything.
 *
 * @see docs/decisions/0062-an-operators-tokens.md
 */
import { fromUtf8, toBase64Url, toHex } from '../../core/internal/bytes.ts';
import * as Macaroon from '../../core/Macaroon.ts';
import type { RootKeys } from '../../server/RootKeys.ts';
import { isScope, lesser, type Scope } from './Scope.ts';

/** What a token is to be good for. */
export type AdminTokenWishes = {
  /** Who it is for, as the audit log says it: letters, digits, `_`, `-`, `.`, at most 64. */
  readonly label: string;
  readonly scope: Scope;
  /** Unix seconds. */
  readonly expiresAt: number;
  /** The only ones that it may call; left out: all of its scope. */
  readonly operations?: readonly string[] | undefined;
};

/** What a token says, verified. */
export type AdminGrant = {
  /** 32 hex digits, public. */
  readonly id: string;
  readonly label: string;
  readonly scope: Scope;
  readonly expiresAt: number;
  readonly operations: ReadonlySet<string> | undefined;
};

/** Whether it can be the label of a token. */
export function isLabel(text: string): boolean {
  return /^[A-Za-z0-9_.-]{1,64}$/.test(text);
}

/**
 * Makes a token.
 * @param id - 16 random bytes
 * @param fingerprint - of the master key that mints
 * @throws RangeError – a label or an operation that cannot be one
 */
export function mint(keys: RootKeys, fingerprint: string, id: Uint8Array, wishes: AdminTokenWishes): string {
  const identifier = new Uint8Array([version, ...bytesOf(fingerprint), ...id]);
  const rootKey = rootKeyOf(keys, identifier);
  if (rootKey === undefined) throw new RangeError(`there is no key ${fingerprint}`);
  return toBase64Url(Macaroon.encode(Macaroon.mint(rootKey, identifier, caveatsOf(wishes), location)));
}

/**
 * The same token, good for less. Needs no key.
 * @throws MACAROON_MALFORMED – it is no macaroon
 * @throws RangeError – a wish that cannot be written
 */
export function narrow(token: string, wishes: Partial<AdminTokenWishes>): string {
  return toBase64Url(Macaroon.encode(Macaroon.attenuate(Macaroon.parse(token), caveatsOf(wishes))));
}

/** What a token grants; undefined where it is none of ours, was tampered with, is over, or says something that is not understood. */
export function read(keys: RootKeys, token: string, nowAt: number): AdminGrant | undefined {
  const macaroon = macaroonOf(token);
  if (macaroon === undefined) return undefined;
  const { identifier, caveats } = macaroon;
  const rootKey = rootKeyOf(keys, identifier);
  if (rootKey === undefined || !Macaroon.verify(macaroon, rootKey)) return undefined;
  const said = sayingOf(caveats);
  return said === undefined || said.expiresAt <= nowAt ? undefined : { id: toHex(identifier.subarray(idFrom)), ...said };
}

/** What caveats say together, without asking whether the signature holds; undefined where one is not understood, or none says how far it goes or how long. */
export function sayingOf(caveats: readonly string[]): Omit<AdminGrant, 'id'> | undefined {
  const labels: string[] = [];
  let scope: Scope | undefined;
  let expiresAt: number | undefined;
  let operations: ReadonlySet<string> | undefined;
  for (const caveat of caveats) {
    const [, name, value = ''] = /^([a-z]+)=(.*)$/s.exec(caveat) ?? [];
    if (name === 'label' && isLabel(value)) labels.push(value);
    else if (name === 'scope' && isScope(value)) scope = scope === undefined ? value : lesser(scope, value);
    else if (name === 'expires' && /^\d{1,12}$/.test(value)) expiresAt = Math.min(expiresAt ?? Number(value), Number(value));
    else if (name === 'operation' && operationsPattern.test(value)) {
      const before = operations;
      operations = new Set(value.split(',').filter((each) => before?.has(each) ?? true));
    } else return undefined;
  }
  if (scope === undefined || expiresAt === undefined) return undefined;
  return { label: labels.join('/'), scope, expiresAt, operations };
}

const version = 1;
const location = 'farebox-admin';
const idFrom = 5;
const identifierLength = 21;
const operationsPattern = /^[a-z]+\.[a-z]+(?:,[a-z]+\.[a-z]+)*$/;

function caveatsOf({ label, scope, expiresAt, operations }: Partial<AdminTokenWishes>): readonly string[] {
  if (label !== undefined && !isLabel(label)) throw new RangeError('a label is 1 to 64 letters, digits, "_", "-" and "."');
  const list = operations?.join(',');
  if (list !== undefined && !operationsPattern.test(list)) throw new RangeError(`these are no operations: ${list.slice(0, 64)}`);
  return [
    ...(label === undefined ? [] : [`label=${label}`]),
    ...(scope === undefined ? [] : [`scope=${scope}`]),
    ...(expiresAt === undefined ? [] : [`expires=${expiresAt}`]),
    ...(list === undefined ? [] : [`operation=${list}`]),
  ];
}

function macaroonOf(token: string): Macaroon.Macaroon | undefined {
  try {
    return Macaroon.parse(token);
  } catch {
    return undefined;
  }
}

function rootKeyOf(keys: RootKeys, identifier: Uint8Array): Uint8Array | undefined {
  if (identifier.length !== identifierLength || identifier[0] !== version) return undefined;
  return keys.proveAdmin(toHex(identifier.subarray(1, idFrom)), new Uint8Array([...fromUtf8('token/'), ...identifier]));
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
