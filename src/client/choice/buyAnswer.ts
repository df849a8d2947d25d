/**
 * Gets one answer from one of several providers.
 *
 *     ask the best for its price ─┬─ another one is better now: ask that one
 *                                 └─ pay it ─┬─ an answer
 *                                            ├─ nothing was paid, for certain: the next
 *                                            └─ paid, or perhaps, and no answer: stop
 *
 * To ask for a price pays nothing, so whatever goes wrong before a payment leads on to the next provider. Once one was paid, nobody else is for the
 * same answer, unless the caller says so; and as long as it is not known whether one was paid, not even then.
 */
import * as Amount from '../../core/Amount.ts';
import type { Clock } from '../../core/Clock.ts';
import type { Code } from '../../core/Errors.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { PayingClient } from '../createClient.ts';
import { paymentOf, type ResponsePayment } from '../kept.ts';
import { failedCodes } from '../paymentFailure.ts';
import type { PricedQuote } from '../quoteCall.ts';
import type { Observations } from './Observations.ts';
import type { Debt } from './Owed.ts';
import { best, leastKnown, type Standing, type Weights } from './rank.ts';
import { answerIn, type Input, requestOf } from './request.ts';
import type { Provider, Service } from './Services.ts';

/** An answer, and who gave it. */
export type Bought = {
  /** JSON where it is JSON, text otherwise. Whatever the provider wrote. */
  readonly answer: unknown;
  /** By name. */
  readonly provider: string;
  readonly status: number;
  /** Undefined where it was free. */
  readonly payment: ResponsePayment | undefined;
  /** Who was asked besides, and why it was not them. */
  readonly passedOver: readonly PassedOver[];
};

/** A provider that gave no answer. */
export type PassedOver = { readonly provider: string; readonly why: string };

/** One question to several providers. */
export type Question = {
  readonly client: Pick<PayingClient, 'fetch' | 'quote'>;
  readonly name: string;
  readonly service: Service;
  readonly input: Input;
  readonly observations: Observations;
  readonly weights: Weights;
  readonly clock: Clock;
  /** Waits for a price no longer. */
  readonly quoteTimeoutMs: number;
  /** From 0 to below 1, at random, where one that is little known is to be asked first. */
  readonly explore: number | undefined;
  readonly payAgain: boolean;
  readonly accept: ((answer: unknown) => boolean) | undefined;
  readonly signal: AbortSignal | undefined;
  /** The one that was paid for this answer before. */
  readonly debt: Debt | undefined;
  /** Told when somebody was paid, or may have been, and gave no answer. */
  readonly onDebt: (debt: Debt) => void;
  /** Told before somebody is paid: whoever asks after the end of this process has to know. */
  readonly onPaying: (debt: Debt) => Promise<void>;
  /** Told when that one was not paid, for certain. */
  readonly onUnpaid: () => void;
};

/**
 * Gets the answer.
 * @throws PROVIDERS_EXHAUSTED – nobody gave one, and nobody was paid
 * @throws ANSWER_MISSING – one was paid and gave none that can be used
 * @throws what the client throws once somebody was paid, or may have been
 */
export async function buyAnswer(asked: Question): Promise<Bought> {
  const { service, observations, name, debt, payAgain } = asked;
  let owing = debt;
  const onDebt = (found: Debt) => {
    owing = found;
    asked.onDebt(found);
  };
  const question = { ...asked, onDebt };
  const isAsked = (provider: Provider) => debt === undefined || payAgain || provider.name === debt.provider;
  let open: readonly Candidate[] = service.providers.filter(isAsked).map((provider) => ({ provider, quote: undefined }));
  const passedOver: PassedOver[] = [];
  const pass = ({ provider }: Candidate, why: string) => {
    passedOver.push({ provider: provider.name, why });
    open = open.filter((one) => one.provider !== provider);
  };
  for (let isFirst = true; open.length > 0; isFirst = false) {
    const standings = open.map((one) => ({ ...one, seen: observations.of(name, one.provider.url), quotedMsat: one.quote?.amountMsat }));
    const next = choose(question, standings, isFirst);
    if (next.quote === undefined) {
      const found = await askPrice(question, next.provider);
      if (found.kind === 'bought') return { ...found.bought, passedOver };
      if (found.kind !== 'priced') pass(next, found.why);
      else open = open.map((one) => (one.provider === next.provider ? { provider: one.provider, quote: found.quote } : one));
      continue;
    }
    const { quote } = next;
    await question.onPaying({ provider: next.provider.name, kind: 'unknown', paymentHash: quote.paymentHash });
    const send = () => quote.pay(question.signal ? { signal: question.signal } : {});
    const paid = await tell(question, next.provider, { send, paymentHash: quote.paymentHash, startedMs: question.clock.nowMs(), isSpent: true });
    if (paid.kind === 'bought') return { ...paid.bought, passedOver };
    if (paid.kind === 'unpaid') question.onUnpaid();
    pass(next, paid.why);
  }
  throw exhausted(question, passedOver, owing);
}

