/**
 * Every way to rob a client, in the order of a purchase.
 */
import { delays, lostAnswers, redirects, refusals } from './afterPayment.ts';
import { challenges, endless, invoices, prices } from './beforePayment.ts';
import { doubles, lostReplies } from './networks.ts';
import type { Script, Way } from './Way.ts';
import { proofs, sums, words } from './wallets.ts';

/** Every way with its script. */
export const scripts: readonly Script[] = [
  ...prices,
  ...invoices,
  ...challenges,
  ...endless,
  ...proofs,
  ...words,
  ...sums,
  ...lostReplies,
  ...doubles,
  ...refusals,
  ...delays,
  ...redirects,
  ...lostAnswers,
];

/** Every way, as the catalogue lists it. */
export const ways: readonly Way[] = scripts.map(({ name, liar, does, demand, steps, most }) => ({ name, liar, does, demand, steps, most }));
