/**
 * What was sold: `<service>_price=<amount>` and, last of all that is minted, `<service>_terms=<kind>`, or `<kind>:<units>` where what was sold is
 * counted: `bucket:1500` calls, `credit:10000000` millisatoshi. Everything behind the first
 * `<service>_terms` came from a holder. Neither is ever stretched: a holder can only write them again as they are.
 */
import * as Amount from '../../core/Amount.ts';
import * as Caveat from '../../core/Caveat.ts';
import { type Policy, rememberLast } from './Policy.ts';

/** The condition that names what was paid. */
export function priceCondition(service: string): string {
  return `${service}_price`;
}

/** The condition that names the terms; the last one minted. */
export function termsCondition(service: string): string {
  return `${service}_terms`;
}

/** Both caveats as minted. */
export function write(service: string, amountMsat: Amount.Msat, terms: string): readonly string[] {
  return [
    Caveat.format({ condition: priceCondition(service), value: Amount.format(amountMsat) }),
    Caveat.format({ condition: termsCondition(service), value: terms }),
  ];
}

/** Reads what was paid, or undefined where it is no amount. */
export const readPrice = rememberLast((value: string): Amount.Msat | undefined => {
  try {
    return Amount.parse(value);
  } catch {
    return undefined;
  }
});

/** What a token was sold as. */
export type SoldTerms = {
  readonly kind: string;
  /** How much of it, where it is counted. */
  readonly units: bigint | undefined;
};

/** Reads the terms, or undefined where they are none. */
export const readTerms = rememberLast((value: string): SoldTerms | undefined => {
  const match = /^([a-z][a-z-]{0,31})(?::(\d{1,19}))?$/.exec(value);
  return match ? { kind: match[1] as string, units: match[2] === undefined ? undefined : BigInt(match[2]) } : undefined;
});

/** Holds always; a second one must say the same. */
export const sold: Policy = {
  check: () => undefined,
  narrows: (earlier, later) => earlier === later,
};
