/**
 * Until when a token is good: `<service>_valid_until=<Unix seconds>`, minted into every token; `valid_until` and `expires`
 * (ISO 8601 with a zone, or Unix seconds) from holders. Good up to and including that second.
 *
 * @see L402 macaroon-spec, Service Constraints; docs/wire.md, "The token"
 */
import * as Caveat from '../../core/Caveat.ts';
import { type Policy, rememberLast } from './Policy.ts';

/** The condition as minted. */
export function condition(service: string): string {
  return `${service}_valid_until`;
}

/** The caveat as minted. @throws RangeError – a time that nobody could read again, and that would be paid for in vain */
export function write(service: string, validUntil: number): string {
  if (read(String(validUntil)) !== validUntil) throw new RangeError(`validUntil is whole Unix seconds that 32 bits hold, not ${validUntil}`);
  return Caveat.format({ condition: condition(service), value: String(validUntil) });
}

/** The time of a value in Unix seconds, or undefined where it is none. */
export const read = rememberLast(Caveat.parseTime);

/** Holds until the second that it names; a time that cannot be read refuses. */
export const validUntil: Policy = {
  check: (value, { nowAt }) => {
    const at = read(value);
    if (at === undefined) return 'unreadable';
    return nowAt <= at ? undefined : 'expired';
  },
  narrows: (earlier, later) => {
    const [before, after] = [read(earlier), read(later)];
    return before !== undefined && after !== undefined && after <= before;
  },
};
