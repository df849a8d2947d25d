import { describe, expect, it } from 'vitest';
import * as Amount from '../core/Amount.ts';
import * as Preimage from '../core/Preimage.ts';
import type { Payer, Receiver } from '../lightning/Lightning.ts';
import { createSandboxNetwork } from '../lightning/sandbox.ts';
import * as FixedClock from './FixedClock.ts';
import { apiNeeds, isApplicable, type LightningCase, type LightningSubject, lightningContract } from './lightningContract.ts';

type Change = (subject: LightningSubject) => { readonly receiver?: Partial<Receiver>; readonly payer?: Partial<Payer> };

/** A driver with one thing wrong → the case that must notice. */
const broken: readonly (readonly [what: string, caughtBy: string, change: Change])[] = [
  ['a payer on another network', 'says who it is', () => ({ payer: { network: 'bitcoin' } })],
  [
    'an invoice of another amount',
    'makes the invoice',
    ({ receiver }) => ({ receiver: { createInvoice: (request) => receiver.createInvoice({ ...request, amountMsat: Amount.fromSat(1) }) } }),
  ],
  ['one invoice for all', 'never makes the same', ({ receiver }) => ({ receiver: { createInvoice: once(receiver.createInvoice) } })],
  [
    'a preimage that proves nothing',
    'pays: the preimage',
    ({ payer }) => ({ payer: { pay: changed(payer.pay, (outcome) => ({ ...outcome, preimage: Preimage.fromBytes(new Uint8Array(32)) })) } }),
  ],
  ['open whatever happens', 'open, then paid', () => ({ receiver: { lookupInvoice: async () => ({ kind: 'open', expiresAt: 1_800_000_600 }) } })],
  [
    'a fee that is not told',
    'takes amount and fee',
    ({ payer }) => ({ payer: { pay: changed(payer.pay, (outcome) => ({ ...outcome, feeMsat: Amount.zero })) } }),
  ],
  ['never absent', 'is absent, which is not an error', () => ({ payer: { trackPayment: async () => ({ kind: 'pending' }) } })],
  ['the second time settled as well', 'again fails', ({ payer }) => ({ payer: { pay: once(payer.pay) } })],
  [
    'expired is unknown',
    'an invoice expires',
    ({ payer }) => ({ payer: { pay: changed(payer.pay, (outcome) => (outcome.kind === 'failed' ? { kind: 'unknown', message: '' } : outcome)) } }),
  ],
  [
    'a fee limit that is not kept',
    'the fee limit holds',
    ({ payer }) => ({ payer: { pay: (request) => payer.pay({ ...request, maxFeeMsat: Amount.fromSat(1000) }) } }),
  ],
  ['a throw for a bad invoice', 'malformed', () => ({ payer: { pay: () => Promise.reject(new Error('no')) } })],
  ['a signal that is not read', 'before it was sent', ({ payer }) => ({ payer: { pay: (request) => payer.pay(request) } })],
  [
    'a time-out that is a failure',
    'unknown at its time-out',
    ({ payer }) => ({
      payer: { pay: changed(payer.pay, (outcome) => (outcome.kind === 'unknown' ? { kind: 'failed', reason: 'rejected', message: '' } : outcome)) },
    }),
  ],
  [
    'a late settlement that stays pending',
    'after its payer gave up',
    ({ payer }) => ({ payer: { trackPayment: changed(payer.trackPayment, (tracked) => (tracked.kind === 'settled' ? { kind: 'absent' } : tracked)) } }),
  ],
  [
    'settled without a preimage',
    'never settled',
    ({ payer }) => ({
      payer: {
        pay: changed(payer.pay, (outcome) =>
          outcome.kind === 'unknown' ? { kind: 'settled', preimage: '' as Preimage.Preimage, amountMsat: Amount.zero, feeMsat: Amount.zero } : outcome,
        ),
      },
    }),
  ],
  [
    'an overcharge that is cut to the limit',
    'told as it was',
    ({ payer }) => ({ payer: { pay: changed(payer.pay, (outcome) => ({ ...outcome, feeMsat: Amount.fromSat(10) })) } }),
  ],
  [
    'down is unpaid',
    'calls none unpaid',
    ({ receiver }) => ({ receiver: { lookupInvoice: (hash) => receiver.lookupInvoice(hash).catch(() => ({ kind: 'absent' })) } }),
  ],
  [
    'down is absent',
    'nothing is said of payments',
    ({ payer }) => ({ payer: { trackPayment: (hash) => payer.trackPayment(hash).catch(() => ({ kind: 'absent' })) } }),
  ],
  [
    'a watch that begins at the beginning',
    'nothing twice',
    ({ receiver }) => ({ receiver: { watchSettlements: ({ signal }) => receiver.watchSettlements({ after: '', signal }) } }),
  ],
  ['a watch that goes by when an invoice was made', 'whatever was made', ({ receiver }) => ({ receiver: byMaking(receiver) })],
  [
    'a watch that throws when it is called off',
    'ends when it is called off',
    () => ({
      receiver: {
        watchSettlements: ({ signal }) =>
          (async function* () {
            signal.throwIfAborted();
            await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
            yield* [];
          })(),
      },
    }),
  ],
  ['a close that closes nothing', 'closed is closed', () => ({ receiver: { close: async () => {} } })],
];

