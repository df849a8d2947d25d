/**
 * `farebox/client/choice`: a job that several providers do, bought from the best of them.
 */

import * as Amount from '../core/Amount.ts';
import { type Clock, type Random, systemClock, systemRandom } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import type { AmountOption } from './Budget.ts';
import { type Bought, buyAnswer, type Question } from './choice/buyAnswer.ts';
import type { ObservationStore } from './choice/Observations.ts';
import * as Observations from './choice/Observations.ts';
import * as Owed from './choice/Owed.ts';
import { costOf } from './choice/rank.ts';
import type { Input } from './choice/request.ts';
import * as Services from './choice/Services.ts';
import type { PayingClient } from './createClient.ts';

export type { Bought, PassedOver } from './choice/buyAnswer.ts';
export type { ObservationStore } from './choice/Observations.ts';
export type { Input } from './choice/request.ts';
export { type Provider, read as readServices, type Service, type Services } from './choice/Services.ts';

/** What services are called with. */
export type ServicesOptions = {
  /** The client that pays; its limits hold. */
  readonly client: Pick<PayingClient, 'fetch' | 'quote' | 'resume'>;
  /** As a file of services has them, parsed; or what `readServices` made of it. */
  readonly services: unknown;
  /** Where observations and debts are kept beyond this process. Default: nowhere. */
  readonly observations?: ObservationStore;
  /** What a second of waiting is worth. Default: `"1 sat"`. */
  readonly secondIsWorth?: AmountOption;
  /** How often, of all calls, one that little is known of is asked first. From 0 to 1; default: 0.05. */
  readonly explore?: number;
  /** How long a provider may take to say its price. Default: 10,000. */
  readonly quoteTimeoutMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
};

/** How one answer is bought. */
export type CallOptions = {
  /** Pay another provider where one was paid and gave no answer that can be used. Default: false. Never so while it is not known whether it was paid. */
  readonly payAgain?: boolean;
  /** Whether an answer can be used; one that cannot counts against its provider. Default: every answer can. */
  readonly accept?: (answer: unknown) => boolean;
  readonly signal?: AbortSignal;
};

/** Services, ready to be called. */
export type CallableServices = {
  /**
   * The answer of the best provider: JSON where it is JSON, text otherwise.
   *
   * @throws RangeError – no service of this name
   * @throws PROVIDERS_EXHAUSTED – nobody gave an answer, and nobody was paid
   * @throws ANSWER_MISSING – one was paid and gave none that can be used; the same call asks that one first
   * @throws PAYMENT_UNKNOWN and what else the client throws once somebody was paid, or may have been
   */
  readonly call: (name: string, input?: Input, options?: CallOptions) => Promise<unknown>;
  /** The same, with who gave it and what it cost. */
  readonly buy: (name: string, input?: Input, options?: CallOptions) => Promise<Bought>;
  /** Providers of a service, the best first, with what an answer is expected to cost in msat, time and failures counted in. */
  readonly ranking: (name: string) => Promise<readonly { readonly provider: string; readonly expectedMsat: number }[]>;
};

/**
 * Makes services that can be called.
 * @throws CONFIG_INVALID – `services` is no file of services
 * @throws RangeError – an option is out of range
 * @example
 * const services = createServices({ client, services: parse(readFileSync('services.yaml', 'utf8')) });
 * const sentiment = await services.call('sentiment_analyzer', { text: 'BTC to the moon' });
 */
