import { expect, test } from 'vitest';
import * as Amount from '../core/Amount.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import { checkLots, type Lot } from './accountLife.ts';
import * as Books from './Books.ts';
import * as LedgerSums from './ledgerSums.ts';
import type { AccountStanding, BookStanding, ClaimStanding, PaymentStanding, ReservationStanding, Standing } from './Standing.ts';
import type { LedgerRow } from './Store.ts';

const at = 1_800_000_000;
const hash = 'ab'.repeat(32);

const entry = (kind: LedgerRow['kind'], change: Partial<LedgerRow> = {}): LedgerRow => ({
  kind,
  seq: 1,
  paymentHash: hash as PaymentHash,
  nonce: kind === 'received' ? '' : '1',
  amountMsat: Amount.fromSat(50),
  service: 'translate',
  route: 'GET /translate',
  at,
  note: '',
  ...change,
});
const claim = (change: Partial<ClaimStanding> = {}): ClaimStanding => ({
  state: 'used',
  amountMsat: 50_000n,
  leaseEndsAt: undefined,
  expiresAt: at + 1000,
  committedAt: at,
  ...change,
});
const payment = (change: Partial<PaymentStanding> = {}): PaymentStanding => ({
  kind: 'payment',
  paymentHash: hash,
  entries: [entry('received'), entry('earned')],
  claims: [claim()],
  credits: [],
  ...change,
});

/** A store's books, with the sums that its payments make. */
async function* audit(standings: readonly Standing[], change: Partial<BookStanding> = {}): AsyncGenerator<Standing> {
  const sums = standings
    .flatMap((one) => (one.kind === 'payment' ? one.entries : []))
    .reduce<LedgerSums.LedgerSums>((total, row) => LedgerSums.add(total, row), LedgerSums.none);
  yield { kind: 'book', at, seq: 100, sums, untiedSeq: 0, untiedUntil: 0, ...change };
  yield* standings;
}

async function found(standing: Standing): Promise<readonly string[]> {
  const { discrepancies, balanced } = await Books.verify(audit([standing]));
  expect(balanced).toBe(discrepancies.length === 0);
  return discrepancies.map(({ kind, sentence }) => `${kind}: ${sentence.replace(hash, '<hash>')}`);
}

test('an empty store balances', async () => {
  const verdict = await Books.verify(audit([]));
  expect(verdict).toMatchObject({
    balanced: true,
    at,
    found: 0,
    untied: 0,
    node: { kind: 'not-asked' },
    columns: { received: { amountMsat: 0n, payments: 0 } },
  });
});

test("a wallet's word that a payment arrived holds nothing: it is held against what was received, and is all there is of one that nobody presented", async () => {
  const arrived = (amountMsat: bigint) => entry('settled', { nonce: '', amountMsat: Amount.fromMsat(amountMsat), note: 'lnd', service: 'other' });
  expect(await found(payment({ entries: [arrived(50_000n), entry('received'), entry('earned')] }))).toEqual([]);
  expect(await found(payment({ entries: [arrived(60_000n), entry('received'), entry('earned')] }))).toEqual([]);
  expect(await found(payment({ entries: [arrived(50_000n)], claims: [] }))).toEqual([]);
  expect(await found(payment({ entries: [arrived(50_000n), entry('earned')] }))).toEqual([
    'unreceived: Payment <hash>: the ledger has "earned" 50 sat, and never received it.',
  ]);
  expect(await found(payment({ entries: [arrived(49_999n), entry('received'), entry('earned')] }))).toEqual([
    'amount-differs: Payment <hash>: its wallet said that 49999 msat arrived, and 50 sat were received.',
  ]);
  const { columns } = await Books.verify(audit([payment({ entries: [arrived(50_000n)], claims: [] })]));
  expect(columns.received).toEqual({ amountMsat: 0n, payments: 0 });
});

