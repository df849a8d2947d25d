import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { systemRandom } from '../../core/Clock.ts';
import { parse } from './Connection.ts';
import { isGenuine, publicKeyOf } from './Event.ts';

const { uri } = JSON.parse(readFileSync(new URL('../../../test/vectors/nostr.json', import.meta.url), 'utf8')) as { readonly uri: string };
const secret = '71a8c14c1407c113601079c4302dab36460f0ccd0ad506f1f2dc73b5100e4f3c';
const wallet = 'b889ff5b1513b641e2a139f661a661364979c5beee91842f8f0ef42ab558e9d4';
const read = (text: string) => parse(text, systemRandom);
const withRelay = (...relays: readonly string[]) =>
  `nostr+walletconnect://${wallet}?secret=${secret}&${relays.map((relay) => `relay=${encodeURIComponent(relay)}`).join('&')}`;

test('the connection string that NIP-47 prints names the wallet, a relay and our key', () => {
  const connection = read(uri);
  expect(connection).toMatchObject({ wallet, relays: ['wss://relay.damus.io/'], client: publicKeyOf(Buffer.from(secret, 'hex')) });
  const event = connection.sign({ created_at: 1, kind: 1, tags: [], content: '' });
  expect(event.pubkey).toBe(connection.client);
  expect(isGenuine(event)).toBe(true);
});

test('several relays are kept, each once, in their order; what stands around the string and what else is in it is passed over', () => {
  const text = `  ${withRelay('wss://b.example', 'ws://127.0.0.1:7000/x', 'wss://b.example')}&lud16=a%40b.example\n`;
  expect(read(text).relays).toEqual(['wss://b.example/', 'ws://127.0.0.1:7000/x']);
  expect(read(uri.replace('://', ':').toUpperCase().replace('RELAY=WSS', 'relay=wss').replace('SECRET=', 'secret=')).wallet).toBe(wallet);
});

test.each([
  ['nothing', ''],
  ['an address', 'https://wallet.example.com'],
  ['another scheme', uri.replace('nostr+walletconnect', 'nostr')],
  ['a key that is none', uri.replace(wallet, 'f'.repeat(64))],
  ['a key that is too short', uri.replace(wallet, wallet.slice(1))],
  ['no secret', uri.replace(`secret=${secret}`, 'x=1')],
  ['a secret that is too short', uri.slice(0, -2)],
  ['a secret that is no key', uri.replace(secret, 'f'.repeat(64))],
  ['a secret of zeros', uri.replace(secret, '0'.repeat(64))],
  ['no relay', withRelay()],
  ['a relay that is no WebSocket', withRelay('https://relay.example.com')],
  ['a relay that is no address', withRelay('relay')],
  ['a relay in the clear on the internet', withRelay('ws://relay.example.com')],
  ['a relay with a password', withRelay('wss://user:password@relay.example.com')],
  ['too many relays', withRelay(...Array.from({ length: 9 }, (_, number) => `wss://relay${number}.example.com`))],
])('%s is refused, and no secret is told', (_, text) => {
  let message = '';
  try {
    read(text);
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError);
    message = String(error);
  }
  expect(message).toMatch(/uri/);
  for (const hidden of [secret, secret.slice(0, 16), 'password']) expect(message).not.toContain(hidden);
});

test('a relay in the clear is spoken to where nobody is on the way', () => {
  for (const relay of ['ws://localhost:7000', 'ws://10.0.0.5', 'ws://umbrel.local', 'ws://abcdefghij.onion', 'ws://[::1]:7000']) {
    expect(read(withRelay(relay)).relays).toHaveLength(1);
  }
});
