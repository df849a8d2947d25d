/**
 * What a wallet's answers are taken for, where taking them for something else would lose money. `test/lightning` has the contract, and
 * `nwc/Wallet.test.ts` what relays may do.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { openScene as open, type Scene, type SceneOptions, until } from '../../test/lightning/nwc/Scene.ts';
import { type Asked, no, type Said } from '../../test/lightning/nwc/WalletService.ts';
import * as Amount from '../core/Amount.ts';
import * as Preimage from '../core/Preimage.ts';
import type { Event } from './nwc/Event.ts';

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const preimage = Preimage.fromBytes(new Uint8Array(32).fill(3));
const paymentHash = Preimage.hash(preimage);
const notFound = no('NOT_FOUND', 'not found');

type Answers = Readonly<Record<string, Said | string | null | ((asked: Asked) => Said | null)>>;

/** A wallet that answers some methods so. */
const openScene = (answers: Answers = {}, options: SceneOptions = {}) =>
  open(closing, {
    ...options,
    instead: async (asked) => {
      const answer = answers[asked.method];
      return typeof answer === 'function' ? answer(asked) : answer;
    },
  });

const sent = (more: object = {}) => ({
  type: 'outgoing',
  state: 'settled',
  preimage,
  payment_hash: paymentHash,
  amount: 50_000,
  fees_paid: 7,
  created_at: 1,
  ...more,
});
const arrived = (more: object = {}) => ({
  type: 'incoming',
  state: 'settled',
  payment_hash: paymentHash,
  amount: 50_000,
  created_at: 1,
  settled_at: 5,
  expires_at: 9,
  ...more,
});
const found = (more: object = {}): Said => ({ result: sent(more) });
const listed = (...transactions: readonly object[]): Said => ({ result: { transactions } });