describe('the contract notices', () => {
  for (const [what, caughtBy, change] of broken) {
    it(what, async () => {
      const cases = lightningContract.filter(({ name }) => name.includes(caughtBy));
      expect(cases).toHaveLength(1);
      const subject = createSubject();
      const { receiver, payer } = change(subject);
      const wrong = { ...subject, receiver: { ...subject.receiver, ...receiver }, payer: { ...subject.payer, ...payer } };
      await expect((cases[0] as LightningCase).run(wrong)).rejects.toThrow();
      await (cases[0] as LightningCase).run(createSubject());
    });
  }
});

describe('a case that a subject has no means for', () => {
  it('is not applicable, and refuses to pass', async () => {
    const subject = createSubject();
    const without = {
      ...subject,
      hooks: {},
      receiver: { ...subject.receiver, capabilities: { lookup: true, history: true, watch: false, cancel: false, msat: true, memo: true } },
    };
    const left = lightningContract.filter((one) => !isApplicable(one, without));
    expect(left.length).toBeGreaterThan(10);
    for (const one of lightningContract) expect([one.name, isApplicable(one, subject)]).toEqual([one.name, !one.needs.some((need) => apiNeeds.includes(need))]);
    for (const one of left) await expect(one.run(without)).rejects.toThrow(TypeError);
  });

  it('every case has a name of its own', () => {
    expect(new Set(lightningContract.map(({ name }) => name)).size).toBe(lightningContract.length);
  });
});

function createSubject(): LightningSubject {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const next = (kind: 'fails' | 'hangs' | 'settles-late' | 'no-preimage' | 'overcharges' | 'pays-expired') => () =>
    sandbox.setFault({ node: 'buyer', kind, payments: 1 });
  const down = (node: string) => (isDown: boolean) => (isDown ? sandbox.setFault({ node, kind: 'node-down' }) : sandbox.clearFaults(node));
  return {
    receiver: sandbox.receiver('seller'),
    payer: sandbox.payer('buyer'),
    hooks: {
      advance: async (ms) => clock.advance(ms),
      payerDown: down('buyer'),
      receiverDown: down('seller'),
      failNext: next('fails'),
      hangNext: next('hangs'),
      release: async (paymentHash, as) => void (await sandbox.releasePayment(paymentHash, as)),
      settleLateNext: next('settles-late'),
      losePreimageNext: next('no-preimage'),
      overchargeNext: next('overcharges'),
      payExpiredNext: next('pays-expired'),
    },
  };
}

/** A watch that has done with everything made before what it told last. */
function byMaking(receiver: Receiver): Partial<Receiver> {
  const made: string[] = [];
  let last = 0;
  return {
    createInvoice: async (request) => {
      const created = await receiver.createInvoice(request);
      made.push(created.paymentHash);
      return created;
    },
    watchSettlements: async function* (options) {
      for await (const settlement of receiver.watchSettlements(options)) {
        const place = made.indexOf(settlement.paymentHash);
        if (place < last) continue;
        last = place;
        yield settlement;
      }
    },
  };
}

/** The first answer, for ever. */
function once<A extends readonly unknown[], R>(call: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
  let first: Promise<R> | undefined;
  return (...args) => {
    first ??= call(...args);
    return first;
  };
}

function changed<A extends readonly unknown[], R>(call: (...args: A) => Promise<R>, change: (answer: R) => R): (...args: A) => Promise<R> {
  return async (...args) => change(await call(...args));
}
