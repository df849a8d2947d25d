/**
 * Runs an operation for a caller: whether he may, whether the input is one, what the audit log is told, and whether the answer is what its schema says.
 * Whoever calls, over HTTP or otherwise, comes through here.
 */
import type { z } from 'zod';
import { FareboxError } from '../core/Errors.ts';
import { assertMay } from './auth/Authentication.ts';
import type { Call, Operation } from './Operation.ts';

/** An answer that is there, or one that comes item by item. */
export type Outcome = { readonly kind: 'whole'; readonly value: unknown } | { readonly kind: 'stream'; readonly items: AsyncIterable<unknown> };

/**
 * See the head of this file.
 * @throws ADMIN_FORBIDDEN – the caller may not
 * @throws REQUEST_MALFORMED – the input is none
 * @throws whatever the operation refuses
 */
export async function run(operation: Operation, input: unknown, call: Call): Promise<Outcome> {
  assertMay(call.caller, operation);
  const read = operation.input.strict().safeParse(input);
  if (!read.success) throw malformed(read.error);
  if (operation.kind === 'read') return { kind: 'whole', value: operation.output.parse(await operation.run(read.data, call)) };
  if (operation.kind === 'stream') return { kind: 'stream', items: checked(operation.output, operation.items(read.data, call)) };
  return { kind: 'whole', value: operation.output.parse(await change(operation, read.data, call)) };
}

async function change(operation: Operation & { readonly kind: 'change' }, input: { readonly [name: string]: unknown }, call: Call): Promise<unknown> {
  const { dryRun, ...asked } = input;
  const { output, target, differences, apply } = await operation.plan(asked, call);
  const answer = { ...(output as object), target, differences };
  if (dryRun === true || differences.length === 0) return { ...answer, applied: false };
  const secrets = new Set(operation.secrets);
  const shown = Object.fromEntries(Object.entries(asked).map(([name, value]) => [name, secrets.has(name) ? '(secret)' : value]));
  await call.audit.record({ caller: call.caller, operation: operation.name, target, input: shown, differences }, apply);
  return { ...answer, applied: true };
}

async function* checked(schema: z.ZodType, items: AsyncIterable<unknown>): AsyncIterable<unknown> {
  for await (const item of items) yield schema.parse(item);
}

/** Every mistake in an input, each with its field. */
function malformed({ issues }: z.ZodError): FareboxError {
  const mistakes = issues.slice(0, 20).map(({ path, message }) => (path.length === 0 ? message : `${path.map(String).join('.').slice(0, 64)}: ${message}`));
  return new FareboxError('REQUEST_MALFORMED', `The input cannot be used. ${mistakes.join('; ').slice(0, 2000)}`, { details: { mistakes } });
}
