/**
 * What an invoice was for, by its words: those of what is sold now, and of what was sold before, since invoices are paid after a change as well.
 */
import type { Offer } from '../../server/Offer.ts';
import type { SettlementsOptions } from '../../server/Settlements.ts';
import * as TopUps from '../../server/TopUps.ts';

/** See the head of this file. */
export type Words = { readonly add: (routes: readonly { readonly offer: Offer | undefined }[]) => void; readonly find: SettlementsOptions['soldAs'] };

/** Most words that are kept. */
const maxWords = 20_000;

/** Which route an invoice was for, by its words; where several have the same ones, their common service, or nothing. */
export function createWords(): Words {
  const known = new Map<string, { readonly service: string; readonly route: string }>();
  return {
    find: (description) => known.get(description),
    add: (routes) => {
      const now = new Map<string, { readonly service: string; readonly route: string }>();
      for (const { offer } of routes) {
        if (offer === undefined) continue;
        const { description, service, route } = offer;
        for (const words of [description, ...(offer.terms.holds === undefined ? [] : [TopUps.describe(offer)])]) {
          const other = now.get(words);
          if (other === undefined) now.set(words, { service, route });
          else if (other.service === service) now.set(words, { service, route: '' });
          else now.set(words, { service: '', route: '' });
        }
      }
      for (const [words, sold] of now) {
        known.delete(words);
        known.set(words, sold);
      }
      for (const [words] of known) {
        if (known.size <= Math.max(maxWords, now.size)) break;
        known.delete(words);
      }
    },
  };
}
