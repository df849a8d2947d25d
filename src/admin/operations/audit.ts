/**
 * What operators have done.
 */
import { z } from 'zod';
import * as Fields from '../Fields.ts';
import { defineRead } from '../Operation.ts';

const difference = z.object({ field: z.string(), before: z.string().nullable(), after: z.string().nullable() });

/** `audit.list` */
export const listAudit = defineRead({
  name: 'audit.list',
  scope: 'read',
  summary: 'List the changes that operators have made, newest first.',
  input: z.object({ before: z.int().min(1).optional().describe('Before the one with this number.'), limit: Fields.limit }),
  output: z.object({
    records: z.array(
      z.object({
        seq: z.int(),
        at: Fields.at,
        by: z.string().describe('What the token is called, and its first digits.'),
        operation: z.string(),
        target: z.string(),
        outcome: z.enum(['done', 'failed', 'unknown']).describe('Unknown: the process ended before it could say.'),
        code: z.string().nullable(),
        input: z.record(z.string(), z.unknown()),
        differences: z.array(difference),
        hash: Fields.digest,
      }),
    ),
  }),
  run: async ({ before, limit = 100 }, { audit }) => ({
    records: (await audit.list({ before, limit })).map(({ seq, at, by, operation, target, outcome, code, input, differences, hash }) => ({
      ...{ seq, at, by: `${by.label} (${by.kind} ${by.id.slice(0, 8)})`, operation, target, outcome, code: code ?? null, hash },
      input: { ...input },
      differences: [...differences],
    })),
  }),
});

/** `audit.verify` */
export const verifyAudit = defineRead({
  name: 'audit.verify',
  scope: 'read',
  summary: 'Look whether the audit log is as it was written.',
  description: 'Every line is held against the one before it, and the end of the log against what the store remembers of it.',
  input: z.object({
    lost: z.array(Fields.digest).max(64).optional().describe('Of a log that you have put away yourself: its last digest, as the answer names it.'),
  }),
  output: z.object({
    ok: z.boolean(),
    records: z.int().describe('How many lines hold, from the first.'),
    brokenAt: z.int().nullable().describe('The first line that does not, from 1.'),
    why: z.string().nullable(),
    anchor: z
      .enum(['matches', 'behind', 'contradicts', 'missing', 'none'])
      .describe(
        'What the store says of the end: that it is there, before the last line, another one, that it knows another log here or none; or that there is no store or no log.',
      ),
    behind: z.int().describe('Lines after the one that the store remembers: the last one or two, where a process ended just then.'),
    lost: z
      .array(z.object({ log: z.string(), seq: z.int(), hash: Fields.digest }))
      .describe('Ends of logs that stood here and were gone when somebody went on: taken away, exchanged or cut off. Its records say so.'),
    file: z.string(),
  }),
  run: async ({ lost: known = [] }, { audit }) => {
    const { records, broken, anchor, behind, lost } = await audit.verify();
    const missed = lost.filter(({ hash }) => !known.includes(hash));
    const ok = broken === undefined && anchor !== 'contradicts' && anchor !== 'missing' && missed.length === 0;
    const why = broken?.why ?? reasons[anchor] ?? (missed.length === 0 ? null : gone);
    return { ok, records, brokenAt: broken?.line ?? null, why, anchor, behind, lost: lost.map((mark) => ({ ...mark })), file: audit.file };
  },
});

const reasons: { readonly [anchor: string]: string | undefined } = {
  contradicts: 'lines that the store remembers are not there: the end was cut off, or the log was written anew',
  missing: 'the store does not know this log here: it was taken away or exchanged for another, or the store was',
};

const gone = 'lines that stood here were gone when this log went on: see lost, and name with it what you have put away yourself';
