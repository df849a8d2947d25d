import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as Amount from '../../core/Amount.ts';
import * as Preimage from '../../core/Preimage.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import { makeOffer } from '../../testing/Offers.ts';
import * as Journal from '../Journal.ts';
import { createMemoryClientStore } from '../memory.ts';
import {
  createRateBook,
  fixedRate,
  formatCsv,
  formatJsonLines,
  listReceipts,
  type NotedRate,
  type PurchaseReceipt,
  parseJsonLines,
  receiptOf,
  redactReceipt,
  verifyReceipt,
} from '../receipts.ts';

const now = 1_800_000_000;

function settled(description = 'Translation', change: Partial<Journal.Payment> = {}): Journal.Payment {
  const offer = makeOffer(
    { amountMsat: Amount.fromSat(50), description, caveats: ['services=shop:0', 'shop_path=/v1/*', 'shop_method=GET', 'shop_terms=pass'] },
    now,
  );
  const purchase: Journal.Purchase = {
    paymentHash: offer.paymentHash,
    resource: 'r',
    origin: 'https://api.example.com',
    method: 'GET',
    path: '/v1/translate',
    scheme: 'L402',
    token: offer.token,
    invoice: offer.invoice,
    invoiceExpiresAt: now + 600,
    amountMsat: Amount.fromSat(50),
    payer: 'scripted',
    network: 'sandbox',
  };
  const reserved = Journal.from(purchase, { reservedMsat: Amount.fromSat(60), budgets: [], tags: [] }, { owner: '', leaseEndsAt: now }, now);
  return { ...reserved, state: 'redeemed', preimage: offer.preimage, spentMsat: Amount.fromSat(51), dispatchedAt: now, usable: true, ...change };
}

describe('a receipt', () => {
  it('says what was paid, for what, to whom, and holds what proves it', () => {
    const payment = settled();
    const receipt = receiptOf(payment, { currency: 'USD', perBitcoin: '67012.50' });
    expect(receipt).toMatchObject({
      paidAt: now,
      amountMsat: 50_000n,
      feeMsat: 1000n,
      fiat: { currency: 'USD', amount: '0.034176', rate: '67012.50' },
      method: 'GET',
      origin: 'https://api.example.com',
      path: '/v1/translate',
      bought: { description: 'Translation', services: ['shop'], terms: 'pass', methods: ['GET'], paths: ['/v1/*'], validUntil: undefined },
      outcome: 'answered',
      payer: 'scripted',
      network: 'sandbox',
      preimage: payment.preimage,
    });
    expect(receipt.payee).toMatch(/^0[23][0-9a-f]{64}$/);
    expect(Object.keys(receipt)).not.toContain('token');
    expect(() => receiptOf({ ...payment, preimage: undefined })).toThrow(TypeError);
  });

  it('is there for each payment that was made, and for no other', async () => {
    const store = createMemoryClientStore();
    const { state: _, ...purchase } = settled();
    const lease = { owner: 'one.1', leaseEndsAt: now + 15 };
    await store.reserve({ purchase, minFeeMsat: Amount.zero, maxFeeMsat: Amount.fromSat(10), budgets: [], tags: [], ...lease, nowAt: now } as never);
    expect(await listReceipts(store)).toEqual([]);
    await store.dispatch({ paymentHash: purchase.paymentHash, ...lease, nowAt: now });
    expect(await listReceipts(store)).toEqual([]);
    await store.step(purchase.paymentHash, { kind: 'settle', preimage: purchase.preimage as Preimage.Preimage, spentMsat: Amount.fromSat(51) }, now);
    const [receipt, ...others] = await listReceipts(store, { rate: fixedRate('EUR', '60000') });
    expect([receipt?.outcome, receipt?.fiat?.amount, others]).toEqual(['unanswered', '0.030600', []]);
    expect(await listReceipts(store, { since: now + 1 })).toEqual([]);
    expect(await listReceipts(store, { until: now })).toEqual([]);
  });
});

describe('the check of a receipt', () => {
  const receipt = receiptOf(settled());

  it('finds proven what the payee signed and the preimage opens', () => {
    const { paymentHash, payee } = receipt;
    expect(verifyReceipt(receipt)).toEqual({ kind: 'proven', paymentHash, amountMsat: 50_000n, payee, description: 'Translation', invoicedAt: now });
    expect(verifyReceipt(redactReceipt(receipt))).toMatchObject({ kind: 'unproven', missing: 'preimage' });
    expect(verifyReceipt({ ...receipt, invoice: '' })).toEqual({ kind: 'unproven', missing: 'invoice' });
  });

  const other = receiptOf(settled());
  it.each<[string, Partial<PurchaseReceipt>]>([
    ['another preimage', { preimage: other.preimage }],
    ['a preimage that is none', { preimage: 'x' as Preimage.Preimage }],
    ['another invoice', { invoice: other.invoice }],
    ['an invoice that was changed', { invoice: receipt.invoice.replace(/q/, 'p') }],
    ['another payment hash', { paymentHash: other.paymentHash, preimage: other.preimage }],
    ['a larger amount', { amountMsat: Amount.fromSat(51) }],
    ['another payee', { payee: other.payee === receipt.payee ? undefined : other.payee }],
    ['another network', { network: 'bitcoin' }],
    ['other words', { bought: { ...receipt.bought, description: 'Gold' } }],
  ])('finds false what has %s', (_, change) => {
    expect(verifyReceipt({ ...receipt, ...change }).kind).toBe('false');
  });
});

