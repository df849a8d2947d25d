import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import * as Amount from '../core/Amount.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import { byTime, type Listed } from './Watching.ts';

const startAt = 1_800_000_000;
const signal = new AbortController().signal;

/** A wallet that lists what it was paid by time, the newest first. */
function createWallet(pageLength: number) {
  const all: Listed[] = [];
  const settlements = byTime('the wallet', async ({ offset }) => {
    const entries = all.toSorted((a, b) => b.settledAt - a.settledAt).slice(offset, offset + pageLength);
    return { listed: entries, length: entries.length, isLast: entries.length < pageLength };
  });
  const settle = (name: number, settledAt: number) => {
    const paymentHash = name.toString(16).padStart(12, '0').padEnd(64, 'f') as PaymentHash;
    all.push({ paymentHash, amountMsat: Amount.fromSat(50), settledAt, description: undefined });
  };
  return { settle, settlements };
}

const nameOf = ({ paymentHash }: { readonly paymentHash: string }) => Number.parseInt(paymentHash.slice(0, 12), 16);

it('whatever settles when, and wherever one goes on: nothing twice, nothing left out', async () => {
  // Each is written down at most ten seconds after another that settled later.
  const steps = fc.array(fc.record({ later: fc.nat(30), early: fc.nat(10), count: fc.integer({ min: 1, max: 4 }), goesBack: fc.boolean() }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 1, max: 7 }), async (all, pageLength) => {
      const { settle, settlements } = createWallet(pageLength);
      let cursor = await settlements.begin(signal);
      const told: number[] = [];
      let [at, name] = [startAt, 0];
      for (const { later, early, count, goesBack } of all) {
        at += later;
        for (let one = 0; one < count; one++) settle(++name, one === 0 ? at : at - early);
        const page = (await settlements.read(cursor, signal)).settlements;
        // Whoever stops half-way begins again behind what it had.
        const kept = page.slice(0, goesBack ? page.length >> 1 : page.length);
        told.push(...kept.map(nameOf));
        cursor = kept.at(-1)?.cursor ?? cursor;
      }
      told.push(...(await settlements.read(cursor, signal)).settlements.map(nameOf));
      expect(told.toSorted((a, b) => a - b)).toEqual(Array.from({ length: name }, (_, index) => index + 1));
    }),
  );
});