/** A provider, and its price where it has said it. */
type Candidate = { readonly provider: Provider; readonly quote: PricedQuote | undefined };

type Told =
  | { readonly kind: 'bought'; readonly bought: Omit<Bought, 'passedOver'> }
  | { readonly kind: 'passed'; readonly why: string }
  /** For certain. */
  | { readonly kind: 'unpaid'; readonly why: string };

function choose<T extends Standing & Candidate>({ weights, explore, debt }: Question, standings: readonly T[], isFirst: boolean): T {
  const owing = standings.find(({ provider }) => provider.name === debt?.provider);
  const tried = isFirst && explore !== undefined ? leastKnown(standings, explore) : undefined;
  return owing ?? tried ?? (best(standings, weights) as T);
}

/** How many kept credentials a provider may refuse before it is passed over. */
const maxRefused = 3;

/** Asks a provider for its price. What needs no payment is answered at once. */
async function askPrice(question: Question, provider: Provider, refused = 0): Promise<Told | { readonly kind: 'priced'; readonly quote: PricedQuote }> {
  const { client, input, observations, name, service, clock, debt, payAgain } = question;
  const { url, init } = requestOf(provider, input);
  const startedMs = clock.nowMs();
  const failed = (why: string): Told => {
    observations.noteTime(name, provider.url, { ok: false, ms: clock.nowMs() - startedMs });
    return { kind: 'passed', why };
  };
  const wait = waitOf(question);
  let quote: Awaited<ReturnType<typeof client.quote>>;
  try {
    quote = await client.quote(url, { ...init, signal: wait.signal });
  } catch (error) {
    question.signal?.throwIfAborted();
    // Nothing was sent that another provider would not get, too.
    if (FareboxError.is(error, 'REQUEST_UNREPEATABLE', 'STORE_UNAVAILABLE')) throw error;
    return failed(wait.signal.aborted ? 'it did not say its price in time' : `it cannot be asked (${sayOf(error)})`);
  } finally {
    wait.cancel();
  }
  if (quote.kind === 'refused') return failed(`its offer cannot be paid safely (${quote.code})`);
  if (quote.kind === 'free') {
    const { response } = quote;
    return tell(question, provider, { send: async () => response, paymentHash: '', startedMs, isSpent: true });
  }
  if (quote.kind === 'covered') {
    const { terms, paymentHash } = quote;
    const send = () => quote.send(question.signal ? { signal: question.signal } : {});
    const told = await tell(question, provider, { send, paymentHash, startedMs, isSpent: !keepsGood.has(terms), isKept: true });
    // It is set aside: what the provider asks now is an offer like any other.
    return told.kind === 'unpaid' && refused < maxRefused ? askPrice(question, provider, refused + 1) : told;
  }
  observations.notePrice(name, provider.url, quote.amountMsat);
  const { amountMsat, allowed } = quote;
  if (service.maxPriceMsat !== undefined && amountMsat > service.maxPriceMsat) {
    return { kind: 'passed', why: `it asks ${Amount.format(amountMsat)}, and ${name} may cost ${Amount.format(service.maxPriceMsat)}` };
  }
  if (debt?.kind === 'paid' && debt.provider === provider.name && !payAgain) {
    return { kind: 'passed', why: `it was paid for this answer (payment ${debt.paymentHash}), and asks to be paid once more` };
  }
  // An earlier payment for the same may have been made: to go on is to find out about that one, and never to pay somebody else.
  if (allowed !== true && allowed.by !== 'PAYMENT_UNKNOWN') return { kind: 'passed', why: allowed.message };
  return { kind: 'priced', quote };
}

/** What is bought for long is not lost with an answer that does not come. */
const keepsGood: ReadonlySet<string> = new Set(['pass', 'bucket', 'credit']);

/** A call that is paid for, or free. */
type Sending = {
  readonly send: () => Promise<Response>;
  /** '' where it is free. */
  readonly paymentHash: string;
  readonly startedMs: number;
  /** Whether a credential that was kept from before buys one answer, and counts as a payment for this one. */
  readonly isSpent: boolean;
  /** Whether it shows what is kept, and pays nothing. */
  readonly isKept?: boolean;
};