describe('an export', () => {
  const receipts = [
    receiptOf(settled('=HYPERLINK("http://evil.example","x")'), { currency: 'USD', perBitcoin: '1' }),
    receiptOf(settled('two\r\nlines, and "quotes"')),
  ];

  it('holds no preimage and no token unless it is asked to', () => {
    const texts = [formatCsv(receipts), formatJsonLines(receipts)];
    for (const text of texts) for (const { preimage } of receipts) expect(text).not.toContain(preimage);
    expect(formatCsv(receipts, { redacted: false })).toContain(receipts[0]?.preimage);
    expect(formatJsonLines(receipts, { redacted: false })).toContain(receipts[1]?.preimage);
  });

  it('as CSV is a table whose cells run nowhere', () => {
    const [head, first, second, ...rest] = formatCsv(receipts).split('\r\n');
    expect(head?.split(',').slice(0, 4)).toEqual(['paid_at', 'amount_msat', 'fee_msat', 'fiat_amount']);
    expect(first).toContain(`"'=HYPERLINK(""http://evil.example"",""x"")"`);
    expect(second).toContain('"two lines, and ""quotes"""');
    expect(rest).toEqual(['']);
    for (const text of ['=1', '+1', '-1', '@x', ' =1', '\t=1', '＝1', '\u00a0-1']) {
      const cell = formatCsv([{ ...(receipts[0] as PurchaseReceipt), path: text }]);
      expect(cell).toMatch(/,"?'/);
    }
  });

  it('as lines of JSON is read back as it was', () => {
    expect(parseJsonLines(formatJsonLines(receipts, { redacted: false }))).toEqual(receipts);
    expect(parseJsonLines(`\n${formatJsonLines(receipts)}\n`)).toEqual(receipts.map(redactReceipt));
  });

  it('as lines of JSON steers no terminal that it is shown on', () => {
    const said = [receiptOf(settled('a\u001b[2J\u009b2J\u202e\u{e0001}z ü'))];
    expect(formatJsonLines(said)).toContain('a\\u001b[2J\\u009b2J\\u202e\\udb40\\udc01z ü');
    expect(parseJsonLines(formatJsonLines(said, { redacted: false }))).toEqual(said);
  });

  it('that was damaged is refused with the line', () => {
    const line = formatJsonLines(receipts).split('\n')[0] as string;
    for (const wrong of [
      '{',
      '[]',
      'null',
      line.replace('"50000"', '50000'),
      line.replace('"bought":{', '"bought":1,"x":{'),
      line.replace('answered', 'eaten'),
    ]) {
      expect(() => parseJsonLines(`${line}\n${wrong}`)).toThrow(
        expect.objectContaining({ code: 'RECEIPT_MALFORMED', message: expect.stringMatching(/^Line 2 /) }),
      );
    }
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.nat(line.length).map((at) => line.slice(0, at) + line.slice(at + 1)),
        ),
        (text) => {
          try {
            parseJsonLines(text);
          } catch (error) {
            expect(error).toMatchObject({ code: 'RECEIPT_MALFORMED' });
          }
        },
      ),
    );
  });
});

describe('a book of rates', () => {
  it('asks at each payment, and knows no rate an hour away', async () => {
    const clock = FixedClock.create(now);
    const kept: NotedRate[] = [];
    let answers: string[] = ['60000', 'nonsense', '61000.5'];
    const book = createRateBook({ currency: 'USD', ask: () => answers.shift() as string, keep: (one) => kept.push(one), clock });
    const paid = { kind: 'paid', paymentHash: Preimage.parseHash('ab'.repeat(32)), amountMsat: 1n, feeMsat: 0n, overshoot: false } as const;
    for (let i = 0; i < 3; i++) {
      book.onEvent({ ...paid, kind: 'waiting', why: 'server', ms: 1 });
      book.onEvent(paid);
      await book.settled();
      clock.advance(3_000_000);
    }
    expect(kept).toEqual([
      { currency: 'USD', perBitcoin: '60000', at: now },
      { currency: 'USD', perBitcoin: '61000.5', at: now + 6000 },
    ]);
    expect(await book.source(now + 10)).toMatchObject({ perBitcoin: '60000' });
    expect(await book.source(now + 3001)).toMatchObject({ perBitcoin: '61000.5' });
    expect(await book.source(now + 6000 + 3601)).toBeUndefined();
    answers = [];
    const again = createRateBook({ currency: 'USD', ask: () => '1', kept });
    expect(await again.source(now)).toMatchObject({ perBitcoin: '60000' });
  });

  it('takes no rate that is none', () => {
    for (const rate of ['', '1e5', '-1', '01', '1.123456789', 'NaN']) expect(() => fixedRate('USD', rate)).toThrow(RangeError);
    for (const currency of ['', 'usd', '=USD', 'DOLLARS']) expect(() => fixedRate(currency, '1')).toThrow(RangeError);
  });
});
