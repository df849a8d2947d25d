/**
 * `farebox/server`: the paywall's engine, for whoever stands in the path of requests in a way of their own.
 */
export type { Answer, RequestView } from '../http/RequestView.ts';
export type { Receiver } from '../lightning/Lightning.ts';
export type { Store } from '../store/Store.ts';
export type { Decision } from './Decision.ts';
export { createEvents, type Events, type PaywallEvent, type SaleFacts } from './Events.ts';
export type { MintLimits } from './Limits.ts';
export * as Offer from './Offer.ts';
export { createPaywall, type Paywall } from './Paywall.ts';
export type { PaywallOptions } from './PaywallOptions.ts';
export * as Price from './Price.ts';
export { type Pruning, startPruning } from './Pruning.ts';
export { createRootKeys, fingerprintOf, type KeyRing, type Master, type RootKeys } from './RootKeys.ts';
export { followSettlements, type Settlements, type SettlementsOptions, type Watched } from './Settlements.ts';
export { createReceiptSigner, type ReceiptSigner } from './SignedReceipts.ts';
export { bucket } from './terms/Bucket.ts';
export { credit } from './terms/Credit.ts';
export { pass } from './terms/Pass.ts';
export { perRequest } from './terms/PerRequest.ts';
export type { HeadOutcome, Sale, Terms } from './terms/Terms.ts';
