import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as Amount from '../core/Amount.ts';
import { auditSandbox, connectSandbox, createSandboxPayer, createSandboxReceiver, sandboxFaultKinds, startSandbox } from './sandbox.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandbox-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const limits = { maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 60 };

describe('a sandbox that several processes reach', () => {
  it('sells and buys, survives a restart, and adds up', async () => {
    const options = { path: join(folder, 'sandbox.db'), token: 'the-same-token-again' };
    const first = await startSandbox(options);
    const shop = createSandboxReceiver({ ...first, node: 'shop' });
    const buyer = createSandboxPayer({ ...first, node: 'buyer', openingMsat: Amount.parse('1000 sat') });
    expect(await buyer.balance()).toEqual({ spendableMsat: 1_000_000n });
    const created = await shop.createInvoice({ amountMsat: Amount.fromSat(50), description: 'x', expirySeconds: 600 });
    const settled = await buyer.pay({ invoice: created.invoice, ...limits });
    expect(settled).toMatchObject({ kind: 'settled', amountMsat: 50_000n, feeMsat: 1000n });
    const audit = await auditSandbox(first);
    expect(audit).toEqual(await first.network.audit());
    expect(audit.payments).toMatchObject([{ payer: 'buyer', payee: 'shop', state: 'settled', paymentHash: created.paymentHash }]);
    await Promise.all([shop.close(), buyer.close()]);
    await first.close();

    const second = await startSandbox(options);
    const again = createSandboxPayer({ ...second, node: 'buyer', openingMsat: Amount.parse('777 sat') });
    expect(await again.trackPayment(created.paymentHash)).toEqual(settled);
    expect(await again.balance()).toEqual({ spendableMsat: 1_000_000n - 51_000n });
    expect(await auditSandbox(second)).toEqual(audit);
    await again.close();
    await second.close();
  });

  it('is steered over the same connection', async () => {
    const running = await startSandbox({ path: ':memory:' });
    const sandbox = connectSandbox(running);
    expect(await sandbox.openNode('shop', { openingMsat: Amount.fromSat(3), inboundMsat: Amount.fromSat(400) })).toMatchObject({
      name: 'shop',
      alias: 'sandbox-shop',
      spendableMsat: 3000n,
      receivableMsat: 400_000n,
    });
    expect(await sandbox.addFunds('shop', { inboundMsat: Amount.fromSat(1) })).toMatchObject({ spendableMsat: 3000n, receivableMsat: 401_000n });
    for (const kind of sandboxFaultKinds) {
      await sandbox.setFault({ node: 'buyer', kind, payments: 3 });
      expect(await sandbox.faults()).toEqual([{ node: 'buyer', kind, payments: 3 }]);
      expect(await running.network.faults()).toEqual([{ node: 'buyer', kind, payments: 3 }]);
    }
    await sandbox.clearFaults('shop');
    expect(await sandbox.faults()).toHaveLength(1);
    await sandbox.clearFaults();
    expect(await sandbox.faults()).toEqual([]);
    await expect(sandbox.setDelay(-1)).rejects.toThrow(RangeError);
    await sandbox.close();
    await expect(sandbox.audit()).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
    await running.close();
  });

  it('that is started again on the same address is found again by drivers that were there before', async () => {
    const options = { path: join(folder, 'sandbox.db'), token: 'the-same-token-again' };
    const first = await startSandbox(options);
    const front = await relay(first.url);
    const shop = createSandboxReceiver({ ...first, url: front.url, node: 'shop' });
    const { nodeId } = await shop.info();
    await first.close();
    await expect(shop.info()).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
    const second = await startSandbox(options);
    front.turnTo(second.url);
    expect((await shop.info()).nodeId).toBe(nodeId);
    await shop.close();
    await second.close();
    await front.close();
  });
});

/** An address that stays the same while the sandbox behind it changes. */
async function relay(url: string) {
  let target = new URL(url);
  const server = createServer((socket) => {
    const behind = connect(Number(target.port), target.hostname);
    for (const [from, to] of [[socket, behind] as const, [behind, socket] as const])
      from
        .on('error', () => {})
        .on('close', () => to.destroy())
        .pipe(to);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    turnTo: (next: string) => {
      target = new URL(next);
    },
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}
