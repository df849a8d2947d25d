/**
 * Accounts: what balances hold, and giving something to one.
 */
import { z } from 'zod';
import { nowAt } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { toHex } from '../../core/internal/bytes.ts';
import * as Delegation from '../../server/terms/Delegation.ts';
import * as Fields from '../Fields.ts';
import { defineChange, defineRead } from '../Operation.ts';
import { storeOf } from './tokens.ts';

const units = z
  .string()
  .regex(/^-?\d{1,20}$/)
  .describe('In the unit of the account: requests, units of a bucket, or millisatoshis of a credit.');

const balance = { units, available: units, reserved: units, spent: units };

const account = Fields.digest.describe('As tokens.inspect says it.');

/** `accounts.show` */
export const showAccount = defineRead({
  name: 'accounts.show',
  scope: 'read',
  summary: 'Say what is in an account.',
  input: z.object({ account }),
  output: z.object({ account: Fields.digest, ...balance }),
  run: async ({ account: name }, call) => {
    const found = await storeOf(call).balance(name);
    if (found === undefined) throw absent();
    return { account: name, ...textsOf(found) };
  },
});

/** `accounts.list` */
export const listAccounts = defineRead({
  name: 'accounts.list',
  scope: 'read',
  summary: 'List balances.',
  description: 'In the order of their names, behind the one that was named last. Parts of tokens are no balances: see tokens.tree. The books are read for it.',
  input: z.object({ after: Fields.digest.optional().describe('Behind this account.'), limit: Fields.limit }),
  output: z.object({
    accounts: z.array(z.object({ account: z.string(), ...balance, credits: z.int().describe('How often something was put in.'), expiresAt: Fields.at })),
    more: z.boolean(),
  }),
  run: async ({ after = '', limit = 100 }, call) => {
    const found: { account: string; units: string; available: string; reserved: string; spent: string; credits: number; expiresAt: number }[] = [];
    for await (const one of storeOf(call).audit()) {
      if (call.signal.aborted) break;
      if (one.kind !== 'account' || one.balance === undefined || one.account <= after) continue;
      if (one.sources.some((source) => Delegation.read(source) !== undefined)) continue;
      const { units: held, spent, reserved } = one.balance;
      const shown = textsOf({ units: held, spent, reserved, available: held - spent - reserved });
      // The books are in no order: of more than are asked for the first ones stay.
      if (found.length > 8 * limit) found.sort(byName).splice(limit + 1);
      found.push({ account: one.account, ...shown, credits: one.sources.length, expiresAt: Math.min(one.lotsExpireAt, latest) });
    }
    found.sort(byName);
    return { accounts: found.slice(0, limit), more: found.length > limit };
  },
});

/** `accounts.credit` */
export const creditAccount = defineChange({
  name: 'accounts.credit',
  scope: 'admin',
  summary: 'Put something into a balance, for nothing.',
  description:
    'For a customer who was wronged. It earns nothing, and no payment stands behind it. The balance must be there; it lasts at least as long as said.',
  input: z.object({
    account,
    units: z
      .string()
      .regex(/^[1-9]\d{0,15}$/)
      .describe('How much, in the unit of the account.'),
    lasts: z.int().min(60).max(315_360_000).optional().describe('For how many seconds; default 30 days.'),
    reason: z.string().min(1).max(200).describe('Why, for the audit log.'),
    reference: z
      .string()
      .regex(/^[A-Za-z0-9_.-]{1,64}$/)
      .optional()
      .describe('Names it: what was given under a name already is not given again. Default: a new one.'),
  }),
  output: z.object({ account: Fields.digest, reference: z.string(), ...balance }),
  plan: async ({ account: name, units: text, lasts = 30 * 86_400, reference: named }, call) => {
    const store = storeOf(call);
    const before = await store.balance(name);
    if (before === undefined) throw absent();
    const reference = named ?? toHex(call.random(8));
    const given = BigInt(text);
    const after = { ...before, units: before.units + given, available: before.available + given };
    const request = { account: name, source: `admin ${reference} ${name}`, units: given, expiresAt: nowAt(call.clock) + lasts, onlyOpen: true };
    return {
      target: `account ${name}`,
      differences: [{ field: 'units', before: String(before.units), after: String(after.units) }],
      output: { account: name, reference, ...textsOf(after) },
      apply: async () => {
        const outcome = await store.credit(request);
        if (outcome === 'absent') throw absent();
        if (outcome === 'already') throw new FareboxError('ADMIN_CHANGE_CONFLICT', `"${reference}" was given to this account before. Nothing was given again.`);
      },
    };
  },
});

const byName = (one: { readonly account: string }, other: { readonly account: string }) => (one.account < other.account ? -1 : 1);

const latest = 253_402_300_799;

function textsOf(found: { readonly units: bigint; readonly available: bigint; readonly reserved: bigint; readonly spent: bigint }) {
  return { units: String(found.units), available: String(found.available), reserved: String(found.reserved), spent: String(found.spent) };
}

function absent(): FareboxError {
  return new FareboxError('ADMIN_TARGET_UNKNOWN', 'There is no such account. It is opened when its token is first used.');
}
