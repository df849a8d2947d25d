/**
 * Requests with tokens as the measured gateway sells them, made beforehand, without a gateway or a node.
 */
import { randomBytes } from 'node:crypto';
import * as Amount from '../../src/core/Amount.ts';
import * as Identifier from '../../src/core/Identifier.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import * as Preimage from '../../src/core/Preimage.ts';
import * as Caveats from '../../src/server/policies/Caveats.ts';
import { createRootKeys, type RootKeys } from '../../src/server/RootKeys.ts';
import { getBytes } from '../harness/Load.ts';

/** The routes of the measured gateway. Their names have one length, so that their requests have too. */
export const paths = { free: '/free', pass: '/pass', once: '/once', bucket: '/many', leased: '/held', call: '/call', unknown: '/none' } as const;

/** What the caveat says of what each of them sells. */
const sold = { pass: 'pass', once: 'per-request', bucket: 'bucket:1000000000', leased: 'bucket:1000000000', call: 'pass' } as const;

/** Tokens are sold at this price. */
export const priceMsat = Amount.fromSat(10);

/** The keys of both sides. */
export function keysOf(master: Uint8Array): RootKeys {
  return createRootKeys({ masters: [master], network: 'sandbox', realm: 'bench' });
}

/** That many credentials, no two alike, for one of the routes. */
export function mintCredentials(keys: RootKeys, terms: keyof typeof sold, count: number): readonly string[] {
  return Array.from({ length: count }, () => {
    const preimage = Preimage.fromBytes(randomBytes(32));
    const mintedAt = Math.floor(Date.now() / 1000);
    const identifier = Identifier.encode(Identifier.create(Preimage.hash(preimage), keys.mintingAt(mintedAt), mintedAt, randomBytes(Identifier.randomLength)));
    const rootKey = keys.derive(keys.mintingAt(mintedAt), identifier);
    if (rootKey === undefined) throw new Error('the ring has no key under its own fingerprint');
    const caveats = Caveats.write({
      service: 'bench',
      tier: 0,
      capabilities: [],
      method: terms === 'call' ? 'POST' : 'GET',
      pattern: paths[terms],
      priced: '',
      validUntil: mintedAt + 4200,
      amountMsat: priceMsat,
      terms: sold[terms],
    });
    return `L402 ${Macaroon.format(Macaroon.mint(rootKey, identifier, caveats))}:${preimage}`;
  });
}

/** The bytes of a request as Node's own `fetch` sends it. */
export function requestFor(path: string, authorization?: string, headers: Readonly<Record<string, string>> = {}): string {
  return getBytes(path, {
    Host: '127.0.0.1:8080',
    Connection: 'keep-alive',
    ...(authorization === undefined ? {} : { Authorization: authorization }),
    Accept: '*/*',
    'Accept-Language': '*',
    'Sec-Fetch-Mode': 'cors',
    'User-Agent': 'node',
    'Accept-Encoding': 'gzip, deflate',
    ...headers,
  });
}
