/**
 * Drawing from a reservation: units that are held for somebody become, call by call, those of reservations of his own.
 *
 * A reservation that is drawn from is over the same number of units of each of its accounts. What it holds becomes less with each call, and more
 * again where a call is given back; when it ends, by its lease or by being settled over nothing, what is left of it is available to all.
 */
import type { Kept, ReservationLife } from './accountLife.ts';

/** What a reservation still holds on an account; undefined where it is not held, or not over that. */
export function heldOver(kept: Kept, name: string, account: string): bigint | undefined {
  return held(kept, name)?.debits.find((debit) => debit.account === account)?.units;
}

/** Takes so many units off what it holds, or all that there are: the rest is taken of what is available to all. */
export function draw(kept: Kept, name: string, account: string, units: bigint): void {
  const there = heldOver(kept, name, account) ?? 0n;
  change(kept, name, there < units ? -there : -units);
}

/** Puts back what a reservation that was drawn from it had taken. @param given - as it stood before it was given back */
export function giveBack(kept: Kept, name: string, given: ReservationLife): void {
  const first = held(kept, name)?.debits[0];
  const drawn = given.debits.find(({ account }) => account === first?.account);
  if (drawn) change(kept, name, given.state === 'settled' ? drawn.spent : drawn.units);
}

function held(kept: Kept, name: string): ReservationLife | undefined {
  const life = kept.reservation(name);
  return life?.state === 'held' && kept.now() < life.leaseEndsAt ? life : undefined;
}

function change(kept: Kept, name: string, units: bigint): void {
  const life = kept.reservation(name);
  if (life && units !== 0n)
    kept.setReservation(name, { ...life, debits: life.debits.map((debit) => ({ ...debit, units: debit.units + units < 0n ? 0n : debit.units + units })) });
}
