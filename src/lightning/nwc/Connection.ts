/**
 * A connection string of Nostr Wallet Connect, which is all that a wallet hands out:
 *
 *     nostr+walletconnect://<the wallet's public key>?relay=wss://relay.example.com&relay=…&secret=<our secret key>&lud16=…
 *
 * Whoever has it can do what the wallet allows this connection, so it is a secret as a whole, and no error says any of it.
 *
 * @see NIP-47, Nostr Wallet Connect URI
 */
import type { Random } from '../../core/Clock.ts';
import { fromHex } from '../../core/internal/bytes.ts';
import { isNear } from '../Api.ts';
import { type Cipher, ciphersBetween, type Scheme } from './Encryption.ts';
import * as Event from './Event.ts';

/** What a connection string says; the secret key is in it and does not come out. */
export type Connection = {
  /** The wallet's public key: whatever another key has signed is not from the wallet. */
  readonly wallet: string;
  /** Our public key. */
  readonly client: string;
  /** Addresses, each once. */
  readonly relays: readonly string[];
  readonly ciphers: Readonly<Record<Scheme, Cipher>>;
  readonly sign: (draft: Event.Draft) => Event.Event;
};

/** More relays than that are of no use. */
const maxRelays = 8;

/** @throws RangeError – it is none, a key in it is none, a relay's address is none, or is spoken to in the clear over the internet */
export function parse(uri: string, random: Random): Connection {
  const [, wallet = '', query = ''] = /^nostr\+walletconnect:(?:\/\/)?([0-9a-f]{64})\/?\?(.+)$/is.exec(uri.trim()) ?? [];
  const fields = new URLSearchParams(query);
  const publicKey = wallet.toLowerCase();
  if (!Event.isPublicKey(publicKey)) {
    throw new RangeError('uri is a connection of Nostr Wallet Connect: nostr+walletconnect://<public key of the wallet>?relay=wss://…&secret=…');
  }
  const secret = fromHex(fields.get('secret') ?? '');
  const client = secret === undefined ? undefined : keyOf(secret);
  if (secret === undefined || client === undefined) throw new RangeError('uri: its secret is no secret key of 64 hex digits');
  return {
    wallet: publicKey,
    client,
    relays: relaysIn(fields.getAll('relay')),
    ciphers: ciphersBetween(secret, fromHex(publicKey) as Uint8Array, random),
    sign: (draft) => Event.sign(draft, secret, random(32)),
  };
}

function keyOf(secret: Uint8Array): string | undefined {
  try {
    return Event.publicKeyOf(secret);
  } catch {
    return undefined;
  }
}

function relaysIn(texts: readonly string[]): readonly string[] {
  const addresses = new Set(texts.map(addressOf));
  if (addresses.size === 0) throw new RangeError('uri names no relay, and the wallet is reached over one');
  if (addresses.size > maxRelays) throw new RangeError(`uri names ${addresses.size} relays, and ${maxRelays} are the most`);
  return [...addresses];
}

function addressOf(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^wss?:$/.test(url.protocol)) throw new RangeError('uri: a relay is the address of a WebSocket, such as wss://relay.example.com');
  if (url.username !== '' || url.password !== '') throw new RangeError('uri: what lets one in does not belong into the address of a relay');
  if (url.protocol === 'ws:' && !isNear(url.hostname)) {
    throw new RangeError(`uri: the relay ${url.host} is spoken to in the clear, and everybody on the way would see who pays whom. Use wss`);
  }
  url.hash = '';
  return url.href;
}
