/**
 * A wallet that hangs, pays late, dies while it pays, or answers nonsense: a payment hash is paid once. Every call is made by a client of its own, on
 * a journal that is opened anew, as after a crash; what left the wallet is read in the sandbox's own books.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ClientEvent, createFetch } from '../../src/client/index.ts';
import { createSqliteClientStore } from '../../src/client/sqlite.ts';
import * as Bolt11 from '../../src/core/Bolt11.ts';
import type { PaymentHash } from '../../src/core/Preimage.ts';
import type { Payer, PaymentOutcome } from '../../src/lightning/Lightning.ts';
import { createSandboxNetwork, type Sandbox, type SandboxFaultKind } from '../../src/lightning/sandbox.ts';
import { FixedClock, type Liars, startLiars } from '../../src/testing/index.ts';
import { outcomeOf, patiently } from './liars/buyer.ts';

const folder = mkdtempSync(join(tmpdir(), 'farebox-one-payment-'));
afterAll(() => rmSync(folder, { recursive: true }));

let clock: FixedClock.FixedClock;
let sandbox: Sandbox;
let liars: Liars;
let wallet: Payer;
/** What the wallet was asked to pay, in order. */
let ordered: PaymentHash[];
/** The orders of living buyers that the wallet has not answered. */
const hanging = new Set<object>();
let journals = 0;
beforeEach(async () => {
  clock = FixedClock.create();
  sandbox = createSandboxNetwork({ clock });
  liars = await startLiars({ clock, receiver: sandbox.receiver('seller') });
  const honest = sandbox.payer('buyer');
  ordered = [];
  hanging.clear();
  wallet = {
    ...honest,
    pay: async (request, signal) => {
      ordered.push(Bolt11.peek(request.invoice).paymentHash);
      hanging.add(request);
      return honest.pay(request, signal).finally(() => hanging.delete(request));
    },
  };
});
afterEach(async () => {
  await liars.close();
  await sandbox.close();
});

/** A buyer on a journal of its own. */
function openBuyer(payer: () => Payer = () => wallet) {
  const path = join(folder, `${journals++}.db`);
  const client = (onEvent: (event: ClientEvent) => void = passTime) => {
    const store = createSqliteClientStore({ path });
    return { store, fetch: createFetch({ payer: payer(), store, clock, maxPerRequest: '60 sat', maxTotal: '500 sat', paymentTimeoutSeconds: 30, onEvent }) };
  };
  return {
    /** A call from a client of its own; time passes for as long as it waits. */
    call: async (): Promise<string> => {
      const { store, fetch } = client();
      const outcome = await passing(outcomeOf(fetch(`${liars.url}/no-lie/a`)));
      await store.close();
      return outcome.said;
    },
    /** A call whose process dies in the moment in which the wallet is called; its lease ends. */
    die: async (): Promise<void> => {
      const died = new Promise<void>((resolve) => {
        const { store, fetch } = client((event) => {
          // Nothing that the dead one does is written down any more.
          if (event.kind === 'paying') void store.close().then(resolve);
        });
        fetch(`${liars.url}/no-lie/a`).catch(() => undefined);
      });
      await died;
      hanging.clear();
      clock.advance(20_000);
    },
    spending: async () => {
      const { store } = client();
      const spending = await store.spending();
      await store.close();
      return spending;
    },
  };
}

/** Moves time on for as long as a call waits for its wallet. */
async function passing<T>(call: Promise<T>): Promise<T> {
  return patiently(call, { ...liars, silent: () => hanging.size }, () => clock.timers() > 0 && clock.advance(500));
}

/** Whoever asks for a moment gets it. */
function passTime(event: ClientEvent): void {
  if (event.kind === 'waiting') setImmediate(() => clock.advance(event.ms));
}

