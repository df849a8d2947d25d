/**
 * `<service>_priced=<digest>`: the inputs beyond route and method that the price depended on. Recomputed at redemption, so that a token
 * bought with cheap inputs is worthless with dear ones. Minted only where the price has such inputs.
 */
import * as Caveat from '../../core/Caveat.ts';
import { fromUtf8, toHex } from '../../core/internal/bytes.ts';
import { sha256 } from '../../core/internal/sha256.ts';
import type { Policy } from './Policy.ts';

/** The condition as minted. */
export function condition(service: string): string {
  return `${service}_priced`;
}

/** Digest of the inputs, '' where there are none: SHA-256 over each one's length and text, its first 16 bytes as hex. */
export function digest(inputs: readonly string[]): string {
  if (inputs.length === 0) return '';
  return toHex(sha256(...inputs.map((input) => fromUtf8(`${input.length}:${input}`))).subarray(0, 16));
}

/** The caveat as minted, or undefined where the price hangs on nothing else. */
export function write(service: string, priced: string): string | undefined {
  return priced === '' ? undefined : Caveat.format({ condition: condition(service), value: priced });
}

/** Holds where the request has the inputs that were priced. */
export const priced: Policy = {
  check: (value, context) => (value === context.priced ? undefined : 'elsewhere'),
};