test.each<readonly [string, Partial<PaymentStanding>, string]>([
  ['earned, and never received', { entries: [entry('earned')] }, 'unreceived: Payment <hash>: the ledger has "earned" 50 sat, and never received it.'],
  ['claimed, and never received', { entries: [] }, 'unreceived: Payment <hash>: its claim holds 50 sat, and the ledger never received it.'],
  [
    'received twice',
    { entries: [entry('received'), entry('received', { nonce: '2' }), entry('earned')], claims: [claim({ amountMsat: 100_000n })] },
    'received-twice: Payment <hash>: it was received 2 times.',
  ],
  [
    'received, and held by nothing',
    { entries: [entry('received')], claims: [] },
    'unaccounted: Payment <hash>: 50 sat were received, and no claim, account or pass says what became of it.',
  ],
  [
    'sold as a pass is, and repeated as none is',
    { entries: [entry('received'), entry('earned', { nonce: '' }), entry('repeated')], claims: [] },
    'unaccounted: Payment <hash>: 50 sat were received, and no claim, account or pass says what became of it.',
  ],
  [
    'claimed twice',
    { claims: [claim(), claim({ state: 'open', committedAt: 0 })] },
    'held-twice: Payment <hash>: 50 sat were received once, and it has a claim over 50 sat and a claim over 50 sat.',
  ],
  [
    'claimed, and ended before',
    { closing: { kind: 'claim', amountMsat: 50_000n, earnedMsat: 50_000n } },
    'held-twice: Payment <hash>: 50 sat were received once, and it has a claim over 50 sat and a forgotten claim over 50 sat.',
  ],
  [
    'another amount earned',
    { entries: [entry('received'), entry('earned', { amountMsat: Amount.fromMsat(50_001n) })] },
    'amount-differs: Payment <hash>: 50 sat were received, and its "earned" is over 50001 msat.',
  ],
  [
    'another amount claimed',
    { claims: [claim({ amountMsat: 49_999n })] },
    'amount-differs: Payment <hash>: 50 sat were received, and its claim is over 49999 msat.',
  ],
  [
    'another service',
    { entries: [entry('received'), entry('earned', { service: 'speak' })] },
    'service-differs: Payment <hash>: it was received for "translate", and its "earned" is for "speak".',
  ],
  [
    'earned, and given back by its claim',
    { claims: [claim({ state: 'open', committedAt: 0 })] },
    'earned-unused: Payment <hash>: the ledger earned 50 sat of it, and by its claim 0 sat were used.',
  ],
  [
    'used, and never earned',
    { entries: [entry('received')] },
    'used-unearned: Payment <hash>: the ledger earned 0 sat of it, and by its claim 50 sat were used.',
  ],
  [
    'earned twice as a pass',
    { entries: [entry('received'), entry('earned', { nonce: '' }), entry('earned', { nonce: 'more' })], claims: [] },
    'earned-twice: Payment <hash>: it bought one thing, and was earned 2 times.',
  ],
  [
    'reversed, and never earned',
    { entries: [entry('received'), entry('reversed')], claims: [claim({ state: 'open', committedAt: 0 })] },
    'reversed-unearned: Payment <hash>: more of it was reversed than earned.',
  ],
  [
    'repeated, and never earned',
    { entries: [entry('received'), entry('repeated')], claims: [claim({ state: 'open', committedAt: 0 })] },
    'repeated-unearned: Payment <hash>: its answer was repeated, and never earned.',
  ],
  [
    'less than nothing',
    { entries: [entry('received', { amountMsat: -5000n as Amount.Msat })], claims: [claim({ amountMsat: -5000n, state: 'open', committedAt: 0 })] },
    'negative: Payment <hash>: its "received" is over -5 sat: less than nothing.',
  ],
  [
    'a claim that no step leaves',
    { claims: [claim({ leaseEndsAt: at + 5 })] },
    'claim-broken: Payment <hash>: its claim is "used", committed before, with a lease: no step leaves it so.',
  ],
])('%s', async (_, change, sentence) => {
  expect(await found(payment(change))).toContain(sentence);
});

test('a payment that is whole says nothing, whatever it is at', async () => {
  const open = { state: 'open', committedAt: 0 } as const;
  const all: readonly Partial<PaymentStanding>[] = [
    {},
    { entries: [entry('received')], claims: [claim(open)] },
    { entries: [entry('received')], claims: [claim({ ...open, state: 'held', leaseEndsAt: at + 5 })] },
    { entries: [entry('received'), entry('earned'), entry('reversed'), entry('earned', { nonce: '2' }), entry('repeated', { nonce: '3' })] },
    { entries: [entry('received'), entry('earned', { nonce: '' })], claims: [] },
    { claims: [], closing: { kind: 'claim', amountMsat: 50_000n, earnedMsat: 50_000n } },
  ];
  for (const change of all) expect(await found(payment(change))).toEqual([]);
});

