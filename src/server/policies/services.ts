/**
 * `services=<name>:<tier>[,…]`: which services a token is good for. Always the first caveat; a token without it is refused.
 *
 * @see L402 macaroon-spec, Target Services
 */
import * as Caveat from '../../core/Caveat.ts';
import { type Policy, rememberLast } from './Policy.ts';

/** The caveat's condition. */
export const condition = 'services';

/** The caveat as minted. */
export function write(service: string, tier: number): string {
  return Caveat.format({ condition, value: Caveat.formatServices([{ name: service, tier }]) });
}

/** The names in a `services` value, or undefined where it cannot be read. */
export const read = rememberLast((value: string): readonly Caveat.Service[] | undefined => {
  try {
    return Caveat.parseServices(value);
  } catch {
    return undefined;
  }
});

/** Holds where the service is named with the tier of the route or a higher one. */
export const services: Policy = {
  check: (value, { service, tier }) => {
    const named = read(value);
    if (named === undefined) return 'unreadable';
    return named.some((one) => one.name === service && one.tier >= tier) ? undefined : 'elsewhere';
  },
  narrows: (earlier, later) => {
    const before = read(earlier) ?? [];
    return (read(later) ?? []).every(({ name, tier }) => before.some((one) => one.name === name && one.tier >= tier));
  },
};
