/**
 * Appending caveats to an unpaid challenge, to set one's own payment hash, scope, uses or expiry.
 */
import { describe, expect, test } from 'vitest';
import * as Identifier from '../../src/core/Identifier.ts';
import { toHex } from '../../src/core/internal/bytes.ts';
import * as Preimage from '../../src/core/Preimage.ts';
import { auth, challengeOf, changed, codeOf, enter, expectRefused, expectServed, names, narrowed, path } from './thief.ts';

/** The thief's own payment: he knows this preimage, and never paid the seller. */
const own = Preimage.parse('11'.repeat(32));
const ownHash = Preimage.hash(own);
const later = 1_800_000_000 + 10 * 365 * 86_400;

describe.each(names)('%s', (name) => {
  test.each([
    ['nothing', []],
    ['a payment hash', [`payment_hash=${ownHash}`]],
    ['a payment hash as the service would write it', [`api_payment_hash=${ownHash}`]],
    ['the preimage', [`preimage=${own}`]],
    ['a preimage, twice', [`preimage=${own}`, `preimage=${own}`]],
    ['an expiry', [`api_valid_until=${later}`]],
    ['uses', ['n_uses=1000', 'api_uses=1000']],
    ['terms', ['api_terms=pass']],
    ['a price', ['api_price=0 sat']],
  ])("unpaid, with one's own preimage and %s: 401", async (_, caveats) => {
    const shop = await enter(name);
    const { macaroon } = await challengeOf(shop);
    await expectRefused(shop, () => shop.get(path, auth(narrowed({ macaroon, preimage: own }, ...caveats))), { status: 401, code: 'CREDENTIAL_UNPAID' });
  });

  test("unpaid, in a header of its own with one's own preimage inside: 401", async () => {
    const shop = await enter(name);
    const { macaroon } = await challengeOf(shop);
    const token = Buffer.from(narrowed({ macaroon, preimage: own }, `preimage=${own}`).split(/[ :]/)[1] as string, 'base64');
    await expectRefused(shop, () => shop.get(path, { headers: { macaroon: toHex(token) } }), { status: 401, code: 'CREDENTIAL_UNPAID' });
  });

  test("one's own payment hash in the identifier: 401", async () => {
    const shop = await enter(name);
    const { macaroon } = await challengeOf(shop);
    const identifier = Uint8Array.from(macaroon.identifier);
    identifier.set(Preimage.toBytes(ownHash), 2);
    const { tokenId } = Identifier.decode(macaroon.identifier);
    expect(Identifier.decode(identifier)).toEqual({ version: 0, paymentHash: ownHash, tokenId });
    await expectRefused(shop, () => shop.get(path, auth(changed({ macaroon, preimage: own }, { identifier }))), { status: 401, code: 'CREDENTIAL_TAMPERED' });
  });

  test.each([
    ['a later expiry', `api_valid_until=${later}`],
    ['an expiry without end', 'api_valid_until=99999999999'],
    ['another service', 'services=vault:0'],
    ['a service more', 'services=api:0,vault:0'],
    ['a higher tier', 'services=api:9'],
    ['a wider path', 'api_path=/api/*'],
    ['every path', 'api_path=/*'],
    ['another method', 'api_method=POST'],
    ['a method more', 'api_method=GET,POST'],
    ['other terms', 'api_terms=pass'],
    ['another price', 'api_price=1 sat'],
  ])('paid: %s, written behind what was sold, narrows what it cannot widen: 403', async (_, caveat) => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    await expectRefused(shop, () => shop.get(path, auth(narrowed(bought, caveat))), { status: 403, code: 'CREDENTIAL_NARROWED' });
    await expectServed(shop, () => shop.get(path, auth(bought.authorization)));
  });

  test.each(['n_uses=1000', 'api_n_uses=1000', 'max_sats=1000000', 'api_terms=pass'])('paid: %s buys no second use', async (caveat) => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    for (const authorization of [narrowed(bought, caveat), bought.authorization, narrowed(bought, caveat)]) {
      const { status } = await shop.get(path, auth(authorization));
      if (status === 200) await shop.ended('delivered');
    }
    expect(shop.upstream.seen.length).toBe(1);
  });

  test('paid: terms appended to serve for ever do not: one use, and the expiry that was sold', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    await expectServed(shop, () => shop.get(path, auth(narrowed(bought, 'valid_until=4000000000', 'expires="2090-01-01T00:00:00Z"'))));
    await shop.ended('delivered');
    expect(codeOf(await shop.get(path, auth(narrowed(bought, 'valid_until=4000000001'))))).toBe('CREDENTIAL_USED');
    const unused = await shop.buy(path);
    shop.clock.advance(2 * 86_400_000);
    await expectRefused(shop, () => shop.get(path, auth(narrowed(unused, 'valid_until=4000000000'))), { status: 402, code: 'CREDENTIAL_EXPIRED' });
  });
});
