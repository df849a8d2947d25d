/**
 * `<service>_capabilities=<a>,<b>`: what a token may do within its service. Minted where the route names capabilities; an empty list
 * allows none.
 *
 * @see L402 macaroon-spec, Service Capabilities
 */
import * as Caveat from '../../core/Caveat.ts';
import type { Policy } from './Policy.ts';

/** The caveat's condition. */
export function condition(service: string): string {
  return `${service}_capabilities`;
}

/** The caveat as minted, or undefined where the route names none. */
export function write(service: string, capabilities: readonly string[]): string | undefined {
  return capabilities.length === 0 ? undefined : Caveat.format({ condition: condition(service), value: capabilities.join(',') });
}

/** The names in a value, without spaces. */
export function read(value: string): readonly string[] {
  return value
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** Holds where every capability that the route demands is named. */
export const capabilities: Policy = {
  check: (value, { capabilities: demanded }) => {
    const named = read(value);
    return demanded.every((name) => named.includes(name)) ? undefined : 'elsewhere';
  },
  narrows: (earlier, later) => {
    const before = read(earlier);
    return read(later).every((name) => before.includes(name));
  },
};
