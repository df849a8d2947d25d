/**
 * Who may do what here.
 */
import { z } from 'zod';
import { nowAt } from '../../core/Clock.ts';
import { scopes } from '../auth/Scope.ts';
import { defineChange, defineRead } from '../Operation.ts';

/** `access.show` */
export const showAccess = defineRead({
  name: 'access.show',
  scope: 'read',
  summary: 'Say who I am here, and what I may do.',
  input: z.object({}),
  output: z.object({
    id: z.string().describe('Of the token or session; public.'),
    label: z.string(),
    kind: z.enum(['token', 'session']),
    scope: z.enum(scopes),
    operations: z.array(z.string()).nullable().describe('The only ones that it may call; null: all of its scope.'),
  }),
  run: async (_, { caller: { id, label, kind, scope, operations } }) => ({
    ...{ id, label, kind, scope },
    operations: operations === undefined ? null : [...operations],
  }),
});

/** `access.revoke` */
export const revokeAccess = defineChange({
  name: 'access.revoke',
  scope: 'admin',
  summary: 'Refuse a token or session of an operator from now on.',
  description: 'With everything that was narrowed from it. Its id stands in the audit log, and access.show says it.',
  input: z.object({
    id: z
      .string()
      .regex(/^(?:[0-9a-f]{32}|[0-9a-f]{24})$/)
      .describe('Of the token (32 hex digits) or session (24).'),
  }),
  output: z.object({ id: z.string() }),
  plan: async ({ id }, { clock, endAccess }) => ({
    target: `access ${id}`,
    differences: [{ field: 'revoked', before: null, after: 'for good' }],
    output: { id },
    // Longer than any token lives that can be made.
    apply: () => endAccess(id, nowAt(clock) + longestSeconds),
  }),
});

/** The longest that a token of an operator can be good for. */
export const longestSeconds = 400 * 86_400;
