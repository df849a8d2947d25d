/**
 * Credentials gone wrong on their way, as clients, proxies and people send them: each is refused, and each holds something that is to be seen by nobody.
 */
import { toHex } from '../../src/core/internal/bytes.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import type { Bought } from '../conformance/shop/shop.ts';
import { changed, narrowed } from './thief.ts';

/** Credentials gone wrong on their way, each holding everything that is secret about a good one. */
export function spoilt(mine: Bought, other: Bought): readonly (readonly [what: string, headers: { readonly [name: string]: string }])[] {
  const bytes = Macaroon.encode(mine.macaroon);
  const by = (value: string) => ({ authorization: value });
  const { token, preimage, authorization, macaroon } = mine;
  return [
    ['a caveat that was changed', by(changed(mine, { caveats: macaroon.caveats.map((one) => one.replace('GET', 'PUT')) }))],
    ['a signature that was changed', by(changed(mine, { signature: macaroon.signature.with(31, (macaroon.signature[31] ?? 0) ^ 1) }))],
    ['another payment’s preimage', by(`L402 ${token}:${other.preimage}`)],
    ['another payment’s token', by(`L402 ${other.token}:${preimage}`)],
    ['a preimage cut short', by(`L402 ${token}:${preimage.slice(0, 60)}`)],
    ['a preimage with something behind it', by(`${authorization}zz`)],
    ['a preimage in base64', by(`L402 ${token}:${Buffer.from(preimage, 'hex').toString('base64')}`)],
    ['token and preimage the wrong way round', by(`L402 ${preimage}:${token}`)],
    ['no preimage', by(`L402 ${token}`)],
    ['no token', by(`L402 :${preimage}`)],
    ['two colons', by(`L402 ${token}:${preimage}:${preimage}`)],
    ['another scheme', by(`Bearer ${token}:${preimage}`)],
    ['Basic', by(`Basic ${Buffer.from(`${token}:${preimage}`).toString('base64')}`)],
    ['a cookie', { cookie: `l402=${token}:${preimage}` }],
    ['a hex macaroon that is none', { macaroon: `${toHex(bytes)}${preimage}` }],
    ['a hex macaroon without its preimage', { macaroon: toHex(bytes) }],
    ['a token in hex', by(`L402 ${toHex(bytes)}:${preimage}`)],
    ['five tokens', by(`L402 ${Array(5).fill(token).join(',')}:${preimage}`)],
    ['nine credentials', by(Array(9).fill(`L402 ${token}x:${preimage}`).join(', '))],
    ['a preimage as a condition', by(narrowed(mine, `${preimage}=1`))],
    ['a preimage as a caveat', by(narrowed(mine, preimage))],
    ['another preimage as the caveat', by(narrowed(mine, `preimage=${other.preimage}`))],
    ['a preimage as a scope', by(narrowed(mine, `scope=/${preimage}`))],
    ['a condition that nobody knows', by(narrowed(mine, `proof=${preimage}`))],
    ['an idempotency key that is the credential', { ...by(`L402 ${token}x:${preimage}`), 'idempotency-key': `${token}:${preimage}` }],
  ];
}