/** No hash was ordered twice; of each, one payment at most was made; and the journal has what has left the wallet. */
async function expectEachOnce(buyer: ReturnType<typeof openBuyer>): Promise<void> {
  expect(new Set(ordered).size, 'a payment hash was ordered twice').toBe(ordered.length);
  const { payments } = await sandbox.audit();
  expect(new Set(payments.map(({ paymentHash }) => paymentHash)).size).toBe(payments.length);
  const left = payments.filter(({ state }) => state !== 'failed').reduce((sum, { amountMsat, feeMsat }) => sum + amountMsat + feeMsat, 0n);
  const { spentMsat, heldMsat } = await buyer.spending();
  expect(spentMsat + heldMsat >= left, `${left} msat have left, and ${spentMsat} are spent and ${heldMsat} held`).toBe(true);
}

/** Fault → what the calls say, in order; what happens after the second of them. */
const faults: readonly (readonly [what: string, fault: SandboxFaultKind, said: string, turn?: 'settled' | 'failed' | 'late'])[] = [
  ['hangs, and pays late', 'hangs', 'PAYMENT_UNKNOWN PAYMENT_UNKNOWN 200 200', 'settled'],
  ['hangs, and fails late', 'hangs', 'PAYMENT_UNKNOWN PAYMENT_UNKNOWN 200 200', 'failed'],
  ['hangs for ever', 'hangs', 'PAYMENT_UNKNOWN PAYMENT_UNKNOWN PAYMENT_UNKNOWN PAYMENT_UNKNOWN'],
  ['pays after its time', 'settles-late', 'PAYMENT_UNKNOWN PAYMENT_UNKNOWN 200 200', 'late'],
  ['pays after the invoice has expired', 'pays-expired', 'PAYMENT_UNKNOWN PAYMENT_UNKNOWN PAYMENT_UNKNOWN PAYMENT_UNKNOWN'],
  ['pays and shows no preimage', 'no-preimage', 'PAYMENT_UNKNOWN PAYMENT_UNKNOWN PAYMENT_UNKNOWN PAYMENT_UNKNOWN'],
  ['charges too much', 'overcharges', '200 BUDGET_EXCEEDED BUDGET_EXCEEDED BUDGET_EXCEEDED'],
  ['fails', 'fails', 'PAYMENT_UNROUTABLE 200 200 200'],
];

describe('a wallet that', () => {
  for (const [what, kind, said, turn] of faults) {
    const end = async (as: 'settled' | 'failed') => {
      for (const hash of ordered) await sandbox.releasePayment(hash, as);
    };
    const goThrough = async (buyer: ReturnType<typeof openBuyer>, calls: number) => {
      const outcomes: string[] = [];
      for (let call = 0; call < calls; call++) {
        const now = call === 2 ? turn : undefined;
        if (now === 'late') clock.advance(2000);
        else if (now) await end(now);
        outcomes.push(await buyer.call());
        await expectEachOnce(buyer);
      }
      return outcomes.join(' ');
    };

    it(`${what}: a payment hash is paid once`, async () => {
      await sandbox.setFault({ node: 'buyer', kind, payments: 1 });
      expect(await goThrough(openBuyer(), 4)).toBe(said);
    });

    it(`${what}, while its buyer dies: a payment hash is paid once`, async () => {
      const buyer = openBuyer();
      await sandbox.setFault({ node: 'buyer', kind, payments: 1 });
      await buyer.die();
      await goThrough(buyer, 4);
      expect(ordered.length).toBeGreaterThan(0);
    });
  }

  it('dies while it pays, and is back: paid once, answered once', async () => {
    const buyer = openBuyer();
    await sandbox.setFault({ node: 'buyer', kind: 'hangs', payments: 1 });
    await buyer.die();
    // Nobody can be asked, for as long as the node is down.
    await sandbox.setFault({ node: 'buyer', kind: 'node-down' });
    expect([await buyer.call(), await buyer.call()]).toEqual(['PAYMENT_UNKNOWN', 'PAYMENT_UNKNOWN']);
    await sandbox.clearFaults();
    expect(await buyer.call()).toBe('PAYMENT_UNKNOWN');
    for (const hash of ordered) await sandbox.releasePayment(hash, 'settled');
    expect(await buyer.call()).toBe('200');
    await expectEachOnce(buyer);
    expect(ordered.length).toBe(1);
    expect(await buyer.spending()).toMatchObject({ heldMsat: 0n, spentMsat: 51_000n });
  });
});

