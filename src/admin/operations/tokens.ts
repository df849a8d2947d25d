/**
 * Tokens that were sold: what one is good for, what became of it, and refusing it.
 */
import { z } from 'zod';
import { FareboxError } from '../../core/Errors.ts';
import * as Identifier from '../../core/Identifier.ts';
import type * as Preimage from '../../core/Preimage.ts';
import { read as readTree, type Wanted } from '../../server/DelegationTree.ts';
import { never } from '../../server/Denials.ts';
import type { Denial, Store } from '../../store/Store.ts';
import * as Fields from '../Fields.ts';
import { type Call, defineChange, defineRead } from '../Operation.ts';

const token = z.string().min(1).max(8192).describe('A token, or `L402 <token>:<preimage>`. It is a secret: it is neither answered nor written down.');

/** `tokens.inspect` */
export const inspectToken = defineRead({
  name: 'tokens.inspect',
  scope: 'read',
  summary: 'Say what a token is good for, and whether it would be taken.',
  description: 'Of a token that was not made with the keys of this gateway, nothing is said but that it is not ours. Nothing is used up by asking.',
  secrets: ['token'],
  input: z.object({ token }),
  output: z.object({
    known: z.boolean().describe('It was made here, and its signature holds.'),
    good: z.boolean().describe('A request with it would be let through.'),
    code: z.string().nullable().describe('Why it would not be.'),
    detail: z.string().nullable(),
    tokenId: Fields.digest.nullable(),
    paymentHash: Fields.digest.nullable(),
    account: Fields.digest.nullable().describe('What its uses are counted on.'),
    key: z.string().nullable().describe('The fingerprint of the master key that made it.'),
    mintedAt: Fields.at.nullable(),
    validUntilAt: Fields.at.nullable(),
    service: z.string().nullable(),
    terms: z.string().nullable(),
    paid: z.boolean().describe('The proof of its payment came with it.'),
    revoked: z.boolean(),
    left: z.string().nullable().describe('What is left of what is counted; null where nothing is, or it cannot be said.'),
    allows: z.array(z.string()).describe('What each of its caveats allows, in words.'),
  }),
  run: async ({ token: text }, { introspect }) => {
    const said = await introspect(text);
    if (said.kind === 'unknown') return { ...nothing, known: false, good: false, paid: false, revoked: false, allows: [] };
    const { why, principal, paymentHash, tokenId, fingerprint, mintedAt, isPaid, isRevoked, left, allows } = said;
    return {
      known: true,
      good: why === undefined,
      code: why?.code ?? null,
      detail: why?.message ?? null,
      tokenId,
      paymentHash,
      account: accountOf(paymentHash, tokenId),
      key: fingerprint,
      mintedAt,
      validUntilAt: principal?.validUntil ?? null,
      service: principal?.service ?? null,
      terms: principal?.terms ?? null,
      paid: isPaid,
      revoked: isRevoked,
      left: left ?? null,
      allows: [...allows],
    };
  },
});

const nothing = {
  ...{ code: null, detail: null, tokenId: null, paymentHash: null, account: null, key: null },
  ...{ mintedAt: null, validUntilAt: null, service: null, terms: null, left: null },
} as const;

/** `tokens.tree` */
export const treeOfToken = defineRead({
  name: 'tokens.tree',
  scope: 'read',
  summary: 'Show what was handed on of a token, and who has spent what of it.',
  description: 'A part is there once something was asked for with it. Its name is a digest, and no way to use it. The books are read as a whole for it.',
  secrets: ['token'],
  input: z.object({
    token: token.optional(),
    tokenId: Fields.digest.optional().describe('Instead of the token, with its payment: its id.'),
    payment: Fields.digest.optional().describe('The payment that bought it: its balance, or with a token id that token.'),
  }),
  output: z.object({
    nodes: z.array(
      z.object({
        name: Fields.digest,
        above: Fields.digest.nullable().describe('What it was handed on of; null of the whole.'),
        kind: z.enum(['credit', 'bucket', 'pass', 'part', 'carved']),
        unit: z.enum(['uses', 'msat']),
        units: amount(),
        spent: amount(),
        reserved: amount(),
        topUps: z.int(),
        revoked: z.boolean(),
        depth: z.int(),
      }),
    ),
  }),
  run: async (input, call) => {
    const store = storeOf(call);
    const nodes = await readTree(store, await wantedOf(input, call)).catch((error: unknown) => {
      if (FareboxError.is(error, 'CONFIG_INVALID')) throw new FareboxError('ADMIN_TARGET_UNKNOWN', error.message, { cause: error });
      throw error;
    });
    return {
      nodes: nodes.map(({ name, above, kind, unit, counted, topUps, isRevoked, depth }) => ({
        ...{ name, above: above ?? null, kind, unit, topUps, revoked: isRevoked, depth },
        units: counted === undefined ? null : String(counted.units),
        spent: counted === undefined ? null : String(counted.spent),
        reserved: counted === undefined ? null : String(counted.reserved),
      })),
    };
  },
});

