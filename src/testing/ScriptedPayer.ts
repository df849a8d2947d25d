/**
 * A wallet that does what a test tells it, and counts what it is asked: it settles, fails, cannot say, hangs, proves nothing, charges
 * too much.
 *
 * @see src/lightning/Lightning.ts
 */
import type { Msat } from '../core/Amount.ts';
import * as Amount from '../core/Amount.ts';
import * as Bolt11 from '../core/Bolt11.ts';
import { FareboxError } from '../core/Errors.ts';
import type { PaymentHash, Preimage } from '../core/Preimage.ts';
import type { FailureReason, Network, Payer, PayerCapabilities, PaymentOutcome, PaymentRequest, TrackedPayment } from '../lightning/Lightning.ts';

/** What happens to a payment. */
export type PaymentScript =
  /** Paid. The fee is 0 sat where none is named, and is charged whatever the limit; `refuse` fails for it instead. `overpaidMsat`: the payee got more than it asked. */
  | { readonly kind: 'settle'; readonly feeMsat?: Msat; readonly refuse?: boolean; readonly overpaidMsat?: Msat }
  | { readonly kind: 'fail'; readonly reason: FailureReason }
  /** The wallet cannot say, and `became` is the truth. */
  | { readonly kind: 'unknown'; readonly became: 'settled' | 'failed' | 'pending' | 'absent' }
  /** The call never answers; `became` is the truth. */
  | { readonly kind: 'hang'; readonly became: 'settled' | 'failed' | 'pending' | 'absent' }
  /** Says that it was paid, and shows another preimage, or none. */
  | { readonly kind: 'unproven'; readonly preimage: string }
  /** Breaks the contract and throws; the payment has settled. */
  | { readonly kind: 'throw' };

/** A wallet under the test's hand. */
export type ScriptedPayer = Payer & {
  /** Every call of `pay`, in order. */
  readonly paid: readonly (PaymentRequest & { readonly paymentHash: PaymentHash })[];
  /** Every call of `trackPayment`, in order. */
  readonly tracked: readonly PaymentHash[];
  /** What happens from now on. */
  readonly script: (next: PaymentScript) => void;
  /** Changes what became of a payment that was unknown. */
  readonly end: (paymentHash: PaymentHash, as: 'settled' | 'failed' | 'pending' | 'absent') => void;
  /** Calls of `pay` wait from now on, until the answer is called. */
  readonly slow: () => () => void;
  /** Whether look-ups throw. */
  readonly setDown: (down: boolean) => void;
  /** What has left the wallet: what settled, with fees. */
  readonly spentMsat: () => bigint;
};

/** What a scripted wallet is made from. */
export type ScriptedPayerOptions = {
  /** The payees' secrets. */
  readonly preimageOf: (paymentHash: PaymentHash) => Preimage | undefined;
  readonly capabilities?: Partial<PayerCapabilities>;
  readonly name?: string;
  readonly network?: Network;
};

/** A wallet that settles everything for no fee until it is told otherwise. */
export function createScriptedPayer(options: ScriptedPayerOptions): ScriptedPayer {
  const paid: (PaymentRequest & { readonly paymentHash: PaymentHash })[] = [];
  const tracked: PaymentHash[] = [];
  const ends = new Map<PaymentHash, TrackedPayment>();
  let next: PaymentScript = { kind: 'settle' };
  let gate: Promise<void> = Promise.resolve();
  let isDown = false;

  const settled = (paymentHash: PaymentHash, feeMsat = Amount.zero, overpaidMsat = Amount.zero): PaymentOutcome => {
    const preimage = options.preimageOf(paymentHash);
    const call = paid.find((one) => one.paymentHash === paymentHash);
    const amountMsat = call && Bolt11.peek(call.invoice).amountMsat;
    if (preimage === undefined || amountMsat === undefined) throw new Error(`no such payment: ${paymentHash}`);
    return { kind: 'settled', preimage, amountMsat: (amountMsat + overpaidMsat) as Msat, feeMsat };
  };
  const endOf = (paymentHash: PaymentHash, as: 'settled' | 'failed' | 'pending' | 'absent'): TrackedPayment =>
    as === 'settled' ? settled(paymentHash) : as === 'failed' ? failed('no-route') : { kind: as };

  function play(
    paymentHash: PaymentHash,
    { maxFeeMsat }: PaymentRequest,
    script: PaymentScript,
  ): { end: TrackedPayment; answer: PaymentOutcome | Promise<never> } {
    switch (script.kind) {
      case 'settle': {
        const feeMsat = script.feeMsat ?? Amount.zero;
        const answer = script.refuse && feeMsat > maxFeeMsat ? failed('fee-limit') : settled(paymentHash, feeMsat, script.overpaidMsat);
        return { end: answer, answer };
      }
      case 'fail':
        return { end: failed(script.reason), answer: failed(script.reason) };
      case 'unknown':
        return { end: endOf(paymentHash, script.became), answer: { kind: 'unknown', message: 'The connection was lost.' } };
      case 'hang':
        return { end: endOf(paymentHash, script.became), answer: new Promise<never>(() => {}) };
      case 'unproven': {
        const answer = { ...settled(paymentHash), preimage: script.preimage as Preimage } as PaymentOutcome;
        return { end: answer, answer };
      }
      case 'throw': {
        const answer = Promise.reject(new Error('the driver broke'));
        answer.catch(() => undefined);
        return { end: settled(paymentHash), answer };
      }
    }
  }

  return {
    name: options.name ?? 'scripted',
    network: options.network ?? 'sandbox',
    capabilities: { feeLimit: true, track: true, balance: true, ...options.capabilities },
    pay: async (request) => {
      const { paymentHash } = Bolt11.peek(request.invoice);
      paid.push({ ...request, paymentHash });
      const { end, answer } = play(paymentHash, request, next);
      ends.set(paymentHash, end);
      await gate;
      return answer;
    },
    trackPayment: async (paymentHash) => {
      tracked.push(paymentHash);
      if (isDown) throw new FareboxError('LIGHTNING_UNAVAILABLE', 'The wallet is down.');
      return ends.get(paymentHash) ?? { kind: 'absent' };
    },
    balance: async () => ({ spendableMsat: Amount.fromSat(1_000_000) }),
    close: async () => {},
    paid,
    tracked,
    script: (script) => {
      next = script;
    },
    end: (paymentHash, as) => void ends.set(paymentHash, endOf(paymentHash, as)),
    slow: () => {
      let open = () => {};
      gate = new Promise((resolve) => {
        open = resolve;
      });
      return open;
    },
    setDown: (down) => {
      isDown = down;
    },
    spentMsat: () => [...ends.values()].reduce((sum, end) => sum + (end.kind === 'settled' ? end.amountMsat + end.feeMsat : 0n), 0n),
  };
}

function failed(reason: FailureReason): PaymentOutcome & { readonly kind: 'failed' } {
  return { kind: 'failed', reason, message: 'It was told to fail.' };
}
