/**
 * The bare macaroon with no preimage, with another invoice's, with the right one in the other hex case as a "new" credential.
 */
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/core/internal/bytes.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import type { Bought } from '../conformance/shop/shop.ts';
import { auth, challengeOf, enter, expectRefused, expectServed, path, wires } from './thief.ts';

const malformed = { status: 401, code: 'CREDENTIAL_MALFORMED' } as const;
const unpaid = { status: 401, code: 'CREDENTIAL_UNPAID' } as const;

const hexOf = ({ macaroon }: Pick<Bought, 'macaroon'>, ...caveats: readonly string[]) => toHex(Macaroon.encode(Macaroon.attenuate(macaroon, caveats)));
const hashOf = ({ macaroon }: Pick<Bought, 'macaroon'>) => toHex(macaroon.identifier.subarray(2, 34));

describe.each(wires)('%s', (name) => {
  test.each<readonly [string, (bought: Bought) => string, typeof malformed | typeof unpaid]>([
    ['none', ({ token }) => `L402 ${token}`, malformed],
    ['none behind a colon', ({ token }) => `L402 ${token}:`, malformed],
    ['spaces', ({ token }) => `L402 ${token}:${' '.repeat(64)}`, malformed],
    ['63 digits', ({ token, preimage }) => `L402 ${token}:${preimage.slice(1)}`, malformed],
    ['65 digits', ({ token, preimage }) => `L402 ${token}:${preimage}0`, malformed],
    ['its digits twice', ({ token, preimage }) => `L402 ${token}:${preimage}${preimage}`, malformed],
    ['itself twice', ({ token, preimage }) => `L402 ${token}:${preimage}:${preimage}`, malformed],
    ['0x before it', ({ token, preimage }) => `L402 ${token}:0x${preimage.slice(2)}`, malformed],
    ['base64 of it', ({ token, preimage }) => `L402 ${token}:${Buffer.from(preimage, 'hex').toString('base64')}`, malformed],
    ['zeros', ({ token }) => `L402 ${token}:${'0'.repeat(64)}`, unpaid],
    ['the payment hash', (bought) => `L402 ${bought.token}:${hashOf(bought)}`, unpaid],
    ['the payment hash of nothing', ({ token }) => `L402 ${token}:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855`, unpaid],
    ['its last digit changed', ({ token, preimage }) => `L402 ${token}:${preimage.slice(0, -1)}${preimage.endsWith('0') ? '1' : '0'}`, unpaid],
    ['its digits in reverse', ({ token, preimage }) => `L402 ${token}:${[...preimage].reverse().join('')}`, unpaid],
    [
      'upper and lower case changed in one byte that differs',
      ({ token, preimage }) => `L402 ${token}:${preimage.slice(2)}${preimage.slice(0, 2).toUpperCase()}`,
      unpaid,
    ],
  ])('as proof: %s', async (_, send, refusal) => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    await expectRefused(shop, () => shop.get(path, auth(send(bought))), refusal);
    await expectServed(shop, () => shop.get(path, auth(bought.authorization)));
  });

  test('another invoice’s preimage, paid to the same seller, proves nothing', async () => {
    const shop = await enter(name);
    const [paid, { token }] = [await shop.buy(path), await challengeOf(shop)];
    await expectRefused(shop, () => shop.get(path, auth(`L402 ${token}:${paid.preimage}`)), unpaid);
    const dear = await challengeOf(shop, '/vault');
    await expectRefused(shop, () => shop.get('/vault', auth(`L402 ${dear.token}:${paid.preimage}`)), unpaid);
  });

  test('an unpaid token beside a paid one, before one preimage: each is held against it, and the paid one is used up', async () => {
    const shop = await enter(name);
    const [paid, { token }] = [await shop.buy(path), await challengeOf(shop)];
    const both = auth(`L402 ${token},${paid.token}:${paid.preimage}`);
    await expectServed(shop, () => shop.get(path, both));
    await shop.ended('delivered');
    await expectRefused(shop, () => shop.get(path, both), { status: 402, code: 'CREDENTIAL_USED', asks: ['claim'] });
  });

  test.each<readonly [string, (bought: Bought) => string, typeof malformed | typeof unpaid | { readonly status: 401; readonly code: 'PREIMAGE_MALFORMED' }]>([
    ['none', (bought) => hexOf(bought), malformed],
    ['another one', (bought) => hexOf(bought, `preimage=${'ab'.repeat(32)}`), unpaid],
    ['another one before the right one', (bought) => hexOf(bought, `preimage=${'ab'.repeat(32)}`, `preimage=${bought.preimage}`), unpaid],
    ['half of it', (bought) => hexOf(bought, `preimage=${bought.preimage.slice(32)}`), { status: 401, code: 'PREIMAGE_MALFORMED' }],
    ['an empty one', (bought) => hexOf(bought, 'preimage='), { status: 401, code: 'PREIMAGE_MALFORMED' }],
    ['the payment hash', (bought) => hexOf(bought, `preimage=${hashOf(bought)}`), unpaid],
  ])('within a hex macaroon: %s', async (_, send, refusal) => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    for (const header of ['macaroon', 'grpc-metadata-macaroon'])
      await expectRefused(shop, () => shop.get(path, { headers: { [header]: send(bought) } }), refusal, header);
  });

  test('within a hex macaroon the right one first and another behind it: a holder contradicts himself', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const macaroon = hexOf(bought, `preimage=${bought.preimage}`, `preimage=${'ab'.repeat(32)}`);
    await expectRefused(shop, () => shop.get(path, { headers: { macaroon } }), { status: 403, code: 'CREDENTIAL_NARROWED' });
  });

  test('the right one in another letter case is the same credential', async () => {
    const shop = await enter(name);
    const bought = await shop.buy(path);
    const mixed = [...bought.preimage].map((digit, i) => (i % 2 === 0 ? digit.toUpperCase() : digit)).join('');
    await expectServed(shop, () => shop.get(path, auth(`L402 ${bought.token}:${bought.preimage.toUpperCase()}`)));
    await shop.ended('delivered');
    const spellings = [
      auth(`L402 ${bought.token}:${mixed}`),
      auth(bought.authorization),
      { headers: { macaroon: hexOf(bought, `preimage=${bought.preimage.toUpperCase()}`) } },
    ];
    for (const ask of spellings) await expectRefused(shop, () => shop.get(path, ask), { status: 402, code: 'CREDENTIAL_USED', asks: ['claim'] });
    expect(shop.upstream.seen.length).toBe(1);
  });
});
