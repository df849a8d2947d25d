/**
 * A token bought on the sandbox or a test network, presented where the network is another: play money buys nothing.
 */
import { describe, expect, test } from 'vitest';
import type { Network, Receiver } from '../../src/lightning/Lightning.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { createPaywall } from '../../src/server/Paywall.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { masterKey } from '../conformance/shop/shop.ts';
import { auth, enter, expectRefused, expectServed, mintWith, names, narrowed, path } from './thief.ts';

const networks: readonly Network[] = ['bitcoin', 'testnet', 'signet', 'regtest', 'sandbox'];
const tampered = { status: 401, code: 'CREDENTIAL_TAMPERED' } as const;

/** The sandbox, as if it were another network: what is asked here is what a seller there makes of a token. */
function seller(name: (typeof names)[number], network: Network) {
  const keys = createRootKeys({ masters: [masterKey], network, realm: 'test' });
  const receiver = { ...createSandboxNetwork({ clock: FixedClock.create() }).receiver('seller'), network };
  return enter(name, { keys, receiver });
}

describe.each(names)('%s', (name) => {
  test.each(networks.slice(0, -1))('bought on the sandbox, presented on %s under the same master key: 401', async (network) => {
    const [sandbox, real] = [await enter(name), await seller(name, network)];
    for (const target of [path, '/library/a']) {
      const bought = await sandbox.buy(target);
      await expectRefused(real, () => real.get(target, auth(bought.authorization)), tampered);
      for (const caveat of [`network=${network}`, `services=api:0`, 'token_id=1'])
        await expectRefused(real, () => real.get(target, auth(narrowed(bought, caveat))), tampered);
      expect((await sandbox.get(target, auth(bought.authorization))).status).toBe(200);
    }
  });

  test('each network’s tokens are good on it alone', async () => {
    const caveats = [
      'services=library:0',
      'library_method=GET',
      'library_path=/library/*',
      'library_valid_until=1800000060',
      'library_price=1 sat',
      'library_terms=pass',
    ];
    for (const there of networks) {
      const shop = await seller(name, there);
      for (const bought of networks) {
        const { authorization } = mintWith(caveats, { network: bought });
        if (bought === there) expect((await shop.get('/library/a', auth(authorization))).status).toBe(200);
        else await expectRefused(shop, () => shop.get('/library/a', auth(authorization)), tampered, `${bought} on ${there}`);
      }
    }
  });

  test('no realm is called so that it reads as another network', async () => {
    const shop = await enter(name);
    for (const realm of ['bitcoin/test', 'sandbox/test', '/test', 'test/', ''])
      expect(() => createRootKeys({ masters: [masterKey], network: 'bitcoin', realm }), realm).toThrow(RangeError);
    await expectServed(shop, async () => shop.get(path, auth((await shop.buy(path)).authorization)));
  });
});

test('keys of one network do not sell what is paid on another', async () => {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock }).receiver('seller');
  for (const network of networks.slice(0, -1)) {
    const receiver: Receiver = { ...sandbox, network };
    const ours = createRootKeys({ masters: [masterKey], network: 'sandbox', realm: 'test' });
    const theirs = createRootKeys({ masters: [masterKey], network, realm: 'test' });
    await expect(createPaywall({ keys: ours, receiver, clock })).rejects.toThrow(TypeError);
    await expect(createPaywall({ keys: theirs, receiver: sandbox, clock })).rejects.toThrow(TypeError);
  }
});
