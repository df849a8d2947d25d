/**
 * What each of the three programs of a sale is given by whoever runs it: in a process of its own, or all in one.
 */
import type { Reached } from '../../../src/core/CrashPoint.ts';
import type { MovedClock } from '../MovedClock.ts';

/** See the head of this file. */
export type Surroundings = {
  readonly clock: MovedClock;
  readonly reached: Reached;
  /** Tells the runner something that it did not ask for. */
  readonly tell: (news: News) => void;
  /** Stands around every call of a driver that keeps, sends or pays. */
  readonly around?: Around;
};

/** Does the work, and may look at when it begins and ends. */
export type Around = <T>(call: string, work: () => Promise<T>) => Promise<T>;

/** A driver whose calls of these names are stood around, as `<name>.<call>`. */
export function stoodAround<Driver extends object>(
  driver: Driver,
  name: string,
  calls: readonly (keyof Driver & string)[],
  around: Around | undefined,
): Driver {
  if (!around) return driver;
  const watched = calls.map((call) => {
    const original = driver[call] as (...args: readonly unknown[]) => Promise<unknown>;
    return [call, (...args: readonly unknown[]) => around(`${name}.${call}`, () => original(...args))];
  });
  return { ...driver, ...Object.fromEntries(watched) };
}

/** What is told unasked. */
export type News =
  /** The buyer waits for so long. */
  | { readonly kind: 'waiting'; readonly ms: number }
  /** A payment stays under way. */
  | { readonly kind: 'under-way' }
  /** Something went wrong that nobody is told of otherwise. */
  | { readonly kind: 'trouble'; readonly what: string };

/** What every program can do. */
export type Actor = {
  /** Where it listens; '' where it does not. */
  readonly url: () => Promise<string>;
  /** Resolves when everything that had arrived before the call has been handled. */
  readonly idle: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** A few turns of the event loop: what the system had for this process has been handled, and what followed from it is written. */
export async function idle(): Promise<void> {
  for (let turns = 0; turns < 4; turns++) await new Promise((resolve) => setImmediate(resolve));
}
