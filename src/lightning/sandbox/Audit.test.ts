import { describe, expect, it } from 'vitest';
import * as Amount from '../../core/Amount.ts';
import * as Preimage from '../../core/Preimage.ts';
import { audit } from './Audit.ts';
import { type Books, type NodeRow, openBooks } from './Books.ts';

const sat = (value: number) => Amount.fromSat(value);
const paymentHash = Preimage.parseHash('ab'.repeat(32));

function node(name: string, change: Partial<NodeRow> = {}): NodeRow {
  const amounts = { openedMsat: sat(100), capacityMsat: sat(300), localMsat: sat(100), remoteMsat: sat(200) };
  return { name, secretKey: new Uint8Array(32), nodeId: '02', ...amounts, ...change };
}

/** Two nodes, and a payment of 10 sat with a fee of 1 sat from ann to bob that the channels know of. */
function write(state: 'pending' | 'settled' | 'failed', change: (books: Books) => void = () => {}): Books {
  const books = openBooks(':memory:', '00');
  const ann = { pending: { localMsat: sat(89) }, settled: { localMsat: sat(89), remoteMsat: sat(211) }, failed: {} }[state];
  const bob = { pending: { remoteMsat: sat(190) }, settled: { localMsat: sat(110), remoteMsat: sat(190) }, failed: {} }[state];
  books.addNode(node('hub', { openedMsat: Amount.zero, capacityMsat: Amount.zero, localMsat: Amount.zero, remoteMsat: Amount.zero }));
  books.addNode(node('ann', ann));
  books.addNode(node('bob', bob));
  const payment = { paymentHash, payer: 'ann', payee: 'bob', amountMsat: sat(10), feeMsat: state === 'failed' ? Amount.zero : sat(1), state, startedAt: 5 };
  books.addPayment({ ...payment, reason: undefined, message: undefined, fault: undefined, dueMs: undefined, endedAt: undefined });
  change(books);
  return books;
}

describe('the books add up', () => {
  it('under way: the payer holds amount and fee, the hub the amount', () => {
    expect(audit(write('pending'))).toMatchObject({
      balanced: true,
      fundedMsat: 600_000n,
      heldMsat: 21_000n,
      feesMsat: 0n,
      nodes: [
        { name: 'hub', spendableMsat: 390_000n, heldMsat: 10_000n, receivedMsat: 0n },
        { name: 'ann', spendableMsat: 89_000n, heldMsat: 11_000n, sentMsat: 0n },
        { name: 'bob', heldMsat: 0n, receivableMsat: 190_000n },
      ],
    });
  });

  it('settled, and failed', () => {
    expect(audit(write('settled'))).toMatchObject({
      balanced: true,
      heldMsat: 0n,
      feesMsat: 1000n,
      nodes: [{ spendableMsat: 401_000n, receivedMsat: 1000n }, { sentMsat: 10_000n, feesPaidMsat: 1000n }, { receivedMsat: 10_000n }],
    });
    expect(audit(write('failed'))).toMatchObject({ balanced: true, heldMsat: 0n, feesMsat: 0n });
  });
});

describe('the books do not add up', () => {
  it('where money is too much, too little, or with somebody else', () => {
    for (const change of [
      { localMsat: sat(111) },
      { localMsat: sat(109) },
      { remoteMsat: sat(191) },
      { localMsat: sat(109), remoteMsat: sat(191) },
      { openedMsat: sat(99) },
      { capacityMsat: sat(301) },
    ]) {
      const books = write('settled', (all) => all.updateNode(node('bob', { localMsat: sat(110), remoteMsat: sat(190), ...change })));
      expect({ change, balanced: audit(books).balanced }).toEqual({ change, balanced: false });
    }
  });

  it('where a payment is not one that the channels know of', () => {
    const payment = { paymentHash, payer: 'ann', payee: 'bob', amountMsat: sat(1), feeMsat: Amount.zero, startedAt: 5 };
    const nothing = { reason: undefined, message: undefined, fault: undefined, dueMs: undefined, endedAt: undefined };
    for (const state of ['pending', 'settled'] as const) {
      expect(audit(write('settled', (books) => books.addPayment({ ...payment, ...nothing, state }))).balanced).toBe(false);
    }
  });
});
