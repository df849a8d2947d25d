/**
 * Every way to rob a client, in the order of a purchase.
 */
import { delays, lostAnswers, poorAnswers, redirects, refusals } from './afterPayment.ts';
import { invoices, prices } from './beforePayment.ts';
import { challenges, places } from './challenges.ts';
import { honest } from './honest.ts';
import { doubles, lostReplies } from './networks.ts';
import { endless } from './offerBodies.ts';
import type { Script, Way } from './Way.ts';
import { proofs, sums, words } from './wallets.ts';

/** Every way with its script. */
export const scripts: readonly Script[] = [
  ...honest,
  ...prices,
  ...invoices,
  ...challenges,
  ...places,
  ...endless,
  ...proofs,
  ...words,
  ...sums,
  ...lostReplies,
  ...doubles,
  ...refusals,
  ...delays,
  ...poorAnswers,
  ...redirects,
  ...lostAnswers,
];

/** Every way, as the catalogue lists it. */
export const ways: readonly Way[] = scripts.map(({ name, liar, does, demand, steps, most, pay, lookUp }) => {
  return { name, liar, needs: pay || lookUp ? 'wallet' : 'server', does, demand, steps, most };
});