/** `tokens.revoked` */
export const listRevoked = defineRead({
  name: 'tokens.revoked',
  scope: 'read',
  summary: 'List what is refused.',
  input: z.object({ limit: Fields.limit }),
  output: z.object({
    revoked: z.array(z.object({ kind: z.enum(['token', 'part', 'payment', 'key', 'minted-before']), value: z.string(), untilAt: Fields.at.nullable() })),
    more: z.boolean().describe('There are more than were asked for.'),
  }),
  run: async ({ limit = 100 }, call) => {
    const { denials } = await storeOf(call).denials();
    const shown = denials.slice(-limit).reverse();
    return {
      revoked: shown.map(({ kind, value, expiresAt }) => ({ kind, value, untilAt: expiresAt >= never ? null : expiresAt })),
      more: denials.length > shown.length,
    };
  },
});

/** `tokens.revoke` */
export const revokeToken = defineChange({
  name: 'tokens.revoke',
  scope: 'operate',
  summary: 'Refuse a token, a part of one, or all that a payment bought, from now on.',
  description: 'In every gateway of the store, within a second, and for good. Name one of them. Keys and everything minted before a time: `farebox revoke`.',
  secrets: ['token'],
  input: z.object({
    token: token.optional(),
    tokenId: Fields.digest.optional().describe('The id of a token.'),
    part: Fields.digest.optional().describe('The name of a part, as tokens.tree says it.'),
    payment: Fields.digest.optional().describe('A payment hash.'),
  }),
  output: z.object({ kind: z.enum(['token', 'part', 'payment']), value: Fields.digest }),
  plan: async (input, call) => {
    const store = storeOf(call);
    const { kind, value } = await deniedBy(input, call);
    const { denials } = await store.denials();
    const isThere = denials.some((one) => one.kind === kind && one.value === value && one.expiresAt >= never);
    return {
      target: `${kind} ${value}`,
      differences: isThere ? [] : [{ field: 'revoked', before: null, after: 'for good' }],
      output: { kind, value },
      apply: () => store.deny({ kind, value, expiresAt: never }),
    };
  },
});

/** A number of units, or null where nothing is counted. */
function amount() {
  return z
    .string()
    .regex(/^-?\d+$/)
    .nullable();
}

type Named = {
  readonly token?: string | undefined;
  readonly tokenId?: string | undefined;
  readonly part?: string | undefined;
  readonly payment?: string | undefined;
};

async function deniedBy(input: Named, call: Call): Promise<{ readonly kind: Denial['kind'] & ('token' | 'part' | 'payment'); readonly value: string }> {
  const { token: text, tokenId, part, payment } = input;
  if ([text, tokenId, part, payment].filter((one) => one !== undefined).length !== 1) throw malformed('Name one of token, tokenId, part and payment.');
  if (part !== undefined) return { kind: 'part', value: part };
  if (payment !== undefined) return { kind: 'payment', value: payment };
  return { kind: 'token', value: tokenId ?? (await ours(text as string, call)).tokenId };
}

async function wantedOf({ token: text, tokenId, payment }: Named, call: Call): Promise<Wanted> {
  if (text !== undefined) {
    const found = await ours(text, call);
    return { kind: 'token', tokenId: found.tokenId, account: accountOf(found.paymentHash, found.tokenId), given: undefined };
  }
  if (payment === undefined) throw malformed('Name a token, or the payment that bought it.');
  if (tokenId === undefined) return { kind: 'payment', paymentHash: payment };
  return { kind: 'token', tokenId, account: accountOf(payment, tokenId), given: undefined };
}

async function ours(text: string, { introspect }: Call): Promise<{ readonly paymentHash: string; readonly tokenId: string }> {
  const said = await introspect(text);
  if (said.kind === 'unknown') throw new FareboxError('ADMIN_TARGET_UNKNOWN', 'This token was not made with the keys of this gateway.');
  return said;
}

/** What a token's uses are counted on. */
function accountOf(paymentHash: string, tokenId: string): string {
  return Identifier.useKeyOf(Identifier.encode({ version: 0, paymentHash: paymentHash as Preimage.PaymentHash, tokenId }));
}

/** @throws ADMIN_CHANGE_CONFLICT – there is none */
export function storeOf({ store }: Pick<Call, 'store'>): Store {
  if (store === undefined) throw new FareboxError('ADMIN_CHANGE_CONFLICT', 'This gateway has no store ("store: none"): nothing of it is kept.');
  return store;
}

function malformed(message: string): FareboxError {
  return new FareboxError('REQUEST_MALFORMED', message);
}
