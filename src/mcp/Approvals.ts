/**
 * A person's word for dear calls, asked for before anything is sold. It is given for one call: the tool, its arguments in canonical form, and the price; and
 * it is good once.
 */
import * as Amount from '../core/Amount.ts';
import { type Clock, within } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { fromUtf8, toHex } from '../core/internal/bytes.ts';
import { sha256 } from '../core/internal/sha256.ts';
import type { JsonObject } from './ToolPayment.ts';

/** When a person is asked, and how. */
export type ApproveOptions = {
  /** Calls that cost more are asked about. */
  readonly above: string | Amount.Msat;
  /** Asks a person. Anything but `true`, an error and a time-out among them, is a no. `signal` takes the question back. */
  readonly ask: (call: CallToApprove, signal: AbortSignal) => Promise<boolean>;
  /** For an answer; default 120. */
  readonly waitSeconds?: number;
  /** How long a yes is good for the call that is paid, after it was given; default 900. */
  readonly goodSeconds?: number;
  /** Questions that wait at once; more are refused; default 10. */
  readonly maxWaiting?: number;
};

/** What a person is asked about. */
export type CallToApprove = {
  readonly tool: string;
  readonly args: JsonObject;
  readonly price: string;
  /** SHA-256 of tool, arguments and price, 64 hex digits. */
  readonly hash: string;
};

/** See the head of this file. */
export type Approvals = {
  /**
   * Resolves when somebody has said yes to this call, and uses that up; at once where nobody need be asked. The answer puts it back, for a call that
   * does not go ahead yet.
   * @throws APPROVAL_REFUSED – no, or nobody answered; RATE_LIMITED – too many questions wait
   */
  readonly take: (call: Omit<CallToApprove, 'price' | 'hash'> & { readonly canonical: string; readonly amountMsat: Amount.Msat }) => Promise<() => void>;
};

/** Yeses that are kept; the oldest goes. */
const maxKept = 1000;

/**
 * Approvals in this process: after a start, people are asked anew.
 * @throws AMOUNT_MALFORMED, RangeError – no amount, no length of time
 */
export function createApprovals(options: ApproveOptions, clock: Clock): Approvals {
  const aboveMsat = typeof options.above === 'string' ? Amount.parse(options.above) : Amount.fromMsat(options.above);
  const { waitSeconds = 120, goodSeconds = 900, maxWaiting = 10 } = options;
  if (!(waitSeconds > 0 && goodSeconds > 0 && maxWaiting > 0)) throw new RangeError('waitSeconds, goodSeconds and maxWaiting are more than 0');
  /** Until when each yes is good, in milliseconds. */
  const kept = new Map<string, number>();
  let waiting = 0;

  const ask = async (call: CallToApprove): Promise<void> => {
    if (waiting >= maxWaiting) {
      throw new FareboxError('RATE_LIMITED', 'Too many calls wait for a person to approve them. Nothing was charged.', {
        details: { retryAfterSeconds: waitSeconds },
      });
    }
    waiting += 1;
    try {
      const deadline = { clock, ms: waitSeconds * 1000, late: () => refused(call, 'nobody answered in time') };
      if ((await within(deadline, (signal) => options.ask(call, signal))) !== true) throw refused(call, 'a person said no');
    } catch (cause) {
      throw FareboxError.is(cause, 'APPROVAL_REFUSED') ? cause : refused(call, 'nobody could be asked', cause);
    } finally {
      waiting -= 1;
    }
  };
  return {
    take: async ({ tool, args, canonical, amountMsat }) => {
      if (amountMsat <= aboveMsat) return () => {};
      const price = Amount.format(amountMsat);
      // Each length stands before its text, so that no two calls are written alike.
      const hash = toHex(sha256(...[tool, canonical, price].map((part) => fromUtf8(`${part.length}:${part}`))));
      let until = kept.get(hash) ?? 0;
      kept.delete(hash);
      if (clock.nowMs() >= until) {
        await ask({ tool, args, price, hash });
        until = clock.nowMs() + goodSeconds * 1000;
      }
      return () => {
        if (kept.size >= maxKept) kept.delete(kept.keys().next().value as string);
        kept.set(hash, until);
      };
    },
  };
}

function refused({ tool, price }: CallToApprove, why: string, cause?: unknown): FareboxError {
  return new FareboxError('APPROVAL_REFUSED', `A call of ${tool.slice(0, 64)} for ${price} needs a person's approval, and ${why}. Nothing was charged.`, {
    ...(cause === undefined ? {} : { cause }),
  });
}