/** Sends it, and sees what came of it. */
async function tell(question: Question, provider: Provider, { send, paymentHash, startedMs, isSpent, isKept }: Sending): Promise<Told> {
  const { observations, name, clock, payAgain, accept, onDebt } = question;
  const note = (ok: boolean) => observations.noteTime(name, provider.url, { ok, ms: clock.nowMs() - startedMs });
  let response: Response;
  try {
    response = await send();
  } catch (error) {
    const isOver = question.signal?.aborted === true;
    if (!isOver) note(false);
    // Asking again with another credential would take as long.
    if (!isOver && isKept && isUnpaid(error, isSpent) && FareboxError.is(error, 'REQUEST_TIMED_OUT')) return { kind: 'passed', why: sayOf(error) };
    if (!isOver && (isUnpaid(error, isSpent) || (isKept && FareboxError.is(error, 'CHALLENGE_REFUSED')))) return { kind: 'unpaid', why: sayOf(error) };
    const isKnown = FareboxError.is(error, 'PAYMENT_NOT_HONOURED', 'PAYMENT_INTERRUPTED', 'REQUEST_TIMED_OUT');
    const named = FareboxError.is(error) ? error.details.paymentHash : undefined;
    onDebt({ provider: provider.name, kind: isKnown ? 'paid' : 'unknown', paymentHash: typeof named === 'string' ? named : paymentHash });
    if (isKnown && payAgain && !isOver) return { kind: 'passed', why: sayOf(error) };
    throw error;
  }
  const payment = paymentOf(response);
  const found = await answerIn(response);
  const isGood = found.kind === 'answer' && (accept === undefined || accept(found.answer));
  note(isGood);
  if (isGood) return { kind: 'bought', bought: { answer: found.answer, provider: provider.name, status: response.status, payment } };
  const why = found.kind === 'none' ? found.why : 'its answer was not accepted';
  if (payment === undefined || (payment.reused && !isSpent)) return { kind: 'passed', why };
  onDebt({ provider: provider.name, kind: 'paid', paymentHash: payment.paymentHash });
  if (payAgain) return { kind: 'passed', why };
  throw missing(question, provider, payment, why);
}

/** Whether an error says for certain that nothing was paid for this answer. */
function isUnpaid(error: unknown, isSpent: boolean): boolean {
  // It names the credential that it showed, which may have been bought for this very answer.
  if (FareboxError.is(error, 'REQUEST_TIMED_OUT')) return error.details.paymentHash === undefined || !isSpent;
  if (!FareboxError.is(error, ...unpaidCodes)) return false;
  // What the journal knows of an invoice may be that nobody knows how it ended.
  return error.code !== 'JOURNAL_CONFLICT' || ['failed', 'redeemed', 'rejected'].includes(String(error.details.state));
}

const unpaidCodes: readonly Code[] = [
  ...failedCodes,
  'BUDGET_EXCEEDED',
  'BUDGET_HOST_DENIED',
  'CONSENT_REFUSED',
  'INVOICE_EXPIRED',
  'INVOICE_MALFORMED',
  'JOURNAL_CONFLICT',
];

/** The caller's patience, and ours. */
function waitOf({ signal, clock, quoteTimeoutMs }: Question): { readonly signal: AbortSignal; readonly cancel: () => void } {
  const timeout = new AbortController();
  const cancel = clock.after(quoteTimeoutMs, () => timeout.abort(new Error('no price in time')));
  return { signal: signal ? AbortSignal.any([signal, timeout.signal]) : timeout.signal, cancel };
}

function sayOf(error: unknown): string {
  if (FareboxError.is(error)) return `${error.code}: ${error.message}`;
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

function exhausted({ name }: Question, passedOver: readonly PassedOver[], debt: Debt | undefined): FareboxError {
  const tried = passedOver.map(({ provider, why }) => `${provider}: ${why}`);
  const message = `Nobody gave an answer for ${name}, and nobody was paid for one now. ${tried.join('; ')}.`;
  if (debt === undefined) return new FareboxError('PROVIDERS_EXHAUSTED', message, { details: { service: name, tried } });
  const was = debt.kind === 'paid' ? 'was paid' : 'was paid, or may have been,';
  const owed = `${debt.provider} ${was} for this answer and does not give it. ${tried.join('; ')}. Ask again later, or pay somebody else for it (payAgain).`;
  return new FareboxError('ANSWER_MISSING', owed, { details: { service: name, provider: debt.provider, paymentHash: debt.paymentHash } });
}

function missing({ name }: Question, { name: provider }: Provider, { paymentHash, amountMsat }: ResponsePayment, why: string): FareboxError {
  const amount = Amount.format(Amount.fromMsat(amountMsat));
  const message =
    `${provider} was paid ${amount} (payment ${paymentHash}) for ${name}, and ${why}. Nobody else is paid for the same answer on its own: ` +
    'ask again, and it is asked first, or say payAgain.';
  return new FareboxError('ANSWER_MISSING', message, { details: { service: name, provider, paymentHash, amount } });
}
