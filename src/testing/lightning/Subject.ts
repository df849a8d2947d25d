/**
 * What a case of the Lightning contract runs on, and what a case is.
 */
import type { PaymentHash } from '../../core/Preimage.ts';
import type { Payer, PayerCapabilities, Receiver, ReceiverCapabilities } from '../../lightning/Lightning.ts';

/** Ways to steer what the wallets do. All are optional; each takes effect before it resolves. */
export type LightningHooks = {
  /** Moves the time of both wallets and of the drivers on. */
  readonly advance: (ms: number) => Promise<void>;
  /** Brings the payer's node down, or up again. */
  readonly payerDown: (down: boolean) => Promise<void>;
  /** Brings the receiver's node down, or up again. */
  readonly receiverDown: (down: boolean) => Promise<void>;
  /** The payer's next payment fails for certain. */
  readonly failNext: () => Promise<void>;
  /** The payer's next payment stays under way until it is released. */
  readonly hangNext: () => Promise<void>;
  /** Ends a payment that hangs. */
  readonly release: (paymentHash: PaymentHash, as: 'settled' | 'failed') => Promise<void>;
  /** The payer's next payment settles within a minute after its payer gave up. */
  readonly settleLateNext: () => Promise<void>;
  /** The payer's next payment settles, and the wallet does not give the preimage. */
  readonly losePreimageNext: () => Promise<void>;
  /** The payer's next payment costs more than its fee limit. */
  readonly overchargeNext: () => Promise<void>;
  /** The payer's next payment settles though the invoice has expired. */
  readonly payExpiredNext: () => Promise<void>;
  /** Cancels an unpaid invoice, in the receiver's wallet. */
  readonly cancelInvoice: (paymentHash: PaymentHash) => Promise<void>;
  /** The payer's wallet takes what it is asked, and answers nothing until it is not slow any more. */
  readonly payerSlow: (isSlow: boolean) => Promise<void>;
  /** The receiver's likewise. */
  readonly receiverSlow: (isSlow: boolean) => Promise<void>;
  /** Drivers of the same wallets with what lets nobody in. The case closes them. */
  readonly lettingNobodyIn: () => Drivers;
  /** Drivers of the same wallets on a machine whose clock is that much ahead. The case closes them. */
  readonly skewed: (ms: number) => Drivers;
};

/** One that is paid and one that pays. */
export type Drivers = { readonly receiver: Receiver; readonly payer: Payer };

/** What the cases run on. The payer has 10,000 sat or more, less than 1 BTC, a way to the receiver, and has never paid. */
export type LightningSubject = Drivers & {
  readonly hooks: Partial<LightningHooks>;
};

/** What only a wallet behind an API of its own can be made to do: one in this process is never slow, lets everybody in and has our own time. */
export const apiNeeds: readonly LightningNeed[] = ['cancelInvoice', 'payerSlow', 'receiverSlow', 'lettingNobodyIn', 'skewed'];

/** Something beyond the two drivers that a case needs. */
export type LightningNeed = keyof LightningHooks | keyof ReceiverCapabilities | keyof PayerCapabilities;

/** One thing that holds for every driver. */
export type LightningCase = {
  readonly name: string;
  readonly needs: readonly LightningNeed[];
  /** Rejects with an `AssertionError` where it does not hold. */
  readonly run: (subject: LightningSubject) => Promise<void>;
};

/** Whether a subject has what the case needs. */
export function isApplicable(one: LightningCase, { receiver, payer, hooks }: LightningSubject): boolean {
  const has = { ...hooks, ...receiver.capabilities, ...payer.capabilities };
  return one.needs.every((need) => Boolean(has[need]));
}

/** A case that refuses a subject without what it needs, rather than pass for nothing. */
export function test(name: string, needs: readonly LightningNeed[], run: LightningCase['run']): LightningCase {
  return {
    name,
    needs,
    run: async (subject) => {
      if (!isApplicable({ name, needs, run }, subject)) throw new TypeError(`subject lacks what "${name}" needs: ${needs.join(', ')}`);
      await run(subject);
    },
  };
}