export function createServices(options: ServicesOptions): CallableServices {
  const { client, observations: kept, explore = 0.05, quoteTimeoutMs = 10_000, clock = systemClock, random = systemRandom } = options;
  const services = options.services instanceof Map ? (options.services as Services.Services) : Services.read(options.services);
  if (!(explore >= 0 && explore <= 1)) throw new RangeError('explore lies between 0 and 1');
  if (!Number.isInteger(quoteTimeoutMs) || quoteTimeoutMs < 1) throw new RangeError('quoteTimeoutMs is a whole number from 1');
  const { secondIsWorth = '1 sat' } = options;
  const weights = { msatPerSecond: Number(typeof secondIsWorth === 'string' ? Amount.parse(secondIsWorth) : secondIsWorth) };
  const memory = loadOnce(kept);

  const buy: CallableServices['buy'] = async (name, input = {}, { payAgain = false, accept, signal } = {}) => {
    const service = serviceOf(services, name);
    const { observations, owed, save } = await memory();
    const key = Owed.questionOf(name, input);
    const debt = await standing(client, owed, key);
    let before: Owed.Debt | undefined;
    const question: Question = {
      ...{ client, name, service, input, observations, weights, clock, quoteTimeoutMs, payAgain, accept, signal },
      explore: fraction(random) < explore ? fraction(random) : undefined,
      // Who is in the file no longer owes nothing that could be asked for.
      debt: service.providers.some((one) => one.name === debt?.provider) ? debt : undefined,
      onDebt: (found) => owed.add(key, found),
      onPaying: async (found) => {
        before = owed.to(key);
        owed.add(key, found);
        await save();
      },
      onUnpaid: () => (before === undefined ? owed.clear(key) : owed.add(key, before)),
    };
    try {
      const bought = await buyAnswer(question);
      owed.clear(key);
      return bought;
    } finally {
      await save();
    }
  };

  return {
    buy,
    call: async (name, input, callOptions) => (await buy(name, input, callOptions)).answer,
    ranking: async (name) => {
      const { observations } = await memory();
      const standings = serviceOf(services, name).providers.map((provider) => ({ provider, seen: observations.of(name, provider.url), quotedMsat: undefined }));
      return standings
        .map((one) => ({ provider: one.provider.name, expectedMsat: Math.round(costOf(one, weights)) }))
        .sort((a, b) => a.expectedMsat - b.expectedMsat);
    },
  };
}

/**
 * What is owed for a question now. Where it was not known whether it was paid, the wallet is asked.
 * @throws PAYMENT_UNKNOWN – it still is not known
 */
async function standing(client: ServicesOptions['client'], owed: Owed.Owed, key: string): Promise<Owed.Debt | undefined> {
  const debt = owed.to(key);
  if (debt === undefined) return undefined;
  const [payment] = await client.resume({ paymentHash: debt.paymentHash as PaymentHash });
  if (debt.kind === 'paid') {
    // What was bought for this has answered something else.
    if (payment === undefined || payment.boundTo === '' || payment.boundTo === payment.resource) return debt;
    owed.clear(key);
    return undefined;
  }
  // What the journal has never heard of did not come to the wallet.
  if (payment === undefined || payment.state === 'failed') {
    owed.clear(key);
    return undefined;
  }
  // A call that lives is at work on it: who asks the same waits for it.
  if (payment.state === 'reserved' || payment.state === 'dispatched') return debt;
  if (payment.state === 'unknown') {
    const message = `It is not known whether ${debt.provider} was paid for this (payment ${debt.paymentHash}), and nobody else is as long as that is so. Ask again later, or resolve it.`;
    throw new FareboxError('PAYMENT_UNKNOWN', message, { details: { paymentHash: debt.paymentHash, provider: debt.provider } });
  }
  return { ...debt, kind: 'paid' };
}

function loadOnce(kept: ObservationStore | undefined) {
  let loading: Promise<Memory> | undefined;
  return () => {
    loading ??= load(kept);
    return loading;
  };
}

type Memory = { readonly observations: Observations.Observations; readonly owed: Owed.Owed; readonly save: () => Promise<void> };

async function load(kept: ObservationStore | undefined): Promise<Memory> {
  const read = async (): Promise<{ readonly [name: string]: unknown }> => {
    const saved: unknown = await kept?.load();
    return typeof saved === 'object' && saved !== null ? { ...saved } : {};
  };
  const { observed, owed: debts } = await read();
  const observations = Observations.create(observed);
  const owed = Owed.create(debts);
  // One after the other: what was seen later is written last. What others have come to owe meanwhile stays.
  let writing: Promise<void> = Promise.resolve();
  const write = async () => {
    if (kept) await kept.save({ observed: observations.toJSON(), owed: owed.over((await read()).owed) });
  };
  const save = () => {
    writing = writing.then(write).catch(() => undefined);
    return writing;
  };
  return { observations, owed, save };
}

function serviceOf(services: Services.Services, name: string): Services.Service {
  const service = services.get(name);
  if (service) return service;
  const known = [...services.keys()].slice(0, 20).join(', ');
  throw new RangeError(`there is no service "${name.slice(0, 64)}": there ${services.size === 1 ? 'is' : 'are'} ${known || 'none'}`);
}

/** From 0 to below 1. */
function fraction(random: Random): number {
  const [a = 0, b = 0, c = 0, d = 0] = random(4);
  return (((a * 256 + b) * 256 + c) * 256 + d) / 2 ** 32;
}