const account = (change: Partial<AccountStanding> = {}): AccountStanding => ({
  kind: 'account',
  account: 'a',
  balance: { units: 50n, spent: 20n, reserved: 5n },
  lots: { units: 50n, spent: 20n },
  sources: [],
  lotsExpireAt: at + 1000,
  brokenLots: [],
  debited: 20n,
  ...change,
});

test('an account is what its lots and its debits make it', async () => {
  const told = async (change: Partial<AccountStanding>) => (await found(account(change))).map((one) => one.replace('account-unbalanced: Account "a": ', ''));
  expect(await told({})).toEqual([]);
  expect(await told({ lots: { units: 49n, spent: 20n } })).toEqual(['it says 50 units credited, and its lots are 49.']);
  expect(await told({ lots: { units: 50n, spent: 19n } })).toEqual(['it says 20 units spent, and of its lots 19 are.']);
  expect(await told({ debited: 19n })).toEqual(['it says 20 units spent, and its debits have spent 19.']);
  expect(await told({ balance: { units: 50n, spent: 20n, reserved: 31n } })).toEqual(['50 units were credited, and 51 are spent or reserved.']);
  const negative = { balance: { units: 50n, spent: -1n, reserved: 0n }, lots: { units: 50n, spent: -1n }, debited: -1n };
  expect(await told(negative)).toEqual(['-1 units spent and 0 reserved: less than nothing.']);
  expect(await told({ brokenLots: ['one'] })).toEqual(['its lot "one" has earned or spent what it cannot have.']);
});

test.each<[string, Partial<Lot>, boolean]>([
  ['untouched', {}, true],
  ['partly spent', { spent: 2n, earnedMsat: 7n }, true],
  ['spent', { spent: 5n, earnedMsat: 10n }, true],
  ['of no payment', { paymentHash: undefined, paidMsat: 0n, spent: 2n }, true],
  ['spent beyond what is in it', { spent: 6n, earnedMsat: 10n }, false],
  ['that has earned more than was paid', { spent: 4n, earnedMsat: 11n }, false],
  ['that has earned, and nothing of it is spent', { earnedMsat: 1n }, false],
  ['that is spent, and has not earned it all', { spent: 5n, earnedMsat: 9n }, false],
  ['less than nothing', { units: -1n }, false],
  ['of no payment that was paid for', { paymentHash: undefined }, false],
])('a lot %s can be: %s', (_, change, canBe) => {
  const lot: Lot = { source: 'one', units: 5n, spent: 0n, paidMsat: 10n, earnedMsat: 0n, paymentHash: hash, expiresAt: at, ...change };
  expect(checkLots([lot]).brokenLots).toEqual(canBe ? [] : ['one']);
});

test('an account that is gone is missed until its lots have expired, and an hour longer', async () => {
  const gone = { balance: undefined, debited: 0n };
  expect(await found(account(gone))).toEqual(['account-unbalanced: Account "a": 50 units were credited to it that have not expired, and it is gone.']);
  expect(await found(account({ ...gone, lotsExpireAt: at - 3599 }))).toHaveLength(1);
  expect(await found(account({ ...gone, lotsExpireAt: at - 3600 }))).toEqual([]);
});

test('a reservation is what its debits make it', async () => {
  const debit = { account: 'a', units: 5n, spent: 0n, heldUntil: at + 30 };
  const held: ReservationStanding = { kind: 'reservation', reservation: 'r', life: { state: 'held', units: 5n, leaseEndsAt: at + 30 }, debits: [debit] };
  expect(await found(held)).toEqual([]);
  const broken: readonly Partial<ReservationStanding>[] = [
    { life: undefined },
    { debits: [] },
    { debits: [debit, { ...debit, account: 'b' }] },
    { debits: [{ ...debit, spent: 1n }] },
    { debits: [{ ...debit, heldUntil: undefined }] },
    { debits: [{ ...debit, units: -1n }], life: { state: 'held', units: -1n, leaseEndsAt: at + 30 } },
    { life: { state: 'settled', units: 5n, leaseEndsAt: at + 30 } },
    { life: { state: 'reversed', units: 5n, leaseEndsAt: at + 30 }, debits: [{ ...debit, spent: 1n, heldUntil: undefined }] },
    { debits: [{ ...debit, spent: -1n }] },
  ];
  for (const change of broken) expect(await found({ ...held, ...change })).toHaveLength(1);
});

