import { expect, test } from 'vitest';
import * as Amount from '../../core/Amount.ts';
import { createSandboxNetwork } from '../../lightning/sandbox.ts';
import { createMeter } from './Meter.ts';

const limits = { maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 5 };

async function createShop(ceilingSat: number) {
  const sandbox = createSandboxNetwork();
  const receiver = sandbox.receiver('seller');
  const meter = createMeter(Amount.fromSat(ceilingSat));
  const payer = meter.wrap(sandbox.payer('buyer'));
  const order = async (sat: number) => {
    const { invoice } = await receiver.createInvoice({ amountMsat: Amount.fromSat(sat), description: 'x', expirySeconds: 600 });
    return { invoice, ...limits };
  };
  return { sandbox, meter, payer, order };
}

test('what was paid counts, with its fee and no more; what failed does not', async () => {
  const { sandbox, meter, payer, order } = await createShop(121);
  const first = await order(50);
  expect((await payer.pay(first)).kind).toBe('settled');
  expect((await payer.pay(first)).kind).toBe('failed');
  // 51 are spent, and 60 may be: the limit is for what the fee was, not for what it might have been.
  expect((await payer.pay(await order(50))).kind).toBe('settled');
  expect(meter.spent()).toEqual({ amountMsat: 100_000n, feeMsat: 2000n, heldMsat: 0n });
  await expect(payer.pay(await order(50))).rejects.toThrow('more than 121 sat');
  await sandbox.close();
});

test('payments at a time share one ceiling', async () => {
  const { sandbox, meter, payer, order } = await createShop(125);
  const orders = await Promise.all([order(50), order(50), order(50)]);
  const ended = await Promise.allSettled(orders.map((one) => payer.pay(one)));
  expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
  expect(meter.spent().amountMsat).toBe(100_000n);
  await sandbox.close();
});

test('an invoice is paid once, and counts once, however often it is asked for', async () => {
  const { sandbox, meter, payer, order } = await createShop(70);
  const one = await order(50);
  const ended = await Promise.all([payer.pay(one), payer.pay(one), payer.pay(one)]);
  expect(ended.filter(({ kind }) => kind === 'settled')).toHaveLength(1);
  expect(meter.spent()).toEqual({ amountMsat: 50_000n, feeMsat: 1000n, heldMsat: 0n });
  await sandbox.close();
});

test('what may yet be paid is held', async () => {
  const { sandbox, meter, payer, order } = await createShop(100);
  await sandbox.setFault({ node: 'buyer', kind: 'no-preimage', payments: 1 });
  expect((await payer.pay(await order(50))).kind).toBe('unknown');
  expect(meter.spent()).toEqual({ amountMsat: 0n, feeMsat: 0n, heldMsat: 60_000n });
  await expect(payer.pay(await order(50))).rejects.toThrow('altogether');
  await sandbox.close();
});

test('more than the wallet has is asked of it, as it cannot be paid; more than the ceiling is not', async () => {
  const { sandbox, meter, payer, order } = await createShop(100);
  expect((await payer.pay(await order(1_000_001))).kind).toBe('failed');
  await expect(payer.pay(await order(101))).rejects.toThrow('altogether');
  expect(await payer.pay({ invoice: 'lnbcrt1', ...limits })).toMatchObject({ kind: 'failed', reason: 'malformed' });
  expect(meter.spent()).toEqual({ amountMsat: 0n, feeMsat: 0n, heldMsat: 0n });
  await sandbox.close();
});
