/**
 * What each key of a ring is doing: which mints, which will, and until when the others have minted.
 */

import { termsOf } from '../../gateway/ConfigRoutes.ts';
import type { GatewayConfig } from '../../gateway/index.ts';
import { fingerprintOf, type Master, mintingOf } from '../../server/RootKeys.ts';

/** One key of a ring. */
export type KeyStanding = {
  readonly fingerprint: string;
  /** `waits`: it verifies already, and will mint. */
  readonly role: 'mints' | 'waits' | 'verifies';
  /** Unix seconds; undefined: as long as it is in the ring. */
  readonly mintsFromAt: number | undefined;
  /** Unix seconds from which on another key mints in its place. Undefined where none does, or nobody wrote down since when. */
  readonly mintedUntilAt: number | undefined;
};

/** Every key in the order of the ring. */
export function standingsOf(masters: readonly Master[], nowAt: number): readonly KeyStanding[] {
  const minting = mintingOf(masters, nowAt);
  const before: (number | undefined)[] = [];
  return masters.map((master) => {
    const { key, mintsFromAt } = master;
    const role = master === minting ? 'mints' : mintsFromAt !== undefined && mintsFromAt > nowAt ? 'waits' : 'verifies';
    const ends = before.filter((at) => at !== undefined);
    const mintedUntilAt = before.length > 0 && ends.length === before.length ? Math.min(...ends) : undefined;
    before.push(mintsFromAt);
    return { fingerprint: fingerprintOf(key), role, mintsFromAt, mintedUntilAt };
  });
}

const daySeconds = 86_400;

/** Clocks of several machines differ, and so does what each takes for the last moment of a key. */
const skewSeconds = 60;

/**
 * How long after a key has minted its last token one of them may still be good, by what a configuration sells: the longest terms, counted
 * from the end of an invoice. A node may let an invoice live longer than it was asked to: a day is added for that, and a month for the
 * services behind Lightning addresses, who are not ours.
 */
export function longestLifeSeconds({ routes, invoiceExpirySeconds, lightning, payees }: GatewayConfig): number {
  const terms = routes.flatMap(({ sale }) => (sale ? [termsOf(sale.terms).lastsSeconds] : []));
  const wallets = [...lightning, ...Object.values(payees).flat()];
  const invoices = wallets.some(({ kind }) => kind === 'lnurl') ? 30 * daySeconds : daySeconds;
  // Invoices that are kept ready are made to last twice as long.
  return Math.max(0, ...terms) + 2 * invoiceExpirySeconds + invoices + skewSeconds;
}

/** The same where only the longest of what was sold is known. */
export function lifeOf(lastsSeconds: number): number {
  return lastsSeconds + 30 * daySeconds + skewSeconds;
}
