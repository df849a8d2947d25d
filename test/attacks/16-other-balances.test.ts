/**
 * A payment for one balance, service, amount, realm or network, added to another. What a top-up adds, and to what, is signed with it.
 */
import { describe, expect, test } from 'vitest';
import * as Amount from '../../src/core/Amount.ts';
import * as Caveats from '../../src/server/policies/Caveats.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { useKeyOf } from '../../src/server/Verifier.ts';
import { masterKey } from '../conformance/shop/shop.ts';
import { enterCounted, spendRest } from './counted.ts';
import { auth, changed, expectRefused, mintWith, names, narrowed } from './thief.ts';
import { buyTopUp, present, unitsOf } from './topUps.ts';

describe.each(names)('%s', (name) => {
  test('it is added to nothing where it is another service’s, and to its own balance afterwards', async () => {
    const shop = await enterCounted(name);
    const [credit, purse] = [await shop.buy('/credit/a'), await shop.buy('/purse/a')];
    const top = await buyTopUp(shop, '/credit/a', credit);
    for (const path of ['/purse/a', '/units/a', '/pail/a', '/club/a'])
      await expectRefused(shop, () => shop.get(path, auth(top.authorization)), { status: 402, code: 'CREDENTIAL_WRONG_SERVICE' }, path);
    expect([await unitsOf(shop, credit), await unitsOf(shop, purse)]).toEqual([150_000n, 0n]);
    expect(await present(shop, '/credit/dear', top)).toBe('200 credited');
    expect([await unitsOf(shop, credit), await unitsOf(shop, purse)]).toEqual([300_000n, 0n]);
  });

  test('account and amount are nobody’s to change', async () => {
    const shop = await enterCounted(name);
    const [mine, another] = [await shop.buy('/credit/a'), await shop.buy('/credit/a')];
    const top = await buyTopUp(shop, '/credit/a', mine);
    const account = useKeyOf(another.macaroon.identifier);
    const edits: readonly (readonly [RegExp, string])[] = [
      [/^topup=.*/, `topup=${account}`],
      [/^credit_terms=.*/, 'credit_terms=credit-topup:1500000'],
      [/^credit_terms=.*/, 'credit_terms=credit:150000'],
      [/^credit_price=.*/, 'credit_price=1 sat'],
      [/^services=.*/, 'services=purse:0'],
    ];
    for (const [from, to] of edits) {
      const caveats = top.macaroon.caveats.map((caveat) => caveat.replace(from, to));
      expect(caveats).not.toEqual(top.macaroon.caveats);
      await expectRefused(shop, () => shop.get('/credit/a', auth(changed(top, { caveats }))), { status: 401, code: 'CREDENTIAL_TAMPERED' }, to);
    }
    expect(await unitsOf(shop, another)).toBe(0n);
  });

  test('what was paid for something else is no top-up, whatever its holder writes into it', async () => {
    const shop = await enterCounted(name);
    const [mine, victim] = [await shop.buy('/credit/a'), await shop.buy('/credit/a')];
    for (const account of [useKeyOf(mine.macaroon.identifier), useKeyOf(victim.macaroon.identifier)])
      await expectRefused(shop, () => shop.get('/credit/a', auth(narrowed(mine, `topup=${account}`))), { status: 403, code: 'CREDENTIAL_NARROWED' });
    // Nor does the proof of one payment show another.
    const top = await buyTopUp(shop, '/credit/a', mine);
    await expectRefused(shop, () => shop.get('/credit/a', auth(top.authorization.replace(/:.*/, `:${mine.preimage}`))), {
      status: 401,
      code: 'CREDENTIAL_UNPAID',
    });
    expect(await unitsOf(shop, victim)).toBe(0n);
    expect(await spendRest(shop, { path: '/credit/a' }, mine)).toEqual([3, 'CREDENTIAL_USED']);
  });

  test('what was bought in another realm or on another network adds nothing', async () => {
    const shop = await enterCounted(name);
    const mine = await shop.buy('/credit/a');
    const caveats = Caveats.write({
      service: 'credit',
      tier: 0,
      capabilities: [],
      method: undefined,
      pattern: undefined,
      priced: '',
      validUntil: 1_800_086_400,
      amountMsat: Amount.parse('90 sat'),
      terms: 'credit-topup:150000',
      topUp: useKeyOf(mine.macaroon.identifier),
    });
    expect((await shop.get('/credit/a', auth(mine.authorization))).status).toBe(200);
    for (const elsewhere of [{ realm: 'tenant' }, { network: 'bitcoin' }, { network: 'regtest' }] as const) {
      const { authorization } = mintWith(caveats, elsewhere);
      await expectRefused(shop, () => shop.get('/credit/a', auth(authorization)), { status: 401, code: 'CREDENTIAL_TAMPERED' }, JSON.stringify(elsewhere));
    }
    expect(await unitsOf(shop, mine)).toBe(150_000n);
    expect(await present(shop, '/credit/a', mintWith(caveats))).toBe('200 credited');
  });
});

test('a gateway of another realm on the same store takes no top-up of this one', async () => {
  const shop = await enterCounted('gateway');
  const mine = await shop.buy('/credit/a');
  const top = await buyTopUp(shop, '/credit/a', mine);
  const keys = createRootKeys({ masters: [masterKey], network: 'sandbox', realm: 'tenant' });
  const tenant = await enterCounted('gateway', { keys }, { store: async () => ({ ...shop.store, close: async () => {} }) });
  await expectRefused(tenant, () => tenant.get('/credit/a', auth(top.authorization)), { status: 401, code: 'CREDENTIAL_TAMPERED' });
  expect(await unitsOf(shop, mine)).toBe(150_000n);
});
