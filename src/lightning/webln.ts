/**
 * WebLN: the wallet that a browser's user has, asked through the object that it puts on the page. It pays, and is asked for nothing else.
 *
 * Its user says yes or no to every payment, unless they have set the wallet to do so. WebLN knows no fee limit, so a buyer says what to reckon
 * with (`assumedMaxFee`); and no way to ask what became of a payment, so one whose end is unknown is held until a person resolves it.
 *
 * @see the WebLN specification (https://www.webln.guide), `enable`, `sendPayment` and `getBalance`
 */
import type * as Amount from '../core/Amount.ts';
import { type Clock, systemClock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Preimage from '../core/Preimage.ts';
import { type Attempt, call, pay } from './Driving.ts';
import type { Network, Payer, PaymentOutcome } from './Lightning.ts';
import { Reading } from './Reading.ts';

/** What a wallet puts on the page, as far as it is asked here. */
export type WeblnProvider = {
  /** Asks its user whether this page may talk to it. */
  readonly enable: () => Promise<unknown>;
  readonly sendPayment: (invoice: string) => Promise<unknown>;
  readonly getBalance?: () => Promise<unknown>;
};

/** Which wallet is asked. */
export type WeblnOptions = {
  /** Default: `webln` of the page, once it is needed. */
  readonly provider?: WeblnProvider | undefined;
  /** Default `bitcoin`. Invoices of another one are refused. */
  readonly network?: Network | undefined;
  readonly clock?: Clock | undefined;
};

const product = 'the wallet of this browser';

/**
 * A wallet that pays, once its user has agreed. Nothing is asked before the first call.
 * @example createFetch({ payer: createWeblnPayer(), assumedMaxFee: '5 sat', maxPerRequest: '50 sat', store })
 */
export function createWeblnPayer(options: WeblnOptions = {}): Payer {
  const { network = 'bitcoin', clock = systemClock } = options;
  const closing = new AbortController();
  const providerOf = () => options.provider ?? (globalThis as { readonly webln?: WeblnProvider }).webln;
  const handOver = (attempt: Attempt, signal: AbortSignal) => send(providerOf(), attempt, signal);
  return {
    name: 'webln',
    network,
    capabilities: { feeLimit: false, track: false, balance: options.provider?.getBalance !== undefined },
    pay: (request, signal) => pay({ product, network, clock, closing: closing.signal, handOver }, request, signal),
    trackPayment: async () => {
      throw unavailable('it tells of no payment afterwards');
    },
    balance: (signal) =>
      call(product, closing.signal, signal, async (either) => {
        const provider = await enabled(providerOf(), either);
        if (provider.getBalance === undefined) throw unavailable('it does not tell its balance');
        const told = new Reading(product, await unless(either, provider.getBalance()).catch((error: unknown) => refused(error, either)));
        if (told.has('currency') && !/^sats?$/i.test(told.text('currency'))) throw unavailable('it tells its balance in no bitcoin');
        return { spendableMsat: told.sat('balance') };
      }),
    close: async () => closing.abort(),
  };
}

/** Hands a payment over once the user lets this page talk to the wallet; the answer waits for the wallet's. */
async function send(found: WeblnProvider | undefined, attempt: Attempt, signal: AbortSignal): Promise<() => Promise<PaymentOutcome>> {
  const provider = await enabled(found, signal);
  const sent = provider.sendPayment(attempt.invoice);
  return async () => {
    let told: Reading;
    try {
      told = new Reading(product, await unless(signal, sent));
    } catch (error) {
      if (!isRejection(error)) throw signal.aborted || FareboxError.is(error) ? error : unavailable('the payment did not end as it should');
      return { kind: 'failed', reason: 'rejected', message: 'The user of the wallet said no.' };
    }
    const feeMsat = feeIn(told) ?? attempt.maxFeeMsat;
    return { kind: 'settled', preimage: Preimage.parse(told.text('preimage').toLowerCase()), amountMsat: attempt.amountMsat, feeMsat };
  };
}

/** The wallet, once its user lets this page talk to it. @throws LIGHTNING_UNAVAILABLE, with `details.sent === false` – there is none, or they do not */
async function enabled(provider: WeblnProvider | undefined, signal: AbortSignal): Promise<WeblnProvider> {
  if (provider === undefined) throw unavailable('there is none that speaks WebLN', { sent: false });
  try {
    await unless(signal, provider.enable());
  } catch {
    throw unavailable(signal.aborted ? 'its user has not let this page talk to it' : 'its user does not let this page talk to it', { sent: false });
  }
  return provider;
}

/** What a wallet says of the fee, where it says it: some put the route of the payment into the answer, in whole satoshis. */
function feeIn(told: Reading): Amount.Msat | undefined {
  if (!told.has('route')) return undefined;
  const route = told.object('route');
  return route.has('total_fees') ? route.sat('total_fees') : undefined;
}

/** Its user pressed no. Whatever else ends a call may have come after they pressed yes. */
function isRejection(error: unknown): boolean {
  return error instanceof Error && (error.name === 'RejectionError' || /^user rejected\b/i.test(error.message));
}

/** What is waited for, until `signal` aborts. */
async function unless<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function refused(error: unknown, signal: AbortSignal): never {
  if (signal.aborted) throw error;
  throw unavailable('it does not tell its balance');
}

/** What the wallet itself said is not repeated: a page's console is read by many. */
function unavailable(why: string, details: { readonly sent?: false } = {}): FareboxError {
  return new FareboxError('LIGHTNING_UNAVAILABLE', `${product} cannot be asked: ${why}.`, { details });
}
