/**
 * Who is asked first: whoever is expected to cost least for an answer, in money and in time. Pure.
 *
 *     (price + worth of a second · seconds) / chance of an answer
 *
 * The chance is what the last times say, with one success and one failure on top, so that nobody who is new is thought to be perfect, or hopeless.
 */
import type { Msat } from '../../core/Amount.ts';
import type { Seen } from './Observations.ts';
import type { Provider } from './Services.ts';

/** A provider and what is known of it. */
export type Standing = {
  readonly provider: Provider;
  readonly seen: Seen;
  /** What its invoice in hand asks; undefined as long as it has not been asked. */
  readonly quotedMsat: Msat | undefined;
};

/** How they are weighed. */
export type Weights = {
  /** What a second of waiting is worth. */
  readonly msatPerSecond: number;
};

/** What an answer is expected to cost, in msat; the less the better. */
export function costOf({ provider, seen, quotedMsat }: Standing, { msatPerSecond }: Weights): number {
  const { times } = seen;
  // What was asked last counts more than what is said in a file: the invoice is the only authority on the price.
  const priceMsat = quotedMsat ?? seen.priceMsat ?? provider.priceMsat ?? unknownPriceMsat;
  const answered = times.filter(({ ok }) => ok);
  const ms = times.length === 0 ? unknownMs : times.reduce((sum, one) => sum + one.ms, 0) / times.length;
  const chance = (answered.length + 1) / (times.length + 2);
  return (Number(priceMsat) + (msatPerSecond * ms) / 1000) / chance;
}

/** The best one; the first in the file where several are equal. Undefined for none. */
export function best<T extends Standing>(standings: readonly T[], weights: Weights): T | undefined {
  return standings.reduce<T | undefined>((found, one) => (found && costOf(found, weights) <= costOf(one, weights) ? found : one), undefined);
}

/**
 * One that little is known of, to learn whether it is better: among those that were asked least.
 * @param chance - from 0 to below 1, at random
 */
export function leastKnown<T extends Standing>(standings: readonly T[], chance: number): T | undefined {
  const least = Math.min(...standings.map(({ seen }) => seen.times.length));
  const few = standings.filter(({ seen }) => seen.times.length === least);
  return few[Math.floor(chance * few.length)];
}

/** Who does not say a price is asked for it early: to ask costs nothing. */
const unknownPriceMsat = 0n as Msat;
const unknownMs = 1000;