describe('a payer', () => {
  /** Pays an invoice of a seller who has nothing to do with the wallet. */
  async function pay(scene: Scene, maxFeeMsat = Amount.fromSat(10)) {
    const { text, paymentHash: hash } = await scene.seller.create(50_000n, 'x', 600);
    const outcome = await scene.payer().pay({ invoice: text, maxFeeMsat, timeoutSeconds: 60 });
    return { hash, outcome };
  }

  const buying = (answers: Answers = {}, options: SceneOptions = {}) => openScene(answers, { of: 'buyer', ...options });

  const certain = ['RATE_LIMITED', 'NOT_IMPLEMENTED', 'INSUFFICIENT_BALANCE', 'QUOTA_EXCEEDED', 'RESTRICTED', 'UNAUTHORIZED', 'UNSUPPORTED_ENCRYPTION'];
  const uncertain = ['PAYMENT_FAILED', 'INTERNAL', 'OTHER', 'BAD_REQUEST', 'NEVER_HEARD_OF', 'lower case', ''];

  test.each(certain)('takes %s for a no where the wallet can say nothing more', async (code) => {
    for (const lookup of [no('NOT_IMPLEMENTED', ''), no('INTERNAL', ''), no(code, '')]) {
      const { outcome } = await pay(await buying({ pay_invoice: no(code, 'because'), lookup_invoice: lookup }));
      expect(outcome).toMatchObject({ kind: 'failed', message: expect.stringContaining('because') });
    }
  });

  test.each(uncertain)('takes "%s" for no no: what became of the payment is not known where the wallet can say nothing more', async (code) => {
    for (const lookup of [no('NOT_IMPLEMENTED', ''), no('INTERNAL', ''), null]) {
      const scene = await buying({ pay_invoice: no(code, 'timeout'), lookup_invoice: lookup });
      const paying = pay(scene);
      if (lookup === null) {
        await scene.asked(2);
        scene.clock.advance(60_000);
      }
      expect((await paying).outcome.kind).toBe('unknown');
    }
  });

  test.each([...certain, ...uncertain])('believes its books more than the error "%s"', async (code) => {
    const books = (state: string, more = {}): Answers => ({
      pay_invoice: no(code, 'because'),
      lookup_invoice: ({ params }) => found({ payment_hash: params.payment_hash, state, ...more }),
    });
    expect((await pay(await buying(books('pending')))).outcome.kind).toBe('unknown');
    expect((await pay(await buying(books('settled', { preimage: '' })))).outcome.kind).toBe('unknown');
    expect((await pay(await buying(books('failed')))).outcome).toMatchObject({ kind: 'failed', message: expect.stringContaining('because') });
    expect((await pay(await buying({ pay_invoice: no(code, 'because') }))).outcome).toMatchObject({ kind: 'failed' });
  });

  test.each<[string, string, string]>([
    ['INSUFFICIENT_BALANCE', 'x', 'balance'],
    ['QUOTA_EXCEEDED', 'x', 'balance'],
    ['OTHER', 'this invoice has expired', 'expired'],
    ['PAYMENT_FAILED', 'no route', 'no-route'],
    ['PAYMENT_FAILED', 'FAILURE_REASON_NO_ROUTE', 'no-route'],
    ['INTERNAL', 'not enough funds', 'balance'],
    ['OTHER', 'amount is below the minimum of 1 sat', 'too-small'],
    ['PAYMENT_FAILED', 'Payment amount too large', 'too-large'],
    ['OTHER', 'x', 'rejected'],
  ])('says why: %s, %s', async (code, words, reason) => {
    expect((await pay(await buying({ pay_invoice: no(code, words) }))).outcome).toMatchObject({ kind: 'failed', reason });
  });

  test('tells what it cost: by the answer, else by the books, else by what was set aside', async () => {
    const invoice = await invoiceFor();
    for (const [more, lookup, feeMsat] of [
      [{ fees_paid: 3 }, found(), 3n],
      [{ fees_paid: 0 }, found(), 0n],
      [{}, found(), 7n],
      [{}, found({ fees_paid: undefined }), 10_000n],
      [{}, notFound, 10_000n],
      [{}, no('INTERNAL', ''), 10_000n],
    ] as const) {
      const scene = await buying({ pay_invoice: { result: { preimage, ...more } }, lookup_invoice: lookup });
      const outcome = await scene.payer().pay({ invoice, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 60 });
      expect(outcome).toEqual({ kind: 'settled', preimage, amountMsat: 50_000n, feeMsat });
    }
  });

  test.each<[string, Said | string]>([
    ['no preimage', { result: {} }],
    ['an empty one', { result: { preimage: '' } }],
    ['one that proves something else', { result: { preimage: 'ab'.repeat(32) } }],
    ['one that is none', { result: { preimage: 'x' } }],
  ])('is not told that it has paid by %s', async (_, answer) => {
    expect((await pay(await buying({ pay_invoice: answer }))).outcome.kind).toBe('unknown');
  });

  test('asks again what became of a payment whose answer cannot be read', async () => {
    const invoice = await invoiceFor();
    const outcomes: object[] = [];
    for (const lookup of [found(), found({ state: 'failed' }), notFound]) {
      const scene = await buying({ pay_invoice: '<html>', lookup_invoice: lookup });
      outcomes.push(await scene.payer().pay({ invoice, maxFeeMsat: Amount.zero, timeoutSeconds: 60 }));
    }
    expect(outcomes).toMatchObject([{ kind: 'settled' }, { kind: 'failed' }, { kind: 'unknown', message: expect.stringContaining('may still get it') }]);
  });

  test('hears the end of a payment over a connection that was made anew', async () => {
    const scene = await buying();
    await scene.service.setSlow(true);
    const paying = pay(scene);
    await until(() => scene.service.worked.length === 1);
    scene.relays[0].drop();
    await until(() => scene.relays[0].waited() === 2);
    await scene.service.setSlow(false);
    expect((await paying).outcome.kind).toBe('settled');
  });

  test('notices that a connection is there no more, and gives the same order over a new one', async () => {
    const scene = await buying();
    const payer = scene.payer();
    const { text } = await scene.seller.create(50_000n, 'x', 600);
    await payer.balance();
    const [relay] = scene.relays;
    relay.lie({ isDeaf: true });
    const paying = payer.pay({ invoice: text, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 60 });
    await until(() => relay.unheard() === 1);
    relay.lie({});
    scene.clock.advance(10_000);
    expect((await paying).kind).toBe('settled');
    expect(scene.service.worked.map(({ method }) => method)).toEqual(['get_balance', 'pay_invoice']);
  });

  test('asks for the end of a payment whose answer was lost', async () => {
    const scene = await buying();
    const [relay] = scene.relays;
    relay.lie({ carry: ({ kind }) => (kind === 23195 ? [] : undefined) });
    const paying = pay(scene);
    await until(() => relay.handed.some(({ kind }) => kind === 23195));
    relay.lie({});
    for (let waited = 1; waited <= 4; waited++) {
      await until(() => relay.waited() === waited);
      relay.drop();
    }
    expect((await paying).outcome).toMatchObject({ kind: 'settled', amountMsat: 50_000n });
    expect(scene.service.worked.map(({ method }) => method)).toEqual(['pay_invoice', 'lookup_invoice']);
  });

  test('asks once, however many relays there are, and the wallet is told one thing', async () => {
    const scene = await buying({}, { relayCount: 3 });
    expect((await pay(scene)).outcome.kind).toBe('settled');
    const orders = scene.service.worked.filter(({ method }) => method === 'pay_invoice');
    expect(orders).toHaveLength(1);
  });

  test('has sent nothing where no relay can be reached, takes the order, or has the wallet’s info', async () => {
    const refuse = { verdict: ({ kind }: Event) => (kind === 23194 ? { isTaken: false, why: 'blocked: no' } : undefined) };
    const refused = await buying();
    refused.relays[0].lie(refuse);
    expect((await pay(refused)).outcome).toMatchObject({ kind: 'failed', message: expect.stringMatching(/^The payment was not sent.*blocked: no/) });
    const unknown = await buying({}, { walletOn: [] });
    expect((await pay(unknown)).outcome).toMatchObject({ kind: 'failed', message: expect.stringContaining('info event') });
    const lacking = await buying({}, { without: ['pay_invoice'] });
    expect((await pay(lacking)).outcome).toMatchObject({ kind: 'failed', message: expect.stringContaining('does not offer pay_invoice') });
    const down = await buying();
    await down.relays[0].setDown(true);
    expect((await pay(down)).outcome).toMatchObject({ kind: 'failed', message: expect.stringContaining('cannot be reached') });
    await down.relays[0].setDown(false);
  });

  test('has sent something where one relay took the order and another did not', async () => {
    const scene = await buying({ pay_invoice: null }, { relayCount: 2 });
    scene.relays[0].lie({ verdict: ({ kind }) => (kind === 23194 ? { isTaken: false, why: 'blocked: no' } : undefined) });
    const paying = pay(scene);
    await until(() => scene.service.worked.length === 1);
    scene.clock.advance(60_000);
    expect((await paying).outcome).toMatchObject({ kind: 'unknown', message: expect.stringMatching(/60 s/) });
  });

  test('whose time is over before a relay was ready has sent nothing', async () => {
    const scene = await buying();
    scene.relays[0].lie({ isMute: true });
    const paying = scene.payer().pay({ invoice: await invoiceFor(), maxFeeMsat: Amount.zero, timeoutSeconds: 5 });
    await until(() => scene.clock.timers() > 1);
    scene.clock.advance(5000);
    expect(await paying).toMatchObject({ kind: 'failed', message: expect.stringContaining('was not sent') });
  });

  describe('is told of a payment', () => {
    const track = async (answers: Answers, options?: SceneOptions) => (await buying(answers, options)).payer().trackPayment(paymentHash);
    const isUnavailable = { code: 'LIGHTNING_UNAVAILABLE' };
    const another = sent({ payment_hash: 'ab'.repeat(32) });

    test.each<[string, object, object]>([
      ['settled', {}, { kind: 'settled', preimage, amountMsat: 50_000n, feeMsat: 7n }],
      ['SETTLED', { state: 'SETTLED' }, { kind: 'settled' }],
      ['settled, by its time alone', { state: undefined, settled_at: 5 }, { kind: 'settled' }],
      ['settled, by its preimage alone', { state: undefined }, { kind: 'settled' }],
      ['settled, without a fee', { fees_paid: undefined }, { kind: 'settled', feeMsat: 0n }],
      ['settled, without a preimage', { preimage: null }, { kind: 'unknown' }],
      ['settled, with another preimage', { preimage: 'ab'.repeat(32) }, { kind: 'unknown' }],
      ['pending', { state: 'pending', preimage: '' }, { kind: 'pending' }],
      ['pending, with the preimage of an invoice of its own', { state: 'pending' }, { kind: 'pending' }],
      ['failed', { state: 'failed', preimage: '' }, { kind: 'failed' }],
      ['nothing of it', { state: undefined, preimage: '' }, { kind: 'unknown' }],
      ['something new', { state: 'expired', preimage: '' }, { kind: 'unknown' }],
    ])('%s', async (_, more, expected) => {
      expect(await track({ lookup_invoice: found(more) })).toMatchObject(expected);
    });

    test('that is another one, which says nothing of it', async () => {
      await expect(track({ lookup_invoice: { result: another } })).rejects.toMatchObject(isUnavailable);
    });

    test('that it was never made, by a wallet that has made none', async () => {
      expect(await track({ lookup_invoice: notFound, list_transactions: listed() })).toEqual({ kind: 'absent' });
    });

    test('that it was never made, by a wallet that looks up what it has made', async () => {
      const lookup = ({ params }: Asked) => (params.payment_hash === paymentHash ? notFound : { result: another });
      expect(await track({ lookup_invoice: lookup, list_transactions: listed(another) })).toEqual({ kind: 'absent' });
    });

    test('nothing, by a wallet that looks up invoices alone: what it lists counts, and where that is not in it, nobody knows', async () => {
      expect(await track({ lookup_invoice: notFound, list_transactions: listed(another, sent({ state: 'pending' })) })).toMatchObject({ kind: 'pending' });
      await expect(track({ lookup_invoice: notFound, list_transactions: listed(another) })).rejects.toMatchObject(isUnavailable);
      await expect(track({ lookup_invoice: notFound, list_transactions: no('RESTRICTED', '') })).rejects.toMatchObject({ code: 'LIGHTNING_UNAUTHORIZED' });
      await expect(track({ lookup_invoice: notFound }, { without: ['list_transactions'] })).rejects.toMatchObject(isUnavailable);
      await expect(track({}, { without: ['lookup_invoice'] })).rejects.toMatchObject(isUnavailable);
    });

    test('nothing by what arrived under its hash', async () => {
      const answers = (...list: readonly object[]): Answers => ({ lookup_invoice: { result: arrived() }, list_transactions: listed(...list) });
      expect(await track(answers())).toEqual({ kind: 'absent' });
      expect(await track(answers(another, sent()))).toMatchObject({ kind: 'settled' });
      await expect(track(answers(another))).rejects.toMatchObject(isUnavailable);
    });

    test('by a wallet that is remembered to look up what it has made', async () => {
      const scene = await buying({ list_transactions: no('INTERNAL', '') });
      const payer = scene.payer();
      await expect(payer.trackPayment(paymentHash)).rejects.toMatchObject(isUnavailable);
      const { text, paymentHash: hash } = await scene.seller.create(50_000n, 'x', 600);
      const settled = await payer.pay({ invoice: text, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 60 });
      expect(await payer.trackPayment(Preimage.parseHash(hash))).toEqual(settled);
      expect(await payer.trackPayment(paymentHash)).toEqual({ kind: 'absent' });
    });
  });
});

