/**
 * A call that turns out dearer than its tool was said to be: whoever budgeted by what was said is asked before it is paid, and where nobody can be
 * asked it is not.
 */
import type { Budget } from '../../client/Budget.ts';
import type { NamedBudget } from '../../client/budget/Limit.ts';
import type { Msat } from '../../core/Amount.ts';
import * as Amount from '../../core/Amount.ts';
import * as Bolt11 from '../../core/Bolt11.ts';
import * as Challenge from '../../core/Challenge.ts';
import { FareboxError } from '../../core/Errors.ts';

/** What is watched of one call. */
export type DearerCall = {
  /** The client's; from the moment in which the call is asked for more than was said, with a budget within that wants that asked about. */
  readonly budget: Budget;
  /** Reads what the call is asked for, if anything. */
  readonly answered: (response: Response) => void;
  /** The same error, or, where this is why nothing was paid, one that says so. */
  readonly inWords: (error: unknown) => unknown;
};

/** Watches a call. @param advertisedMsat - what was said; undefined where nothing was, and then nothing is watched */
export function watchPrice(budget: Budget, advertisedMsat: Msat | undefined): DearerCall {
  if (advertisedMsat === undefined) return { budget, answered: () => {}, inWords: (error) => error };
  const aboveSaid: NamedBudget = { name: '', limits: [], allow: undefined, deny: [], consentAboveMsat: advertisedMsat };
  const chains = { asSaid: budget.chain, dearer: [...budget.chain, aboveSaid] };
  let isDearer = false;
  return {
    // At the price that was said nothing more binds: a limit of just that would leave no room for the fee.
    budget: Object.defineProperty({ ...budget }, 'chain', { get: () => (isDearer ? chains.dearer : chains.asSaid) }),
    answered: ({ status, headers }) => {
      if (status === 402) isDearer = Challenge.parse(headers.get('WWW-Authenticate') ?? '').some(({ invoice }) => (amountIn(invoice) ?? 0n) > advertisedMsat);
    },
    inWords: (error) => (isDearer ? inWords(error, Amount.format(advertisedMsat)) : error),
  };
}

function inWords(error: unknown, said: string): unknown {
  if (!FareboxError.is(error, 'CONSENT_REFUSED') || error.details.above !== said) return error;
  const { price, host, why } = error.details;
  const what = why === 'no' ? 'it was refused' : why === 'nobody' ? 'there is nobody to ask' : 'asking for it failed';
  const message = `${host} asks ${price}, and had said that the tool costs ${said}. For more than was said somebody has to consent, and ${what}. Nothing was paid.`;
  return new FareboxError('CONSENT_REFUSED', message, { details: { ...error.details, advertised: said } });
}

/** Whatever cannot be read is refused by whoever reads it in earnest. */
function amountIn(invoice: string): Msat | undefined {
  try {
    return Bolt11.peek(invoice).amountMsat;
  } catch (error) {
    if (FareboxError.is(error)) return undefined;
    throw error;
  }
}
