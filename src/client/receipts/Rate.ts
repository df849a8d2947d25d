/**
 * What bitcoin cost in other money when something was paid. A payment is worth what it was worth then: a rate is asked for when it is made and kept,
 * or comes from a source that knows the past.
 */
import type { Msat } from '../../core/Amount.ts';
import { type Clock, nowAt, systemClock } from '../../core/Clock.ts';
import type { ClientEvent } from '../Client.ts';
import type { FiatValue } from './PurchaseReceipt.ts';

/** What one bitcoin cost. */
export type Rate = {
  /** Three to five capital letters, such as `USD`. */
  readonly currency: string;
  /** Decimal text, such as `"67012.50"`. */
  readonly perBitcoin: string;
};

/** Says what the rate was; undefined where it does not know, and then a receipt names no value. `at` is Unix seconds. */
export type RateSource = (at: number) => Rate | undefined | Promise<Rate | undefined>;

/** A rate, and when it was one. */
export type NotedRate = Rate & {
  /** Unix seconds. */
  readonly at: number;
};

/** Rates that are asked for as payments are made. */
export type RateBook = {
  /** Give it to the client as `onEvent`, or call it from there: at each payment the rate is asked for and kept. */
  readonly onEvent: (event: ClientEvent) => void;
  /** The kept rate that was asked for closest to a time, an hour away at most. */
  readonly source: RateSource;
  /** Resolves when every rate that was asked for is here. */
  readonly settled: () => Promise<void>;
};

/** What a book of rates is made from. */
export type RateBookOptions = {
  readonly currency: string;
  /** The price of one bitcoin now, decimal text. What it throws means that it is not known. */
  readonly ask: () => string | Promise<string>;
  /** Rates that were kept before. */
  readonly kept?: Iterable<NotedRate>;
  /** Told of each rate that is to be kept beyond this process, such as to a line of a file. */
  readonly keep?: (noted: NotedRate) => void;
  readonly clock?: Clock;
};

/**
 * The same rate for every time: for tests, and for who has fixed one with their seller.
 * @throws RangeError – no currency, or no decimal number
 * @example fixedRate('USD', '67012.50')
 */
export function fixedRate(currency: string, perBitcoin: string): RateSource {
  const rate = checked({ currency, perBitcoin });
  return () => rate;
}

/**
 * A book that asks for the rate whenever something is paid.
 * @throws RangeError – no currency
 */
export function createRateBook({ currency, ask, kept = [], keep, clock = systemClock }: RateBookOptions): RateBook {
  assertCurrency(currency);
  const rates: NotedRate[] = [...kept].map((one) => ({ ...checked(one), at: one.at }));
  const asking = new Set<Promise<void>>();
  const note = async (): Promise<void> => {
    const at = nowAt(clock);
    try {
      const noted = { ...checked({ currency, perBitcoin: await ask() }), at };
      rates.push(noted);
      if (rates.length > mostKept) rates.shift();
      keep?.(noted);
    } catch {
      // A payment is worth more than its value in other money: without a rate, its receipt names none.
    }
  };
  return {
    onEvent: ({ kind }) => {
      if (kind !== 'paid') return;
      const one = note().finally(() => asking.delete(one));
      asking.add(one);
    },
    source: (at) => {
      const near = rates.filter((one) => Math.abs(one.at - at) <= farthestSeconds);
      return near.reduce<NotedRate | undefined>((best, one) => (best && Math.abs(best.at - at) <= Math.abs(one.at - at) ? best : one), undefined);
    },
    settled: async () => void (await Promise.all(asking)),
  };
}

/** An amount at a rate, rounded to a millionth. */
export function valueAt(amountMsat: Msat, rate: Rate): FiatValue {
  const { currency, perBitcoin } = checked(rate);
  const [whole = '', part = ''] = perBitcoin.split('.');
  const scaled = BigInt(whole + part.padEnd(rateDigits, '0'));
  const divisor = msatPerBitcoin * 10n ** BigInt(rateDigits - valueDigits);
  const millionths = (amountMsat * scaled * 2n + divisor) / (divisor * 2n);
  const text = millionths.toString().padStart(valueDigits + 1, '0');
  return { currency, amount: `${text.slice(0, -valueDigits)}.${text.slice(-valueDigits)}`, rate: perBitcoin };
}

const msatPerBitcoin = 100_000_000_000n;

/** Digits behind the point that a rate may have, and that a value has. */
const rateDigits = 8;
const valueDigits = 6;

/** A rate from further away says little of the time of a payment. */
const farthestSeconds = 3600;

/** Most rates that are held in memory. */
const mostKept = 100_000;

function checked({ currency, perBitcoin }: Rate): Rate {
  assertCurrency(currency);
  if (typeof perBitcoin !== 'string' || !/^(?:0|[1-9]\d{0,17})(?:\.\d{1,8})?$/.test(perBitcoin)) {
    throw new RangeError('a rate is a decimal number as text, such as "67012.50": what one bitcoin costs');
  }
  return { currency, perBitcoin };
}

function assertCurrency(currency: string): void {
  if (typeof currency !== 'string' || !/^[A-Z]{3,5}$/.test(currency)) throw new RangeError('currency is three to five capital letters, such as "USD"');
}