describe('a receiver', () => {
  const lookup = async (answer: Said) => (await openScene({ lookup_invoice: answer })).receiver().lookupInvoice(paymentHash);
  const isUnavailable = { code: 'LIGHTNING_UNAVAILABLE' };
  const now = 1_800_000_000;

  test.each<[string, object, object]>([
    ['settled', {}, { kind: 'paid', amountMsat: 50_000n, settledAt: 5 }],
    ['settled, by its time alone', { state: undefined }, { kind: 'paid' }],
    ['pending', { state: 'pending', settled_at: null, expires_at: now + 60 }, { kind: 'open', expiresAt: now + 60 }],
    ['pending, and over by the wallet’s own clock', { state: 'pending', settled_at: null, expires_at: now }, { kind: 'expired' }],
    ['nothing, and not over', { state: '', settled_at: 0, expires_at: now + 60 }, { kind: 'open' }],
    ['held', { state: 'accepted', settled_at: null, expires_at: now - 60 }, { kind: 'open' }],
    ['expired', { state: 'expired', settled_at: null }, { kind: 'expired' }],
    ['failed', { state: 'failed', settled_at: null, expires_at: now + 60 }, { kind: 'cancelled' }],
    ['failed, and over', { state: 'failed', settled_at: null }, { kind: 'expired' }],
    ['canceled', { state: 'canceled', settled_at: null, expires_at: now + 60 }, { kind: 'cancelled' }],
  ])('is told of an invoice: %s', async (_, more, expected) => {
    expect(await lookup({ result: arrived(more) })).toMatchObject(expected);
  });

  test.each<[string, object]>([
    ['a state that is not known', { state: 'lost' }],
    ['that it has settled, and not when', { settled_at: null }],
    ['a time in milliseconds', { settled_at: now * 1000 }],
    ['nothing of when it is over', { state: 'pending', settled_at: null, expires_at: null }],
    ['of another invoice', { payment_hash: 'ab'.repeat(32) }],
    ['of something that neither came nor went', { type: 'sideways' }],
    ['an amount that is none', { amount: -1 }],
  ])('is told %s, which is no answer', async (_, more) => {
    await expect(lookup({ result: arrived(more) })).rejects.toMatchObject(isUnavailable);
  });

  test('is told of its own invoice by the wallet that has paid it, with the proof, and by none without', async () => {
    expect(await lookup({ result: sent({ settled_at: 5 }) })).toEqual({ kind: 'paid', amountMsat: 50_000n, settledAt: 5 });
    for (const more of [{ preimage: '' }, { preimage: 'ab'.repeat(32) }, { state: 'pending' }]) {
      await expect(lookup({ result: sent({ settled_at: 5, ...more }) })).rejects.toMatchObject(isUnavailable);
    }
  });

  test('does not call an invoice unpaid where the wallet has no way to look it up', async () => {
    const scene = await openScene({}, { without: ['lookup_invoice'] });
    await expect(scene.receiver().lookupInvoice(paymentHash)).rejects.toMatchObject(isUnavailable);
    await expect(lookup(no('NOT_IMPLEMENTED', ''))).rejects.toMatchObject(isUnavailable);
  });

  test('hands out no invoice over another amount, on another chain, or that is none', async () => {
    const request = { amountMsat: Amount.fromMsat(50_001n), description: 'x', expirySeconds: 600 };
    for (const invoice of [await invoiceFor(), (await invoiceFor()).replace('lnbcrt', 'lnbc'), 'lnbc1', '']) {
      const scene = await openScene({ make_invoice: { result: { invoice } } });
      await expect(scene.receiver().createInvoice(request)).rejects.toMatchObject(isUnavailable);
    }
    const scene = await openScene();
    await expect(scene.receiver().createInvoice({ ...request, amountMsat: Amount.fromMsat(2n ** 60n) })).rejects.toThrow(RangeError);
  });

  test('says whether its connection could spend, where the wallet tells', async () => {
    const maySpend = async (answer: Said) => (await openScene({ get_info: answer })).receiver().canSpend?.();
    const may = (...methods: readonly string[]): Said => ({ result: { methods } });
    expect(await maySpend(may('get_info', 'make_invoice', 'lookup_invoice'))).toBe(false);
    for (const method of ['pay_invoice', 'multi_pay_invoice', 'pay_keysend', 'multi_pay_keysend', 'pay', 'create_connection']) {
      expect(await maySpend(may('get_info', method))).toBe(true);
    }
    for (const answer of [{ result: {} }, no('RESTRICTED', ''), no('NOT_IMPLEMENTED', '')]) expect(await maySpend(answer)).toBeUndefined();
    await expect(maySpend(no('INTERNAL', ''))).rejects.toMatchObject(isUnavailable);
  });

  test('says who the wallet is, as far as it says so itself', async () => {
    const info = async (result: object) => (await openScene({ get_info: { result } })).receiver().info();
    expect(await info({ alias: 'a', pubkey: `02${'ab'.repeat(32)}`, network: 'regtest' })).toEqual({
      alias: 'a',
      nodeId: `02${'ab'.repeat(32)}`,
      network: 'regtest',
    });
    expect(await info({ pubkey: '', network: '' })).toEqual({ alias: '', nodeId: undefined, network: 'regtest' });
    expect(await info({ network: 'mainnet' })).toMatchObject({ network: 'bitcoin' });
    await expect(info({ network: 'moon' })).rejects.toMatchObject(isUnavailable);
  });
});

/** An invoice over 50 sat whose preimage is known here. */
async function invoiceFor(): Promise<string> {
  const { encode } = await import('../core/Bolt11.ts');
  const draft = { chain: 'regtest', amountMsat: Amount.fromSat(50), paymentHash, paymentSecret: '11'.repeat(32), createdAt: 1_800_000_000 } as const;
  return encode({ ...draft, expirySeconds: 600, description: 'x' }, new Uint8Array(32).fill(5));
}
