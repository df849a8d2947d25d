/**
 * Tokens altered in every way that needs no key.
 */
import * as Caveat from '../../core/Caveat.ts';
import type { Random } from '../../core/Clock.ts';
import { toBase64, toBase64Url, toHex } from '../../core/internal/bytes.ts';
import * as Macaroon from '../../core/Macaroon.ts';
import type { PaymentHash, Preimage } from '../../core/Preimage.ts';
import * as Preimages from '../../core/Preimage.ts';

/** A payment that nobody made: its preimage is known all the same. */
export type OwnPayment = { readonly preimage: Preimage; readonly paymentHash: PaymentHash };

/** A token under a name for what was done to it. */
export type Altered = readonly [what: string, token: string];

export function ownPayment(random: Random): OwnPayment {
  const preimage = Preimages.fromBytes(random(32));
  return { preimage, paymentHash: Preimages.hash(preimage) };
}

/** The token with caveats behind its own, as anybody may write them. */
export function narrowed(macaroon: Macaroon.Macaroon, ...caveats: readonly string[]): string {
  return Macaroon.format(Macaroon.attenuate(macaroon, caveats));
}

/** Tokens over a payment of one's own: the payment hash of the identifier written over, and made from scratch under keys that can be guessed. */
export function overOwnPayment(macaroon: Macaroon.Macaroon, { paymentHash }: OwnPayment): readonly Altered[] {
  const identifier = Uint8Array.from(macaroon.identifier);
  identifier.set(Preimages.toBytes(paymentHash).subarray(0, Math.max(0, identifier.length - 2)), Math.min(2, identifier.length));
  const { caveats, location } = macaroon;
  return [
    ['a payment hash of its own in the identifier, the signature as it was', Macaroon.format({ ...macaroon, identifier })],
    ['a token made from scratch under an empty key', Macaroon.format(Macaroon.mint(new Uint8Array(0), identifier, caveats, location))],
    ['a token made from scratch under a key of zeros', Macaroon.format(Macaroon.mint(new Uint8Array(32), identifier, caveats, location))],
  ];
}

/** Tokens whose signature does not fit any more. */
export function tampered(macaroon: Macaroon.Macaroon): readonly Altered[] {
  const { caveats, signature, identifier } = macaroon;
  const last = caveats.at(-1);
  const first = caveats[0];
  const otherId = Uint8Array.from(identifier);
  otherId.set([(otherId.at(-1) ?? 0) ^ 1], Math.max(0, otherId.length - 1));
  return [
    ['a bit of its signature changed', Macaroon.format({ ...macaroon, signature: withFirst(signature, (signature[0] ?? 0) ^ 1) })],
    ['a signature of zeros', Macaroon.format({ ...macaroon, signature: new Uint8Array(32) })],
    ['another token id in its identifier', Macaroon.format({ ...macaroon, identifier: otherId })],
    ['a caveat more, the signature as it was', Macaroon.format({ ...macaroon, caveats: [...caveats, last ?? 'a=b'] })],
    ...(first === undefined || last === undefined
      ? []
      : ([
          ['its last caveat taken off', Macaroon.format({ ...macaroon, caveats: caveats.slice(0, -1) })],
          ['all caveats taken off', Macaroon.format({ ...macaroon, caveats: [] })],
          ['a caveat changed', Macaroon.format({ ...macaroon, caveats: [...caveats.slice(0, -1), changed(last)] })],
        ] as const)),
  ];
}

/**
 * Conditions that the server minted, written once more with a value that leaves nothing: whoever mints a condition has to enforce it,
 * whoever it came from.
 */
export function narrowings(macaroon: Macaroon.Macaroon, method: string): readonly (readonly [what: string, caveat: string])[] {
  const found = new Map<string, readonly [string, string]>();
  for (const text of macaroon.caveats) {
    const { condition, value } = parse(text) ?? { condition: '', value: '' };
    for (const [ending, what, write] of endings) {
      if (ending.test(condition)) found.set(condition, [`${what} (${condition})`, `${condition}=${write(value, method)}`]);
    }
  }
  return [...found.values()];
}

/** The same proof in other spellings, as headers. */
export function spellings(
  macaroon: Macaroon.Macaroon,
  preimage: Preimage,
): readonly (readonly [what: string, headers: readonly (readonly [string, string])[]])[] {
  const bytes = Macaroon.encode(macaroon);
  const token = toBase64(bytes);
  const as = (text: string, scheme = 'L402', proof: string = preimage) => [['Authorization', `${scheme} ${text}:${proof}`] as const];
  const last = macaroon.caveats.at(-1);
  const hex = toHex(Macaroon.encode(Macaroon.attenuate(macaroon, [`preimage=${preimage}`])));
  return [
    ['base64 for URLs', as(toBase64Url(bytes))],
    ['base64 without padding', as(token.replace(/=+$/, ''))],
    ['the scheme LSAT', as(token, 'LSAT')],
    ['the preimage in capitals', as(token, 'L402', preimage.toUpperCase())],
    ['another location', as(Macaroon.format({ ...macaroon, location: 'farebox-audit' }))],
    ['its preimage as a caveat', as(narrowed(macaroon, `preimage=${preimage}`))],
    ...(last === undefined ? [] : [['its last caveat once more', as(narrowed(macaroon, last))] as const]),
    ['hex, in the header Macaroon', [['Macaroon', hex]]],
  ];
}

const endings: readonly (readonly [RegExp, string, (value: string, method: string) => string])[] = [
  [/(^|_)(valid_until|expires|expires_at|expiry|expiration)$/, 'an end in the past', (value) => (/^\d+$/.test(value) ? '1' : '2001-01-01T00:00:00Z')],
  [/^services$/, 'another service', () => 'farebox-audit:0'],
  [/_capabilities$/, 'another capability', () => 'farebox-audit'],
  [/(^|_)(path|path_prefix|scope)$/, 'another path', () => '/farebox-audit-elsewhere'],
  [/(^|_)method$/, 'another method', (_, method) => (method === 'DELETE' ? 'PATCH' : 'DELETE')],
];

function withFirst(bytes: Uint8Array, first: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[0] = first;
  return copy;
}

/** The caveat with its last character changed. */
function changed(caveat: string): string {
  return caveat.slice(0, -1) + (caveat.endsWith('9') ? '8' : '9');
}

function parse(text: string): Caveat.Caveat | undefined {
  try {
    return Caveat.parse(text);
  } catch {
    return undefined;
  }
}
