/**
 * Payments: the newest first, and the story of one.
 */
import { z } from 'zod';
import { FareboxError } from '../../core/Errors.ts';
import { explain, type Payment, readPage, readStory, summarize } from '../books/Payments.ts';
import { explainSeen } from '../books/Recent.ts';
import * as Fields from '../Fields.ts';
import { defineRead } from '../Operation.ts';
import { withoutStore } from './statistics.ts';

const states = ['arrived', 'received', 'earned', 'reversed'] as const;

const payment = z.object({
  paymentHash: Fields.digest,
  state: z
    .enum(states)
    .describe('`arrived`: by its wallet’s word, and presented by nobody; `received`: presented, and nothing is bought yet; `earned`; `reversed`: given back.'),
  service: z.string(),
  route: z.string(),
  terms: z.string().describe('What it was sold under, such as `per-request`.'),
  amountMsat: Fields.msat,
  earnedMsat: Fields.signedMsat.describe('Earned less given back.'),
  sales: z.int().describe('Answers that it bought, less those that were given back.'),
  repeats: z.int(),
  firstAt: Fields.at,
  lastAt: Fields.at,
});

const entry = z.object({
  seq: z.int(),
  at: Fields.at,
  kind: z.enum(['settled', 'received', 'earned', 'reversed', 'repeated']),
  amountMsat: Fields.msat,
  service: z.string(),
  route: z.string(),
  note: z.string(),
  sentence: z.string().describe('What it says, for people.'),
});

/** `payments.list` */
export const listPayments = defineRead({
  name: 'payments.list',
  scope: 'read',
  summary: 'List the payments, the newest first.',
  description: 'By their newest entry in the ledger. `nextBefore` goes on from where the answer ends; a page may be short, or empty, while there is more.',
  input: z.object({
    paymentHash: z
      .string()
      .regex(/^[0-9a-f]{4,64}$/, 'has 4 to 64 hex digits')
      .optional()
      .describe('Those whose payment hash begins so.'),
    state: z.enum(states).optional().describe('Those of which this became.'),
    service: z.string().optional().describe('Of this service alone.'),
    route: z.string().optional().describe('Of this route alone.'),
    fromAt: Fields.at.optional().describe('Unix seconds; whose newest entry is not older.'),
    toAt: Fields.at.optional().describe('Unix seconds; whose newest entry is older.'),
    before: z.int().min(0).optional().describe('Go on behind a page: its `nextBefore`.'),
    limit: Fields.limit,
  }),
  output: z.object({ payments: z.array(payment), nextBefore: z.int().nullable() }),
  run: async ({ before = Number.MAX_SAFE_INTEGER, limit = 100, ...filter }, { store }) => {
    if (store === undefined) throw withoutStore();
    const { payments, nextBefore } = await readPage(store, filter, { before, limit });
    return { payments: payments.map(toAnswer), nextBefore: nextBefore ?? null };
  },
});

/** `payments.show` */
export const showPayment = defineRead({
  name: 'payments.show',
  scope: 'read',
  summary: 'Tell the story of one payment.',
  description:
    'From its arrival to what it bought last, an entry of the ledger each, with a sentence that says what happened. `seen` is what this process saw lately and the ledger does not keep: when the 402 went out, and whether the answer arrived.',
  input: z.object({ paymentHash: Fields.digest.describe('Which payment.') }),
  output: z.object({
    payment: payment.extend({ isRevoked: z.boolean() }),
    entries: z.array(entry),
    seen: z.array(z.object({ at: Fields.at, kind: z.enum(['challenged', 'delivered', 'left', 'released']), sentence: z.string() })),
  }),
  run: async ({ paymentHash }, { store, recent }) => {
    if (store === undefined) throw withoutStore();
    const story = await readStory(store, paymentHash);
    const summary = summarize(story);
    if (summary === undefined) throw new FareboxError('ADMIN_TARGET_UNKNOWN', `The ledger has no payment ${paymentHash.slice(0, 8)}…`);
    const { denials } = await store.denials();
    const isRevoked = denials.some(({ kind, value }) => kind === 'payment' && value === paymentHash);
    const entries = story.slice(-1000).map(({ seq, at, kind, amountMsat, service, route, note }) => {
      return { seq, at, kind, amountMsat: String(amountMsat), service, route, note, sentence: explain({ kind, note }) };
    });
    const seen = recent.of(paymentHash).map((one) => ({ at: one.at, kind: one.kind, sentence: explainSeen(one) }));
    return { payment: { ...toAnswer(summary), isRevoked }, entries, seen };
  },
});

function toAnswer({ amountMsat, earnedMsat, ...facts }: Payment) {
  return { ...facts, amountMsat: String(amountMsat), earnedMsat: String(earnedMsat) };
}