type Settled = PaymentOutcome & { readonly kind: 'settled' };

/** What a wallet may say that has paid. */
const nonsense: readonly (readonly [what: string, say: (true_: Settled) => unknown])[] = [
  ['nothing', () => undefined],
  ['null', () => null],
  ['a number', () => 7],
  ['a word', () => 'settled'],
  ['a list', (said) => [said]],
  ['an empty object', () => ({})],
  ['settled and no more', () => ({ kind: 'settled' })],
  ['settled in capitals', (said) => ({ ...said, kind: 'SETTLED' })],
  ['a preimage that is none', (said) => ({ ...said, preimage: 'paid' })],
  ['a preimage that is a number', (said) => ({ ...said, preimage: 7 })],
  ['another preimage', (said) => ({ ...said, preimage: 'ab'.repeat(32) })],
  ['the payment hash for a preimage', (said) => ({ ...said, preimage: ordered.at(-1) })],
  ['amounts that are none', (said) => ({ ...said, amountMsat: 'plenty', feeMsat: Number.NaN })],
  ['failed, without a reason', () => ({ kind: 'failed' })],
  ['failed, for a reason that is none', () => ({ kind: 'failed', reason: { toString: 7 }, message: 7 })],
  ['pending', () => ({ kind: 'pending' })],
  ['absent', () => ({ kind: 'absent' })],
  ['what throws when it is read', () => Object.defineProperty({}, 'kind', { get: () => thrown(new Error('no')) })],
  ['an error', () => thrown(new Error('the driver broke'))],
  ['an error that is none', () => thrown(undefined)],
];

function thrown(what: unknown): never {
  throw what;
}

describe('a wallet that has paid and answers nonsense', () => {
  /** Pays, and says something else for it. */
  const lying = (say: (said: Settled) => unknown, look: 'honestly' | 'alike'): Payer => ({
    ...wallet,
    pay: async (request, signal) => say((await wallet.pay(request, signal)) as Settled) as PaymentOutcome,
    trackPayment: async (hash, signal) => {
      const said = await wallet.trackPayment(hash, signal);
      return look === 'honestly' ? said : (say(said as Settled) as never);
    },
  });

  it.each(nonsense)('%s, and then the truth: paid once, answered once', async (_, say) => {
    const buyer = openBuyer(() => lying(say, 'honestly'));
    const outcomes = [await buyer.call(), await buyer.call()];
    expect(outcomes[1]).toBe('200');
    expect(['PAYMENT_UNKNOWN', '200']).toContain(outcomes[0]);
    // An answer that came at once is paid for, and the next call buys another.
    expect(ordered.length).toBe(outcomes[0] === '200' ? 2 : 1);
    await expectEachOnce(buyer);
  });

  it('a fee below zero: counted as its price at least', async () => {
    const buyer = openBuyer(() => lying((said) => ({ ...said, feeMsat: -50_000n }), 'honestly'));
    expect([await buyer.call(), ordered.length]).toEqual(['200', 1]);
    expect(await buyer.spending()).toMatchObject({ heldMsat: 0n, spentMsat: 50_000n });
  });

  it.each(nonsense)('%s, whatever it is asked: never paid a second time for the same, and its money is held', async (what, say) => {
    const buyer = openBuyer(() => lying(say, 'alike'));
    for (let call = 0; call < 3; call++) {
      await buyer.call();
      // Who says to the payment and to every look-up that it failed is believed.
      if (what.startsWith('failed')) expect(new Set(ordered).size).toBe(ordered.length);
      else await expectEachOnce(buyer);
    }
  });
});
