/**
 * A budget that stands in a store, as text. It was checked when it was put there, by this version or another: what cannot be read is no budget, and
 * then nothing is paid.
 */
import type { NamedBudget } from '../budget/Limit.ts';
import { readAmount, readBudget } from '../budget/Limit.ts';
import type { Period } from '../budget/windows.ts';

type Written = {
  readonly limits: readonly { readonly per: Period; readonly max: string; readonly host?: string; readonly tag?: string }[];
  readonly allow?: readonly string[];
  readonly deny: readonly string[];
  readonly above?: string;
  readonly branch?: { readonly within?: string; readonly endsAt?: number; readonly pulled?: string };
};

/** As JSON, without its name. */
export function formatStanding({ limits, allow, deny, consentAboveMsat, branch }: NamedBudget): string {
  const written: Written = {
    limits: limits.map(({ per, maxMsat, host, tag }) => ({
      per,
      max: `${maxMsat} msat`,
      ...(host !== undefined && { host }),
      ...(tag !== undefined && { tag }),
    })),
    ...(allow && { allow }),
    deny,
    ...(consentAboveMsat !== undefined && { above: `${consentAboveMsat} msat` }),
    // What is undefined is left out.
    ...(branch && { branch: branch as NonNullable<Written['branch']> }),
  };
  return JSON.stringify(written);
}

/** Reads it. @throws what `readBudget` throws, or a SyntaxError */
export function parseStanding(name: string, text: string): NamedBudget {
  const { limits, allow, deny, above, branch } = JSON.parse(text) as Written;
  const budget = readBudget({ name: name === '' ? 'all' : name, limits, allow, deny });
  const standing = { ...budget, name, consentAboveMsat: above === undefined ? undefined : readAmount(above) };
  if (branch === undefined) return standing;
  const { within, endsAt, pulled } = branch;
  if (endsAt !== undefined && !Number.isSafeInteger(endsAt)) throw new TypeError(`the end of the budget "${name}" cannot be read`);
  return { ...standing, branch: { within, endsAt, pulled } };
}
