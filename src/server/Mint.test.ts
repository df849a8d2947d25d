/**
 * A token says what its own request asked for, whatever was minted right before it: what most tokens of one second have in common is written once.
 */
import { expect, test } from 'vitest';
import * as Amount from '../core/Amount.ts';
import { systemRandom } from '../core/Clock.ts';
import { unwatched } from '../core/CrashPoint.ts';
import * as Macaroon from '../core/Macaroon.ts';
import { createSandboxNetwork } from '../lightning/sandbox.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { createMint, type MintRequest } from './Mint.ts';
import * as Offer from './Offer.ts';
import * as Price from './Price.ts';
import { createRootKeys } from './RootKeys.ts';
import { perRequest } from './terms/PerRequest.ts';

const offer = Offer.create({ service: 'api', route: 'ANY /x/*', pattern: '/x/*', price: Price.fixed('50 sat'), terms: perRequest() });
const asked: MintRequest = { offer, method: 'GET', path: '/x/1', priced: '', amountMsat: Amount.fromSat(50) };
const account = 'ab'.repeat(32);

const others: readonly (readonly [string, Partial<MintRequest>, string])[] = [
  ['another method', { method: 'POST' }, 'api_method=POST'],
  ['another path', { path: '/x/2' }, 'api_path=/x/2'],
  ['other inputs', { priced: 'cd'.repeat(16) }, `api_priced=${'cd'.repeat(16)}`],
  ['another price', { amountMsat: Amount.fromSat(51) }, 'api_price=51 sat'],
  ['a top-up', { topUp: { account, until: 1_900_000_000 } }, `topup=${account}`],
];

async function open() {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'test' });
  const settings = { invoiceExpirySeconds: 600, nodeTimeoutMs: 1000, reached: unwatched };
  const mint = createMint({ keys, receiver: sandbox.receiver('seller'), clock, random: systemRandom, ...settings });
  const caveatsOf = async (change: Partial<MintRequest>) => Macaroon.parse((await mint({ ...asked, ...change })).token).caveats;
  return { clock, caveatsOf, close: sandbox.close };
}

test.each(others)('%s, right after a token of the same offer and before one', async (_, change, caveat) => {
  const { caveatsOf, close } = await open();
  const before = await caveatsOf({});
  const other = await caveatsOf(change);
  expect([before.includes(caveat), other.includes(caveat)]).toEqual([false, true]);
  expect(await caveatsOf({})).toEqual(before);
  await close();
});

test('a later second, and another account', async () => {
  const { clock, caveatsOf, close } = await open();
  const before = await caveatsOf({});
  clock.advance(1000);
  expect(await caveatsOf({})).not.toEqual(before);
  const until = 1_900_000_000;
  expect(await caveatsOf({ topUp: { account, until } })).toContain(`topup=${account}`);
  expect(await caveatsOf({ topUp: { account: 'ef'.repeat(32), until } })).toContain(`topup=${'ef'.repeat(32)}`);
  expect((await caveatsOf({ topUp: { account, until: until + 1 } })).some((caveat) => caveat.endsWith(`=${until + 1}`))).toBe(true);
  await close();
});
