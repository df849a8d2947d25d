import fc from 'fast-check';
import { expect, it } from 'vitest';
import * as Amount from '../../core/Amount.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import type { CreatedInvoice } from '../Lightning.ts';
import { createSandboxNetwork, sandboxFaultKinds } from '../sandbox.ts';

const names = ['ann', 'bob', 'cid'] as const;
const name = fc.constantFrom(...names);

type Step =
  | { readonly kind: 'invoice'; readonly node: string; readonly sat: number; readonly expirySeconds: number }
  | { readonly kind: 'pay'; readonly node: string; readonly which: number; readonly maxFeeSat: number }
  | { readonly kind: 'fault'; readonly node: string; readonly fault: (typeof sandboxFaultKinds)[number]; readonly payments: number }
  | { readonly kind: 'release'; readonly which: number; readonly as: 'settled' | 'failed' }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'fund'; readonly node: string; readonly sat: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('invoice' as const),
      node: name,
      sat: fc.integer({ min: 1, max: 400 }),
      expirySeconds: fc.integer({ min: 1, max: 30 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('pay' as const), node: name, which: fc.nat(9), maxFeeSat: fc.nat(3) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('fault' as const),
      node: name,
      fault: fc.constantFrom(...sandboxFaultKinds),
      payments: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('release' as const), which: fc.nat(9), as: fc.constantFrom('settled' as const, 'failed' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.nat(20_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delay' as const), ms: fc.nat(5000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fund' as const), node: name, sat: fc.nat(500) }) },
);

it('whatever happens, the books are balanced, an invoice is paid at most once, and no answer is taken back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      const clock = FixedClock.create();
      const sandbox = createSandboxNetwork({ clock, openingMsat: Amount.fromSat(1000), inboundMsat: Amount.fromSat(1000) });
      for (const node of names) await sandbox.openNode(node);
      const invoices: (CreatedInvoice & { readonly node: string })[] = [];
      const answers: { readonly node: string; readonly created: CreatedInvoice; kind?: string }[] = [];
      for (const one of steps) {
        if (one.kind === 'invoice') {
          const request = { amountMsat: Amount.fromSat(one.sat), description: '', expirySeconds: one.expirySeconds };
          const created = await sandbox
            .receiver(one.node)
            .createInvoice(request)
            .catch(() => undefined);
          if (created !== undefined) invoices.push({ ...created, node: one.node });
        } else if (one.kind === 'fault') await sandbox.setFault({ node: one.node, kind: one.fault, payments: one.payments });
        else if (one.kind === 'advance') clock.advance(one.ms);
        else if (one.kind === 'delay') await sandbox.setDelay(one.ms);
        else if (one.kind === 'fund') await sandbox.addFunds(one.node, { openingMsat: Amount.fromSat(one.sat), inboundMsat: Amount.fromSat(one.sat) });
        else {
          const created = invoices[one.which % Math.max(invoices.length, 1)];
          if (created === undefined) continue;
          if (one.kind === 'release') await sandbox.releasePayment(created.paymentHash, one.as);
          else {
            const answer: (typeof answers)[number] = { node: one.node, created };
            answers.push(answer);
            const paying = sandbox.payer(one.node).pay({ invoice: created.invoice, maxFeeMsat: Amount.fromSat(one.maxFeeSat), timeoutSeconds: 3 });
            paying.then(({ kind }) => {
              answer.kind = kind;
            });
          }
        }
        const audit = await sandbox.audit();
        expect(audit.balanced).toBe(true);
        expect(audit.spendableMsat + audit.heldMsat).toBe(audit.fundedMsat);
      }
      await sandbox.clearFaults();
      clock.advance(100_000);
      for (const { paymentHash } of (await sandbox.audit()).payments.filter(({ state }) => state === 'pending'))
        await sandbox.releasePayment(paymentHash, 'failed');
      const { balanced, heldMsat, payments } = await sandbox.audit();
      expect({ balanced, heldMsat }).toEqual({ balanced: true, heldMsat: 0n });
      for (const { paymentHash, node } of invoices) {
        const settled = payments.filter((payment) => payment.paymentHash === paymentHash && payment.state === 'settled');
        expect(settled.length).toBeLessThanOrEqual(1);
        const { kind } = await sandbox.receiver(node).lookupInvoice(paymentHash);
        expect(kind === 'paid').toBe(settled.length === 1);
      }
      for (const { node, created, kind } of answers) {
        const tracked = await sandbox.payer(node).trackPayment(created.paymentHash);
        if (kind === 'settled') expect(tracked.kind).toBe('settled');
      }
      await sandbox.close();
      expect(clock.timers()).toBe(0);
    }),
    { numRuns: 150 },
  );
}, 60_000);
