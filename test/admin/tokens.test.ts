/**
 * What an operator is told of tokens that were sold, and refusing them; nothing of it can be used to buy.
 */
import { afterEach, expect, test } from 'vitest';
import { type Operation, operationsByName } from '../../src/admin/index.ts';
import { sell } from '../cli/soldToken.ts';
import { closeAll, type House, openHouse } from './harness.ts';

const closing: (() => unknown)[] = [];
afterEach(() => closeAll(closing));

const call = (house: House, name: string, input: object) => house.client().call(operationsByName.get(name) as Operation, input);
const sold = (terms: 'per-request' | 'credit:1000000' = 'per-request') => sell(new Uint8Array(32).fill(7), { mintedAt: 1_800_000_000, terms });

test('a token is told of in words, with and without the proof of its payment, and neither comes back', async () => {
  const house = await openHouse(closing);
  const { token, preimage, paymentHash } = sold();
  const whole = await call(house, 'tokens.inspect', { token: `L402 ${token}:${preimage}` });
  expect(whole).toMatchObject({ known: true, good: true, code: null, paid: true, revoked: false, service: 'api', paymentHash, mintedAt: 1_800_000_000 });
  const alone = await call(house, 'tokens.inspect', { token });
  expect(alone).toMatchObject({ known: true, good: false, code: 'CREDENTIAL_UNPAID', paid: false, account: whole.account });
  for (const answer of [whole, alone]) {
    expect(JSON.stringify(answer)).not.toContain(preimage);
    expect(JSON.stringify(answer)).not.toContain(token.slice(0, 40));
  }
});

test('a revoked token is refused by its id, by its payment and by itself; the token stands in no log of it', async () => {
  const house = await openHouse(closing);
  const { token, preimage, paymentHash } = sold();
  const revoked = await call(house, 'tokens.revoke', { token: `L402 ${token}:${preimage}` });
  expect(revoked).toMatchObject({ applied: true, kind: 'token' });
  expect(await call(house, 'tokens.revoke', { tokenId: revoked.value })).toMatchObject({ applied: false });
  expect((await call(house, 'tokens.revoked', {})).revoked).toEqual([{ kind: 'token', value: revoked.value, untilAt: null }]);
  // The store's feed tells whoever follows what is revoked.
  await new Promise((resolve) => setImmediate(resolve));
  expect(await call(house, 'tokens.inspect', { token: `L402 ${token}:${preimage}` })).toMatchObject({ good: false, revoked: true, code: 'CREDENTIAL_REVOKED' });
  expect(await call(house, 'tokens.revoke', { payment: paymentHash })).toMatchObject({ applied: true });
  const log = house.read('farebox.audit.jsonl');
  expect(log).toContain('(secret)');
  for (const secret of [preimage, token.slice(0, 40)]) expect(log).not.toContain(secret);
});

test('a balance is shown with what was handed on of it, and is given something once under each name', async () => {
  const house = await openHouse(closing);
  const { token, paymentHash } = sold('credit:1000000');
  const { account, tokenId } = (await call(house, 'tokens.inspect', { token })) as { readonly account: string; readonly tokenId: string };
  const part = 'ab'.repeat(32);
  await house.store.credit({ account, source: 'bought', units: 1_000_000n, expiresAt: 1_900_000_000 });
  await house.store.credit({ account: part, source: `msat ${part} of ${account}`, units: 4000n, expiresAt: 1_900_000_000 });
  const { nodes } = await call(house, 'tokens.tree', { token });
  expect(nodes).toMatchObject([
    { name: account, above: null, units: '1000000', spent: '0', depth: 0 },
    { name: part, above: account, kind: 'part', unit: 'msat', units: '4000', depth: 1 },
  ]);
  expect((await call(house, 'tokens.tree', { payment: paymentHash, tokenId })).nodes).toEqual(nodes);
  expect((await call(house, 'accounts.list', {})).accounts).toMatchObject([{ account, units: '1000000', credits: 1 }]);
  const give = { account, units: '500', reason: 'it failed', reference: 'ticket-7' };
  expect(await call(house, 'accounts.credit', give)).toMatchObject({ applied: true, units: '1000500' });
  await expect(call(house, 'accounts.credit', give)).rejects.toMatchObject({ code: 'ADMIN_CHANGE_CONFLICT' });
  expect(await call(house, 'accounts.show', { account })).toMatchObject({ units: '1000500', available: '1000500' });
  expect((await call(house, 'audit.list', {})).records).toMatchObject([{ outcome: 'failed', code: 'ADMIN_CHANGE_CONFLICT' }, { outcome: 'done' }]);
});

test('a token of an operator that was ended opens nothing any more, nor does what was narrowed from it', async () => {
  const house = await openHouse(closing);
  const token = house.token({ label: 'ana' });
  const { id } = await house.client(token).call(operationsByName.get('access.show') as Operation, {});
  await call(house, 'access.revoke', { id });
  await expect(house.client(token).call(operationsByName.get('health.show') as Operation, {})).rejects.toMatchObject({ code: 'ADMIN_UNAUTHORIZED' });
});
