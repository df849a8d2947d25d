/**
 * `farebox/testing`: what tests of one's own code against Farebox need: a clock that stands still, contract suites for drivers, a wallet
 * that does as it is told, a server that lies; and a server, a wallet and a network that rob whoever lets them.
 */
export { type ClientStoreCase, clientStoreContract } from './clientStoreContract.ts';
export * as FixedClock from './FixedClock.ts';
export { type LyingServer, type MadeOffer, type OfferScript, type SeenRequest, startLyingServer } from './LyingServer.ts';
export { type Liars, type LiarsOptions, startLiars } from './liars/Liars.ts';
export type { Limits, Seen, SeenPayment, SeenVisit } from './liars/Seen.ts';
export type { Ending, Liar, Place, Way, WayStep } from './liars/Way.ts';
export { isApplicable, type LightningCase, type LightningHooks, type LightningNeed, type LightningSubject, lightningContract } from './lightningContract.ts';
export { createScriptedPayer, type PaymentScript, type ScriptedPayer, type ScriptedPayerOptions } from './ScriptedPayer.ts';
export { type StoreCase, storeContract } from './storeContract.ts';
