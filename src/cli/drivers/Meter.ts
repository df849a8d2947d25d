/**
 * A payer that spends no more than so much, whatever it is asked: who verifies a driver does not know yet whether it keeps to anything.
 */
import * as Amount from '../../core/Amount.ts';
import * as Bolt11 from '../../core/Bolt11.ts';
import type { Payer, PaymentRequest } from '../../lightning/Lightning.ts';

/** What was paid so far, over all payers that are metered. */
export type Spent = {
  /** What the payee got. */
  readonly amountMsat: Amount.Msat;
  readonly feeMsat: Amount.Msat;
  /** What may have been paid, and may yet be. */
  readonly heldMsat: Amount.Msat;
};

/** See the head of this file. */
export type Meter = { readonly wrap: (payer: Payer) => Payer; readonly spent: () => Spent };

/** What is known of an invoice, which can be paid once, however often it is asked for. */
type Entry = { mostMsat: bigint; underWay: number; end: 'settled' | 'unknown' | undefined };

/** Counts what payers spend, up to a ceiling for all of them together; a payment that could pass it is refused with an error. */
export function createMeter(ceilingMsat: Amount.Msat): Meter {
  let [amountMsat, feeMsat] = [0n, 0n];
  const entries = new Map<string, Entry>();
  const heldMsat = () => {
    const held = [...entries.values()].filter(({ underWay, end }) => end !== 'settled' && (underWay > 0 || end === 'unknown'));
    return held.reduce((sum, { mostMsat }) => sum + mostMsat, 0n);
  };
  const pay = async (payer: Payer, request: PaymentRequest, signal: AbortSignal | undefined) => {
    const asked = await askedIn(payer, request, ceilingMsat);
    const entry = entries.get(asked.name) ?? { mostMsat: 0n, underWay: 0, end: undefined };
    entries.set(asked.name, entry);
    entry.underWay += 1;
    const before = entry.mostMsat;
    entry.mostMsat = entry.mostMsat > asked.mostMsat ? entry.mostMsat : asked.mostMsat;
    try {
      if (amountMsat + feeMsat + heldMsat() > ceilingMsat) {
        entry.mostMsat = before;
        throw new Error(`It would have spent more than ${Amount.format(ceilingMsat)} altogether, and was not let.`);
      }
      const outcome = await payer.pay(request, signal);
      if (outcome.kind === 'settled') [amountMsat, feeMsat] = [amountMsat + outcome.amountMsat, feeMsat + outcome.feeMsat];
      if (outcome.kind !== 'failed' && entry.end !== 'settled') entry.end = outcome.kind;
      return outcome;
    } finally {
      entry.underWay -= 1;
    }
  };
  return {
    wrap: (payer) => ({ ...payer, pay: (request, signal) => pay(payer, request, signal) }),
    spent: () => ({ amountMsat: Amount.fromMsat(amountMsat), feeMsat: Amount.fromMsat(feeMsat), heldMsat: Amount.fromMsat(heldMsat()) }),
  };
}

/** What a payment is for, and the most that it may cost: nothing where it cannot be paid, as what is no invoice, or is more than the wallet has. */
async function askedIn(payer: Payer, { invoice, maxFeeMsat }: PaymentRequest, ceilingMsat: Amount.Msat): Promise<{ name: string; mostMsat: bigint }> {
  const { paymentHash: name, amountMsat = 0n } = peek(invoice);
  const isBeyond = amountMsat > ceilingMsat && payer.capabilities.balance && amountMsat > (await payer.balance()).spendableMsat;
  if (amountMsat === 0n || isBeyond) return { name, mostMsat: 0n };
  return { name, mostMsat: maxFeeMsat < 0n ? amountMsat : amountMsat + maxFeeMsat };
}

function peek(invoice: string): { readonly paymentHash: string; readonly amountMsat?: bigint | undefined } {
  try {
    return Bolt11.peek(invoice);
  } catch {
    return { paymentHash: '' };
  }
}
