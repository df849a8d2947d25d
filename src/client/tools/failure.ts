/**
 * What a model is told where a call fails: the code, what happened, and what can be done from where it stands. Never a stack, never a cause's own
 * words: those may be anybody's.
 */
import { FareboxError } from '../../core/Errors.ts';
import type { ToolResult } from './AgentTool.ts';
import { plain } from './outside.ts';

/** The name under which `max` of one call counts; it stands within every budget of the operator's. */
export const maxOfCall = 'max-of-call';

/** The result of a call that has failed. `signal`: the call's own. */
export function failureOf(error: unknown, signal: AbortSignal | undefined): ToolResult {
  const { code, message, details } = inOurWords(error, signal);
  const said = plain(message, 1000);
  const todo = remedyOf(code, details);
  return { text: [`${code}: ${said}`, todo].filter(Boolean).join('\n'), structured: { error: { code, message: said, details, todo } }, isError: true };
}

type Failure = Pick<FareboxError, 'code' | 'message' | 'details'>;

function inOurWords(error: unknown, signal: AbortSignal | undefined): Failure {
  const refused = refusalIn(error);
  if (refused) return refused;
  if (FareboxError.is(error)) return error.code === 'BUDGET_EXCEEDED' && error.details.budget === maxOfCall ? overMax(error) : error;
  if (signal?.aborted) return { code: 'REQUEST_ABORTED', message: 'The call was given up before it had an answer.', details: {} };
  // Of what the runtime says no more than a word of its own: a message may repeat what a server has sent.
  const cause = causeOf(error);
  const why = cause === undefined ? '' : ` (${cause})`;
  return { code: 'REQUEST_FAILED', message: `The server could not be reached, or its answer could not be read${why}. Nothing was paid for it.`, details: {} };
}

function overMax({ details, code }: FareboxError): Failure {
  const message = `This costs ${details.price}, and \`max\` of this call is ${details.max}, fee included. Nothing was paid.`;
  return { code, message, details };
}

/** The refusal to connect, which the runtime wraps in an error of its own. */
function refusalIn(error: unknown): FareboxError | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    // Once something was paid, that is what is to be known first.
    if (FareboxError.is(at)) return at.code === 'ADDRESS_REFUSED' ? at : undefined;
  }
  return undefined;
}

/** A word of the runtime's own, such as `ECONNREFUSED`. */
function causeOf(error: unknown): string | undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' && /^[A-Z_]{3,40}$/.test(code) ? code : undefined;
}

function remedyOf(code: Failure['code'], details: Failure['details']): string {
  if (code === 'BUDGET_EXCEEDED' && details.budget === maxOfCall) {
    return 'Where it is worth that, call again with a larger max. It counts within the limits of the operator, which no tool can change.';
  }
  return remedies[code] ?? '';
}

const operators = 'Limits are the operator’s, and no tool can change one. Tell the user what it would cost, or look for something that costs less.';
const again = 'Call this tool with the same input again: what was paid for is kept, and nothing is paid twice.';

const remedies: { readonly [code in Failure['code']]?: string } = {
  BUDGET_EXCEEDED: operators,
  BUDGET_HOST_DENIED: operators,
  CONSENT_REFUSED: 'Do not try again on your own: the user, or whoever runs this agent, has to say yes.',
  ADDRESS_REFUSED: 'Which addresses are asked is up to the operator, and no tool can change it.',
  INVOICE_EXPIRED: 'Call again for a new offer.',
  PAYMENT_UNKNOWN: again,
  PAYMENT_INTERRUPTED: again,
  REQUEST_TIMED_OUT: again,
  PAYMENT_NOT_HONOURED: 'Do not buy there again on your own. Tell the user: the proof of payment is kept.',
  PAYMENT_UNFUNDED: 'Tell the user that the wallet needs money.',
};
