/**
 * Decides what becomes of a tool call: the paywall's decision, with the price of the call and a person's approval before it.
 *
 *     call → price → approval above a threshold → paywall → go | an answer instead
 */
import { type Clock, systemClock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { fromUtf8, toUtf8 } from '../core/internal/bytes.ts';
import { TimerWheel } from '../core/TimerWheel.ts';
import type { Answer } from '../http/RequestView.ts';
import type { Principal } from '../server/Offer.ts';
import type { Paywall } from '../server/Paywall.ts';
import type { Sale } from '../server/terms/Terms.ts';
import { type ApproveOptions, createApprovals } from './Approvals.ts';
import * as ToolAnswers from './ToolAnswers.ts';
import { createToolOffers, type ToolOffer, type ToolOffers, type ToolPrices, type ToolRequest } from './ToolOffers.ts';
import type { JsonObject } from './ToolPayment.ts';

/** What the tools of a server are sold with. */
export type TillOptions = {
  /** From `createPaywall`. */
  readonly farebox: Paywall;
  readonly prices: ToolPrices;
  /** When a person is asked before a call is sold; default: never. */
  readonly approve?: ApproveOptions;
  /** For a tool to answer a call that was paid; then nothing is charged. Default 300,000. */
  readonly timeoutMs?: number;
  /** False: credentials are not taken from the argument `l402_credential`, and it is not listed. Default true: some hosts can set nothing else. */
  readonly credentialArgument?: boolean;
  readonly clock?: Clock;
};

/** A call of a tool that is sold, taken apart. */
export type ToolCall = {
  readonly args: JsonObject;
  /** The arguments in canonical form, without a credential. */
  readonly canonical: string;
  /** Each as the value of an `Authorization` line. */
  readonly credentials: readonly string[];
  /** '' where there is one client. */
  readonly clientAddress: string;
  readonly idempotencyKey: string | undefined;
};

/** `go`: let the call through, and follow its sale where there is one. `answer`: send this instead. `repeat`: it was paid for, and this was kept. */
export type Ruling =
  | { readonly kind: 'go'; readonly principal: Principal | undefined; readonly sale: Sale | undefined; readonly headers: Answer['headers'] }
  | { readonly kind: 'answer'; readonly result: ToolAnswers.ToolResult }
  | { readonly kind: 'repeat'; readonly result: ToolAnswers.ToolResult; readonly sale: Sale };

/** See the head of this file. */
export type Till = {
  readonly offerOf: ToolOffers;
  /** Never throws for what a call contains, nor for what the store, the node or a person do. */
  readonly decide: (tool: ToolOffer, call: ToolCall, manner: ToolAnswers.Manner) => Promise<Ruling>;
  readonly clock: Clock;
  /** For all of its calls. */
  readonly timers: TimerWheel;
  readonly timeoutMs: number;
  readonly takesArgument: boolean;
  /** Told of what goes wrong on the way. */
  readonly onTrouble: (what: string, error: unknown) => void;
};

/**
 * A till for these prices.
 * @throws AMOUNT_MALFORMED, RangeError – prices that cannot be sold
 */
export function createTill({ farebox, prices, approve, timeoutMs = 300_000, credentialArgument = true, clock = systemClock }: TillOptions): Till {
  if (!(timeoutMs > 0)) throw new RangeError('timeoutMs is more than 0');
  const offerOf = createToolOffers(prices);
  const approvals = approve && createApprovals(approve, clock);
  const onTrouble = (what: string, error: unknown) => farebox.events.emit({ at: clock.nowMs(), kind: 'trouble', what, error });
  return {
    offerOf,
    clock,
    timers: new TimerWheel(clock),
    timeoutMs,
    takesArgument: credentialArgument,
    onTrouble,
    decide: async (tool, call, manner) => {
      try {
        const amountMsat = tool.priceOf(call.args);
        if (amountMsat === 0n) return { kind: 'go', principal: undefined, sale: undefined, headers: [] };
        const putBack = approvals && (await approvals.take({ tool: tool.name, args: call.args, canonical: call.canonical, amountMsat }));
        const target = { path: tool.path, query: '', authority: undefined };
        const decision = await farebox.check(requestOf(target.path, call, amountMsat), target, tool.offer);
        if (decision.kind !== 'pass') putBack?.();
        switch (decision.kind) {
          case 'pass':
            decision.sale?.onBody(fromUtf8(call.canonical));
            return { kind: 'go', principal: decision.principal, sale: decision.sale, headers: decision.headers };
          case 'challenge':
            return { kind: 'answer', result: ToolAnswers.challenge(decision.answer, tool, manner) };
          case 'refuse':
            return { kind: 'answer', result: ToolAnswers.refusal(decision.answer, manner) };
          case 'answer':
            return { kind: 'answer', result: ToolAnswers.answered(decision.answer, manner) };
          case 'repeat':
            return { kind: 'repeat', result: restored(decision.answer, decision.principal, clock), sale: decision.sale };
        }
      } catch (error) {
        onTrouble(`a call of ${tool.name.slice(0, 64)}`, error);
        return { kind: 'answer', result: ToolAnswers.failure(FareboxError.is(error) && error.status !== 0 ? error : failed(error), manner) };
      }
    },
  };
}

/** A result as it is kept for a client that has left. */
export function kept(result: ToolAnswers.ToolResult) {
  return { status: 200, headers: [], body: fromUtf8(JSON.stringify(result)) };
}

function restored({ body, headers }: Answer, principal: Principal, clock: Clock): ToolAnswers.ToolResult {
  const result = JSON.parse(typeof body === 'string' ? body : (toUtf8(body) ?? '')) as ToolAnswers.ToolResult;
  return ToolAnswers.withReceipt(result, headers, principal, clock);
}

/** A call, as the paywall reads requests. */
function requestOf(path: string, call: ToolCall, amountMsat: ToolRequest['amountMsat']): ToolRequest {
  const bytes = () => fromUtf8(call.canonical);
  return {
    method: 'POST',
    target: path,
    clientAddress: call.clientAddress,
    header: (name) => (name === 'authorization' ? call.credentials.join(', ') || undefined : name === 'idempotency-key' ? call.idempotencyKey : undefined),
    headerLines: (name) => (name === 'authorization' ? call.credentials : []),
    readBody: async (limit) => (bytes().length <= limit ? bytes() : undefined),
    amountMsat,
    canonical: call.canonical,
  };
}

function failed(cause: unknown): FareboxError {
  return new FareboxError('PRICE_UNKNOWN', 'This call could not be sold for a reason of the seller’s. Nothing was charged.', { cause });
}
