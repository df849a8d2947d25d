/**
 * `farebox`: the protocol as data. No socket, no file, no clock of its own; it runs in a browser or a worker as in Node.
 *
 * @example
 * import { Bolt11, Challenge, Credential } from 'farebox';
 * const challenge = Challenge.choose(Challenge.parse(response.headers.get('www-authenticate') ?? ''));
 */
export * as Amount from './core/Amount.ts';
export * as Bolt11 from './core/Bolt11.ts';
export * as Caveat from './core/Caveat.ts';
export * as Challenge from './core/Challenge.ts';
export * as Credential from './core/Credential.ts';
export { type Code, codes, type Details, FareboxError } from './core/Errors.ts';
export * as Identifier from './core/Identifier.ts';
export * as Macaroon from './core/Macaroon.ts';
export * as Preimage from './core/Preimage.ts';
export * as Receipt from './core/Receipt.ts';
export * as SignedReceipt from './core/SignedReceipt.ts';