test('the sums beside the ledger are those of its entries', async () => {
  const wrong = { ...LedgerSums.add(LedgerSums.add(LedgerSums.none, entry('received')), entry('earned')), receivedMsat: 49_000n, repeated: 1 };
  const { discrepancies } = await Books.verify(audit([payment({ entries: [entry('received'), entry('earned', { seq: 101 })] })], { sums: wrong }));
  expect(discrepancies.map(({ sentence }) => sentence)).toEqual([
    'The totals say "received" 49 sat in all; the ledger\'s entries say 50 sat.',
    'The totals say "repeated" 1 entries in all; the ledger\'s entries say 0.',
    'The totals go up to entry 100; the ledger up to 101.',
  ]);
});

test('of an older version, payments without a claim are counted by the ledger alone: unspent until the last claim of then expires', async () => {
  const old = [payment({ claims: [] }), payment({ paymentHash: 'cd'.repeat(32), entries: [entry('received', { seq: 7 })], claims: [] })];
  const standing = { untiedSeq: 7, untiedUntil: at + 1 };
  const before = await Books.verify(audit(old, standing));
  expect(before).toMatchObject({ balanced: true, untied: 2, columns: { earned: { amountMsat: 50_000n }, unspent: { amountMsat: 50_000n } } });
  const after = await Books.verify(audit(old, { ...standing, untiedUntil: at }));
  expect(after).toMatchObject({ balanced: true, untied: 2, columns: { expired: { amountMsat: 50_000n } } });
  expect(await Books.verify(audit(old, { ...standing, untiedSeq: 6 }))).toMatchObject({ balanced: false, untied: 1, found: 1 });
});

test('every discrepancy is counted, and the first are told', async () => {
  const all = Array.from({ length: 30 }, () => payment({ claims: [] }));
  const { found, discrepancies } = await Books.verify(audit(all), { limit: 20 });
  expect([found, discrepancies.length]).toEqual([30, 20]);
});

test('books that do not begin with the sums are nobody’s', async () => {
  async function* headless(): AsyncGenerator<Standing> {
    yield payment();
  }
  await expect(Books.verify(headless())).rejects.toThrow(TypeError);
  await expect(Books.verify((async function* () {})())).rejects.toThrow(TypeError);
});

const other = 'cd'.repeat(32);
const nodeBook = (change: Partial<Books.NodeBook> = {}): Books.NodeBook => ({
  name: 'sandbox',
  balanced: true,
  settlements: [
    { paymentHash: hash, amountMsat: 50_000n, settledAt: at },
    { paymentHash: other, amountMsat: 70_000n, settledAt: at },
  ],
  ...change,
});

test('the node agrees where it settled what was received; what was never presented is no discrepancy', async () => {
  const { balanced, node } = await Books.verify(audit([payment()]), { askNode: async () => nodeBook() });
  expect([balanced, node]).toEqual([
    true,
    { kind: 'compared', agrees: true, settled: 1, unpresented: [{ paymentHash: other, amountMsat: 70_000n, settledAt: at }] },
  ]);
});

test.each<readonly [string, Partial<Books.NodeBook>, string]>([
  ['settled nothing', { settlements: [] }, `Payment ${hash}: the ledger received 50 sat, and the sandbox has settled no such payment.`],
  [
    'settled less',
    { settlements: [{ paymentHash: hash, amountMsat: 49_999n, settledAt: at }] },
    `Payment ${hash}: the ledger received 50 sat, and the sandbox settled 49999 msat.`,
  ],
  ['does not balance itself', { balanced: false }, "The sandbox's own books do not balance."],
])('a node that %s does not agree', async (_, change, sentence) => {
  const { balanced, discrepancies, node } = await Books.verify(audit([payment()]), { askNode: async () => nodeBook(change) });
  expect([balanced, discrepancies.map((one) => one.sentence), node]).toEqual([false, [sentence], expect.objectContaining({ kind: 'compared', agrees: false })]);
});

test('a node that could not be asked is not known to agree', async () => {
  const { balanced, node } = await Books.verify(audit([payment()]), { askNode: async () => undefined });
  expect([balanced, node]).toEqual([true, { kind: 'unknown' }]);
});

test('the node is asked after the moment that the books are of', async () => {
  const order: string[] = [];
  async function* told(): AsyncGenerator<Standing> {
    for await (const standing of audit([payment()])) {
      order.push(standing.kind);
      yield standing;
    }
  }
  await Books.verify(told(), {
    askNode: async () => {
      order.push('node');
      return nodeBook();
    },
  });
  expect(order).toEqual(['book', 'node', 'payment']);
});
