/**
 * The contract of Lightning drivers, run on every driver that needs nothing but this machine: the sandbox in one process, the same over loopback
 * HTTP, and two wallets of it as one. After every case the books of the sandbox are balanced and no timer is left.
 */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'vitest';
import { withFailover } from '../../src/lightning/failover.ts';
import { connectSandbox, createSandboxNetwork, createSandboxPayer, createSandboxReceiver, type Sandbox, startSandbox } from '../../src/lightning/sandbox.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { apiNeeds, isApplicable, type LightningHooks, type LightningSubject, lightningContract } from '../../src/testing/lightningContract.ts';

type Running = { readonly subject: LightningSubject; readonly sandbox: Sandbox; readonly clock: FixedClock.FixedClock; readonly close: () => Promise<void> };

const forms: readonly (readonly [name: string, create: () => Promise<Running>])[] = [
  [
    'sandbox in this process',
    async () => {
      const clock = FixedClock.create();
      const sandbox = createSandboxNetwork({ clock });
      const [receiver, payer] = [sandbox.receiver('seller'), sandbox.payer('buyer')];
      return { subject: { receiver, payer, hooks: hooksOf(sandbox, clock) }, sandbox, clock, close: () => sandbox.close() };
    },
  ],
  [
    'sandbox over HTTP',
    async () => {
      const clock = FixedClock.create();
      const server = await startSandbox({ path: ':memory:', clock });
      const address = { url: server.url, token: server.token, clock };
      const [receiver, payer] = [createSandboxReceiver({ ...address, node: 'seller' }), createSandboxPayer({ ...address, node: 'buyer' })];
      const sandbox = connectSandbox(address);
      const close = async () => {
        await Promise.all([receiver.close(), payer.close(), sandbox.close()]);
        await server.close();
      };
      return { subject: { receiver, payer, hooks: hooksOf(sandbox, clock) }, sandbox, clock, close };
    },
  ],
  [
    'two wallets of the sandbox as one',
    async () => {
      const clock = FixedClock.create();
      const sandbox = createSandboxNetwork({ clock });
      const hooks = hooksOf(sandbox, clock);
      const [receiver, payer] = [withFailover([sandbox.receiver('seller'), sandbox.receiver('spare')], { clock }), sandbox.payer('buyer')];
      const receiverDown = async (isDown: boolean) => {
        for (const node of ['seller', 'spare']) await (isDown ? sandbox.setFault({ node, kind: 'node-down' }) : sandbox.clearFaults(node));
      };
      return { subject: { receiver, payer, hooks: { ...hooks, receiverDown } }, sandbox, clock, close: () => sandbox.close() };
    },
  ],
];

for (const [name, create] of forms) {
  describe(name, () => {
    let running: Running | undefined;

    afterEach(async () => {
      if (running === undefined) return;
      const { sandbox, clock, close } = running;
      running = undefined;
      const { balanced, fundedMsat, spendableMsat, heldMsat } = await sandbox.audit();
      await close();
      assert.ok(balanced);
      assert.equal(spendableMsat + heldMsat, fundedMsat);
      assert.equal(clock.timers(), 0);
    });

    for (const one of lightningContract.filter(({ needs }) => !needs.some((need) => apiNeeds.includes(need)))) {
      it(one.name, async () => {
        running = await create();
        const { subject } = running;
        // Several wallets are watched one by one; all else the sandbox can do.
        if (one.needs.includes('watch') && !subject.receiver.capabilities.watch) return assert.ok(!isApplicable(one, subject));
        assert.ok(isApplicable(one, subject), 'the sandbox can do everything that a case needs');
        await one.run(subject);
      });
    }
  });
}

function hooksOf(sandbox: Sandbox, clock: FixedClock.FixedClock): Partial<LightningHooks> {
  const down = (node: string) => (isDown: boolean) => (isDown ? sandbox.setFault({ node, kind: 'node-down' }) : sandbox.clearFaults(node));
  return {
    advance: async (ms) => clock.advance(ms),
    payerDown: down('buyer'),
    receiverDown: down('seller'),
    failNext: () => sandbox.setFault({ node: 'buyer', kind: 'fails', payments: 1 }),
    hangNext: () => sandbox.setFault({ node: 'buyer', kind: 'hangs', payments: 1 }),
    release: async (paymentHash, as) => assert.equal(await sandbox.releasePayment(paymentHash, as), 1),
    settleLateNext: () => sandbox.setFault({ node: 'buyer', kind: 'settles-late', payments: 1 }),
    losePreimageNext: () => sandbox.setFault({ node: 'buyer', kind: 'no-preimage', payments: 1 }),
    overchargeNext: () => sandbox.setFault({ node: 'buyer', kind: 'overcharges', payments: 1 }),
    payExpiredNext: () => sandbox.setFault({ node: 'buyer', kind: 'pays-expired', payments: 1 }),
  };
}
